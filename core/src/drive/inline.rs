//! The caller's own thread runs the steps.
//!
//! No hedging: an operation in place cannot be overtaken. Retries, backoff and deadlines on the
//! calling thread; no hand-off and, on success, no allocation.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{
    Attempt, CancelToken, Error, Host, Options, Teller,
    ending::{Kept, conclude, panicked, release},
    judge,
    tell::Ended,
};
use crate::{
    call::{Call, Launch, Rules, Step, With},
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
    let (mut call, mut step) = if options.is_cancelled() {
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
                if options.is_cancelled() {
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
    let signal = options.cancel.as_ref().map(CancelToken::signal);
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
        if now >= until || options.is_cancelled() {
            return now;
        }
        host.clock.park_until(&parker, until);
    }
}
