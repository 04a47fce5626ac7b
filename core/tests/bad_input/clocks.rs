use super::*;

fn engine(clock: &ManualClock) -> Engine {
    build(Engine::builder().clock(clock.clone()).policy("svc.Get", policy()))
}

#[test]
fn one_that_jumps_backwards_changes_nothing() {
    let clock = ManualClock::auto_advance();
    let engine = engine(&clock);
    clock.set(Nanos::from_secs(1_000));
    let (result, timeline) = engine.run_with_timeline("svc.Get", |attempt| {
        clock.set(Nanos::from_secs(900 - 100 * u64::from(attempt.number())));
        if attempt.number() < 2 { Err("again") } else { Ok(attempt.number()) }
    });
    assert_eq!(result, Ok(2));
    let times = timeline.notes.iter().map(|note| note.at);
    assert!(times.is_sorted(), "{timeline}");
    let before = timeline.attempts().iter().any(|attempt| attempt.ended < Some(attempt.started));
    assert!(!before, "no attempt ends before it starts: {timeline}");
}

#[test]
fn one_that_jumps_past_the_deadline_ends_the_call_with_the_real_error() {
    let clock = ManualClock::auto_advance();
    let engine = engine(&clock);
    let (result, timeline) = engine.run_with_timeline("svc.Get", |_| {
        clock.set(Nanos::from_secs(3_600));
        Err::<(), _>("the real error")
    });
    let error = result.expect_err("an hour later");
    assert_eq!(error.last, Some("the real error"));
    testing::expect(&timeline).verdict(Verdict::DeadlineExceeded).attempts(1);
}

#[test]
fn one_that_jumps_past_the_deadline_does_not_undo_a_success() {
    let clock = ManualClock::auto_advance();
    let engine = engine(&clock);
    let (result, timeline) = engine.run_with_timeline("svc.Get", |_| {
        clock.set(Nanos::NEVER);
        Ok::<_, io::Error>(7)
    });
    assert_eq!(result.expect("a success that is delivered counts"), 7);
    testing::expect(&timeline).verdict(Verdict::Success).attempts(1);
}

#[test]
fn one_that_stands_at_the_end_of_time_makes_no_attempt() {
    let clock = ManualClock::auto_advance();
    let engine = engine(&clock);
    clock.set(Nanos::NEVER);
    let error = engine.run("svc.Get", |_| Ok::<_, io::Error>(())).expect_err("no time is left");
    assert_eq!((error.verdict, error.attempts), (Verdict::DeadlineExceeded, 0));
}

#[test]
fn one_that_jumps_back_while_a_race_waits_delays_it_and_no_more() {
    let clock = ManualClock::new();
    clock.set(Nanos::from_secs(100));
    let hasty = Policy::builder().overall_timeout(ms(20)).build().expect("a policy of a test");
    let engine = build(
        Engine::builder().clock(clock.clone()).policy("svc.Get", hasty).executor(testing::threads),
    );
    let call = thread::spawn(move || {
        engine.race("svc.Get", |attempt| {
            while !attempt.is_cancelled() {
                thread::yield_now();
            }
            Err::<(), _>("stopped")
        })
    });
    while clock.waiting() == 0 {
        thread::yield_now();
    }
    clock.set(Nanos::from_secs(1));
    assert!(!call.is_finished(), "its deadline is at 100.02 s");
    clock.set(Nanos::from_secs(200));
    let error = call.join().expect("no panic").expect_err("it runs out of time");
    assert_eq!(error.verdict, Verdict::DeadlineExceeded);
}
