//! The parts of a call: budgets and histograms, rego's beside others'.

use std::{hint::black_box, num::NonZeroU32, sync::Mutex, time::Duration};

use governor::{Quota, RateLimiter, clock::QuantaClock};
use hdrhistogram::{Histogram, sync::SyncHistogram};
use rego_benches::{Group, Lane, Measured, Row, TURNS, budgets, record};
use tower::retry::budget::{Budget, TpsBudget};
use tower_resilience::retry::RetryBudgetBuilder;

const GOVERNOR: &str = "governor check";
const TPS_DEPOSIT: &str = "tower TpsBudget deposit";
const TPS_WITHDRAW: &str = "tower TpsBudget withdraw";
const RESILIENCE: &str = "tower-resilience token bucket withdraw";
const SYNC: &str = "hdrhistogram SyncHistogram recorder";
const MUTEX: &str = "hdrhistogram in a mutex";

/// Who pays for a retry.
pub(crate) fn paying() -> Group {
    let mut lanes = budgets::lanes();
    lanes.extend(peers());
    Group { name: "budgets", lanes, rows: paying_goals, turns: TURNS }
}

fn paying_goals(measured: &Measured) -> Vec<Row> {
    let mut rows = vec![
        Row::goal(
            "G5",
            "token bucket grant with its clock / governor check",
            measured.ratio(budgets::BUCKET_CLOCK, GOVERNOR),
            1.15,
        ),
        Row::goal(
            "G5",
            "ratio deposit below the ceiling / tower TpsBudget deposit",
            measured.ratio(budgets::DEPOSIT, TPS_DEPOSIT),
            0.1,
        ),
    ];
    rows.extend(budgets::goals(measured));
    rows
}

fn peers() -> Vec<Lane> {
    // As many a second as rego's lane is given: every one of them is granted.
    let many = NonZeroU32::new(1_000_000_000).expect("it is not 0");
    let limiter = RateLimiter::direct_with_clock(Quota::per_second(many), QuantaClock::default());
    let deposits = TpsBudget::new(Duration::from_secs(10), 1, 0.1);
    let withdrawals = TpsBudget::new(Duration::from_secs(10), 1_000, 0.1);
    let bucket = RetryBudgetBuilder::new().token_bucket().tokens_per_second(1e9);
    let bucket = bucket.max_tokens(1_000_000_000).build().expect("these are fine");
    vec![
        Lane::new(GOVERNOR, move |times| {
            for _ in 0..times {
                black_box(black_box(&limiter).check().is_ok());
            }
        }),
        Lane::new(TPS_DEPOSIT, move |times| {
            for _ in 0..times {
                black_box(&deposits).deposit();
            }
        }),
        Lane::new(TPS_WITHDRAW, move |times| {
            for _ in 0..times {
                black_box(black_box(&withdrawals).withdraw());
            }
        }),
        Lane::new(RESILIENCE, move |times| {
            for _ in 0..times {
                black_box(black_box(&bucket).try_withdraw());
            }
        }),
    ]
}

/// Who writes down how long it took.
pub(crate) fn recording() -> Group {
    let mut lanes = record::lanes();
    lanes.extend(recorders());
    let rows = |measured: &Measured| {
        let beside = measured.ratio(record::RECORD, SYNC);
        let mut rows =
            vec![Row::goal("G6", "record / hdrhistogram SyncHistogram recorder", beside, 0.6)];
        rows.extend(record::goals(measured));
        rows
    };
    Group { name: "recording", lanes, rows, turns: TURNS }
}

fn recorders() -> Vec<Lane> {
    let shared = Mutex::new(histogram());
    vec![
        Lane::new(SYNC, {
            let histogram = SyncHistogram::from(histogram());
            let mut recorder = histogram.recorder();
            move |times| {
                for leg in 0..times {
                    recorder.saturating_record(record::age(leg).as_nanos());
                }
                black_box(&histogram);
            }
        }),
        Lane::new(MUTEX, move |times| {
            for leg in 0..times {
                let nanos = record::age(leg).as_nanos();
                shared.lock().expect("nobody panics").saturating_record(nanos);
            }
        }),
    ]
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 68_000_000_000, 2).expect("these are fine")
}
