mod properties;

use std::time::Duration;

use proptest::prelude::*;

use super::*;

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn loaded(change: impl FnOnce(&mut PolicyDraft)) -> Policy {
    let mut draft = PolicyDraft::default();
    change(&mut draft);
    draft.normalize(Strictness::Load).expect("a draft that can be corrected")
}

/// Kind, field and message of every fault of a builder.
fn faults(builder: &PolicyBuilder) -> Vec<(PolicyErrorKind, String)> {
    let errors = builder.build().expect_err("a bad policy");
    errors.iter().map(|error| (error.kind, error.field.clone())).collect()
}

#[test]
fn an_empty_draft_is_the_default_policy() {
    for strictness in [Strictness::Check, Strictness::Load] {
        assert_eq!(PolicyDraft::default().normalize(strictness), Ok(Policy::default()));
    }
}

#[test]
fn the_defaults_are_those_of_the_table() {
    let policy = Policy::default();
    assert_eq!(
        (policy.max_attempts(), policy.initial_backoff(), policy.max_backoff()),
        (3, ms(10), ms(250))
    );
    assert_eq!((policy.multiplier(), policy.jitter()), (2.0, Jitter::Full));
    assert_eq!((policy.attempt_timeout(), policy.overall_timeout()), (None, Some(ms(30_000))));
    assert_eq!((policy.max_retry_after(), policy.classifier()), (ms(5_000), "auto"));
    assert_eq!((policy.retry_budget(), policy.retry_cost()), (None, 1));
    assert_eq!((policy.mode(), policy.idempotent()), (Mode::Active, Idempotent::Unset));
    assert_eq!((policy.hedging(), policy.max_hedges()), (false, 1));
    assert_eq!((policy.hedge_trigger(), policy.hedge_delay()), (Trigger::Fixed, ms(200)));
    assert_eq!(policy.hedge_min_delay(), Duration::from_micros(100));
    assert_eq!(policy.hedge_max_delay(), ms(10_000));
    assert!(policy.cancel_on_first_terminal());
    assert_eq!((policy.hedge_budget(), policy.hedge_cost()), (None, 1));
    assert_eq!((policy.id(), policy.version()), ("", ""));
}

#[test]
fn every_preset_builds_and_has_an_overall_timeout() {
    for (preset, overall) in [
        (Policy::http(), 10_000),
        (Policy::database(), 5_000),
        (Policy::background_job(), 600_000),
        (Policy::low_latency(), 100),
        (Policy::constant(ms(20)), 30_000),
        (Policy::exponential(ms(1), ms(8)), 30_000),
    ] {
        let policy = preset.build().expect("a preset");
        assert_eq!(policy.overall_timeout(), Some(ms(overall)));
        assert!(policy.normalized().is_empty());
    }
    let constant = Policy::constant(ms(20)).build().expect("a preset");
    assert_eq!((constant.multiplier(), constant.max_backoff()), (1.0, ms(20)));
}

#[test]
fn the_builder_says_everything_there_is_to_say() {
    let policy = Policy::builder()
        .id("a")
        .version("7")
        .mode(Mode::Observe)
        .idempotent(true)
        .max_attempts(5)
        .initial_backoff(ms(1))
        .max_backoff(ms(9))
        .multiplier(3.0)
        .jitter(Jitter::Equal)
        .attempt_timeout(ms(70))
        .no_overall_timeout()
        .max_retry_after(ms(80))
        .classifier("http")
        .retry_budget("users")
        .retry_cost(2)
        .per_class(Class::Throttled, ClassRule::default().initial_backoff(ms(4)).cost(9))
        .hedge_quantile(0.9)
        .max_hedges(2)
        .hedge_delay(ms(30))
        .hedge_min_delay(ms(2))
        .hedge_max_delay(ms(60))
        .hedge_objective(0.999)
        .hedge_fan_out(20)
        .cancel_on_first_terminal(false)
        .hedge_budget("hedges")
        .hedge_cost(3)
        .build()
        .expect("a good policy");
    assert_eq!(policy, everything());
    assert_eq!(policy.initial_backoff_of(Class::Throttled), ms(4));
    assert_eq!(policy.initial_backoff_of(Class::Server), ms(1));
    assert_eq!(policy.retry_cost_of(Class::Throttled), 9);
    assert_eq!(policy.max_attempts_of(Class::Throttled), 5);
}

/// What that builder says.
fn everything() -> Policy {
    Policy {
        id: "a".into(),
        version: "7".into(),
        mode: Mode::Observe,
        idempotent: Idempotent::Yes,
        retry: Retry {
            max_attempts: 5,
            initial_backoff: Nanos::from_millis(1),
            max_backoff: Nanos::from_millis(9),
            multiplier: 3.0,
            jitter: Jitter::Equal,
            attempt_timeout: Nanos::from_millis(70),
            overall_timeout: Nanos::NEVER,
            max_retry_after: Nanos::from_millis(80),
            classifier: "http".into(),
            budget: Some("users".into()),
            cost: 2,
            per_class: {
                let mut rules = [PerClass::default(); Class::ALL.len()];
                let initial_backoff = Nanos::from_millis(4);
                rules[Class::Throttled as usize] =
                    PerClass { max_attempts: 0, initial_backoff, cost: 9 };
                rules
            },
        },
        hedge: Hedge {
            enabled: true,
            max_hedges: 2,
            trigger: Trigger::Quantile(0.9),
            delay: Nanos::from_millis(30),
            min_delay: Nanos::from_millis(2),
            max_delay: Nanos::from_millis(60),
            objective: 0.999,
            fan_out: 20,
            cancel_on_first_terminal: false,
            budget: Some("hedges".into()),
            cost: 3,
        },
        hedging_refused: false,
        normalized: Vec::new(),
    }
}

/// A limit that takes effect in silence is a setting that nobody knows.
#[test]
fn every_clamp_leaves_a_trace() {
    let policy = loaded(|draft| {
        draft.retry.max_attempts = Some(99);
        draft.retry.initial_backoff = Some(Nanos::from_micros(1));
        draft.retry.max_backoff = Some(Nanos::from_secs(300));
        draft.retry.multiplier = Some(64.0);
        draft.retry.attempt_timeout = Some(Nanos::ZERO);
        draft.retry.overall_timeout = Some(Nanos::from_micros(1));
        draft.retry.cost = Some(5_000);
        draft.retry.per_class[0] = ClassRule {
            max_attempts: Some(50),
            initial_backoff: Some(Nanos::from_secs(60)),
            cost: Some(0),
        };
        draft.hedge.max_hedges = Some(30);
        draft.hedge.delay = Some(Nanos::ZERO);
        draft.hedge.min_delay = Some(Nanos::from_micros(1));
        draft.hedge.max_delay = Some(Nanos::from_micros(2));
        draft.hedge.cost = Some(0);
    });
    let told: Vec<String> = policy.normalized().iter().map(Clamp::to_string).collect();
    let mut want = vec![
        "retry.max_attempts: 99 became 10",
        "retry.initial_backoff: 1µs became 10µs",
        "retry.max_backoff: 300s became 30s",
        "retry.multiplier: 64 became 10",
        "retry.attempt_timeout: 0ns became 100µs",
        "retry.overall_timeout: 1µs became 100µs",
        "retry.budget.cost: 5000 became 1000",
        "retry.per_class.unknown.max_attempts: 50 became 10",
        "retry.per_class.unknown.initial_backoff: 60s became 30s",
        "retry.per_class.unknown.cost: 0 became 1",
        "hedge.max_hedges: 30 became 3",
        "hedge.delay: 0ns became 100µs",
        "hedge.min_delay: 1µs became 100µs",
        "hedge.max_delay: 2µs became 100µs",
        "hedge.budget.cost: 0 became 1",
    ];
    want.sort_unstable();
    let mut sorted = told.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, want);
}

/// The limits of one half hold whether or not the other half is in use.
#[test]
fn limits_hold_for_features_that_are_off() {
    let policy = loaded(|draft| draft.hedge.max_hedges = Some(4));
    assert!(!policy.hedging());
    assert_eq!(policy.max_hedges(), 3);
}

#[test]
fn a_correction_beyond_a_factor_of_two_is_an_error_where_a_person_reads_it() {
    let build = |attempts| Policy::builder().max_attempts(attempts).build();
    assert_eq!(build(20).expect("a factor of 2").max_attempts(), 10);
    let error = build(21).expect_err("more than a factor of 2");
    assert_eq!(
        error.to_string(),
        "retry.max_attempts: 21 is far out of range, the most is 10; did you mean `10`?"
    );
    let error = Policy::builder().attempt_timeout(Duration::ZERO).build().expect_err("zero");
    assert_eq!(
        error.to_string(),
        "retry.attempt_timeout: 0ns is far out of range, the least is 100µs; \
         did you mean \"100µs\"?"
    );
    assert_eq!(loaded(|draft| draft.retry.max_attempts = Some(21)).max_attempts(), 10);
}

#[test]
fn the_longest_backoff_follows_the_initial_one_unless_it_was_asked_for() {
    let policy = Policy::builder().initial_backoff(ms(2_000)).build().expect("good");
    assert_eq!((policy.max_backoff(), policy.normalized()), (ms(2_000), &[][..]));
    let policy =
        Policy::builder().initial_backoff(ms(15)).max_backoff(ms(10)).build().expect("close");
    assert_eq!(policy.max_backoff(), ms(15));
    assert_eq!(policy.normalized()[0].to_string(), "retry.max_backoff: 10ms became 15ms");
}

#[test]
fn what_makes_no_sense_is_an_error_however_it_comes() {
    use PolicyErrorKind::InvalidValue;
    let long = "x".repeat(257);
    for (builder, field) in [
        (Policy::builder().max_attempts(0), "retry.max_attempts"),
        (Policy::builder().multiplier(f64::NAN), "retry.multiplier"),
        (Policy::builder().multiplier(f64::INFINITY), "retry.multiplier"),
        (Policy::builder().multiplier(-2.0), "retry.multiplier"),
        (Policy::builder().classifier(" "), "retry.classifier"),
        (Policy::builder().retry_budget(""), "retry.budget"),
        (Policy::builder().hedge_budget("a\0b"), "hedge.budget"),
        (Policy::builder().id(&long), "id"),
        (Policy::builder().version("1\n2"), "version"),
        (Policy::builder().max_hedges(0), "hedge.max_hedges"),
        (Policy::builder().idempotent(true).hedge_quantile(0.0), "hedge.trigger"),
        (Policy::builder().idempotent(true).hedge_quantile(1.0), "hedge.trigger"),
        (Policy::builder().idempotent(true).hedge_quantile(95.0), "hedge.trigger"),
        (Policy::builder().idempotent(true).hedge_quantile(f64::NAN), "hedge.trigger"),
        (Policy::builder().idempotent(true).hedge_load(0.0), "hedge.trigger"),
        (Policy::builder().idempotent(true).hedge_load(-0.1), "hedge.trigger"),
        (Policy::builder().idempotent(true).hedge_load(1.5), "hedge.trigger"),
        (
            Policy::builder().per_class(Class::Server, ClassRule::default().max_attempts(0)),
            "retry.per_class.server.max_attempts",
        ),
    ] {
        assert_eq!(faults(&builder), [(InvalidValue, field.to_owned())]);
    }
    let mut draft = PolicyDraft::default();
    draft.retry.multiplier = Some(f64::NAN);
    assert!(draft.normalize(Strictness::Load).is_err());
}

#[test]
fn a_percentage_is_taken_for_what_it_was_meant_to_be() {
    let builder = Policy::builder().idempotent(true).hedge_quantile(95.0);
    let errors = builder.build().expect_err("no share");
    assert_eq!(
        errors.to_string(),
        "hedge.trigger: quantile(95) is no share; it must be above 0 and below 1; \
         did you mean `0.95`?"
    );
}

#[test]
fn hedging_needs_a_declaration_of_idempotency() {
    let builder = Policy::builder().hedge_after(ms(5));
    for builder in [builder.clone(), builder.clone().idempotent(false)] {
        let want = (PolicyErrorKind::NotIdempotent, "hedge.enabled".to_owned());
        assert_eq!(faults(&builder), [want]);
    }
    let policy = builder.idempotent(true).build().expect("declared");
    assert!(policy.hedging() && !policy.hedging_refused());
}

/// One bad key must not freeze a fleet's configuration.
#[test]
fn a_loaded_policy_without_the_declaration_does_not_hedge_and_says_so() {
    let policy = loaded(|draft| draft.hedge.enabled = Some(true));
    assert!(!policy.hedging());
    assert!(policy.hedging_refused());
}

#[test]
fn hedging_by_load_has_one_hedge() {
    let policy = Policy::builder().idempotent(true).hedge_load(0.02).max_hedges(2).build();
    let policy = policy.expect("a factor of 2");
    assert_eq!(policy.max_hedges(), 1);
    assert_eq!(policy.normalized()[0].to_string(), "hedge.max_hedges: 2 became 1");
}

#[test]
fn an_overlay_changes_only_what_it_says() {
    let mut under = PolicyDraft::default();
    under.retry.max_attempts = Some(4);
    under.retry.per_class[2].cost = Some(7);
    under.hedge.enabled = Some(true);
    let mut over = PolicyDraft::default();
    over.retry.max_attempts = Some(2);
    over.retry.per_class[2].max_attempts = Some(1);
    over.hedge.enabled = Some(false);
    under.overlay(&over);
    assert_eq!(under.retry.max_attempts, Some(2));
    assert_eq!(under.retry.per_class[2].cost, Some(7));
    assert_eq!(under.retry.per_class[2].max_attempts, Some(1));
    assert_eq!(under.hedge.enabled, Some(false));
}

#[test]
fn names_of_class_fields_are_in_the_order_of_the_classes() {
    for class in Class::ALL {
        let want = format!("retry.per_class.{}", class.label());
        let fields = &normalize::PER_CLASS[class as usize];
        assert_eq!(fields.table, want);
        assert!([fields.prefix, fields.cost].iter().all(|field| field.starts_with(&want)));
    }
}

#[test]
fn budgets_are_checked_and_never_clamped() {
    let ratio = Budget::ratio(0.1);
    for (budget, field) in [
        (Budget::from(Budget::ratio(-0.1)), "ratio"),
        (Budget::ratio(f64::NAN).into(), "ratio"),
        (Budget::ratio(51.0).into(), "ratio"),
        (ratio.window(Duration::ZERO).into(), "window"),
        (ratio.window(Duration::from_secs(601)).into(), "window"),
        (ratio.cap(0).into(), "cap"),
        (ratio.min_per_sec(f64::INFINITY).into(), "min_per_sec"),
        (Budget::token_bucket(0, 1.0), "capacity"),
        (Budget::token_bucket(1, f64::NAN), "refill_per_sec"),
        (Budget::in_flight(1.5, 1), "ratio"),
        (Budget::in_flight(0.5, u32::MAX), "min"),
        (Budget::concurrency(0), "max"),
        (Budget::throttle(0, 0.1), "max_tokens"),
        (Budget::throttle(10, 0.0), "token_ratio"),
    ] {
        let errors = budget.validate().expect_err("out of range");
        let fields: Vec<_> = errors.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(fields, [field], "{budget:?}");
    }
    for budget in [
        Budget::unlimited(),
        ratio.funded_by_requests().into(),
        Budget::token_bucket(10, 0.0),
        Budget::in_flight(0.2, 3),
        Budget::concurrency(4),
        Budget::throttle(10, 0.1),
    ] {
        assert_eq!(budget.validate(), Ok(()), "{budget:?}");
    }
}

#[test]
fn errors_are_bounded_and_the_rest_is_counted() {
    let fault = || error::Fault::new(PolicyErrorKind::InvalidValue, "id", "bad".to_owned());
    let errors: PolicyErrors = std::iter::repeat_with(fault).take(1_000).collect();
    assert_eq!((errors.iter().count(), errors.len()), (100, 1_000));
    assert!(errors.to_string().ends_with("… and 900 more"));
}
