//! Calls through the engine: on their callers' threads, or hedged on a pool's.

use std::{
    io,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Instant, SystemTime},
};

use rego::{Attempt, CallSite, Completion, Engine, Timeline, Workers};

use super::{
    Account, Lane, OVERALL_TIMEOUT, PolicyAccount,
    wire::{Trip, Wire, is_good},
};
use crate::{
    client::{Answer, Cancel, Client},
    load::{MAX_WORKERS, Request},
    policy::{self, Plan},
};

/// Retries under the policy, each call on its caller's thread. Nothing is hedged there.
pub(crate) struct Retried(Guarded);

/// Retries and hedges under the policy, each attempt on a thread of a pool.
pub(crate) struct Hedged {
    guarded: Guarded,
    workers: Workers,
}

/// What both have in common.
struct Guarded {
    site: CallSite,
    wire: Arc<Wire>,
    hedges: Arc<AtomicU64>,
    hedges_won: AtomicU64,
    /// What the budgets had been asked for when the first measured call began.
    warm_up: OnceLock<Spent>,
    slowest: Mutex<Option<Timeline>>,
}

/// What became of an attempt that was answered.
struct Answered {
    is_good: bool,
    by_hedge: bool,
}

/// What the budgets that count for a lane have said so far.
#[derive(Clone, Copy, Default)]
struct Spent {
    granted: u64,
    denied: u64,
    bound: f64,
}

impl Retried {
    /// A lane of its own engine.
    ///
    /// # Errors
    ///
    /// One line: what the engine has against the policy.
    pub(crate) fn new(client: Arc<Client>, plan: &Plan) -> Result<Self, String> {
        let engine = plan.engine(Engine::builder())?;
        Ok(Self(Guarded::new(client, &engine)))
    }
}

impl Lane for Retried {
    fn call(&self, request: Request) -> bool {
        let Guarded { site, wire, hedges, .. } = self.0.begin(request, Spent::on_retries);
        let trip = Trip::new(request);
        let (answer, timeline) = site
            .call()
            .deadline(OVERALL_TIMEOUT)
            .run_with_timeline(|attempt| exchange(wire, &trip, hedges, attempt));
        self.0.end(request, answer.ok(), timeline)
    }

    fn is_quiet(&self) -> bool {
        self.0.wire.is_quiet()
    }

    fn account(&self) -> Account {
        self.0.account(Spent::on_retries)
    }
}

impl Hedged {
    /// A lane of its own engine, with as many threads for attempts as there are for calls.
    ///
    /// # Errors
    ///
    /// One line: what the engine has against the policy, or the system against threads.
    pub(crate) fn new(client: Arc<Client>, plan: &Plan) -> Result<Self, String> {
        let workers = Workers::new(2 * MAX_WORKERS);
        let engine = plan.engine(Engine::builder().executor(workers.clone()))?;
        let lane = Self { guarded: Guarded::new(client, &engine), workers };
        for _ in 0..MAX_WORKERS {
            let worker = lane.workers.worker();
            thread::Builder::new()
                .name("rego-attempts".into())
                .spawn(move || worker.run())
                .map_err(|error| format!("cannot start threads: {error}"))?;
        }
        Ok(lane)
    }
}

impl Lane for Hedged {
    fn call(&self, request: Request) -> bool {
        let Guarded { site, wire, hedges, .. } = self.guarded.begin(request, Spent::on_all);
        let (wire, hedges) = (Arc::clone(wire), Arc::clone(hedges));
        let trip = Trip::new(request);
        let (answer, timeline) = site
            .call()
            .deadline(OVERALL_TIMEOUT)
            .race_with_timeline(move |attempt| exchange(&wire, &trip, &hedges, attempt));
        self.guarded.end(request, answer.ok(), timeline)
    }

    fn is_quiet(&self) -> bool {
        self.guarded.wire.is_quiet()
    }

    fn account(&self) -> Account {
        self.guarded.account(Spent::on_all)
    }
}

impl Drop for Hedged {
    fn drop(&mut self) {
        self.workers.close();
    }
}

impl Guarded {
    fn new(client: Arc<Client>, engine: &Engine) -> Self {
        Self {
            site: engine.site(policy::KEY),
            wire: Arc::new(Wire::new(client)),
            hedges: Arc::default(),
            hedges_won: AtomicU64::new(0),
            warm_up: OnceLock::new(),
            slowest: Mutex::new(None),
        }
    }

    /// A call begins; the first measured one looks at what the warm-up took.
    fn begin(&self, request: Request, spent: impl FnOnce(&CallSite) -> Spent) -> &Self {
        if request.is_measured {
            self.warm_up.get_or_init(|| spent(&self.site));
        }
        self
    }

    /// A call has ended; whether it succeeded.
    fn end(&self, request: Request, answer: Option<Answered>, timeline: Timeline) -> bool {
        let answer = answer.filter(|answer| answer.is_good);
        if request.is_measured {
            let by_hedge = answer.as_ref().is_some_and(|answer| answer.by_hedge);
            // Relaxed, here and below: counts; the lane is read after its calls ended.
            self.hedges_won.fetch_add(u64::from(by_hedge), Ordering::Relaxed);
            let took = |timeline: &Timeline| timeline.call.ended - timeline.call.started;
            let mut slowest = self.slowest.lock().unwrap_or_else(PoisonError::into_inner);
            if slowest.as_ref().is_none_or(|slowest| took(slowest) < took(&timeline)) {
                *slowest = Some(timeline);
            }
        }
        answer.is_some()
    }

    fn account(&self, spent: impl FnOnce(&CallSite) -> Spent) -> Account {
        let total = spent(&self.site);
        let warm_up = self.warm_up.get().copied().unwrap_or_default();
        let slowest = self.slowest.lock().unwrap_or_else(PoisonError::into_inner);
        // What is left of the bound once the warm-up has taken its grants is for measured calls.
        let bound = total.bound - warm_up.granted as f64;
        let policy = PolicyAccount {
            hedges: self.hedges.load(Ordering::Relaxed),
            hedges_won: self.hedges_won.load(Ordering::Relaxed),
            denied: total.denied - warm_up.denied,
            bound: bound.is_finite().then_some(bound as u64),
            waterfall: slowest.as_ref().map(Timeline::to_string),
            timeline: slowest.as_ref().map(Timeline::to_json),
        };
        Account { policy: Some(policy), ..self.wire.account() }
    }
}

impl Spent {
    /// Where nothing is hedged.
    fn on_retries(site: &CallSite) -> Self {
        let retry = site.budgets().retry;
        Self { granted: retry.granted, denied: retry.denied, bound: retry.bound }
    }

    fn on_all(site: &CallSite) -> Self {
        let budgets = site.budgets();
        let mut all = Self::on_retries(site);
        if let Some(hedge) = budgets.hedge.filter(|_| !budgets.shared) {
            all.granted += hedge.granted;
            all.denied += hedge.denied;
            all.bound += hedge.bound;
        }
        all
    }
}

/// One HTTP exchange as the engine's operation: within the attempt's time, ended when it is
/// cancelled, and with the facts that a classifier needs.
fn exchange(
    wire: &Wire,
    trip: &Trip,
    hedges: &AtomicU64,
    attempt: &Attempt<'_>,
) -> io::Result<Answered> {
    let (by_hedge, cancel) = (attempt.is_hedge(), Cancel::default());
    if by_hedge && trip.is_measured() {
        hedges.fetch_add(1, Ordering::Relaxed);
    }
    let handle = cancel.clone();
    let _guard = attempt.on_cancel(move || handle.cancel());
    let deadline = Instant::now() + attempt.remaining().min(OVERALL_TIMEOUT);
    let answer = wire.attempt(trip, deadline, &cancel)?;
    attempt.report(facts(&answer));
    Ok(Answered { is_good: is_good(&answer), by_hedge })
}

fn facts(answer: &Answer) -> Completion {
    let Answer { status, retry_after, date, .. } = answer;
    let now = SystemTime::now();
    Completion::http_with_headers(*status, "GET", retry_after.as_deref(), date.as_deref(), now)
}
