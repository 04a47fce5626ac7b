//! What is still remembered: older observations count for less, and none from before a change.
//!
//! A long memory makes the delivered share exact, a short one makes it follow a change. A window
//! of one length cannot do both: with 20,000 calls in it, a service that becomes three times
//! slower is hedged at four times the target for thousands of calls. So the window is long, and
//! a [watch](super::watch) looks whether legs still outlast the delay as often as planned. When it
//! is sure that they do not, everything from before its suspicion began is forgotten at once.

use crate::{
    clock::Nanos,
    curve::{BUCKETS, CENSORED, Curve, Plan, Scale},
};

use super::watch::{Sight, Watch};

/// Observations count half as much after this time …
const HALF_LIFE: Nanos = Nanos::from_secs(10);
/// … but not while there are fewer than make this many in the tail: then it takes this time, after
/// which an idle site forgets too.
const TAIL_KEPT: f64 = 400.0;
const IDLE_HALF_LIFE: Nanos = Nanos::from_secs(600);
/// The rarest tail that is remembered for.
const RAREST: f64 = 1e-5;
/// An observation that counts for less than this is forgotten.
const FORGOTTEN: f32 = 1e-3;

/// The window of a site.
#[derive(Default)]
pub(super) struct Window {
    /// From before the last time all was calm.
    settled: Weights,
    /// From since then.
    recent: Weights,
    watch: Watch,
    /// When it was last moved on.
    at: Nanos,
}

impl Window {
    /// Takes in what is fresh: of `legs` legs `outlasted` outlasted the delay of the plan
    /// `in_force`.
    pub(super) fn take_in(
        &mut self,
        now: Nanos,
        fresh: &Weights,
        in_force: Plan,
        legs: f64,
        outlasted: f64,
    ) {
        let kept = TAIL_KEPT / in_force.expected().max(RAREST);
        let factor = fade(self.settled.total() + self.recent.total(), kept, now - self.at);
        self.at = self.at.max(now);
        self.settled.fade(factor);
        self.recent.fade(factor);
        self.recent.add(fresh);
        match self.watch.see(in_force, legs, outlasted) {
            Sight::Calm => self.settled.add(&self.recent),
            Sight::Suspect => return,
            Sight::Change => self.settled = self.recent.clone(),
        }
        self.recent = Weights::default();
    }

    /// See [`Watch::dispersion`].
    pub(super) const fn dispersion(&self) -> f64 {
        self.watch.dispersion()
    }

    pub(super) fn curve(&self) -> Curve {
        Curve::new(
            |bucket| self.settled.events[bucket] + self.recent.events[bucket],
            |bucket| self.settled.censored[bucket] + self.recent.censored[bucket],
        )
    }
}

/// What is left of each of `total` observations after `elapsed`: the excess over `kept` fades
/// fast, the rest slowly.
fn fade(total: f64, kept: f64, elapsed: Nanos) -> f32 {
    if total <= 0.0 {
        return 1.0;
    }
    let half_lives = |length: Nanos| elapsed.as_secs_f64() / length.as_secs_f64();
    let fast = total * (-half_lives(HALF_LIFE)).exp2();
    let slow = total.min(kept) * (-half_lives(IDLE_HALF_LIFE)).exp2();
    #[expect(clippy::cast_possible_truncation, reason = "a factor between 0 and 1")]
    {
        (fast.max(slow) / total) as f32
    }
}

/// Observations by bucket, counting for one or less each.
#[derive(Clone)]
pub(super) struct Weights {
    events: [f32; BUCKETS],
    censored: [f32; CENSORED],
}

impl Weights {
    #[expect(clippy::cast_precision_loss, reason = "24 bits are plenty for an estimate")]
    pub(super) const fn add_events(&mut self, bucket: usize, count: u32) {
        self.events[bucket] += count as f32;
    }

    #[expect(clippy::cast_precision_loss, reason = "24 bits are plenty for an estimate")]
    pub(super) const fn add_censored(&mut self, bucket: usize, count: u32) {
        self.censored[bucket] += count as f32;
    }

    /// How many legs were seen up to `delay`, and how many of them outlasted it. One that was
    /// censored before says nothing about it, and one censored in the same bucket was most likely
    /// overtaken, that is, after it.
    pub(super) fn beyond(&self, delay: Nanos) -> (f64, f64) {
        let (fine, coarse) = (Scale::FINE.index(delay), Scale::COARSE.index(delay));
        let sum = |weights: &[f32]| -> f64 { weights.iter().copied().map(f64::from).sum() };
        let (lower, upper) = (Scale::FINE.lower(fine), Scale::FINE.upper(fine).min(Scale::LONGEST));
        let into = (delay - lower).as_secs_f64() / (upper - lower).as_secs_f64().max(1e-9);
        let here = f64::from(self.events[fine]);
        let before = sum(&self.events[..fine]) + here * into.min(1.0);
        let beyond = sum(&self.events[fine + 1..])
            + here * (1.0 - into.min(1.0))
            + sum(&self.censored[coarse..]);
        (before + beyond, beyond)
    }

    fn total(&self) -> f64 {
        self.events.iter().chain(&self.censored).copied().map(f64::from).sum()
    }

    fn fade(&mut self, factor: f32) {
        for weight in self.events.iter_mut().chain(&mut self.censored) {
            let faded = *weight * factor;
            *weight = if faded < FORGOTTEN { 0.0 } else { faded };
        }
    }

    fn add(&mut self, other: &Self) {
        for (weight, more) in self.events.iter_mut().zip(&other.events) {
            *weight += more;
        }
        for (weight, more) in self.censored.iter_mut().zip(&other.censored) {
            *weight += more;
        }
    }
}

impl Default for Weights {
    fn default() -> Self {
        Self { events: [0.0; BUCKETS], censored: [0.0; CENSORED] }
    }
}
