//! What tests of drivers share: a site whose budgets count, and a listener that panics.

use super::*;
use crate::{
    budget::{BudgetState, Deposits},
    classify::Named,
    listener::{CallEnded, Warning},
    notes::Note,
    policy::{Budget, Policy},
    site::Own,
    sync::{Arc as Shared, AtomicU64, Ordering},
    verdict::PolicySource,
};

pub(super) const ROOM: u32 = 1_000_000;

/// A host without threads, whom `listener` listens to.
pub(super) fn bare(clock: Clock, seed: u64, listener: Option<Arc<dyn Listener>>) -> Arc<Host> {
    let mut host = Host::bare(clock, seed);
    host.listener = listener;
    Arc::new(host)
}

/// A listener that panics once, at the n-th note from 0: unlike an observer it is not contained, so
/// it stands for a panic of the engine's own.
#[derive(Debug)]
pub(super) struct PanicsAt {
    note: u64,
    noted: AtomicU64,
}

impl PanicsAt {
    pub(super) fn note(note: u64) -> Arc<Self> {
        Arc::new(Self { note, noted: AtomicU64::new(0) })
    }

    /// Whether it has.
    pub(super) fn panicked(&self) -> bool {
        // Relaxed: a count.
        self.noted.load(Ordering::Relaxed) > self.note
    }
}

impl Listener for PanicsAt {
    fn started(&self, _: &str, _: Nanos) -> u64 {
        0
    }

    fn noted(&self, _: u64, _: &str, _: &Note) {
        // Relaxed: a count.
        assert!(self.noted.fetch_add(1, Ordering::Relaxed) != self.note, "an internal panic");
    }

    fn warned(&self, _: &str, _: Nanos, _: Warning) {}

    fn ended(&self, _: &CallEnded<'_>, _: &Notes) {}
}

/// A site whose budgets count every attempt that runs.
pub(super) struct Yard {
    pub(super) site: Shared<Site>,
    pub(super) terms: Shared<Terms>,
    pub(super) budgets: [Shared<BudgetState>; 2],
}

impl Yard {
    pub(super) fn new(policy: Policy) -> Self {
        let room = Budget::Concurrency { max: ROOM };
        let budget = || Shared::new(BudgetState::new("b", &room, Deposits::PerCall, Nanos::ZERO));
        let budgets = [budget(), budget()];
        let terms = Shared::new(Terms {
            mode: policy.mode,
            policy,
            source: PolicySource::Static,
            classifier: Named::default(),
            retry_budget: Some(Shared::clone(&budgets[0])),
            hedge_budget: Some(Shared::clone(&budgets[1])),
            attributes: Vec::new(),
        });
        let own = Own { retry: Shared::clone(&budgets[0]), hedge: Shared::clone(&budgets[1]) };
        let site = Shared::new(Site::new("svc.Get", own, Shared::clone(&terms)));
        Self { site, terms, budgets }
    }

    /// Nothing of any call is left.
    pub(super) fn assert_quiet(&self) {
        assert_eq!((self.site.in_flight(), self.site.abandoned()), (0, 0), "gauges");
        for budget in &self.budgets {
            assert_eq!(budget.available(Nanos::ZERO), f64::from(ROOM), "reservations");
        }
    }
}
