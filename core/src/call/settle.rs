//! How attempts are settled: the winner, a lost leg, those that are given up.

use super::{Asked, Call, Group, State, Step, With, legs::Unfinished};
use crate::{
    classify,
    clock::Nanos,
    completion::Completion,
    notes::{AttemptId, AttemptKind, Event},
    outcome::{CancelReason, Class, Outcome, OutcomeKind},
    site::Counter,
    verdict::Verdict,
};

impl Call {
    /// The first attempt answered the call, and there is no other: one bucket, one deposit, no
    /// note.
    #[inline(always)]
    pub(super) fn win_alone(&mut self, with: &mut With<'_>, now: Nanos) {
        self.see(now);
        with.site.won_alone(with.terms, with.shard, self.now - self.legs.primary_started());
        self.legs.end_first_alone();
        self.unfinished = Unfinished::default();
        self.answer = AttemptId::FIRST.get();
        self.state = State::Over(Verdict::Success);
    }

    /// An attempt answered the call.
    pub(super) fn win(
        &mut self,
        with: &mut With<'_>,
        attempt: AttemptId,
        outcome: Outcome,
        given_up: bool,
    ) -> Step {
        let hedge = self.legs.hedge_index(attempt);
        if !given_up && attempt == AttemptId::FIRST {
            self.deposit(with);
        }
        if !given_up && hedge == 0 {
            with.site.latency.record(with.shard, self.now - self.legs.primary_started());
        }
        if self.attempts() > 1 || given_up || self.now >= self.deadline {
            self.note_win(with, attempt, outcome, given_up, hedge);
        }
        self.legs.end(attempt);
        self.answer = attempt.get();
        self.finish(with, Verdict::Success)
    }

    #[cold]
    pub(super) fn note_win(
        &self,
        with: &mut With<'_>,
        attempt: AttemptId,
        outcome: Outcome,
        given_up: bool,
        hedge: u8,
    ) {
        let (started, kind) = self.start_of(with, attempt);
        let counters = &with.site.counters;
        if given_up {
            counters.add(Counter::Late, 1);
        }
        // To the nanosecond what the histogram was told of a primary that is told to it.
        let told = !given_up && hedge == 0;
        let ran_since = if told { self.legs.primary_started() } else { started };
        counters.win(kind, given_up, self.now - ran_since);
        if self.attempts() == 1 {
            counters.ended(Verdict::Success, Some(kind), self.now - with.started);
        }
        if attempt != AttemptId::FIRST {
            for budget in with.terms.budgets() {
                budget.later_success();
            }
        }
        let late = given_up || self.now >= self.deadline;
        with.notes
            .push(self.now, Event::Ended { attempt, started, outcome, facts: with.facts, late });
    }

    /// A leg ended without an answer: the rules of its group, then of the call.
    pub(super) fn lose_leg(
        &mut self,
        with: &mut With<'_>,
        attempt: AttemptId,
        outcome: Outcome,
    ) -> Step {
        self.settle_leg(with, attempt, outcome);
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
                // It ends the group at once; what was heard before may outrank it.
                let outranked = self.group == Group::NonRetryable;
                let verdict = if outranked { Verdict::NonRetryable } else { Verdict::Aborted };
                return self.finish(with, verdict);
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

    /// What a leg that ended without an answer leaves with its site and its group.
    pub(super) fn settle_leg(&mut self, with: &mut With<'_>, attempt: AttemptId, outcome: Outcome) {
        if self.legs.hedge_index(attempt) == 0
            && let Some(started) = self.legs.started(attempt)
        {
            with.site.latency.censor(with.shard, self.now - started);
        }
        if outcome.is_answer() {
            with.site.answered();
        }
        if attempt == AttemptId::FIRST {
            if outcome.is_answer() {
                self.deposit(with);
            } else {
                with.site.first_failed();
            }
        }
        if outcome.kind == OutcomeKind::Retryable {
            for budget in with.terms.budgets() {
                budget.failure();
            }
        }
        self.legs.end(attempt);
        self.ask_to_wait(outcome.backoff_override);
    }

    /// Gives up the legs whose time is up. `Some` if that ended the group.
    pub(super) fn expire(&mut self, with: &mut With<'_>) -> Option<Step> {
        let timeout = with.terms.attempt_timeout();
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
    /// the current group. An attempt's timeout past the call's own deadline is that deadline once more:
    /// what failed before it says more, and is what there is where the attempt does not come back.
    pub(super) fn answer_with(&mut self, attempt: AttemptId, outcome: Outcome) {
        let is_late = self.now >= self.deadline && self.answer().is_some();
        if is_late && outcome.class == Class::Timeout {
            return;
        }
        if Group::of(outcome).rank() >= self.group.rank() {
            self.answer = attempt.get();
            self.asked_before = Asked::NOTHING;
        }
    }

    pub(super) fn ask_to_wait(&mut self, wait: Option<Nanos>) {
        if let Some(wait) = wait {
            self.asked = self.asked.max(Asked::of(wait));
        }
    }

    /// Ends the call: asks every leg that is alive to stop.
    #[inline(always)]
    pub(super) fn finish(&mut self, with: &mut With<'_>, verdict: Verdict) -> Step {
        self.end(with, verdict);
        Step::Done(verdict)
    }

    #[inline(never)]
    fn end(&mut self, with: &mut With<'_>, verdict: Verdict) {
        debug_assert!(!matches!(self.state, State::Over(_)), "a call ends once");
        if self.legs.any_alive() {
            self.abandon_all(with, cancel_reason(verdict));
        }
        if !verdict.is_success() || self.attempts() > 1 {
            let via = self.answer().map(|answer| self.start_of(with, answer).1);
            with.site.counters.ended(verdict, via, self.now - with.started);
            with.notes.push(self.now, Event::Done { verdict });
        }
        with.terms.end();
        self.state = State::Over(verdict);
    }

    #[cold]
    pub(super) fn abandon_all(&mut self, with: &mut With<'_>, reason: CancelReason) {
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

    /// An attempt that had been given up ended without an answer: it is only told.
    #[cold]
    pub(super) fn note_late(&self, with: &mut With<'_>, attempt: AttemptId, outcome: Outcome) {
        with.site.counters.add(Counter::Late, 1);
        let (started, _) = self.start_of(with, attempt);
        with.notes.push(
            self.now,
            Event::Ended { attempt, started, outcome, facts: with.facts, late: true },
        );
    }

    #[cold]
    pub(super) fn note_failure(
        &self,
        with: &mut With<'_>,
        attempt: AttemptId,
        outcome: Outcome,
        facts: Option<Completion>,
    ) {
        let (started, kind) = self.start_of(with, attempt);
        with.site.counters.failure(kind, outcome, self.now - started);
        with.notes.push(self.now, Event::Ended { attempt, started, outcome, facts, late: false });
    }

    /// When an attempt started to run, or now if it is queued, and what it is. Of earlier groups the
    /// machine knows neither; the notes do, unless there were too many.
    fn start_of(&self, with: &With<'_>, attempt: AttemptId) -> (Nanos, AttemptKind) {
        if self.legs.contains(attempt) {
            return (self.legs.started(attempt).unwrap_or(self.now), self.kind_of(attempt));
        }
        let (started, kind) = with.notes.start_of(attempt);
        (started.unwrap_or(self.now), kind.unwrap_or(AttemptKind::Retry))
    }

    /// What an attempt of the current group is.
    fn kind_of(&self, attempt: AttemptId) -> AttemptKind {
        debug_assert!(self.legs.contains(attempt), "of the current group");
        AttemptKind::of(self.legs.retry_index(), self.legs.hedge_index(attempt))
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
