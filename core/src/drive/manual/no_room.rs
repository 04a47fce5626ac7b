//! Calls without a slot: one plain attempt each, of which nothing is kept.

use super::{
    Manual,
    finish::Said,
    id::{AttemptRef, CallId},
    step::{Action, Begin, Step},
};
use crate::{
    classify::{self, Context},
    notes::AttemptKind,
    outcome::OutcomeKind,
    policy::Idempotent,
    site::{Counter, Site},
    sync::Ordering,
    verdict::Verdict,
};

impl Manual {
    /// All slots are taken, or the site's engine is not to be trusted: one plain attempt, of which
    /// nothing is kept.
    #[cold]
    pub(super) fn pass_through(&self, site: &Site, begin: &Begin, step: &mut Step) -> CallId {
        site.counters.add(Counter::PassThrough, 1);
        // Relaxed: only the number matters.
        let nth = self.0.passed_through.fetch_add(1, Ordering::Relaxed);
        let call = CallId::pass_through(nth);
        let terms = site.terms();
        let retry = &terms.policy.retry;
        let deadline = begin.deadline.min(begin.now + retry.overall_timeout);
        let action = if begin.now >= deadline {
            Action::Done {
                call,
                cookie: begin.cookie,
                verdict: Verdict::DeadlineExceeded,
                answer: None,
                result: 0,
                attempts: 0,
                retry_after: None,
            }
        } else {
            Action::Start {
                call,
                cookie: begin.cookie,
                attempt: AttemptRef::first_of(call),
                kind: AttemptKind::First,
                number: 0,
                retry_index: 0,
                hedge_index: 0,
                deadline: deadline.min(begin.now + retry.attempt_timeout),
            }
        };
        step.push(action);
        call
    }
}

/// The end of a call of which nothing was kept.
#[cold]
pub(super) fn answered_without_slot(
    attempt: AttemptRef,
    said: &Said<'_>,
    result: u64,
    step: &mut Step,
) {
    let outcome = match *said {
        Said::Facts(facts) => {
            let context = Context::new(Idempotent::Unset);
            Some(classify::judge(&classify::Named::default(), facts, &context))
        }
        Said::Outcome(outcome) => Some(outcome),
        Said::NotRun => None,
    };
    let verdict = match outcome.map(|outcome| outcome.kind) {
        Some(OutcomeKind::Success) => Verdict::Success,
        Some(_) => Verdict::PassThrough,
        None => Verdict::ExecutorRejected,
    };
    step.push(Action::Done {
        call: attempt.call(),
        cookie: 0,
        verdict,
        answer: outcome.map(|_| attempt),
        result,
        attempts: 1,
        retry_after: None,
    });
}
