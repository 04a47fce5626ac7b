//! Calls whose attempts the library runs, on threads that the host supplies.

mod caller;
mod clock;
mod run;
mod share;
mod state;
mod tasks;
mod work;

pub use work::*;

use rego::manual::Begin;

use self::{
    run::{Mode, Run},
    share::Share,
    tasks::{CALL, TASKS, Task},
    work::{Executor, Work},
};
use crate::{
    call::begin_of,
    constants::{rego_call, rego_key, rego_time},
    crossing::{Checked, Out},
    engine::rego_engine,
    event_loop::check_may_wait,
    status::rego_status::{self, REGO_STATUS_INVALID, REGO_STATUS_NULL, REGO_STATUS_STALE},
};

pub(crate) use tasks::OURS;

/// Executes a call and returns when it is done: `result_out` tells how it ended, and the status
/// only whether it was executed.
///
/// Where the key's policy does not hedge, or there is no executor, all attempts run on the calling
/// thread, and nobody asks them to stop at their deadlines: they know them. Where it hedges, they
/// run on the executor's threads, and the caller is the timer of its own call; it returns as soon
/// as one has answered, and the others, asked to stop, come back later. To wait in a pool for a
/// thread of the same pool can take for ever. For the other ways see `REGO_EXECUTE_INLINE_FIRST`
/// and `REGO_EXECUTE_WAIT_LOSERS`.
///
/// A first attempt or a retry that `spawn` refuses is run by the calling thread; meanwhile the timer
/// is `schedule`, if there is one, and such an attempt that does not heed its cancel keeps the
/// caller. A hedge that it refuses is not launched.
///
/// `deadline` is until when the caller will wait, on the executor's clock; 0 and `REGO_TIME_NEVER`
/// if there is no such time. That clock must be the one that the engine is told the time of.
/// `executor` may be NULL.
///
/// Whatever is answered, `drop` of the work and of the executor is called once, of each whose struct
/// can be read.
///
/// `REGO_STATUS_BUSY` in a `notify`, where nobody may wait.
///
/// Threads: any thread, at any time. Allocates; waits.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn rego_execute(
    engine: *mut rego_engine,
    key: rego_key,
    deadline: rego_time,
    work: *const rego_work,
    executor: *const rego_executor,
    result_out: *mut rego_result,
) -> rego_status {
    contained!({
        // SAFETY: because pointers are as the header demands.
        let work = unsafe { Work::adopt(work) };
        // SAFETY: as above.
        let executor = unsafe { Executor::adopt(executor) };
        let (work, executor) = (work?, executor?);
        // SAFETY: as above.
        let mut result_out = unsafe { Out::sized(result_out) }?;
        // SAFETY: as above.
        let engine = unsafe { rego_engine::retained(engine) }?;
        check_may_wait()?;
        let site = engine.keys.get(key).ok_or(REGO_STATUS_STALE)?.clone();
        let mode = match executor.has_threads() {
            true if work.is_inline_first() && executor.has_timer() => Mode::InlineFirst,
            _ if work.is_inline_first() => return Err(REGO_STATUS_INVALID),
            true if site.hedges() => Mode::Detached,
            _ => Mode::Inline,
        };
        let begin = begin(&work, &executor, deadline)?;
        engine.told.hear(begin.now);
        let share = Share::new(Run::new(engine, site, (work, executor), mode));
        let result = share.execute(begin)?;
        result_out.with(|out| *out = rego_result { struct_size: out.struct_size, ..result });
        Ok(())
    })
}

/// Executes a call and does not wait: all attempts run on the executor's threads, its timer is the
/// timer, and `on_done` tells the end there. So the work needs `on_done`, the executor `spawn` and
/// `schedule`; `REGO_EXECUTE_INLINE_FIRST` asks for nothing here, and `REGO_EXECUTE_WAIT_LOSERS` is
/// refused, as nobody waits. Where the host's timer refuses and nothing runs, the call ends as
/// `REGO_VERDICT_CANCELLED`: better an end than none.
///
/// `rego_call_cancel` with the id ends the call; it is not async-signal-safe for such a call, and
/// may call `on_cancel`. The id is good until the call is done, and for nothing else: to all other
/// functions of calls it is stale, and what can be read after the end has the id `rego_result.call`.
///
/// Nobody else runs an attempt that `spawn` refuses: one that is all there is ends the call as
/// `REGO_VERDICT_EXECUTOR_REJECTED`.
///
/// `REGO_STATUS_CAPACITY` if the executor takes nothing, or would not even tell the end: then
/// `on_done` is not called. Else as `rego_execute`.
///
/// Threads: any thread, at any time. Allocates.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn rego_submit(
    engine: *mut rego_engine,
    key: rego_key,
    deadline: rego_time,
    work: *const rego_work,
    executor: *const rego_executor,
    call_out: *mut rego_call,
) -> rego_status {
    contained!({
        // SAFETY: because pointers are as the header demands.
        let work = unsafe { Work::adopt(work) };
        // SAFETY: as above.
        let executor = unsafe { Executor::adopt(executor) };
        let (work, executor) = (work?, executor?);
        // SAFETY: as above.
        let call_out = unsafe { Out::new(call_out) }?;
        // SAFETY: as above.
        let engine = unsafe { rego_engine::retained(engine) }?;
        if work.given.on_done.is_none() {
            return Err(REGO_STATUS_NULL);
        }
        if !executor.has_threads() || !executor.has_timer() || work.waits_for_losers() {
            return Err(REGO_STATUS_INVALID);
        }
        let site = engine.keys.get(key).ok_or(REGO_STATUS_STALE)?.clone();
        let begin = begin(&work, &executor, deadline)?;
        engine.told.hear(begin.now);
        let share = Share::new(Run::new(engine, site, (work, executor), Mode::Submitted));
        call_out.set(share.submit(begin)?);
        Ok(())
    })
}

/// Runs a task that an executor was given: what `rego_run_fn` points to. Of a number that names no
/// task, or no longer, nothing comes.
///
/// Threads: any thread, at any time, but not from a signal handler.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rego_run_task(task: u64) {
    contained!(or(), {
        match TASKS.take(task) {
            Some(Task::Attempt(share, start)) => share.run_attempt(&start),
            Some(Task::Timer(share)) => share.time_has_come(),
            Some(Task::Deliver(share)) => share.deliver(),
            Some(Task::Call(_)) | None => {}
        }
    });
}

/// Cancels a call that the library executes.
pub(crate) fn cancel(engine: &rego_engine, call: rego_call) -> Checked<()> {
    let share = TASKS.lend(call ^ CALL, |task| match task {
        Task::Call(share) if share.is_of(engine) => Some(share.clone()),
        _ => None,
    });
    share.flatten().ok_or(REGO_STATUS_STALE)?.cancel();
    Ok(())
}

/// All that is left to do for calls of the engine is nobody's any more. For the child of a fork.
pub(crate) fn forget(engine: &rego_engine) {
    TASKS.forget(|task| task.share().is_of(engine));
}

fn begin(work: &Work, executor: &Executor, deadline: rego_time) -> Checked<Begin> {
    let mut begin = begin_of(executor.now(), deadline)?;
    begin.keep = work.keeps();
    begin.idempotent = work.idempotent();
    begin.priority = work.given.priority.try_into().map_err(|_| REGO_STATUS_INVALID)?;
    Ok(begin)
}
