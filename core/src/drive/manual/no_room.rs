//! Calls that found no slot: one plain attempt each. What is kept of it says that it is in the air,
//! until when it may be, and no more. No other attempt is made; a cancel and the deadline end the
//! call as they do any.

use super::{
    Manual,
    action::Action,
    finish::Said,
    id::{AttemptRef, CallId},
    plain::{Closed, Kept, Looked},
    step::{Begin, Step},
};
use crate::{
    classify::{self, Context},
    clock::Nanos,
    completion::Completion,
    drive::judge_facts,
    flight::{FlightId, Stale},
    listener::Warning,
    notes::{AttemptId, AttemptKind},
    outcome::{CancelReason, Outcome, OutcomeKind},
    policy::Idempotent,
    site::{Counter, Site},
    sync::Arc as Shared,
    verdict::Verdict,
};

impl Manual {
    /// All slots are taken: one plain attempt.
    #[cold]
    pub(super) fn find_no_room(
        &self,
        site: &Shared<Site>,
        begin: &Begin,
        step: &mut Step,
    ) -> CallId {
        self.0.host.warn(site, begin.now, Warning::NoRoom);
        self.pass_through(site, begin, step)
    }

    /// All slots are taken, or the site's engine is not to be trusted: one plain attempt.
    #[cold]
    pub(super) fn pass_through(
        &self,
        site: &Shared<Site>,
        begin: &Begin,
        step: &mut Step,
    ) -> CallId {
        site.counters.add(Counter::PassThrough, 1);
        let terms = site.terms();
        let deadline = begin.deadline.min(begin.now + terms.policy.retry.overall_timeout);
        let idempotent = begin.idempotent_by(&terms.policy);
        let kept = Kept { site: Shared::clone(site), idempotent, started: begin.now };
        let id = self.0.plain.open(kept, begin.cookie, deadline);
        let attempt = self.0.seal.plain(id);
        let call = attempt.call();
        let action = if begin.now >= deadline {
            let _nobody_knows_it = self.0.plain.close(id);
            site.counters.ended(Verdict::DeadlineExceeded, None, Nanos::ZERO);
            unanswered(call, begin.cookie, Verdict::DeadlineExceeded, 0)
        } else {
            step.wake_at = deadline;
            Action::Start {
                call,
                cookie: begin.cookie,
                attempt,
                kind: AttemptKind::First,
                number: 0,
                retry_index: 0,
                hedge_index: 0,
                // Its call's: at an earlier time nobody would give it up.
                deadline,
            }
        };
        step.push(action);
        call
    }

    /// The end of a plain attempt, and of its call, unless that is over.
    #[cold]
    pub(super) fn end_plain(
        &self,
        id: FlightId,
        attempt: AttemptRef,
        (said, now): (&Said<'_>, Nanos),
        result: u64,
        step: &mut Step,
    ) -> Result<(), Stale> {
        let closed = self.0.plain.close(id)?;
        step.clear();
        let outcome = match *said {
            Said::Facts(facts) => Some(judged(closed.as_ref(), facts)),
            Said::Outcome(outcome) => Some(outcome),
            Said::NotRun => None,
        };
        let verdict = match outcome.map(|outcome| outcome.kind) {
            Some(OutcomeKind::Success) => Verdict::Success,
            _ if closed.as_ref().is_some_and(|closed| closed.taken_back) => Verdict::Cancelled,
            _ if closed.as_ref().is_some_and(|closed| now >= closed.deadline) => {
                Verdict::DeadlineExceeded
            }
            Some(_) => Verdict::PassThrough,
            None => Verdict::ExecutorRejected,
        };
        let over = closed.as_ref().and_then(|closed| closed.ended);
        if let Some(Closed { kept: Kept { site, started, .. }, .. }) = &closed {
            let (length, counters) = (now - *started, &site.counters);
            let answer = outcome.filter(|_| over.is_none()).map(|_| AttemptKind::First);
            if over.is_some() {
                counters.add(Counter::Late, 1);
            } else if verdict.is_success() {
                counters.win(AttemptKind::First, true, length);
            }
            counters.ended(over.unwrap_or(verdict), answer, length);
        }
        if over.is_some() {
            return Ok(());
        }
        step.push(Action::Done {
            call: attempt.call(),
            cookie: closed.map_or(0, |closed| closed.cookie),
            verdict,
            answer: outcome.map(|_| attempt),
            result,
            attempts: 1,
            retry_after: outcome.and_then(|outcome| outcome.backoff_override),
        });
        Ok(())
    }

    /// The host asks whether there is anything to do for a plain call: its end, if that was asked for
    /// or its time is up.
    #[cold]
    pub(super) fn poll_plain(&self, id: FlightId, now: Nanos) -> Result<Step, Stale> {
        let mut step = Step::new();
        match self.0.plain.look_at(id, now)? {
            Looked::Goes(until) => step.wake_at = until,
            Looked::Ended { verdict, cookie } => {
                let attempt = self.0.seal.plain(id);
                let (call, reason) = (attempt.call(), cancel_reason(verdict));
                step.push(Action::Cancel { call, cookie, attempt, reason });
                step.push(unanswered(call, cookie, verdict, 1));
            }
        }
        Ok(step)
    }

    /// The host has put a plain attempt into a queue, or taken it out: of its time, which is its
    /// call's, nothing changes by that. Else as a poll.
    #[cold]
    pub(super) fn tell_of_plain_queue(&self, id: FlightId, now: Nanos) -> Result<Step, Stale> {
        self.0.plain.look_up(id)?;
        // The call may be over while the attempt is not: then there is nothing to do.
        Ok(self.poll_plain(id, now).unwrap_or(Step::NOTHING))
    }
}

/// The end of a call without an answer.
fn unanswered(call: CallId, cookie: u64, verdict: Verdict, attempts: u32) -> Action {
    Action::Done { call, cookie, verdict, answer: None, result: 0, attempts, retry_after: None }
}

/// What follows from the facts of a plain attempt: on the terms of its site, if it is known.
fn judged(closed: Option<&Closed>, facts: &Completion) -> Outcome {
    match closed {
        Some(Closed { kept: Kept { site, idempotent, .. }, .. }) => {
            judge_facts(site, &site.terms(), *idempotent, AttemptId::FIRST, facts)
        }
        None => {
            let context = Context::new(Idempotent::Unset);
            classify::judge(&classify::Named::default(), facts, &context)
        }
    }
}

fn cancel_reason(verdict: Verdict) -> CancelReason {
    if verdict == Verdict::Cancelled { CancelReason::Caller } else { CancelReason::Deadline }
}
