//! H11: a budget never issues more than was paid in, on real threads.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
};

use rego::{
    Budget, Nanos,
    rooms::{
        budget::{BudgetState, Condition, Deposits},
        sync::Shard,
    },
};
use rego_benches::Row;

const THREADS: u64 = 2;
const RATIO: f64 = 0.1;
/// What it starts with.
const START: f64 = 5.0;

/// Each of two threads pays in and draws `operations` times; a third audits all the while.
pub(crate) fn conservation(operations: u64) -> Vec<Row> {
    let definition = Budget::ratio(RATIO).min_per_sec(0.0).into();
    let budget = Arc::new(BudgetState::new("exact", &definition, Deposits::PerCall, Nanos::ZERO));
    let over = AtomicBool::new(false);
    let deposits = AtomicU64::new(0);
    let (audits, above) = thread::scope(|scope| {
        let workers: Vec<_> = (0..THREADS)
            .map(|_| {
                scope.spawn(|| {
                    let paid = pay_and_draw(&budget, operations);
                    // Relaxed: read when the threads have ended.
                    deposits.fetch_add(paid, Ordering::Relaxed);
                })
            })
            .collect();
        let auditor = scope.spawn(|| audit(&budget, &over));
        for worker in workers {
            worker.join().expect("no panic");
        }
        // Relaxed: the auditor looks again and again.
        over.store(true, Ordering::Relaxed);
        auditor.join().expect("no panic")
    });
    // At rest: what is left is drawn, until all that was paid in is issued or in the balance.
    while budget.withdraw(Shard::current(), 1, Nanos::ZERO, || Condition::Well).is_allowed() {}
    let issued = budget.grants() as f64 + budget.available(Nanos::ZERO);
    let paid_in = START + RATIO * deposits.load(Ordering::Relaxed) as f64;
    vec![
        Row {
            id: "H11",
            what: format!("audits of 2 × {operations} operations"),
            value: audits as f64,
            bound: None,
        },
        Row::goal("H11", "audits that found more issued than paid in", above as f64, 0.0),
        // A ceiling turns deposits away: so at most what was paid in, and exactly what the bound says.
        Row::goal("H11", "issued and left − paid in, at rest", (issued - paid_in).max(0.0), 1e-6),
        Row::goal(
            "H11",
            "|issued and left − the published bound|, at rest",
            (issued - budget.bound(Nanos::ZERO)).abs(),
            1e-6,
        ),
    ]
}

/// Four deposits, a withdrawal: hungrier than what is paid in allows. How many deposits.
fn pay_and_draw(budget: &BudgetState, operations: u64) -> u64 {
    let shard = Shard::current();
    let mut paid = 0;
    for operation in 0..operations {
        if operation % 5 == 4 {
            let _ = budget.withdraw(shard, 1, Nanos::ZERO, || Condition::Well);
        } else {
            budget.deposit(shard);
            paid += 1;
        }
    }
    paid
}

/// How many audits there were, and how many found more grants than the bound read after them.
fn audit(budget: &BudgetState, over: &AtomicBool) -> (u64, u64) {
    let (mut audits, mut above) = (0, 0);
    while !over.load(Ordering::Relaxed) {
        let grants = budget.grants() as f64;
        above += u64::from(grants > budget.bound(Nanos::ZERO));
        audits += 1;
        thread::yield_now();
    }
    (audits, above)
}
