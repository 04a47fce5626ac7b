//! How many extra attempts may run at once.
//!
//! # The word
//!
//! ```text
//!  63              32 31                      0
//! ┌──────────────────┬─────────────────────────┐
//! │ calls in flight  │ extra attempts in flight│
//! └──────────────────┴─────────────────────────┘
//! ```
//!
//! Both are written by every call that a budget of this kind watches over, so two threads share its
//! line: the price of an exact number in flight.
//!
//! # Paths
//!
//! - *begin, end*: one `fetch_add`, one `fetch_sub`.
//! - *reserve*: a CAS with the test on the value that is swapped, so there is never one too many.
//!   A refusal is loads only.
//! - *release*: one `fetch_sub`, by whoever settles the attempt: exactly once is the driver's care.
//!
//! # Orderings
//!
//! Everything is Relaxed: nothing is published through the word.
//!
//! Modelled in `loom-tests/tests/budget.rs`.

use crate::sync::{AtomicU32, AtomicU64, Ordering};

use super::token::{self, TOKEN};

/// Room for max(`ratio` × calls, `min`) extra attempts.
#[derive(Debug)]
pub(super) struct Reservation {
    word: AtomicU64,
    ratio: AtomicU64,
    min: AtomicU32,
}

const ONE_CALL: u64 = 1 << 32;
const EXTRA: u64 = ONE_CALL - 1;

impl Reservation {
    pub(super) fn new(ratio: f64, min: u32) -> Self {
        Self {
            word: AtomicU64::new(0),
            ratio: AtomicU64::new(token::from_f64(ratio)),
            min: AtomicU32::new(min),
        }
    }

    #[inline]
    pub(super) fn begin(&self) {
        // Relaxed: see the module.
        self.word.fetch_add(ONE_CALL, Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn end(&self) {
        // Relaxed: see the module.
        let before = self.word.fetch_sub(ONE_CALL, Ordering::Relaxed);
        debug_assert!(before >= ONE_CALL, "a call ended that did not begin");
    }

    #[cfg(not(rego_break = "budget_check_then_act"))]
    pub(super) fn reserve(&self) -> bool {
        // Relaxed: see the module.
        let mut word = self.word.load(Ordering::Relaxed);
        while word & EXTRA < self.room(word) {
            // Relaxed, both: see the module.
            match self.word.compare_exchange_weak(
                word,
                word + 1,
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
        false
    }

    /// The negative control: the check is not part of the write, so two can pass it at once.
    #[cfg(rego_break = "budget_check_then_act")]
    pub(super) fn reserve(&self) -> bool {
        let word = self.word.load(Ordering::Relaxed);
        let room = word & EXTRA < self.room(word);
        if room {
            self.word.fetch_add(1, Ordering::Relaxed);
        }
        room
    }

    pub(super) fn release(&self) {
        // Relaxed: see the module.
        let before = self.word.fetch_sub(1, Ordering::Relaxed);
        debug_assert!(before & EXTRA > 0, "released what was not reserved");
    }

    /// How many more could be reserved now.
    pub(super) fn available(&self) -> f64 {
        // Relaxed: a figure for people.
        let word = self.word.load(Ordering::Relaxed);
        self.room(word).saturating_sub(word & EXTRA) as f64
    }

    pub(super) fn redefine(&self, ratio: f64, min: u32) {
        // Relaxed, both: an attempt that overlaps a reload is judged by either.
        self.ratio.store(token::from_f64(ratio), Ordering::Relaxed);
        self.min.store(min, Ordering::Relaxed);
    }

    /// How many extra attempts may be in flight; fits its half of the word.
    fn room(&self, word: u64) -> u64 {
        // Relaxed, both: as in `redefine`.
        let share = (word >> 32).saturating_mul(self.ratio.load(Ordering::Relaxed)) / TOKEN;
        share.min(EXTRA).max(self.min.load(Ordering::Relaxed).into())
    }
}
