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
#[derive(Debug)]
pub(crate) struct Latency {
    octaves: [AtomicU64; 40],
    pub(crate) events: AtomicU64,
    pub(crate) censored: AtomicU64,
}
impl Latency {
    pub(crate) fn new(_: Sharding) -> Self {
        Self {
            octaves: std::array::from_fn(|_| AtomicU64::new(0)),
            events: AtomicU64::new(0),
            censored: AtomicU64::new(0),
        }
    }
    pub(crate) fn record(&self, _: Shard, elapsed: Nanos) {
        let octave = elapsed.as_nanos().max(1).ilog2().min(39);
        self.octaves[octave as usize].fetch_add(1, Ordering::Relaxed);
        self.events.fetch_add(1, Ordering::Relaxed);
    }
    pub(crate) fn censor(&self, _: Shard, _: Nanos) {
        self.censored.fetch_add(1, Ordering::Relaxed);
    }
    pub(crate) fn trigger(&self) -> Trigger {
        Trigger { delay: Nanos::ZERO, probability: 1, unset: true }
    }

    /// Every event by bucket as of the last refresh. `None` if another thread is refreshing.
    pub(crate) fn histogram(&self) -> Option<Histogram> {
        Some(Histogram {
            events: self.octaves.iter().map(|octave| octave.load(Ordering::Relaxed)).collect(),
        })
    }

    pub(crate) fn totals(&self) -> Totals {
        Totals { events: self.events.load(Ordering::Relaxed) }
    }
}
#[derive(Clone, Copy, Debug)]
pub(crate) struct Totals {
    pub(crate) events: u64,
}
/// Every event since the beginning by bucket, for exposition.
#[derive(Clone, Debug)]
pub(crate) struct Histogram {
    events: Box<[u64]>,
}

impl Histogram {
    /// Pairs of a bucket's upper bound, which is not in it, and its count; the last bound is
    /// [`Nanos::NEVER`].
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Nanos, u64)> {
        let upper = |octave: usize| {
            if octave == 39 { Nanos::NEVER } else { Nanos::from_nanos(2 << octave) }
        };
        self.events.iter().enumerate().map(move |(octave, &count)| (upper(octave), count))
    }
}
