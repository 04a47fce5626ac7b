//! Every rule of precedence, by name.

use super::*;
use crate::notes::Note;

const FOREVER: Nanos = Nanos::NEVER;

#[test]
fn a_first_success_launches_once_and_writes_nothing() {
    let mut bench = Bench::new(policy());
    assert_eq!(launched(bench.start(ms(0), FOREVER, 1)), 0);
    assert_eq!(bench.outcome(0, Outcome::success(), ms(3)), Step::Done(Verdict::Success));
    assert_eq!(bench.answer(), Some(0));
    assert!(bench.notes.as_slice().is_empty());
    assert_eq!(bench.observed(), (1, 0));
}

#[test]
fn a_deadline_that_has_passed_launches_nothing() {
    let mut bench = Bench::new(policy());
    assert_eq!(bench.start(ms(5), ms(5), 1), Step::Done(Verdict::DeadlineExceeded));
    assert_eq!(bench.answer(), None);
    assert_eq!(bench.call.expect("started").attempts(), 0);
}

#[test]
fn success_beats_everything_that_has_not_ended_the_call() {
    // Delivered past the deadline, before anybody noticed it.
    let mut bench = Bench::new(policy());
    let _ = bench.start(ms(0), ms(10), 1);
    assert_eq!(bench.outcome(0, Outcome::success(), ms(50)), Step::Done(Verdict::Success));
    let late = |note: &Note| matches!(note.what, Event::Ended { late: true, .. });
    assert_eq!(bench.notes.as_slice().iter().filter(|note| late(note)).count(), 1);
    assert_eq!(bench.site.counters.get(Counter::Late), 0, "nobody had given it up");
    assert_eq!(bench.observed(), (1, 0), "what it took is what it took");
}

#[test]
fn an_engine_that_stands_aside_cuts_no_attempt_short() {
    for (mode, cut) in [(Mode::Active, true), (Mode::Observe, false), (Mode::Off, false)] {
        let mut policy = policy();
        policy.retry.attempt_timeout = ms(5);
        policy.mode = mode;
        let mut bench = Bench::new(policy);
        let Step::Launch(launch) = bench.start(ms(0), ms(100), 1) else { panic!("a launch") };
        assert_eq!(launch.deadline, if cut { ms(5) } else { ms(100) });
        let _ = bench.time(ms(6));
        assert_eq!(bench.abandoned(), if cut { vec![0] } else { vec![] });
    }
}

#[test]
fn a_success_after_done_changes_nothing_and_is_counted() {
    let mut bench = Bench::new(policy());
    let _ = bench.start(ms(0), ms(10), 1);
    assert_eq!(bench.time(ms(10)), Step::Done(Verdict::DeadlineExceeded));
    assert_eq!(bench.outcome(0, Outcome::success(), ms(11)), Step::Over);
    assert_eq!(bench.site.counters.get(Counter::Late), 1);
    assert_eq!(bench.call.expect("started").verdict(), Some(Verdict::DeadlineExceeded));
}

#[test]
fn cancel_beats_the_deadline_and_every_later_outcome() {
    let mut bench = Bench::new(policy());
    let _ = bench.start(ms(0), ms(10), 1);
    assert_eq!(bench.cancel(ms(20)), Step::Done(Verdict::Cancelled));
    assert_eq!(bench.abandoned(), [0]);
    assert_eq!(bench.outcome(0, Outcome::non_retryable(Class::Server), ms(21)), Step::Over);
}

#[test]
fn shutdown_ends_a_call_that_runs_and_one_that_waits() {
    let mut bench = Bench::new(policy());
    let _ = bench.start(ms(0), FOREVER, 1);
    let Step::Wait(_) = bench.outcome(0, transient(), ms(1)) else { panic!("a backoff") };
    assert_eq!(bench.shutdown(ms(2)), Step::Done(Verdict::Shutdown));
    assert_eq!(bench.answer(), Some(0), "the last real error is kept");
}

#[test]
fn a_failure_past_the_deadline_is_deadline_exceeded_with_the_last_real_error() {
    for outcome in
        [transient(), Outcome::non_retryable(Class::Server), Outcome::abort(), panicked()]
    {
        let mut bench = Bench::new(policy());
        let _ = bench.start(ms(0), ms(10), 1);
        assert_eq!(bench.outcome(0, outcome, ms(10)), Step::Done(Verdict::DeadlineExceeded));
        assert_eq!(bench.answer(), Some(0));
    }
}

#[test]
fn terminal_outcomes_end_the_call_whatever_attempts_are_left() {
    for (outcome, verdict) in [
        (Outcome::non_retryable(Class::Server), Verdict::NonRetryable),
        (Outcome::abort(), Verdict::Aborted),
        (panicked(), Verdict::Panicked),
    ] {
        let mut bench = Bench::new(policy());
        let _ = bench.start(ms(0), FOREVER, 1);
        assert_eq!(bench.outcome(0, outcome, ms(1)), Step::Done(verdict));
    }
}

/// Whichever comes first, the end of an attempt at the deadline or the deadline itself.
#[test]
fn a_timeout_at_the_deadline_hides_no_earlier_failure() {
    let timed_out = || Outcome::retryable(Class::Timeout);
    for told_first in [true, false] {
        let mut bench = Bench::new(policy());
        let _launch = bench.start(ms(0), ms(100), 1);
        let Step::Wait(until) = bench.outcome(0, transient(), ms(5)) else { panic!("no wait") };
        let _launch = bench.time(until);
        if !told_first {
            assert_eq!(bench.time(ms(100)), Step::Done(Verdict::DeadlineExceeded));
        }
        let step = bench.outcome(1, timed_out(), ms(100));
        assert_eq!(step == Step::Done(Verdict::DeadlineExceeded), told_first, "{step:?}");
        assert_eq!(bench.answer(), Some(0), "told first: {told_first}");
    }
    // Where it is all there is, it is the answer; and so is any other failure.
    let mut bench = Bench::new(policy());
    let _launch = bench.start(ms(0), ms(100), 1);
    let _ = bench.outcome(0, timed_out(), ms(100));
    assert_eq!(bench.answer(), Some(0));
}

#[test]
fn a_backoff_that_would_pass_the_deadline_is_not_slept() {
    let mut bench = Bench::new(policy());
    let _ = bench.start(ms(0), ms(15), 1);
    // 10 ms of backoff from 6 ms on would end at 16 ms.
    assert_eq!(bench.outcome(0, transient(), ms(6)), Step::Done(Verdict::DeadlineExceeded));
    let fits = |note: &Note| note.what == Event::WouldNotFit { wait: ms(10) };
    assert!(bench.notes.as_slice().iter().any(fits));
    assert_eq!(grants(&bench.retry_budget), 0, "nothing was paid for it");
}

#[test]
fn retry_after_is_never_shortened() {
    let mut bench = Bench::new(policy());
    let _ = bench.start(ms(0), FOREVER, 1);
    let Step::Wait(until) = bench.outcome(0, transient().backoff(ms(700)), ms(1)) else {
        panic!("a backoff")
    };
    assert!((ms(701)..=ms(772)).contains(&until), "{until}");
    assert_eq!(bench.time(ms(700)), Step::Wait(until));
    assert_eq!(launched(bench.time(until)), 1);
}

#[test]
fn retry_after_beyond_the_limit_or_the_deadline_ends_the_call() {
    let mut bench = Bench::new(policy());
    let _ = bench.start(ms(0), FOREVER, 1);
    let step = bench.outcome(0, transient().backoff(Nanos::from_secs(6)), ms(1));
    assert_eq!(step, Step::Done(Verdict::RetryAfterExceedsDeadline));
    let told = bench.call.expect("started").retry_after().expect("the server's value");
    assert!(told >= Nanos::from_secs(6) && told < Nanos::from_millis(6_001));

    let _ = bench.start(ms(0), ms(500), 1);
    let step = bench.outcome(0, transient().backoff(ms(500)), ms(1));
    assert_eq!(step, Step::Done(Verdict::RetryAfterExceedsDeadline));
}

#[test]
fn retry_after_outranks_the_attempt_limits() {
    let mut one = policy();
    one.retry.max_attempts = 1;
    let mut bench = Bench::new(one);
    let _ = bench.start(ms(0), FOREVER, 1);
    let step = bench.outcome(0, transient().backoff(Nanos::from_secs(60)), ms(1));
    assert_eq!(step, Step::Done(Verdict::RetryAfterExceedsDeadline));
}

#[test]
fn the_class_limit_outranks_the_general_limit_and_the_budget() {
    let mut policy = policy();
    policy.retry.max_attempts = 1;
    policy.retry.per_class[Class::Throttled as usize].max_attempts = 1;
    let mut bench = Bench::with_tokens(policy, 0, 0);
    let _ = bench.start(ms(0), FOREVER, 1);
    let step = bench.outcome(0, Outcome::retryable(Class::Throttled), ms(1));
    assert_eq!(step, Step::Done(Verdict::MaxAttemptsPerClass));
    let _ = bench.start(ms(0), FOREVER, 1);
    assert_eq!(bench.outcome(0, transient(), ms(1)), Step::Done(Verdict::MaxAttempts));
}

#[test]
fn a_denied_retry_returns_the_last_real_error() {
    let mut bench = Bench::with_tokens(policy(), 1, 0);
    let _ = bench.start(ms(0), FOREVER, 1);
    let Step::Wait(until) = bench.outcome(0, transient(), ms(1)) else { panic!("a backoff") };
    assert_eq!(launched(bench.time(until)), 1);
    assert_eq!(bench.outcome(1, transient(), ms(30)), Step::Done(Verdict::BudgetDenied));
    assert_eq!(bench.answer(), Some(1));
    assert_eq!(grants(&bench.retry_budget), 1);
}

#[test]
fn too_many_abandoned_attempts_end_retries() {
    let mut bench = Bench::new(policy());
    (0..9).for_each(|_| bench.site.abandon());
    let _ = bench.start(ms(0), FOREVER, 1);
    assert_eq!(bench.outcome(0, transient(), ms(1)), Step::Done(Verdict::AbandonedLimit));
}

/// Of the failure that is told, as long as it is.
#[test]
fn what_the_server_asked_for_is_told_with_its_failure() {
    let asking = transient().backoff(ms(100));
    let asked = |bench: &Bench| bench.call.as_ref().and_then(Call::retry_after);
    let mut bench = Bench::new(policy());
    let _ = bench.start(ms(0), FOREVER, 1);
    let Step::Wait(until) = bench.outcome(0, asking, ms(1)) else { panic!("a backoff") };
    // Cancelled in the wait, and as the retry runs: the failure is still the 503 that asked.
    let mut cancelled = Bench::new(policy());
    let _ = cancelled.start(ms(0), FOREVER, 1);
    let _ = cancelled.outcome(0, asking, ms(1));
    let _ = cancelled.with(|call, with| call.on_cancel(with, ms(2)));
    assert_eq!((cancelled.answer(), asked(&cancelled)), (Some(0), Some(ms(100))));
    assert_eq!(launched(bench.time(until)), 1);
    assert_eq!(asked(&bench), Some(ms(100)));
    // Another failure says nothing of that kind.
    let _ = bench.outcome(1, transient(), until);
    assert_eq!(asked(&bench), None);
    let _ = bench.with(|call, with| call.on_cancel(with, until));
    assert_eq!((bench.answer(), asked(&bench)), (Some(1), None));
    // A call that was answered is not to be left alone.
    let mut answered = Bench::new(policy());
    let _ = answered.start(ms(0), FOREVER, 1);
    let Step::Wait(until) = answered.outcome(0, asking, ms(1)) else { panic!("a backoff") };
    let _ = answered.time(until);
    assert_eq!(answered.outcome(1, Outcome::success(), until), Step::Done(Verdict::Success));
    assert_eq!(asked(&answered), None);
}

/// Its own attempt, given up just now, is one of them.
#[test]
fn the_ninth_abandoned_attempt_is_the_last_that_is_retried_after() {
    for (others, verdict) in [(7, None), (8, Some(Verdict::AbandonedLimit))] {
        let mut policy = policy();
        policy.retry.attempt_timeout = ms(10);
        let mut bench = Bench::new(policy);
        (0..others).for_each(|_| bench.site.abandon());
        let _ = bench.start(ms(0), FOREVER, 1);
        let step = bench.time(ms(10));
        let ended = match step {
            Step::Done(verdict) => Some(verdict),
            _ => None,
        };
        assert_eq!(ended, verdict, "{others}: {step:?}");
    }
}

#[test]
fn a_refused_primary_ends_the_call() {
    let mut bench = Bench::new(policy());
    let _ = bench.start(ms(0), FOREVER, 1);
    assert_eq!(bench.rejected(0, ms(0)), Step::Done(Verdict::ExecutorRejected));
    assert_eq!(bench.rejected(0, ms(0)), Step::Over);
}

#[test]
fn a_call_inside_another_that_retries_does_not() {
    let mut bench = Bench::new(policy());
    bench.rules.retries = false;
    let _ = bench.start(ms(0), FOREVER, 1);
    assert_eq!(bench.outcome(0, transient(), ms(1)), Step::Done(Verdict::MaxAttempts));
}

#[test]
fn observe_makes_one_attempt_and_says_what_it_would_have_done() {
    let mut policy = hedging();
    policy.mode = Mode::Observe;
    let mut bench = Bench::new(policy);
    let _ = bench.start(ms(0), FOREVER, 1);
    assert_eq!(bench.time(ms(20)), Step::Wait(Nanos::from_secs(30)));
    assert_eq!(bench.outcome(0, transient(), ms(30)), Step::Done(Verdict::MaxAttempts));
    let would_have: Vec<_> = bench
        .notes
        .as_slice()
        .iter()
        .filter_map(|note| match note.what {
            Event::WouldHave { kind } => Some(kind),
            _ => None,
        })
        .collect();
    assert_eq!(would_have, [AttemptKind::Hedge, AttemptKind::Retry]);
    assert_eq!(grants(&bench.retry_budget) + grants(&bench.hedge_budget), 0);
}

#[test]
fn an_attempt_timeout_is_retried_only_where_repeating_is_safe() {
    let mut short = policy();
    short.retry.attempt_timeout = ms(10);
    let mut bench = Bench::new(short.clone());
    let _ = bench.start(ms(0), FOREVER, 1);
    assert_eq!(bench.time(ms(9)), Step::Wait(ms(10)));
    assert_eq!(bench.time(ms(10)), Step::Wait(ms(20)), "a backoff of 10 ms");
    assert_eq!(bench.abandoned(), [0]);

    let mut bench = Bench::new(short);
    bench.rules.idempotent = Idempotent::No;
    let _ = bench.start(ms(0), FOREVER, 1);
    assert_eq!(bench.time(ms(10)), Step::Done(Verdict::NonRetryable));
    assert_eq!(bench.answer(), None, "there is no real error to return");
}

#[test]
fn a_late_success_of_an_earlier_group_wins() {
    let mut policy = policy();
    policy.retry.attempt_timeout = ms(10);
    let mut bench = Bench::new(policy);
    let _ = bench.start(ms(0), FOREVER, 1);
    let _ = bench.time(ms(10));
    assert_eq!(launched(bench.time(ms(20))), 1);
    assert_eq!(bench.outcome(0, Outcome::success(), ms(25)), Step::Done(Verdict::Success));
    assert_eq!(bench.answer(), Some(0));
    assert_eq!(bench.abandoned(), [1]);
    // Both primaries were observed once, at the age at which they were given up.
    assert_eq!(bench.observed(), (0, 2));
}

#[test]
fn a_late_failure_settles_nothing() {
    let mut policy = policy();
    policy.retry.attempt_timeout = ms(10);
    let mut bench = Bench::new(policy);
    let _ = bench.start(ms(0), FOREVER, 1);
    let _ = bench.time(ms(10));
    assert_eq!(launched(bench.time(ms(20))), 1);
    let step = bench.outcome(0, Outcome::non_retryable(Class::Server), ms(25));
    assert_eq!(step, Step::Wait(ms(30)), "attempt 1 goes on until its own timeout");
    assert_eq!(bench.site.counters.get(Counter::Late), 1);
}

#[test]
fn the_backoff_of_a_class_is_its_own() {
    let mut policy = policy();
    policy.retry.per_class[Class::Throttled as usize].initial_backoff = ms(100);
    let mut bench = Bench::new(policy);
    let _ = bench.start(ms(0), FOREVER, 1);
    let step = bench.outcome(0, Outcome::retryable(Class::Throttled), ms(1));
    assert_eq!(step, Step::Wait(ms(101)));
}

#[test]
fn a_rejected_attempt_hides_neither_a_failure_nor_the_deadline() {
    let mut patient = hedging();
    patient.hedge.cancel_on_first_terminal = false;
    let mut bench = Bench::new(patient);
    let _ = bench.start(ms(0), FOREVER, 1);
    assert_eq!(launched(bench.time(ms(20))), 1);
    let _ = bench.outcome(1, Outcome::non_retryable(Class::Server), ms(21));
    assert_eq!(bench.rejected(0, ms(22)), Step::Done(Verdict::NonRetryable));

    let mut bench = Bench::new(policy());
    let _ = bench.start(ms(0), ms(10), 1);
    assert_eq!(bench.rejected(0, ms(10)), Step::Done(Verdict::DeadlineExceeded));
}
