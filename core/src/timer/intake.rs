//! Where one shard's timers wait until the driver comes.

use super::entry::Entry;
use crate::{
    clock::Nanos,
    sync::{AtomicU32, AtomicU64, Ordering},
};

/// A stack that many push to and the driver takes whole, and when it should.
pub(super) struct Intake {
    head: AtomicU32,
    min: AtomicU64,
    /// How many timers at home in this shard were ever cancelled.
    pub(super) cancelled: AtomicU64,
}

impl Intake {
    pub(super) fn new() -> Self {
        Self {
            head: AtomicU32::new(0),
            min: AtomicU64::new(Nanos::NEVER.as_nanos()),
            cancelled: AtomicU64::new(0),
        }
    }

    /// Pushes a timer; whether it is the earliest here.
    #[inline]
    pub(super) fn push(&self, index: u32, entry: &Entry, deadline: Nanos) -> bool {
        // Relaxed: only compared and copied; the exchange confirms it.
        let mut seen = self.head.load(Ordering::Relaxed);
        loop {
            entry.set_next(seen);
            // Release: the timer's fields and its link happen-before the driver takes the intake.
            // Relaxed on failure: as the load. The driver only ever takes all, so a head that
            // comes back has the same timers behind it.
            match self.head.compare_exchange_weak(
                seen,
                index + 1,
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) => break,
                Err(newer) => seen = newer,
            }
        }
        // Release: the push happens-before the driver takes the intake, if its swap sees this.
        let before = self.min.fetch_min(deadline.as_nanos(), Ordering::Release);
        deadline.as_nanos() < before
    }

    /// Takes all timers, as a list linked from the one returned.
    pub(super) fn take(&self) -> u32 {
        if cfg!(rego_break = "timer_intake_first") {
            // Acquire, and AcqRel: as below.
            let all = self.head.swap(0, Ordering::Acquire);
            self.min.swap(Nanos::NEVER.as_nanos(), Ordering::AcqRel);
            return all;
        }
        // Acquire: every push whose *min* this takes away happens-before the taking. Release:
        // whoever reads this *min* sees that the turn has begun.
        self.min.swap(Nanos::NEVER.as_nanos(), Ordering::AcqRel);
        // Acquire: the fields of every timer on the list were written before it was pushed.
        self.head.swap(0, Ordering::Acquire)
    }

    pub(super) fn min(&self, order: Ordering) -> Nanos {
        // The caller's ordering, with its reason.
        Nanos::from_nanos(self.min.load(order))
    }
}
