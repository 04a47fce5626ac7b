//! A client process: an engine on an event loop, or a peer's twin in its place.

use rego::{
    AttemptKind, CallSite, Completion, Document, Engine, ManualClock, Nanos, Timeline, Verdict,
    manual::{Action, AttemptRef, Begin, CallId, Loop, Manual, Step},
};

use crate::{scenario::ScenarioError, twin::Twin};

/// What a client has its world do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Do {
    /// Send an attempt to a server.
    Start { call: u32, attempt: u64, number: u32, kind: AttemptKind, deadline: Nanos },
    /// Give an attempt up. The client wants to hear its end at once.
    Cancel { call: u32, attempt: u64 },
    /// A call has ended.
    Done { call: u32, end: End, attempts: u32 },
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Success,
    /// The time was up.
    Late,
    /// A budget had nothing left.
    Denied,
    /// All else.
    Failed,
}

/// What a client has spent, as it says itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spent {
    pub(crate) retries_denied: u64,
    pub(crate) hedges_denied: u64,
    /// The most extra attempts its budgets can have granted so far; infinite if nothing limits it.
    pub(crate) bound: f64,
    pub(crate) granted: u64,
}

/// When a client hedges, as of now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hedging {
    /// How long after its primary a call is hedged.
    pub delay: Nanos,
    /// How often it is, once it has come to that.
    pub probability: f64,
    /// Too little is known: the policy's own delay is used.
    pub cold: bool,
    /// The gate is shut.
    pub suspended: bool,
}

/// A client process.
pub(crate) enum Client {
    Rego(Box<Rego>),
    Twin(Box<Twin>),
}

impl Client {
    pub(crate) fn begin(
        &mut self,
        now: Nanos,
        call: u32,
        deadline: Nanos,
        out: &mut Vec<Do>,
    ) -> u64 {
        match self {
            Self::Rego(rego) => rego.begin(now, call, deadline, out),
            Self::Twin(twin) => twin.begin(now, call, deadline, out),
        }
    }

    /// An attempt has ended.
    pub(crate) fn finish(
        &mut self,
        now: Nanos,
        attempt: u64,
        facts: &Completion,
        out: &mut Vec<Do>,
    ) {
        match self {
            Self::Rego(rego) => rego.finish(now, attempt, facts, out),
            Self::Twin(twin) => twin.finish(now, attempt, facts, out),
        }
    }

    /// The caller of a call has gone away.
    pub(crate) fn cancel(&mut self, now: Nanos, id: u64, out: &mut Vec<Do>) {
        match self {
            Self::Rego(rego) => rego.cancel(now, id, out),
            Self::Twin(twin) => twin.cancel(now, id, out),
        }
    }

    /// Time has passed.
    pub(crate) fn wake(&mut self, now: Nanos, out: &mut Vec<Do>) {
        match self {
            Self::Rego(rego) => rego.process(now, out),
            Self::Twin(twin) => twin.wake(now, out),
        }
    }

    /// When it wants to be woken.
    pub(crate) fn next(&self) -> Nanos {
        match self {
            Self::Rego(rego) => rego.events.next_deadline(),
            Self::Twin(twin) => twin.next(),
        }
    }

    pub(crate) fn spent(&self, now: Nanos) -> Spent {
        match self {
            Self::Rego(rego) => rego.spent(now),
            Self::Twin(twin) => twin.spent(),
        }
    }

    pub(crate) fn hedging(&self) -> Option<Hedging> {
        match self {
            Self::Rego(rego) => rego.hedging(),
            Self::Twin(twin) => twin.hedging(),
        }
    }

    /// Calls are kept from now on until they are [let go](Client::let_go).
    pub(crate) fn keep(&mut self) {
        if let Self::Rego(rego) = self {
            rego.keeps = true;
        }
    }

    /// What happened in a call that is done, where it is kept.
    pub(crate) fn timeline(&self, id: u64) -> Option<Timeline> {
        match self {
            Self::Rego(rego) => rego.manual.timeline(CallId::from_bits(id)),
            Self::Twin(_) => None,
        }
    }

    /// A call that was kept is done, and nobody asks for it any more.
    pub(crate) fn let_go(&self, id: u64) {
        if let Self::Rego(rego) = self {
            rego.manual.end(CallId::from_bits(id)).expect("it was kept, and is done");
        }
    }

    /// What its policy promises.
    pub(crate) fn promise(&self) -> Promise {
        match self {
            Self::Rego(rego) => rego.promise,
            Self::Twin(twin) => {
                let alive = 1 + twin.max_hedges();
                Promise { alive, overall: Nanos::NEVER, slack: Nanos::ZERO }
            }
        }
    }
}

/// What a policy promises of its calls.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Promise {
    /// How many attempts are alive at most.
    pub(crate) alive: u32,
    /// How long a call takes at most, …
    pub(crate) overall: Nanos,
    /// … and by how much its host may hear of that late.
    pub(crate) slack: Nanos,
}

/// The engine, as an event loop drives it.
pub(crate) struct Rego {
    #[cfg_attr(not(test), expect(dead_code, reason = "kept as long as its calls"))]
    engine: Engine,
    site: CallSite,
    manual: Manual,
    events: Loop,
    clock: ManualClock,
    promise: Promise,
    keeps: bool,
}

/// More calls in the air than any scenario has.
const FLIGHTS: usize = 4_000_000;

impl Rego {
    /// An engine with this document in force.
    ///
    /// # Errors
    ///
    /// What is wrong with the document's names.
    pub(crate) fn new(document: &Document, key: &str, seed: u64) -> Result<Self, ScenarioError> {
        let clock = ManualClock::new();
        let engine = Engine::builder()
            .clock(clock.clone())
            .seed(seed)
            .max_flights(FLIGHTS)
            .ignore_environment()
            .build()
            .map_err(|error| ScenarioError::new(error.to_string()))?;
        engine.load(document).map_err(|errors| ScenarioError::new(errors.to_string()))?;
        let (site, manual) = (engine.site(key), engine.manual());
        let events = manual.event_loop(|| {});
        let policy = site.policy();
        let promise = Promise {
            alive: 1 + if policy.hedging() { u32::from(policy.max_hedges()) } else { 0 },
            overall: policy.overall_timeout().map_or(Nanos::NEVER, Nanos::from),
            // A tick of the timer's wheel, and one more to be told in.
            slack: Nanos::from_nanos(2 << 16),
        };
        Ok(Self { engine, site, manual, events, clock, promise, keeps: false })
    }

    fn begin(&mut self, now: Nanos, call: u32, deadline: Nanos, out: &mut Vec<Do>) -> u64 {
        let mut begin = Begin::new(now).deadline(deadline).cookie(u64::from(call));
        if self.keeps {
            begin = begin.keep();
        }
        let (id, step) = self.events.begin(&self.site, begin);
        assert!(!id.is_pass_through(), "there is room for every call");
        self.pass_on(&step, out);
        id.to_bits()
    }

    fn finish(&mut self, now: Nanos, attempt: u64, facts: &Completion, out: &mut Vec<Do>) {
        let reference = AttemptRef::from_bits(attempt);
        let step = self.manual.finish(reference, now, facts, 0);
        let step = step.expect("an attempt that was started is finished once");
        self.pass_on(&step, out);
        self.process(now, out);
    }

    fn cancel(&mut self, now: Nanos, id: u64, out: &mut Vec<Do>) {
        let call = CallId::from_bits(id);
        if self.manual.cancel(call).is_ok()
            && let Ok(step) = self.manual.poll(call, now)
        {
            self.pass_on(&step, out);
        }
        self.process(now, out);
    }

    /// Most of the time nothing is due, and the loop knows.
    fn process(&mut self, now: Nanos, out: &mut Vec<Do>) {
        if self.events.next_deadline() > now {
            return;
        }
        while let Some(action) = self.events.process(now) {
            out.push(translate(action));
        }
    }

    fn pass_on(&self, step: &Step, out: &mut Vec<Do>) {
        out.extend(step.actions().map(translate));
    }

    fn spent(&self, now: Nanos) -> Spent {
        self.clock.set(now);
        let budgets = self.site.budgets();
        let mut spent = Spent {
            retries_denied: budgets.retry.denied,
            hedges_denied: 0,
            bound: budgets.retry.bound,
            granted: budgets.retry.granted,
        };
        if let Some(hedge) = budgets.hedge {
            spent.hedges_denied = hedge.denied;
            if !budgets.shared {
                spent.bound += hedge.bound;
                spent.granted += hedge.granted;
            }
        }
        spent
    }

    fn hedging(&self) -> Option<Hedging> {
        let plan = self.site.hedge_plan()?;
        Some(Hedging {
            delay: plan.delay,
            probability: plan.probability,
            cold: plan.cold,
            suspended: plan.suspended,
        })
    }

    /// What the engine's exposition says: to compare with what its world has counted.
    #[cfg(test)]
    pub(crate) fn metrics(&self) -> String {
        self.engine.metrics()
    }
}

fn translate(action: Action) -> Do {
    #[expect(clippy::cast_possible_truncation, reason = "it was a u32")]
    let call = action.cookie() as u32;
    match action {
        Action::Start { attempt, number, kind, deadline, .. } => {
            Do::Start { call, attempt: attempt.to_bits(), number, kind, deadline }
        }
        Action::Cancel { attempt, .. } => Do::Cancel { call, attempt: attempt.to_bits() },
        Action::Done { verdict, attempts, .. } => {
            Do::Done { call, end: End::of(verdict), attempts }
        }
    }
}

impl End {
    fn of(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Success => Self::Success,
            Verdict::DeadlineExceeded => Self::Late,
            Verdict::BudgetDenied => Self::Denied,
            _ => Self::Failed,
        }
    }
}
