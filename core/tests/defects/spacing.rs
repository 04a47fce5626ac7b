//! Three hedges within ten microseconds.

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
