//! What tests and models of drivers stand on: one site whose budgets count every attempt that runs.

use super::{Nanos, Site, Terms};
use crate::{
    budget::{BudgetState, Deposits},
    classify::Named,
    policy::{Budget, Policy},
    site::Own,
    sync::Arc,
    verdict::PolicySource,
};

/// A site, and budgets with room for so many attempts at a time.
#[derive(Debug)]
pub(crate) struct Yard {
    pub(crate) site: Arc<Site>,
    pub(crate) budgets: [Arc<BudgetState>; 2],
    room: u32,
}

impl Yard {
    pub(crate) fn with_room(policy: Policy, room: u32) -> Self {
        let places = Budget::Concurrency { max: room };
        let budget = || Arc::new(BudgetState::new("b", &places, Deposits::PerCall, Nanos::ZERO));
        let budgets = [budget(), budget()];
        let terms = Arc::new(Terms {
            mode: policy.mode,
            policy,
            source: PolicySource::Static,
            classifier: Named::default(),
            retry_budget: Some(Arc::clone(&budgets[0])),
            hedge_budget: Some(Arc::clone(&budgets[1])),
            attributes: Vec::new(),
        });
        let own = Own { retry: Arc::clone(&budgets[0]), hedge: Arc::clone(&budgets[1]) };
        Self { site: Arc::new(Site::new("svc.Get", own, terms)), budgets, room }
    }

    /// Asserts that nothing is left of any call.
    ///
    /// # Panics
    ///
    /// If something is: a place in a budget, a count in a gauge.
    pub(crate) fn assert_quiet(&self) {
        assert_eq!((self.site.in_flight(), self.site.abandoned()), (0, 0), "gauges");
        for budget in &self.budgets {
            assert_eq!(budget.available(Nanos::ZERO), f64::from(self.room), "reservations");
        }
    }
}
