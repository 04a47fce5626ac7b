//! Defects seen in libraries of this kind, each as a test that fails on the defective behaviour.
//! Those whose home is a room are tested there; what a user would notice is tested here.
//!
//! | defect | here | in the rooms |
//! |---|---|---|
//! | a lost wake-up hangs a failing call | `tests/stress.rs` | `flight/tests.rs`, `loom-tests/tests/flight.rs` |
//! | losers are not recorded, so a percentile hedges everything | – | `latency/tests/studies.rs`: `delivered_load_equals_configured_load`; `call/tests/invariants.rs`: each leg is observed once |
//! | one sample is enough to hedge | [`cold`] | `hedge/tests.rs`: `one_sample_is_not_enough` |
//! | three hedges at once | [`spacing`] | `call/tests/hedging.rs`: `a_hedge_fires_one_delay_after_the_last_attempt_and_one_at_a_time` |
//! | a denied hedge kills a healthy call | [`denied_hedge`] | `call/tests/hedging.rs`: `a_denied_hedge_is_armed_again_and_never_fails_the_call` |
//! | attaching an observer changes the error | `tests/watching.rs` | – |
//! | requests that are not idempotent are retried | [`post`] | `classify/tests.rs` |
//! | Retry-After is ignored, cut or unread | [`retry_after`] | `classify/tests.rs`, `call/tests/precedence.rs` |
//! | clamps leave no trace | [`clamps`] | `policy/tests.rs`: `every_clamp_leaves_a_trace`, `limits_hold_for_features_that_are_off` |
//! | maps keyed by call site grow for ever | `tests/bad_input.rs`: `a_million_keys_share_the_room_of_a_thousand` | `registry.rs` |
//! | budgets: truncation, over-issue, refunds above the cap | [`budgets`] | `budget/tests.rs`, `budget/token.rs`: `every_per_cent_is_kept` |
//! | the first failed completion wins | [`first_failure`] | `call/tests/hedging.rs`: `the_first_failed_completion_does_not_win_over_a_healthy_one_in_flight` |
//! | losers run on, winners are cancelled | [`losers`] | `call/tests/hedging.rs` |
//! | a cold percentile is 0, an idle one goes back to it | [`cold`] | `hedge/tests.rs`: `cold_never_zero`; `latency/tests/studies.rs`: `idle_keeps_the_last_estimate` |
//! | backoff sleeps past the deadline, passes its maximum, overflows | [`backoff`] | `backoff/tests.rs` |
//! | a panic in a callback goes too far | [`panics`], `tests/bad_input.rs` | `classify/tests.rs`, `drive/cancel.rs` |
//! | cancelled timers keep memory until due | – | `timer/tests.rs`: `the_dead_do_not_pile_up_until_they_are_due` |
//! | latency is measured with a clock that goes back | [`clock`] | `budget/health.rs`, `timer/tests.rs` |
//!
//! Identical jitter in forked children is tested in `drive/seed.rs`.
#![expect(clippy::disallowed_types, reason = "counters of the test's own")]
#![expect(clippy::disallowed_methods, reason = "real threads are part of the test")]

use std::{
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, SystemTime},
};

use rego::{
    Budget, CallSite, CancelReason, Class, Completion, Engine, EngineBuilder, HedgeReason, Jitter,
    ManualClock, Method, Nanos, Outcome, Policy, PolicyBuilder, Reason, Timeline, Verdict,
    testing::{self, Script, expect},
};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn hedged(after: Duration) -> PolicyBuilder {
    Policy::builder().idempotent(true).hedge_after(after).hedge_budget("unlimited")
}

/// A site of an engine that does not sleep.
fn site(policy: PolicyBuilder) -> CallSite {
    build(testing::engine().0, policy)
}

/// A site of an engine that races on real threads.
fn racing(policy: PolicyBuilder) -> CallSite {
    build(Engine::builder().executor(testing::threads), policy)
}

fn build(builder: EngineBuilder, policy: PolicyBuilder) -> CallSite {
    let policy = policy.build().expect("a policy of a test");
    let builder = builder.ignore_environment().policy("svc.Get", policy);
    builder.build().expect("nothing is missing").site("svc.Get")
}

/// Moves the clock on by `step` whenever somebody waits for it, until the call ends.
fn drive<T>(clock: &ManualClock, step: Duration, call: thread::JoinHandle<T>) -> T {
    while !call.is_finished() {
        if clock.waiting() > 0 {
            clock.advance(step.into());
        }
        thread::yield_now();
    }
    call.join().expect("no panic")
}

/// A quantile is asked of a site that has seen nothing, or one call.
mod cold {
    use super::*;

    fn hedge_launched_after(calls_before: u32) -> Duration {
        let clock = ManualClock::new();
        let builder = Engine::builder().clock(clock.clone()).executor(testing::threads);
        let policy = Policy::builder()
            .idempotent(true)
            .hedge_quantile(0.95)
            .hedge_delay(ms(40))
            .hedge_budget("unlimited");
        let site = build(builder, policy);
        for _ in 0..calls_before {
            assert!(site.run(|_| Ok::<_, io::Error>(())).is_ok(), "in no time at all");
        }
        // A day of silence: an empty window is no reason to forget.
        clock.advance(Nanos::from_secs(86_400));
        let script = Script::new().hang("asked to stop").succeed_with(());
        let op = script.op();
        let call = thread::spawn(move || site.call().race_with_timeline(op));
        let (result, timeline) = drive(&clock, ms(1), call);
        assert!(result.is_ok(), "{timeline}");
        expect(&timeline).attempts(2).hedges(1).answered_by(1);
        let [primary, hedge] = timeline.attempts()[..] else { panic!("two: {timeline}") };
        (hedge.queued - primary.started).to_duration()
    }

    #[test]
    fn a_cold_percentile_waits_for_the_fixed_delay_and_is_never_zero() {
        assert!(hedge_launched_after(0) >= ms(40));
    }

    #[test]
    fn one_sample_is_not_enough_to_hedge_by() {
        assert!(hedge_launched_after(1) >= ms(40));
    }
}

/// Three hedges within ten microseconds.
mod spacing {
    use super::*;

    #[test]
    fn each_hedge_comes_one_delay_after_the_last() {
        let site = racing(hedged(ms(2)).max_hedges(3));
        let script =
            Script::new().hang("primary").hang("hedge 1").hang("hedge 2").succeed_with("hedge 3");
        let (result, timeline) = site.call().race_with_timeline(script.op());
        assert_eq!(result, Ok("hedge 3"));
        expect(&timeline).attempts(4).hedges(3).answered_by(3);
        let launched: Vec<Nanos> = timeline.attempts().iter().map(|record| record.queued).collect();
        for pair in launched.windows(2) {
            assert!(pair[1] - pair[0] >= Nanos::from_millis(2), "{timeline}");
        }
    }
}

/// A hedge is denied by its budget, and the call fails with that denial though its primary is well.
mod denied_hedge {
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
        assert!(
            timeline.hedges_skipped().all(|reason| reason == HedgeReason::Denied),
            "{timeline}"
        );
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
}

/// A POST is sent again after a timeout; so is every HTTP error inside a wrapper, and a 501.
mod post {
    use super::*;

    fn attempts(facts: Completion) -> (u32, Reason) {
        let site =
            site(Policy::http().attempt_timeout(ms(100)).initial_backoff(ms(1)).max_attempts(2));
        let script = Script::<(), _>::new()
            .fail("as reported")
            .reporting(facts)
            .fail("as reported")
            .reporting(facts);
        let (result, timeline) = site.call().run_with_timeline(script.op());
        let reason = timeline.attempts()[0].outcome.expect("it ended").reason;
        (result.expect_err("it fails").attempts, reason)
    }

    #[test]
    fn a_post_is_not_sent_again_after_a_timeout() {
        let timeout = Completion::timeout();
        assert_eq!(attempts(timeout).0, 2, "without a method, wrapping it is the consent");
        let post = timeout.method(Method::Post);
        assert_eq!(attempts(post), (1, Reason::HttpNonIdempotent));
        let keyed = post.with_idempotency_key();
        assert_eq!(attempts(keyed).0, 2, "the server tells doubles apart");
        let get = timeout.method(Method::Get);
        assert_eq!(attempts(get).0, 2);
    }

    #[test]
    fn what_the_server_will_never_do_is_not_asked_again() {
        for status in [501, 505, 400, 404] {
            assert_eq!(attempts(Completion::http(status)), (1, Reason::HttpNonRetryableStatus));
        }
        assert_eq!(attempts(Completion::http(502)).0, 2);
    }

    #[test]
    fn an_error_inside_another_is_judged_by_what_it_is() {
        #[derive(Debug)]
        struct Wrapped(io::Error);
        impl std::fmt::Display for Wrapped {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("the request failed")
            }
        }
        impl std::error::Error for Wrapped {
            fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
                Some(&self.0)
            }
        }
        let site = site(Policy::http().max_attempts(2));
        let mut attempts = 0;
        let result = site.run(|attempt| {
            attempts += 1;
            let error = Wrapped(io::ErrorKind::PermissionDenied.into());
            attempt.report(Completion::from_error(&error));
            Err::<(), _>(error)
        });
        assert_eq!(result.expect_err("it fails").verdict, Verdict::NonRetryable);
        assert_eq!(attempts, 1);
    }
}

/// Retry-After on a 503 is ignored; seven seconds are cut to the policy's 250 ms.
mod retry_after {
    use super::*;

    fn busy(wait: Duration) -> Completion {
        Completion::http(503).retry_after(wait.into())
    }

    #[test]
    fn seven_seconds_are_seven_seconds() {
        let policy = Policy::http().max_backoff(ms(250)).max_retry_after(ms(10_000));
        let site = site(policy.overall_timeout(ms(60_000)));
        let script = Script::new().fail("busy").reporting(busy(ms(7_000))).succeed_with(());
        let (result, timeline) = site.call().run_with_timeline(script.op());
        assert!(result.is_ok());
        let waited = timeline.attempts()[1].backoff.to_duration();
        assert!(
            (ms(7_000)..=ms(7_700)).contains(&waited),
            "never sooner, spread by a tenth: {timeline}"
        );
    }

    #[test]
    fn a_date_is_read_as_well() {
        let (date, until) = ("Wed, 21 Oct 2015 07:28:00 GMT", "Wed, 21 Oct 2015 07:28:07 GMT");
        let facts =
            Completion::http_with_headers(503, "GET", Some(until), Some(date), SystemTime::now());
        let site = site(Policy::http().max_retry_after(ms(10_000)).overall_timeout(ms(60_000)));
        let script = Script::new().fail("busy").reporting(facts).succeed_with(());
        let (result, timeline) = site.call().run_with_timeline(script.op());
        assert!(result.is_ok());
        assert!(timeline.attempts()[1].backoff >= Nanos::from_secs(7), "{timeline}");
    }

    #[test]
    fn what_is_too_long_is_handed_to_the_caller() {
        let site = site(Policy::http().max_retry_after(ms(5_000)).overall_timeout(ms(60_000)));
        let script = Script::<(), _>::new().fail("busy").reporting(busy(ms(7_000)));
        let error = site.run(script.op()).expect_err("too long");
        assert_eq!(error.verdict, Verdict::RetryAfterExceedsDeadline);
        assert!(error.retry_after >= Some(ms(7_000)), "{error:?}");
        assert_eq!((error.attempts, error.last), (1, Some("busy")));
    }
}

/// A number out of its range is changed in silence, or only where another feature is on.
mod clamps {
    use super::*;

    #[test]
    fn every_clamp_is_in_the_timeline() {
        // No hedging: the limits of its numbers hold all the same.
        let policy = Policy::builder().max_attempts(12).hedge_delay(Duration::from_micros(60));
        let site = site(policy);
        let (_, timeline) = site.call().run_with_timeline(|_| Ok::<_, io::Error>(()));
        assert_eq!(timeline.attribute("policy_normalized"), Some("true"), "{timeline}");
        let fields = timeline.attribute("policy_clamped_fields").expect("there are some");
        assert_eq!(fields, "retry.max_attempts,hedge.delay");
        assert_eq!(site.policy().max_attempts(), 10);
    }
}

/// Budgets: 51 to 99 % mean 100 %; two threads pass one check; a refund lifts the balance over its
/// cap.
mod budgets {
    use super::*;

    #[test]
    fn three_quarters_are_not_the_whole() {
        const EACH: u32 = 1_000;
        let (builder, clock) = testing::engine();
        let budget = Budget::ratio(0.75).min_per_sec(0.0).cap(1_000);
        let policy = Policy::builder().max_attempts(2).retry_budget("b").initial_backoff(ms(1));
        let site = build(builder.budget("b", budget), policy);
        let mut extra = 0;
        for _ in 0..EACH {
            clock.advance(Nanos::from_millis(1));
            assert!(site.run(|_| Ok::<_, io::Error>(())).is_ok());
            let _ = site.run(|attempt| {
                extra += u32::from(attempt.number() > 0);
                Err::<(), _>("down")
            });
        }
        // The start of 5 besides.
        let bound = EACH * 75 / 100 + 5;
        assert!(extra <= bound, "{extra} extra attempts for {EACH} successes at 75 %");
        assert!(extra > bound - 50, "{extra} extra attempts: a budget that is there is spent");
    }

    #[test]
    fn concurrent_retries_are_never_more_than_the_reservation_allows() {
        let most = Arc::new((AtomicU32::new(0), AtomicU32::new(0)));
        let builder = Engine::builder().budget("two", Budget::concurrency(2));
        let policy = Policy::builder()
            .max_attempts(3)
            .retry_budget("two")
            .initial_backoff(Duration::from_micros(10))
            .max_backoff(Duration::from_micros(10));
        let site = build(builder, policy);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        let _ = site.run(|attempt| {
                            if attempt.number() > 0 {
                                let now = most.0.fetch_add(1, Ordering::SeqCst) + 1;
                                most.1.fetch_max(now, Ordering::SeqCst);
                                thread::yield_now();
                                most.0.fetch_sub(1, Ordering::SeqCst);
                            }
                            Err::<(), _>("down")
                        });
                    }
                });
            }
        });
        let most = most.1.load(Ordering::SeqCst);
        assert!((1..=2).contains(&most), "{most} retries at once");
    }
}

/// The first completion wins, though it is a failure and a healthy attempt is in flight.
mod first_failure {
    use super::*;

    /// What the defective ones do: whatever comes first out of the channel is the answer.
    fn twin(
        attempts: Vec<Box<dyn FnOnce() -> Result<u32, &'static str> + Send>>,
    ) -> Result<u32, &'static str> {
        let (tell, told) = mpsc::channel();
        for attempt in attempts {
            let tell = tell.clone();
            thread::spawn(move || tell.send(attempt()));
        }
        told.recv().expect("somebody answers")
    }

    #[test]
    fn a_failed_hedge_does_not_win_over_a_healthy_primary() {
        let (failed, wait) = mpsc::channel::<()>();
        let slow = move || {
            let _ = wait.recv();
            Ok(0)
        };
        let fails = || Err("reset");
        assert_eq!(twin(vec![Box::new(slow), Box::new(fails)]), Err("reset"), "the defect");
        drop(failed);

        let site = racing(hedged(ms(1)));
        let (failed, wait) = mpsc::channel::<()>();
        let (failed, wait) = (Mutex::new(failed), Mutex::new(wait));
        let (result, timeline) = site.call().race_with_timeline(move |attempt| {
            if attempt.is_hedge() {
                failed.lock().expect("not poisoned").send(()).expect("the primary waits");
                return Err("reset");
            }
            wait.lock().expect("not poisoned").recv().expect("the hedge fails");
            // The hedge's failure is on its way, and given all the time it wants.
            thread::sleep(ms(20));
            Ok(attempt.number())
        });
        assert_eq!(result, Ok(0), "{timeline}");
        expect(&timeline).verdict(Verdict::Success).attempts(2).hedges(1).answered_by(0);
    }
}

/// Losers run on after the call, with nobody telling them; or the winner is cancelled with them.
mod losers {
    use super::*;

    #[test]
    fn losers_are_asked_to_stop_and_the_winner_is_not() {
        let site = racing(hedged(ms(1)));
        let (tell, told) = mpsc::channel();
        let tell = Mutex::new(tell);
        let (result, timeline) = site.call().race_with_timeline(move |attempt| {
            let tell = tell.lock().expect("not poisoned").clone();
            let (number, hedge) = (attempt.number(), attempt.is_hedge());
            let stopped = Arc::new(AtomicBool::new(false));
            let stop = Arc::clone(&stopped);
            let hook = attempt.on_cancel(move || {
                let _ = tell.send(number);
                stop.store(true, Ordering::SeqCst);
            });
            // Not until it is asked, but until the hook has run: one whose guard is dropped between
            // the two is taken back.
            while !hedge && !stopped.load(Ordering::SeqCst) {
                thread::yield_now();
            }
            // The winner's body: it is used after the call, and its hook with it.
            Ok::<_, io::Error>((number, hook))
        });
        let (winner, hook) = result.expect("the hedge answers");
        assert_eq!(winner, 1);
        assert_eq!(told.recv(), Ok(0), "the loser is told");
        expect(&timeline).cancelled(0, CancelReason::LostRace);
        while site.abandoned() > 0 {
            thread::yield_now();
        }
        drop(hook);
        assert!(told.try_recv().is_err(), "the winner is not");
    }
}

/// Backoff that sleeps past the deadline, jitter above the maximum, an overflow at a high index.
mod backoff {
    use super::*;

    /// What the defective ones do: doubled by shifting, jittered upwards, slept whatever is left.
    fn twin(initial: u64, retry: u32, random: u64) -> u64 {
        let wait = initial.wrapping_shl(retry);
        wait + random % wait.max(1)
    }

    fn runs(policy: &PolicyBuilder) -> impl Iterator<Item = (Policy, Timeline)> {
        let policy = policy.build().expect("a policy of a test");
        (0..200).map(move |seed| {
            let (builder, _clock) = testing::engine();
            let site = builder
                .seed(seed)
                .policy("svc.Get", policy.clone())
                .build()
                .expect("nothing is missing")
                .site("svc.Get");
            let script = Script::<(), _>::new().fail_times(10, "down");
            (policy.clone(), site.call().run_with_timeline(script.op()).1)
        })
    }

    #[test]
    fn no_backoff_is_above_its_maximum_or_past_the_deadline() {
        assert!(twin(100, 3, 750) > 800, "the defect: above a maximum of 800");
        assert!(twin(100, 66, 0) < 800, "the defect: an overflow makes it short again");
        for jitter in [Jitter::None, Jitter::Full, Jitter::Equal, Jitter::Decorrelated] {
            let policy = Policy::exponential(ms(10), ms(80))
                .jitter(jitter)
                .max_attempts(10)
                .retry_budget("unlimited")
                .overall_timeout(ms(300));
            for (policy, timeline) in runs(&policy) {
                let deadline = timeline.call.started + Nanos::from_millis(300);
                for attempt in timeline.attempts() {
                    assert!(attempt.backoff.to_duration() <= policy.max_backoff(), "{timeline}");
                    assert!(attempt.started < deadline, "{timeline}");
                }
                assert!(
                    timeline.call.ended < deadline,
                    "what does not fit is not slept: {timeline}"
                );
            }
        }
    }

    #[test]
    fn a_backoff_grows_to_its_maximum_and_stays_there() {
        let policy = Policy::exponential(ms(1_000), ms(30_000))
            .multiplier(10.0)
            .jitter(Jitter::None)
            .max_attempts(10)
            .retry_budget("unlimited")
            .no_overall_timeout();
        for (_, timeline) in runs(&policy).take(1) {
            let mut expected = vec![ms(1_000), ms(10_000)];
            expected.resize(9, ms(30_000));
            expect(&timeline).attempts(10).backoffs(&expected);
        }
    }
}

/// A panic in a callback ends the program, or leaves a lock poisoned for all calls to come.
mod panics {
    use super::*;

    #[test]
    fn a_panic_of_one_call_does_not_touch_the_next() {
        let workers = rego::Workers::new(8);
        let builder = Engine::builder().executor(workers.clone());
        let site = build(builder, Policy::builder().max_attempts(2).initial_backoff(ms(1)));
        thread::scope(|scope| {
            let donated = workers.worker();
            scope.spawn(move || donated.run());
            for _ in 0..20 {
                let panic = std::panic::catch_unwind(|| {
                    site.race(|_| -> Result<(), ()> {
                        std::panic::resume_unwind(Box::new("the operation's own"))
                    })
                });
                let payload = panic.expect_err("it goes on at the caller");
                assert_eq!(payload.downcast_ref(), Some(&"the operation's own"));
                assert_eq!(site.race(|_| Ok::<_, io::Error>(7)).expect("the next call"), 7);
            }
            workers.close();
        });
        assert_eq!((site.in_flight(), site.abandoned()), (0, 0));
    }
}

/// Latencies come from a wall clock, and one that is set back makes them huge.
mod clock {
    use super::*;

    #[test]
    fn a_clock_that_goes_back_gives_no_latency_below_zero() {
        let (builder, clock) = testing::engine();
        clock.set(Nanos::from_secs(100));
        let site = build(builder, Policy::builder());
        let (result, timeline) = site.call().run_with_timeline(|_| {
            clock.set(Nanos::from_secs(50));
            Ok::<_, io::Error>(())
        });
        assert!(result.is_ok());
        expect(&timeline).verdict(Verdict::Success).took(Duration::ZERO);
        let (_, next) = site.call().run_with_timeline(|attempt| {
            clock.advance(Nanos::from_millis(3));
            attempt.outcome(Outcome::non_retryable(Class::Server));
            Err::<(), _>("no")
        });
        expect(&next).verdict(Verdict::NonRetryable).took(ms(3));
    }
}
