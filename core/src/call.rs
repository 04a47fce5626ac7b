//! One call as a state machine.
//!
//! One event in, one [`Step`] out, by value. No thread, no clock, no callback, no allocation; the
//! machine never sees the user's result. Drivers own time and threads and feed it; so every front
//! behaves alike, and every run can be replayed.
//!
//! # Invariants
//!
//! 1. Exactly one `Done`, and no `Launch` after it.
//! 2. Every `Wait` is absolute and not past the deadline.
//! 3. Attempts alive (launched, neither ended nor given up) ≤ 1 + `max_hedges`.
//! 4. Every attempt after the first is paid for exactly once.
//! 5. Ids are dealt out in launch order and never come back: a late result of attempt 1 cannot
//!    settle attempt 5.
//! 6. A success that is delivered before `Done` wins, however late.
//! 7. Time that goes backwards changes nothing.
//! 8. Each primary leg is observed once: an event, or censored at its age when it fails or is asked
//!    to stop.
//! 9. A late result is counted, never lost in silence.
//!
//! # The course of a call
//!
//! `Running` while a group has legs (its primary and hedges that are alive), `Waiting` between two
//! groups, `Over` at the end. An event settles its outcome before time is applied.

mod decide;
mod hedging;
mod legs;
#[cfg(test)]
mod naive;
#[cfg(test)]
mod tests;

use legs::{Legs, Unfinished};

use crate::{
    classify::{self, BuiltInClassifier, Named},
    clock::Nanos,
    completion::Completion,
    notes::{AttemptId, AttemptKind, AttemptSet, Event, Notes},
    outcome::{CancelReason, Class, Outcome, OutcomeKind, Reason},
    policy::{Idempotent, Mode, Policy},
    site::{Counter, Site, Terms},
    sync::Shard,
    verdict::{HedgeReason, Verdict},
};

/// What the driver does next.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Run this attempt, then report its outcome.
    Launch(Launch),
    /// Nothing until this time, or until an attempt ends.
    Wait(Nanos),
    /// The call has ended.
    Done(Verdict),
    /// The call had ended before; the event changed no result.
    Over,
}

/// An attempt to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Launch {
    pub(crate) attempt: AttemptId,
    pub(crate) retry_index: u8,
    /// 0 for the group's primary.
    pub(crate) hedge_index: u8,
    /// The attempt must be over by then, if it starts now.
    pub(crate) deadline: Nanos,
    /// The call must be over by then: for drivers whose attempts start later than now.
    pub(crate) call_deadline: Nanos,
    /// What must be given back when the attempt ends.
    pub(crate) reserved: Reserved,
}

/// A place in a budget that an attempt holds while it runs. The driver gives it back exactly once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Reserved {
    #[default]
    Nothing,
    Retry,
    Hedge,
}

/// What comes in with every event besides the event itself.
#[derive(Debug)]
pub(crate) struct With<'a> {
    pub(crate) site: &'a Site,
    pub(crate) terms: &'a Terms,
    pub(crate) rules: Rules,
    /// When the call started.
    pub(crate) started: Nanos,
    pub(crate) shard: Shard,
    pub(crate) notes: &'a mut Notes,
    /// The facts behind the outcome, for the record.
    pub(crate) facts: Option<Completion>,
    /// Out: attempts to cancel now. An attempt is named once in a call's life.
    pub(crate) abandoned: AttemptSet,
}

/// What holds for one call besides its policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rules {
    pub(crate) idempotent: Idempotent,
    /// False for a call inside another that retries.
    pub(crate) retries: bool,
    /// Why the driver cannot hedge, if it cannot.
    pub(crate) no_hedging: Option<HedgeReason>,
}

/// One call: 64 bytes that borrow nothing. It lies on a stack, in a flight, or behind an id.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    deadline: Nanos,
    /// The latest time seen.
    now: Nanos,
    /// While running: when the next hedge is due. While waiting: when the next group starts.
    wake: Nanos,
    legs: Legs,
    seed: u32,
    /// The longest wait the group's outcomes ask for, in units of [`ASKED_UNIT`], rounded up.
    asked: u32,
    unfinished: Unfinished,
    group: Group,
    answer: u8,
    state: State,
}

const _: () = assert!(size_of::<Call>() <= 64);

/// 16 µs: a wait of up to 19 hours in 32 bits, never rounded down.
const ASKED_UNIT: u64 = 16_384;
const NO_ANSWER: u8 = u8::MAX;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Running,
    Waiting,
    Over(Verdict),
}

/// What the ended legs of the current group amount to: the class of the last failure of the
/// highest rank, and that rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Group {
    Open,
    Retryable(Class),
    Panicked,
    NonRetryable,
}

impl Group {
    fn of(outcome: Outcome) -> Self {
        match outcome.kind {
            OutcomeKind::Success => Self::Open,
            _ if outcome.reason == Reason::Panic => Self::Panicked,
            OutcomeKind::Retryable => Self::Retryable(outcome.class),
            OutcomeKind::NonRetryable | OutcomeKind::Abort => Self::NonRetryable,
        }
    }

    /// Failures by precedence: which one speaks for the group.
    fn rank(self) -> u8 {
        match self {
            Self::Open => 0,
            Self::Retryable(_) => 1,
            Self::Panicked => 2,
            Self::NonRetryable => 3,
        }
    }

    /// Another attempt of this group can do no good any more.
    fn is_terminal(self) -> bool {
        matches!(self, Self::Panicked | Self::NonRetryable)
    }
}

impl Call {
    /// Starts a call: the first attempt, or none if the deadline has passed already. `seed`
    /// decides all of the call's random draws.
    pub(crate) fn start(
        with: &mut With<'_>,
        now: Nanos,
        deadline: Nanos,
        seed: u64,
    ) -> (Self, Step) {
        let own = now + with.terms.policy.retry.overall_timeout;
        let mut call = Self::new(now, deadline.min(own), seed);
        for budget in with.terms.budgets() {
            budget.begin(with.shard);
        }
        let step = if now >= call.deadline {
            call.finish(with, Verdict::DeadlineExceeded)
        } else {
            call.launch_primary(with, 0, Reserved::Nothing)
        };
        (call, step)
    }

    /// A call that ends before it starts: no attempt is made.
    pub(crate) fn refuse(with: &mut With<'_>, now: Nanos, verdict: Verdict) -> (Self, Step) {
        let mut call = Self::new(now, now, 0);
        for budget in with.terms.budgets() {
            budget.begin(with.shard);
        }
        let step = call.finish(with, verdict);
        (call, step)
    }

    fn new(now: Nanos, deadline: Nanos, seed: u64) -> Self {
        Self {
            deadline,
            now,
            wake: Nanos::NEVER,
            legs: Legs::default(),
            #[expect(clippy::cast_possible_truncation, reason = "32 bits of seed are enough")]
            seed: (seed ^ (seed >> 32)) as u32,
            asked: 0,
            unfinished: Unfinished::default(),
            group: Group::Open,
            answer: NO_ANSWER,
            state: State::Running,
        }
    }

    /// An attempt ended. Doubled and unknown ones change nothing.
    pub(crate) fn on_outcome(
        &mut self,
        with: &mut With<'_>,
        attempt: AttemptId,
        outcome: Outcome,
        now: Nanos,
    ) -> Step {
        self.see(now);
        if !self.unfinished.remove(attempt) {
            return self.rest(with);
        }
        let late = !self.legs.is_alive(attempt);
        if let State::Over(_) = self.state {
            with.site.counters.add(Counter::Late, 1);
            return Step::Over;
        }
        if outcome.kind == OutcomeKind::Success {
            return self.win(with, attempt, outcome, late);
        }
        if late {
            with.site.counters.add(Counter::Late, 1);
            let started = self.legs.started(attempt).unwrap_or(self.now);
            with.notes.push(
                self.now,
                Event::Ended { attempt, started, outcome, facts: with.facts, late },
            );
            return self.rest(with);
        }
        self.note_failure(with, attempt, outcome, with.facts);
        self.answer_with(attempt, outcome);
        self.lose_leg(with, attempt, outcome)
    }

    /// Time has passed. Never launches more than one attempt: ask again until it says `Wait`.
    pub(crate) fn on_time(&mut self, with: &mut With<'_>, now: Nanos) -> Step {
        if let State::Over(_) = self.state {
            return Step::Over;
        }
        self.see(now);
        if self.now >= self.deadline {
            return self.finish(with, Verdict::DeadlineExceeded);
        }
        match self.state {
            State::Over(_) => Step::Over,
            State::Waiting if self.now >= self.wake => self.launch_retry(with),
            State::Waiting => Step::Wait(self.wake),
            State::Running => {
                if let Some(step) = self.expire(with) {
                    return step;
                }
                self.hedge_if_due(with)
            }
        }
    }

    /// The caller wants no answer any more.
    pub(crate) fn on_cancel(&mut self, with: &mut With<'_>, now: Nanos) -> Step {
        self.stop(with, now, Verdict::Cancelled)
    }

    /// The engine is going away.
    pub(crate) fn on_shutdown(&mut self, with: &mut With<'_>, now: Nanos) -> Step {
        self.stop(with, now, Verdict::Shutdown)
    }

    /// The driver has put the attempt into a queue: its time does not run yet.
    pub(crate) fn on_queued(&mut self, attempt: AttemptId) {
        self.legs.queue(attempt);
    }

    /// The operation has started to run, out of a queue: its time starts now.
    pub(crate) fn on_started(&mut self, attempt: AttemptId, at: Nanos) {
        self.see(at);
        if let Some(waited) = self.legs.unqueue(attempt, self.now)
            && !self.wake.is_never()
            && self.state == State::Running
        {
            self.wake = self.wake + waited;
        }
    }

    /// Nobody would run the attempt. A hedge is skipped; without its primary the call ends.
    pub(crate) fn on_rejected(
        &mut self,
        with: &mut With<'_>,
        attempt: AttemptId,
        now: Nanos,
    ) -> Step {
        self.see(now);
        if !self.unfinished.remove(attempt) {
            return self.rest(with);
        }
        if let State::Over(_) = self.state {
            return Step::Over;
        }
        let hedge = self.legs.hedge_index(attempt);
        if !self.legs.end(attempt) {
            return self.rest(with);
        }
        if hedge > 0 {
            self.wake = Nanos::NEVER;
            self.skip_hedge(with, HedgeReason::ExecutorRejected);
        }
        if self.legs.any_alive() {
            return self.rest(with);
        }
        if hedge > 0 {
            return self.decide(with);
        }
        self.finish(with, Verdict::ExecutorRejected)
    }

    /// Whose result is the call's: the winner's, or the last real failure's.
    pub(crate) fn answer(&self) -> Option<AttemptId> {
        (self.answer != NO_ANSWER).then(|| AttemptId::new(self.answer))
    }

    /// How many attempts were launched.
    pub(crate) fn attempts(&self) -> u8 {
        self.legs.launched()
    }

    /// The call's deadline: the sooner of the caller's and the policy's.
    pub(crate) fn deadline(&self) -> Nanos {
        self.deadline
    }

    /// How the call ended, once it has.
    pub(crate) fn verdict(&self) -> Option<Verdict> {
        match self.state {
            State::Over(verdict) => Some(verdict),
            State::Running | State::Waiting => None,
        }
    }

    /// The longest wait the last group's outcomes asked for.
    pub(crate) fn retry_after(&self) -> Option<Nanos> {
        (self.asked > 0).then(|| Nanos::from_nanos(u64::from(self.asked) * ASKED_UNIT))
    }

    /// Whether the policy retries or hedges after the current group.
    pub(crate) fn retries_left(&self, with: &With<'_>) -> bool {
        self.may_retry(with) && self.legs.retry_index() + 1 < with.terms.policy.retry.max_attempts
    }

    /// The soonest at which a queued attempt could need attention, had it started just now: drivers
    /// that are not told of starts look in then.
    pub(crate) fn look_in(&self, with: &With<'_>) -> Nanos {
        if self.state != State::Running || !self.legs.any_queued() {
            return Nanos::NEVER;
        }
        let timeout = self.now + with.terms.policy.retry.attempt_timeout;
        if self.wake.is_never() { timeout } else { timeout.min(self.now + self.hedge_delay(with)) }
    }

    /// Time never goes backwards in here.
    fn see(&mut self, now: Nanos) {
        self.now = self.now.max(now);
    }

    /// Nothing to do for this event but to wait on, or to notice that the deadline has passed.
    fn rest(&mut self, with: &mut With<'_>) -> Step {
        match self.state {
            State::Over(_) => Step::Over,
            _ if self.now >= self.deadline => self.finish(with, Verdict::DeadlineExceeded),
            State::Waiting => Step::Wait(self.wake),
            State::Running => Step::Wait(self.next_event(&with.terms.policy)),
        }
    }

    /// The first time at which something must happen while legs are alive.
    fn next_event(&self, policy: &Policy) -> Nanos {
        let hedge = if self.legs.any_queued() { Nanos::NEVER } else { self.wake };
        let timeout = self.legs.first_timeout(policy.retry.attempt_timeout);
        self.deadline.min(hedge).min(timeout)
    }

    fn stop(&mut self, with: &mut With<'_>, now: Nanos, verdict: Verdict) -> Step {
        if let State::Over(_) = self.state {
            return Step::Over;
        }
        self.see(now);
        self.finish(with, verdict)
    }
}

impl With<'_> {
    /// What rule of idempotency an attempt timeout falls under: none where the policy's classifier
    /// knows none.
    fn timeout_rule(&self) -> Idempotent {
        match self.terms.classifier {
            Named::BuiltIn(BuiltInClassifier::Always) => Idempotent::Unset,
            _ => self.rules.idempotent,
        }
    }
}

impl Call {
    /// The attempt answered the call. The clean first success goes straight through: one bucket,
    /// one deposit, no note.
    fn win(
        &mut self,
        with: &mut With<'_>,
        attempt: AttemptId,
        outcome: Outcome,
        late: bool,
    ) -> Step {
        let hedge = self.legs.hedge_index(attempt);
        if !late && hedge == 0 {
            with.site.latency.record(with.shard, self.now - self.legs.primary_started());
        }
        if !late && attempt == AttemptId::FIRST {
            self.deposit(with);
        }
        if self.attempts() > 1 || late {
            self.note_win(with, attempt, outcome, late, hedge);
        }
        self.legs.end(attempt);
        self.answer = attempt.get();
        self.finish(with, Verdict::Success)
    }

    #[cold]
    fn note_win(
        &self,
        with: &mut With<'_>,
        attempt: AttemptId,
        outcome: Outcome,
        late: bool,
        hedge: u8,
    ) {
        let started = self.legs.started(attempt).unwrap_or(self.now);
        let counters = &with.site.counters;
        if late {
            counters.add(Counter::Late, 1);
        }
        // To the nanosecond what the histogram was told of a primary.
        let ran_since = if hedge == 0 { self.legs.primary_started() } else { started };
        let kind = self.kind_of(attempt);
        counters.win(kind, late, self.now - ran_since);
        if self.attempts() == 1 {
            counters.ended(Verdict::Success, Some(kind), self.now - with.started);
        }
        if let Some(budget) = &with.terms.retry_budget
            && attempt != AttemptId::FIRST
        {
            budget.later_success();
        }
        with.notes
            .push(self.now, Event::Ended { attempt, started, outcome, facts: with.facts, late });
    }

    /// A leg ended without an answer: the rules of its group, then of the call.
    fn lose_leg(&mut self, with: &mut With<'_>, attempt: AttemptId, outcome: Outcome) -> Step {
        if self.legs.hedge_index(attempt) == 0
            && let Some(started) = self.legs.started(attempt)
        {
            with.site.latency.censor(with.shard, self.now - started);
        }
        if attempt == AttemptId::FIRST {
            if outcome.is_answer() {
                self.deposit(with);
            } else {
                with.site.first_failed();
            }
        }
        if let Some(budget) = &with.terms.retry_budget
            && outcome.kind == OutcomeKind::Retryable
        {
            budget.failure();
        }
        self.legs.end(attempt);
        self.ask_to_wait(outcome.backoff_override);
        if self.now >= self.deadline {
            return self.finish(with, Verdict::DeadlineExceeded);
        }
        let ended = Group::of(outcome);
        if ended.rank() >= self.group.rank() {
            self.group = ended;
        }
        if ended.is_terminal() {
            self.wake = Nanos::NEVER;
        }
        match outcome.kind {
            OutcomeKind::Abort if ended != Group::Panicked => {
                return self.finish(with, Verdict::Aborted);
            }
            OutcomeKind::NonRetryable if with.terms.policy.hedge.cancel_on_first_terminal => {
                return self.finish(with, Verdict::NonRetryable);
            }
            _ => {}
        }
        if self.legs.any_alive() {
            return self.rest(with);
        }
        self.decide(with)
    }

    /// Gives up the legs whose time is up. `Some` if that ended the group.
    fn expire(&mut self, with: &mut With<'_>) -> Option<Step> {
        let timeout = with.terms.policy.retry.attempt_timeout;
        while let Some(attempt) = self.legs.timed_out(timeout, self.now) {
            let outcome = classify::timeout(with.timeout_rule());
            self.note_failure(with, attempt, outcome, None);
            with.abandoned.insert(attempt);
            let step = self.lose_leg(with, attempt, outcome);
            if !(self.state == State::Running && self.legs.any_alive()) {
                return Some(step);
            }
        }
        None
    }

    /// Whose result is returned if nothing better comes: the last failure of the highest rank in
    /// the current group.
    fn answer_with(&mut self, attempt: AttemptId, outcome: Outcome) {
        if Group::of(outcome).rank() >= self.group.rank() {
            self.answer = attempt.get();
        }
    }

    fn ask_to_wait(&mut self, wait: Option<Nanos>) {
        let Some(wait) = wait else { return };
        let units = wait.as_nanos().div_ceil(ASKED_UNIT).max(1);
        self.asked = self.asked.max(u32::try_from(units).unwrap_or(u32::MAX));
    }

    /// Ends the call: asks every leg that is alive to stop.
    fn finish(&mut self, with: &mut With<'_>, verdict: Verdict) -> Step {
        debug_assert!(!matches!(self.state, State::Over(_)), "a call ends once");
        if self.legs.any_alive() {
            self.abandon_all(with, cancel_reason(verdict));
        }
        if !verdict.is_success() || self.attempts() > 1 {
            let via = self.answer().map(|answer| self.kind_of(answer));
            with.site.counters.ended(verdict, via, self.now - with.started);
            with.notes.push(self.now, Event::Done { verdict });
        }
        for budget in with.terms.budgets() {
            budget.end();
        }
        self.state = State::Over(verdict);
        Step::Done(verdict)
    }

    #[cold]
    fn abandon_all(&mut self, with: &mut With<'_>, reason: CancelReason) {
        while let Some(attempt) = self.legs.next_alive() {
            let (hedge, kind) = (self.legs.hedge_index(attempt), self.kind_of(attempt));
            let started = self.legs.started(attempt);
            let age = started.map_or(Nanos::ZERO, |started| self.now - started);
            // Queueing is not slowness: a leg that never ran was not observed.
            if hedge == 0 && started.is_some() {
                with.site.latency.censor(with.shard, age);
            }
            with.site.counters.cancelled(kind, reason, age);
            let started = started.unwrap_or(self.now);
            with.notes.push(self.now, Event::CancelRequested { attempt, started, reason });
            with.abandoned.insert(attempt);
            self.legs.end(attempt);
        }
    }

    #[cold]
    fn note_failure(
        &self,
        with: &mut With<'_>,
        attempt: AttemptId,
        outcome: Outcome,
        facts: Option<Completion>,
    ) {
        let started = self.legs.started(attempt).unwrap_or(self.now);
        with.site.counters.failure(self.kind_of(attempt), outcome, self.now - started);
        with.notes.push(self.now, Event::Ended { attempt, started, outcome, facts, late: false });
    }

    /// Of earlier groups only the first attempt is known for what it was: others were retries, as
    /// a rule.
    fn kind_of(&self, attempt: AttemptId) -> AttemptKind {
        if self.legs.contains(attempt) {
            return AttemptKind::of(self.legs.retry_index(), self.legs.hedge_index(attempt));
        }
        if attempt == AttemptId::FIRST { AttemptKind::First } else { AttemptKind::Retry }
    }
}

fn cancel_reason(verdict: Verdict) -> CancelReason {
    match verdict {
        Verdict::Success => CancelReason::LostRace,
        Verdict::Cancelled => CancelReason::Caller,
        Verdict::Shutdown => CancelReason::Shutdown,
        Verdict::DeadlineExceeded => CancelReason::Deadline,
        _ => CancelReason::Terminal,
    }
}
