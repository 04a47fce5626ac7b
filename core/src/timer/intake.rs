//! Where one shard's timers wait until the driver comes.

use super::entry::Entry;
use crate::{
    clock::Nanos,
    slab::Slab,
    sync::{AtomicU32, AtomicU64, Ordering},
};

/// A clearing that frees few is tried again after so many rounds at most.
const LONGEST_PAUSE: u32 = 64;

/// What the loom models' negative control weakens.
// AcqRel: as `put_back` says. Release: a break that the models must find.
const PUT_BACK: Ordering = if cfg!(rego_break = "timer_put_back_unheeding") {
    Ordering::Release
} else {
    Ordering::AcqRel
};

/// A stack that many push to and the driver takes whole, and when it should.
pub(super) struct Intake {
    head: AtomicU32,
    min: AtomicU64,
    /// How many timers at home in this shard were ever cancelled.
    pub(super) cancelled: AtomicU64,
    /// How many were freed here, and not by the driver.
    pub(super) cleared: AtomicU64,
    /// Every how many times a clearing is worth its while: a power of two.
    pause: AtomicU32,
}

impl Intake {
    pub(super) fn new() -> Self {
        Self {
            head: AtomicU32::new(0),
            min: AtomicU64::new(Nanos::NEVER.as_nanos()),
            cancelled: AtomicU64::new(0),
            cleared: AtomicU64::new(0),
            pause: AtomicU32::new(1),
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
            // AcqRel, both: as below.
            let all = self.head.swap(0, Ordering::AcqRel);
            self.min.swap(Nanos::NEVER.as_nanos(), Ordering::AcqRel);
            return all;
        }
        // Acquire: every push whose *min* this takes away happens-before the taking. Release:
        // whoever reads this *min* sees that the turn has begun.
        self.min.swap(Nanos::NEVER.as_nanos(), Ordering::AcqRel);
        // Acquire: the fields of every timer on the list were written before it was pushed. Release:
        // who puts timers back after this sees the turn.
        self.head.swap(0, Ordering::AcqRel)
    }

    /// The last timer pushed, as its index + 1, or 0.
    pub(super) fn head(&self) -> u32 {
        // Acquire: what is read of the timers by it is as it was pushed, if they have not gone since.
        self.head.load(Ordering::Acquire)
    }

    /// Takes all timers if the last pushed is still this one, for whoever puts back what it does not
    /// free: *min* stays, and is no later than the earliest of them unless a driver comes meanwhile.
    pub(super) fn borrow(&self, head: u32) -> bool {
        // Acquire: as in `take`. Relaxed on failure: nothing is read.
        self.head.compare_exchange(head, 0, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    /// Puts back a list of timers by its first, behind those that were pushed meanwhile.
    pub(super) fn put_back(&self, mut first: u32, slab: &Slab<Entry>) {
        while first != 0 {
            // Release: as `push`. Acquire: if a driver has taken what was here meanwhile, its turn is
            // seen by whoever looks now. Relaxed on failure: nothing is read.
            let put = self.head.compare_exchange(0, first, PUT_BACK, Ordering::Relaxed);
            if put.is_ok() {
                return;
            }
            // Acquire: as in `take`.
            let newer = self.head.swap(0, Ordering::Acquire);
            let Some(last) = last_of(newer, slab) else { continue };
            last.set_next(first);
            first = newer;
        }
    }

    /// A driver may have come while timers were borrowed: it is to come again, at once.
    pub(super) fn call_driver(&self) {
        // Release: as in `push`.
        self.min.fetch_min(Nanos::ZERO.as_nanos(), Ordering::Release);
    }

    /// Whether it is worth clearing in this round.
    pub(super) fn is_due_for_clearing(&self, round: u64) -> bool {
        // Relaxed: a guess at what pays.
        round.is_multiple_of(self.pause.load(Ordering::Relaxed).into())
    }

    /// So many of those that were looked at were dead, and are freed.
    pub(super) fn was_cleared(&self, dead: u64, looked_at: u64) {
        // Relaxed, both: a count, and a guess at what pays.
        self.cleared.fetch_add(dead, Ordering::Relaxed);
        let pause = match 2 * dead >= looked_at {
            true => 1,
            false => (2 * self.pause.load(Ordering::Relaxed)).min(LONGEST_PAUSE),
        };
        // Relaxed: as above.
        self.pause.store(pause, Ordering::Relaxed);
    }

    pub(super) fn min(&self, order: Ordering) -> Nanos {
        // The caller's ordering, with its reason.
        Nanos::from_nanos(self.min.load(order))
    }
}

/// The last timer of a list.
fn last_of(list: u32, slab: &Slab<Entry>) -> Option<&Entry> {
    let mut last = slab.get(list.checked_sub(1)?)?;
    while let Some(next) = last.next().checked_sub(1).and_then(|index| slab.get(index)) {
        last = next;
    }
    Some(last)
}
