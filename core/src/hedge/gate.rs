//! The gate: hedging stops where it feeds an overload, or does not help.
//!
//! Two reasons, judged apart. *Overload*: three windows running, of at least 500 legs each (more
//! where slow ones are rare or come in clumps), in which more than twice as many outlasted the delay
//! as the plan expected; over after three good ones. *Futile*: of the last 50 hedges or more, fewer
//! than a tenth won; over when as many hedges on probation do better. While either holds, a tenth of
//! the hedges go on as probes.

use crate::curve::{Plan, Probability, Reading};

/// A window is judged when it has this many legs …
const WINDOW_LEGS: f64 = 500.0;
/// … and so many were expected to outlast the delay that twice as many are no chance: this many,
/// if legs are independent, or as many times more as they vary more than that.
const WINDOW_SLOW: f64 = 10.0;
/// As many windows in a row shut the gate, or open it.
const WINDOWS: u8 = 3;
/// A window is bad when the delay is outlasted this many times as often as expected.
const EXCESS: f64 = 2.0;
/// Hedges are judged when there are this many.
const HEDGES: u64 = 50;
/// Hedging is futile when less than this share of them win.
const WORTH: f64 = 0.1;
/// The share of the hedges that go on as probes.
const PROBES: f64 = 0.1;

/// What happened since the gate was last fed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Tally {
    /// Primary legs seen up to the delay.
    pub(crate) legs: f64,
    /// How many of them outlasted it.
    pub(crate) outlasted: f64,
    /// How many were expected to; 0 if the plan expects nothing, and then nobody judges it.
    pub(crate) expected: f64,
    /// How many times as much such counts vary as those of independent legs; counts for 1 at least.
    pub(crate) dispersion: f64,
    /// Hedges that ended.
    pub(crate) hedges: u64,
    /// Those of them that won.
    pub(crate) wins: u64,
}

/// Whether hedging is suspended; one for each site, fed by whoever refreshes its trigger.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gate {
    gathered: Tally,
    /// Windows in a row that speak for a change.
    streak: u8,
    overload: bool,
    futile: bool,
}

impl Tally {
    /// From what latency read, and the hedges that ended and won since the last time.
    pub(crate) const fn new(reading: &Reading<'_>, hedges: u64, wins: u64) -> Self {
        let Reading { legs, outlasted, in_force, dispersion, .. } = *reading;
        let expected = if in_force.share > 0.0 { legs * in_force.expected() } else { 0.0 };
        Self { legs, outlasted, expected, dispersion, hedges, wins }
    }
}

impl Gate {
    /// Takes in what happened, and judges once there is enough of it.
    pub(crate) fn feed(&mut self, tally: Tally) {
        if tally.expected > 0.0 {
            self.gathered.legs += tally.legs;
            self.gathered.outlasted += tally.outlasted;
            self.gathered.expected += tally.expected;
            self.gathered.dispersion = tally.dispersion.max(1.0);
        }
        self.gathered.hedges += tally.hedges;
        self.gathered.wins += tally.wins;
        let Tally { legs, outlasted, expected, dispersion, .. } = self.gathered;
        let slow = WINDOW_SLOW * dispersion;
        // Where so many outlasted the delay as would do for a window, nobody waits for its end.
        if legs >= WINDOW_LEGS && (expected >= slow || outlasted > EXCESS * slow) {
            self.judge_window();
        }
        if self.gathered.hedges >= HEDGES {
            self.judge_hedges();
        }
    }

    /// Whether hedging is suspended.
    pub(crate) const fn is_shut(&self) -> bool {
        self.overload || self.futile
    }

    /// The plan itself or, while the gate is shut, a tenth of it.
    pub(crate) fn pass(&self, plan: Plan) -> Plan {
        if !self.is_shut() {
            return plan;
        }
        let probes = Probability::from_share(plan.trigger.probability().as_share() * PROBES);
        Plan { trigger: plan.trigger.suspended(probes), ..plan }
    }

    fn judge_window(&mut self) {
        let bad = self.gathered.outlasted > EXCESS * self.gathered.expected;
        self.streak = if bad == self.overload { 0 } else { self.streak + 1 };
        if self.streak == WINDOWS {
            self.overload = bad;
            self.streak = 0;
        }
        self.gathered =
            Tally { hedges: self.gathered.hedges, wins: self.gathered.wins, ..Tally::default() };
    }

    #[expect(clippy::cast_precision_loss, reason = "a share of a few hundred hedges")]
    fn judge_hedges(&mut self) {
        self.futile = (self.gathered.wins as f64) < WORTH * self.gathered.hedges as f64;
        (self.gathered.hedges, self.gathered.wins) = (0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock::Nanos, curve::Trigger};

    fn window(outlasted: f64) -> Tally {
        Tally { legs: 500.0, outlasted, expected: 10.0, ..Tally::default() }
    }

    fn hedges(hedges: u64, wins: u64) -> Tally {
        Tally { hedges, wins, ..Tally::default() }
    }

    #[test]
    fn three_bad_windows_in_a_row_shut_it_and_three_good_ones_open_it() {
        let mut gate = Gate::default();
        for outlasted in [21.0, 21.0, 20.0, 21.0, 21.0] {
            gate.feed(window(outlasted));
            assert!(!gate.is_shut(), "two in a row are chance, and twice the target is no excess");
        }
        gate.feed(window(21.0));
        assert!(gate.is_shut());
        for outlasted in [20.0, 20.0, 21.0, 20.0, 20.0] {
            gate.feed(window(outlasted));
            assert!(gate.is_shut());
        }
        gate.feed(window(20.0));
        assert!(!gate.is_shut());
    }

    #[test]
    fn a_window_is_judged_when_it_is_full() {
        let mut gate = Gate::default();
        let part = Tally { legs: 499.0, outlasted: 499.0, expected: 9.98, ..Tally::default() };
        gate.feed(part);
        gate.feed(part);
        gate.feed(part);
        gate.feed(part);
        assert!(!gate.is_shut(), "four parts are two windows");
        gate.feed(part);
        gate.feed(part);
        assert!(gate.is_shut());
    }

    #[test]
    fn where_slow_legs_come_in_clumps_a_window_is_longer() {
        let mut gate = Gate::default();
        let clump = Tally { dispersion: 4.0, ..window(25.0) };
        for _ in 0..11 {
            gate.feed(clump);
            assert!(!gate.is_shut(), "four parts are a window of forty");
        }
        gate.feed(clump);
        assert!(gate.is_shut());
    }

    #[test]
    fn a_rare_tail_need_not_be_waited_for_where_everything_is_slow() {
        let mut gate = Gate::default();
        let rare = Tally { legs: 500.0, outlasted: 500.0, expected: 0.5, ..Tally::default() };
        for _ in 0..3 {
            assert!(!gate.is_shut());
            gate.feed(rare);
        }
        assert!(gate.is_shut());
    }

    #[test]
    fn hedges_that_do_not_win_shut_it_until_they_do() {
        let mut gate = Gate::default();
        gate.feed(hedges(49, 0));
        assert!(!gate.is_shut());
        gate.feed(hedges(1, 5));
        assert!(!gate.is_shut(), "a tenth is worth it");
        gate.feed(hedges(50, 4));
        assert!(gate.is_shut());
        for _ in 0..10 {
            gate.feed(window(1.0));
        }
        assert!(gate.is_shut(), "quiet windows say nothing about hedges");
        gate.feed(hedges(50, 5));
        assert!(!gate.is_shut());
    }

    #[test]
    fn a_rule_that_promises_nothing_is_not_judged_by_its_tail() {
        let mut gate = Gate::default();
        for _ in 0..10 {
            gate.feed(Tally { legs: 500.0, outlasted: 500.0, ..Tally::default() });
        }
        assert!(!gate.is_shut());
    }

    #[test]
    fn a_shut_gate_lets_a_tenth_through() {
        let half = Probability::from_share(0.5);
        let trigger = Trigger::new(Nanos::from_millis(5), half);
        let plan = Plan { trigger, tail: 0.1, share: 0.05 };
        let mut gate = Gate::default();
        assert_eq!(gate.pass(plan), plan);
        gate.feed(hedges(50, 0));
        let probing = gate.pass(plan).trigger;
        assert!(probing.is_suspended());
        assert_eq!(probing.delay(), trigger.delay());
        assert!((probing.probability().as_share() - 0.05).abs() < 1e-4);
    }
}
