//! Budgets under loom: whatever the interleaving, no more is issued than was there and was paid in.
//!
//! What loom cannot show: it runs a read-modify-write on the newest value there is, so neither the
//! Acquire on a bucket's numbers nor the Release on a cell's bit is missed when it is weakened.
#![cfg(rego_loom)]

use std::time::Duration;

use loom::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};
use loom_tests::explore;
use rego::{
    Budget, Funding, Nanos,
    rooms::budget::{BudgetState, Condition, Deposits, Report, Shard},
};

const ZERO: Nanos = Nanos::ZERO;

fn new(definition: Budget) -> Arc<BudgetState> {
    Arc::new(BudgetState::new("model", &definition, Deposits::PerCall, ZERO))
}

/// Starts with `cap`, which is also its ceiling.
fn ratio(ratio: f64, cap: u32) -> Budget {
    Budget::Ratio {
        ratio,
        window: Duration::from_secs(10),
        cap,
        min_per_sec: 0.0,
        start: 5,
        funding: Funding::Successes,
    }
}

fn pay(budget: &BudgetState, shard: usize, cost: u32) -> bool {
    budget.withdraw(Shard::new(shard), cost, ZERO, || Condition::Unwell).is_allowed()
}

/// The count first, then the bound: as anyone may, at any time.
fn audit(budget: &BudgetState, cost: u64) {
    let spent = (budget.grants() * cost) as f64;
    let bound = budget.bound(ZERO);
    assert!(spent <= bound, "{spent} spent of {bound}");
}

fn spawn(budget: &Arc<BudgetState>, run: fn(&BudgetState)) -> thread::JoinHandle<()> {
    let budget = Arc::clone(budget);
    thread::spawn(move || run(&budget))
}

fn join(threads: impl IntoIterator<Item = thread::JoinHandle<()>>) {
    for thread in threads {
        thread.join().expect("loom ends the model when a thread panics");
    }
}

#[test]
fn a_token_is_spent_once() {
    explore("budget: one token, two takers", || {
        let budget = new(ratio(0.0, 1));
        join([spawn(&budget, |b| _ = pay(b, 0, 1)), spawn(&budget, |b| _ = pay(b, 1, 1))]);
        assert_eq!((budget.grants(), budget.denials()), (1, 1));
        assert_eq!(budget.available(ZERO), 0.0);
    });
}

#[test]
fn halves_in_two_cells_make_one() {
    explore("budget: two who take and pay in a half", || {
        let budget = new(ratio(0.5, 1));
        let half = |budget: &BudgetState, shard| {
            pay(budget, shard, 1);
            budget.deposit(Shard::new(shard));
            pay(budget, shard, 1);
        };
        let (left, right) = (Arc::clone(&budget), Arc::clone(&budget));
        join([thread::spawn(move || half(&left, 0)), thread::spawn(move || half(&right, 1))]);
        audit(&budget, 1);
        // Now nothing is in anyone's hand: all that is left can be drawn, and no more.
        while pay(&budget, 0, 1) {}
        assert!(budget.grants() <= 2, "a start of 1, and two halves");
        assert!(budget.available(ZERO) < 1.0);
        // What was credited was spent or is still there: halves in the cells are not credited yet.
        assert_eq!(budget.bound(ZERO), budget.grants() as f64 + budget.available(ZERO));
    });
}

#[test]
fn an_audit_never_sees_more_than_the_bound() {
    explore("budget: a payer, a taker, an auditor", || {
        // A deposit of two where one fits: what is thrown away is audited too.
        let budget = new(ratio(2.0, 1));
        let taker = spawn(&budget, |b| {
            pay(b, 0, 1);
            pay(b, 0, 1);
        });
        let payer = spawn(&budget, |b| b.deposit(Shard::new(1)));
        let auditor = spawn(&budget, |b| audit(b, 1));
        join([taker, payer, auditor]);
        audit(&budget, 1);
        assert_eq!(budget.bound(ZERO), budget.grants() as f64 + budget.available(ZERO));
    });
}

#[test]
fn a_cut_is_seen_with_what_paid_for_it() {
    explore("budget: a ceiling that falls", || {
        let budget = new(ratio(1.0, 6));
        let busy = Report { since: ZERO, answered: 6, attempts: 6, moved: false };
        budget.refresh(busy, ZERO);
        let payer = spawn(&budget, |b| b.deposit(Shard::new(0)));
        let cutter = spawn(&budget, |b| {
            let idle = Report { since: ZERO, answered: 0, attempts: 0, moved: false };
            b.refresh(idle, Nanos::from_secs(60));
        });
        let taker = spawn(&budget, |b| {
            pay(b, 1, 6);
            audit(b, 6);
        });
        join([payer, cutter, taker]);
        audit(&budget, 6);
        assert!(budget.available(ZERO) <= 6.0);
    });
}

#[test]
fn a_bucket_grants_its_burst_once() {
    explore("budget: a bucket, two takers", || {
        let budget = new(Budget::TokenBucket { capacity: 1, refill_per_sec: 1.0 });
        join([spawn(&budget, |b| _ = pay(b, 0, 1)), spawn(&budget, |b| _ = pay(b, 1, 1))]);
        assert_eq!((budget.grants(), budget.denials()), (1, 1));
    });
}

#[test]
fn a_bucket_is_never_judged_by_half_a_reload() {
    const LATER: Nanos = Nanos::from_secs(10);
    let pay = |b: &BudgetState, shard, cost| {
        _ = b.withdraw(Shard::new(shard), cost, LATER, || Condition::Unwell);
    };
    explore("budget: a bucket, a taker, a reload", move || {
        let budget = new(Budget::TokenBucket { capacity: 3, refill_per_sec: 1e6 });
        pay(&budget, 0, 2);
        // One is left. Were one charged an interval of the old definition, in a bucket of the new,
        // there would be room for thousands.
        let reload = spawn(&budget, |b| {
            let slow = Budget::TokenBucket { capacity: 9, refill_per_sec: 1.0 };
            assert!(b.reconfigure(&slow, LATER));
        });
        let taker = {
            let budget = Arc::clone(&budget);
            thread::spawn(move || (0..2).for_each(|_| pay(&budget, 0, 1)))
        };
        join([taker, reload]);
        let (grants, left) = (budget.grants(), budget.available(LATER));
        assert!(grants == 1 && left == 1.0 || grants == 2 && left == 0.0, "{grants} and {left}");
    });
}

#[test]
fn a_place_is_taken_by_one_at_a_time() {
    explore("budget: one place, two takers", || {
        let budget = new(Budget::Concurrency { max: 1 });
        let inside = Arc::new(AtomicUsize::new(0));
        let threads = [0, 1].map(|shard| {
            let (budget, inside) = (Arc::clone(&budget), Arc::clone(&inside));
            thread::spawn(move || {
                if budget.reserve(Shard::new(shard)).is_allowed() {
                    assert_eq!(inside.fetch_add(1, Ordering::Relaxed), 0, "two in one place");
                    inside.fetch_sub(1, Ordering::Relaxed);
                    budget.release();
                }
            })
        });
        join(threads);
        assert_eq!(budget.available(ZERO), 1.0);
        assert!(budget.grants() >= 1);
    });
}

#[test]
fn calls_and_places_share_a_word() {
    explore("budget: in flight", || {
        let budget = new(Budget::InFlight { ratio: 0.5, min: 0 });
        let call = |b: &BudgetState, shard| {
            b.begin(Shard::new(shard));
            if b.reserve(Shard::new(shard)).is_allowed() {
                b.release();
            }
            b.end();
        };
        let (left, right) = (Arc::clone(&budget), Arc::clone(&budget));
        join([thread::spawn(move || call(&left, 0)), thread::spawn(move || call(&right, 1))]);
        assert_eq!(budget.available(ZERO), 0.0, "no calls, no room");
        assert_eq!(budget.grants() + budget.denials(), 2);
    });
}

#[test]
fn a_throttle_counts_every_failure_and_every_success() {
    explore("budget: a throttle, two failures, a success, one asks", || {
        let budget = new(Budget::Throttle { max_tokens: 4, token_ratio: 0.5 });
        budget.failure();
        let threads = [
            spawn(&budget, BudgetState::failure),
            spawn(&budget, BudgetState::failure),
            spawn(&budget, BudgetState::later_success),
        ];
        let asking = spawn(&budget, |b| _ = pay(b, 0, 1));
        join(threads);
        join([asking]);
        // 4 - 3 + 0.5 are left: one failure and a half more than half of them.
        assert!(!pay(&budget, 0, 1));
        (0..2).for_each(|_| budget.later_success());
        assert!(pay(&budget, 0, 1), "half a token is more than half");
    });
}
