use super::*;

#[test]
fn a_panic_in_place_reaches_the_caller_and_nothing_is_left_of_it() {
    let (builder, _clock) = testing::engine();
    let engine = build(builder.budget("b", Budget::in_flight(0.0, 1)).policy(
        "svc.Get",
        Policy::builder().retry_budget("b").build().expect("a policy of a test"),
    ));
    let script = Script::new().panic("first").fail("no").panic("second").fail("no").succeed_with(1);
    let panic = catch_unwind(|| engine.run("svc.Get", script.op())).expect_err("it panics");
    assert_eq!(panic.downcast_ref::<String>().map(String::as_str), Some("first"));
    let panic = catch_unwind(|| engine.run("svc.Get", script.op())).expect_err("a retry panics");
    assert_eq!(panic.downcast_ref::<String>().map(String::as_str), Some("second"));
    // The one place for a retry is free again.
    assert_eq!(engine.run("svc.Get", script.op()), Ok(1));
    assert_eq!(engine.budget_available("b"), Some(1.0));
}

/// An error whose own drop panics.
struct Bad;

impl Drop for Bad {
    fn drop(&mut self) {
        if !thread::panicking() {
            resume_unwind(Box::new("a bad error"));
        }
    }
}

#[test]
fn an_error_that_panics_when_dropped_leaves_nothing_behind() {
    let policy = Policy::constant(ms(1)).retry_budget("b").build().expect("a policy of a test");
    let builder = Engine::builder().budget("b", Budget::in_flight(1.0, 1));
    let engine = build(builder.policy("svc.Get", policy));
    let site = engine.site("svc.Get");
    for _ in 0..3 {
        let answer = catch_unwind(AssertUnwindSafe(|| {
            site.run(|attempt| if attempt.number() < 2 { Err(Bad) } else { Ok(7) })
        }));
        let answer = answer.map(|answer| answer.map_err(std::mem::forget));
        assert!(matches!(answer, Ok(Ok(7))), "the call goes on");
    }
    assert_eq!(site.budgets().retry.available, 1.0, "no call is left in flight");
}

#[test]
fn results_that_panic_when_dropped_hang_no_call_and_leave_nothing() {
    let workers = Workers::new(8);
    let hedged = Policy::builder()
        .idempotent(true)
        .max_attempts(4)
        .initial_backoff(Duration::from_micros(10))
        .hedge_after(ms(1))
        .hedge_budget("unlimited")
        .retry_budget("unlimited")
        .build()
        .expect("a policy of a test");
    let engine = build(Engine::builder().policy("svc.Get", hedged).executor(workers.clone()));
    let site = engine.site("svc.Get");
    thread::scope(|scope| {
        for _ in 0..2 {
            let donated = workers.worker();
            scope.spawn(move || donated.run());
        }
        for _ in 0..50 {
            let answer = site.race(|attempt| match attempt.retry_index() {
                0..3 => Err(Bad),
                // The hedge wins; the primary fails when nobody wants to know.
                _ if attempt.is_hedge() => Ok(1),
                _ => {
                    while !attempt.is_cancelled() {
                        thread::yield_now();
                    }
                    Err(Bad)
                }
            });
            match answer {
                Ok(number) => assert_eq!(number, 1),
                Err(error) => {
                    let verdict = error.verdict;
                    std::mem::forget(error);
                    panic!("{verdict}");
                }
            }
        }
        workers.close();
    });
    assert_eq!((site.in_flight(), site.abandoned()), (0, 0));
}
