//! Backoff that sleeps past the deadline, jitter above the maximum, an overflow at a high index.

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
            assert!(timeline.call.ended < deadline, "what does not fit is not slept: {timeline}");
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
