//! Two threads at the same work at the same time.

use std::{
    hint,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread::{self, ThreadId},
    time::{Duration, Instant},
};

/// Work for this thread and one more. The other one sleeps between turns, and ends with what is
/// returned.
pub(crate) fn on_two_threads(
    work: impl Fn(u64) + Send + Sync + 'static,
) -> impl FnMut(u64) -> Duration {
    let work = Arc::new(work);
    let start = Arc::new(Start::default());
    let (orders, inbox) = mpsc::channel::<u64>();
    let (report, reports) = mpsc::channel();
    thread::spawn({
        let (work, start) = (Arc::clone(&work), Arc::clone(&start));
        move || {
            for times in inbox {
                let took = start.together(|| work(times));
                if report.send(took).is_err() {
                    return;
                }
            }
        }
    });
    move |times| {
        orders.send(times).expect("the other thread waits for it");
        let mine = start.together(|| work(times));
        mine.max(reports.recv().expect("the other thread reports"))
    }
}

/// One thing for the thread that makes this, another for every other.
pub(crate) struct Apart<T> {
    me: ThreadId,
    mine: T,
    theirs: T,
}

impl<T> Apart<T> {
    pub(crate) fn new(mut make: impl FnMut() -> T) -> Self {
        Self { me: thread::current().id(), mine: make(), theirs: make() }
    }

    pub(crate) fn of_this_thread(&self) -> &T {
        if thread::current().id() == self.me { &self.mine } else { &self.theirs }
    }
}

/// Where two threads wait for each other without going to sleep.
#[derive(Default)]
struct Start {
    arrived: AtomicU64,
}

impl Start {
    /// Does it when both have come; how long it took.
    fn together(&self, work: impl FnOnce()) -> Duration {
        // AcqRel, and Acquire: what either did before happens-before what both do now.
        let mine = self.arrived.fetch_add(1, Ordering::AcqRel);
        let both = (mine | 1) + 1;
        while self.arrived.load(Ordering::Acquire) < both {
            hint::spin_loop();
        }
        let started = Instant::now();
        work();
        started.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    #[test]
    fn both_threads_do_all_of_it() {
        let done = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&done);
        let mut two = on_two_threads(move |times| {
            counted.fetch_add(times, Ordering::Relaxed);
        });
        for times in [1, 10, 100] {
            let _ = two(times);
        }
        assert_eq!(done.load(Ordering::Relaxed), 222);
    }

    #[test]
    fn they_start_together() {
        let barrier = Arc::new(Barrier::new(2));
        // Would hang if one ran after the other.
        let mut two = on_two_threads(move |_| {
            barrier.wait();
        });
        let _ = (two(1), two(1));
    }
}
