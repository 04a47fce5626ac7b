//! What a budget costs those who pay in, draw, and are refused.

use std::{
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use rego::{
    Budget, Clock, Nanos,
    rooms::budget::{BudgetState, Condition, Deposits, Report, Shard},
};

use crate::{Group, Lane, Measured, Row, TURNS};

/// The benchmark.
pub const GROUPS: &[fn() -> Group] = &[one_thread];

/// One relaxed addition to a word that is this thread's alone.
pub const FETCH_ADD: &str = "fetch_add, own line";
/// A success pays into a ratio budget that has all it may hold.
pub const DEPOSIT_FULL: &str = "ratio: deposit at the ceiling";
/// A success pays into one that has not.
pub const DEPOSIT: &str = "ratio: deposit below the ceiling";
/// The mixture of a bad hour: ten successes pay for one retry, per success.
pub const MIXED: &str = "ratio: a tenth of (10 deposits + 1 withdrawal)";
/// A ratio budget pays for an extra attempt.
pub const GRANT: &str = "ratio: grant";
/// A ratio budget without a floor refuses.
pub const DENY: &str = "ratio: deny";
/// The default of a site, whose floor is one a second, refuses.
pub const DENY_FLOOR: &str = "ratio with a floor: deny";
/// A token bucket pays, the time being given.
pub const BUCKET: &str = "token bucket: grant, time given";
/// A token bucket refuses, the time being given.
pub const BUCKET_DENY: &str = "token bucket: deny, time given";
/// A token bucket pays, and reads its clock for it.
pub const BUCKET_CLOCK: &str = "token bucket: grant, tsc read";

fn one_thread() -> Group {
    Group { name: "one thread", lanes: lanes(), rows: goals, turns: TURNS }
}

/// The goals that these lanes answer.
#[must_use]
pub fn goals(measured: &Measured) -> Vec<Row> {
    let nanos = |what: &str, lane: &str, bound| {
        Row::goal("H12", &format!("{what}, ns"), measured.nanos(lane), bound)
    };
    let deposit = measured.ratio(DEPOSIT, FETCH_ADD);
    vec![
        Row::goal("G5", &format!("{DEPOSIT} / {FETCH_ADD}"), deposit, 1.5),
        nanos(GRANT, GRANT, 6.0),
        nanos(DENY, DENY, 1.0),
        nanos(DENY_FLOOR, DENY_FLOOR, 1.0),
    ]
}

/// All kinds that calls pay or draw from in passing.
#[must_use]
pub fn lanes() -> Vec<Lane> {
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
        Lane::new(DEPOSIT_FULL, {
            let budget = full();
            move |times| deposits(&budget, times)
        }),
        Lane::timed(DEPOSIT, {
            let budget = hungry();
            move |times| {
                while withdraw(&budget, Nanos::ZERO) {}
                timed(|| deposits(&budget, times))
            }
        }),
        Lane::new(MIXED, {
            let budget = new(Budget::ratio(0.1).min_per_sec(0.0), Deposits::PerCall);
            move |times| {
                for _ in 0..times.div_ceil(10) {
                    deposits(&budget, 10);
                    black_box(withdraw(&budget, Nanos::ZERO));
                }
            }
        }),
        Lane::timed(GRANT, grants()),
        Lane::new(DENY, {
            let budget = spent(0.0);
            move |times| withdrawals(&budget, Nanos::ZERO, times)
        }),
        Lane::new(DENY_FLOOR, {
            let budget = spent(1.0);
            move |times| withdrawals(&budget, Nanos::ZERO, times)
        }),
        Lane::new(BUCKET, {
            let (budget, mut now) = (bucket(), Nanos::ZERO);
            move |times| {
                for _ in 0..times {
                    now = now + Nanos::from_micros(2);
                    black_box(withdraw(&budget, now));
                }
            }
        }),
        Lane::new(BUCKET_DENY, {
            let budget = bucket();
            while withdraw(&budget, Nanos::ZERO) {}
            move |times| withdrawals(&budget, Nanos::ZERO, times)
        }),
        Lane::new(BUCKET_CLOCK, {
            let (clock, budget) = (Clock::tsc(), endless());
            move |times| draw_by_clock(&budget, &clock, times)
        }),
    ]
}

/// One million grants, paid for in bulk beforehand.
fn grants() -> impl FnMut(u64) -> Duration {
    let definition = Budget::ratio(1.0).cap(1_000_000).min_per_sec(0.0).funded_by_requests();
    let budget = new(definition, Deposits::OnRefresh);
    move |times| {
        let report = Report { since: Nanos::ZERO, answered: 0, attempts: 1_000_000, moved: false };
        budget.refresh(report, Nanos::from_secs(1));
        timed(|| withdrawals(&budget, Nanos::ZERO, times))
    }
}

/// A ratio budget with all it may hold.
#[must_use]
pub fn full() -> Arc<BudgetState> {
    new(Budget::ratio(0.1), Deposits::PerCall)
}

/// A ratio budget that five million deposits would fill, and that has nothing.
#[must_use]
pub fn hungry() -> Arc<BudgetState> {
    let budget = new(Budget::ratio(1e-6).min_per_sec(0.0), Deposits::PerCall);
    while withdraw(&budget, Nanos::ZERO) {}
    budget
}

/// A ratio budget that has nothing, with this floor, which has nothing either.
fn spent(min_per_sec: f64) -> Arc<BudgetState> {
    let budget = new(Budget::ratio(0.1).min_per_sec(min_per_sec), Deposits::PerCall);
    while withdraw(&budget, Nanos::ZERO) {}
    budget
}

fn bucket() -> Arc<BudgetState> {
    new(Budget::token_bucket(1_000, 1e6), Deposits::PerCall)
}

/// A token bucket that is refilled faster than anybody can draw.
#[must_use]
pub fn endless() -> Arc<BudgetState> {
    new(Budget::token_bucket(1_000_000, 1e9), Deposits::PerCall)
}

fn new(definition: impl Into<Budget>, deposits: Deposits) -> Arc<BudgetState> {
    Arc::new(BudgetState::new("bench", &definition.into(), deposits, Nanos::ZERO))
}

/// This many deposits.
pub fn deposits(budget: &BudgetState, times: u64) {
    let shard = Shard::current();
    for _ in 0..times {
        black_box(budget).deposit(shard);
    }
}

/// This many withdrawals.
pub fn withdrawals(budget: &BudgetState, now: Nanos, times: u64) {
    let shard = Shard::current();
    for _ in 0..times {
        black_box(black_box(budget).draw(shard, 1, now, || Condition::Well));
    }
}

/// This many withdrawals, each at the time of its own.
pub fn draw_by_clock(budget: &BudgetState, clock: &Clock, times: u64) {
    let shard = Shard::current();
    for _ in 0..times {
        black_box(black_box(budget).withdraw(shard, 1, clock.now(), || Condition::Well));
    }
}

fn withdraw(budget: &BudgetState, now: Nanos) -> bool {
    budget.withdraw(Shard::current(), 1, now, || Condition::Well).is_allowed()
}

fn timed(work: impl FnOnce()) -> Duration {
    let started = Instant::now();
    work();
    started.elapsed()
}
