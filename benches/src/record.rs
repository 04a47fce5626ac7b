//! What recording costs, and asking when to hedge.

use std::{
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use rego::{
    Completion, Engine, ManualClock, Nanos, Policy,
    manual::{Action, Begin, Step},
    rooms::{
        latency::{Latency, Sharding},
        sync::Shard,
    },
};

use crate::{Group, Lane, Measured, Row, TURNS, budgets::FETCH_ADD, two::Apart};

/// The benchmark.
pub const GROUPS: &[fn() -> Group] = &[recording];

/// A primary leg succeeded.
pub const RECORD: &str = "record";
/// Two threads record at one site.
pub const RECORD_TWO: &str = "record, two threads, one site";
/// Two threads record at a site each.
const RECORD_APART: &str = "record, two threads, a site each";
/// A primary leg was given up.
pub const CENSOR: &str = "censor";
/// The trigger in force.
pub const TRIGGER: &str = "trigger read";
/// A thread that is about to wait takes all in and plans.
pub const REFRESH: &str = "refresh, nothing to plan";
/// The same, of a site that finds delay and probability within a load.
pub const PLAN: &str = "refresh and plan within a load";

fn recording() -> Group {
    Group { name: "recording", lanes: lanes(), rows: goals, turns: TURNS }
}

/// The goals that these lanes answer.
#[must_use]
pub fn goals(measured: &Measured) -> Vec<Row> {
    let two = measured.ratio(RECORD_TWO, RECORD);
    vec![
        Row::goal("G6", "record: two threads / one", two, 1.1),
        Row::goal(
            "G6",
            "record, two threads: at one site / at a site each",
            measured.ratio(RECORD_TWO, RECORD_APART),
            1.1,
        ),
        Row::goal("G6", "trigger read, ns", measured.nanos(TRIGGER), 1.0),
        Row::goal("H12", "record, ns", measured.nanos(RECORD), 5.0),
        Row::goal("H12", "refresh and plan of one site, µs", measured.nanos(PLAN) / 1e3, 50.0),
    ]
}

/// Recording, reading, refreshing.
#[must_use]
pub fn lanes() -> Vec<Lane> {
    let (one, two, apart) = (latency(), latency(), Apart::new(latency));
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
        Lane::two(RECORD_APART, move |times| record(apart.of_this_thread(), times)),
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
        Lane::timed(PLAN, planned()),
    ]
}

/// A site whose calls take from 1 to 250 ms, on an event loop: ten calls, then one whose beginning
/// refreshes, because its host is about to wait. Only that one's beginning is measured.
fn planned() -> impl FnMut(u64) -> Duration {
    let policy = Policy::builder().max_attempts(1).idempotent(true).hedge_load(0.05);
    let engine = Engine::builder()
        .clock(ManualClock::new())
        .ignore_environment()
        .policy("svc.Get", policy.build().expect("it is well formed"))
        .build()
        .expect("it is well formed");
    let (site, manual) = (engine.site("svc.Get"), engine.manual());
    let mut events = manual.event_loop(|| {});
    let (mut now, mut luck) = (Nanos::ZERO, 1_u64);
    let mut refresh = move || {
        let mut took = Duration::ZERO;
        for nth in 0..=10 {
            if nth == 10 {
                now = now + Nanos::from_millis(150);
            }
            let started = Instant::now();
            let (_, step) = events.begin(&site, Begin::new(now));
            took = started.elapsed();
            luck = luck.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let octaves = (luck >> 40) as f64 / (1 << 24) as f64 * 8.0;
            let end = now + Nanos::from_millis(1).mul_f64(octaves.exp2());
            let attempt = only_start(&step);
            let _done = manual.finish(attempt, end, &Completion::ok(), 0).expect("it was started");
            while events.process(now).is_some() {}
        }
        let plan = site.hedge_plan().expect("it hedges");
        (took, plan.cold || plan.warming)
    };
    while refresh().1 {}
    move |times| {
        let all = (0..times).map(|_| refresh());
        all.fold(Duration::ZERO, |sum, (took, is_new)| {
            assert!(!is_new, "there are enough samples to plan with");
            sum + took
        })
    }
}

fn only_start(step: &Step) -> rego::manual::AttemptRef {
    let mut starts = step.actions().filter_map(|action| match action {
        Action::Start { attempt, .. } => Some(attempt),
        _ => None,
    });
    starts.next().expect("a call begins with an attempt")
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
