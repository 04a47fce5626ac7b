//! What holds for any draft, and where percentiles are bounded.

use super::*;

fn any_nanos() -> impl Strategy<Value = Nanos> {
    prop_oneof![Just(0), Just(u64::MAX), any::<u64>(), 0..100_000_000_000_u64]
        .prop_map(Nanos::from_nanos)
}

fn any_trigger() -> impl Strategy<Value = Trigger> {
    prop_oneof![
        Just(Trigger::Fixed),
        any::<f64>().prop_map(Trigger::Quantile),
        (0.0..2.0).prop_map(Trigger::Quantile),
        (0.0..2.0).prop_map(Trigger::Load),
    ]
}

prop_compose! {
    fn any_draft()(
        counts in prop::array::uniform6(prop::option::of(prop_oneof![0..30_u32, any::<u32>()])),
        lengths in prop::array::uniform9(prop::option::of(any_nanos())),
        multiplier in prop::option::of(prop_oneof![any::<f64>(), -1.0..20.0]),
        trigger in prop::option::of(any_trigger()),
        enabled: Option<bool>,
        idempotent: Option<bool>,
    ) -> PolicyDraft {
        let mut draft = PolicyDraft { idempotent: idempotent.map(Into::into), ..PolicyDraft::default() };
        let rule = &mut draft.retry.per_class[3];
        [rule.max_attempts, rule.cost] = [counts[0], counts[1]];
        rule.initial_backoff = lengths[0];
        [draft.retry.max_attempts, draft.retry.cost] = [counts[2], counts[3]];
        [draft.retry.initial_backoff, draft.retry.max_backoff] = [lengths[1], lengths[2]];
        [draft.retry.attempt_timeout, draft.retry.overall_timeout] = [lengths[3], lengths[4]];
        draft.retry.max_retry_after = lengths[5];
        draft.retry.multiplier = multiplier;
        [draft.hedge.max_hedges, draft.hedge.cost] = [counts[4], counts[5]];
        [draft.hedge.delay, draft.hedge.min_delay, draft.hedge.max_delay] =
            [lengths[6], lengths[7], lengths[8]];
        draft.hedge.trigger = trigger;
        draft.hedge.enabled = enabled;
        draft
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn a_policy_has_numbers_that_cannot_be_wrong(draft in any_draft()) {
        let checked = draft.normalize(Strictness::Check);
        let loaded = draft.normalize(Strictness::Load);
        if let Ok(checked) = &checked {
            prop_assert_eq!(Some(checked), loaded.as_ref().ok(), "loading is the milder");
        }
        let Ok(policy) = loaded else { return Ok(()) };
        let Retry { max_attempts, initial_backoff, max_backoff, multiplier, cost, .. } = policy.retry;
        prop_assert!((1..=10).contains(&max_attempts) && (1..=1_000).contains(&cost));
        prop_assert!(Nanos::from_micros(10) <= initial_backoff && initial_backoff <= max_backoff);
        prop_assert!(max_backoff <= Nanos::from_secs(30));
        prop_assert!((1.0..=10.0).contains(&multiplier));
        let least = Nanos::from_micros(100);
        prop_assert!(policy.retry.attempt_timeout >= least && policy.retry.overall_timeout >= least);
        for rule in policy.retry.per_class {
            prop_assert!(rule.max_attempts <= 10 && rule.cost <= 1_000);
            prop_assert!(rule.initial_backoff <= max_backoff);
        }
        let hedge = &policy.hedge;
        let most = if matches!(hedge.trigger, Trigger::Load(_)) { 1 } else { 3 };
        prop_assert!((1..=most).contains(&hedge.max_hedges) && (1..=1_000).contains(&hedge.cost));
        prop_assert!(least <= hedge.min_delay && hedge.min_delay <= hedge.max_delay);
        prop_assert!(hedge.delay >= least);
        let share = match hedge.trigger {
            Trigger::Fixed => 0.5,
            Trigger::Quantile(p) => p,
            Trigger::Load(x) => x,
        };
        prop_assert!(share > 0.0 && share <= 1.0 && hedge.trigger != Trigger::Quantile(1.0));
        prop_assert!(!hedge.enabled || policy.idempotent == Idempotent::Yes);
    }
}

#[test]
fn an_objective_is_a_percentile_of_requests() {
    let policy = |objective, fan_out| {
        Policy::builder()
            .hedge_load(0.02)
            .idempotent(true)
            .hedge_objective(objective)
            .hedge_fan_out(fan_out)
            .build()
    };
    let good = policy(0.999, 100).expect("both are in range");
    assert_eq!((good.hedge_objective(), good.hedge_fan_out()), (0.999, 100));
    let default = Policy::default();
    assert_eq!((default.hedge_objective(), default.hedge_fan_out()), (0.99, 1));
    for (objective, fan_out, field) in [
        (99.0, 1, "hedge.objective"),
        (f64::NAN, 1, "hedge.objective"),
        (0.1, 1, "hedge.objective"),
        (0.99, 0, "hedge.fan_out"),
        (0.99, 100_000, "hedge.fan_out"),
    ] {
        let errors = policy(objective, fan_out).expect_err(field);
        assert!(errors.to_string().contains(field), "{errors}");
    }
}
