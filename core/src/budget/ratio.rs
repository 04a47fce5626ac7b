//! A share of what the server answers, with a floor for healthy sites that are called seldom.

use std::time::Duration;

use crate::{
    clock::Nanos,
    hedge::Level,
    policy::Funding,
    sync::{AtomicU32, AtomicU64, Mutex, Ordering, Shard},
};

use super::{Condition, Deposits, Report, gcra::Gcra, striped::Striped, token, window::Window};

/// `repr(C)`: a deposit at the ceiling reads one line.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Ratio {
    /// What an answer, and what the beginning of a call, pay in. One of them at most is not 0.
    per_answer: AtomicU64,
    per_call: AtomicU64,
    purse: Striped,
    floor: Gcra,
    /// The most that an extra attempt has cost, where that is more than [`KNOWN`].
    dearest: AtomicU32,
    deposits: Deposits,
    rules: Mutex<Rules>,
}

/// The fields of [`Budget::Ratio`](crate::policy::Budget::Ratio).
#[derive(Clone, Copy, Debug)]
pub(super) struct Definition {
    pub(super) ratio: f64,
    pub(super) window: Duration,
    pub(super) cap: u32,
    pub(super) min_per_sec: f64,
    pub(super) start: u32,
    pub(super) funding: Funding,
}

/// The least that is saved up once a window has shown how much is answered: the retries of one
/// call. The processes of a large fleet are called seldom, each of them, and a server has to bear
/// what they all have saved up (`docs/adr/0015`).
const KNOWN: u32 = 2;

#[derive(Debug)]
struct Rules {
    ratio: u64,
    cap: u32,
    /// What it starts with, and the least its ceiling is while nothing is known, unless its cap is
    /// lower.
    start: u32,
    /// Since when something is known to be answered: a first report tells of the time before it.
    known_since: Option<Nanos>,
    funding: Funding,
    window: Window,
    ceiling: u64,
    /// What the answers that were reported pay in.
    earned: u64,
    /// What of it was turned away and made good; and that with what will not be.
    made_good: u64,
    settled: u64,
    /// When the ratio or the funding was changed, and the least that a report from before it is sure
    /// to have paid for each answer.
    redefined: Nanos,
    least_ratio: u64,
}

impl Ratio {
    pub(super) fn new(definition: Definition, deposits: Deposits, now: Nanos) -> Self {
        let Definition { ratio, window, cap, min_per_sec, start: least, funding } = definition;
        let ratio = token::from_f64(ratio);
        let (per_answer, per_call) = per_event(ratio, funding, deposits);
        let start = token::whole(least.min(cap));
        Self {
            per_answer: AtomicU64::new(per_answer),
            per_call: AtomicU64::new(per_call),
            purse: Striped::new(start, start, deposits == Deposits::PerCall),
            floor: Gcra::new(seconds_worth(min_per_sec), min_per_sec, 0, now),
            dearest: AtomicU32::new(0),
            deposits,
            rules: Mutex::new(Rules {
                ratio,
                cap,
                start: least,
                known_since: None,
                funding,
                window: Window::new(window.into(), now),
                ceiling: start,
                earned: 0,
                made_good: 0,
                settled: 0,
                redefined: Nanos::ZERO,
                least_ratio: ratio,
            }),
        }
    }

    #[inline]
    pub(super) fn begin(&self, shard: Shard) {
        self.pay_in(shard, &self.per_call);
    }

    #[inline]
    pub(super) fn answered(&self, shard: Shard) {
        self.pay_in(shard, &self.per_answer);
    }

    #[inline]
    pub(super) fn withdraw(
        &self,
        cost: u32,
        now: Nanos,
        condition: impl Fn() -> Condition,
    ) -> bool {
        if cost > KNOWN {
            // Relaxed: a hint for the next ceiling.
            self.dearest.fetch_max(cost, Ordering::Relaxed);
        }
        let tokens = token::whole(cost);
        if self.purse.may_have(tokens) {
            if self.is_paid_by_successes() && condition() == Condition::Silent {
                return false;
            }
            if self.purse.withdraw(tokens) {
                // The floor is there for who has nothing: what it has saved up is not on top.
                let _ = self.floor.has(1, now) && self.floor.take(1, now);
                return true;
            }
        }
        self.withdraw_floor(cost, now, condition)
    }

    pub(super) fn refresh(&self, report: Report, now: Nanos) {
        let mut rules = self.rules.lock();
        let paying = match rules.funding {
            Funding::Successes => report.answered,
            Funding::Requests => report.attempts,
        };
        rules.window.report(report.since, now, paying);
        if paying > 0 {
            rules.known_since.get_or_insert(report.since);
        }
        // Relaxed: a hint.
        let dearest = self.dearest.load(Ordering::Relaxed);
        let ceiling = rules.ceiling(self.deposits, dearest, now);
        match self.deposits {
            Deposits::PerCall => {
                rules.learn(report, paying);
                self.raise(&mut rules, ceiling);
            }
            Deposits::OnRefresh => {
                let earned = rules.ratio.saturating_mul(paying);
                self.purse.set_ceiling(ceiling.max(one_second_of(earned, now - report.since)));
                self.purse.credit(earned);
            }
        }
    }

    /// Publishes the ceiling. Deposits that met the old one were turned away, without a word: as
    /// far as the new one is higher, they are made good, so that a site that has been answered for
    /// a while has its full balance when the first call needs it.
    ///
    /// What was turned away is what was earned and is not here. Sites that share a budget report one
    /// by one, so both are counted from the beginning: deposits that no report has told of yet make
    /// it less, never more.
    fn raise(&self, rules: &mut Rules, ceiling: u64) {
        let turned_away = self.not_here(rules).saturating_sub(rules.settled);
        let room = ceiling.saturating_sub(rules.ceiling);
        self.purse.set_ceiling(ceiling);
        let made_good = turned_away.min(room);
        self.purse.credit(made_good);
        rules.ceiling = ceiling;
        rules.made_good = rules.made_good.saturating_add(made_good);
        let settled = rules.settled.saturating_add(made_good);
        rules.settled = settled.max(self.not_here(rules));
    }

    /// What was earned and did not come in: it was turned away, or cut.
    fn not_here(&self, rules: &Rules) -> u64 {
        rules.earned.saturating_sub(self.purse.paid_in().saturating_sub(rules.made_good))
    }

    pub(super) fn available(&self) -> f64 {
        token::to_f64(self.purse.balance())
    }

    /// Its balance and its ceiling; `None` unless it is paid on refresh.
    pub(super) fn level(&self) -> Option<Level> {
        (self.deposits == Deposits::OnRefresh).then(|| Level {
            balance: token::to_f64(self.purse.balance()),
            ceiling: token::to_f64(self.purse.ceiling()),
        })
    }

    pub(super) fn issued_at_most(&self, now: Nanos) -> f64 {
        token::to_f64(self.purse.issued_at_most()) + self.floor.granted_at_most(now)
    }

    pub(super) fn redefine(&self, definition: Definition, now: Nanos) {
        let Definition { ratio, window, cap, min_per_sec, start, funding } = definition;
        let ratio = token::from_f64(ratio);
        let mut rules = self.rules.lock();
        if (rules.ratio, rules.funding) != (ratio, funding) {
            let same = rules.funding == funding;
            rules.least_ratio = if same { rules.least_ratio.min(ratio) } else { 0 };
            rules.redefined = now;
        }
        rules.ratio = ratio;
        rules.cap = cap;
        rules.start = start;
        rules.funding = funding;
        rules.window.resize(window.into(), now);
        let (per_answer, per_call) = per_event(rules.ratio, funding, self.deposits);
        // Relaxed, both: a call that overlaps a reload pays by either definition.
        self.per_answer.store(per_answer, Ordering::Relaxed);
        self.per_call.store(per_call, Ordering::Relaxed);
        // Relaxed: a hint.
        let dearest = self.dearest.load(Ordering::Relaxed);
        let ceiling = rules.ceiling(self.deposits, dearest, now);
        rules.ceiling = ceiling;
        self.purse.set_ceiling(ceiling);
        self.floor.redefine(seconds_worth(min_per_sec), min_per_sec, now);
    }

    #[inline]
    fn pay_in(&self, shard: Shard, amount: &AtomicU64) {
        // Relaxed: any definition that was in force is correct.
        let amount = amount.load(Ordering::Relaxed);
        if amount > 0 {
            self.purse.deposit(shard, amount);
        }
    }

    fn is_paid_by_successes(&self) -> bool {
        // Relaxed: any definition that was in force is correct.
        self.per_answer.load(Ordering::Relaxed) > 0
    }

    /// Health is another line of the site: a floor that has nothing to give does not ask.
    #[inline]
    fn withdraw_floor(&self, cost: u32, now: Nanos, condition: impl Fn() -> Condition) -> bool {
        self.floor.has(cost, now) && condition() == Condition::Well && self.floor.take(cost, now)
    }
}

impl Rules {
    /// What the answers of a report have paid in, or would have, had there been room.
    fn learn(&mut self, report: Report, paying: u64) {
        let ratio = match () {
            () if report.moved => 0,
            () if report.since <= self.redefined => self.least_ratio,
            () => self.ratio,
        };
        self.earned = self.earned.saturating_add(ratio.saturating_mul(paying));
    }

    /// What the answers of the last window pay for, at most the cap; at least the start or, once a
    /// whole window has shown how much is answered, [`KNOWN`] or what the dearest attempt so far
    /// cost, if that is less.
    fn ceiling(&self, deposits: Deposits, dearest: u32, now: Nanos) -> u64 {
        let answers = self.window.sum();
        let known = answers > 0
            && self.known_since.is_some_and(|since| now - since >= self.window.length());
        let least = match deposits {
            Deposits::PerCall if known => self.start.min(dearest.max(KNOWN)),
            _ => self.start,
        };
        let earned = self.ratio.saturating_mul(answers);
        earned.max(token::whole(least)).min(token::whole(self.cap))
    }
}

/// What an answer pays in, and what a call does.
fn per_event(ratio: u64, funding: Funding, deposits: Deposits) -> (u64, u64) {
    match (deposits, funding) {
        (Deposits::OnRefresh, _) => (0, 0),
        (Deposits::PerCall, Funding::Successes) => (ratio, 0),
        (Deposits::PerCall, Funding::Requests) => (0, ratio),
    }
}

/// The floor's burst: what it grants in a second, at least one attempt if any.
fn seconds_worth(per_sec: f64) -> u32 {
    per_sec.ceil() as u32
}

/// `tokens` were earned over `length`: what a second earns at that rate.
fn one_second_of(tokens: u64, length: Nanos) -> u64 {
    let second = u128::from(Nanos::from_secs(1).as_nanos());
    // A shorter time says too little about a second.
    let length = u128::from(length.as_nanos()).max(second / 20);
    u64::try_from(u128::from(tokens) * second / length).unwrap_or(u64::MAX)
}
