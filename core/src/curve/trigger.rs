//! What a planner answers: when to hedge, and with what probability.

use super::Curve;
use crate::clock::Nanos;

/// A probability in steps of 1/65,536; the last step is certainty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Probability(u16);

impl Probability {
    #[cfg_attr(not(test), allow(dead_code, reason = "for tests"))]
    pub(crate) const NEVER: Self = Self(0);
    pub(crate) const ALWAYS: Self = Self(u16::MAX);

    /// The nearest to this share of one; anything that is not a number counts as 0.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
    pub fn from_share(share: f64) -> Self {
        Self((share * f64::from(u16::MAX)).round() as u16)
    }

    pub(crate) fn as_share(self) -> f64 {
        f64::from(self.0) / f64::from(u16::MAX)
    }

    /// Whether it comes true for this random number, of which every bit is fair.
    #[inline]
    pub(crate) const fn draw(self, random: u64) -> bool {
        self.0 == u16::MAX || random >> 48 < self.0 as u64
    }
}

/// When to hedge: one word, so that one load reads it.
///
/// `delay:40 | probability:16 | flags:8`, the delay in nanoseconds, at most 1,099 s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trigger(u64);

impl Trigger {
    const LONGEST: u64 = (1 << 40) - 1;
    const COLD: u64 = 1;
    const WARMING: u64 = 2;
    const SUSPENDED: u64 = 4;

    /// What is published before anybody has planned.
    pub const UNPLANNED: Self = Self(Self::LONGEST << 24 | Self::COLD);

    /// To hedge after `delay`, with this probability.
    pub const fn new(delay: Nanos, probability: Probability) -> Self {
        let delay = delay.as_nanos();
        let delay = if delay > Self::LONGEST { Self::LONGEST } else { delay };
        Self(delay << 24 | (probability.0 as u64) << 8)
    }

    /// Marks it as made without knowledge: too few samples so far.
    pub(crate) const fn cold(self) -> Self {
        Self(self.0 | Self::COLD)
    }

    /// Marks it as made on the safe side: samples enough for a bound, not for an estimate.
    pub(crate) const fn warming(self) -> Self {
        Self(self.0 | Self::WARMING)
    }

    /// The same delay on probation: this probability instead, and marked as suspended.
    pub(crate) const fn suspended(self, probability: Probability) -> Self {
        let kept = self.0 & !(0xFFFF << 8);
        Self(kept | (probability.0 as u64) << 8 | Self::SUSPENDED)
    }

    /// How long after its primary a call is hedged.
    #[inline]
    pub const fn delay(self) -> Nanos {
        Nanos::from_nanos(self.0 >> 24)
    }

    #[inline]
    pub(crate) const fn probability(self) -> Probability {
        #[expect(clippy::cast_possible_truncation, reason = "these 16 bits are meant")]
        Probability((self.0 >> 8) as u16)
    }

    /// Nothing is known yet: the policy's own fixed delay is to be used, with certainty. It is what
    /// this trigger holds too, once somebody has planned.
    #[inline]
    pub(crate) const fn is_cold(self) -> bool {
        self.0 & Self::COLD != 0
    }

    #[inline]
    pub(crate) const fn is_warming(self) -> bool {
        self.0 & Self::WARMING != 0
    }

    #[inline]
    pub(crate) const fn is_suspended(self) -> bool {
        self.0 & Self::SUSPENDED != 0
    }

    pub(crate) const fn to_word(self) -> u64 {
        self.0
    }

    pub(crate) const fn from_word(word: u64) -> Self {
        Self(word)
    }
}

/// A trigger and what its maker expects of it, which is how a change is told from chance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    /// When to hedge.
    pub trigger: Trigger,
    /// The share of primary legs that will outlast the delay, by the curve it was planned on.
    pub tail: f64,
    /// The share of calls that are to be hedged, as steered; 0 when the rule promises nothing.
    pub share: f64,
}

impl Plan {
    /// Before anybody has planned.
    pub(crate) const NONE: Self = Self { trigger: Trigger::UNPLANNED, tail: 0.0, share: 0.0 };

    /// The share of legs that may outlast the delay before something is wrong.
    pub(crate) const fn expected(&self) -> f64 {
        self.tail.max(self.share)
    }
}

/// What a refresh shows the planner.
#[derive(Clone, Copy, Debug)]
pub struct Reading<'a> {
    /// How long primary legs take, by everything still remembered.
    pub(crate) curve: &'a Curve,
    /// The plan that was in force since the last refresh.
    pub in_force: Plan,
    /// How many primary legs were seen since then, up to that plan's delay at least.
    pub legs: f64,
    /// How many of them outlasted it.
    pub outlasted: f64,
    /// How many times as much such counts vary as those of independent legs: 1 or more.
    pub dispersion: f64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn unplanned_is_cold_and_never_fires() {
        assert!(Trigger::UNPLANNED.is_cold());
        assert_eq!(Trigger::UNPLANNED.probability(), Probability::NEVER);
        assert!(Trigger::UNPLANNED.delay() > Nanos::from_secs(1_000));
    }

    #[test]
    fn never_and_always_do_not_depend_on_the_draw() {
        for random in [0, 1, u64::MAX / 2, u64::MAX] {
            assert!(!Probability::NEVER.draw(random));
            assert!(Probability::ALWAYS.draw(random));
        }
        assert_eq!(Probability::from_share(1.5), Probability::ALWAYS);
        assert_eq!(Probability::from_share(-0.5), Probability::NEVER);
        assert_eq!(Probability::from_share(f64::NAN), Probability::NEVER);
    }

    #[test]
    fn a_draw_comes_true_as_often_as_it_should() {
        let third = Probability::from_share(1.0 / 3.0);
        // Every value of the 16 bits that decide, once.
        let hits = (0..1u64 << 16).filter(|high| third.draw(high << 48)).count();
        assert_eq!(hits, 21_845);
        assert!((third.as_share() - 1.0 / 3.0).abs() < 1e-5);
    }

    proptest! {
        #[test]
        fn a_word_keeps_what_it_is_given(delay in any::<u64>(), share in 0.0..=1.0f64) {
            let probability = Probability::from_share(share);
            let trigger = Trigger::new(Nanos::from_nanos(delay), probability);
            prop_assert_eq!(trigger.delay().as_nanos(), delay.min((1 << 40) - 1));
            prop_assert_eq!(trigger.probability(), probability);
            prop_assert_eq!(Trigger::from_word(trigger.to_word()), trigger);
            prop_assert!(!trigger.is_cold() && !trigger.is_warming() && !trigger.is_suspended());
            prop_assert!(trigger.cold().is_cold() && trigger.warming().is_warming());
            let suspended = trigger.cold().suspended(Probability::NEVER);
            prop_assert!(suspended.is_suspended() && suspended.is_cold());
            prop_assert_eq!(suspended.probability(), Probability::NEVER);
            prop_assert_eq!(suspended.delay(), trigger.delay());
        }
    }
}
