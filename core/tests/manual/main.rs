//! Calls driven by their host.
#![expect(clippy::unwrap_used, reason = "a test says what it expects")]

mod edges;
mod event_loop;
mod standing;
mod timelines;

use std::time::Duration;

use rego::{
    AttemptId, AttemptKind, BuiltInClassifier, CancelReason, Class, Classifier, Completion,
    CompletionKind, Context, Engine, Event, Nanos, Outcome, Policy, PolicyBuilder, Verdict,
    manual::{Action, AttemptRef, Begin, CallId, Manual, Stale, Step},
};

const T0: Nanos = Nanos::from_millis(1_000);

fn ms(millis: u64) -> Nanos {
    Nanos::from_millis(millis)
}

fn of_ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn policy() -> PolicyBuilder {
    Policy::builder()
        .retry_budget("unlimited")
        .initial_backoff(of_ms(10))
        .jitter(rego::Jitter::None)
}

fn hedging() -> PolicyBuilder {
    policy().idempotent(true).hedge_after(of_ms(20)).hedge_budget("unlimited")
}

fn engine(policy: PolicyBuilder) -> Engine {
    Engine::builder()
        .policy("svc.Get", policy.build().unwrap())
        .ignore_environment()
        .seed(7)
        .build()
        .unwrap()
}

fn begin(engine: &Engine, begin: Begin) -> (Manual, CallId, Step) {
    let manual = engine.manual();
    let (call, step) = manual.begin(&engine.site("svc.Get"), begin);
    (manual, call, step)
}

fn started(step: &Step) -> Vec<AttemptRef> {
    let started = step.actions().filter_map(|action| match action {
        Action::Start { attempt, .. } => Some(attempt),
        _ => None,
    });
    started.collect()
}

fn cancelled(step: &Step) -> Vec<(AttemptRef, CancelReason)> {
    let cancelled = step.actions().filter_map(|action| match action {
        Action::Cancel { attempt, reason, .. } => Some((attempt, reason)),
        _ => None,
    });
    cancelled.collect()
}

fn only_start(step: &Step) -> AttemptRef {
    match started(step)[..] {
        [attempt] => attempt,
        ref other => panic!("one start, not {other:?} in {step:?}"),
    }
}

#[test]
fn a_call_without_trouble_is_two_crossings() {
    let engine = engine(policy());
    let (manual, call, step) = begin(&engine, Begin::new(T0).cookie(99));
    let attempt = only_start(&step);
    assert_eq!(attempt.call(), call);
    let Some(Action::Start { kind, number, retry_index, hedge_index, deadline, cookie, .. }) =
        step.actions().next()
    else {
        panic!("a start, not {step:?}")
    };
    assert_eq!((kind, number, retry_index, hedge_index), (AttemptKind::First, 0, 0, 0));
    assert_eq!((deadline, cookie), (T0 + Nanos::from_secs(30), 99));
    assert_eq!(step.wake_at, T0 + Nanos::from_secs(30), "the overall timeout");
    assert!(!step.more() && !step.elsewhere());

    let step = manual.finish(attempt, T0 + ms(3), &Completion::ok(), 4711).unwrap();
    let actions: Vec<Action> = step.actions().collect();
    let [Action::Done { verdict, answer, result, attempts, cookie, retry_after, .. }] = actions[..]
    else {
        panic!("done, not {step:?}")
    };
    assert_eq!((verdict, answer, result), (Verdict::Success, Some(attempt), 4711));
    assert_eq!((attempts, cookie, retry_after), (1, 99, None));
    assert!(step.wake_at.is_never());

    assert_eq!(manual.finish(attempt, T0, &Completion::ok(), 0), Err(Stale));
    assert_eq!(manual.poll(call, T0), Err(Stale));
    assert_eq!(manual.cancel(call), Err(Stale));
    assert_eq!(manual.end(call), Err(Stale));
    assert!(manual.is_cancelled(attempt), "nobody wants it any more");
}

#[test]
fn a_failure_waits_for_its_backoff_and_time_is_what_the_host_says() {
    let engine = engine(policy().max_attempts(3));
    let (manual, call, step) = begin(&engine, Begin::new(T0));
    let step = manual.finish(only_start(&step), T0 + ms(5), &Completion::http(503), 1).unwrap();
    assert_eq!((step.actions().count(), step.wake_at), (0, T0 + ms(15)));

    let early = manual.poll(call, T0 + ms(14)).unwrap();
    assert_eq!((early.actions().count(), early.wake_at), (0, T0 + ms(15)));
    let step = manual.poll(call, T0 + ms(15)).unwrap();
    let second = only_start(&step);
    let Some(Action::Start { kind: AttemptKind::Retry, number: 1, retry_index: 1, .. }) =
        step.actions().next()
    else {
        panic!("a retry, not {step:?}")
    };
    let step = manual.finish(second, T0 + ms(20), &Completion::http(500), 2).unwrap();
    let third = only_start(&manual.poll(call, step.wake_at).unwrap());
    let step = manual.finish(third, T0 + ms(60), &Completion::http(502), 3).unwrap();
    let Some(Action::Done { verdict: Verdict::MaxAttempts, answer, result, attempts, .. }) =
        step.actions().next()
    else {
        panic!("the end, not {step:?}")
    };
    assert_eq!((answer, result, attempts), (Some(third), 3, 3), "the last real error");
}

#[test]
fn a_wait_that_is_asked_for_is_told_as_it_was() {
    let engine = engine(policy().max_retry_after(Duration::from_secs(120)).no_overall_timeout());
    let asked = |wait: Nanos| {
        let (manual, call, step) = begin(&engine, Begin::new(T0));
        let facts = Completion::http(503).retry_after(wait);
        let step = manual.finish(only_start(&step), T0, &facts, 0).unwrap();
        if let Some(Action::Done { verdict, retry_after, .. }) = step.actions().last() {
            assert_eq!(verdict, Verdict::RetryAfterExceedsDeadline);
            return Err(retry_after);
        }
        manual.cancel(call).unwrap();
        let _done = manual.poll(call, T0).unwrap();
        Ok(step.wake_at - T0)
    };
    let most = Nanos::from_secs(120);
    assert!(asked(most).is_ok_and(|wait| wait >= most), "no longer than the policy allows");
    let days = [1, 3, 30].map(|days| Nanos::from_secs(days * 24 * 3_600));
    for wait in [most + Nanos::from_micros(1), Nanos::from_secs(1_000)].into_iter().chain(days) {
        assert_eq!(asked(wait), Err(Some(wait)));
    }
    let years = asked(Nanos::NEVER).unwrap_err().unwrap();
    assert!(years > Nanos::from_secs(30 * 365 * 24 * 3_600), "{years:?}");
}

#[test]
fn a_slow_attempt_is_hedged_and_the_loser_is_cancelled_and_finishes_late() {
    let engine = engine(hedging());
    let (manual, call, step) = begin(&engine, Begin::new(T0));
    let primary = only_start(&step);
    assert_eq!(step.wake_at, T0 + ms(20));
    let step = manual.poll(call, T0 + ms(20)).unwrap();
    let hedge = only_start(&step);
    assert!(!manual.is_cancelled(primary));

    let step = manual.finish(hedge, T0 + ms(25), &Completion::ok(), 2).unwrap();
    assert_eq!(cancelled(&step), [(primary, CancelReason::LostRace)]);
    assert_eq!(step.verdict(), Some(Verdict::Success));
    assert!(manual.is_cancelled(primary));

    let late = manual.finish(primary, T0 + ms(90), &Completion::ok(), 1).unwrap();
    assert_eq!(late.actions().count(), 0);
    assert_eq!(manual.finish(primary, T0 + ms(91), &Completion::ok(), 1), Err(Stale));
}

#[test]
fn the_deadline_ends_a_call_when_the_host_says_so() {
    let engine = engine(policy());
    let (manual, call, step) = begin(&engine, Begin::new(T0).deadline(T0 + ms(50)));
    let attempt = only_start(&step);
    assert_eq!(step.wake_at, T0 + ms(50));
    let step = manual.poll(call, T0 + ms(50)).unwrap();
    assert_eq!(cancelled(&step), [(attempt, CancelReason::Deadline)]);
    assert_eq!(step.verdict(), Some(Verdict::DeadlineExceeded));
    assert!(manual.finish(attempt, T0 + ms(51), &Completion::ok(), 0).is_ok());

    let (_, call, step) = begin(&engine, Begin::new(T0).deadline(T0));
    assert_eq!(step.verdict(), Some(Verdict::DeadlineExceeded), "no attempt at all");
    assert_eq!(step.actions().count(), 1);
    assert_eq!(manual.poll(call, T0), Err(Stale));
    // Nor does its timeline tell of one.
    let (_, call, _) = begin(&engine, Begin::new(T0).deadline(T0).keep());
    let timeline = manual.timeline(call).unwrap();
    assert_eq!((timeline.call.attempts, timeline.attempts().len()), (0, 0), "{timeline}");
    manual.end(call).unwrap();
}

#[test]
fn an_attempt_that_overstays_is_cancelled_and_its_success_still_wins() {
    let engine = engine(policy().attempt_timeout(of_ms(30)));
    let (manual, call, step) = begin(&engine, Begin::new(T0));
    let first = only_start(&step);
    assert_eq!(step.wake_at, T0 + ms(30));
    let step = manual.poll(call, T0 + ms(30)).unwrap();
    assert_eq!(cancelled(&step), [(first, CancelReason::Deadline)]);
    assert_eq!(step.wake_at, T0 + ms(40), "the backoff");
    let second = only_start(&manual.poll(call, T0 + ms(40)).unwrap());
    let step = manual.finish(first, T0 + ms(45), &Completion::ok(), 1).unwrap();
    assert_eq!(cancelled(&step), [(second, CancelReason::LostRace)]);
    let Some(Action::Done { answer, result, .. }) = step.actions().last() else {
        panic!("done, not {step:?}")
    };
    assert_eq!((answer, result), (Some(first), 1));
}

/// What comes of an attempt after it was given up changes neither when it ran nor what it was.
#[test]
fn a_late_attempt_is_told_with_its_own_times() {
    for facts in [Completion::ok(), Completion::http(503)] {
        let engine = engine(policy().attempt_timeout(of_ms(30)));
        let (manual, call, step) = begin(&engine, Begin::new(T0).keep());
        let first = only_start(&step);
        let step = manual.poll(call, T0 + ms(30)).unwrap();
        assert_eq!(cancelled(&step), [(first, CancelReason::Deadline)]);
        let second = only_start(&manual.poll(call, T0 + ms(40)).unwrap());
        // By now the machine has forgotten when the first one started.
        let _ = manual.finish(first, T0 + ms(45), &facts, 1).unwrap();
        let _ = manual.finish(second, T0 + ms(50), &Completion::ok(), 0).unwrap();

        let timeline = manual.timeline(call).unwrap();
        let told = timeline.attempts()[0];
        assert_eq!((told.started, told.ended), (T0, Some(T0 + ms(30))), "{facts:?}");
        assert!(told.late, "{facts:?}");
        let ends = timeline.notes.iter().filter_map(|note| match note.what {
            Event::Ended { attempt: AttemptId::FIRST, started, .. } => Some((note.at, started)),
            _ => None,
        });
        assert_eq!(ends.collect::<Vec<_>>(), [(T0 + ms(30), T0), (T0 + ms(45), T0)], "{facts:?}");
        manual.end(call).unwrap();
    }
}

/// A hedge that is given up with its group, and comes after the next one has begun.
#[test]
fn a_late_hedge_is_told_as_a_hedge() {
    let engine = engine(hedging().attempt_timeout(of_ms(30)));
    let (manual, call, step) = begin(&engine, Begin::new(T0).keep());
    let hedge = only_start(&manual.poll(call, T0 + ms(20)).unwrap());
    assert_eq!(cancelled(&manual.poll(call, T0 + ms(30)).unwrap())[0].0, only_start(&step));
    let step = manual.poll(call, T0 + ms(50) + Nanos::from_micros(1)).unwrap();
    assert_eq!(cancelled(&step), [(hedge, CancelReason::Deadline)]);
    only_start(&manual.poll(call, T0 + ms(70)).unwrap());
    let step = manual.finish(hedge, T0 + ms(75), &Completion::ok(), 0).unwrap();
    assert_eq!(step.verdict(), Some(Verdict::Success));
    let told = manual.timeline(call).unwrap().attempts()[1];
    assert!(told.late && told.started - T0 < ms(21), "{told:?}");
    let metrics = engine.metrics();
    let of_hedges = "rego_calls_total{key=\"svc.Get\",outcome=\"success\",via=\"hedge\"} 1";
    assert!(metrics.contains(of_hedges), "{metrics}");
}

#[test]
fn what_an_attempt_makes_of_its_cancel_does_not_outrank_it() {
    let ends = [
        (Completion::cancelled(), Verdict::Cancelled),
        (Completion::http(503), Verdict::Cancelled),
        (Completion::http(404), Verdict::Cancelled),
        (Completion::ok(), Verdict::Success),
    ];
    for (facts, verdict) in ends {
        let engine = engine(Policy::builder().max_attempts(3));
        let (manual, call, step) = begin(&engine, Begin::new(T0));
        manual.cancel(call).unwrap();
        let step = manual.finish(only_start(&step), T0, &facts, 0).unwrap();
        assert_eq!(step.verdict(), Some(verdict), "{facts:?}");
    }
}

#[test]
fn a_cancel_is_seen_by_attempts_at_once_and_by_the_next_poll() {
    let engine = engine(policy());
    let (manual, call, step) = begin(&engine, Begin::new(T0));
    let attempt = only_start(&step);
    manual.cancel(call).unwrap();
    assert!(manual.is_cancelled(attempt));
    let step = manual.poll(call, T0 + ms(1)).unwrap();
    assert_eq!(cancelled(&step), [(attempt, CancelReason::Caller)]);
    assert_eq!(step.verdict(), Some(Verdict::Cancelled));
    assert!(manual.is_cancelled(attempt));
    assert_eq!(manual.cancel(call), Err(Stale));
    // A success that came before the cancel was seen would have won.
    let (_, call, step) = begin(&engine, Begin::new(T0));
    manual.cancel(call).unwrap();
    let step = manual.finish(only_start(&step), T0 + ms(1), &Completion::ok(), 5).unwrap();
    assert_eq!(step.verdict(), Some(Verdict::Success));
}

#[test]
fn outcomes_are_taken_as_they_are_and_facts_are_judged() {
    let classifier = |facts: &Completion, context: &Context| match facts.kind {
        CompletionKind::App(7) => Outcome::retryable(Class::Transient),
        _ => BuiltInClassifier::Auto.classify(facts, context),
    };
    let policy = policy().classifier("mine").build().unwrap();
    let engine =
        Engine::builder().classifier("mine", classifier).policy("svc.Get", policy).build().unwrap();
    let (manual, call, step) = begin(&engine, Begin::new(T0));
    let step = manual.finish(only_start(&step), T0, &Completion::app(7), 0).unwrap();
    let second = only_start(&manual.poll(call, step.wake_at).unwrap());
    let aborted = manual.finish_as(second, T0, Outcome::abort(), 8).unwrap();
    assert_eq!(aborted.verdict(), Some(Verdict::Aborted));

    let (_, _, step) = begin(&engine, Begin::new(T0).idempotent(false));
    let step = manual.finish(only_start(&step), T0, &Completion::http(500), 0).unwrap();
    assert_eq!(step.verdict(), Some(Verdict::NonRetryable), "it may have been processed");
}

#[test]
fn an_attempt_the_host_cannot_start_is_rejected() {
    let engine = engine(hedging());
    let (manual, call, step) = begin(&engine, Begin::new(T0));
    let primary = only_start(&step);
    let hedge = only_start(&manual.poll(call, T0 + ms(20)).unwrap());
    let step = manual.reject(hedge, T0 + ms(20)).unwrap();
    assert_eq!(step.actions().count(), 0, "a hedge is skipped");
    let step = manual.reject(primary, T0 + ms(20)).unwrap();
    assert_eq!(step.verdict(), Some(Verdict::ExecutorRejected));
}

#[test]
fn no_hedge_is_launched_while_an_attempt_is_queued() {
    let engine = engine(hedging());
    let (manual, call, step) = begin(&engine, Begin::new(T0));
    let primary = only_start(&step);
    let step = manual.queued(primary, T0).unwrap();
    assert_eq!(step.wake_at, T0 + Nanos::from_secs(30));
    assert_eq!(manual.poll(call, T0 + ms(25)).unwrap().actions().count(), 0);
    let step = manual.started(primary, T0 + ms(30)).unwrap();
    assert_eq!(step.wake_at, T0 + ms(50), "one delay after the start");
    only_start(&manual.poll(call, T0 + ms(50)).unwrap());
    assert!(manual.started(primary, T0 + ms(50)).is_ok(), "said twice, heard once");
    let _ = manual.finish(primary, T0 + ms(60), &Completion::ok(), 0).unwrap();
    assert_eq!(manual.queued(primary, T0 + ms(60)), Err(Stale));
}
