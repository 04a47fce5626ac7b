//! The thread that waits for its call, and hosts that do not wait.

use std::{sync::PoisonError, time::Duration};

use rego::manual::{Begin, Step};

use super::{
    rego_run_task,
    run::Mode,
    share::Share,
    state::Start,
    tasks::{CALL, TASKS, Task},
    work::rego_result,
};
use crate::{crossing::Checked, status::rego_status::REGO_STATUS_CAPACITY};

/// What the caller does next.
enum Next {
    Run(Start),
    /// At this time.
    Look(u64),
    Return(rego_result),
}

impl Share {
    /// Executes the call and waits for its end, as far as it does not run it itself.
    pub(super) fn execute(self, begin: Begin) -> Checked<rego_result> {
        if self.work.given.on_begin.is_some() {
            self.name()?;
            let public = self.state().public;
            self.work.begin(public);
        }
        let step = self.begin(begin);
        self.carry_out(&step);
        let result = loop {
            match self.next() {
                Next::Run(start) => self.run_attempt(&start),
                Next::Look(now) => self.look_at(now),
                Next::Return(result) => break result,
            }
        };
        self.leave();
        Ok(result)
    }

    /// Sees the call off: it is told when it is done.
    pub(super) fn submit(self, begin: Begin) -> Checked<u64> {
        self.name()?;
        let public = self.state().public;
        self.work.begin(public);
        self.hush();
        let step = self.begin(begin);
        self.carry_out(&step);
        if self.speak() {
            return Ok(public);
        }
        let done = self.state().done;
        if let Some(result) = done {
            self.work.discard(result.result);
        }
        Err(REGO_STATUS_CAPACITY)
    }

    /// The host wants the call to end.
    pub(super) fn cancel(&self) {
        self.hush();
        let call = {
            let mut state = self.state();
            state.cancelled = true;
            state.call
        };
        // One that has not begun hears of it when it does.
        let _over = self.engine.manual.cancel(call);
        self.look();
        if !self.speak() {
            self.deliver(); // Nobody else would.
        }
    }

    /// Tells the end, on a thread of the executor's.
    pub(super) fn deliver(&self) {
        let done = self.state().done;
        if let Some(result) = done {
            self.work.done(&result);
        }
    }

    fn begin(&self, begin: Begin) -> Step {
        let (manual, site) = (&self.engine.manual, &self.site);
        let (call, step) = match self.mode {
            // An operation in place cannot be overtaken.
            Mode::Inline => manual.begin_unhedged(site, &begin),
            Mode::InlineFirst | Mode::Detached | Mode::Submitted => manual.begin(site, begin),
        };
        let cancelled = {
            let mut state = self.state();
            state.call = call;
            state.cancelled
        };
        if cancelled {
            let _over = self.engine.manual.cancel(call);
        }
        step
    }

    /// Gives the call an id that the host can keep.
    fn name(&self) -> Checked<()> {
        let public = TASKS.insert(Task::Call(self.clone())).ok_or(REGO_STATUS_CAPACITY)?;
        self.state().public = public | CALL;
        Ok(())
    }

    /// From now on this thread is one on which the host must not be told the end.
    fn hush(&self) {
        self.state().hushed += 1;
    }

    /// It is no more: an end that came meanwhile is told elsewhere. Whether there was somewhere.
    fn speak(&self) -> bool {
        let due = {
            let mut state = self.state();
            state.hushed -= 1;
            let due = state.hushed == 0 && state.done.is_some() && !state.told;
            state.told |= due;
            due && self.mode == Mode::Submitted
        };
        if !due {
            return true;
        }
        let task = TASKS.insert(Task::Deliver(self.clone()));
        task.is_some_and(|task| {
            self.executor.spawn(Some(rego_run_task), task) || TASKS.take(task).is_none()
        })
    }

    fn next(&self) -> Next {
        loop {
            let now = self.executor.now();
            let mut state = self.state();
            state.busy = false;
            if !state.hand.is_empty() {
                let start = state.hand.remove(0);
                state.busy = true;
                let at = state.wake_at;
                let arm = self.wants_timer(&state) && at != u64::MAX && state.arm(at);
                drop(state);
                if arm {
                    self.set_timer(at);
                }
                return Next::Run(start);
            }
            if let Some(result) = state.done {
                return Next::Return(result);
            }
            if state.wake_at <= now {
                state.wake_at = u64::MAX;
                return Next::Look(now);
            }
            let wait = Duration::from_nanos(state.wake_at - now).min(LONGEST);
            drop(self.bell.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner));
        }
    }
}

/// Nobody sleeps longer than this at a time: what a clock says may change.
const LONGEST: Duration = Duration::from_secs(60);
