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
    call::{Call, Launch, Reserved, Rules, Step, With},
    clock::Nanos,
    completion::Completion,
    notes::{AttemptId, AttemptSet, Notes, Timeline},
    outcome::Outcome,
    site::{Site, Terms},
    sync::{Parker, Shard},
    verdict::{HedgeReason, Verdict},
};

/// Runs a call on this thread. Writes its timeline if asked.
#[inline]
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
    let teller = Teller::start(host, site, started);
    let mut with = with(host, site, &terms, options, started, &mut notes);
    let mut call = Call::prepare(&with, started, options.deadline(started), 0);
    let step = match options.is_cancelled() {
        true => call.refuse(&mut with, Verdict::Cancelled),
        false => call.begin(&mut with),
    };
    let unread = !teller.listens() && timeline.is_none();
    let driver = Driver { host, site, options, terms: &terms, teller };
    let Step::Launch(first) = step else {
        return driver.rest(call, &mut with, step, Kept::Nothing, op, timeline);
    };
    // The first turn of the loop in `rest`: most calls end with it. The value is taken apart at once
    // and not moved: what was written piece by piece is read as a whole only with a stall.
    let signal = options.cancel.as_ref().map(CancelToken::signal);
    let attempt = Attempt::in_place(first, &host.clock, signal, call.retries_left(&with));
    let result = catch_unwind(AssertUnwindSafe(|| op(&attempt)));
    let now = host.clock.now();
    debug_assert_eq!(first.reserved, Reserved::Nothing, "the first attempt is free");
    match result {
        Ok(Ok(value)) if attempt.reported().is_none() && terms.classifier.is_built_in() => {
            let step = succeed(&mut call, &mut with, first.attempt, now);
            if unread && step == Step::Done(Verdict::Success) {
                return Ok(value);
            }
            driver.rest(call, &mut with, step, Kept::Result(Ok(value)), op, timeline)
        }
        result => {
            let ran = Ran { result: Kept::of(result), report: attempt.reported() };
            let step = driver.settle_judged(&mut call, &mut with, first.attempt, &ran, now);
            driver.rest(call, &mut with, step, ran.result, op, timeline)
        }
    }
}

/// What stays as it is during a call.
struct Driver<'a> {
    host: &'a Host,
    site: &'a Site,
    options: &'a Options,
    terms: &'a Terms,
    teller: Teller<'a>,
}

impl Driver<'_> {
    /// Runs an attempt and tells the machine how it ended.
    fn turn<T, E, F>(
        &self,
        call: &mut Call,
        with: &mut With<'_>,
        launch: Launch,
        op: &mut F,
    ) -> (Step, Kept<T, E>)
    where
        F: FnMut(&Attempt<'_>) -> Result<T, E>,
        E: 'static,
    {
        let ran = attempt(self.host, self.options, launch, call.retries_left(with), op);
        let now = self.host.clock.now();
        release(self.terms, launch.reserved);
        let step = self.settle(call, with, launch.attempt, &ran, now);
        (step, ran.result)
    }

    /// The loop, from what the first attempt led to.
    #[cold]
    #[inline(never)]
    fn rest<T, E, F>(
        mut self,
        mut call: Call,
        with: &mut With<'_>,
        mut step: Step,
        first: Kept<T, E>,
        mut op: F,
        timeline: Option<&mut Option<Timeline>>,
    ) -> Result<T, Error<E>>
    where
        F: FnMut(&Attempt<'_>) -> Result<T, E>,
        E: 'static,
    {
        let mut kept = first;
        self.teller.tell(self.site, with.notes);
        let verdict = loop {
            step = match step {
                Step::Launch(launch) => {
                    let (step, ran) = self.turn(&mut call, with, launch, &mut op);
                    if call.answer() == Some(launch.attempt) {
                        discard(self.site, std::mem::replace(&mut kept, ran));
                    }
                    step
                }
                Step::Wait(until) => {
                    let now = wait(self.host, self.options, until);
                    match self.options.is_cancelled() {
                        true => call.on_cancel(with, now),
                        false => call.on_time(with, now),
                    }
                }
                Step::Done(verdict) => break verdict,
                Step::Over => unreachable!("the loop ends with Done"),
            };
            self.teller.tell(self.site, with.notes);
        };
        if self.teller.listens() || timeline.is_some() {
            let ended = Ended {
                site: self.site,
                terms: self.terms,
                call: &call,
                notes: with.notes,
                verdict,
                started: with.started,
                first_started: with.started,
                ended: call.now(),
            };
            self.teller.end(&ended);
            if let Some(timeline) = timeline {
                *timeline = Some(ended.timeline());
            }
        }
        conclude(verdict, &call, kept)
    }

    /// Tells the machine how an attempt ended. A plain success goes straight through: facts and
    /// outcome are constants, and none of them is moved.
    fn settle<T, E: 'static>(
        &self,
        call: &mut Call,
        with: &mut With<'_>,
        attempt: AttemptId,
        ran: &Ran<T, E>,
        now: Nanos,
    ) -> Step {
        if let Kept::Result(Ok(_)) = &ran.result
            && ran.report.is_none()
            && self.terms.classifier.is_built_in()
        {
            return succeed(call, with, attempt, now);
        }
        self.settle_judged(call, with, attempt, ran, now)
    }

    #[cold]
    #[inline(never)]
    fn settle_judged<T, E: 'static>(
        &self,
        call: &mut Call,
        with: &mut With<'_>,
        attempt: AttemptId,
        ran: &Ran<T, E>,
        now: Nanos,
    ) -> Step {
        if attempt == AttemptId::FIRST {
            // Nothing was drawn so far: a call that succeeds at once needs no seed.
            call.sow(self.host.seeds.next());
        }
        let (outcome, facts) = match &ran.result {
            Kept::Result(result) => {
                let idempotent = with.rules.idempotent;
                judge(with.site, with.terms, idempotent, attempt, result, ran.report)
            }
            Kept::Panic(_) | Kept::Nothing => (panicked(), Some(Completion::panic())),
        };
        with.facts = facts;
        if self.options.is_cancelled() {
            return call.on_last_outcome(with, attempt, outcome, now);
        }
        call.on_outcome(with, attempt, outcome, now)
    }
}

#[inline(always)]
fn with<'a>(
    host: &Host,
    site: &'a Site,
    terms: &'a Terms,
    options: &Options,
    started: Nanos,
    notes: &'a mut Notes,
) -> With<'a> {
    let shard = Shard::current();
    // One that was taken back before it began, as a race may have been, makes no attempt that could be
    // hedged.
    if terms.asks_to_hedge() && !options.is_cancelled() {
        host.cannot_hedge(site, terms, shard, started);
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
        shard,
        notes,
        facts: None,
        abandoned: AttemptSet::EMPTY,
    }
}

/// A plain success: facts and outcome are constants.
#[inline(always)]
fn succeed(call: &mut Call, with: &mut With<'_>, attempt: AttemptId, now: Nanos) -> Step {
    with.facts = Some(Completion::ok());
    call.on_outcome(with, attempt, Outcome::success(), now)
}

/// What an attempt produced, and what its operation said of it.
struct Ran<T, E> {
    result: Kept<T, E>,
    report: Option<Report>,
}

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
    let result = Kept::of(catch_unwind(AssertUnwindSafe(|| op(&attempt))));
    Ran { result, report: attempt.reported() }
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
