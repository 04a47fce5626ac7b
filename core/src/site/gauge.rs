//! How many there are at present, of something that many threads take in and let go.

use std::array;

use crate::sync::{AtomicU32, CachePadded, Ordering, SHARDS, Shard};

/// A number that goes up and down, spread over the shards: threads that count write to lines of
/// their own, and whoever wants to know adds them up.
///
/// One thread may let go of what another took in, so a shard by itself may stand below 0, as a word
/// that has wrapped: only the sum says anything.
#[derive(Debug)]
pub(super) struct Gauge([CachePadded<AtomicU32>; SHARDS]);

impl Default for Gauge {
    fn default() -> Self {
        Self(array::from_fn(|_| CachePadded::new(AtomicU32::new(0))))
    }
}

impl Gauge {
    #[inline]
    pub(super) fn take_in(&self, shard: Shard) {
        // Relaxed: a gauge; nothing is published by it.
        self.0[shard.index()].fetch_add(1, Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn let_go(&self, shard: Shard) {
        // Relaxed: a gauge; nothing is published by it.
        self.0[shard.index()].fetch_sub(1, Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn change(&self, shard: Shard, by: i32) {
        // Relaxed: a gauge; nothing is published by it.
        self.0[shard.index()].fetch_add(by.cast_unsigned(), Ordering::Relaxed);
    }

    /// How many there are: exact while nobody counts; else off by those that come and go while it is
    /// added up, and never below 0.
    pub(super) fn get(&self) -> u32 {
        // Relaxed: a gauge.
        let sum =
            self.0.iter().fold(0, |sum: u32, at| sum.wrapping_add(at.load(Ordering::Relaxed)));
        sum.cast_signed().max(0).cast_unsigned()
    }
}

#[cfg(all(test, not(rego_loom)))]
mod tests {
    use super::*;

    #[test]
    fn what_one_thread_takes_in_another_lets_go() {
        let gauge = Gauge::default();
        let [a, b] = [0, 1].map(Shard::new);
        for _ in 0..3 {
            gauge.take_in(a);
        }
        gauge.let_go(b);
        assert_eq!(gauge.get(), 2);
        gauge.take_in(b);
        gauge.let_go(b);
        gauge.let_go(b);
        gauge.let_go(a);
        assert_eq!(gauge.get(), 0);
    }

    #[test]
    fn a_sum_that_has_missed_an_arrival_is_none_below_0() {
        let gauge = Gauge::default();
        gauge.let_go(Shard::new(1));
        assert_eq!(gauge.get(), 0);
        gauge.take_in(Shard::new(0));
        assert_eq!(gauge.get(), 0);
        gauge.take_in(Shard::new(0));
        assert_eq!(gauge.get(), 1);
    }

    #[test]
    fn threads_that_count_at_once_lose_nothing() {
        let gauge = Gauge::default();
        std::thread::scope(|scope| {
            for nth in 0..4 {
                let gauge = &gauge;
                scope.spawn(move || {
                    for step in 0..10_000 {
                        gauge.take_in(Shard::new(nth));
                        gauge.let_go(Shard::new(nth + step));
                    }
                });
            }
        });
        assert_eq!(gauge.get(), 0);
    }
}
