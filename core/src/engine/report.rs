//! What a call site says of itself when asked.

use super::CallSite;
use crate::{
    budget::BudgetState,
    clock::{Clock, Nanos},
    policy::UNLIMITED,
};

/// The budgets of a call site, as they stand: what [`CallSite::budgets`] gives.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct BudgetReport {
    /// What pays for retries.
    pub retry: BudgetSnapshot,
    /// What pays for hedges; `None` where the policy does not hedge.
    pub hedge: Option<BudgetSnapshot>,
    /// One budget pays for both, so both say the same.
    pub shared: bool,
}

/// One budget at one time. Numbers count since it was made, over all call sites that name it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct BudgetSnapshot {
    /// Its name; a call site's own budgets have its key.
    pub name: String,
    /// Extra attempts that it allowed. For `unlimited` nobody counts: 0.
    pub granted: u64,
    /// Extra attempts that it refused.
    pub denied: u64,
    /// The most it can have granted so far, in attempts of cost 1: what it started with, what was
    /// paid in, and what time added. `granted` is never above it. Infinite for budgets that do not
    /// limit how many there are in all.
    pub bound: f64,
    /// How many attempts of cost 1 it would allow now; infinite if it does not count them.
    pub available: f64,
}

/// When the calls of a site are hedged, as of now: what [`CallSite::hedge_plan`] gives.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct HedgePlan {
    /// How long after its primary a hedge is due.
    pub delay: Nanos,
    /// The share of those that get that far which are hedged, from 0 to 1.
    pub probability: f64,
    /// Fewer than 50 samples: `delay` is the policy's own.
    pub cold: bool,
    /// Samples enough for a bound on the safe side, not yet for an estimate.
    pub warming: bool,
    /// Hedging is suspended, for it fed an overload or did not help: a tenth goes on as probes.
    pub suspended: bool,
}

impl CallSite {
    /// The budgets of the policy in force, as they stand. Thread-safe; about a microsecond, for
    /// reports and not for calls.
    ///
    /// ```
    /// use rego::{Budget, Engine, Policy};
    ///
    /// let engine = Engine::builder()
    ///     .budget("users", Budget::token_bucket(1, 0.0))
    ///     .policy("svc.Get", Policy::builder().retry_budget("users").build()?)
    ///     .build()?;
    /// let get = engine.site("svc.Get");
    /// let result = get.run(|_| Err::<(), _>("no luck"));
    /// assert_eq!(result.unwrap_err().attempts, 2);
    ///
    /// let users = get.budgets().retry;
    /// assert_eq!((users.granted, users.denied), (1, 1));
    /// assert_eq!((users.bound, users.available), (1.0, 0.0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn budgets(&self) -> BudgetReport {
        let terms = self.site.terms();
        let clock = &self.host.clock;
        let snapshot = |budget: Option<&BudgetState>| {
            budget
                .map_or_else(BudgetSnapshot::unlimited, |budget| BudgetSnapshot::of(budget, clock))
        };
        BudgetReport {
            retry: snapshot(terms.retry_budget.as_deref()),
            hedge: terms.policy.hedging().then(|| snapshot(terms.hedge_budget.as_deref())),
            shared: terms.is_budget_shared(),
        }
    }
}

impl CallSite {
    /// When calls are hedged, as of now; `None` where the policy in force does not hedge.
    /// Thread-safe; two loads.
    ///
    /// ```
    /// use rego::{Engine, Nanos, Policy};
    ///
    /// let policy = Policy::builder().idempotent(true).hedge_load(0.02).build()?;
    /// let engine = Engine::builder().policy("svc.Get", policy).build()?;
    /// let plan = engine.site("svc.Get").hedge_plan().expect("it hedges");
    /// assert!(plan.cold);
    /// assert_eq!(plan.delay, Nanos::from_millis(200));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn hedge_plan(&self) -> Option<HedgePlan> {
        let terms = self.site.terms();
        if !terms.policy.hedging() {
            return None;
        }
        let trigger = self.site.latency.trigger();
        let cold = trigger.is_cold();
        Some(HedgePlan {
            delay: if cold { terms.policy.hedge.delay } else { trigger.delay() },
            probability: if cold { 1.0 } else { trigger.probability().as_share() },
            cold,
            warming: trigger.is_warming(),
            suspended: trigger.is_suspended(),
        })
    }
}

impl BudgetSnapshot {
    fn of(budget: &BudgetState, clock: &Clock) -> Self {
        let granted = budget.grants();
        // Read after the grants: the bound holds for those before it.
        let now = clock.now();
        Self {
            name: budget.name().to_owned(),
            granted,
            denied: budget.denials(),
            bound: budget.bound(now),
            available: budget.available(now),
        }
    }

    fn unlimited() -> Self {
        Self {
            name: UNLIMITED.to_owned(),
            granted: 0,
            denied: 0,
            bound: f64::INFINITY,
            available: f64::INFINITY,
        }
    }
}
