//! The machine against the hand-written loop.

use proptest::prelude::*;

use super::*;
use crate::{call::naive, policy::Jitter};

fn outcomes() -> impl Strategy<Value = Outcome> {
    let class = prop::sample::select(Class::ALL.to_vec());
    let asked = prop_oneof![
        4 => Just(None),
        1 => (0u64..8_000_000_000).prop_map(|nanos| Some(Nanos::from_nanos(nanos))),
    ];
    (0..12u8, class, asked).prop_map(|(kind, class, asked)| {
        let outcome = match kind {
            0 => Outcome::success(),
            1 => Outcome::non_retryable(class),
            2 => Outcome::abort(),
            3 => panicked(),
            _ => Outcome::retryable(class),
        };
        Outcome { backoff_override: asked, ..outcome }
    })
}

fn policies() -> impl Strategy<Value = Policy> {
    let jitter =
        prop::sample::select(vec![Jitter::None, Jitter::Full, Jitter::Equal, Jitter::Decorrelated]);
    (1..=10u8, jitter, 1..=4u8, 0..4u16, prop::option::of(1u64..2_000)).prop_map(
        |(max_attempts, jitter, most_throttled, cost, overall)| {
            let mut policy = policy();
            policy.retry.max_attempts = max_attempts;
            policy.retry.jitter = jitter;
            policy.retry.overall_timeout = overall.map_or(Nanos::NEVER, ms);
            let throttled = &mut policy.retry.per_class[Class::Throttled as usize];
            throttled.max_attempts = most_throttled;
            throttled.cost = cost;
            policy
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn the_machine_does_what_the_loop_does(
        policy in policies(),
        seed: u64,
        start in 0u64..1_000,
        length in 0u64..3_000,
        tokens in 0u32..12,
        script in prop::collection::vec(
            ((0u64..200_000_000).prop_map(Nanos::from_nanos), outcomes()),
            10,
        ),
    ) {
        let (start, deadline) = (ms(start), ms(start + length));
        let expected = naive::run(&policy, seed, start, deadline, tokens, &script);
        let mut bench = Bench::with_tokens(policy, tokens, 0);
        let mut starts = Vec::new();
        let mut now = start;
        let mut step = bench.start(now, deadline, seed);
        let verdict = loop {
            step = match step {
                Step::Launch(launch) => {
                    starts.push(now);
                    let (took, outcome) = script[launch.attempt.index()];
                    now = now + took;
                    bench.outcome(launch.attempt.get(), outcome, now)
                }
                Step::Wait(until) => {
                    now = until;
                    bench.time(now)
                }
                Step::Done(verdict) => break verdict,
                Step::Over => unreachable!("the loop ends with Done"),
            };
        };
        prop_assert_eq!(naive::Run { starts, verdict, answer: bench.answer() }, expected);
    }
}
