use super::*;
use crate::curve::{Scale, tests::curve_of};
use proptest::prelude::*;

const LIMITS: Limits = Limits {
    fallback: Nanos::from_millis(200),
    min_delay: Nanos::from_micros(100),
    max_delay: Nanos::from_secs(10),
};
const P99: Rule = Rule::Quantile { p: 0.99 };

/// `n` times spread evenly from 1 ms to 10 ms.
fn even(n: u64) -> Vec<Nanos> {
    (0..n).map(|nth| Nanos::from_micros(1_000 + nth * 9_000 / n)).collect()
}

fn rate(plan: &Plan) -> f64 {
    plan.tail * plan.trigger.probability().as_share()
}

#[test]
fn one_sample_is_not_enough() {
    for n in [0, 1, 2, 49] {
        let plan = plan(P99, LIMITS, &curve_of(&even(n), &[]));
        assert!(plan.trigger.is_cold());
        assert_eq!(plan.trigger.delay(), LIMITS.fallback);
        assert_eq!(plan.trigger.probability(), Probability::ALWAYS);
    }
    // Fifty are enough for the 90th percentile on the safe side, and not for the 99th.
    let curve = curve_of(&even(50), &[]);
    let p90 = plan(Rule::Quantile { p: 0.9 }, LIMITS, &curve).trigger;
    assert!(!p90.is_cold() && p90.is_warming());
    assert!(p90.delay() > curve.quantile(0.9).expect("events") && p90.delay() < LIMITS.fallback);
    let p99 = plan(P99, LIMITS, &curve).trigger;
    assert!(!p99.is_cold() && p99.is_warming());
    assert_eq!(p99.delay(), LIMITS.fallback);
}

#[test]
fn while_it_warms_up_nothing_seen_is_called_slow() {
    // Everything takes longer than the fallback.
    let slow: Vec<_> = even(100).iter().map(|time| time.mul_f64(100.0)).collect();
    let curve = curve_of(&slow, &[]);
    assert_eq!(Some(plan(P99, LIMITS, &curve).trigger.delay()), curve.last_event());
}

#[test]
fn warm_it_is_the_estimate() {
    for (rule, enough, p) in [
        (P99, 1_000, 0.99),
        (Rule::Quantile { p: 0.95 }, 200, 0.95),
        (Rule::Quantile { p: 0.5 }, 50, 0.5),
    ] {
        let before = plan(rule, LIMITS, &curve_of(&even(enough - 1), &[])).trigger;
        assert!(before.is_warming() || before.is_cold());
        let curve = curve_of(&even(enough), &[]);
        let plan = plan(rule, LIMITS, &curve);
        assert!(!plan.trigger.is_warming() && !plan.trigger.is_cold());
        assert_eq!(Some(plan.trigger.delay()), curve.quantile(p));
        assert!(plan.trigger.delay() < before.delay());
        assert!((rate(&plan) - (1.0 - p)).abs() < 1e-4);
    }
}

#[test]
fn cold_never_zero() {
    let open = Limits { fallback: Nanos::ZERO, min_delay: Nanos::ZERO, max_delay: Nanos::ZERO };
    let rules = [P99, Rule::Load { x: 0.05, objective: 0.99 }, Rule::Fixed { delay: Nanos::ZERO }];
    for n in [0, 60, 5_000] {
        let curve = curve_of(&vec![Nanos::ZERO; n], &[]);
        for rule in rules {
            assert!(plan(rule, open, &curve).trigger.delay() > Nanos::ZERO);
            assert!(plan(rule, LIMITS, &curve).trigger.delay() >= LIMITS.min_delay);
        }
    }
}

#[test]
fn a_tail_without_end_is_hedged_as_often_as_promised_and_no_more() {
    // One in ten never ends: it times out. The 99th percentile is unknown.
    let curve = curve_of(&even(9_000), &vec![Nanos::from_secs(1); 1_000]);
    let plan = plan(P99, LIMITS, &curve);
    assert_eq!(Some(plan.trigger.delay()), curve.last_event());
    assert!((plan.tail - 0.1).abs() < 1e-6);
    assert!((rate(&plan) - 0.01).abs() < 1e-4);
}

#[test]
fn a_limit_changes_the_delay_and_not_the_promise() {
    let curve = curve_of(&even(10_000), &[]);
    let low = Limits { max_delay: Nanos::from_millis(5), ..LIMITS };
    let early = plan(P99, low, &curve);
    assert_eq!(early.trigger.delay(), Nanos::from_millis(5));
    assert!((rate(&early) - 0.01).abs() < 1e-4);
    let high = Limits { min_delay: Nanos::from_millis(20), ..LIMITS };
    assert_eq!(plan(P99, high, &curve).trigger.delay(), Nanos::from_millis(20));
}

#[test]
fn a_fixed_delay_is_fixed_and_promises_nothing() {
    let rule = Rule::Fixed { delay: Nanos::from_millis(3) };
    for n in [0, 10_000] {
        let plan = plan(rule, LIMITS, &curve_of(&even(n), &[]));
        assert_eq!(plan.trigger, Trigger::new(Nanos::from_millis(3), Probability::ALWAYS));
        assert_eq!(plan.share, 0.0);
    }
}

#[test]
fn a_budget_below_the_tail_needs_a_probability_and_one_above_it_does_not() {
    // Pareto(1.1, 2 ms): with 1 % of extra load no hedge that is certain shortens the 99th
    // percentile at all.
    let pareto: Vec<_> = (0..100_000)
        .map(|nth| Nanos::from_millis(2).mul_f64(((f64::from(nth) + 0.5) / 1e5).powf(-1.0 / 1.1)))
        .collect();
    let curve = curve_of(&pareto, &[]);
    let unhedged = curve.quantile(0.99).expect("events");
    let tight = plan(Rule::Load { x: 0.01, objective: 0.99 }, LIMITS, &curve);
    assert!(tight.trigger.probability().as_share() < 0.8);
    assert!((rate(&tight) - 0.01).abs() < 1e-4);
    assert!(time_with(&curve, 0.01, 0.99, tight.trigger.delay()) < unhedged.mul_f64(0.65));
    let ample = plan(Rule::Load { x: 0.2, objective: 0.99 }, LIMITS, &curve);
    assert_eq!(ample.trigger.probability(), Probability::ALWAYS);
    assert!(rate(&ample) <= 0.2 + 1e-6);
}

/// The time within which 99 % of calls are done, by bisection.
fn time_with(curve: &Curve, budget: f64, objective: f64, delay: Nanos) -> Nanos {
    let probability = (budget / curve.survival(delay).max(1e-9)).min(1.0);
    let done = |time: Nanos| {
        let late = curve.survival(time);
        let hedged = if time > delay { 1.0 - curve.survival(time - delay) } else { 0.0 };
        1.0 - late + probability * late * hedged
    };
    let (mut bad, mut good) = (Nanos::ZERO, curve.quantile(objective).expect("events"));
    for _ in 0..30 {
        let middle = bad + Nanos::from_nanos((good - bad).as_nanos() / 2);
        if done(middle) >= objective { good = middle } else { bad = middle }
    }
    good
}

/// The shortest such time over a grid four times as fine as the buckets.
fn brute_force(curve: &Curve, budget: f64, objective: f64) -> Nanos {
    let unhedged = curve.quantile(objective).expect("events");
    let mut best = unhedged;
    for bucket in 0..=Scale::FINE.index(unhedged) {
        let (lower, upper) = (Scale::FINE.lower(bucket), Scale::FINE.upper(bucket));
        for quarter in 0..4 {
            let delay = lower + (upper - lower).mul_f64(f64::from(quarter) / 4.0);
            best = best.min(time_with(curve, budget, objective, delay));
        }
    }
    best
}

/// A share, the power of two it lies around, and how many octaves it is wide.
type Hump = (f64, f64, f64);

/// Up to five humps between 50 µs and 5 s.
fn humps() -> impl Strategy<Value = Vec<Hump>> {
    prop::collection::vec((0.2f64..1.0, 15.6f64..32.0, 0.05f64..3.0), 1..6)
}

fn curve_with(humps: &[Hump]) -> Curve {
    Curve::new(
        |bucket| {
            let at = (Scale::FINE.upper(bucket).as_nanos() as f64).log2();
            let weights = humps.iter().map(|&(share, middle, width)| {
                share.powi(3) * (-((at - middle) / width).powi(2)).exp() / width
            });
            (weights.sum::<f64>() * 1e6).floor() as f32
        },
        |_| 0.0,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn the_sweep_is_as_good_as_trying_everything(
        humps in humps(),
        budget in 0.002f64..0.3,
        late in 1e-4f64..0.2,
    ) {
        let (curve, objective) = (curve_with(&humps), 1.0 - late);
        let unhedged = curve.quantile(objective).expect("events");
        let found = single_r::delay(&curve, budget, objective)
            .map_or(unhedged, |delay| time_with(&curve, budget, objective, delay));
        let best = brute_force(&curve, budget, objective);
        prop_assert!(found <= best.mul_f64(1.02), "{found} instead of {best}, unhedged {unhedged}");
    }
}

#[test]
fn the_grid_tells_a_planner_that_only_knows_percentiles() {
    use proptest::{strategy::ValueTree as _, test_runner::TestRunner};

    let mut runner = TestRunner::deterministic();
    let cases = (humps(), 0.002f64..0.3, 1e-4f64..0.2);
    let is_worse = |_: &u32| {
        let (humps, budget, late) =
            cases.new_tree(&mut runner).expect("nothing is filtered").current();
        let (curve, objective) = (curve_with(&humps), 1.0 - late);
        let delay = curve.quantile(1.0 - budget).expect("events");
        let unhedged = curve.quantile(objective).expect("events");
        let found = time_with(&curve, budget, objective, delay).min(unhedged);
        found > brute_force(&curve, budget, objective).mul_f64(1.02)
    };
    let worse = (0..300).filter(is_worse).count();
    assert!(worse > 100, "{worse} of 300: what is compared with is no oracle");
}

proptest! {
    #[test]
    fn no_rule_promises_more_than_its_share(
        humps in humps(),
        share in 0.001f64..0.5,
        max_delay in 100u64..10_000_000,
    ) {
        let curve = curve_with(&humps);
        let limits = Limits { max_delay: Nanos::from_micros(max_delay), ..LIMITS };
        for rule in [Rule::Quantile { p: 1.0 - share }, Rule::Load { x: share, objective: 0.99 }] {
            let plan = plan(rule, limits, &curve);
            prop_assert!(rate(&plan) <= share + 1e-4);
            prop_assert!(plan.trigger.delay() <= limits.max_delay);
        }
    }
}
