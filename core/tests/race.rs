//! Calls on caller-supplied threads.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "a test may use what it likes"
)]

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use rego::{
    AttemptKind, CancelToken, Clock, Engine, Nanos, Outcome, Policy, PolicyBuilder, Rejected, Task,
    TimerThread, Verdict, Workers,
};

fn threads(task: Task) -> Result<(), Rejected> {
    thread::spawn(move || task.run());
    Ok(())
}

fn hedging(after: Duration) -> PolicyBuilder {
    Policy::builder().idempotent(true).hedge_after(after).hedge_budget("unlimited")
}

fn engine(policy: Policy) -> Engine {
    Engine::builder().policy("svc.Get", policy).executor(threads).build().unwrap()
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[test]
fn a_slow_primary_is_overtaken_and_asked_to_stop() {
    let engine = engine(hedging(ms(20)).build().unwrap());
    let (stopped, told) = mpsc::channel();
    let stopped = std::sync::Mutex::new(stopped);
    let (result, timeline) = engine.site("svc.Get").call().race_with_timeline(move |attempt| {
        if attempt.is_hedge() {
            return Ok::<_, io::Error>("hedge");
        }
        while !attempt.is_cancelled() {
            thread::sleep(ms(1));
        }
        stopped.lock().unwrap().send(attempt.number()).unwrap();
        Ok("primary")
    });
    assert_eq!(result.unwrap(), "hedge");
    assert_eq!(told.recv_timeout(Duration::from_secs(10)).unwrap(), 0);
    let attempts = timeline.attempts();
    assert_eq!(attempts.len(), 2, "{timeline}");
    assert_eq!(attempts[1].kind, AttemptKind::Hedge);
    assert_eq!(attempts[0].cancelled, Some(rego::CancelReason::LostRace), "{timeline}");
}

#[test]
fn no_call_outlives_its_deadline_though_its_attempts_do() {
    let engine = engine(Policy::builder().overall_timeout(ms(30)).build().unwrap());
    let (release, wait) = mpsc::channel::<()>();
    let wait = Arc::new(std::sync::Mutex::new(wait));
    let started = Instant::now();
    let error = engine
        .race("svc.Get", move |_| {
            let _ = wait.lock().unwrap().recv();
            Ok::<_, io::Error>(())
        })
        .unwrap_err();
    assert_eq!(error.verdict, Verdict::DeadlineExceeded);
    assert!(started.elapsed() >= ms(30));
    assert!(started.elapsed() < Duration::from_secs(10), "the caller did not wait for the attempt");
    release.send(()).unwrap();
}

#[test]
fn failures_are_retried_and_the_last_real_error_is_returned() {
    let policy = Policy::builder().max_attempts(3).initial_backoff(ms(1)).build().unwrap();
    let engine = engine(policy);
    let attempts = Arc::new(AtomicU32::new(0));
    let seen = Arc::clone(&attempts);
    let error = engine
        .race("svc.Get", move |attempt| {
            seen.fetch_add(1, Ordering::SeqCst);
            Err::<(), _>(format!("attempt {} failed", attempt.number()))
        })
        .unwrap_err();
    assert_eq!((error.verdict, error.attempts), (Verdict::MaxAttempts, 3));
    assert_eq!(error.last.as_deref(), Some("attempt 2 failed"));
    assert_eq!(attempts.load(Ordering::SeqCst), 3);
}

#[test]
fn a_hedge_that_fails_first_does_not_win_over_a_healthy_primary() {
    let engine = engine(hedging(ms(5)).build().unwrap());
    let answer = engine.race("svc.Get", |attempt| {
        if attempt.is_hedge() {
            return Err(io::Error::from(io::ErrorKind::ConnectionReset));
        }
        thread::sleep(ms(60));
        Ok("primary")
    });
    assert_eq!(answer.unwrap(), "primary");
}

#[test]
fn a_panic_is_resumed_at_the_caller_unless_another_attempt_wins() {
    let engine = engine(hedging(ms(5)).build().unwrap());
    let answer = engine.race("svc.Get", |attempt| {
        assert!(!attempt.is_hedge(), "the hedge panics");
        thread::sleep(ms(60));
        Ok::<_, io::Error>("primary")
    });
    assert_eq!(answer.unwrap(), "primary");
    let panic = std::panic::catch_unwind(|| {
        engine.race("svc.Get", |_| -> Result<(), io::Error> { panic!("told to the caller") })
    });
    let payload = panic.unwrap_err();
    assert_eq!(payload.downcast_ref::<&str>(), Some(&"told to the caller"));
    assert_eq!(
        engine.race("svc.Get", |_| Ok::<_, io::Error>(1)).unwrap(),
        1,
        "the next call works"
    );
}

#[test]
fn a_token_takes_the_call_back() {
    let engine = engine(Policy::builder().build().unwrap());
    let token = CancelToken::new();
    let canceller = token.clone();
    let (entered, enter) = mpsc::sync_channel(1);
    let cancel = thread::spawn(move || {
        enter.recv().unwrap();
        canceller.cancel();
    });
    let error = engine
        .site("svc.Get")
        .call()
        .cancel(&token)
        .race(move |attempt| {
            entered.send(()).unwrap();
            while !attempt.is_cancelled() {
                thread::yield_now();
            }
            Err::<(), _>("stopped")
        })
        .unwrap_err();
    assert_eq!(error.verdict, Verdict::Cancelled);
    cancel.join().unwrap();
}

#[test]
fn an_executor_that_refuses_leaves_the_primary_to_the_caller() {
    let refuse = |_: Task| Err(Rejected);
    let engine = Engine::builder()
        .policy("svc.Get", hedging(ms(1)).build().unwrap())
        .executor(refuse)
        .build()
        .unwrap();
    let caller = thread::current().id();
    let answer = engine.race("svc.Get", move |_| {
        thread::sleep(ms(10));
        Ok::<_, io::Error>(thread::current().id() == caller)
    });
    assert!(answer.unwrap(), "the attempt ran on the caller's thread");
}

#[test]
fn an_executor_may_drop_tasks_late_or_run_them_late() {
    let (keep, kept) = mpsc::channel::<Task>();
    let keep = std::sync::Mutex::new(keep);
    let engine = Engine::builder()
        .policy("svc.Get", Policy::builder().overall_timeout(ms(20)).build().unwrap())
        .executor(move |task: Task| keep.lock().unwrap().send(task).map_err(|_| Rejected))
        .build()
        .unwrap();
    let ran = Arc::new(AtomicU32::new(0));
    for _ in 0..2 {
        let ran = Arc::clone(&ran);
        let error = engine
            .race("svc.Get", move |_| {
                ran.fetch_add(1, Ordering::SeqCst);
                Ok::<_, io::Error>(())
            })
            .unwrap_err();
        assert_eq!((error.verdict, error.attempts), (Verdict::DeadlineExceeded, 1));
    }
    kept.recv().unwrap().run();
    drop(kept.recv().unwrap());
    assert_eq!(ran.load(Ordering::SeqCst), 0, "nobody wants the answer any more");
}

#[test]
fn an_executor_that_runs_tasks_at_once_is_an_executor() {
    let engine = Engine::builder()
        .policy("svc.Get", hedging(ms(5)).initial_backoff(ms(1)).build().unwrap())
        .executor(|task: Task| {
            task.run();
            Ok(())
        })
        .build()
        .unwrap();
    let answer = engine.race("svc.Get", |attempt| {
        if attempt.number() == 0 { Err("first") } else { Ok(attempt.number()) }
    });
    assert_eq!(answer.unwrap(), 1);
}

#[test]
fn a_race_on_a_donated_thread_is_a_run() {
    let workers = Workers::new(8);
    let engine = Engine::builder()
        .policy("svc.Get", hedging(ms(1)).build().unwrap())
        .executor(workers.clone())
        .build()
        .unwrap();
    thread::scope(|scope| {
        let donated = workers.worker();
        scope.spawn(move || donated.run());
        let inner = engine.clone();
        let answer = engine.race("svc.Get", move |_| {
            let here = thread::current().id();
            inner
                .race("svc.Inner", move |_| {
                    assert_eq!(thread::current().id(), here);
                    Ok::<_, io::Error>(3)
                })
                .map_err(|error| error.verdict)
        });
        assert_eq!(answer.unwrap(), 3);
        workers.close();
    });
}

#[test]
fn a_ready_outcome_is_taken_as_it_is() {
    let engine = engine(Policy::builder().max_attempts(5).build().unwrap());
    let error = engine
        .race("svc.Get", |attempt| {
            attempt.outcome(Outcome::abort());
            Err::<(), _>("no")
        })
        .unwrap_err();
    assert_eq!((error.verdict, error.attempts), (Verdict::Aborted, 1));
}

fn inline_first(policy: Policy) -> Engine {
    Engine::builder()
        .policy("svc.Get", policy)
        .executor(threads)
        .inline_first(TimerThread::Own)
        .build()
        .unwrap()
}

#[test]
fn inline_first_runs_the_primary_here_and_the_hedge_there() {
    let engine = inline_first(hedging(ms(20)).build().unwrap());
    let caller = thread::current().id();
    let (result, timeline) = engine.site("svc.Get").call().race_with_timeline(move |attempt| {
        assert_eq!(thread::current().id() == caller, !attempt.is_hedge());
        if attempt.is_hedge() {
            return Ok::<_, io::Error>("hedge");
        }
        let started = Instant::now();
        while !attempt.is_cancelled() && started.elapsed() < Duration::from_secs(20) {
            thread::sleep(ms(1));
        }
        Ok("primary")
    });
    assert_eq!(result.unwrap(), "hedge");
    assert_eq!(timeline.attempts().len(), 2, "{timeline}");
}

#[test]
fn inline_first_retries_on_the_callers_thread() {
    let policy = Policy::builder().max_attempts(3).initial_backoff(ms(1)).build().unwrap();
    let engine = inline_first(policy);
    let caller = thread::current().id();
    let answer = engine.race("svc.Get", move |attempt| {
        assert_eq!(thread::current().id(), caller);
        if attempt.number() < 2 { Err("not yet") } else { Ok(attempt.number()) }
    });
    assert_eq!(answer.unwrap(), 2);
}

#[test]
fn an_executor_that_panics_leaves_the_primary_to_the_caller() {
    let engine = Engine::builder()
        .policy("svc.Get", Policy::builder().build().unwrap())
        .executor(|_: Task| -> Result<(), Rejected> { panic!("no threads today") })
        .build()
        .unwrap();
    assert_eq!(engine.race("svc.Get", |_| Ok::<_, io::Error>(1)).unwrap(), 1);
}

#[test]
fn a_race_ends_no_earlier_than_what_happens_in_it() {
    let readings = AtomicU64::new(1);
    // The executor runs each attempt before the machine has heard of its launch, whose time is a
    // later reading than that of the attempt's end.
    let clock = Clock::host(move || Nanos::from_micros(readings.fetch_add(1, Ordering::SeqCst)));
    let engine = Engine::builder()
        .clock(clock)
        .policy("svc.Get", Policy::constant(Duration::from_micros(10)).build().unwrap())
        .executor(|task: Task| {
            task.run();
            Ok(())
        })
        .build()
        .unwrap();
    for fails in [1, 10] {
        let (_, timeline) = engine.site("svc.Get").call().race_with_timeline(move |attempt| {
            if attempt.number() < fails { Err("not yet") } else { Ok(()) }
        });
        let mut times = timeline.notes.iter().map(|note| note.at).collect::<Vec<_>>();
        assert!(times.len() > 2, "{timeline}");
        times.push(timeline.call.ended);
        assert!(times.is_sorted(), "{times:?}\n{timeline}");
    }
}
