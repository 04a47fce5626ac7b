//! What a policy can cost at worst, reckoned from its numbers alone.

use std::{fmt, time::Duration};

use rego::{Budget, Document, Policy, Trigger};

/// What the built-in budget of a key lets through: a share of what succeeds, and so many a second.
const OWN_RETRIES: Share = Share::Limited { share: 0.1, per_sec: 1.0 };
/// What the built-in hedge budget of a key with a fixed delay lets through.
const OWN_FIXED_HEDGES: f64 = 0.05;

/// The worst case of one policy.
#[derive(Debug, PartialEq)]
pub(super) struct Worst {
    /// How many attempts one call can make.
    pub(super) attempts: u32,
    /// How long a call can take; `None`: nothing bounds it.
    pub(super) wall: Option<Duration>,
    pub(super) load: Load,
}

/// The load in the long run, as a multiple of the calls, and on top so many attempts a second.
#[derive(Debug, PartialEq)]
pub(super) struct Load {
    /// `None` where only the number of extra attempts at one time is limited.
    pub(super) factor: Option<f64>,
    pub(super) per_sec: f64,
}

/// What a budget lets through in the long run.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Share {
    Limited { share: f64, per_sec: f64 },
    AtOnce,
    All,
}

impl Worst {
    pub(super) fn of(policy: &Policy, document: &Document) -> Self {
        let groups = u32::from(policy.max_attempts());
        let hedges = if policy.hedging() { u32::from(policy.max_hedges()) } else { 0 };
        let attempts = groups * (1 + hedges);
        Self { attempts, wall: wall(policy), load: Load::of(policy, document) }
    }
}

/// All attempts run to their timeout, all waits are as long as they can be.
fn wall(policy: &Policy) -> Option<Duration> {
    let attempts = u32::from(policy.max_attempts());
    let by_attempts = policy.attempt_timeout().map(|timeout| {
        // Retry-After gets up to a tenth on top.
        let wait = policy.max_backoff().max(policy.max_retry_after().mul_f64(1.1));
        timeout * attempts + wait * (attempts - 1)
    });
    match (policy.overall_timeout(), by_attempts) {
        (Some(overall), Some(by_attempts)) => Some(overall.min(by_attempts)),
        (overall, by_attempts) => overall.or(by_attempts),
    }
}

impl Load {
    fn of(policy: &Policy, document: &Document) -> Self {
        let budget = |name: &str| document.budgets().find(|(known, _)| *known == name);
        let groups = u32::from(policy.max_attempts());
        let mut factor = Some(1.0);
        let mut per_sec = 0.0;
        let mut add = |let_through: Share, cost: u16, all: u32| {
            let cost = f64::from(cost);
            match let_through {
                Share::Limited { share, per_sec: floor } => {
                    factor = factor.map(|factor: f64| factor + (share / cost).min(all.into()));
                    per_sec += floor / cost;
                }
                Share::All => factor = factor.map(|factor| factor + f64::from(all)),
                Share::AtOnce => factor = None,
            }
        };
        if groups > 1 {
            let of_budget = match policy.retry_budget() {
                None => OWN_RETRIES,
                // A budget that the program defines is not known here.
                Some(name) => budget(name).map_or(Share::All, |(_, budget)| share(budget)),
            };
            add(of_budget, policy.retry_cost(), groups - 1);
        }
        if policy.hedging() {
            let of_budget = match policy.hedge_budget() {
                None => Share::Limited { share: own_hedges(policy), per_sec: 0.0 },
                Some(name) => budget(name).map_or(Share::All, |(_, budget)| share(budget)),
            };
            add(of_budget, policy.hedge_cost(), u32::from(policy.max_hedges()) * groups);
        }
        Self { factor, per_sec }
    }
}

fn own_hedges(policy: &Policy) -> f64 {
    match policy.hedge_trigger() {
        Trigger::Quantile(p) => 1.0 - p,
        Trigger::Load(x) => x,
        _ => OWN_FIXED_HEDGES,
    }
}

fn share(budget: &Budget) -> Share {
    match *budget {
        Budget::TokenBucket { refill_per_sec, .. } => {
            Share::Limited { share: 0.0, per_sec: refill_per_sec }
        }
        Budget::Ratio { ratio, min_per_sec, .. } => {
            Share::Limited { share: ratio, per_sec: min_per_sec }
        }
        Budget::InFlight { .. } | Budget::Concurrency { .. } => Share::AtOnce,
        // What fails takes one token and what succeeds puts back so much of one.
        Budget::Throttle { token_ratio, .. } => Share::Limited { share: token_ratio, per_sec: 0.0 },
        _ => Share::All,
    }
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.factor {
            Some(factor) => write!(f, "× {factor:.2}")?,
            None => f.write_str("limited at one time")?,
        }
        if self.per_sec > 0.0 { write!(f, " + {}/s", self.per_sec) } else { Ok(()) }
    }
}
