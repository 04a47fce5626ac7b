//! Faults that a review found: each of these failed once.
#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "a test may use what it likes"
)]

use std::{
    io,
    sync::{Arc, Barrier, Mutex},
    thread,
    time::Duration,
};

use rego::{
    Budget, CallEnded, CancelToken, Engine, Nanos, Observer, Policy, PolicyBuilder, Rejected, Task,
    Verdict, testing,
};

fn threads(task: Task) -> Result<(), Rejected> {
    thread::spawn(move || task.run());
    Ok(())
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn quick() -> PolicyBuilder {
    Policy::constant(Duration::from_micros(10))
}

#[test]
fn a_call_that_says_it_is_not_idempotent_is_not_hedged() {
    let policy =
        Policy::builder().idempotent(true).hedge_after(ms(5)).hedge_budget("unlimited").build();
    let engine =
        Engine::builder().policy("svc.Get", policy.unwrap()).executor(threads).build().unwrap();
    let call = engine.site("svc.Get");
    let (result, timeline) = call.call().idempotent(false).race_with_timeline(|_| {
        thread::sleep(ms(60));
        Ok::<_, io::Error>(())
    });
    assert!(result.is_ok());
    assert_eq!(timeline.attempts().len(), 1, "{timeline}");
}

#[test]
fn a_call_that_is_taken_back_while_it_runs_in_place_is_cancelled_and_pays_nothing() {
    for attempts in [1, 3] {
        let engine = Engine::builder()
            .budget("b", Budget::token_bucket(10, 0.0))
            .policy("svc.Get", quick().max_attempts(attempts).retry_budget("b").build().unwrap())
            .build()
            .unwrap();
        let site = engine.site("svc.Get");
        let token = CancelToken::new();
        let canceller = token.clone();
        let error = site
            .call()
            .cancel(&token)
            .run(move |_| {
                canceller.cancel();
                Err::<(), _>("stopped")
            })
            .unwrap_err();
        assert_eq!((error.verdict, error.last), (Verdict::Cancelled, Some("stopped")));
        assert_eq!(site.budgets().retry.granted, 0, "nothing was paid for");
    }
}

/// A key that is new while a policy comes into force gets that policy.
#[test]
fn no_policy_is_lost_on_a_site_that_is_being_made() {
    for round in 0..300 {
        let engine = Engine::builder().build().unwrap();
        let start = Barrier::new(2);
        thread::scope(|scope| {
            scope.spawn(|| {
                start.wait();
                for key in 0..8 {
                    let policy = quick().max_attempts(7).build().unwrap();
                    engine.set_policy(&format!("svc.Get{key}"), policy).unwrap();
                }
            });
            start.wait();
            for key in 0..8 {
                let _made = engine.site(&format!("svc.Get{key}"));
            }
        });
        for key in 0..8 {
            let site = engine.site(&format!("svc.Get{key}"));
            assert_eq!(site.policy().max_attempts(), 7, "round {round}, key {key}");
        }
    }
}

/// Time that goes back changes nothing: no call ends before it started.
#[test]
fn a_clock_that_goes_back_ends_no_call_before_its_start() {
    #[derive(Default)]
    struct Ends(Mutex<Vec<(Nanos, Nanos)>>);
    impl Observer for Ends {
        fn on_success(&self, call: &CallEnded<'_>) {
            self.0.lock().unwrap().push((call.started, call.at));
        }
        fn on_failure(&self, call: &CallEnded<'_>) {
            self.on_success(call);
        }
    }
    let ends = Arc::new(Ends::default());
    let (builder, clock) = testing::engine();
    let engine = builder.observer(Arc::clone(&ends)).build().unwrap();
    for result in [Ok(()), Err("no luck")] {
        clock.set(Nanos::from_secs(100));
        let (_, timeline) = engine.run_with_timeline("svc.Get", |_| {
            clock.set(Nanos::from_secs(90));
            result
        });
        let ended = (Nanos::from_secs(100), timeline.call.ended);
        assert!(ended.0 <= ended.1, "{timeline}");
        assert_eq!(ends.0.lock().unwrap().pop(), Some(ended));
    }
}
