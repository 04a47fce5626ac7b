//! How long attempts take: a censored histogram, and the trigger published from it.
use crate::{
    clock::Nanos,
    curve::Trigger,
    sync::{AtomicU64, Ordering, Shard},
};
#[derive(Debug)]
pub(crate) enum Sharding {
    PerThread,
}
#[derive(Debug, Default)]
pub(crate) struct Latency {
    pub(crate) events: AtomicU64,
    pub(crate) censored: AtomicU64,
}
impl Latency {
    pub(crate) fn new(_: Sharding) -> Self {
        Self::default()
    }
    pub(crate) fn record(&self, _: Shard, _: Nanos) {
        self.events.fetch_add(1, Ordering::Relaxed);
    }
    pub(crate) fn censor(&self, _: Shard, _: Nanos) {
        self.censored.fetch_add(1, Ordering::Relaxed);
    }
    pub(crate) fn trigger(&self) -> Trigger {
        Trigger { delay: Nanos::ZERO, probability: 1, unset: true }
    }

    pub(crate) fn totals(&self) -> Totals {
        Totals { events: self.events.load(Ordering::Relaxed) }
    }
}
#[derive(Clone, Copy, Debug)]
pub(crate) struct Totals {
    pub(crate) events: u64,
}
