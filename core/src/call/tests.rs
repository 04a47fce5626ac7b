//! The machine under test: a bench to run it on.

mod hedging;
mod invariants;
mod precedence;
mod twin;

use super::*;
use crate::{
    budget::{BudgetState, Condition, Deposits},
    classify::Named,
    policy::{Budget, Hedge, Policy},
    site::Own,
    sync::Arc,
    verdict::{BudgetDecision, PolicySource},
};
use crate::{
    notes::{AttemptSet, Notes},
    outcome::Reason,
    policy::Idempotent,
    site::{Site, Terms},
    sync::Shard,
};

pub(super) fn ms(millis: u64) -> Nanos {
    Nanos::from_millis(millis)
}

pub(super) fn transient() -> Outcome {
    Outcome::retryable(Class::Transient)
}

pub(super) fn panicked() -> Outcome {
    Outcome::abort().because(Reason::Panic)
}

/// A site, its terms, and one call on them.
#[derive(Debug)]
pub(super) struct Bench {
    pub(super) site: Site,
    pub(super) terms: Arc<Terms>,
    pub(super) retry_budget: Arc<BudgetState>,
    pub(super) hedge_budget: Arc<BudgetState>,
    pub(super) rules: Rules,
    pub(super) notes: Notes,
    pub(super) abandoned: AttemptSet,
    pub(super) call: Option<Call>,
    started: Nanos,
}

/// No jitter: every time can be told in advance.
pub(super) fn policy() -> Policy {
    let mut policy = Policy::default();
    policy.retry.jitter = crate::policy::Jitter::None;
    policy
}

pub(super) fn hedging() -> Policy {
    let mut policy = policy();
    policy.idempotent = Idempotent::Yes;
    policy.hedge = Hedge { enabled: true, delay: ms(20), ..Hedge::default() };
    policy
}

impl Bench {
    pub(super) fn new(policy: Policy) -> Self {
        Self::with_tokens(policy, 1_000_000, 1_000_000)
    }

    /// With budgets that hold this many tokens and get no more.
    pub(super) fn with_tokens(policy: Policy, retries: u32, hedges: u32) -> Self {
        let retry_budget = Arc::new(tokens(retries));
        let hedge_budget = Arc::new(tokens(hedges));
        let terms = Arc::new(Terms {
            mode: policy.mode,
            policy,
            source: PolicySource::Static,
            classifier: Named::default(),
            retry_budget: Some(Arc::clone(&retry_budget)),
            hedge_budget: Some(Arc::clone(&hedge_budget)),
            attributes: Vec::new(),
        });
        Self {
            site: Site::new(
                "svc.Get",
                Own { retry: Arc::clone(&retry_budget), hedge: Arc::clone(&hedge_budget) },
                Arc::clone(&terms),
            ),
            terms,
            retry_budget,
            hedge_budget,
            rules: Rules { idempotent: Idempotent::Yes, retries: true, no_hedging: None },
            notes: Notes::new(),
            abandoned: AttemptSet::EMPTY,
            call: None,
            started: Nanos::ZERO,
        }
    }

    fn with<R>(&mut self, event: impl FnOnce(&mut Call, &mut With<'_>) -> R) -> R {
        let mut call = self.call.take().expect("started");
        let mut with = with(&self.site, &self.terms, self.rules, self.started, &mut self.notes);
        let answer = event(&mut call, &mut with);
        self.abandoned = with.abandoned;
        self.call = Some(call);
        answer
    }

    pub(super) fn start(&mut self, now: Nanos, deadline: Nanos, seed: u64) -> Step {
        self.notes.clear();
        self.started = now;
        let mut with = with(&self.site, &self.terms, self.rules, self.started, &mut self.notes);
        let (call, step) = Call::start(&mut with, now, deadline, seed);
        self.abandoned = with.abandoned;
        self.call = Some(call);
        step
    }

    pub(super) fn outcome(&mut self, attempt: u8, outcome: Outcome, now: Nanos) -> Step {
        self.with(|call, with| call.on_outcome(with, AttemptId::new(attempt), outcome, now))
    }

    pub(super) fn time(&mut self, now: Nanos) -> Step {
        self.with(|call, with| call.on_time(with, now))
    }

    pub(super) fn cancel(&mut self, now: Nanos) -> Step {
        self.with(|call, with| call.on_cancel(with, now))
    }

    pub(super) fn shutdown(&mut self, now: Nanos) -> Step {
        self.with(|call, with| call.on_shutdown(with, now))
    }

    pub(super) fn rejected(&mut self, attempt: u8, now: Nanos) -> Step {
        self.with(|call, with| call.on_rejected(with, AttemptId::new(attempt), now))
    }

    pub(super) fn queued(&mut self, attempt: u8) {
        self.with(|call, _| call.on_queued(AttemptId::new(attempt)));
    }

    pub(super) fn started(&mut self, attempt: u8, at: Nanos) {
        self.with(|call, _| call.on_started(AttemptId::new(attempt), at));
    }

    pub(super) fn answer(&self) -> Option<u8> {
        self.call.expect("started").answer().map(AttemptId::get)
    }

    pub(super) fn abandoned(&self) -> Vec<u8> {
        self.abandoned.map(AttemptId::get).collect()
    }

    /// Events and censored observations so far.
    pub(super) fn observed(&self) -> (u64, u64) {
        observed(&self.site, &self.terms)
    }

    pub(super) fn skipped(&self) -> Vec<HedgeReason> {
        let skipped = self.notes.as_slice().iter().filter_map(|note| match note.what {
            Event::HedgeSkipped { reason } => Some(reason),
            _ => None,
        });
        skipped.collect()
    }
}

fn with<'a>(
    site: &'a Site,
    terms: &'a Terms,
    rules: Rules,
    started: Nanos,
    notes: &'a mut Notes,
) -> With<'a> {
    With {
        site,
        terms,
        rules,
        started,
        shard: Shard::new(0),
        notes,
        facts: None,
        abandoned: AttemptSet::EMPTY,
    }
}

pub(super) fn launched(step: Step) -> u8 {
    match step {
        Step::Launch(launch) => launch.attempt.get(),
        step => panic!("a launch, not {step:?}"),
    }
}

/// What a budget is called whose one token was taken before the test.
const EMPTIED: &str = "emptied";

/// A bucket that holds this many tokens and fills up so slowly that no test sees another.
fn tokens(tokens: u32) -> BudgetState {
    let bucket = Budget::token_bucket(tokens.max(1), 1e-6);
    let name = if tokens == 0 { EMPTIED } else { "tokens" };
    let state = BudgetState::new(name, &bucket, Deposits::PerCall, Nanos::ZERO);
    if tokens == 0 {
        let last = state.withdraw(Shard::new(0), 1, Nanos::ZERO, || Condition::Well);
        assert_eq!(last, BudgetDecision::Allowed);
    }
    state
}

fn observed(site: &Site, terms: &Terms) -> (u64, u64) {
    // A refresh takes in what has been recorded; far in the future, so that it is never too soon.
    site.refresh(terms, Nanos::from_secs(1 << 20));
    let totals = site.latency.totals();
    (totals.events, totals.censored)
}

pub(super) fn grants(budget: &BudgetState) -> u64 {
    budget.grants() - u64::from(budget.name() == EMPTIED)
}
