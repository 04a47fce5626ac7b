//! What somebody panicked with, and how to be rid of it.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// How many payloads in a row may panic as they are dropped.
const PATIENCE: usize = 4;

/// Drops what somebody panicked with. That may panic, too, and so may what it panics with as it is
/// dropped, and so on: after a few, the last is forgotten. Nothing gets out.
#[cold]
pub(crate) fn drop_quietly(mut payload: Box<dyn Any + Send>) {
    for _ in 0..PATIENCE {
        match catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            Ok(()) => return,
            Err(another) => payload = another,
        }
    }
    std::mem::forget(payload);
}

#[cfg(test)]
mod tests {
    use std::{
        panic::panic_any,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
    };

    use super::*;

    /// Panics as it is dropped, with another of its kind while there are any left.
    struct Chain {
        left: usize,
        dropped: Arc<AtomicUsize>,
    }

    impl Drop for Chain {
        fn drop(&mut self) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            if let Some(left) = self.left.checked_sub(1) {
                panic_any(Self { left, dropped: Arc::clone(&self.dropped) });
            }
        }
    }

    fn dropped(links: usize) -> usize {
        let dropped = Arc::new(AtomicUsize::new(0));
        drop_quietly(Box::new(Chain { left: links - 1, dropped: Arc::clone(&dropped) }));
        dropped.load(Ordering::Relaxed)
    }

    #[test]
    fn payloads_that_panic_are_dropped_and_there_is_an_end_to_it() {
        assert_eq!(dropped(1), 1);
        assert_eq!(dropped(PATIENCE), PATIENCE, "none is left");
        assert_eq!(dropped(100), PATIENCE, "the next is forgotten");
    }
}
