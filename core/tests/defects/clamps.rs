//! A number out of its range is changed in silence, or only where another feature is on.

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
