//! A race whose engine panics: nobody waits for ever, and nothing is lost.

use std::{
    io,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use super::*;
use crate::{
    clock::{Clock, ManualClock, Nanos},
    drive::{
        Attempt, CancelToken, Error, Host, Options,
        tests::{PanicsAt, Yard, bare},
    },
    listener::Listener,
    policy::{Hedge, Idempotent, Jitter, Policy},
    site::Counter,
    sync::Arc as Shared,
    verdict::Verdict,
};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A host whose executor has a thread for each task.
fn staffed(clock: Clock, listener: Option<Arc<dyn Listener>>) -> Arc<Host> {
    let threads = |task: Task| {
        thread::spawn(|| task.run());
        Ok::<_, Rejected>(())
    };
    let mut host = bare(clock, 1, listener);
    Arc::get_mut(&mut host).expect("nobody else has it").executor = Some(Arc::new(threads));
    host
}

fn hedging() -> Policy {
    let mut policy = Policy::default();
    policy.retry.jitter = Jitter::None;
    policy.idempotent = Idempotent::Yes;
    policy.hedge = Hedge { enabled: true, delay: ms(20).into(), ..Hedge::default() };
    policy
}

/// Runs a race whose engine panics at the n-th note, and sees that nothing is left of it.
fn raced(
    note: u64,
    policy: Policy,
    op: impl Fn(&Attempt<'_>) -> Result<u32, io::Error> + Send + Sync + 'static,
) -> Result<u32, Error<io::Error>> {
    let yard = Yard::new(policy);
    let listener = PanicsAt::note(note);
    let host = staffed(Clock::instant(), Some(Arc::clone(&listener) as _));
    let options = Options { within: Some(ms(5_000).into()), ..Options::default() };
    let result = race(&host, &yard.site, &options, op, None);
    assert!(listener.panicked(), "the test tests nothing");
    assert_eq!(yard.site.counters.get(Counter::EnginePanics), 1);
    assert_eq!(yard.site.counters.get(Counter::PassThrough), 1);
    let patience = Instant::now() + ms(10_000);
    while Shared::strong_count(&yard.site) > 1 && Instant::now() < patience {
        thread::sleep(ms(1));
    }
    yard.assert_quiet();
    result
}

#[test]
fn what_is_in_the_air_still_answers() {
    // Note 0 is the hedge's payment, 1 its launch: it is not made, and what it held is given back.
    let result = raced(0, hedging(), |attempt| {
        thread::sleep(if attempt.is_hedge() { ms(3_000) } else { ms(60) });
        Ok(attempt.number())
    });
    assert_eq!(result.expect("the primary's answer"), 0);
}

#[test]
fn a_failure_waits_for_what_else_is_in_the_air() {
    // Note 2 is the primary's failure, told while the hedge runs.
    let result = raced(2, hedging(), |attempt| {
        thread::sleep(if attempt.is_hedge() { ms(200) } else { ms(60) });
        if attempt.is_hedge() { Ok(7) } else { Err(io::ErrorKind::ConnectionReset.into()) }
    });
    assert_eq!(result.expect("the hedge's answer"), 7);
}

#[test]
fn with_nothing_in_the_air_the_last_real_error_is_the_calls() {
    // The first note is the failure of the first attempt.
    let policy = Policy { hedge: Hedge::default(), ..hedging() };
    let result = raced(0, policy, |_| Err(io::ErrorKind::ConnectionReset.into()));
    let error = result.expect_err("nobody tries again");
    assert_eq!((error.verdict, error.attempts), (Verdict::PassThrough, 1));
    assert_eq!(error.last.expect("kept").kind(), io::ErrorKind::ConnectionReset);
}

#[test]
fn the_deadline_holds() {
    let mut policy = hedging();
    policy.retry.overall_timeout = ms(100).into();
    let started = Instant::now();
    let result = raced(0, policy, |attempt| {
        while !attempt.is_cancelled() {
            thread::sleep(ms(1));
        }
        Ok(0)
    });
    assert_eq!(result.expect_err("nothing answers").verdict, Verdict::DeadlineExceeded);
    assert!(started.elapsed() < ms(4_000), "cut at the deadline");
}

#[test]
fn a_panic_of_the_operation_still_reaches_the_caller() {
    let racing = || raced(0, hedging(), |_| panic!("the primary panics"));
    let payload = std::panic::catch_unwind(racing).expect_err("its panic goes on");
    assert_eq!(*payload.downcast_ref::<&str>().expect("text"), "the primary panics");
}

#[test]
fn a_site_whose_engine_panics_again_and_again_makes_plain_attempts() {
    let yard = Yard::new(Policy::default());
    let clock = ManualClock::auto_advance();
    let host = staffed(clock.clone().into(), None);
    let now = clock.now();
    (0..6).for_each(|_| yard.site.panicked(now));
    let fails = |_: &Attempt<'_>| Err::<u32, _>(io::Error::from(io::ErrorKind::ConnectionReset));
    let plain = |op| race(&host, &yard.site, &Options::default(), op, None);

    let error = plain(fails).expect_err("it fails, and is not tried again");
    assert_eq!((error.verdict, error.attempts), (Verdict::PassThrough, 1));
    assert!(error.last.is_some());
    let within = Options { within: Some(Nanos::ZERO), ..Options::default() };
    let late = crate::drive::inline::run(&host, &yard.site, &within, fails, None);
    assert_eq!(late.expect_err("no time").verdict, Verdict::DeadlineExceeded);
    let within = Options { within: Some(Nanos::from_millis(5)), ..Options::default() };
    let fails_late = |attempt: &Attempt<'_>| {
        clock.advance(Nanos::from_millis(5));
        fails(attempt)
    };
    let late = crate::drive::inline::run(&host, &yard.site, &within, fails_late, None);
    let error = late.expect_err("it fails past its deadline");
    assert_eq!((error.verdict, error.attempts), (Verdict::DeadlineExceeded, 1));
    assert!(error.last.is_some());
    assert_eq!(yard.site.counters.get(Counter::PassThrough), 3);

    clock.advance(Nanos::from_secs(61));
    let retried = crate::drive::inline::run(&host, &yard.site, &Options::default(), fails, None);
    assert_eq!(retried.expect_err("it fails").attempts, 3, "the engine is back");
    yard.assert_quiet();
}

/// A call on its caller's thread, with alarms on another, whose attempts take so long; nothing is left
/// of it.
fn raced_here(takes: Duration, cancelled: bool) -> Result<u32, Error<io::Error>> {
    let policy = Policy::builder()
        .max_attempts(2)
        .idempotent(true)
        .initial_backoff(ms(1))
        .attempt_timeout(ms(20))
        .overall_timeout(ms(120));
    let yard = Yard::with_room(policy.build().expect("a good policy"), 4);
    let alarms = Arc::new(Alarms::new());
    let mut host = staffed(Clock::instant(), None);
    Arc::get_mut(&mut host).expect("nobody else has it").alarms = Some(Arc::clone(&alarms));
    let driver = thread::spawn({
        let alarms = Arc::clone(&alarms);
        move || alarms.run(&Clock::instant())
    });
    while !alarms.is_running() {
        thread::yield_now();
    }
    let token = CancelToken::new();
    if cancelled {
        // As if between the caller's look and its hook.
        token.cancel();
    }
    let options = Options { cancel: Some(token), ..Options::default() };
    let op = move |attempt: &Attempt<'_>| {
        thread::sleep(takes);
        Ok(attempt.number())
    };
    let result = race(&host, &yard.site, &options, op, None);
    alarms.close();
    driver.join().expect("no panic");
    yard.assert_quiet();
    result
}

#[test]
fn a_retry_that_comes_too_late_for_its_busy_caller_is_reported() {
    // The timer's thread gives the first attempt up after 20 ms and offers the next to the caller.
    assert_eq!(raced_here(ms(70), false).expect("the first attempt's answer, after all"), 0);
}

#[test]
fn so_it_is_where_the_deadline_has_passed_meanwhile() {
    // The answer is there all the same.
    let result = raced_here(ms(200), false);
    assert_eq!(result.map_err(|error| error.verdict), Err(Verdict::DeadlineExceeded));
}

#[test]
fn and_where_the_call_was_taken_back_before_its_first_attempt() {
    let error = raced_here(ms(0), true).expect_err("nobody wants it");
    assert_eq!((error.verdict, error.attempts), (Verdict::Cancelled, 1));
}
