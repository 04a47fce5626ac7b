//! Whether legs still outlast the delay as often as planned.
//!
//! Two running tests (Page's cumulative sums, 1954): the logarithm of the likelihood ratio of a
//! doubled rate, and of a halved one, each never below 0. They would take legs for independent;
//! but behind a queue slow legs come in clumps, and a clump is no change. So it is measured how
//! much more the counts vary than independent legs' would, and evidence counts for as much less
//! (quasi-likelihood: Wedderburn, 1974).

use crate::curve::Plan;
use std::f64::consts::LN_2;

/// A change is certain at odds of e^12, one false alarm in 160,000 outlasted delays …
const CERTAIN: f64 = 12.0;
/// … and suspected at odds of e^2.
const SUSPECTED: f64 = 2.0;
/// A count is compared with what was expected once there are this many legs …
const BATCH_LEGS: f64 = 500.0;
/// … and this many were expected to outlast the delay.
const BATCH_SLOW: f64 = 5.0;
/// What a batch weighs in the average.
const WEIGHT: f64 = 1.0 / 16.0;
/// One batch is taken for this many times the average at most: a change is not a clump.
const EXCEPTIONAL: f64 = 4.0;

#[derive(Debug)]
pub(super) struct Watch {
    doubled: f64,
    halved: f64,
    /// What has been seen of the running batch.
    batch: Batch,
    dispersion: f64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Batch {
    legs: f64,
    outlasted: f64,
    expected: f64,
}

/// What the watch makes of what it sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sight {
    Calm,
    Suspect,
    Change,
}

impl Watch {
    /// Of `legs` legs `outlasted` outlasted the delay of `plan`, which was in force.
    pub(super) fn see(&mut self, plan: Plan, legs: f64, outlasted: f64) -> Sight {
        // While it warms up the plan is on the safe side on purpose, and when it promises nothing
        // there is nothing to keep.
        if plan.share <= 0.0 || plan.trigger.is_cold() || plan.trigger.is_warming() {
            self.forget();
            return Sight::Calm;
        }
        let (slow, fewer) = (outlasted * LN_2, legs * plan.tail / 2.0);
        self.doubled = (self.doubled + (slow - legs * plan.expected()) / self.dispersion).max(0.0);
        self.halved = (self.halved + (fewer - slow) / self.dispersion).max(0.0);
        let odds = self.doubled.max(self.halved);
        if odds >= CERTAIN {
            self.forget();
            return Sight::Change;
        }
        self.measure(legs, outlasted, legs * plan.tail);
        if odds >= SUSPECTED { Sight::Suspect } else { Sight::Calm }
    }

    /// How many times as much counts of slow legs vary as those of independent ones: 1 or more.
    pub(super) const fn dispersion(&self) -> f64 {
        self.dispersion
    }

    fn measure(&mut self, legs: f64, outlasted: f64, expected: f64) {
        self.batch.legs += legs;
        self.batch.outlasted += outlasted;
        self.batch.expected += expected;
        let Batch { legs, outlasted, expected } = self.batch;
        if legs < BATCH_LEGS || expected < BATCH_SLOW {
            return;
        }
        self.batch = Batch::default();
        // Pearson's: 1 on average if legs are independent.
        let found = (outlasted - expected).powi(2) / (expected * (1.0 - expected / legs).max(0.1));
        let found = found.min(EXCEPTIONAL * self.dispersion);
        self.dispersion = (self.dispersion + WEIGHT * (found - self.dispersion)).max(1.0);
    }

    /// The tests begin anew; how much counts vary is a property of the service, and stays.
    fn forget(&mut self) {
        *self = Self { dispersion: self.dispersion, ..Self::default() };
    }
}

impl Default for Watch {
    fn default() -> Self {
        Self { doubled: 0.0, halved: 0.0, batch: Batch::default(), dispersion: 1.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::Nanos,
        curve::{Probability, Trigger},
    };

    const LEGS: f64 = 100.0;
    const PLAN: Plan = Plan {
        trigger: Trigger::new(Nanos::from_millis(5), Probability::ALWAYS),
        tail: 0.05,
        share: 0.05,
    };

    /// How many of a hundred legs are slow, at random: 5 on average, in clumps of this many.
    struct Clumps(u64, u32);

    impl Iterator for Clumps {
        type Item = f64;

        fn next(&mut self) -> Option<f64> {
            let draws = 100 / self.1;
            let clumps = (0..draws).filter(|_| {
                self.0 ^= self.0 << 13;
                self.0 ^= self.0 >> 7;
                self.0 ^= self.0 << 17;
                (self.0 >> 11) as f64 / ((1_u64 << 53) as f64) < 0.05
            });
            Some(f64::from(clumps.count() as u32 * self.1))
        }
    }

    fn alarms(watch: &mut Watch, slow: impl Iterator<Item = f64>) -> usize {
        slow.filter(|&slow| watch.see(PLAN, LEGS, slow) == Sight::Change).count()
    }

    #[test]
    fn chance_is_no_change_and_no_dispersion() {
        let mut watch = Watch::default();
        assert_eq!(alarms(&mut watch, Clumps(1, 1).take(20_000)), 0);
        assert!(watch.dispersion() < 1.7, "{}", watch.dispersion());
    }

    #[test]
    fn clumps_are_no_change_once_it_is_known_that_they_come() {
        let mut watch = Watch::default();
        _ = alarms(&mut watch, Clumps(1, 10).take(1_000));
        let dispersion = watch.dispersion();
        assert!((5.0..20.0).contains(&dispersion), "about ten: {dispersion}");
        assert_eq!(alarms(&mut watch, Clumps(3, 10).take(20_000)), 0);
        // The same clumps with what is measured of them left out of account.
        let mut naive = Watch::default();
        let alarms = Clumps(3, 10).take(20_000).filter(|&slow| {
            naive.dispersion = 1.0;
            naive.see(PLAN, LEGS, slow) == Sight::Change
        });
        assert!(alarms.count() > 100, "the test above can fail");
    }

    #[test]
    fn a_change_is_seen_within_a_few_dozen_slow_legs_and_among_clumps_later() {
        for (clump, within) in [(1, 3), (10, 15)] {
            let mut watch = Watch::default();
            _ = alarms(&mut watch, Clumps(1, clump).take(1_000));
            let seen = Clumps(5, clump)
                .take(within)
                .position(|slow| watch.see(PLAN, LEGS, 3.0 * slow + 5.0) == Sight::Change);
            assert!(seen.is_some(), "not within {within} refreshes, clumps of {clump}");
        }
    }

    #[test]
    fn what_is_known_of_the_clumps_outlives_a_change() {
        let mut watch = Watch::default();
        _ = alarms(&mut watch, Clumps(1, 10).take(1_000));
        let before = watch.dispersion();
        while watch.see(PLAN, LEGS, LEGS) != Sight::Change {}
        assert!(watch.dispersion() >= before);
        assert_eq!(watch.doubled, 0.0);
    }
}
