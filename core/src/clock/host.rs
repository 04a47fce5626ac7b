//! A clock of the host's own, and what the engine goes on with when it panics.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Instant,
};

use super::{Nanos, instant_now};
use crate::sync::{AtomicU64, Mutex, Ordering, drop_quietly};

/// The host's clock. One that panics is contained: time then goes on from the last reading at the
/// pace of the system's clock, so that calls in the air still end by their deadlines.
pub(super) struct HostClock {
    now: Box<dyn Fn() -> Nanos + Send + Sync>,
    /// The last good reading (ns).
    last: AtomicU64,
    panics: AtomicU64,
    /// The last good reading before the first panic, and when that was.
    stopped: Mutex<Option<(Nanos, Instant)>>,
}

impl HostClock {
    pub(super) fn new(now: impl Fn() -> Nanos + Send + Sync + 'static) -> Self {
        Self {
            now: Box::new(now),
            last: AtomicU64::new(0),
            panics: AtomicU64::new(0),
            stopped: Mutex::new(None),
        }
    }

    pub(super) fn now(&self) -> Nanos {
        match catch_unwind(AssertUnwindSafe(|| (self.now)())) {
            Ok(now) => {
                // Relaxed: a reading stands alone; which of two threads' is kept does not matter.
                self.last.store(now.as_nanos(), Ordering::Relaxed);
                now
            }
            Err(payload) => self.go_on(payload),
        }
    }

    /// How many readings panicked.
    pub(super) fn panics(&self) -> u64 {
        // Relaxed: a count.
        self.panics.load(Ordering::Relaxed)
    }

    #[cold]
    fn go_on(&self, payload: Box<dyn Any + Send>) -> Nanos {
        drop_quietly(payload);
        // Relaxed: a count.
        self.panics.fetch_add(1, Ordering::Relaxed);
        // Relaxed: as in `now`.
        let last = Nanos::from_nanos(self.last.load(Ordering::Relaxed));
        let (base, since) = *self.stopped.lock().get_or_insert_with(|| (last, instant_now()));
        last.max(base + Nanos::from(since.elapsed()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::{super::Clock, *};

    /// Every second reading panics, the first does not.
    fn faulty() -> Clock {
        let asked = AtomicU64::new(0);
        Clock::host(move || match asked.fetch_add(1, Ordering::Relaxed) {
            good if good % 2 == 0 => Nanos::from_secs(100 + good),
            _ => panic!("no time"),
        })
    }

    #[test]
    fn time_goes_on_where_the_clock_panics() {
        let clock = faulty();
        assert_eq!(clock.now(), Nanos::from_secs(100));
        let first = clock.now();
        assert!(first >= Nanos::from_secs(100) && first < Nanos::from_secs(101), "{first:?}");
        assert_eq!(clock.now(), Nanos::from_secs(102), "and is the host's again when it can");
        assert!(clock.now() >= Nanos::from_secs(102));
        assert_eq!(clock.panics(), 2);
    }

    #[test]
    fn time_does_not_stand_still_with_a_clock_that_is_broken_for_good() {
        let clock = Clock::host(|| panic!("no time"));
        let before = clock.now();
        std::thread::sleep(std::time::Duration::from_millis(5));
        assert!(clock.now() - before >= Nanos::from_millis(5));
    }
}
