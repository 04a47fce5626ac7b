//! What is told of calls that took an odd course.

use super::*;

#[test]
fn an_attempt_that_nobody_would_run_is_told_as_rejected() {
    let engine = engine(hedging());
    let (manual, call, step) = begin(&engine, Begin::new(T0).keep());
    let primary = only_start(&step);
    let hedge = only_start(&manual.poll(call, T0 + ms(20)).unwrap());
    let _ = manual.reject(hedge, T0 + ms(21)).unwrap();
    let step = manual.reject(primary, T0 + ms(25)).unwrap();
    assert_eq!(step.verdict(), Some(Verdict::ExecutorRejected));
    let timeline = manual.timeline(call).unwrap();
    let told = |at: usize| {
        let attempt = timeline.attempts()[at];
        (attempt.rejected, attempt.ended, attempt.outcome.is_none())
    };
    assert_eq!(
        (told(0), told(1)),
        ((true, Some(T0 + ms(25)), true), (true, Some(T0 + ms(21)), true))
    );
    let text = timeline.to_string();
    assert!(text.contains("rejected") && !text.contains("running"), "{text}");
}

#[test]
fn no_call_ends_before_it_began() {
    let engine = engine(hedging());
    for before in [Nanos::ZERO, T0 - ms(1)] {
        let (manual, call, step) = begin(&engine, Begin::new(T0).keep());
        let step = manual.finish(only_start(&step), before, &Completion::ok(), 0).unwrap();
        assert_eq!(step.verdict(), Some(Verdict::Success));
        let timeline = manual.timeline(call).unwrap();
        assert_eq!((timeline.call.started, timeline.call.ended), (T0, T0));
        assert_eq!(timeline.attempts()[0].ended, Some(T0));
    }
    // A loop that goes ends its calls, and does not know what time it is.
    let (manual, site) = (engine.manual(), engine.site("svc.Get"));
    let mut events = manual.event_loop(|| {});
    let (call, _) = events.begin(&site, Begin::new(T0).keep());
    drop(events);
    let timeline = manual.timeline(call).unwrap();
    assert_eq!((timeline.call.verdict, timeline.call.ended), (Verdict::Shutdown, T0));
}

/// To the nanosecond, not in units of some.
#[test]
fn a_hedge_starts_when_it_starts() {
    let engine = engine(hedging());
    let (manual, call, step) = begin(&engine, Begin::new(T0).keep());
    let primary = only_start(&step);
    let at = T0 + ms(20);
    let hedge = only_start(&manual.poll(call, at).unwrap());
    let ended = at + Nanos::from_nanos(100);
    let _ = manual.finish(hedge, ended, &Completion::ok(), 0).unwrap();
    let _ = manual.finish(primary, ended, &Completion::ok(), 0);
    let told = manual.timeline(call).unwrap().attempts()[1];
    assert_eq!((told.started, told.ended), (at, Some(ended)));
}

/// It stays what it was: that it comes back says no more than that it was late.
#[test]
fn an_attempt_that_timed_out_is_told_so_when_it_comes_back() {
    let engine = engine(policy().attempt_timeout(of_ms(10)));
    let (manual, call, step) = begin(&engine, Begin::new(T0).keep());
    let first = only_start(&step);
    let step = manual.poll(call, T0 + ms(10)).unwrap();
    let retry = only_start(&manual.poll(call, step.wake_at).unwrap());
    let _ = manual.finish(first, step.wake_at, &Completion::app(1), 0).unwrap();
    let _ = manual.finish(retry, step.wake_at, &Completion::ok(), 0).unwrap();
    let told = manual.timeline(call).unwrap().attempts()[0];
    let class = told.outcome.map(|outcome| outcome.class);
    assert_eq!((class, told.ended, told.late), (Some(Class::Timeout), Some(T0 + ms(10)), true));
}
