//! The caller's own thread runs the steps.
//!
//! No hedging: an operation in place cannot be overtaken. Retries, backoff and deadlines on the
//! calling thread; no hand-off and, on success, no allocation.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
};

use super::{Attempt, Error, Host, Options, Teller, judge, tell::Ended};
use crate::{
    call::{Call, Launch, Reserved, Rules, Step, With},
    clock::Nanos,
    completion::Completion,
    notes::{AttemptSet, Notes, Timeline},
    outcome::Outcome,
    policy::Idempotent,
    site::{Counter, Site, Terms},
    sync::{Parker, Shard},
    verdict::{HedgeReason, Verdict},
};

/// Runs a call on this thread. Writes its timeline if asked.
pub(crate) fn run<T, E, F>(
    host: &Host,
    site: &Site,
    options: &Options,
    mut op: F,
    timeline: Option<&mut Option<Timeline>>,
) -> Result<T, Error<E>>
where
    F: FnMut(&Attempt<'_>) -> Result<T, E>,
    E: 'static,
{
    let started = host.clock.now();
    let terms = site.terms();
    let mut notes = Notes::new();
    let mut teller = Teller::start(host, site, started);
    let rules = Rules {
        idempotent: options.idempotent(&terms),
        retries: !options.no_retries,
        no_hedging: Some(HedgeReason::NoExecutor),
    };
    let mut with = With {
        site,
        terms: &terms,
        rules,
        started,
        shard: Shard::current(),
        notes: &mut notes,
        facts: None,
        abandoned: AttemptSet::EMPTY,
    };
    if terms.policy.hedge.enabled {
        site.counters.add(Counter::NoExecutor, 1);
    }
    let deadline = options.deadline(started);
    let (mut call, mut step) = if is_cancelled(options) {
        Call::refuse(&mut with, started, Verdict::Cancelled)
    } else {
        Call::start(&mut with, started, deadline, host.seeds.next())
    };
    let mut now = started;
    let mut kept = Kept::Nothing;
    let verdict = loop {
        step = match step {
            Step::Launch(launch) => {
                let retries_left = call.retries_left(&with);
                let ran = attempt(
                    host,
                    site,
                    &terms,
                    rules.idempotent,
                    options,
                    launch,
                    retries_left,
                    &mut op,
                );
                now = host.clock.now();
                release(&terms, launch.reserved);
                with.facts = ran.facts;
                let step = call.on_outcome(&mut with, launch.attempt, ran.outcome, now);
                if call.answer() == Some(launch.attempt) {
                    kept = ran.result;
                }
                step
            }
            Step::Wait(until) => {
                now = wait(host, options, until);
                if is_cancelled(options) {
                    call.on_cancel(&mut with, now)
                } else {
                    call.on_time(&mut with, now)
                }
            }
            Step::Done(verdict) => break verdict,
            Step::Over => unreachable!("the loop ends with Done"),
        };
        teller.tell(site, with.notes);
    };
    let ended = Ended {
        site,
        terms: &terms,
        call: &call,
        notes: &notes,
        verdict,
        started,
        first_started: started,
        ended: now,
    };
    teller.end(&ended);
    if let Some(timeline) = timeline {
        *timeline = Some(ended.timeline());
    }
    conclude(verdict, &call, kept)
}

/// What is kept of the attempt whose result is the call's.
pub(crate) enum Kept<T, E> {
    Nothing,
    Result(Result<T, E>),
    Panic(Box<dyn Any + Send>),
}

struct Ran<T, E> {
    outcome: Outcome,
    facts: Option<Completion>,
    result: Kept<T, E>,
}

#[expect(clippy::too_many_arguments, reason = "one attempt's surroundings, in one place")]
#[inline]
fn attempt<T, E: 'static, F>(
    host: &Host,
    site: &Site,
    terms: &Terms,
    idempotent: Idempotent,
    options: &Options,
    launch: Launch,
    retries_left: bool,
    op: &mut F,
) -> Ran<T, E>
where
    F: FnMut(&Attempt<'_>) -> Result<T, E>,
{
    let signal = options.cancel.as_ref().map(super::CancelToken::signal);
    let attempt = Attempt::new(launch, &host.clock, signal, retries_left);
    match catch_unwind(AssertUnwindSafe(|| op(&attempt))) {
        Ok(result) => {
            let report = attempt.take_report();
            let (outcome, facts) = judge(site, terms, idempotent, launch.attempt, &result, report);
            Ran { outcome, facts, result: Kept::Result(result) }
        }
        Err(payload) => Ran {
            outcome: panicked(),
            facts: Some(Completion::panic()),
            result: Kept::Panic(payload),
        },
    }
}

/// What the machine is told of an operation that panicked: past any classifier.
pub(crate) fn panicked() -> Outcome {
    Outcome::abort().because(crate::outcome::Reason::Panic)
}

/// Gives back what an attempt held while it ran.
pub(crate) fn release(terms: &Terms, reserved: Reserved) {
    let budget = match reserved {
        Reserved::Nothing => return,
        Reserved::Retry => &terms.retry_budget,
        Reserved::Hedge => &terms.hedge_budget,
    };
    if let Some(budget) = budget {
        budget.release();
    }
}

fn is_cancelled(options: &Options) -> bool {
    options.cancel.as_ref().is_some_and(super::CancelToken::is_cancelled)
}

/// Sleeps until then, or until the caller's token is cancelled.
#[cold]
fn wait(host: &Host, options: &Options, until: Nanos) -> Nanos {
    let parker = Parker::new();
    let _woken_by_cancel = options.cancel.as_ref().map(|token| {
        let sleeper = parker.unparker();
        token.signal().on_raise(move || sleeper.unpark())
    });
    loop {
        let now = host.clock.now();
        if now >= until || is_cancelled(options) {
            return now;
        }
        host.clock.park_until(&parker, until);
    }
}

/// The result of a call: what the last attempt produced, if it is a value, else the verdict.
pub(crate) fn conclude<T, E>(
    verdict: Verdict,
    call: &Call,
    kept: Kept<T, E>,
) -> Result<T, Error<E>> {
    let last = match kept {
        Kept::Result(Ok(value)) => return Ok(value),
        Kept::Panic(payload) if verdict == Verdict::Panicked => resume_unwind(payload),
        Kept::Result(Err(error)) => Some(error),
        Kept::Panic(_) | Kept::Nothing => None,
    };
    Err(Error {
        verdict,
        attempts: call.attempts().into(),
        last,
        retry_after: call.retry_after().map(Nanos::to_duration),
    })
}
