//! A hedge is denied by its budget, and the call fails with that denial though its primary is well.

use super::*;

/// What the defective ones do: no permit for an attempt is a failed attempt.
fn twin(
    permits: u32,
    primary: impl FnOnce() -> &'static str,
) -> Result<&'static str, &'static str> {
    match permits {
        0 => Err("budget exhausted"),
        _ => Ok(primary()),
    }
}

#[test]
fn a_denied_hedge_does_not_touch_its_healthy_primary() {
    assert_eq!(twin(0, || "primary"), Err("budget exhausted"), "the defect");

    let policy = Policy::builder().idempotent(true).hedge_after(ms(1)).hedge_budget("one");
    let clock = ManualClock::new();
    let builder = Engine::builder().clock(clock.clone()).executor(testing::threads);
    let site = build(builder.budget("one", Budget::token_bucket(1, 1e-6)), policy);
    // The first call spends the budget.
    let script = Script::new().hang("asked to stop").succeed_with(());
    let (spender, op) = (site.clone(), script.op());
    assert!(drive(&clock, ms(1), thread::spawn(move || spender.race(op))).is_ok());

    let (go, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let call = thread::spawn(move || {
        site.call().race_with_timeline(move |_| {
            let _ = wait.lock().expect("not poisoned").recv();
            Ok::<_, io::Error>("primary")
        })
    });
    // A hedge is due at each millisecond.
    for _ in 0..10 {
        while clock.waiting() == 0 {
            thread::yield_now();
        }
        clock.advance(Nanos::from_millis(1));
    }
    go.send(()).expect("the primary waits");
    let (result, timeline) = call.join().expect("no panic");
    assert_eq!(result.expect("the primary is well"), "primary");
    expect(&timeline).verdict(Verdict::Success).attempts(1).hedges(0).answered_by(0);
    assert!(timeline.hedges_skipped().all(|reason| reason == HedgeReason::Denied), "{timeline}");
}

#[test]
fn an_exhausted_budget_does_not_end_attempts_in_flight() {
    let policy = hedged(ms(1)).retry_budget("none").max_attempts(2);
    let builder = Engine::builder().executor(testing::threads);
    let site = build(builder.budget("none", Budget::token_bucket(1, 1e-6)), policy);
    let spend = Script::new().fail("no").succeed_with("spent");
    assert_eq!(site.call().run(spend.op()), Ok("spent"));
    // The primary fails while its hedge runs: there is no retry, and the hedge still answers.
    let hedge_runs = Arc::new(AtomicU32::new(0));
    let answer = site.race(move |attempt| {
        if attempt.is_hedge() {
            hedge_runs.store(1, Ordering::SeqCst);
            thread::sleep(ms(5));
            return Ok("hedge");
        }
        while hedge_runs.load(Ordering::SeqCst) == 0 {
            thread::yield_now();
        }
        Err("primary")
    });
    assert_eq!(answer, Ok("hedge"));
}
