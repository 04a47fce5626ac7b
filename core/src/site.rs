//! Everything the calls of one key share, counters included.

mod counters;
mod durations;
mod gauge;
mod refresh;
mod trust;

pub(crate) use counters::{Counter, Counters};
pub(crate) use durations::{BOUNDS, Spread};

use gauge::Gauge;
use refresh::Refresher;
use trust::Trust;

use std::ptr;

use crate::{
    budget::{BudgetState, Condition, Health},
    classify,
    clock::Nanos,
    latency::{Latency, Sharding},
    listener::Warning,
    notes::Attribute,
    policy::{Mode, Policy},
    sync::{Arc, AtomicU32, AtomicU64, CachePadded, Mutex, Ordering, Shard, Swap, SwapGuard},
    verdict::PolicySource,
};

/// Of how many editions terms are remembered that calls may still begin on.
const LENT: usize = 8;

/// Abandoned attempts that still run: always allowed up to this many.
const ABANDONED_ALLOWED: u32 = 8;

/// Everything the calls of one key share.
#[derive(Debug)]
pub(crate) struct Site {
    name: Box<str>,
    own: Own,
    terms: Swap<Terms>,
    /// How often they were replaced, or the engine has panicked: raised afterwards, so whoever has
    /// seen an edition and then taken terms has these or later ones.
    edition: AtomicU64,
    /// Terms on which first attempts are made before their calls begin, by edition, the latest last.
    lent: Mutex<Vec<(u64, Arc<Terms>)>>,
    pub(crate) latency: Latency,
    pub(crate) counters: Counters,
    pub(crate) trust: Trust,
    /// Of what was warned already: a bit each.
    warned: AtomicU32,
    health: Health,
    refresher: Mutex<Refresher>,
    /// Calls of this key in the air. Written by drivers that hand attempts off, never by a call on
    /// its caller's thread.
    in_flight: Gauge,
    /// Abandoned attempts that still run.
    abandoned: CachePadded<AtomicU32>,
}

/// The terms on which calls of a key are made: the policy and what its names stand for. Calls
/// keep the terms they started with.
#[derive(Debug)]
pub(crate) struct Terms {
    pub(crate) policy: Policy,
    /// The stricter of the policy's mode and the engine's.
    pub(crate) mode: Mode,
    pub(crate) source: PolicySource,
    pub(crate) classifier: classify::Named,
    /// `None`: nothing limits retries, by name.
    pub(crate) retry_budget: Option<Arc<BudgetState>>,
    pub(crate) hedge_budget: Option<Arc<BudgetState>>,
    /// Normalisations and fallbacks, for timelines.
    pub(crate) attributes: Vec<Attribute>,
}

/// A call in the air.
#[derive(Debug)]
pub(crate) struct Airborne<'a>(&'a Site, Shard);

/// The budgets a site has for itself: what policies get that name none.
#[derive(Debug)]
pub(crate) struct Own {
    pub(crate) retry: Arc<BudgetState>,
    pub(crate) hedge: Arc<BudgetState>,
}

impl Own {
    /// Whether this is one of them.
    pub(crate) fn has(&self, budget: &BudgetState) -> bool {
        [&self.retry, &self.hedge].iter().any(|own| ptr::eq(&***own, budget))
    }
}

impl Terms {
    /// How long an attempt may run. An engine that stands aside cuts none short.
    #[inline]
    pub(crate) fn attempt_timeout(&self) -> Nanos {
        match self.mode {
            Mode::Active => self.policy.retry.attempt_timeout,
            Mode::Observe | Mode::Off => Nanos::NEVER,
        }
    }

    /// Whether the policy hedges, or would if its requests were declared idempotent.
    #[inline]
    pub(crate) fn asks_to_hedge(&self) -> bool {
        self.policy.hedge.enabled || self.policy.hedging_refused
    }

    /// The budgets that calls pay into, each once.
    #[inline]
    pub(crate) fn budgets(&self) -> impl Iterator<Item = &BudgetState> {
        let hedge = self.hedge_budget.iter().filter(|_| !self.is_budget_shared());
        self.retry_budget.iter().chain(hedge).map(|budget| &**budget)
    }

    /// Whether calls on other terms pay into the same budgets.
    fn has_budgets_of(&self, other: &Self) -> bool {
        let is_same =
            |one: &Option<Arc<BudgetState>>, other: &Option<Arc<BudgetState>>| match (one, other) {
                (Some(one), Some(other)) => Arc::ptr_eq(one, other),
                (one, other) => one.is_none() && other.is_none(),
            };
        is_same(&self.retry_budget, &other.retry_budget)
            && is_same(&self.hedge_budget, &other.hedge_budget)
    }

    /// Whether one budget pays for retries and hedges.
    #[inline]
    pub(crate) fn is_budget_shared(&self) -> bool {
        match (&self.retry_budget, &self.hedge_budget) {
            (Some(retry), Some(hedge)) => Arc::ptr_eq(retry, hedge),
            _ => false,
        }
    }

    /// A call begins: budgets that count calls are told …
    #[inline(always)]
    pub(crate) fn begin(&self, shard: Shard) {
        self.each_budget(|budget| budget.begin(shard));
    }

    /// … and told again when it is over.
    #[inline(always)]
    pub(crate) fn end(&self) {
        self.each_budget(BudgetState::end);
    }

    /// The server answered a call's first attempt.
    #[inline(always)]
    pub(crate) fn deposit(&self, shard: Shard) {
        self.each_budget(|budget| budget.deposit(shard));
    }

    /// As [`budgets`](Self::budgets), in half the instructions.
    #[inline(always)]
    fn each_budget(&self, tell: impl Fn(&BudgetState)) {
        if let Some(retry) = &self.retry_budget {
            tell(retry);
        }
        if let Some(hedge) = &self.hedge_budget
            && !self.is_budget_shared()
        {
            tell(hedge);
        }
    }
}

impl Airborne<'_> {
    /// It comes down by [`Site::land`], wherever its end is found.
    pub(crate) fn stay(self) {
        std::mem::forget(self);
    }
}

impl Drop for Airborne<'_> {
    fn drop(&mut self) {
        self.0.land(self.1);
    }
}

impl Site {
    pub(crate) fn new(name: &str, own: Own, terms: Arc<Terms>) -> Self {
        Self {
            name: name.into(),
            own,
            terms: Swap::new(terms),
            edition: AtomicU64::new(1),
            lent: Mutex::default(),
            latency: Latency::new(Sharding::PerThread),
            counters: Counters::default(),
            trust: Trust::default(),
            warned: AtomicU32::new(0),
            health: Health::new(),
            refresher: Mutex::default(),
            in_flight: Gauge::default(),
            abandoned: CachePadded::default(),
        }
    }

    /// The site has been there since then, and whatever it has seen came since.
    pub(crate) fn since(self, born: Nanos) -> Self {
        self.refresher.lock().born = Some(born);
        self
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn own(&self) -> &Own {
        &self.own
    }

    /// The terms of now.
    #[inline]
    pub(crate) fn terms(&self) -> SwapGuard<Terms> {
        self.terms.load()
    }

    pub(crate) fn shared_terms(&self) -> Arc<Terms> {
        self.terms.load_full()
    }

    pub(crate) fn install(&self, terms: Arc<Terms>) {
        let moved = !self.terms().has_budgets_of(&terms);
        self.refresher.lock().moved |= moved;
        self.terms.store(terms);
        // Release: the terms are there for whoever sees the edition.
        self.edition.fetch_add(1, Ordering::Release);
    }

    /// Which terms those of now are: for whoever keeps some, and wants others only when there are.
    #[inline]
    pub(crate) fn edition(&self) -> u64 {
        // Acquire: pairs with `install`.
        self.edition.load(Ordering::Acquire)
    }

    /// Remembers the terms of an edition, for calls that are to begin on them when they may be replaced.
    #[cold]
    pub(crate) fn lend(&self, edition: u64, terms: &Arc<Terms>) {
        let mut lent = self.lent.lock();
        if lent.iter().all(|(known, _)| *known != edition) {
            if lent.len() == LENT {
                lent.remove(0);
            }
            lent.push((edition, Arc::clone(terms)));
        }
    }

    /// The terms of an edition that was lent; those of now, and their edition, if it is not known, or
    /// not any more.
    #[cold]
    pub(crate) fn terms_lent(&self, edition: u64) -> (u64, Arc<Terms>) {
        let lent = self.lent.lock();
        let found = lent.iter().find(|(known, _)| *known == edition);
        found.map_or_else(
            || (self.edition(), self.shared_terms()),
            |(_, terms)| (edition, terms.clone()),
        )
    }

    /// Where that lies, for hosts that look themselves.
    #[cfg(not(rego_loom))]
    pub(crate) fn edition_word(&self) -> *const u64 {
        self.edition.as_ptr()
    }

    /// A driver that hands attempts off takes a call into the air, until what is returned is
    /// dropped.
    #[inline]
    pub(crate) fn take_off(&self, shard: Shard) -> Airborne<'_> {
        self.in_flight.take_in(shard);
        Airborne(self, shard)
    }

    /// It is down again.
    #[inline]
    pub(crate) fn land(&self, shard: Shard) {
        self.in_flight.let_go(shard);
    }

    /// An attempt was given up and still runs …
    pub(crate) fn abandon(&self) {
        // Relaxed: a gauge; nothing is published by it.
        self.abandoned.fetch_add(1, Ordering::Relaxed);
    }

    /// … and has ended after all.
    pub(crate) fn abandoned_ended(&self) {
        // Relaxed: a gauge; nothing is published by it.
        let before = self.abandoned.fetch_sub(1, Ordering::Relaxed);
        debug_assert!(before > 0, "an attempt ends once");
    }

    pub(crate) fn in_flight(&self) -> u32 {
        self.in_flight.get()
    }

    /// So many more are in the air, of which a host knows that counts them itself.
    pub(crate) fn more_in_flight(&self, shard: Shard, more: i32) {
        self.in_flight.change(shard, more);
    }

    /// A call that had begun is over: its first attempt answered it after this long, and there was no
    /// other. One bucket, one deposit, no note.
    #[inline(always)]
    pub(crate) fn won_alone(&self, terms: &Terms, shard: Shard, length: Nanos) {
        // Before it is told: what reports know of has been paid in.
        terms.deposit(shard);
        self.latency.record(shard, length);
        terms.end();
    }

    /// The engine has panicked.
    #[cold]
    pub(crate) fn panicked(&self, now: Nanos) {
        self.trust.panicked(now);
        // Release: as `install`. What stands on trust is to be asked for again.
        self.edition.fetch_add(1, Ordering::Release);
    }

    pub(crate) fn abandoned(&self) -> u32 {
        // Relaxed: a gauge.
        self.abandoned.load(Ordering::Relaxed)
    }

    /// The server answered an attempt, though not with a success.
    pub(crate) fn answered(&self) {
        self.health.answered();
    }

    /// A first attempt failed without a server's answer.
    pub(crate) fn first_failed(&self) {
        self.health.failed();
    }

    /// Whether most of the recent first attempts succeeded, or any did, as of the last refresh.
    pub(crate) fn condition(&self) -> Condition {
        self.health.condition()
    }

    /// Whether this is to be warned of: the first time.
    pub(crate) fn warn_once(&self, warning: Warning) -> bool {
        let bit = 1 << warning as u32;
        // Relaxed, both: the bit stands alone; the exchange finds the first.
        self.warned.load(Ordering::Relaxed) & bit == 0
            && self.warned.fetch_or(bit, Ordering::Relaxed) & bit == 0
    }

    /// Whether so many abandoned attempts still run, besides those that were given up just now, that
    /// extra ones would only add to them.
    pub(crate) fn too_many_abandoned(&self, just_now: u32) -> bool {
        let abandoned = self.abandoned() + just_now;
        abandoned > ABANDONED_ALLOWED && abandoned > self.in_flight() / 10
    }
}
