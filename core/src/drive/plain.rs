//! The engine stands aside: one plain attempt on the caller's thread.
//!
//! No classifier, no retry, no budget, nothing recorded but that it happened. The deadline is kept,
//! and the result is the operation's.

use super::{Attempt, CancelToken, Error, Host, Options};
use crate::{
    call::{Launch, Reserved},
    notes::{AttemptId, AttemptKind, CallFacts, Notes, Timeline},
    site::{Counter, Site},
    verdict::Verdict,
};

/// Makes one plain attempt, or none if it is too late for one.
#[cold]
pub(crate) fn run<T, E>(
    host: &Host,
    site: &Site,
    options: &Options,
    mut op: impl FnMut(&Attempt<'_>) -> Result<T, E>,
    timeline: Option<&mut Option<Timeline>>,
) -> Result<T, Error<E>> {
    site.counters.add(Counter::PassThrough, 1);
    let started = host.clock.now();
    let terms = site.terms();
    let deadline = options.deadline(started).min(started + terms.policy.retry.overall_timeout);
    let result = if options.is_cancelled() {
        Err((Verdict::Cancelled, None))
    } else if started >= deadline {
        Err((Verdict::DeadlineExceeded, None))
    } else {
        let launch = Launch {
            attempt: AttemptId::FIRST,
            retry_index: 0,
            hedge_index: 0,
            deadline,
            call_deadline: deadline,
            reserved: Reserved::Nothing,
        };
        let signal = options.cancel.as_ref().map(CancelToken::signal);
        let attempt = Attempt::in_place(launch, &host.clock, signal, false);
        op(&attempt).map_err(|error| (Verdict::PassThrough, Some(error)))
    };
    let ended = host.clock.now().max(started);
    let made = !matches!(result, Err((_, None)));
    // As of any call: what fails past the deadline is the deadline's.
    let result = result.map_err(|(verdict, last)| match last {
        Some(_) if ended >= deadline => (Verdict::DeadlineExceeded, last),
        _ => (verdict, last),
    });
    let verdict = result.as_ref().map_or_else(|(verdict, _)| *verdict, |_| Verdict::Success);
    if verdict.is_success() {
        site.counters.win(AttemptKind::First, true, ended - started);
    }
    site.counters.ended(verdict, made.then_some(AttemptKind::First), ended - started);
    if let Some(timeline) = timeline {
        let facts = CallFacts {
            policy_source: terms.source,
            answer: made.then_some(AttemptId::FIRST),
            attempts: made.into(),
            ..CallFacts::new(site.name(), started, ended, verdict)
        };
        *timeline = Some(Timeline::new(facts, terms.attributes.clone(), &Notes::new()));
    }
    result.map_err(|(verdict, last)| Error {
        verdict,
        attempts: made.into(),
        last,
        retry_after: None,
    })
}
