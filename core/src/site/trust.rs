//! Whether a site's calls are still the engine's: where it panics again and again, it stands aside.

use crate::{
    clock::Nanos,
    sync::{AtomicU64, Mutex, Ordering},
};

/// How many panics of the engine's own a site may see within [`SPAN`].
const TOLERATED: u32 = 5;

/// The span in which they are counted, and for which the engine then stands aside.
const SPAN: Nanos = Nanos::from_secs(60);

/// Counts panics of the engine's own. After more than five in a minute, calls pass through for a
/// minute; then the engine tries again.
#[derive(Debug, Default)]
pub(crate) struct Trust {
    /// Calls pass through until then (ns).
    aside_until: AtomicU64,
    recent: Mutex<Recent>,
}

#[derive(Debug, Default)]
struct Recent {
    since: Nanos,
    panics: u32,
}

impl Trust {
    /// Whether calls pass through.
    #[inline]
    pub(crate) fn is_lost(&self, now: Nanos) -> bool {
        // Relaxed: a time stands alone; a call that sees it late is one more that is contained.
        now.as_nanos() < self.aside_until.load(Ordering::Relaxed)
    }

    /// The engine has panicked.
    #[cold]
    pub(crate) fn panicked(&self, now: Nanos) {
        let mut recent = self.recent.lock();
        if now - recent.since > SPAN {
            *recent = Recent { since: now, panics: 0 };
        }
        recent.panics += 1;
        if recent.panics > TOLERATED {
            *recent = Recent { since: now, panics: 0 };
            // Relaxed: as in `is_lost`.
            self.aside_until.store((now + SPAN).as_nanos(), Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Nanos {
        Nanos::from_secs(1_000 + seconds)
    }

    #[test]
    fn six_panics_in_a_minute_are_too_many_and_a_minute_later_it_is_tried_again() {
        let trust = Trust::default();
        (0..5).for_each(|second| trust.panicked(at(second)));
        assert!(!trust.is_lost(at(5)));
        trust.panicked(at(59));
        assert!(trust.is_lost(at(59)) && trust.is_lost(at(118)));
        assert!(!trust.is_lost(at(119)));
        trust.panicked(at(120));
        assert!(!trust.is_lost(at(120)), "one more is only one");
    }

    #[test]
    fn now_and_then_a_panic_is_tolerated_for_ever() {
        let trust = Trust::default();
        for nth in 0..1_000 {
            trust.panicked(at(15 * nth));
            assert!(!trust.is_lost(at(15 * nth)), "the {nth}th");
        }
    }
}
