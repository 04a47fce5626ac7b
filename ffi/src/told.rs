//! The engine's own time: the latest that its host has told it.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use rego::{Clock, Nanos};

/// Nothing in the engine reads a clock. Where it needs the time and is not told (a key is interned,
/// policies are put in force, metrics are written), it takes the latest that it was told, to the
/// millisecond: so it runs on whatever clock its host has, virtual ones too.
#[derive(Clone, Debug)]
pub(crate) struct Told(Arc<AtomicU64>);

/// How much later than the latest a time must be to be kept. Without it all threads would write
/// the same word at every event.
const GRAIN: u64 = 1_000_000;

impl Told {
    pub(crate) fn new(now: u64) -> Self {
        Self(Arc::new(AtomicU64::new(now)))
    }

    #[inline]
    pub(crate) fn hear(&self, now: Nanos) {
        // Relaxed: a time; nothing is read on the strength of it.
        let latest = self.0.load(Ordering::Relaxed);
        if now.as_nanos().saturating_sub(latest) >= GRAIN {
            // Relaxed: as above. The greatest stays, whoever writes last.
            self.0.fetch_max(now.as_nanos(), Ordering::Relaxed);
        }
    }

    pub(crate) fn clock(&self) -> Clock {
        let told = self.clone();
        // Relaxed: as above.
        Clock::host(move || Nanos::from_nanos(told.0.load(Ordering::Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_the_latest_told_and_never_goes_back() {
        let told = Told::new(7);
        let clock = told.clock();
        assert_eq!(clock.now(), Nanos::from_nanos(7));
        told.hear(Nanos::from_nanos(7 + GRAIN - 1));
        assert_eq!(clock.now(), Nanos::from_nanos(7));
        told.hear(Nanos::from_nanos(7 + GRAIN));
        assert_eq!(clock.now(), Nanos::from_nanos(7 + GRAIN));
        told.hear(Nanos::ZERO);
        assert_eq!(clock.now(), Nanos::from_nanos(7 + GRAIN));
    }
}
