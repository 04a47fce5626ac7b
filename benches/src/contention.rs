//! What two threads cost each other: at one site and at many, at one budget, one histogram, one
//! wheel; beside two clock readings and additions to a shared word and to one of their own.

use std::{
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use rego::{Budget, CallSite, Clock, Engine, Nanos, Policy};

use crate::{
    Group, Lane, Measured, Row, TURNS, budgets,
    call_path::{self, GOOD, KEY, calls, consume, operation},
    two::Apart,
};

/// The benchmark.
pub const GROUPS: &[fn() -> Group] = &[call_sites, shared_words];

/// The success path, on one thread and on two.
pub const ONE_SITE: [&str; 2] = ["site.run, one thread", "site.run, two threads, one site"];
/// The success path while each success pays into the budget.
pub const DEPOSITING: [&str; 2] =
    ["site.run depositing, one thread", "site.run depositing, two threads"];
/// Sixty-four keys in turn.
pub const MANY_SITES: [&str; 2] = ["64 sites, one thread", "64 sites, two threads"];
/// The same with nothing shared: what the machine takes from two threads.
const APART: &str = "site.run, two threads, an engine each";
const ADDITIONS: [&str; 2] = ["additions, one thread", "additions, two threads"];
const PAIR: [&str; 2] = ["instant pair, one thread", "instant pair, two threads"];

fn call_sites() -> Group {
    Group { name: "call sites", lanes: call_lanes(), rows: goals, turns: TURNS }
}

/// The goals that [`call_lanes`] answers.
#[must_use]
pub fn goals(measured: &Measured) -> Vec<Row> {
    let beside = |[one, two]: [&str; 2], what: &str, bound| {
        let row = format!("{what}: two threads / one");
        Row { id: "G4", what: row, value: measured.ratio(two, one), bound }
    };
    vec![
        beside(ONE_SITE, "site.run, budget at its ceiling", Some(1.15)),
        beside(DEPOSITING, "site.run, budget below its ceiling", Some(1.6)),
        beside(MANY_SITES, "64 sites", None),
        beside(ADDITIONS, "additions in registers, for comparison", None),
        beside(PAIR, "an instant pair, for comparison", None),
        Row::goal(
            "G4",
            "site.run, two threads: at one site / at an engine each",
            measured.ratio(ONE_SITE[1], APART),
            1.15,
        ),
    ]
}

/// Calls on one thread and on two.
#[must_use]
pub fn call_lanes() -> Vec<Lane> {
    let engine = call_path::engine(Clock::tsc());
    let (one, two) = (engine.site(KEY), engine.site(KEY));
    let mut lanes = vec![
        Lane::new(PAIR[0], instant_pairs),
        Lane::two(PAIR[1], instant_pairs),
        Lane::new(ADDITIONS[0], additions),
        Lane::two(ADDITIONS[1], additions),
        Lane::new(ONE_SITE[0], move |times| calls(&one, times)),
        Lane::two(ONE_SITE[1], move |times| calls(&two, times)),
    ];
    let apart = Apart::new(|| call_path::engine(Clock::tsc()).site(KEY));
    lanes.push(Lane::two(APART, move |times| calls(apart.of_this_thread(), times)));
    let (one, two) = (hungry_site(), hungry_site());
    lanes.push(Lane::new(DEPOSITING[0], move |times| calls(&one, times)));
    lanes.push(Lane::two(DEPOSITING[1], move |times| calls(&two, times)));
    let (one, two) = (sites(&engine), sites(&engine));
    lanes.push(Lane::new(MANY_SITES[0], move |times| calls_in_turn(&one, times)));
    lanes.push(Lane::two(MANY_SITES[1], move |times| calls_in_turn(&two, times)));
    lanes
}

fn shared_words() -> Group {
    Group { name: "shared words", lanes: word_lanes(), rows: |_| Vec::new(), turns: TURNS }
}

fn word_lanes() -> Vec<Lane> {
    let shared = Arc::new(AtomicU64::new(0));
    let (full, hungry, bucket) = (budgets::full(), budgets::hungry(), budgets::endless());
    let clock = Clock::tsc();
    vec![
        Lane::two("fetch_add, shared", move |times| {
            for _ in 0..times {
                // Relaxed: a baseline.
                shared.fetch_add(1, Ordering::Relaxed);
            }
        }),
        Lane::two("fetch_add, own line", |times| {
            let own = AtomicU64::new(0);
            for _ in 0..times {
                // Relaxed: a baseline.
                black_box(&own).fetch_add(1, Ordering::Relaxed);
            }
        }),
        Lane::two("ratio: deposit at the ceiling", move |times| budgets::deposits(&full, times)),
        Lane::two("ratio: deposit below the ceiling", {
            let hungry = Arc::clone(&hungry);
            move |times| budgets::deposits(&hungry, times)
        }),
        Lane::two("ratio: deny while the other one deposits", move |times| {
            budgets::withdrawals(&hungry, Nanos::ZERO, times);
        }),
        Lane::two("token bucket: grant, tsc read", move |times| {
            budgets::draw_by_clock(&bucket, &clock, times);
        }),
    ]
}

/// As many at a time as a processor can do: where two threads share one, each takes twice as long.
fn additions(times: u64) {
    let mut sums = [black_box(1_u64), 2, 3, 4, 5, 6, 7, 8];
    for request in 0..times {
        for sum in &mut sums {
            *sum = sum.rotate_left(1) ^ request;
        }
    }
    black_box(sums);
}

fn instant_pairs(times: u64) {
    for request in 0..times {
        let started = Instant::now();
        consume(operation(request));
        black_box(started.elapsed());
    }
}

/// A site whose budget would need five million successes to be full.
fn hungry_site() -> CallSite {
    let policy = Policy::builder().retry_budget("hungry").build().expect(GOOD);
    let engine = Engine::builder()
        .ignore_environment()
        .budget("hungry", Budget::ratio(1e-6).min_per_sec(0.0))
        .policy(KEY, policy)
        .build()
        .expect(GOOD);
    let site = engine.site(KEY);
    // Failures that nobody answered spend what it starts with.
    for _ in 0..16 {
        let refused = || std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        let _ = site.run(|_| Err::<(), _>(refused()));
    }
    site
}

fn sites(engine: &Engine) -> Vec<CallSite> {
    (0..64).map(|site| engine.site(&format!("svc.Get{site}"))).collect()
}

fn calls_in_turn(sites: &[CallSite], times: u64) {
    for request in 0..times {
        let site = &sites[request as usize % sites.len()];
        consume(site.run(|_| operation(request)));
    }
}
