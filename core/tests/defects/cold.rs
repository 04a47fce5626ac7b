//! A quantile is asked of a site that has seen nothing, or one call.

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
