//! The latest time a flight has been told.

use crate::{
    clock::Nanos,
    sync::{AtomicU64, Ordering},
};

/// The latest time anybody has come with: several threads drive one call in turn, and their
/// readings of the clock may arrive out of order.
#[derive(Debug, Default)]
pub struct Latest(AtomicU64);

impl Latest {
    /// Starts from `now`.
    #[must_use]
    pub fn new(now: Nanos) -> Self {
        Self(AtomicU64::new(now.as_nanos()))
    }

    /// `now`, or the latest time of before if that is later.
    #[inline]
    pub fn advance(&self, now: Nanos) -> Nanos {
        // Relaxed: a time is only a number. It never goes back for one machine, because its
        // holders come one after the other, and the edge between them orders their readings here.
        let before = self.0.fetch_max(now.as_nanos(), Ordering::Relaxed);
        now.max(Nanos::from_nanos(before))
    }
}
