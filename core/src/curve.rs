//! A survival curve over buckets: what latency publishes and the planner reads.
//!
//! Kaplan and Meier's estimate (1958): at each bucket, of those still at risk some ended, and the
//! share that lives on is multiplied by the rest. A leg that was overtaken, failed or timed out is
//! *censored*: it was at risk until then and says nothing about later. Leaving such legs out makes
//! a delay at the 99th percentile hedge 5 to 6 % of calls instead of 1 %.

mod scale;
mod trigger;

pub(crate) use scale::{BUCKETS, CENSORED, Scale};
pub use trigger::{Plan, Probability, Reading, Trigger};

use crate::clock::Nanos;

/// How sure an upper bound is: one-sided 95 % of a normal distribution.
const SURE: f64 = 1.645;

/// The share of primary legs that take longer than a given time.
#[derive(Clone, Debug)]
pub(crate) struct Curve {
    /// The share still alive where a bucket ends.
    alive: [f32; BUCKETS],
    /// Greenwood's sum of `e / (n (n - e))` up to there: the variance is this × alive².
    spread: [f32; BUCKETS],
    /// How many events it is made of.
    events: f64,
    /// The last bucket with an event in it.
    last: Option<usize>,
}

impl Curve {
    /// The curve of this many events by fine bucket and this many censored by coarse bucket.
    ///
    /// The censored stay at risk until their bucket ends. That is exact where it matters: legs are
    /// overtaken only after the delay, so none may be missing from those at risk before it.
    pub(crate) fn new(events: impl Fn(usize) -> f32, censored: impl Fn(usize) -> f32) -> Self {
        let ended: f64 = (0..BUCKETS).map(|bucket| f64::from(events(bucket))).sum();
        let lost: f64 = (0..CENSORED).map(|bucket| f64::from(censored(bucket))).sum();
        let mut curve =
            Self { alive: [1.0; BUCKETS], spread: [0.0; BUCKETS], events: ended, last: None };
        let (mut at_risk, mut alive, mut spread) = (ended + lost, 1.0, 0.0);
        for bucket in 0..BUCKETS {
            let ended = f64::from(events(bucket));
            if ended > 0.0 {
                curve.last = Some(bucket);
                let left = (at_risk - ended).max(0.0);
                // A millionth of a leg is rounding, not a survivor.
                if left > 1e-6 {
                    spread += ended / (at_risk * left);
                    alive *= left / at_risk;
                } else {
                    alive = 0.0;
                }
                at_risk = left;
            }
            if let Some(coarse) = scale::coarse_ending_at(bucket) {
                at_risk -= f64::from(censored(coarse));
            }
            #[expect(clippy::cast_possible_truncation, reason = "24 bits are plenty for a share")]
            {
                curve.alive[bucket] = alive as f32;
                curve.spread[bucket] = spread as f32;
            }
        }
        curve
    }

    /// How many events it is made of; older ones count for less than one.
    pub(crate) const fn samples(&self) -> f64 {
        self.events
    }

    /// The end of the last event's bucket; nothing is known beyond.
    pub(crate) fn last_event(&self) -> Option<Nanos> {
        self.last.map(end_of)
    }

    /// The share that takes longer than `time`: evenly spread within a bucket, and constant after
    /// the last event.
    pub(crate) fn survival(&self, time: Nanos) -> f64 {
        let bucket = Scale::FINE.index(time);
        let (lower, upper) = (Scale::FINE.lower(bucket), end_of(bucket));
        let (before, after) = (self.before(bucket), f64::from(self.alive[bucket]));
        if time >= upper {
            return after;
        }
        before + (after - before) * span(lower, time) / span(lower, upper)
    }

    /// The time that the share `p` does not exceed, for `p` between 0 and 1: interpolated within a
    /// bucket, and never beyond the last event. `None` without any event.
    pub(crate) fn quantile(&self, p: f64) -> Option<Nanos> {
        let last = self.last?;
        let goal = 1.0 - p;
        let bucket = self.alive.partition_point(|&alive| f64::from(alive) > goal);
        if bucket > last {
            return Some(end_of(last));
        }
        let (before, after) = (self.before(bucket), f64::from(self.alive[bucket]));
        let (lower, upper) = (Scale::FINE.lower(bucket), end_of(bucket));
        let into = (before - goal).max(0.0) / (before - after);
        Some(lower + (upper - lower).mul_f64(into))
    }

    /// A time that `p` does not exceed with 95 % confidence, if the samples suffice for one: the
    /// first bucket's end at which Wilson's upper bound (1927), for as many samples as Greenwood's
    /// variance is worth, is at most 1 - `p`.
    pub(crate) fn upper_quantile(&self, p: f64) -> Option<Nanos> {
        let last = self.last?;
        let mut worth = self.events;
        for bucket in 0..=last {
            let (alive, spread) = (f64::from(self.alive[bucket]), f64::from(self.spread[bucket]));
            if alive > 0.0 && spread > 0.0 {
                worth = (1.0 - alive) / (alive * spread);
            }
            if wilson_upper(alive, worth) <= 1.0 - p {
                return Some(end_of(bucket));
            }
        }
        None
    }

    /// The share alive where a bucket begins.
    fn before(&self, bucket: usize) -> f64 {
        if bucket == 0 { 1.0 } else { f64::from(self.alive[bucket - 1]) }
    }
}

/// Where a bucket ends; the last one ends where it begins, for nothing in it is told apart.
fn end_of(bucket: usize) -> Nanos {
    Scale::FINE.upper(bucket).min(Scale::LONGEST)
}

#[expect(clippy::cast_precision_loss, reason = "at most 2^36")]
fn span(from: Nanos, to: Nanos) -> f64 {
    (to - from).as_nanos() as f64
}

/// The upper end of Wilson's interval for a share seen in `n` samples.
fn wilson_upper(share: f64, n: f64) -> f64 {
    let z2 = SURE * SURE;
    let middle = share + z2 / (2.0 * n);
    let reach = SURE * (share * (1.0 - share) / n + z2 / (4.0 * n * n)).sqrt();
    (middle + reach) / (1.0 + z2 / n)
}

#[cfg(test)]
pub(crate) mod tests;
