//! When a second attempt is worth it: triggers, the planner, the gate.
//!
//! Everything here is a pure function of a survival curve, so it can be asked about any curve: a
//! live site's, a simulated one, one of a test. What is promised is a *share*: at most so many of
//! the calls are hedged. Whatever stands between the rule and its delay, be it a limit or a tail
//! that nobody has seen the end of, the probability makes up for it.

mod gate;
mod single_r;
mod steer;

pub(crate) use gate::{Gate, Tally};
pub(crate) use steer::Level;

use crate::{
    clock::Nanos,
    curve::{Curve, Plan, Probability, Trigger},
};

/// Below this many samples a site is cold.
const COLD_SAMPLES: f64 = 50.0;
/// An estimate needs this many samples in the tail it is about.
const TAIL_SAMPLES: f64 = 10.0;

/// How the delay before a hedge is found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Rule {
    /// Always this delay.
    Fixed { delay: Nanos },
    /// As long as this share of attempts takes, so that 1 - `p` of the calls are hedged.
    Quantile { p: f64 },
    /// The delay and the probability that make the percentile `objective` shortest, while at most
    /// the share `x` of the calls is hedged.
    Load { x: f64, objective: f64 },
}

/// What holds for every rule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Limits {
    /// The delay while nothing is known.
    pub(crate) fallback: Nanos,
    pub(crate) min_delay: Nanos,
    pub(crate) max_delay: Nanos,
}

/// The trigger for this rule on this curve.
///
/// Below 50 samples it is cold: the fallback. Up to ten samples in the tail it is made on the safe
/// side: the delay is one that the quantile does not exceed with 95 % confidence or, while the
/// samples cannot tell, the longer of the fallback and all that was seen. From there on it is the
/// estimate. Its delay is never 0, nor outside the limits.
pub(crate) fn plan(rule: Rule, limits: Limits, curve: &Curve) -> Plan {
    let share = match rule {
        Rule::Fixed { delay } => return certain(limits.clamp(delay), curve),
        Rule::Quantile { p } => 1.0 - p,
        Rule::Load { x, .. } => x,
    };
    debug_assert!(0.0 < share && share <= 1.0, "a policy promises something, at most everything");
    if curve.samples() < COLD_SAMPLES {
        let fallback = certain(limits.clamp(limits.fallback), curve);
        return Plan { trigger: fallback.trigger.cold(), ..fallback };
    }
    if curve.samples() < COLD_SAMPLES.max(TAIL_SAMPLES / share) {
        let delay = curve.upper_quantile(1.0 - share);
        let delay = delay.or(curve.last_event().max(Some(limits.fallback)));
        let safe = promised(share, limits.clamp(delay.unwrap_or(limits.fallback)), curve);
        return Plan { trigger: safe.trigger.warming(), ..safe };
    }
    let shortest = match rule {
        Rule::Load { x, objective } => single_r::delay(curve, x, objective),
        _ => None,
    };
    let delay = shortest.or_else(|| curve.quantile(1.0 - share));
    promised(share, limits.clamp(delay.unwrap_or(limits.fallback)), curve)
}

/// A hedge whenever a leg takes longer than `delay`.
fn certain(delay: Nanos, curve: &Curve) -> Plan {
    let tail = curve.survival(delay);
    Plan { trigger: Trigger::new(delay, Probability::ALWAYS), tail, share: 0.0 }
}

/// A hedge after `delay`, as often as the promise allows.
fn promised(share: f64, delay: Nanos, curve: &Curve) -> Plan {
    let tail = curve.survival(delay);
    let probability =
        if tail > share { Probability::from_share(share / tail) } else { Probability::ALWAYS };
    Plan { trigger: Trigger::new(delay, probability), tail, share }
}

impl Limits {
    /// At least a microsecond whatever the limits say: a hedge at once is no hedge.
    fn clamp(&self, delay: Nanos) -> Nanos {
        delay.min(self.max_delay).max(self.min_delay).max(Nanos::from_micros(1))
    }
}

#[cfg(test)]
mod tests;
