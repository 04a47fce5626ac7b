//! An engine does the same at any time of its clock: at zero, where 32 bits of microseconds and of
//! milliseconds end (the 49th day), where six levels of the wheel would (the 52nd), after decades,
//! and just before the end of time.
#![expect(clippy::unwrap_used, reason = "a test says what it expects")]

use std::{fmt::Write, time::Duration};

use rego::{
    Budget, Completion, Engine, ManualClock, Nanos, Policy, Timeline,
    manual::{Action, AttemptRef, Begin},
};

const HOUR: Nanos = Nanos::from_secs(3_600);

fn of_ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn ms(millis: u64) -> Nanos {
    Nanos::from_millis(millis)
}

/// Where a story may begin: each is passed while it goes on.
fn starts() -> impl Iterator<Item = Nanos> {
    let passed = [
        (1_u64 << 32) * 1_000,
        (1 << 32) * 1_024,
        (1 << 32) * 1_000_000,
        1 << 40,
        1 << 52,
        1 << 53,
        1 << 62,
        1 << 63,
    ];
    let before =
        |nanos: u64| [ms(0), ms(1), ms(55), ms(1_000)].map(|by| Nanos::from_nanos(nanos) - by);
    passed.into_iter().flat_map(before).chain([Nanos::from_nanos(1), Nanos::NEVER - HOUR])
}

/// Tells what an attempt did, in times from the call's start.
fn tell(story: &mut String, timeline: &Timeline) {
    let began = timeline.call.started;
    let since = |at: Nanos| {
        assert!(at >= began, "nothing is before the beginning");
        at - began
    };
    writeln!(story, "{} after {}", timeline.call.verdict, since(timeline.call.ended)).unwrap();
    for it in timeline.attempts() {
        let (queued, started, ended) = (since(it.queued), since(it.started), it.ended.map(since));
        let kind = it.kind.label();
        writeln!(story, "{kind} {queued} {started} {ended:?} {} {:?}", it.backoff, it.cancelled)
            .unwrap();
    }
}

/// Calls on a thread: retries with jitter, timeouts, a deadline, a budget that is refilled.
fn calls(start: Nanos) -> String {
    let clock = ManualClock::auto_advance();
    clock.set(start);
    let policy = |attempts| {
        Policy::builder()
            .max_attempts(attempts)
            .initial_backoff(of_ms(10))
            .attempt_timeout(of_ms(40))
            .overall_timeout(of_ms(300))
            .retry_budget("bucket")
    };
    let engine = Engine::builder()
        .ignore_environment()
        .seed(7)
        .clock(clock.clone())
        .budget("bucket", Budget::TokenBucket { capacity: 6, refill_per_sec: 20.0 })
        .policy("svc.Get", policy(4).build().unwrap())
        .policy("svc.Slow", policy(10).build().unwrap())
        .build()
        .unwrap();
    let mut story = String::new();
    for key in ["svc.Get", "svc.Slow", "svc.Get", "svc.Slow"] {
        let site = engine.site(key);
        let (_, timeline) = site.call().run_with_timeline(|attempt| {
            clock.advance(ms(if key == "svc.Slow" { 90 } else { 3 }));
            if attempt.number() == 2 { Ok(()) } else { Err("no luck") }
        });
        tell(&mut story, &timeline);
        let (left, granted) =
            (engine.budget_available("bucket").unwrap(), site.budgets().retry.granted);
        writeln!(story, "{left:.3} left, {granted} granted").unwrap();
    }
    story
}

/// Calls of an event loop: hedges, timeouts, Retry-After, timers that come and go.
fn events(start: Nanos) -> String {
    let policy = Policy::builder()
        .idempotent(true)
        .max_attempts(3)
        .initial_backoff(of_ms(10))
        .attempt_timeout(of_ms(70))
        .overall_timeout(of_ms(400))
        .retry_budget("unlimited")
        .hedge_after(of_ms(20))
        .hedge_budget("unlimited")
        .build()
        .unwrap();
    let engine = Engine::builder()
        .ignore_environment()
        .seed(7)
        .clock(ManualClock::new())
        .policy("svc.Get", policy)
        .build()
        .unwrap();
    let (manual, site) = (engine.manual(), engine.site("svc.Get"));
    let mut events = manual.event_loop(|| {});
    let mut story = String::new();
    let mut now = start;
    for kind in 0..4 {
        let begin = Begin::new(now).deadline(now + ms(350)).keep();
        let (call, step) = events.begin(&site, begin);
        let mut running: Vec<AttemptRef> = Vec::new();
        let mut to_do: Vec<Action> = step.actions().collect();
        let mut done = false;
        while !done {
            for action in to_do.drain(..) {
                match action {
                    Action::Start { attempt, .. } => running.push(attempt),
                    Action::Cancel { .. } => {}
                    Action::Done { .. } => done = true,
                }
            }
            if kind == 1 && running.len() == 2 {
                // The hedge asks for patience, the primary goes on until its time is up.
                let facts = Completion::http(503).retry_after(ms(30));
                let _left = manual.finish(running.remove(1), now, &facts, 0).unwrap();
            } else if kind == 2 && running.len() == 2 {
                let _left = manual.finish(running.remove(1), now, &Completion::ok(), 0).unwrap();
            } else if !done {
                now = now.max(events.next_deadline());
            }
            to_do.extend(std::iter::from_fn(|| events.process(now)));
            assert!(now <= begin.deadline, "woken in time");
        }
        tell(&mut story, &manual.timeline(call).unwrap());
        manual.end(call).unwrap();
        for attempt in running {
            let _late = manual.finish(attempt, now, &Completion::ok(), 0).unwrap();
        }
    }
    story
}

#[test]
fn a_call_goes_the_same_way_at_any_time() {
    let usual = calls(Nanos::from_secs(1));
    assert!(usual.lines().count() > 12, "{usual}");
    for start in starts() {
        assert_eq!(calls(start), usual, "from {start}");
    }
}

#[test]
fn an_event_loop_goes_the_same_way_at_any_time() {
    let usual = events(Nanos::from_secs(1));
    assert!(usual.contains("hedge") && usual.contains("retry"), "{usual}");
    for start in starts() {
        assert_eq!(events(start), usual, "from {start}");
    }
}
