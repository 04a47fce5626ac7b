//! What a call site says of itself when asked.

use super::CallSite;
use crate::{budget::BudgetState, clock::Clock, policy::UNLIMITED};

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
