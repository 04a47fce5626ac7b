//! What is delivered is what was promised: the plan is steered by its budget's balance.
//!
//! A site's hedge budget is paid the promised share of its calls, but for a hair. A plan that hedges
//! a little less than that, because curves are estimates, leaves the balance at its ceiling, where
//! pay is lost; and a plan that hedges exactly that leaves it to a random walk between the ceiling
//! and nothing, where hedges are refused. Both make less of the budget than was configured. But the balance *is*
//! the sum of all that was paid less all that was spent: to plan for a little more while it is
//! high, and for a little less while it is low, is integral control, and takes out either error.

use super::Rule;

/// At most so much more, or less, is planned for than was promised.
const GAIN: f64 = 0.2;
/// The balance is held at this share of its ceiling, …
const HELD: f64 = 0.25;
/// … and where it is low at this much, which is more than three times what it varies by. Clumps of
/// slow calls have to be paid from it.
const HELD_AT_LEAST: f64 = 10.0;

/// No rule is steered to plan for more of the calls than this.
const MOST: f64 = 0.999;

/// A hedge budget's balance and its ceiling, in hedges.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Level {
    pub(crate) balance: f64,
    pub(crate) ceiling: f64,
}

impl Level {
    /// How much of what was promised is planned for.
    fn factor(self) -> f64 {
        let held = (self.ceiling * HELD).max(HELD_AT_LEAST).min(self.ceiling / 2.0);
        1.0 + GAIN * (self.balance / held.max(f64::MIN_POSITIVE) - 1.0).clamp(-1.0, 1.0)
    }
}

impl Rule {
    /// The rule with its share steered by the budget that pays for it alone, if there is one.
    pub(crate) fn steered(self, level: Option<Level>) -> Self {
        let Some(level) = level else { return self };
        let steer = |share: f64| (share * level.factor()).min(MOST.max(share));
        match self {
            Self::Fixed { .. } => self,
            Self::Quantile { p } => Self::Quantile { p: 1.0 - steer(1.0 - p) },
            Self::Load { x, objective } => Self::Load { x: steer(x), objective },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(balance: f64, ceiling: f64) -> f64 {
        let rule = Rule::Load { x: 0.05, objective: 0.99 };
        let Rule::Load { x, .. } = rule.steered(Some(Level { balance, ceiling })) else {
            unreachable!("a rule stays what it is")
        };
        x / 0.05
    }

    #[test]
    fn a_full_budget_is_spent_faster_and_an_empty_one_slower() {
        let near = |found: f64, wanted: f64| assert!((found - wanted).abs() < 1e-9, "{found}");
        for (balance, wanted) in [(0.0, 0.8), (25.0, 0.9), (50.0, 1.0), (75.0, 1.1), (100.0, 1.2)] {
            near(planned(balance, 200.0), wanted);
        }
        near(planned(200.0, 200.0), 1.2);
        // Where the ceiling is low, half of it is held, at most ten.
        near(planned(10.0, 20.0), 1.0);
        near(planned(2.5, 5.0), 1.0);
        near(planned(0.0, 0.0), 0.8);
    }

    #[test]
    fn no_rule_is_steered_out_of_its_bounds() {
        let full = Some(Level { balance: 20.0, ceiling: 20.0 });
        for share in [1e-6, 0.01, 0.5, 0.9, 0.999_999] {
            let Rule::Quantile { p } = (Rule::Quantile { p: 1.0 - share }).steered(full) else {
                unreachable!("a rule stays what it is")
            };
            assert!(0.0 < p && p < 1.0, "{share} became {}", 1.0 - p);
        }
    }

    #[test]
    fn without_a_budget_of_its_own_a_rule_stays_as_it_is() {
        let rule = Rule::Quantile { p: 0.99 };
        assert_eq!(rule.steered(None), rule);
        let fixed = Rule::Fixed { delay: crate::clock::Nanos::from_millis(1) };
        assert_eq!(fixed.steered(Some(Level { balance: 0.0, ceiling: 20.0 })), fixed);
    }
}
