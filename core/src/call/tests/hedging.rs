//! Hedging: who launches when, who wins, who is asked to stop.

use super::*;
use crate::notes::{CallFacts, MAX_NOTES, Timeline};

const FOREVER: Nanos = Nanos::NEVER;

fn armed() -> Bench {
    let mut bench = Bench::new(hedging());
    assert_eq!(launched(bench.start(ms(0), FOREVER, 1)), 0);
    assert_eq!(bench.time(ms(0)), Step::Wait(ms(20)));
    bench
}

fn two_in_flight() -> Bench {
    let mut bench = armed();
    assert_eq!(launched(bench.time(ms(20))), 1);
    bench
}

#[test]
fn a_hedge_fires_one_delay_after_the_last_attempt_and_one_at_a_time() {
    let mut policy = hedging();
    policy.hedge.max_hedges = 3;
    let mut bench = Bench::new(policy);
    let _ = bench.start(ms(0), FOREVER, 1);
    // Three hedges would have been due by now: one is launched per event.
    assert_eq!(launched(bench.time(ms(100))), 1);
    assert_eq!(bench.time(ms(100)), Step::Wait(ms(120)));
    assert_eq!(launched(bench.time(ms(120))), 2);
    assert_eq!(bench.time(ms(139)), Step::Wait(ms(140)));
    assert_eq!(launched(bench.time(ms(140))), 3);
    assert_eq!(bench.time(ms(500)), Step::Wait(Nanos::from_secs(30)));
}

#[test]
fn the_first_success_wins_and_the_losers_are_asked_to_stop() {
    let mut bench = two_in_flight();
    assert_eq!(bench.outcome(1, Outcome::success(), ms(25)), Step::Done(Verdict::Success));
    assert_eq!((bench.answer(), bench.abandoned()), (Some(1), vec![0]));
    assert_eq!(bench.observed(), (0, 1), "the primary leg is censored at its age");
    assert_eq!(bench.site.counters.wins(AttemptKind::Hedge), 1);
}

#[test]
fn a_failure_never_launches_a_hedge_and_does_not_end_a_group_with_legs() {
    let mut bench = armed();
    assert_eq!(bench.outcome(0, transient(), ms(5)), Step::Wait(ms(15)), "retry rules apply");

    let mut bench = two_in_flight();
    let step = bench.outcome(0, transient(), ms(22));
    assert_eq!(step, Step::Wait(Nanos::from_secs(30)));
    assert_eq!(bench.outcome(1, Outcome::success(), ms(30)), Step::Done(Verdict::Success));
}

#[test]
fn the_first_failed_completion_does_not_win_over_a_healthy_one_in_flight() {
    let mut bench = two_in_flight();
    let _ = bench.outcome(1, transient(), ms(21));
    assert_eq!(bench.outcome(0, Outcome::success(), ms(90)), Step::Done(Verdict::Success));
    assert_eq!(bench.answer(), Some(0));
}

#[test]
fn a_terminal_outcome_ends_the_group_at_once_by_default() {
    let mut bench = two_in_flight();
    let step = bench.outcome(1, Outcome::non_retryable(Class::Server), ms(22));
    assert_eq!(step, Step::Done(Verdict::NonRetryable));
    assert_eq!(bench.abandoned(), [0]);
}

#[test]
fn without_cancel_on_first_terminal_attempts_in_flight_may_still_win() {
    let mut policy = hedging();
    policy.hedge.cancel_on_first_terminal = false;
    policy.hedge.max_hedges = 2;
    let run = |last: Outcome| {
        let mut bench = Bench::new(policy.clone());
        let _ = bench.start(ms(0), FOREVER, 1);
        let _ = bench.time(ms(20));
        let step = bench.outcome(1, Outcome::non_retryable(Class::Server), ms(22));
        assert_eq!(step, Step::Wait(Nanos::from_secs(30)), "no new hedge");
        (bench.outcome(0, last, ms(50)), bench.answer())
    };
    assert_eq!(run(Outcome::success()), (Step::Done(Verdict::Success), Some(0)));
    // NonRetryable outranks Retryable: it speaks for the group.
    assert_eq!(run(transient()), (Step::Done(Verdict::NonRetryable), Some(1)));
    assert_eq!(run(Outcome::abort()), (Step::Done(Verdict::NonRetryable), Some(1)));
}

#[test]
fn a_panic_lets_attempts_in_flight_win() {
    let mut bench = two_in_flight();
    assert_eq!(bench.outcome(1, panicked(), ms(22)), Step::Wait(Nanos::from_secs(30)));
    assert_eq!(bench.outcome(0, Outcome::success(), ms(30)), Step::Done(Verdict::Success));
    let mut bench = two_in_flight();
    let _ = bench.outcome(1, panicked(), ms(22));
    assert_eq!(bench.outcome(0, transient(), ms(30)), Step::Done(Verdict::Panicked));
    assert_eq!(bench.answer(), Some(1));
}

#[test]
fn a_denied_hedge_is_armed_again_and_never_fails_the_call() {
    let mut bench = Bench::with_tokens(hedging(), 10, 0);
    let _ = bench.start(ms(0), FOREVER, 1);
    assert_eq!(bench.time(ms(20)), Step::Wait(ms(40)));
    assert_eq!(bench.time(ms(40)), Step::Wait(ms(60)));
    assert_eq!(bench.skipped(), [HedgeReason::Denied; 2]);
    assert_eq!(bench.observed(), (0, 0), "a denial is not a latency");
    assert_eq!(bench.outcome(0, Outcome::success(), ms(50)), Step::Done(Verdict::Success));
}

#[test]
fn hedges_never_take_from_the_retry_budget() {
    let bench = two_in_flight();
    assert_eq!((grants(&bench.retry_budget), grants(&bench.hedge_budget)), (0, 1));
}

#[test]
fn queueing_is_not_slowness() {
    let mut bench = Bench::new(hedging());
    let _ = bench.start(ms(0), FOREVER, 1);
    bench.queued(0);
    assert_eq!(bench.time(ms(500)), Step::Wait(Nanos::from_secs(30)), "nothing runs yet");
    bench.started(0, ms(600));
    assert_eq!(bench.time(ms(600)), Step::Wait(ms(620)));
    assert_eq!(launched(bench.time(ms(620))), 1);
    bench.queued(1);
    assert_eq!(bench.cancel(ms(700)), Step::Done(Verdict::Cancelled));
    assert_eq!(bench.abandoned(), [0, 1]);
    assert_eq!(bench.observed(), (0, 1), "the hedge is no primary leg");
}

#[test]
fn a_primary_that_never_ran_is_not_observed() {
    let mut bench = Bench::new(hedging());
    let _ = bench.start(ms(0), ms(100), 1);
    bench.queued(0);
    assert_eq!(bench.time(ms(100)), Step::Done(Verdict::DeadlineExceeded));
    assert_eq!(bench.observed(), (0, 0));
}

#[test]
fn no_hedge_near_the_deadline() {
    let mut bench = Bench::new(hedging());
    let deadline = ms(20) + Nanos::from_micros(50);
    let _ = bench.start(ms(0), deadline, 1);
    assert_eq!(bench.time(ms(20)), Step::Wait(deadline));
    assert_eq!(bench.skipped(), [HedgeReason::DeadlineNear]);
}

#[test]
fn a_refused_hedge_is_skipped() {
    let mut bench = two_in_flight();
    assert_eq!(bench.rejected(1, ms(20)), Step::Wait(Nanos::from_secs(30)));
    assert_eq!(bench.skipped(), [HedgeReason::ExecutorRejected]);
    assert_eq!(bench.outcome(0, Outcome::success(), ms(30)), Step::Done(Verdict::Success));
}

#[test]
fn a_hedge_times_out_on_its_own_clock() {
    let mut policy = hedging();
    policy.retry.attempt_timeout = ms(50);
    let mut bench = Bench::new(policy);
    let _ = bench.start(ms(0), FOREVER, 1);
    assert_eq!(launched(bench.time(ms(20))), 1);
    let Step::Wait(until) = bench.time(ms(50)) else { panic!("the hedge is alive") };
    assert_eq!(bench.abandoned(), [0]);
    assert!((ms(70)..ms(71)).contains(&until), "{until}");
}

#[test]
fn a_driver_that_cannot_hedge_does_not() {
    let mut bench = Bench::new(hedging());
    bench.rules.no_hedging = Some(HedgeReason::NoExecutor);
    let _ = bench.start(ms(0), FOREVER, 1);
    assert_eq!(bench.time(ms(500)), Step::Wait(Nanos::from_secs(30)));
}

#[test]
fn waits_of_a_group_are_the_longest_of_its_legs() {
    let mut bench = two_in_flight();
    let _ = bench.outcome(0, transient().backoff(ms(300)), ms(22));
    let Step::Wait(until) = bench.outcome(1, transient().backoff(ms(40)), ms(30)) else {
        panic!("a backoff")
    };
    assert!(until >= ms(330), "{until}");
}

#[test]
fn a_call_that_is_not_declared_idempotent_is_not_hedged() {
    for said in [Idempotent::No, Idempotent::Unset] {
        let mut bench = Bench::new(hedging());
        bench.rules.idempotent = said;
        let _ = bench.start(ms(0), FOREVER, 1);
        assert_eq!(bench.time(ms(100)), Step::Wait(Nanos::from_secs(30)));
        assert_eq!(bench.skipped(), [HedgeReason::NotIdempotent]);
        // Another group of the same call is not told of again.
        let Step::Wait(until) = bench.outcome(0, transient(), ms(200)) else { panic!("a backoff") };
        assert_eq!(launched(bench.time(until)), 1);
        assert_eq!(bench.skipped(), [HedgeReason::NotIdempotent]);
    }
}

/// To the nanosecond, however long its primary has run.
#[test]
fn a_hedges_time_is_counted_from_its_own_start() {
    let mut policy = hedging();
    policy.retry.overall_timeout = Nanos::NEVER;
    policy.retry.attempt_timeout = Nanos::from_secs(30);
    for late in [Nanos::from_nanos(1), Nanos::from_secs(5_000), Nanos::from_secs(1 << 32)] {
        let mut bench = Bench::new(policy.clone());
        let _ = bench.start(ms(0), FOREVER, 1);
        assert_eq!(launched(bench.time(ms(20))), 1);
        bench.with(|call, _| {
            call.on_queued(AttemptId::new(0));
            call.on_queued(AttemptId::new(1));
        });
        let at = ms(20) + late;
        bench.with(|call, _| call.on_started(AttemptId::new(1), at));
        assert_eq!(bench.time(at), Step::Wait(at + Nanos::from_secs(30)), "{late:?}");
        assert!(bench.abandoned().is_empty());
    }
}

/// Refused again and again, and then as much as can happen: every attempt is paid for, given up, and
/// ends late. The notes have room for all but the refusals.
#[test]
fn of_the_longest_call_there_is_no_attempt_is_left_out() {
    let mut policy = hedging();
    policy.retry.max_attempts = 10;
    policy.retry.attempt_timeout = ms(100);
    policy.retry.overall_timeout = Nanos::from_secs(1_000);
    policy.hedge.max_hedges = 3;
    let mut bench = Bench::new(policy);
    let mut step = bench.start(ms(0), FOREVER, 1);
    for at in 0..1_000 {
        let reason = HedgeReason::Denied;
        bench.notes.push(Nanos::from_nanos(at), Event::HedgeSkipped { reason });
    }
    let dropped = bench.notes.dropped();
    let mut now = ms(0);
    let verdict = loop {
        step = match step {
            Step::Wait(until) => {
                now = until;
                bench.time(now)
            }
            Step::Launch(_) => bench.time(now),
            Step::Done(verdict) => break verdict,
            Step::Over => panic!("it has not been told how"),
        };
        for late in bench.abandoned() {
            if let Step::Wait(_) = step {
                step = bench.outcome(late, transient(), now);
            } else {
                let _ = bench.outcome(late, transient(), now);
            }
        }
    };
    assert_eq!((verdict, bench.notes.dropped()), (Verdict::MaxAttempts, dropped));
    let mut facts = CallFacts::new("svc.Get", ms(0), now, verdict);
    facts.attempts = 40;
    let attempts = Timeline::new(facts, Vec::new(), &bench.notes).attempts();
    let numbers: Vec<u8> = attempts.iter().map(|record| record.attempt.get()).collect();
    assert_eq!(numbers, (0..40).collect::<Vec<_>>());
    assert!(attempts.iter().all(|record| record.ended.is_some() && record.outcome.is_some()));
    assert!(attempts[..36].iter().all(|record| record.late), "{attempts:?}");
    assert!(bench.notes.as_slice().len() <= MAX_NOTES);
}
