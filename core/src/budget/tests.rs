//! What every kind promises, through the door that the calls use.

mod kinds;
mod shared;
mod storm;

use std::time::Duration;

use super::*;
use crate::policy::Funding;

const ZERO: Nanos = Nanos::ZERO;

fn shard() -> Shard {
    Shard::new(0)
}

fn new(definition: &Budget) -> BudgetState {
    BudgetState::new("test", definition, Deposits::PerCall, ZERO)
}

/// The default of a site, with another ratio, floor or funding.
fn ratio(ratio: f64, min_per_sec: f64, funding: Funding) -> Budget {
    Budget::Ratio {
        ratio,
        window: Duration::from_secs(10),
        cap: 100,
        min_per_sec,
        start: 5,
        funding,
    }
}

fn pay(budget: &BudgetState, now: Nanos) -> bool {
    budget.withdraw(shard(), 1, now, || Condition::Well).is_allowed()
}

/// How many attempts in a row it pays for, up to `most`.
fn drain(budget: &BudgetState, most: usize) -> usize {
    (0..most).take_while(|_| pay(budget, ZERO)).count()
}

fn answers(budget: &BudgetState, calls: usize) {
    (0..calls).for_each(|_| budget.deposit(shard()));
}

/// A report of calls that were all answered.
fn report(since: Nanos, calls: u64) -> Report {
    Report { since, answered: calls, attempts: calls, moved: false }
}
