//! The caller's own thread runs the steps.
//!
//! No hedging: an operation in place cannot be overtaken. Retries, backoff and deadlines on the
//! calling thread; no hand-off and, on success, no allocation.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{
    Attempt, CancelToken, Error, Host, Options, Report, Teller,
    ending::{Kept, conclude, contain, panicked, release},
    judge, plain,
    tell::Ended,
};
use crate::{
    call::{Call, Launch, Rules, Step, With},
    clock::Nanos,
    completion::Completion,
    listener::Warning,
    notes::{AttemptId, AttemptSet, Notes, Timeline},
    outcome::Outcome,
    site::{Site, Terms},
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
    if site.trust.is_lost(started) {
        return plain::run(host, site, options, op, timeline);
    }
    let terms = site.terms();
    let mut notes = Notes::new();
    let mut teller = Teller::start(host, site, started);
    let mut with = with(host, site, &terms, options, started, &mut notes);
    let deadline = options.deadline(started);
    let mut call = Call::prepare(&with, started, deadline, host.seeds.next());
    let mut step = match options.is_cancelled() {
        true => call.refuse(&mut with, Verdict::Cancelled),
        false => call.begin(&mut with),
    };
    let mut now = started;
    let mut kept = Kept::Nothing;
    let verdict = loop {
        step = match step {
            Step::Launch(launch) => {
                let ran = attempt(host, options, launch, call.retries_left(&with), &mut op);
                now = host.clock.now();
                release(&terms, launch.reserved);
                let step = settle(&mut call, &mut with, options, launch.attempt, &ran, now);
                if call.answer() == Some(launch.attempt) {
                    discard(site, std::mem::replace(&mut kept, ran.result));
                }
                step
            }
            Step::Wait(until) => {
                now = wait(host, options, until);
                match options.is_cancelled() {
                    true => call.on_cancel(&mut with, now),
                    false => call.on_time(&mut with, now),
                }
            }
            Step::Done(verdict) => break verdict,
            Step::Over => unreachable!("the loop ends with Done"),
        };
        teller.tell(site, with.notes);
    };
    if teller.listens() || timeline.is_some() {
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
    }
    conclude(verdict, &call, kept)
}

#[inline]
fn with<'a>(
    host: &Host,
    site: &'a Site,
    terms: &'a Terms,
    options: &Options,
    started: Nanos,
    notes: &'a mut Notes,
) -> With<'a> {
    if terms.policy.hedge.enabled {
        cannot_hedge(host, site, started);
    }
    With {
        site,
        terms,
        rules: Rules {
            idempotent: options.idempotent(terms),
            retries: !options.no_retries,
            no_hedging: Some(HedgeReason::NoExecutor),
        },
        started,
        shard: Shard::current(),
        notes,
        facts: None,
        abandoned: AttemptSet::EMPTY,
    }
}

#[cold]
fn cannot_hedge(host: &Host, site: &Site, now: Nanos) {
    site.counters.hedge_skipped(HedgeReason::NoExecutor);
    host.warn(site, now, Warning::NoExecutor);
}

/// What an attempt produced, and what its operation said of it.
struct Ran<T, E> {
    result: Kept<T, E>,
    report: Option<Report>,
}

#[inline]
fn attempt<T, E, F>(
    host: &Host,
    options: &Options,
    launch: Launch,
    retries_left: bool,
    op: &mut F,
) -> Ran<T, E>
where
    F: FnMut(&Attempt<'_>) -> Result<T, E>,
{
    let signal = options.cancel.as_ref().map(CancelToken::signal);
    let attempt = Attempt::in_place(launch, &host.clock, signal, retries_left);
    let result = match catch_unwind(AssertUnwindSafe(|| op(&attempt))) {
        Ok(result) => Kept::Result(result),
        Err(payload) => Kept::Panic(payload),
    };
    Ran { result, report: attempt.reported() }
}

/// Tells the machine how an attempt ended. A plain success goes straight through: facts and
/// outcome are constants, and none of them is moved.
#[inline]
fn settle<T, E: 'static>(
    call: &mut Call,
    with: &mut With<'_>,
    options: &Options,
    attempt: AttemptId,
    ran: &Ran<T, E>,
    now: Nanos,
) -> Step {
    let (outcome, facts) = match &ran.result {
        Kept::Result(Ok(_)) if ran.report.is_none() && with.terms.classifier.is_built_in() => {
            with.facts = Some(Completion::ok());
            return call.on_outcome(with, attempt, Outcome::success(), now);
        }
        Kept::Result(result) => {
            let idempotent = with.rules.idempotent;
            judge(with.site, with.terms, idempotent, attempt, result, ran.report)
        }
        Kept::Panic(_) | Kept::Nothing => (panicked(), Some(Completion::panic())),
    };
    with.facts = facts;
    if options.is_cancelled() {
        return call.on_last_outcome(with, attempt, outcome, now);
    }
    call.on_outcome(with, attempt, outcome, now)
}

/// Drops what an earlier attempt produced: the host's code, and the call goes on whatever it does.
#[inline]
fn discard<T, E>(site: &Site, spent: Kept<T, E>) {
    if !matches!(spent, Kept::Nothing) {
        contain(site, || drop(spent));
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
