//! Calls that are kept, full slots, more actions than fit, odd times and ids.

use super::*;

#[test]
fn a_kept_call_can_be_read_until_it_is_let_go() {
    let engine = engine(hedging());
    let (manual, call, step) = begin(&engine, Begin::new(T0).keep());
    let primary = only_start(&step);
    assert!(manual.timeline(call).is_none(), "not done");
    assert_eq!(manual.end(call), Err(Stale), "not done");
    let hedge = only_start(&manual.poll(call, T0 + ms(20)).unwrap());
    let _ = manual.finish(hedge, T0 + ms(30), &Completion::ok(), 0).unwrap();

    let timeline = manual.timeline(call).unwrap();
    assert_eq!(timeline.call.key, "svc.Get");
    assert_eq!((timeline.call.started, timeline.call.ended), (T0, T0 + ms(30)));
    assert_eq!(timeline.attempts().len(), 2, "{timeline}");
    assert_eq!(manual.poll(call, T0).unwrap().actions().count(), 0, "there is nothing more to do");

    // The loser may finish before the host lets go, or after.
    let _ = manual.finish(primary, T0 + ms(40), &Completion::ok(), 0).unwrap();
    assert!(manual.timeline(call).is_some());
    assert_eq!(manual.end(call), Ok(()));
    assert_eq!(manual.end(call), Err(Stale));
    assert!(manual.timeline(call).is_none());
    assert_eq!(manual.poll(call, T0), Err(Stale));

    let (_, call, step) = begin(&engine, Begin::new(T0).keep());
    let primary = only_start(&step);
    let hedge = only_start(&manual.poll(call, T0 + ms(20)).unwrap());
    let _ = manual.finish(hedge, T0 + ms(30), &Completion::ok(), 0).unwrap();
    assert_eq!(manual.end(call), Ok(()));
    assert!(manual.timeline(call).is_none());
    assert!(manual.finish(primary, T0 + ms(40), &Completion::ok(), 0).is_ok());
    assert_eq!(manual.finish(primary, T0 + ms(40), &Completion::ok(), 0), Err(Stale));
}

/// Who lets go of a call before it is done is told of its end, and it is not kept.
#[test]
fn a_kept_call_can_be_let_go_before_it_is_done() {
    let policy = policy().build().unwrap();
    let engine = Engine::builder().policy("svc.Get", policy).max_flights(1).build().unwrap();
    for failed in [false, true] {
        let (manual, call, step) = begin(&engine, Begin::new(T0).keep());
        let mut attempt = only_start(&step);
        if failed {
            let _ = manual.finish(attempt, T0, &Completion::http(503), 0).unwrap();
        }
        assert_eq!(manual.end(call), Err(Stale), "not done");
        assert_eq!(manual.let_go(call), Ok(()));
        assert_eq!(manual.let_go(call), Err(Stale), "once");
        if failed {
            attempt = only_start(&manual.poll(call, T0 + ms(20)).unwrap());
        }
        let step = manual.finish(attempt, T0 + ms(20), &Completion::ok(), 0).unwrap();
        assert_eq!(step.verdict(), Some(Verdict::Success));
        assert!(manual.timeline(call).is_none());
        assert_eq!(manual.poll(call, T0), Err(Stale));
        assert_eq!((manual.end(call), manual.let_go(call)), (Err(Stale), Err(Stale)));
    }
    let (manual, call, step) = begin(&engine, Begin::new(T0));
    assert!(!call.is_pass_through(), "its slot is free");
    assert_eq!(manual.let_go(call), Err(Stale), "it is not kept");
    let (_, plain, other) = begin(&engine, Begin::new(T0).keep());
    assert_eq!(manual.let_go(plain), Err(Stale), "nor is one that passes through");
    let _ = manual.finish(only_start(&other), T0, &Completion::ok(), 0).unwrap();
    let _ = manual.finish(only_start(&step), T0, &Completion::ok(), 0).unwrap();
}

#[test]
fn a_clean_kept_call_has_a_timeline_too() {
    let engine = engine(policy());
    let (manual, call, step) = begin(&engine, Begin::new(T0).keep());
    let _ = manual.finish(only_start(&step), T0 + ms(2), &Completion::ok(), 0).unwrap();
    let timeline = manual.timeline(call).unwrap();
    assert_eq!(timeline.attempts().len(), 1);
    assert_eq!(timeline.attempts()[0].ended, Some(T0 + ms(2)));
    assert!(timeline.call.verdict.is_success());
    manual.end(call).unwrap();
}

#[test]
fn a_call_without_room_passes_through() {
    let policy = policy().attempt_timeout(of_ms(40)).overall_timeout(of_ms(400)).build().unwrap();
    let engine = Engine::builder().policy("svc.Get", policy).max_flights(2).build().unwrap();
    let (manual, _, first) = begin(&engine, Begin::new(T0));
    let (_, _, second) = begin(&engine, Begin::new(T0));
    let (_, call, step) = begin(&engine, Begin::new(T0).cookie(5).keep());
    assert!(call.is_pass_through());
    let attempt = only_start(&step);
    assert_eq!(attempt.call(), call);
    let Some(Action::Start { deadline, cookie: 5, .. }) = step.actions().next() else {
        panic!("a start, not {step:?}")
    };
    assert_eq!(deadline, step.wake_at, "it is given up then, and not before");
    assert_eq!(deadline, T0 + ms(400), "the policy's deadline");
    assert!(!manual.is_cancelled(attempt));
    assert_eq!(manual.unfinished(), 3);
    assert_eq!(manual.poll(call, T0).unwrap().actions().count(), 0);
    assert!(manual.timeline(call).is_none());
    let step = manual.finish(attempt, T0, &Completion::http(503), 9).unwrap();
    let Some(Action::Done { verdict, answer, result, attempts, .. }) = step.actions().next() else {
        panic!("done, not {step:?}")
    };
    assert_eq!((verdict, attempts), (Verdict::PassThrough, 1), "one plain attempt");
    assert_eq!((answer, result), (Some(attempt), 9));
    let Some(Action::Done { cookie: 5, .. }) = step.actions().next() else { panic!("{step:?}") };

    // It is over, and known to be.
    assert_eq!(manual.finish(attempt, T0, &Completion::ok(), 0), Err(Stale));
    assert_eq!(manual.reject(attempt, T0), Err(Stale));
    assert_eq!(manual.started(attempt, T0), Err(Stale));
    assert_eq!(manual.poll(call, T0), Err(Stale));
    assert_eq!(manual.cancel(call), Err(Stale));
    assert!(manual.is_cancelled(attempt));

    let (_, other, step) = begin(&engine, Begin::new(T0));
    assert_ne!(other, call);
    let step = manual.finish(only_start(&step), T0, &Completion::ok(), 0).unwrap();
    assert_eq!(step.verdict(), Some(Verdict::Success));

    let (_, _, late) = begin(&engine, Begin::new(T0).deadline(T0));
    assert_eq!(late.verdict(), Some(Verdict::DeadlineExceeded));

    let metrics = engine.metrics();
    for line in [
        r#"rego_calls_passed_through_total{key="svc.Get"} 3"#,
        r#"rego_calls_total{key="svc.Get",outcome="success",via="first"} 1"#,
        r#"rego_calls_total{key="svc.Get",outcome="failure",via="first"} 1"#,
        r#"rego_call_stops_total{key="svc.Get",stop="pass_through"} 1"#,
        r#"rego_call_stops_total{key="svc.Get",stop="deadline_exceeded"} 1"#,
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }

    let _ = manual.finish(only_start(&first), T0, &Completion::ok(), 0).unwrap();
    let (_, call, step) = begin(&engine, Begin::new(T0));
    assert!(!call.is_pass_through(), "there is room again");
    let _ = manual.finish(only_start(&step), T0, &Completion::ok(), 0).unwrap();
    let _ = manual.finish(only_start(&second), T0, &Completion::ok(), 0).unwrap();
}

#[test]
fn more_actions_than_fit_come_with_the_next_poll() {
    let policy = hedging().max_hedges(3).overall_timeout(of_ms(100));
    let engine = engine(policy);
    let (manual, call, _) = begin(&engine, Begin::new(T0));
    for hedge in 1..=3 {
        only_start(&manual.poll(call, T0 + ms(20 * hedge)).unwrap());
    }
    let step = manual.poll(call, T0 + ms(100)).unwrap();
    assert_eq!(cancelled(&step).len(), 4);
    assert!(step.more() && step.verdict().is_none());
    let step = manual.poll(call, T0 + ms(100)).unwrap();
    assert!(!step.more());
    assert_eq!(step.verdict(), Some(Verdict::DeadlineExceeded));
    assert_eq!(manual.poll(call, T0 + ms(100)), Err(Stale));
}

#[test]
fn time_that_goes_backwards_changes_nothing() {
    let engine = engine(policy());
    let (manual, call, step) = begin(&engine, Begin::new(T0));
    let step = manual.finish(only_start(&step), T0 + ms(20), &Completion::http(503), 0).unwrap();
    assert_eq!(step.wake_at, T0 + ms(30));
    assert_eq!(manual.poll(call, Nanos::ZERO).unwrap().wake_at, T0 + ms(30));
    let second = only_start(&manual.poll(call, T0 + ms(30)).unwrap());
    let step = manual.finish(second, Nanos::ZERO, &Completion::ok(), 0).unwrap();
    assert_eq!(step.verdict(), Some(Verdict::Success));
}

#[test]
fn ids_that_never_were_are_stale() {
    let engine = engine(policy());
    let (manual, call, step) = begin(&engine, Begin::new(T0));
    let attempt = only_start(&step);
    let bits = attempt.to_bits();
    // Another slot, another generation, an attempt that was not launched, the call as an attempt.
    let forged = [0, bits ^ 1 << 40, bits ^ 1, bits ^ 1 << 32, call.to_bits(), u64::MAX];
    for bits in forged {
        let forged = AttemptRef::from_bits(bits);
        assert_eq!(manual.finish(forged, T0, &Completion::ok(), 0), Err(Stale), "{bits:x}");
        assert_eq!(manual.started(forged, T0), Err(Stale));
        assert!(manual.is_cancelled(forged));
        if bits != call.to_bits() {
            let forged = CallId::from_bits(bits);
            assert_eq!(manual.poll(forged, T0), Err(Stale), "{bits:x}");
            assert_eq!(manual.cancel(forged), Err(Stale));
            assert_eq!(manual.end(forged), Err(Stale));
            assert!(manual.timeline(forged).is_none());
        }
    }
    assert_eq!(AttemptRef::from_bits(bits), attempt);
    let step = manual.finish(attempt, T0, &Completion::ok(), 0).unwrap();
    assert_eq!(step.verdict(), Some(Verdict::Success));
}

/// The caller of a plain call need not wait for its attempt longer than of any other.
#[test]
fn a_plain_call_ends_by_its_deadline_or_when_it_is_cancelled() {
    let policy = policy().build().unwrap();
    let engine = Engine::builder().policy("svc.Get", policy).max_flights(1).build().unwrap();
    let _there = begin(&engine, Begin::new(T0));
    for (by_deadline, verdict) in [(true, Verdict::DeadlineExceeded), (false, Verdict::Cancelled)] {
        let begun = Begin::new(T0).deadline(T0 + ms(20)).cookie(5);
        let (manual, call, step) = begin(&engine, begun);
        let attempt = only_start(&step);
        assert!(call.is_pass_through());
        assert_eq!(step.wake_at, T0 + ms(20));
        let step = manual.poll(call, T0 + ms(19)).unwrap();
        assert_eq!((step.actions().count(), step.wake_at), (0, T0 + ms(20)));
        let at = if by_deadline { T0 + ms(20) } else { T0 + ms(1) };
        if !by_deadline {
            assert_eq!((manual.cancel(call), manual.cancel(call)), (Ok(()), Ok(())));
            assert!(manual.is_cancelled(attempt), "at once");
        }
        let step = manual.poll(call, at).unwrap();
        let reason = if by_deadline { CancelReason::Deadline } else { CancelReason::Caller };
        assert_eq!(cancelled(&step), [(attempt, reason)]);
        let Some(Action::Done { cookie: 5, answer: None, attempts: 1, .. }) = step.actions().last()
        else {
            panic!("done, not {step:?}")
        };
        assert_eq!(step.verdict(), Some(verdict));
        assert!(manual.is_cancelled(attempt));
        assert_eq!((manual.poll(call, at), manual.cancel(call)), (Err(Stale), Err(Stale)));
        // It runs still, and comes late.
        assert_eq!(manual.unfinished(), 2);
        let late = manual.finish(attempt, T0 + ms(50), &Completion::ok(), 0).unwrap();
        assert_eq!(late.actions().count(), 0);
        assert_eq!(manual.finish(attempt, T0 + ms(50), &Completion::ok(), 0), Err(Stale));
        assert_eq!(manual.unfinished(), 1);
        let stop = format!("rego_call_stops_total{{key=\"svc.Get\",stop=\"{verdict}\"}} 1");
        assert!(engine.metrics().contains(&stop), "{stop}");
    }
    // A cancel that nobody has seen to outranks all but a success.
    for (status, verdict) in [(503, Verdict::Cancelled), (200, Verdict::Success)] {
        let (manual, call, step) = begin(&engine, Begin::new(T0));
        manual.cancel(call).unwrap();
        let facts = Completion::http(status);
        let step = manual.finish(only_start(&step), T0, &facts, 0).unwrap();
        assert_eq!(step.verdict(), Some(verdict));
    }
}

/// What the host says of its queue changes nothing of a plain attempt's time.
#[test]
fn a_plain_attempt_that_was_queued_has_its_deadline_still() {
    let policy = policy().build().unwrap();
    let engine = Engine::builder().policy("svc.Get", policy).max_flights(1).build().unwrap();
    let _there = begin(&engine, Begin::new(T0));
    let (manual, call, step) = begin(&engine, Begin::new(T0).deadline(T0 + ms(20)));
    let attempt = only_start(&step);
    assert!(call.is_pass_through());
    for step in [manual.queued(attempt, T0 + ms(1)), manual.started(attempt, T0 + ms(2))] {
        let step = step.unwrap();
        assert_eq!((step.actions().count(), step.wake_at), (0, T0 + ms(20)));
    }
    let step = manual.started(attempt, T0 + ms(20)).unwrap();
    assert_eq!(cancelled(&step), [(attempt, CancelReason::Deadline)]);
    assert_eq!(step.verdict(), Some(Verdict::DeadlineExceeded));
    let step = manual.queued(attempt, T0 + ms(21)).unwrap();
    assert_eq!((step.actions().count(), step.wake_at), (0, Nanos::NEVER), "it runs, and no more");
}

/// As of any call: past the deadline only a success is an answer.
#[test]
fn a_plain_attempt_that_fails_past_the_deadline_is_deadline_exceeded() {
    let policy = policy().build().unwrap();
    let engine = Engine::builder().policy("svc.Get", policy).max_flights(1).build().unwrap();
    let _there = begin(&engine, Begin::new(T0));
    for (status, at, verdict) in [
        (503, ms(19), Verdict::PassThrough),
        (503, ms(20), Verdict::DeadlineExceeded),
        (200, ms(20), Verdict::Success),
    ] {
        let (manual, _, step) = begin(&engine, Begin::new(T0).deadline(T0 + ms(20)));
        let attempt = only_start(&step);
        let step = manual.finish(attempt, T0 + at, &Completion::http(status), 9).unwrap();
        let Some(Action::Done { verdict: told, answer, result: 9, .. }) = step.actions().next()
        else {
            panic!("done, not {step:?}")
        };
        assert_eq!((told, answer), (verdict, Some(attempt)));
    }
    let (manual, _, step) = begin(&engine, Begin::new(T0).deadline(T0 + ms(20)));
    let step = manual.reject(only_start(&step), T0 + ms(20)).unwrap();
    assert_eq!(step.verdict(), Some(Verdict::DeadlineExceeded));
}

/// A plain attempt is judged as any other of its key.
#[test]
fn a_plain_attempt_is_judged_by_its_policys_classifier() {
    let policy = policy().classifier("mine").build().unwrap();
    let engine = Engine::builder()
        .classifier("mine", |facts: &Completion, _: &Context| match facts.kind {
            CompletionKind::Http { status: 404 } => Outcome::success(),
            _ => Outcome::retryable(Class::Server).backoff(Nanos::from_secs(3)),
        })
        .policy("svc.Get", policy)
        .max_flights(1)
        .build()
        .unwrap();
    let _there = begin(&engine, Begin::new(T0));
    let done = |status| {
        let (manual, _, step) = begin(&engine, Begin::new(T0));
        let step = manual.finish(only_start(&step), T0, &Completion::http(status), 0).unwrap();
        match step.actions().next() {
            Some(Action::Done { verdict, retry_after, .. }) => (verdict, retry_after),
            other => panic!("done, not {other:?}"),
        }
    };
    assert_eq!(done(404), (Verdict::Success, None));
    assert_eq!(done(200), (Verdict::PassThrough, Some(Nanos::from_secs(3))));
}

/// As `ids_that_never_were_are_stale`, for calls that pass through; and ids of another engine, which
/// has begun the same calls, are none of this one's.
#[test]
fn forged_and_foreign_ids_reach_nothing() {
    let begun = |calls: usize| {
        let policy = policy().build().unwrap();
        let engine = Engine::builder().policy("svc.Get", policy).max_flights(1).build().unwrap();
        let begun = (0..calls).map(|_| begin(&engine, Begin::new(T0))).collect::<Vec<_>>();
        (engine, begun)
    };
    let (_mine, calls) = begun(3);
    let (_yours, foreign) = begun(3);
    for ((manual, call, step), (_, foreign_call, foreign_step)) in calls.iter().zip(&foreign) {
        let (attempt, foreign) = (only_start(step), only_start(foreign_step));
        assert_ne!(call, foreign_call);
        assert_eq!(manual.poll(*foreign_call, T0), Err(Stale));
        assert_eq!(manual.cancel(*foreign_call), Err(Stale));
        let near = (1..2_000).map(|step| AttemptRef::from_bits(attempt.to_bits() + step));
        let far = (0..64).map(|bit| AttemptRef::from_bits(attempt.to_bits() ^ 1 << bit));
        let others: Vec<u64> =
            calls.iter().map(|(_, _, step)| only_start(step).to_bits()).collect();
        for forged in near.chain(far).chain([foreign, AttemptRef::from_bits(call.to_bits())]) {
            if !others.contains(&forged.to_bits()) {
                assert_eq!(
                    manual.finish(forged, T0, &Completion::ok(), 0),
                    Err(Stale),
                    "{forged:?}"
                );
                assert!(manual.is_cancelled(forged));
            }
        }
    }
    for (manual, _, step) in calls.iter().chain(&foreign) {
        let _ = manual.finish(only_start(step), T0, &Completion::ok(), 0).unwrap();
        assert_eq!(manual.finish(only_start(step), T0, &Completion::ok(), 0), Err(Stale));
    }
}

#[test]
fn a_trigger_warms_up_though_no_call_fails_and_nobody_scrapes() {
    let engine = engine(policy().idempotent(true).hedge_quantile(0.95).hedge_delay(of_ms(200)));
    let mut now = T0;
    let delay = |now: Nanos| {
        let (manual, _, step) = begin(&engine, Begin::new(now));
        let delay = step.wake_at - now;
        let done = manual.finish(only_start(&step), now + ms(5), &Completion::ok(), 0).unwrap();
        assert!(done.verdict().is_some());
        delay
    };
    assert_eq!(delay(now), ms(200), "cold, it is the fixed delay");
    for _ in 0..1_000 {
        now = now + ms(1);
        delay(now);
    }
    assert!(delay(now + ms(200)) < ms(10), "every call took 5 ms: {}", delay(now + ms(400)));
}
