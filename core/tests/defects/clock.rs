//! Latencies come from a wall clock, and one that is set back makes them huge.

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
