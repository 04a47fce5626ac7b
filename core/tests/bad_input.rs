//! What an engine is given that is wrong: keys, executors, operations, clocks, modes, builders. It
//! says so, or goes on; it never hangs and is never the outage.
#![expect(clippy::disallowed_types, reason = "counters of the test's own")]
#![expect(clippy::disallowed_methods, reason = "real threads are part of the test")]

use std::{
    env, io,
    panic::{catch_unwind, resume_unwind},
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use rego::{
    Attempt, Budget, BudgetDecision, CallEnded, CallStarted, Class, Classifier, Completion,
    Context, Engine, EngineBuilder, Executor, ManualClock, Mode, Nanos, Observer, Outcome, Policy,
    Reason, Rejected, Task, Verdict, Workers,
    testing::{self, Script},
};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn policy() -> Policy {
    Policy::constant(ms(1)).retry_budget("unlimited").build().expect("a policy of a test")
}

fn build(builder: EngineBuilder) -> Engine {
    builder.ignore_environment().build().expect("nothing is missing")
}

fn works(attempt: &Attempt<'_>) -> Result<u32, io::Error> {
    Ok(attempt.number())
}

mod keys {
    use super::*;

    #[test]
    fn what_is_no_key_is_called_under_the_overflow_key() {
        let engine = build(Engine::builder());
        let mega = "k".repeat(1 << 20);
        for key in ["", "  ", "a\0b", "\0", "a\nb", "\u{7f}", &mega] {
            assert_eq!(engine.site(key).key(), rego::OTHER, "{:.20?}", key);
            assert_eq!(engine.run(key, works).expect("it runs all the same"), 0);
        }
        let strange = engine.site("ключ.с пробелом 🦀");
        assert_eq!(strange.key(), "ключ.с пробелом 🦀");
    }

    #[test]
    fn policies_for_what_is_no_key_are_refused_with_the_reason() {
        for (key, told) in [
            ("", "policy for \"\": a key must not be empty"),
            (
                "a\0b",
                "policy for \"a\\0b\": a key must not hold control characters, this one has one at byte 1",
            ),
        ] {
            let error = Engine::builder().policy(key, policy()).build().expect_err("no key");
            assert_eq!(error.to_string(), told);
        }
        let mega = "k".repeat(1 << 20);
        let error = Engine::builder().policy(&mega, policy()).build().expect_err("no key");
        assert!(
            error.to_string().ends_with("a key has at most 256 bytes, this one has 1048576"),
            "{error}"
        );
        assert!(error.to_string().len() < 1_000, "the message does not repeat a megabyte");
    }

    /// Sites are found again, so no more of them are made than the bound says.
    #[test]
    fn a_million_keys_share_the_room_of_a_thousand() {
        let engine = build(Engine::builder());
        let mut own = 0;
        for number in 0..1_000_000 {
            let key = format!("svc.Get{number}");
            assert!(engine.run(&key, works).is_ok());
            own += u32::from(number < 2_000 && engine.site(&key).key() == key);
        }
        assert_eq!(own, 1_024, "keys that are told apart");
        assert_eq!(engine.site("svc.Get0").key(), "svc.Get0", "those that came first stay");
        assert_eq!(engine.site("svc.Get999999").key(), rego::OTHER);
        assert!(format!("{engine:?}").contains("keys: 1024"), "{engine:?}");
    }
}

mod executors {
    use super::*;

    /// Runs a race on a thread of its own and gives up on it after a while: what hangs fails.
    fn race_in_time<T: Send + 'static>(race: impl FnOnce() -> T + Send + 'static) -> T {
        let (tell, told) = mpsc::channel();
        thread::spawn(move || tell.send(race()));
        told.recv_timeout(Duration::from_secs(60)).expect("the call hangs, or panicked")
    }

    #[test]
    fn one_that_panics_refuses() {
        let calls = Arc::new(AtomicU32::new(0));
        let seen = Arc::clone(&calls);
        let executor = move |task: Task| {
            // The first attempt goes to a thread of its own; launching the next one panics there.
            if seen.fetch_add(1, Ordering::SeqCst) > 0 {
                resume_unwind(Box::new("a bad executor"));
            }
            testing::threads(task)
        };
        let engine = build(Engine::builder().policy("svc.Get", policy()).executor(executor));
        let answer = race_in_time(move || {
            let caller = thread::current().id();
            engine.race("svc.Get", move |attempt| match attempt.number() {
                0 => Err("retried"),
                _ => Ok(thread::current().id() == caller),
            })
        });
        assert_eq!(answer, Ok(true), "the refused retry ran on its caller's thread");
        assert_eq!(calls.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn one_that_loses_tasks_costs_the_call_its_deadline_and_no_more() {
        let lose = |task: Task| {
            std::mem::forget(task);
            Ok(())
        };
        let hasty = Policy::builder().overall_timeout(ms(20)).build().expect("a policy of a test");
        let engine = build(Engine::builder().policy("svc.Get", hasty).executor(lose));
        let site = engine.site("svc.Get");
        let error = race_in_time(move || engine.race("svc.Get", works)).expect_err("lost");
        assert_eq!((error.verdict, error.attempts), (Verdict::DeadlineExceeded, 1));
        assert_eq!(site.in_flight(), 0);
    }

    #[test]
    fn one_that_refuses_now_and_then_changes_no_answer() {
        let turn = AtomicU32::new(0);
        let moody = move |task: Task| match turn.fetch_add(1, Ordering::SeqCst) % 3 {
            0 => Err(Rejected),
            1 => testing::threads(task),
            // Dropped, which is a refusal, and told to be accepted.
            _ => {
                drop(task);
                Ok(())
            }
        };
        let engine = build(Engine::builder().policy("svc.Get", policy()).executor(moody));
        for _ in 0..30 {
            let engine = engine.clone();
            let answer = race_in_time(move || {
                engine.race("svc.Get", |attempt| if attempt.number() < 2 { Err(()) } else { Ok(7) })
            });
            assert_eq!(answer.expect("the third attempt works"), 7);
        }
    }

    #[test]
    fn workers_that_are_closed_refuse_and_all_go_home() {
        let workers = Workers::new(2);
        let donated: Vec<_> = (0..8)
            .map(|_| {
                let worker = workers.worker();
                thread::spawn(move || worker.run())
            })
            .collect();
        let engine = build(Engine::builder().executor(workers.clone()));
        // Close while calls keep the queue full.
        let callers: Vec<_> = (0..4)
            .map(|_| {
                let engine = engine.clone();
                thread::spawn(move || {
                    (0..200).all(|_| matches!(engine.race("svc.Get", works), Ok(0)))
                })
            })
            .collect();
        workers.close();
        race_in_time(move || donated.into_iter().for_each(|worker| worker.join().expect("home")));
        for caller in callers {
            assert!(race_in_time(move || caller.join().expect("no panic")), "every call answers");
        }
        assert_eq!(workers.execute(task_of(&engine)), Err(Rejected));
    }

    /// A task to try an executor with.
    fn task_of(_: &Engine) -> Task {
        let (give, take) = mpsc::channel();
        let give = Mutex::new(give);
        let keep =
            move |task: Task| give.lock().expect("not poisoned").send(task).map_err(|_| Rejected);
        let hasty = Policy::builder().overall_timeout(ms(1)).build().expect("a policy of a test");
        let engine = build(Engine::builder().policy("svc.Task", hasty).executor(keep));
        assert!(engine.race("svc.Task", works).is_err(), "nobody runs it");
        take.recv().expect("it was handed over")
    }
}

mod operations {
    use super::*;

    #[test]
    fn a_panic_in_place_reaches_the_caller_and_nothing_is_left_of_it() {
        let (builder, _clock) = testing::engine();
        let engine = build(builder.budget("b", Budget::in_flight(0.0, 1)).policy(
            "svc.Get",
            Policy::builder().retry_budget("b").build().expect("a policy of a test"),
        ));
        let script =
            Script::new().panic("first").fail("no").panic("second").fail("no").succeed_with(1);
        let panic = catch_unwind(|| engine.run("svc.Get", script.op())).expect_err("it panics");
        assert_eq!(panic.downcast_ref::<String>().map(String::as_str), Some("first"));
        let panic =
            catch_unwind(|| engine.run("svc.Get", script.op())).expect_err("a retry panics");
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
}

mod hooks {
    use super::*;

    #[derive(Debug)]
    struct Panics;

    impl Classifier for Panics {
        fn classify(&self, _: &Completion, _: &Context) -> Outcome {
            resume_unwind(Box::new("a bad classifier"))
        }
    }

    #[test]
    fn a_classifier_that_panics_costs_one_decision() {
        let (builder, _clock) = testing::engine();
        let bad = Policy::builder().classifier("bad").build().expect("a policy of a test");
        let engine = build(builder.classifier("bad", Panics).policy("svc.Get", bad));
        for _ in 0..3 {
            let script = Script::<(), _>::new().fail("the real error");
            let (result, timeline) = engine.run_with_timeline("svc.Get", script.op());
            assert_eq!(result.expect_err("it failed").last, Some("the real error"));
            testing::expect(&timeline)
                .verdict(Verdict::NonRetryable)
                .reasons(&[Some(Reason::PanicInClassifier)]);
        }
    }

    struct Deaf;

    impl Observer for Deaf {
        fn on_start(&self, _: &CallStarted<'_>) {
            resume_unwind(Box::new("a bad observer"));
        }

        fn on_failure(&self, _: &CallEnded<'_>) {
            resume_unwind(Box::new("a bad observer"));
        }
    }

    #[test]
    fn an_observer_that_panics_is_counted_and_no_call_notices() {
        let engine = build(
            Engine::builder().policy("svc.Get", policy()).executor(testing::threads).observer(Deaf),
        );
        for _ in 0..5 {
            let error = engine.race("svc.Get", |_| Err::<(), _>("down")).expect_err("it fails");
            assert_eq!((error.verdict, error.attempts), (Verdict::MaxAttempts, 3));
            assert!(engine.run("svc.Get", works).is_ok());
        }
        let metrics = engine.metrics();
        assert!(metrics.contains("rego_observer_panics_total 15"), "{metrics}");
    }

    #[test]
    fn a_cancel_hook_that_panics_is_not_the_calls_affair() {
        let engine = build(
            Engine::builder()
                .policy("svc.Get", Policy::builder().overall_timeout(ms(10)).build().expect("good"))
                .executor(testing::threads),
        );
        let error = engine
            .race("svc.Get", |attempt| {
                let _bad = attempt.on_cancel(|| resume_unwind(Box::new("a bad hook")));
                while !attempt.is_cancelled() {
                    thread::yield_now();
                }
                Err::<(), _>("stopped")
            })
            .expect_err("it runs out of time");
        assert_eq!(error.verdict, Verdict::DeadlineExceeded);
    }
}

mod clocks {
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
        let before =
            timeline.attempts().iter().any(|attempt| attempt.ended < Some(attempt.started));
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
            Engine::builder()
                .clock(clock.clone())
                .policy("svc.Get", hasty)
                .executor(testing::threads),
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
}

mod modes {
    use super::*;

    const CHILD: &str = "REGO_TEST_CHILD";

    /// Runs `test` of this file in a process of its own, with the variable set.
    fn child(test: &str, mode: &str) -> String {
        let program = env::current_exe().expect("this test has a program");
        let output = Command::new(program)
            .args(["--exact", test, "--nocapture"])
            .env(CHILD, "1")
            .env("REGO_MODE", mode)
            .output()
            .expect("the child runs");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr)
    }

    #[test]
    fn the_variable_overrides_the_builder() {
        if env::var(CHILD).is_ok() {
            match Engine::builder().mode(Mode::Active).build() {
                Ok(engine) => println!("mode: {:?}", engine.mode()),
                Err(error) => println!("error: {error}"),
            }
            let mut attempts = 0;
            let _ = rego::run("svc.Get", |_| {
                attempts += 1;
                Err::<(), _>("no")
            });
            println!("attempts: {attempts}");
            return;
        }
        let test = "modes::the_variable_overrides_the_builder";
        for (value, mode, attempts) in [
            ("observe", "mode: Observe", "attempts: 1"),
            (" off ", "mode: Off", "attempts: 1"),
            ("active", "mode: Active", "attempts: 3"),
            (
                "sometimes",
                "error: REGO_MODE=\"sometimes\": it takes active, observe or off",
                "rego: REGO_MODE=\"sometimes\": it takes active, observe or off; going on without it",
            ),
        ] {
            let said = child(test, value);
            assert!(said.contains(mode), "{value}: {said}");
            assert!(said.contains(attempts), "{value}: {said}");
        }
    }

    #[test]
    fn observing_makes_one_attempt_and_tells_of_the_others() {
        let (builder, _clock) = testing::engine();
        let engine = build(builder.mode(Mode::Observe));
        let script = Script::<(), _>::new().fail("no");
        let (_, timeline) = engine.run_with_timeline("svc.Get", script.op());
        testing::expect(&timeline).attempts(1);
        assert!(timeline.to_string().contains("would have launched a retry"), "{timeline}");
        engine.set_mode(Mode::Active);
        let script = Script::new().fail("no").succeed_with(1);
        assert_eq!(engine.run("svc.Get", script.op()), Ok(1));
    }
}

mod builders {
    use super::*;

    #[track_caller]
    fn refused(builder: EngineBuilder, told: &str) {
        let error = builder.ignore_environment().build().expect_err("something is wrong");
        assert_eq!(error.to_string(), told);
    }

    fn with(policy: rego::PolicyBuilder) -> EngineBuilder {
        Engine::builder().policy("svc.Get", policy.build().expect("a policy of a test"))
    }

    #[test]
    fn every_error_has_its_message() {
        refused(
            with(Policy::builder().retry_budget("nope")),
            "policy for \"svc.Get\": there is no budget \"nope\"; define it with \
             `.budget(\"nope\", …)`",
        );
        refused(
            with(Policy::builder().idempotent(true).hedge_after(ms(1)).hedge_budget("nope")),
            "policy for \"svc.Get\": there is no budget \"nope\"; define it with \
             `.budget(\"nope\", …)`",
        );
        refused(
            with(Policy::builder().classifier("nope")),
            "policy for \"svc.Get\": there is no classifier \"nope\"",
        );
        let default = Policy::builder().classifier("nope").build().expect("a policy of a test");
        refused(
            Engine::builder().default_policy(default),
            "policy for \"the default policy\": there is no classifier \"nope\"",
        );
        refused(
            Engine::builder().budget("b", Budget::ratio(f64::NAN)),
            "budget \"b\": ratio: NaN is out of range, it is 0 to 1",
        );
    }
}

#[test]
fn a_denied_retry_returns_the_last_real_error() {
    let (builder, _clock) = testing::engine();
    // One token, which the first call's retry takes.
    let one = Budget::token_bucket(1, 1e-6);
    let engine = build(builder.budget("one", one).policy(
        "svc.Get",
        Policy::builder().retry_budget("one").build().expect("a policy of a test"),
    ));
    assert_eq!(engine.run("svc.Get", Script::new().fail("no").succeed_with(1).op()), Ok(1));
    let script = Script::<(), _>::new()
        .fail("the real error")
        .with_outcome(Outcome::retryable(Class::Transient));
    let (result, timeline) = engine.run_with_timeline("svc.Get", script.op());
    assert_eq!(result.expect_err("denied").last, Some("the real error"));
    testing::expect(&timeline).verdict(Verdict::BudgetDenied).attempts(1);
    assert!(timeline.to_string().contains(BudgetDecision::Denied.label()), "{timeline}");
}
