//! How many extra attempts may still be paid for.
//!
//! A [`BudgetState`] is the live balance of a [`Budget`] definition: one for each name, and one for
//! each site that keeps the default. Calls ask it before every attempt but their first, from any
//! number of threads; nothing on their way locks or waits.
//!
//! | kind | a call's success writes | an extra attempt writes |
//! |---|---|---|
//! | `unlimited` | nothing | – |
//! | `token_bucket` ([`gcra`]) | nothing | one shared word |
//! | `ratio` ([`ratio`], [`striped`]) | nothing at the ceiling, below it its own line | one shared word |
//! | `in_flight`, `concurrency` ([`reservation`]) | a shared word (`in_flight`) | one shared word |
//! | `throttle` ([`throttle`]) | nothing when full, else a shared word | nothing |
//!
//! Besides, each decision is counted on the deciding thread's own line.
//!
//! # Orderings
//!
//! [`BudgetState::grants`] read before [`BudgetState::bound`] is never above it: a grant is counted
//! with Release after it was paid, the count is read with Acquire, so what paid for it is seen. The
//! rest is told where it happens.

mod gcra;
mod health;
mod ratio;
mod reservation;
mod striped;
mod throttle;
mod token;
mod window;

#[cfg(test)]
mod tests;

pub use health::{Condition, Health};

use crate::{
    clock::Nanos,
    hedge::Level,
    policy::Budget,
    sync::{AtomicU64, CachePadded, Mutex, Ordering, SHARDS, Shard},
    verdict::BudgetDecision,
};

use self::{gcra::Gcra, ratio::Ratio, reservation::Reservation, throttle::Throttle};

/// The live balance of one budget.
#[derive(Debug)]
pub struct BudgetState {
    kind: CachePadded<Kind>,
    tallies: [CachePadded<Tally>; SHARDS],
    name: Box<str>,
    /// Also serialises reloads.
    definition: Mutex<Budget>,
}

/// How a ratio budget is paid into; the other kinds do not ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deposits {
    /// As calls begin or are answered.
    PerCall,
    /// In bulk, by [`BudgetState::refresh`]: calls do not even read it. For the hedge budget of a
    /// site. The ceiling leaves room for what the last report earned, up to a second's worth, so
    /// that a busy site is not cut to its cap by the pauses between reports.
    OnRefresh,
}

/// What a site saw since its last report to a budget.
#[derive(Clone, Copy, Debug)]
pub struct Report {
    /// When that was; the site's first call, at first.
    pub since: Nanos,
    /// First attempts that the server answered.
    pub answered: u64,
    /// First attempts.
    pub attempts: u64,
    /// The site has had another budget before: some of them may have paid into that.
    pub moved: bool,
}

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a box would cost each deposit a load")]
enum Kind {
    Unlimited,
    TokenBucket(Gcra),
    Ratio(Ratio),
    InFlight(Reservation),
    Concurrency(Reservation),
    Throttle(Throttle),
}

/// Decisions, counted by shard.
#[derive(Debug)]
struct Tally {
    grants: AtomicU64,
    denials: AtomicU64,
}

impl BudgetState {
    /// A balance at its start: that of a ratio budget (or its cap if that is lower), full
    /// for a bucket and a throttle.
    pub fn new(name: &str, definition: &Budget, deposits: Deposits, now: Nanos) -> Self {
        Self {
            kind: CachePadded::new(Kind::new(definition, deposits, now)),
            tallies: std::array::from_fn(|_| CachePadded::new(Tally::new())),
            name: name.into(),
            definition: Mutex::new(definition.clone()),
        }
    }

    /// The name it is known by.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The definition in force.
    #[cfg(test)]
    pub fn definition(&self) -> Budget {
        self.definition.lock().clone()
    }

    /// A call begins: a request-funded ratio is paid, `in_flight` counts it.
    #[inline]
    pub fn begin(&self, shard: Shard) {
        match &*self.kind {
            Kind::Ratio(ratio) => ratio.begin(shard),
            Kind::InFlight(flights) => flights.begin(),
            _ => {}
        }
    }

    /// Whether it has to know of calls as they begin.
    pub fn counts_calls(&self) -> bool {
        matches!(&*self.kind, Kind::InFlight(_))
    }

    /// A call that began is over.
    #[inline]
    pub fn end(&self) {
        if let Kind::InFlight(flights) = &*self.kind {
            flights.end();
        }
    }

    /// The server answered a call's first attempt. Once per call; never for retries, hedges or
    /// what completes after it was asked to cancel.
    #[inline]
    pub fn deposit(&self, shard: Shard) {
        match &*self.kind {
            Kind::Ratio(ratio) => ratio.answered(shard),
            Kind::Throttle(throttle) => throttle.succeeded(),
            _ => {}
        }
    }

    /// A later attempt succeeded: only a throttle counts it.
    pub fn later_success(&self) {
        if let Kind::Throttle(throttle) = &*self.kind {
            throttle.succeeded();
        }
    }

    /// An attempt, the first or a later one, failed in a way that another may mend: only a throttle
    /// counts it.
    pub fn failure(&self) {
        if let Kind::Throttle(throttle) = &*self.kind {
            throttle.failed();
        }
    }

    /// Pays `cost` (1 or more) for an extra attempt when it is decided on; never refunded. A ratio
    /// that successes fund pays nothing while its site is silent, and the floor of any ratio nothing
    /// unless it is well.
    ///
    /// Budgets that reserve always allow here: theirs is [`BudgetState::reserve`].
    #[inline]
    pub fn withdraw(
        &self,
        shard: Shard,
        cost: u32,
        now: Nanos,
        condition: impl Fn() -> Condition,
    ) -> BudgetDecision {
        let decision = self.draw(shard, cost, now, condition);
        self.count_refusal(shard, decision)
    }

    /// As [`BudgetState::withdraw`], and a refusal is not counted: then this only reads.
    #[inline]
    pub fn draw(
        &self,
        shard: Shard,
        cost: u32,
        now: Nanos,
        condition: impl Fn() -> Condition,
    ) -> BudgetDecision {
        debug_assert!(cost >= 1, "policies have no cost below 1");
        let paid = match &*self.kind {
            Kind::Unlimited => true,
            Kind::TokenBucket(bucket) => bucket.take(cost, now),
            Kind::Ratio(ratio) => ratio.withdraw(cost, now, condition),
            Kind::Throttle(throttle) => throttle.allows(),
            Kind::InFlight(_) | Kind::Concurrency(_) => return BudgetDecision::Allowed,
        };
        self.count_grant(shard, paid)
    }

    /// Takes a place for an extra attempt that is about to be launched. Each one allowed is given
    /// back by exactly one [`BudgetState::release`], when the attempt ends, however it does.
    ///
    /// Budgets that are paid always allow here.
    pub fn reserve(&self, shard: Shard) -> BudgetDecision {
        match &*self.kind {
            Kind::InFlight(room) | Kind::Concurrency(room) => {
                let decision = self.count_grant(shard, room.reserve());
                self.count_refusal(shard, decision)
            }
            _ => BudgetDecision::Allowed,
        }
    }

    /// An extra attempt is over that [`BudgetState::reserve`] allowed.
    pub fn release(&self) {
        if let Kind::InFlight(room) | Kind::Concurrency(room) = &*self.kind {
            room.release();
        }
    }

    /// Takes a site's report: republishes the ceiling of a ratio, and pays it if it is one that is
    /// paid [on refresh](Deposits::OnRefresh). Several sites may share a budget; each tells what it
    /// alone saw. Locks: for threads that are about to wait.
    pub fn refresh(&self, report: Report, now: Nanos) {
        if let Kind::Ratio(ratio) = &*self.kind {
            ratio.refresh(report, now);
        }
    }

    /// How many attempts of cost 1 it would still allow; infinite if it does not count them.
    pub fn available(&self, now: Nanos) -> f64 {
        match &*self.kind {
            Kind::Unlimited => f64::INFINITY,
            Kind::TokenBucket(bucket) => bucket.available(now),
            Kind::Ratio(ratio) => ratio.available(),
            Kind::InFlight(room) | Kind::Concurrency(room) => room.available(),
            Kind::Throttle(throttle) => throttle.available(),
        }
    }

    /// The balance and the ceiling of a ratio that is paid [on refresh](Deposits::OnRefresh); `None`
    /// for any other budget.
    pub(crate) fn level(&self) -> Option<Level> {
        match &*self.kind {
            Kind::Ratio(ratio) => ratio.level(),
            _ => None,
        }
    }

    /// How many extra attempts were allowed.
    pub fn grants(&self) -> u64 {
        // Acquire: what paid for a grant happened before its count (Release in `count_grant`).
        self.tallies.iter().map(|tally| tally.grants.load(Ordering::Acquire)).sum()
    }

    /// How many were refused.
    pub fn denials(&self) -> u64 {
        // Relaxed: a count.
        self.tallies.iter().map(|tally| tally.denials.load(Ordering::Relaxed)).sum()
    }

    /// The published bound: initial + deposits (+ rate × time). What [`BudgetState::grants`] gave
    /// before is never above it, `now` being at least as late as the grants. Infinite for kinds
    /// that do not limit how many there are in all.
    pub fn bound(&self, now: Nanos) -> f64 {
        // A reload moves the numbers below.
        let _definition = self.definition.lock();
        match &*self.kind {
            Kind::TokenBucket(bucket) => bucket.granted_at_most(now),
            Kind::Ratio(ratio) => ratio.issued_at_most(now),
            _ => f64::INFINITY,
        }
    }

    /// Puts another definition in force and keeps the balance, as far as it fits. `false`, and
    /// nothing changes, if it is of another kind: that takes a new balance.
    #[must_use]
    pub fn reconfigure(&self, definition: &Budget, now: Nanos) -> bool {
        let mut current = self.definition.lock();
        if *current == *definition {
            return true;
        }
        match (&*self.kind, definition) {
            (Kind::Unlimited, Budget::Unlimited) => {}
            (Kind::TokenBucket(bucket), &Budget::TokenBucket { capacity, refill_per_sec }) => {
                bucket.redefine(capacity, refill_per_sec, now);
            }
            (
                Kind::Ratio(live),
                &Budget::Ratio { ratio, window, cap, min_per_sec, start, funding },
            ) => live.redefine(
                ratio::Definition { ratio, window, cap, min_per_sec, start, funding },
                now,
            ),
            (Kind::InFlight(room), &Budget::InFlight { ratio, min }) => room.redefine(ratio, min),
            (Kind::Concurrency(room), &Budget::Concurrency { max }) => room.redefine(0.0, max),
            (Kind::Throttle(throttle), &Budget::Throttle { max_tokens, token_ratio }) => {
                throttle.redefine(max_tokens, token_ratio);
            }
            _ => return false,
        }
        *current = definition.clone();
        true
    }

    #[inline]
    fn count_grant(&self, shard: Shard, allowed: bool) -> BudgetDecision {
        if !allowed {
            return BudgetDecision::Denied;
        }
        // Release: the payment happens-before an audit that sees the count (Acquire in `grants`).
        self.tallies[shard.index()].grants.fetch_add(1, Ordering::Release);
        BudgetDecision::Allowed
    }

    #[inline]
    fn count_refusal(&self, shard: Shard, decision: BudgetDecision) -> BudgetDecision {
        if !decision.is_allowed() {
            // Relaxed: a count.
            self.tallies[shard.index()].denials.fetch_add(1, Ordering::Relaxed);
        }
        decision
    }
}

impl Kind {
    fn new(definition: &Budget, deposits: Deposits, now: Nanos) -> Self {
        match *definition {
            Budget::Unlimited => Self::Unlimited,
            Budget::TokenBucket { capacity, refill_per_sec } => {
                Self::TokenBucket(Gcra::new(capacity, refill_per_sec, capacity, now))
            }
            Budget::Ratio { ratio, window, cap, min_per_sec, start, funding } => {
                let definition =
                    ratio::Definition { ratio, window, cap, min_per_sec, start, funding };
                Self::Ratio(Ratio::new(definition, deposits, now))
            }
            Budget::InFlight { ratio, min } => Self::InFlight(Reservation::new(ratio, min)),
            Budget::Concurrency { max } => Self::Concurrency(Reservation::new(0.0, max)),
            Budget::Throttle { max_tokens, token_ratio } => {
                Self::Throttle(Throttle::new(max_tokens, token_ratio))
            }
        }
    }
}

impl Tally {
    fn new() -> Self {
        Self { grants: AtomicU64::new(0), denials: AtomicU64::new(0) }
    }
}
