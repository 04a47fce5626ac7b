//! What recording costs, and asking when to hedge.

use std::{
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use rego::{
    Nanos,
    rooms::{
        latency::{Latency, Sharding},
        sync::Shard,
    },
};

use crate::{Group, Lane, Measured, Row, TURNS, budgets::FETCH_ADD};

/// The benchmark.
pub const GROUPS: &[fn() -> Group] = &[recording];

/// A primary leg succeeded.
pub const RECORD: &str = "record";
/// Two threads record at one site.
pub const RECORD_TWO: &str = "record, two threads, one site";
/// A primary leg was given up.
pub const CENSOR: &str = "censor";
/// The trigger in force.
pub const TRIGGER: &str = "trigger read";
/// A thread that is about to wait takes all in and plans.
pub const REFRESH: &str = "refresh, nothing to plan";

fn recording() -> Group {
    Group { name: "recording", lanes: lanes(), rows: goals, turns: TURNS }
}

/// The goals that these lanes answer.
#[must_use]
pub fn goals(measured: &Measured) -> Vec<Row> {
    let two = measured.ratio(RECORD_TWO, RECORD);
    vec![
        Row::goal("G6", "record: two threads / one", two, 1.1),
        Row::goal("G6", "trigger read, ns", measured.nanos(TRIGGER), 1.0),
        Row::goal("H12", "record, ns", measured.nanos(RECORD), 5.0),
    ]
}

/// Recording, reading, refreshing.
#[must_use]
pub fn lanes() -> Vec<Lane> {
    let (one, two) = (latency(), latency());
    let (censored, read, refreshed) = (latency(), latency(), latency());
    vec![
        Lane::new(FETCH_ADD, {
            let word = AtomicU64::new(0);
            move |times| {
                for _ in 0..times {
                    // Relaxed: a baseline.
                    black_box(&word).fetch_add(1, Ordering::Relaxed);
                }
            }
        }),
        Lane::new(RECORD, move |times| record(&one, times)),
        Lane::two(RECORD_TWO, move |times| record(&two, times)),
        Lane::new(CENSOR, move |times| {
            let shard = Shard::current();
            for leg in 0..times {
                black_box(&censored).censor(shard, age(leg));
            }
        }),
        Lane::new(TRIGGER, move |times| {
            for _ in 0..times {
                black_box(black_box(&read).trigger());
            }
        }),
        Lane::new(REFRESH, {
            let mut now = Nanos::ZERO;
            move |times| {
                for _ in 0..times {
                    now = now + Nanos::from_millis(100);
                    record(&refreshed, 1);
                    black_box(refreshed.refresh(now, &mut |reading| reading.in_force));
                }
            }
        }),
    ]
}

/// This many observations.
pub fn record(latency: &Latency, times: u64) {
    let shard = Shard::current();
    for leg in 0..times {
        black_box(latency).record(shard, age(leg));
    }
}

/// Sharded as a site's.
#[must_use]
pub fn latency() -> Arc<Latency> {
    Arc::new(Latency::new(Sharding::PerThread))
}

/// Around 5 ms, over some 64 buckets.
pub fn age(leg: u64) -> Nanos {
    Nanos::from_nanos(4_000_000 + (leg & 63) * 100_000)
}
