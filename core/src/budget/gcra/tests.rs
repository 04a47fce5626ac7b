use proptest::prelude::*;

use super::*;
use crate::sync::Arc;

const SECOND: Nanos = Nanos::from_secs(1);

fn full(capacity: u32, per_sec: f64) -> Gcra {
    Gcra::new(capacity, per_sec, capacity, Nanos::ZERO)
}

/// How many single attempts in a row are granted, up to `most`.
fn drain(bucket: &Gcra, now: Nanos, most: u32) -> u32 {
    (0..most).take_while(|_| bucket.take(1, now)).count() as u32
}

#[test]
fn it_grants_its_capacity_at_once_and_then_its_rate() {
    let bucket = full(10, 4.0);
    assert_eq!(drain(&bucket, Nanos::ZERO, 100), 10);
    assert!(!bucket.take(1, Nanos::from_millis(249)));
    assert!(bucket.take(1, Nanos::from_millis(250)));
    assert!(!bucket.take(1, Nanos::from_millis(250)));
    assert_eq!(drain(&bucket, Nanos::from_secs(3_600), 100), 10, "no more than fits");
}

#[test]
fn a_refusal_takes_nothing() {
    let bucket = full(3, 1.0);
    assert!(!bucket.take(4, Nanos::ZERO));
    assert!(bucket.has(3, Nanos::ZERO));
    assert!(bucket.take(3, Nanos::ZERO));
    assert!(!bucket.has(1, Nanos::ZERO));
}

#[test]
fn without_a_rate_the_capacity_is_all_there_is() {
    for rate in [0.0, -1.0, f64::NAN, 1e-300] {
        let bucket = full(7, rate);
        assert_eq!(drain(&bucket, Nanos::ZERO, 100), 7, "{rate}");
        assert_eq!(drain(&bucket, Nanos::from_secs(1 << 30), 100), 0, "{rate}");
        assert_eq!(drain(&bucket, Nanos::NEVER, 100), 0, "{rate}");
    }
}

#[test]
fn without_a_capacity_nothing_is_granted() {
    for rate in [0.0, 1.0, 1e9, f64::INFINITY] {
        assert!(!full(0, rate).take(1, Nanos::from_secs(1_000)), "{rate}");
    }
}

#[test]
fn a_billion_a_second_is_refilled_to_the_nanosecond() {
    let bucket = full(1_000, 1e9);
    assert_eq!(drain(&bucket, Nanos::ZERO, 10_000), 1_000);
    for nanos in 1..=2_000 {
        assert!(bucket.take(1, Nanos::from_nanos(nanos)), "{nanos}");
        assert!(!bucket.take(1, Nanos::from_nanos(nanos)), "{nanos}");
    }
}

#[test]
fn the_rate_is_met_or_a_little_less() {
    for rate in [0.001, 0.3, 1.0, 7.0, 99.0, 12_345.6, 99_999.0, 1e5, 3e6, 1e7, 3e7, 3e8, 1e9] {
        let bucket = Gcra::new(u32::MAX, rate, 0, Nanos::ZERO);
        let elapsed = Nanos::from_secs(1_000_000).as_nanos().min((1e18 / rate) as u64);
        let refilled = bucket.available(Nanos::from_nanos(elapsed));
        let asked = (rate * elapsed as f64 / 1e9).min(f64::from(u32::MAX));
        assert!(refilled <= asked * (1.0 + 1e-12), "{rate}: {refilled} of {asked}");
        assert!(refilled >= asked * 0.98, "{rate}: {refilled} of {asked}");
    }
}

#[test]
fn a_huge_capacity_keeps_its_rate_and_its_size() {
    for rate in [1e-6, 0.001, 1.0, 1e9] {
        let bucket = full(u32::MAX, rate);
        assert_eq!(bucket.available(Nanos::ZERO), f64::from(u32::MAX), "{rate}");
        assert!(bucket.take(u32::MAX, Nanos::ZERO), "{rate}");
        assert!(!bucket.take(1, Nanos::ZERO), "{rate}");
        let once = Nanos::from_nanos((1.02e9 / rate) as u64);
        assert!(bucket.take(1, once), "{rate}");
    }
}

#[test]
fn every_cost_is_paid_in_full() {
    for cost in 1..=1_000 {
        let bucket = full(1_000, 1.0);
        let grants = (0..2_000).take_while(|_| bucket.take(cost, Nanos::ZERO)).count() as u32;
        assert_eq!(grants, 1_000 / cost);
    }
}

#[test]
fn a_cost_beyond_all_sense_is_refused() {
    assert!(!full(5, 1e-9).take(u32::MAX, Nanos::NEVER));
    assert!(!full(u32::MAX - 1, 1e-9).take(u32::MAX, Nanos::NEVER));
}

#[test]
fn a_clock_that_goes_back_refuses_and_refills_nothing_twice() {
    let bucket = Gcra::new(5, 1.0, 5, Nanos::from_secs(100));
    assert_eq!(drain(&bucket, Nanos::from_secs(200), 100), 5);
    assert_eq!(drain(&bucket, Nanos::from_secs(10), 100), 0);
    assert_eq!(drain(&bucket, Nanos::from_secs(199), 100), 0);
    assert_eq!(drain(&bucket, Nanos::from_secs(202), 100), 2);
}

#[test]
fn the_end_of_time_is_survived() {
    let bucket = full(3, 1e9);
    assert!(drain(&bucket, Nanos::NEVER, 100) <= 3);
    bucket.redefine(5, 2e9, Nanos::NEVER);
    bucket.redefine(5, 1.0, Nanos::NEVER);
    assert!(drain(&bucket, Nanos::NEVER, 100) <= 5);
}

#[test]
fn a_redefinition_keeps_what_is_left() {
    let bucket = full(10, 1.0);
    assert!(bucket.take(6, Nanos::ZERO));
    bucket.redefine(100, 50.0, Nanos::ZERO);
    assert_eq!(drain(&bucket, Nanos::ZERO, 1_000), 4, "raised: no gift");
    assert_eq!(drain(&bucket, SECOND, 1_000), 50, "the new rate");
    let later = Nanos::from_secs(60);
    bucket.redefine(2, 1e-3, later);
    assert_eq!(drain(&bucket, later, 1_000), 2, "lowered: what fits");
}

#[test]
fn redefining_again_and_again_gives_nothing_away() {
    let bucket = full(10, 1e6);
    assert_eq!(drain(&bucket, Nanos::ZERO, 100), 10);
    for round in 0..1_000_u32 {
        bucket.redefine(10 + round % 7, if round % 2 == 0 { 0.5 } else { 1e9 }, Nanos::ZERO);
        assert!(!bucket.take(1, Nanos::ZERO), "{round}");
    }
}

/// The obvious bucket, in nanoseconds of refill.
struct Twin {
    level: u128,
    interval: u128,
    capacity: u128,
    last: u64,
}

impl Twin {
    fn take(&mut self, attempts: u32, now: Nanos) -> bool {
        let passed = now.as_nanos().saturating_sub(self.last);
        self.last = self.last.max(now.as_nanos());
        self.level = (self.level + u128::from(passed)).min(self.capacity * self.interval);
        let price = u128::from(attempts) * self.interval;
        let enough = self.level >= price;
        if enough {
            self.level -= price;
        }
        enough
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// While time goes forward, it is the obvious bucket.
    #[test]
    fn it_decides_as_its_twin(
        capacity in 0_u32..40,
        magnitude in 0_u32..6,
        script in prop::collection::vec((0_u64..3, 1_u32..9), 1..200),
    ) {
        let interval = 10_u64.pow(9 - magnitude);
        let bucket = full(capacity, f64::from(10_u32.pow(magnitude)));
        let mut twin = Twin {
            level: u128::from(capacity) * u128::from(interval),
            interval: interval.into(),
            capacity: capacity.into(),
            last: 0,
        };
        let mut now = 0;
        for (step, (waits, cost)) in script.into_iter().enumerate() {
            now += waits * interval + step as u64 % 3;
            let now = Nanos::from_nanos(now);
            prop_assert_eq!(bucket.take(cost, now), twin.take(cost, now));
        }
    }

    /// Whatever the clocks of the threads say, and in whatever order their grants land.
    #[test]
    fn no_window_has_more_than_the_burst_and_the_rate(
        capacity in 1_u32..20,
        rate in prop_oneof![0.1_f64..100.0, 1e3..1e6, 1e8..1e9],
        script in prop::collection::vec((0.0_f64..60.0, 1_u32..4), 1..150),
    ) {
        let bucket = full(capacity, rate);
        let mut grants = Vec::new();
        for (intervals, cost) in script {
            // Any order at all: each grant is judged by a reading that may be stale.
            let now = (intervals * 1e9 / rate) as u64;
            if bucket.take(cost, Nanos::from_nanos(now)) {
                grants.push((now, cost));
            }
        }
        grants.sort_unstable();
        for (first, &(from, _)) in grants.iter().enumerate() {
            let mut granted = 0;
            for &(until, cost) in &grants[first..] {
                granted += cost;
                let most = f64::from(capacity) + (until - from) as f64 * rate / 1e9;
                prop_assert!(f64::from(granted) <= most + 1e-6, "{granted} of {most}");
            }
        }
    }

    /// The published bound holds across reloads.
    #[test]
    fn the_bound_holds_at_any_moment(
        script in prop::collection::vec(
            (0_u64..2_000_000_000, 0_u32..8, 0_u32..30, 0.0_f64..20.0), 1..200),
    ) {
        let bucket = full(5, 2.0);
        let (mut now, mut granted) = (Nanos::ZERO, 0);
        for (passed, cost, capacity, rate) in script {
            now = now + Nanos::from_nanos(passed);
            if cost == 0 {
                let left = bucket.available(now);
                bucket.redefine(capacity, rate, now);
                let kept = bucket.available(now);
                prop_assert!(kept <= left + 1e-6 && kept <= f64::from(capacity));
                prop_assert!(kept >= left.min(f64::from(capacity)) - 1e-6, "{kept} of {left}");
            } else if bucket.take(cost, now) {
                granted += cost;
            }
            prop_assert!(f64::from(granted) <= bucket.granted_at_most(now) + 1e-6);
        }
    }
}

/// Threads with clocks of their own, some of them stale, and one that keeps redefining.
#[test]
fn threads_share_one_bucket_exactly() {
    let bucket = Arc::new(Gcra::new(50, 1_000.0, 50, Nanos::ZERO));
    let rounds = 20_000_u64;
    let threads: Vec<_> = (0..3_u64)
        .map(|thread| {
            let bucket = Arc::clone(&bucket);
            std::thread::spawn(move || {
                let now = |round| Nanos::from_micros(10 * round - (round * thread) % 7);
                (1..=rounds).filter(|&round| bucket.take(1, now(round))).count()
            })
        })
        .collect();
    let reloader = {
        let bucket = Arc::clone(&bucket);
        std::thread::spawn(move || {
            // All refill at the same rate or less, and none holds more.
            for round in 0..2_000_u32 {
                bucket.redefine(50 - round % 3, 1_000.0, Nanos::ZERO);
            }
        })
    };
    let granted: usize = threads.into_iter().map(|thread| thread.join().expect("it counts")).sum();
    reloader.join().expect("it reloads");
    let most = 50 + rounds as usize * 10 / 1_000;
    assert!(granted <= most, "{granted} of {most}");
    assert!(granted >= 40, "{granted}: a reload must not empty it");
}
