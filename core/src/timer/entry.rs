//! One timer: 32 bytes, and a state that decides who has it.

use crate::{
    clock::Nanos,
    slab::Linked,
    sync::{AtomicU32, AtomicU64, Ordering},
};

/// Free in the slab, or on its way there.
const FREE: u32 = 0;
/// To be fired, unless cancelled first.
const ARMED: u32 = 1;
/// To be dropped by the driver, or a clearing, when it comes across it.
const CANCELLED: u32 = 2;

const STATE_BITS: u32 = 2;
const STATE_MASK: u32 = (1 << STATE_BITS) - 1;

/// A timer in the slab.
///
/// `state` is generation:30 | state:2. Only whoever has taken the timer out of
/// an intake, the driver or a clearing, raises the generation, and only in the step
/// that frees the timer, so a cancel that compares it cannot reach another timer in the same slot.
/// `deadline` and `user` are written before the timer is pushed to an intake and stay until it is
/// free: atomic so that the slab can be shared, though nobody races for them.
#[derive(Default)]
#[repr(align(32))]
pub(super) struct Entry {
    deadline: AtomicU64,
    user: AtomicU64,
    state: AtomicU32,
    link: AtomicU32,
}

#[cfg(not(rego_loom))]
const _: () = assert!(size_of::<Entry>() == 32);

impl Entry {
    /// Fills in a timer that its owner just took out of the slab; returns its generation.
    #[inline]
    pub(super) fn arm(&self, deadline: Nanos, user: u64) -> u32 {
        // Relaxed, all four: the push to the intake publishes them, and whoever has the id to
        // cancel got it from the thread that does this.
        self.deadline.store(deadline.as_nanos(), Ordering::Relaxed);
        self.user.store(user, Ordering::Relaxed);
        let state = self.state.load(Ordering::Relaxed);
        debug_assert_eq!(state & STATE_MASK, FREE, "a timer is armed once");
        // Relaxed: as above.
        self.state.store(state | ARMED, Ordering::Relaxed);
        state >> STATE_BITS
    }

    /// Keeps a timer of this generation from firing. `false` if it has fired, or was cancelled.
    #[inline]
    pub(super) fn cancel(&self, generation: u32) -> bool {
        let armed = generation << STATE_BITS | ARMED;
        let cancelled = generation << STATE_BITS | CANCELLED;
        if cfg!(rego_break = "timer_cancel_check_then_act") {
            // Relaxed, both: as below.
            let may = self.state.load(Ordering::Relaxed) == armed;
            if may {
                self.state.store(cancelled, Ordering::Relaxed);
            }
            return may;
        }
        // Relaxed: this word alone decides between cancelling and firing, and neither reads
        // anything on the strength of it that the other has written.
        self.state.compare_exchange(armed, cancelled, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// The driver takes an armed timer out of the reach of cancels and frees it in one step; its
    /// user, or `None` if it was cancelled. The driver has the slot to itself afterwards.
    #[inline]
    pub(super) fn fire(&self) -> Option<u64> {
        // Relaxed: a guess; only a cancel can come between.
        let armed = self.state.load(Ordering::Relaxed);
        if armed & STATE_MASK != ARMED {
            return None;
        }
        // Relaxed: as `cancel`.
        self.state
            .compare_exchange(armed, freed(armed), Ordering::Relaxed, Ordering::Relaxed)
            .ok()
            // Relaxed: the push to the intake, which the driver has taken, published it.
            .map(|_| self.user.load(Ordering::Relaxed))
    }

    /// Whether it was cancelled. Once `true`, it stays so until it is freed.
    #[inline]
    pub(super) fn is_dead(&self) -> bool {
        // Relaxed: a cancel that is not seen yet is seen when it is due.
        self.state.load(Ordering::Relaxed) & STATE_MASK == CANCELLED
    }

    /// The driver, or a clearing, frees a timer that it found dead.
    #[inline]
    pub(super) fn bury(&self) {
        // Relaxed, both: nobody changes a dead timer but who has it out of the intake; the slab's `release`
        // publishes it to the next owner.
        let state = self.state.load(Ordering::Relaxed);
        debug_assert_eq!(state & STATE_MASK, CANCELLED);
        self.state.store(freed(state), Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn deadline(&self) -> Nanos {
        // Relaxed: the push to the intake, which the driver has taken, published it.
        Nanos::from_nanos(self.deadline.load(Ordering::Relaxed))
    }

    /// The timer that was pushed to the intake before this one, as its index + 1, or 0.
    #[inline]
    pub(super) fn next(&self) -> u32 {
        // Relaxed: the push to the intake, which the driver has taken, published it.
        self.link.load(Ordering::Relaxed)
    }

    #[inline]
    pub(super) fn set_next(&self, next: u32) {
        // Relaxed: published by the push that follows.
        self.link.store(next, Ordering::Relaxed);
    }

    /// As if it had been armed so often. For tests.
    #[cfg(test)]
    pub(super) fn be_of_generation(&self, generation: u32) {
        self.state.store(generation << STATE_BITS | FREE, Ordering::Relaxed);
    }

    #[cfg_attr(not(any(test, rego_loom)), allow(dead_code, reason = "for tests and models"))]
    pub(super) fn is_free(&self) -> bool {
        // Relaxed: the driver asks, of a timer that it has: nobody else makes it free.
        self.state.load(Ordering::Relaxed) & STATE_MASK == FREE
    }
}

impl Linked for Entry {
    #[inline]
    fn link(&self) -> &AtomicU32 {
        &self.link
    }
}

/// The next generation's state, free. Wraps after 2³⁰.
#[inline]
const fn freed(state: u32) -> u32 {
    ((state >> STATE_BITS) + 1) << STATE_BITS
}
