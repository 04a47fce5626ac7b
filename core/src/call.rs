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

mod asked;
mod decide;
mod group;
mod hedging;
mod legs;
#[cfg(test)]
mod naive;
mod settle;
#[cfg(test)]
mod tests;
mod time;
mod words;

pub(crate) use words::{Launch, Reserved, Rules, Step, With};

use asked::Asked;
use group::Group;
use legs::{Legs, Unfinished};

use crate::{
    clock::Nanos,
    notes::{AttemptId, AttemptKind, Event},
    outcome::{Class, Outcome, OutcomeKind, Reason},
    policy::Mode,
    site::Counter,
    verdict::{HedgeReason, Verdict},
};

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
    /// The longest wait the group's outcomes ask for.
    asked: Asked,
    unfinished: Unfinished,
    group: Group,
    answer: u8,
    state: State,
}

const _: () = assert!(size_of::<Call>() <= 64);

const NO_ANSWER: u8 = u8::MAX;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Running,
    Waiting,
    Over(Verdict),
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
        let mut call = Self::prepare(with, now, deadline, seed);
        let step = call.begin(with);
        (call, step)
    }

    /// A call that [begins](Self::begin) or is [refused](Self::refuse) next. For drivers that keep
    /// it in its place from the first: moving it costs as much as the machine does.
    #[inline(always)]
    pub(crate) fn prepare(with: &With<'_>, now: Nanos, deadline: Nanos, seed: u64) -> Self {
        let own = now + with.terms.policy.retry.overall_timeout;
        Self {
            deadline: deadline.min(own),
            now,
            wake: Nanos::NEVER,
            legs: Legs::default(),
            seed: folded(seed),
            asked: Asked::NOTHING,
            unfinished: Unfinished::default(),
            group: Group::Open,
            answer: NO_ANSWER,
            state: State::Running,
        }
    }

    /// Another seed, for drivers that draw one when it is needed: before the first failure is
    /// settled or the first hedge is due.
    pub(crate) fn sow(&mut self, seed: u64) {
        self.seed = folded(seed);
    }

    /// The first attempt, or none if the deadline has passed already.
    #[inline(always)]
    pub(crate) fn begin(&mut self, with: &mut With<'_>) -> Step {
        with.terms.begin(with.shard);
        if self.now >= self.deadline {
            return self.finish(with, Verdict::DeadlineExceeded);
        }
        self.launch_first(with)
    }

    /// Ends the call before it begins: no attempt is made.
    #[cold]
    pub(crate) fn refuse(&mut self, with: &mut With<'_>, verdict: Verdict) -> Step {
        with.terms.begin(with.shard);
        self.finish(with, verdict)
    }

    /// An attempt ended. Doubled and unknown ones change nothing.
    #[inline(always)]
    pub(crate) fn on_outcome(
        &mut self,
        with: &mut With<'_>,
        attempt: AttemptId,
        outcome: Outcome,
        now: Nanos,
    ) -> Step {
        if outcome.kind == OutcomeKind::Success && self.on_first_success(with, attempt, now) {
            return Step::Done(Verdict::Success);
        }
        self.settle(with, attempt, outcome, now)
    }

    /// An attempt succeeded: whether that is all there is to it, because it is the call's first and
    /// only one, in time. Else nothing has happened yet, and [`on_outcome`](Self::on_outcome) is to
    /// be told.
    #[inline(always)]
    pub(crate) fn on_first_success(
        &mut self,
        with: &mut With<'_>,
        attempt: AttemptId,
        now: Nanos,
    ) -> bool {
        let alone = self.state == State::Running && self.legs.is_first_alone(attempt);
        if !alone || now >= self.deadline {
            return false;
        }
        self.win_alone(with, now);
        true
    }

    fn settle(
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
        let given_up = !self.legs.is_alive(attempt);
        if let State::Over(_) = self.state {
            with.site.counters.add(Counter::Late, 1);
            return Step::Over;
        }
        if outcome.kind == OutcomeKind::Success {
            return self.win(with, attempt, outcome, given_up);
        }
        if given_up {
            self.note_late(with, attempt, outcome);
            return self.rest(with);
        }
        self.note_failure(with, attempt, outcome, with.facts);
        self.answer_with(attempt, outcome);
        self.lose_leg(with, attempt, outcome)
    }

    /// An attempt ended whose caller has taken the call back meanwhile: a success still counts, after
    /// anything else there is nothing more to decide or to pay for.
    #[cold]
    pub(crate) fn on_last_outcome(
        &mut self,
        with: &mut With<'_>,
        attempt: AttemptId,
        outcome: Outcome,
        now: Nanos,
    ) -> Step {
        // A panic in place goes on at its caller's, whatever else has happened.
        let answers = outcome.kind == OutcomeKind::Success || outcome.reason == Reason::Panic;
        if answers || !self.legs.is_alive(attempt) {
            return self.on_outcome(with, attempt, outcome, now);
        }
        self.see(now);
        self.unfinished.remove(attempt);
        self.note_failure(with, attempt, outcome, with.facts);
        self.answer_with(attempt, outcome);
        self.settle_leg(with, attempt, outcome);
        self.finish(with, Verdict::Cancelled)
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
        if self.now >= self.deadline {
            return self.finish(with, Verdict::DeadlineExceeded);
        }
        if self.group == Group::Open {
            return self.finish(with, Verdict::ExecutorRejected);
        }
        self.decide(with)
    }

    /// Ends the call past its own rules, which have failed: the engine stands aside. Whatever is in
    /// the air is the driver's to stop.
    #[cold]
    pub(crate) fn break_off(
        &mut self,
        with: &mut With<'_>,
        answer: Option<AttemptId>,
        verdict: Verdict,
        now: Nanos,
    ) {
        if let State::Over(_) = self.state {
            return;
        }
        self.see(now);
        let now = self.now;
        self.state = State::Over(verdict);
        self.answer = answer.map_or(NO_ANSWER, AttemptId::get);
        let via = answer.map(|answer| AttemptKind::of(answer.get().min(1), 0));
        if let Some(kind) = via.filter(|_| verdict.is_success()) {
            with.site.counters.win(kind, true, Nanos::ZERO);
        }
        with.site.counters.ended(verdict, via, now - with.started);
        with.notes.push(now, Event::Done { verdict });
        with.terms.end();
    }

    /// The latest time seen.
    pub(crate) fn now(&self) -> Nanos {
        self.now
    }

    /// When the call must be over.
    pub(crate) fn deadline(&self) -> Nanos {
        self.deadline
    }

    /// Whose result is the call's: the winner's, or the last real failure's.
    #[inline]
    pub(crate) fn answer(&self) -> Option<AttemptId> {
        (self.answer != NO_ANSWER).then(|| AttemptId::new(self.answer))
    }

    /// How many attempts were launched.
    #[inline]
    pub(crate) fn attempts(&self) -> u8 {
        self.legs.launched()
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
        self.asked.wait()
    }

    /// Whether the policy retries or hedges after the current group.
    #[inline]
    pub(crate) fn retries_left(&self, with: &With<'_>) -> bool {
        self.may_retry(with) && self.legs.retry_index() + 1 < with.terms.policy.retry.max_attempts
    }

    /// The soonest at which a queued attempt could need attention, had it started just now: drivers
    /// that are not told of starts look in then.
    pub(crate) fn look_in(&self, with: &With<'_>) -> Nanos {
        if self.state != State::Running || !self.legs.any_queued() {
            return Nanos::NEVER;
        }
        let timeout = self.now + with.terms.attempt_timeout();
        if self.wake.is_never() { timeout } else { timeout.min(self.now + self.hedge_delay(with)) }
    }

    /// Time never goes backwards in here.
    #[inline]
    fn see(&mut self, now: Nanos) {
        self.now = self.now.max(now);
    }

    fn stop(&mut self, with: &mut With<'_>, now: Nanos, verdict: Verdict) -> Step {
        if let State::Over(_) = self.state {
            return Step::Over;
        }
        self.see(now);
        self.finish(with, verdict)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "32 bits of seed are enough")]
const fn folded(seed: u64) -> u32 {
    (seed ^ (seed >> 32)) as u32
}
