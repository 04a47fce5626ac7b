//! What other libraries do, small and plain: retries, budgets and hedges as they have them.

mod budget;
mod recorder;

use std::collections::{BinaryHeap, HashMap};

use rego::{AttemptKind, Completion, CompletionKind, Nanos};

use self::{budget::Balance, recorder::Recorder};
use crate::{
    draw::{Draw, Purpose},
    host::{Do, End, Hedging, Spent},
};

pub use budget::TwinBudget;
pub use recorder::{Overtaken, Percentile};

/// What a twin does.
#[derive(Clone, Debug)]
pub struct TwinRules {
    /// Attempts one after the other at most.
    pub attempts: u32,
    /// The first backoff; doubled each time, with full jitter; at most 20 times itself.
    pub backoff: Nanos,
    /// How long an attempt may take.
    pub attempt_timeout: Nanos,
    /// What pays for retries.
    pub retry_budget: TwinBudget,
    /// When a call is hedged, if ever.
    pub hedge: Option<TwinTrigger>,
    /// What pays for hedges.
    pub hedge_budget: TwinBudget,
}

/// When a twin hedges.
#[derive(Clone, Copy, Debug)]
pub enum TwinTrigger {
    /// After this long.
    Fixed(Nanos),
    /// After as long as a share of the calls before took.
    Percentile(Percentile),
}

impl Default for TwinRules {
    fn default() -> Self {
        Self {
            attempts: 1,
            backoff: Nanos::ZERO,
            attempt_timeout: Nanos::NEVER,
            retry_budget: TwinBudget::Unlimited,
            hedge: None,
            hedge_budget: TwinBudget::Unlimited,
        }
    }
}

/// A client process of another library.
pub(crate) struct Twin {
    rules: TwinRules,
    retries: Balance,
    hedges: Balance,
    recorder: Option<Recorder>,
    calls: HashMap<u32, Call>,
    alarms: BinaryHeap<Alarm>,
    /// Calls that began, attempts that were sent: numbers for them.
    begun: u64,
    sent: u64,
    draw: Draw,
    spent: Spent,
}

/// A call in the air. Attempts that were given up are forgotten.
#[derive(Debug)]
struct Call {
    /// Which call it is, and how many attempts it has had: call numbers are used again.
    stamp: u64,
    deadline: Nanos,
    launched: u32,
    group: u32,
    hedges: u32,
    alive: Vec<Leg>,
}

#[derive(Clone, Copy, Debug)]
struct Leg {
    attempt: u64,
    kind: AttemptKind,
    started: Nanos,
}

/// Something that time brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Alarm {
    at: Nanos,
    call: u32,
    /// The call's stamp when this was set: else it is void.
    stamp: u64,
    what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Hedge,
    Timeout(u64),
    Retry,
    Deadline,
}

impl Twin {
    pub(crate) fn new(rules: &TwinRules, seed: u64) -> Self {
        let recorder = match rules.hedge {
            Some(TwinTrigger::Percentile(percentile)) => Some(Recorder::new(percentile)),
            _ => None,
        };
        Self {
            rules: rules.clone(),
            retries: Balance::new(rules.retry_budget),
            hedges: Balance::new(rules.hedge_budget),
            recorder,
            calls: HashMap::new(),
            alarms: BinaryHeap::new(),
            begun: 0,
            sent: 0,
            draw: Draw::at(seed, Purpose::Twin, 0, 0, 0),
            spent: Spent { bound: f64::INFINITY, ..Spent::default() },
        }
    }

    pub(crate) fn begin(
        &mut self,
        now: Nanos,
        call: u32,
        deadline: Nanos,
        out: &mut Vec<Do>,
    ) -> u64 {
        self.retries.request(now);
        self.hedges.request(now);
        self.begun += 1;
        let stamp = self.begun << 8;
        let state = Call { stamp, deadline, launched: 0, group: 0, hedges: 0, alive: Vec::new() };
        self.calls.insert(call, state);
        if !deadline.is_never() {
            self.set(deadline, call, stamp, What::Deadline);
        }
        self.launch(now, call, AttemptKind::First, out);
        u64::from(call)
    }

    pub(crate) fn finish(
        &mut self,
        now: Nanos,
        attempt: u64,
        facts: &Completion,
        out: &mut Vec<Do>,
    ) {
        let call = (attempt >> 32) as u32;
        let Some(state) = self.calls.get_mut(&call) else { return };
        let Some(at) = state.alive.iter().position(|leg| leg.attempt == attempt) else { return };
        let leg = state.alive.remove(at);
        if facts.kind != CompletionKind::Ok {
            return self.fail(now, call, out);
        }
        if leg.kind != AttemptKind::Hedge {
            self.record(now - leg.started);
        }
        self.retries.success(now);
        self.hedges.success(now);
        self.end(now, call, End::Success, out);
    }

    pub(crate) fn cancel(&mut self, now: Nanos, id: u64, out: &mut Vec<Do>) {
        #[expect(clippy::cast_possible_truncation, reason = "it was a u32")]
        let call = id as u32;
        if self.calls.contains_key(&call) {
            self.end(now, call, End::Failed, out);
        }
    }

    pub(crate) fn wake(&mut self, now: Nanos, out: &mut Vec<Do>) {
        while let Some(alarm) = self.alarms.peek()
            && alarm.at <= now
        {
            let alarm = *alarm;
            self.alarms.pop();
            let Some(state) = self.calls.get(&alarm.call) else { continue };
            match alarm.what {
                What::Deadline if state.stamp >> 8 == alarm.stamp >> 8 => {
                    self.end(now, alarm.call, End::Late, out);
                }
                What::Timeout(attempt) => self.time_out(now, alarm.call, attempt, out),
                What::Retry if state.stamp == alarm.stamp => {
                    self.launch(now, alarm.call, AttemptKind::Retry, out);
                }
                What::Hedge if state.stamp == alarm.stamp => {
                    self.hedge(now, alarm.call, out);
                }
                _ => {}
            }
        }
    }

    pub(crate) fn next(&self) -> Nanos {
        self.alarms.peek().map_or(Nanos::NEVER, |alarm| alarm.at)
    }

    pub(crate) fn spent(&self) -> Spent {
        self.spent.clone()
    }

    pub(crate) fn max_hedges(&self) -> u32 {
        u32::from(self.rules.hedge.is_some())
    }

    pub(crate) fn hedging(&self) -> Option<Hedging> {
        let delay = self.hedge_delay();
        let cold = delay.is_none();
        self.rules.hedge?;
        Some(Hedging {
            delay: delay.unwrap_or(Nanos::NEVER),
            probability: 1.0,
            cold,
            suspended: false,
        })
    }

    fn set(&mut self, at: Nanos, call: u32, stamp: u64, what: What) {
        self.alarms.push(Alarm { at, call, stamp, what });
    }

    fn launch(&mut self, now: Nanos, call: u32, kind: AttemptKind, out: &mut Vec<Do>) {
        self.sent = (self.sent + 1) & u64::from(u32::MAX);
        let attempt = u64::from(call) << 32 | self.sent;
        let delay = self.hedge_delay();
        let timeout = now + self.rules.attempt_timeout;
        let Some(state) = self.calls.get_mut(&call) else { return };
        let (number, deadline) = (state.launched, state.deadline.min(timeout));
        state.launched += 1;
        state.stamp += 1;
        state.alive.push(Leg { attempt, kind, started: now });
        let stamp = state.stamp;
        if !timeout.is_never() {
            self.set(timeout, call, 0, What::Timeout(attempt));
        }
        if kind != AttemptKind::Hedge
            && let Some(delay) = delay
        {
            self.set(now + delay, call, stamp, What::Hedge);
        }
        out.push(Do::Start { call, attempt, number, kind, deadline });
    }

    fn hedge_delay(&self) -> Option<Nanos> {
        match self.rules.hedge? {
            TwinTrigger::Fixed(delay) => Some(delay),
            TwinTrigger::Percentile(_) => self.recorder.as_ref()?.delay(),
        }
    }

    fn hedge(&mut self, now: Nanos, call: u32, out: &mut Vec<Do>) {
        if !self.hedges.take(now) {
            self.spent.hedges_denied += 1;
            return;
        }
        self.spent.granted += 1;
        if let Some(state) = self.calls.get_mut(&call) {
            state.hedges += 1;
        }
        self.launch(now, call, AttemptKind::Hedge, out);
    }

    fn time_out(&mut self, now: Nanos, call: u32, attempt: u64, out: &mut Vec<Do>) {
        let Some(state) = self.calls.get_mut(&call) else { return };
        let before = state.alive.len();
        state.alive.retain(|leg| leg.attempt != attempt);
        if state.alive.len() < before {
            out.push(Do::Cancel { call, attempt });
            self.fail(now, call, out);
        }
    }

    /// An attempt has failed: another one, or the end.
    fn fail(&mut self, now: Nanos, call: u32, out: &mut Vec<Do>) {
        let Some(state) = self.calls.get_mut(&call) else { return };
        if !state.alive.is_empty() {
            return;
        }
        state.group += 1;
        let (group, stamp, deadline) = (state.group, state.stamp, state.deadline);
        if group >= self.rules.attempts {
            return self.end(now, call, End::Failed, out);
        }
        if !self.retries.take(now) {
            self.spent.retries_denied += 1;
            return self.end(now, call, End::Denied, out);
        }
        self.spent.granted += 1;
        let most = self.rules.backoff.mul_f64(20.0);
        let backoff = self.rules.backoff.mul_f64(f64::from(1 << (group - 1).min(20))).min(most);
        let at = now + backoff.mul_f64(self.draw.unit());
        if at >= deadline {
            return self.end(now, call, End::Late, out);
        }
        self.set(at, call, stamp, What::Retry);
    }

    fn end(&mut self, now: Nanos, call: u32, end: End, out: &mut Vec<Do>) {
        let Some(state) = self.calls.remove(&call) else { return };
        for leg in &state.alive {
            out.push(Do::Cancel { call, attempt: leg.attempt });
            if leg.kind != AttemptKind::Hedge
                && let Some(recorder) = &mut self.recorder
            {
                recorder.overtaken(now - leg.started);
            }
        }
        out.push(Do::Done { call, end, attempts: state.launched });
    }

    fn record(&mut self, length: Nanos) {
        if let Some(recorder) = &mut self.recorder {
            recorder.record(length);
        }
    }
}

impl Ord for Alarm {
    /// The earliest is the greatest: the heap gives it first.
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (other.at, other.call, other.stamp, other.what)
            .cmp(&(self.at, self.call, self.stamp, self.what))
    }
}

impl PartialOrd for Alarm {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
