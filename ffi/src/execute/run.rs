//! A call whose attempts the library runs: on the caller's thread, and on the host's others.
//!
//! Whoever brings news of the call drives it and carries out what follows, as any host of a call
//! would. `state` is a lock for what the machine does not keep: who waits, who is running what,
//! results. It is never held while anybody else's code runs, the machine included.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use rego::{
    CallSite, Class, Completion, Nanos, Outcome, Reason,
    manual::{Action, AttemptRef, Step},
};

use super::{
    rego_run_task,
    share::Share,
    state::{Ended, Phase, Seat, Start, State},
    tasks::{CALL, OURS, TASKS, Task},
    work::{Executor, Work, rego_attempt_info, rego_result},
};
use crate::{
    engine::rego_engine,
    events::{REGO_NO_ATTEMPT, REGO_NO_COMPLETION},
};

/// A call in the air.
pub(super) struct Run {
    pub(super) work: Work,
    pub(super) executor: Executor,
    pub(super) engine: Arc<rego_engine>,
    pub(super) site: CallSite,
    pub(super) mode: Mode,
    state: Mutex<State>,
    /// Rings whenever somebody may wait for what has changed.
    pub(super) bell: Condvar,
}

/// Who runs what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// The caller runs all attempts.
    Inline,
    /// The caller runs all but hedges; the host's timer looks after the call meanwhile.
    InlineFirst,
    /// The executor runs all attempts but the primaries that it refuses; the caller runs those, and
    /// is the timer.
    Detached,
    /// The executor runs all attempts, the host's timer is the timer, and nobody waits.
    Submitted,
}

impl Run {
    pub(super) fn new(
        engine: Arc<rego_engine>,
        site: CallSite,
        (work, executor): (Work, Executor),
        mode: Mode,
    ) -> Self {
        let (state, bell) = (Mutex::new(State::new()), Condvar::new());
        Self { work, executor, engine, site, mode, state, bell }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // Nobody panics while holding it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_of(&self, engine: &rego_engine) -> bool {
        std::ptr::eq(&*self.engine, engine)
    }

    pub(super) fn time(&self) -> Nanos {
        self.heard(self.executor.now())
    }

    fn heard(&self, now: u64) -> Nanos {
        let now = Nanos::from_nanos(now);
        self.engine.told.hear(now);
        now
    }
}

impl Share {
    /// Does what the step says, and what follows from that.
    pub(super) fn carry_out(&self, step: &Step) {
        for action in step.actions() {
            match action {
                Action::Start {
                    attempt, kind, number, retry_index, hedge_index, deadline, ..
                } => {
                    let info = rego_attempt_info {
                        struct_size: size_of::<rego_attempt_info>() as u32,
                        number,
                        kind: kind as u32,
                        retry_index,
                        hedge_index,
                        reserved: 0,
                        attempt: attempt.to_bits() | OURS,
                        call: self.state().public,
                        deadline: deadline.as_nanos(),
                    };
                    self.start(Start { attempt, info });
                }
                Action::Cancel { attempt, .. } => self.cancel_attempt(attempt),
                Action::Done { verdict, answer, result, attempts, retry_after, .. } => {
                    let result = rego_result {
                        struct_size: size_of::<rego_result>() as u32,
                        verdict: verdict as u32,
                        attempts,
                        answer: REGO_NO_ATTEMPT,
                        completion: REGO_NO_COMPLETION,
                        code: 0,
                        result,
                        retry_after: retry_after.map_or(0, Nanos::as_nanos),
                        call: 0,
                    };
                    self.done(result, answer);
                }
            }
        }
        self.expect(step.wake_at.as_nanos());
        if step.more() {
            self.look();
        }
    }

    /// Says what time it is, and does what follows.
    pub(super) fn look(&self) {
        self.look_at(self.executor.now());
    }

    /// As [`look`](Self::look), where the clock has just been read.
    pub(super) fn look_at(&self, now: u64) {
        let (call, now) = (self.state().call, self.heard(now));
        if let Ok(step) = self.engine.manual.poll(call, now) {
            self.carry_out(&step);
        }
    }

    fn start(&self, start: Start) {
        let (attempt, primary) = (start.attempt, start.info.hedge_index == 0);
        if primary && matches!(self.mode, Mode::Inline | Mode::InlineFirst) {
            if !self.leave_to_caller(start) {
                self.reject(attempt);
            }
            return;
        }
        {
            let mut state = self.state();
            state.hedged |= !primary;
            state.seats.push(Seat { attempt, phase: Phase::Queued });
        }
        if let Ok(step) = self.engine.manual.queued(attempt, self.time()) {
            self.carry_out(&step);
        }
        // One that the host has run, or runs, is not refused, whatever is answered.
        let refused = TASKS.insert(Task::Attempt(self.clone(), start)).is_none_or(|task| {
            !self.executor.spawn(Some(rego_run_task), task) && TASKS.take(task).is_some()
        });
        // A primary that nobody takes is run by the caller, who waits for it.
        let run_here = primary && self.mode == Mode::Detached;
        if refused && !(run_here && self.leave_to_caller(start)) {
            self.reject(attempt);
        }
    }

    /// Has the caller run an attempt. Whether it is there to do so: with the call done it may be gone.
    fn leave_to_caller(&self, start: Start) -> bool {
        let waits = {
            let mut state = self.state();
            let waits = state.done.is_none();
            if waits {
                state.hand.push(start);
            }
            waits
        };
        self.bell.notify_all();
        waits
    }

    fn reject(&self, attempt: AttemptRef) {
        self.state().leave(attempt);
        if let Ok(step) = self.engine.manual.reject(attempt, self.time()) {
            self.carry_out(&step);
        }
    }

    /// Runs an attempt, on this thread, to its end.
    pub(super) fn run_attempt(&self, start: &Start) {
        let attempt = start.attempt;
        let manual = &self.engine.manual;
        if manual.is_cancelled(attempt) {
            return self.withdraw(attempt);
        }
        if self.state().take_up(attempt) {
            self.follow(manual.started(attempt, self.time()).as_ref().ok());
        }
        if !self.may_run(attempt) {
            return self.withdraw(attempt); // It was too late by then.
        }
        let completion = self.work.run(&start.info);
        self.part_with(attempt);
        let late = {
            let mut state = self.state();
            let late = state.done.is_some();
            if !late {
                state.ended.push(Ended {
                    attempt,
                    number: start.info.number,
                    result: completion.result,
                    completion: completion.kind,
                    code: completion.code,
                });
            }
            late
        };
        if late {
            self.work.discard(completion.result);
        }
        let now = self.time();
        let step = match completion.facts() {
            Ok(facts) => manual.finish(attempt, now, &facts, completion.result),
            // What the host says of it is nothing that can be said.
            Err(_) => {
                let outcome =
                    Outcome::non_retryable(Class::Unknown).because(Reason::ClassifierTypeMismatch);
                manual.finish_as(attempt, now, outcome, completion.result)
            }
        };
        self.follow(step.as_ref().ok());
    }

    /// Whether the attempt is not to stop yet: it is asked to from here on.
    fn may_run(&self, attempt: AttemptRef) -> bool {
        let mut state = self.state();
        !self.engine.manual.is_cancelled(attempt)
            && state.change(attempt, Phase::Queued, Phase::Running)
    }

    /// The attempt is not to run any more, and nobody has asked it to stop.
    fn withdraw(&self, attempt: AttemptRef) {
        // If it is the call that was cancelled, that is what ends it.
        self.look();
        self.state().leave(attempt);
        let step = self.engine.manual.finish(attempt, self.time(), &Completion::cancelled(), 0);
        self.follow(step.as_ref().ok());
    }

    fn follow(&self, step: Option<&Step>) {
        if let Some(step) = step {
            self.carry_out(step);
        }
    }

    /// The attempt's callback has returned: waits out a hook that asks it to stop.
    fn part_with(&self, attempt: AttemptRef) {
        let mut state = self.state();
        while state.phase_of(attempt) == Some(Phase::Asked) {
            state = self.bell.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.leave(attempt);
    }

    fn cancel_attempt(&self, attempt: AttemptRef) {
        if !self.state().change(attempt, Phase::Running, Phase::Asked) {
            return; // It does not run, so it will not.
        }
        self.work.cancel(attempt.to_bits() | OURS);
        self.state().change(attempt, Phase::Asked, Phase::Told);
        self.bell.notify_all();
    }

    fn done(&self, mut result: rego_result, answer: Option<AttemptRef>) {
        let (timers, spent, public, tell) = {
            let mut state = self.state();
            let mut spent = std::mem::take(&mut state.ended);
            if let Some(at) = spent.iter().position(|ended| Some(ended.attempt) == answer) {
                let ended = spent.swap_remove(at);
                result.answer = ended.number;
                result.completion = ended.completion;
                result.code = ended.code;
            }
            if self.work.keeps() && !state.call.is_pass_through() {
                result.call = state.call.to_bits();
            }
            state.done = Some(result);
            state.wake_at = u64::MAX;
            let tell = self.mode == Mode::Submitted && state.hushed == 0;
            state.told |= tell;
            let timers = std::mem::take(&mut state.timers);
            (timers, spent, std::mem::take(&mut state.public), tell)
        };
        self.bell.notify_all();
        for task in timers.into_iter().chain((public != 0).then_some(public ^ CALL)) {
            drop(TASKS.take(task));
        }
        for ended in spent {
            self.work.discard(ended.result);
        }
        if tell {
            self.work.done(&result);
        }
    }

    /// Somebody is to look at the call at this time, if nobody does before.
    pub(super) fn expect(&self, at: u64) {
        let (ring, arm) = {
            let mut state = self.state();
            if at >= state.wake_at || state.done.is_some() {
                return;
            }
            state.wake_at = at;
            let arm = self.wants_timer(&state) && state.arm(at);
            (!state.busy, arm)
        };
        if ring {
            self.bell.notify_all();
        }
        if arm {
            self.set_timer(at);
        }
    }

    pub(super) fn wants_timer(&self, state: &State) -> bool {
        match self.mode {
            Mode::Inline => false,
            Mode::InlineFirst => state.busy,
            // It is, if the executor has refused what it runs.
            Mode::Detached => state.busy && self.executor.has_timer(),
            Mode::Submitted => true,
        }
    }

    pub(super) fn set_timer(&self, at: u64) {
        let task = TASKS.insert(Task::Timer(self.clone()));
        let set = task.is_some_and(|task| {
            let known = self.state().keep_timer(task);
            if !known {
                drop(TASKS.take(task)); // The call is over.
                return true;
            }
            self.executor.schedule(at, Some(rego_run_task), task) || TASKS.take(task).is_none()
        });
        if !set {
            self.miss_timer();
        }
    }

    /// The host's timer has refused.
    fn miss_timer(&self) {
        let (call, hedged, stranded) = {
            let mut state = self.state();
            state.armed = u64::MAX;
            let hedged = std::mem::replace(&mut state.hedged, true);
            if self.mode == Mode::Submitted {
                // Nobody else looks then, so the next event is to ask for a timer again.
                state.wake_at = u64::MAX;
            }
            let nobody = self.mode == Mode::Submitted && state.seats.is_empty();
            (state.call, hedged, nobody && state.done.is_none())
        };
        if !hedged {
            let said = self.work.idempotent();
            self.engine.manual.miss_timer((call, &self.site), said, self.time());
        }
        if stranded {
            // Nothing runs and nobody would come back: better an end than none.
            let _over = self.engine.manual.cancel(call);
            self.look();
        }
    }

    /// A timer of the host's has fired.
    pub(super) fn time_has_come(&self) {
        let now = self.executor.now();
        let early = {
            let mut state = self.state();
            state.armed = u64::MAX;
            if state.done.is_some() {
                return;
            }
            let at = state.wake_at;
            let early = now < at && at != u64::MAX;
            if early {
                state.armed = at;
            } else {
                state.wake_at = u64::MAX;
            }
            early.then_some(at)
        };
        match early {
            Some(at) => self.set_timer(at),
            None => self.look_at(now),
        }
    }
}
