//! The caller's own thread runs the steps.
//!
//! No hedging: an operation in place cannot be overtaken. Retries, backoff and deadlines on the
//! calling thread; no hand-off and, on success, no allocation.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{
    Attempt, CancelToken, Error, Host, Options, Teller,
    ending::{Kept, conclude, contain, panicked, release},
    judge,
    tell::Ended,
};
use crate::{
    call::{Call, Launch, Rules, Step, With},
    clock::Nanos,
    completion::Completion,
    notes::{AttemptSet, Notes, Timeline},
    outcome::Outcome,
    site::Site,
    sync::{Parker, Shard},
    verdict::{HedgeReason, Verdict},
};

/// Runs a call on this thread. Writes its timeline if asked.
pub(crate) fn run<T, E, F>(
    host: &Host,
    site: &Site,
    options: &Options,
    op: F,
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
        site.counters.hedge_skipped(HedgeReason::NoExecutor);
    }
    let (mut call, step) = if options.is_cancelled() {
        Call::refuse(&mut with, started, Verdict::Cancelled)
    } else {
        Call::start(&mut with, started, options.deadline(started), host.seeds.next())
    };
    let mut inline = Inline { host, options, op, kept: Kept::Nothing, now: started };
    let verdict = inline.drive(&mut call, &mut with, step, &mut teller);
    let ended = Ended {
        site,
        terms: &terms,
        call: &call,
        notes: &notes,
        verdict,
        started,
        first_started: started,
        ended: inline.now,
    };
    teller.end(&ended);
    if let Some(timeline) = timeline {
        *timeline = Some(ended.timeline());
    }
    conclude(verdict, &call, inline.kept)
}

/// The caller's side of a call: its operation, and what is kept of it.
struct Inline<'a, T, E, F> {
    host: &'a Host,
    options: &'a Options,
    op: F,
    kept: Kept<T, E>,
    now: Nanos,
}

impl<T, E: 'static, F> Inline<'_, T, E, F>
where
    F: FnMut(&Attempt<'_>) -> Result<T, E>,
{
    /// Does what the machine says until the call has ended.
    #[inline]
    fn drive(
        &mut self,
        call: &mut Call,
        with: &mut With<'_>,
        mut step: Step,
        teller: &mut Teller<'_>,
    ) -> Verdict {
        loop {
            step = match step {
                Step::Launch(launch) => {
                    let (outcome, result) = self.attempt(launch, call.retries_left(with), with);
                    self.now = self.host.clock.now();
                    release(with.terms, launch.reserved);
                    let step = if self.options.is_cancelled() {
                        call.on_last_outcome(with, launch.attempt, outcome, self.now)
                    } else {
                        call.on_outcome(with, launch.attempt, outcome, self.now)
                    };
                    if call.answer() == Some(launch.attempt) {
                        let spent = std::mem::replace(&mut self.kept, result);
                        // Dropping it is the host's code: the call ends whatever it does.
                        if !matches!(spent, Kept::Nothing) {
                            contain(with.site, || drop(spent));
                        }
                    }
                    step
                }
                Step::Wait(until) => {
                    self.now = wait(self.host, self.options, until);
                    if self.options.is_cancelled() {
                        call.on_cancel(with, self.now)
                    } else {
                        call.on_time(with, self.now)
                    }
                }
                Step::Done(verdict) => return verdict,
                Step::Over => unreachable!("the loop ends with Done"),
            };
            teller.tell(with.site, with.notes);
        }
    }

    /// Runs the operation, and has its end judged.
    #[inline]
    fn attempt(
        &mut self,
        launch: Launch,
        retries_left: bool,
        with: &mut With<'_>,
    ) -> (Outcome, Kept<T, E>) {
        let signal = self.options.cancel.as_ref().map(CancelToken::signal);
        let attempt = Attempt::in_place(launch, &self.host.clock, signal, retries_left);
        match catch_unwind(AssertUnwindSafe(|| (self.op)(&attempt))) {
            Ok(result) => {
                let idempotent = with.rules.idempotent;
                let report = attempt.take_report();
                let (outcome, facts) =
                    judge(with.site, with.terms, idempotent, launch.attempt, &result, report);
                with.facts = facts;
                (outcome, Kept::Result(result))
            }
            Err(payload) => {
                with.facts = Some(Completion::panic());
                (panicked(), Kept::Panic(payload))
            }
        }
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
