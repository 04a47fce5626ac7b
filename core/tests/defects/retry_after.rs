//! Retry-After on a 503 is ignored; seven seconds are cut to the policy's 250 ms.

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
