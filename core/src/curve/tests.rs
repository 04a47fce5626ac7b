use super::*;
use proptest::prelude::*;

/// The curve of these events and censored ages.
pub(crate) fn curve_of(events: &[Nanos], censored: &[Nanos]) -> Curve {
    let mut ended = vec![0.0f32; BUCKETS];
    let mut lost = vec![0.0f32; CENSORED];
    for &time in events {
        ended[Scale::FINE.index(time)] += 1.0;
    }
    for &age in censored {
        lost[Scale::COARSE.index(age)] += 1.0;
    }
    Curve::new(|bucket| ended[bucket], |bucket| lost[bucket])
}

fn millis(times: &[u64]) -> Vec<Nanos> {
    times.iter().copied().map(Nanos::from_millis).collect()
}

/// Kaplan and Meier's product as the textbook has it, leg by leg: the share alive at the end of
/// this bucket.
fn naive_survival(events: &[Nanos], censored: &[Nanos], bucket: usize) -> f64 {
    let ends = |time: &Nanos| Scale::FINE.index(*time);
    let leaves = |age: &Nanos| Scale::COARSE.upper(Scale::COARSE.index(*age));
    let mut alive = 1.0;
    for at in 0..=bucket {
        let begin = Scale::FINE.lower(at);
        let at_risk = events.iter().filter(|time| ends(time) >= at).count()
            + censored.iter().filter(|age| leaves(age) > begin).count();
        let ended = events.iter().filter(|time| ends(time) == at).count();
        if ended > 0 {
            alive *= 1.0 - ended as f64 / at_risk as f64;
        }
    }
    alive
}

#[test]
fn a_curve_of_nothing_knows_nothing() {
    for censored in [millis(&[]), millis(&[5, 7, 9])] {
        let curve = curve_of(&[], &censored);
        assert_eq!(curve.samples(), 0.0);
        assert_eq!(curve.quantile(0.5), None);
        assert_eq!(curve.upper_quantile(0.5), None);
        assert_eq!(curve.last_event(), None);
        assert_eq!(curve.survival(Nanos::from_secs(100)), 1.0);
    }
}

#[test]
fn the_censored_count_until_they_leave() {
    // Of four, one ends at 1 ms; one leaves at 2 ms; of the two left one ends at 4 ms.
    let curve = curve_of(&millis(&[1, 4]), &millis(&[2, 8]));
    assert_eq!(curve.survival(Nanos::from_millis(3)), 0.75);
    assert_eq!(curve.survival(Nanos::from_millis(5)), 0.375);
    assert_eq!(curve.samples(), 2.0);
}

#[test]
fn nothing_is_said_beyond_the_last_event() {
    let curve = curve_of(&millis(&[1, 2, 3]), &millis(&[30, 30, 30]));
    let last = curve.last_event().expect("there are events");
    assert!(last > Nanos::from_millis(3) && last < Nanos::from_micros(3_200));
    assert_eq!(curve.quantile(0.99), Some(last));
    assert!((curve.survival(Nanos::from_secs(60)) - 0.5).abs() < 1e-6);
    assert_eq!(curve.upper_quantile(0.6), None, "half of it has no end");
}

#[test]
fn the_first_and_the_last_bucket_are_buckets_too() {
    let short = curve_of(&[Nanos::ZERO, Nanos::from_nanos(4_095)], &[]);
    assert_eq!(short.quantile(0.5), Some(Nanos::from_nanos(2_048)));
    let long = curve_of(&[Nanos::from_secs(100), Nanos::NEVER], &[]);
    assert_eq!(long.quantile(0.5), Some(Scale::LONGEST));
    assert_eq!(long.survival(Nanos::from_secs(60)), 1.0);
    assert_eq!(long.survival(Nanos::NEVER), 0.0);
}

#[test]
fn an_upper_quantile_needs_samples_and_comes_down_to_the_quantile() {
    let spread = |n: u64| -> Vec<_> {
        (0..n).map(|nth| Nanos::from_micros(1_000 + nth * 9_000 / n)).collect()
    };
    // Wilson's bound at a share of 0 is z² / (n + z²): 1 % takes 268 samples.
    assert_eq!(curve_of(&spread(267), &[]).upper_quantile(0.99), None);
    let few = curve_of(&spread(300), &[]).upper_quantile(0.99);
    let many = curve_of(&spread(100_000), &[]);
    let exact = many.quantile(0.99).expect("there are events");
    let close = many.upper_quantile(0.99).expect("there are enough");
    assert!(few.expect("there are enough") > close);
    assert!(exact < close && close < exact.mul_f64(1.04));
}

fn times(most: usize) -> impl Strategy<Value = Vec<Nanos>> {
    let nanos = prop_oneof![1u64 << 10..1 << 16, 1u64 << 20..1 << 24, 1u64 << 34..1 << 38];
    prop::collection::vec(nanos.prop_map(Nanos::from_nanos), 0..most)
}

proptest! {
    #[test]
    fn it_is_kaplan_and_meiers_estimate(events in times(40), censored in times(40)) {
        let curve = curve_of(&events, &censored);
        for time in events.iter().chain(&censored) {
            let bucket = Scale::FINE.index(*time);
            let naive = naive_survival(&events, &censored, bucket);
            prop_assert!((curve.survival(end_of(bucket)) - naive).abs() < 1e-6 || bucket == BUCKETS - 2);
        }
    }

    #[test]
    fn a_quantile_is_the_sorted_one_to_within_its_bucket(mut events in times(200), p in 0.0..1.0f64) {
        prop_assume!(!events.is_empty());
        events.sort();
        let rank = ((p * events.len() as f64).ceil() as usize).clamp(1, events.len()) - 1;
        let sorted = Scale::FINE.index(events[rank]);
        let found = curve_of(&events, &[]).quantile(p).expect("there are events");
        let slack = Nanos::from_nanos(1);
        prop_assert!(found + slack >= Scale::FINE.lower(sorted).min(Scale::LONGEST));
        prop_assert!(found <= end_of(sorted) + slack);
    }

    #[test]
    fn as_many_outlast_a_quantile_as_should(events in times(200), censored in times(50), p in 0.01..0.99f64) {
        prop_assume!(!events.is_empty());
        let curve = curve_of(&events, &censored);
        let found = curve.quantile(p).expect("there are events");
        let last = curve.last_event().expect("there are events");
        prop_assert!(found <= last);
        if found < last {
            // To the nanosecond the times are counted in: of the narrowest buckets, 128 ns wide,
            // one is most of a hundredth.
            let bucket = Scale::FINE.index(found);
            let nanosecond = 1.0 / (Scale::FINE.upper(bucket) - Scale::FINE.lower(bucket)).as_nanos() as f64;
            prop_assert!((curve.survival(found) - (1.0 - p)).abs() < nanosecond + 1e-6);
        }
    }

    #[test]
    fn more_time_never_leaves_more_alive(events in times(60), censored in times(60), at in times(60)) {
        let curve = curve_of(&events, &censored);
        let mut at = at;
        at.sort();
        let alive: Vec<_> = at.iter().map(|&time| curve.survival(time)).collect();
        prop_assert!(alive.windows(2).all(|pair| pair[0] >= pair[1] - 1e-9));
        prop_assert!(alive.iter().all(|share| (0.0..=1.0).contains(share)));
    }
}
