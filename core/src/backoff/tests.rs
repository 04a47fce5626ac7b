use proptest::prelude::*;

use super::*;
use crate::policy::PerClass;

const MS: u64 = 1_000_000;

fn retry(jitter: Jitter) -> Retry {
    Retry {
        initial_backoff: Nanos::from_millis(10),
        max_backoff: Nanos::from_secs(30),
        jitter,
        ..Retry::default()
    }
}

fn wait(retry: &Retry, index: u8, seed: u64) -> u64 {
    delay(retry, Class::Unknown, index, seed).as_nanos()
}

fn mean(draws: impl Iterator<Item = u64>) -> f64 {
    let (sum, count) = draws.fold((0.0, 0), |(sum, count), x| (sum + x as f64, count + 1));
    sum / f64::from(count)
}

#[test]
fn without_jitter_the_wait_multiplies_up_to_the_maximum() {
    let retry = Retry { max_backoff: Nanos::from_millis(250), ..retry(Jitter::None) };
    let waits: Vec<_> = (0..7).map(|index| wait(&retry, index, 1) / MS).collect();
    assert_eq!(waits, [10, 20, 40, 80, 160, 250, 250]);
}

#[test]
fn a_factor_of_one_is_constant() {
    let retry = Retry { multiplier: 1.0, ..retry(Jitter::None) };
    assert!((0..=u8::MAX).all(|index| wait(&retry, index, 3) == 10 * MS));
}

/// The shift that doubles a wait overflows at the 31st retry, or at the 63rd.
#[test]
fn no_index_overflows_or_passes_the_maximum() {
    for jitter in Jitter::ALL {
        for multiplier in [1.0, 2.0, 10.0] {
            let retry = Retry { multiplier, ..retry(jitter) };
            for index in 0..=u8::MAX {
                assert!(wait(&retry, index, 7) <= retry.max_backoff.as_nanos(), "{jitter} {index}");
            }
        }
    }
    for index in [31, 32, 62, 63, 64, 255] {
        assert_eq!(wait(&retry(Jitter::None), index, 0), 30_000 * MS, "{index}");
    }
}

#[test]
fn means_are_those_of_the_distributions() {
    const N: u64 = 100_000;
    let at = |jitter, index| mean((0..N).map(|seed| wait(&retry(jitter), index, seed))) / 1e6;
    let close = |got: f64, want: f64| assert!((got / want - 1.0).abs() < 0.01, "{got} ≠ {want}");
    close(at(Jitter::Full, 0), 5.0);
    close(at(Jitter::Full, 3), 40.0);
    close(at(Jitter::Equal, 0), 7.5);
    close(at(Jitter::Equal, 3), 60.0);
    close(at(Jitter::Decorrelated, 0), 20.0);
    // E[U(i, 3p)] = (i + 3 E[p]) / 2
    close(at(Jitter::Decorrelated, 1), 35.0);
    close(at(Jitter::Decorrelated, 2), 57.5);
}

#[test]
fn full_jitter_is_uniform() {
    let retry = retry(Jitter::Full);
    let mut tenths = [0_u32; 10];
    for seed in 0..100_000 {
        tenths[usize::try_from(wait(&retry, 0, seed) / MS).expect("below ten")] += 1;
    }
    assert!(tenths.iter().all(|&count| (9_600..10_400).contains(&count)), "{tenths:?}");
}

#[test]
fn a_class_may_have_a_backoff_of_its_own() {
    let mut retry = retry(Jitter::None);
    let own = Nanos::from_millis(40);
    retry.per_class[Class::Throttled as usize] =
        PerClass { initial_backoff: own, ..PerClass::default() };
    assert_eq!(delay(&retry, Class::Throttled, 0, 0), own);
    assert_eq!(delay(&retry, Class::Throttled, 1, 0), Nanos::from_millis(80));
    assert_eq!(delay(&retry, Class::Server, 0, 0), Nanos::from_millis(10));
    retry.max_backoff = Nanos::from_millis(20);
    assert_eq!(delay(&retry, Class::Throttled, 0, 0), Nanos::from_millis(20));
}

#[test]
fn a_retry_after_of_never_stays_never() {
    assert_eq!(retry_after(Nanos::NEVER, 0, 5), Nanos::NEVER);
    assert_eq!(retry_after(Nanos::ZERO, 0, 5), Nanos::ZERO);
}

#[test]
fn a_retry_after_is_spread_by_a_twentieth_on_average() {
    let second = Nanos::from_secs(1);
    let got = mean((0..100_000).map(|seed| retry_after(second, 0, seed).as_nanos()));
    assert!((got / 1e9 - 1.05).abs() < 0.001, "{got}");
}

#[test]
fn draws_of_different_streams_indices_and_seeds_differ() {
    let mut draws: Vec<u64> = [Stream::Backoff, Stream::RetryAfter, Stream::Hedge]
        .into_iter()
        .flat_map(|stream| {
            (0..100).flat_map(move |seed| (0..100).map(move |n| draw(seed, stream, n)))
        })
        .collect();
    draws.sort_unstable();
    draws.dedup();
    assert_eq!(draws.len(), 30_000);
}

/// Neighbouring seeds and indices must not make calls wait in step.
#[test]
fn neighbouring_draws_are_uncorrelated() {
    let unit = |seed, n| draw(seed, Stream::Backoff, n) as f64 / u64::MAX as f64 - 0.5;
    for (seeds, indices) in [(1, 0), (0, 1)] {
        let pairs = (0..10_000_u64).map(|i| unit(i, i % 8) * unit(i + seeds, i % 8 + indices));
        let correlation = pairs.sum::<f64>() / 10_000.0 * 12.0;
        assert!(correlation.abs() < 0.05, "{correlation}");
    }
}

fn jitters() -> impl Strategy<Value = Jitter> {
    proptest::sample::select(Jitter::ALL.to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn every_wait_is_within_its_bounds(
        jitter in jitters(),
        initial in 10_000_u64..=30_000_000_000,
        more in 0_u64..=30_000_000_000,
        multiplier in 1.0_f64..=10.0,
        index: u8,
        seed: u64,
    ) {
        let max = (initial + more).min(30_000_000_000);
        let retry = Retry {
            initial_backoff: Nanos::from_nanos(initial),
            max_backoff: Nanos::from_nanos(max),
            multiplier,
            jitter,
            ..Retry::default()
        };
        let got = wait(&retry, index, seed);
        prop_assert_eq!(got, wait(&retry, index, seed));
        prop_assert!(got <= max);
        let plain = wait(&Retry { jitter: Jitter::None, ..retry }, index, seed);
        match jitter {
            Jitter::None => prop_assert_eq!(got, plain),
            Jitter::Full => prop_assert!(got < plain),
            Jitter::Equal => prop_assert!(got >= plain / 2 && got < plain),
            Jitter::Decorrelated => prop_assert!(got >= initial),
        }
    }

    #[test]
    fn a_retry_after_is_never_shortened(value: u64, index: u8, seed: u64) {
        let got = retry_after(Nanos::from_nanos(value), index, seed).as_nanos();
        prop_assert!(got >= value);
        prop_assert!(got - value <= value / 10);
    }
}
