//! What a host hands in to be executed, and by whom.

use std::ffi::c_void;

use rego::Idempotent;

use crate::{
    constants::{rego_attempt, rego_call, rego_time},
    crossing::{Checked, Sized32, read_handed, unused},
    facts::rego_completion,
    status::rego_status::{REGO_STATUS_INVALID, REGO_STATUS_NULL, REGO_STATUS_UNSUPPORTED},
    userdata::{Userdata, rego_drop_fn},
};

/// What `rego_work.flags` may hold.
#[repr(u32)]
#[derive(Clone, Copy, Debug)]
pub enum rego_execute_flag {
    /// Run first attempts and retries on the calling thread, and hedges alone on the executor, if
    /// they become due: no hand-off for calls that go well. While the caller is busy the executor's
    /// `schedule` is the timer, of hedges and of deadlines, so there must be one, whatever the key's
    /// policy says. An attempt that does not heed its cancel keeps the caller.
    REGO_EXECUTE_INLINE_FIRST = 1,
    /// Do not return before the last attempt has, and `drop` has been called: for `userdata` on the
    /// caller's stack.
    REGO_EXECUTE_WAIT_LOSERS = 2,
    /// The call is there to be read after its end, until `rego_call_end`: `rego_result.call`.
    REGO_EXECUTE_KEEP = 4,
}

/// One attempt, as its callback is told.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rego_attempt_info {
    /// `sizeof(rego_attempt_info)`, as the library knows it.
    pub struct_size: u32,
    /// Its number in its call, in launch order from 0.
    pub number: u32,
    /// What sort it is: a `REGO_ATTEMPT_*`.
    pub kind: u32,
    /// Its retry group; 0 for the first.
    pub retry_index: u32,
    /// Its place in its group; 0 for the primary, then the hedges.
    pub hedge_index: u32,
    /// 0.
    pub reserved: u32,
    /// For `rego_attempt_cancelled`.
    pub attempt: rego_attempt,
    /// For `rego_call_cancel` alone; 0 for a `rego_execute` without `on_begin`.
    pub call: rego_call,
    /// When it must be over. It is asked to stop then, unless all attempts run on the calling
    /// thread and nobody is there to ask: see `rego_execute`.
    pub deadline: rego_time,
}

/// How an executed call ended. Begin with `REGO_RESULT_INIT`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rego_result {
    /// `sizeof(rego_result)`.
    pub struct_size: u32,
    /// How the call ended and why: a `REGO_VERDICT_*`.
    pub verdict: u32,
    /// How many attempts were launched.
    pub attempts: u32,
    /// The number of the attempt that answers the call, the winner or the last real failure;
    /// `REGO_NO_ATTEMPT` if there is none.
    pub answer: u32,
    /// The facts of that attempt's end: a `REGO_COMPLETION_*`, or `REGO_NO_COMPLETION`.
    pub completion: u32,
    /// What the facts' kind says of it.
    pub code: i32,
    /// What that attempt left in `rego_completion.result`; it is the caller's now.
    pub result: u64,
    /// For how many nanoseconds the server wants to be left alone, if it said so last, else 0.
    pub retry_after: u64,
    /// For what reads a call, `rego_call_end` and `rego_call_let_go`, with `REGO_EXECUTE_KEEP`; else
    /// 0. It is not the id by which the call could be cancelled.
    pub call: rego_call,
}

// SAFETY: because it is numbers without padding, of which the first is its size.
unsafe impl Sized32 for rego_result {
    const FIRST: usize = 48;
}

/// Makes one attempt, and says how it ended in `completion_out`, which already says that it worked.
/// Called by several threads at once where a call is hedged. Must not unwind.
pub type rego_attempt_fn = Option<
    unsafe extern "C" fn(
        userdata: *mut c_void,
        info: *const rego_attempt_info,
        completion_out: *mut rego_completion,
    ),
>;

/// Asks an attempt to stop: at most once for each, never where its callback is not called, never
/// after it has returned (it is waited for there). It may come at the callback's very beginning: what
/// that is about to wait for should be known to it before it asks `rego_attempt_cancelled`. Called by the thread that found out. Must not
/// wait for the attempt, nor unwind.
pub type rego_cancel_fn =
    Option<unsafe extern "C" fn(userdata: *mut c_void, attempt: rego_attempt)>;

/// Takes a `rego_completion.result` that is not 0 and that nobody will get. Must not unwind.
pub type rego_discard_fn = Option<unsafe extern "C" fn(userdata: *mut c_void, result: u64)>;

/// Tells the id of a call before anything of it runs, on the thread that executes or submits it: for
/// `rego_call_cancel` alone. Must not unwind.
pub type rego_begin_fn = Option<unsafe extern "C" fn(userdata: *mut c_void, call: rego_call)>;

/// Tells how a submitted call ended: once, on a thread of the executor's; where that takes no task any
/// more, on the one that cancels the call. Must not unwind.
pub type rego_done_fn =
    Option<unsafe extern "C" fn(userdata: *mut c_void, result: *const rego_result)>;

/// Runs a task. Any number does: one that was run already, or never was given out, does nothing.
pub type rego_run_fn = Option<unsafe extern "C" fn(task: u64)>;

/// Has `run(task)` called once, by another thread, soon; answers 0. Or not at all, and answers
/// anything else: what becomes of the attempt, `rego_execute` and `rego_submit` say.
pub type rego_spawn_fn =
    Option<unsafe extern "C" fn(userdata: *mut c_void, run: rego_run_fn, task: u64) -> i32>;

/// Has `run(task)` called once, by another thread, at this time or soon after; answers 0. Or not at
/// all, and answers anything else.
pub type rego_schedule_fn = Option<
    unsafe extern "C" fn(userdata: *mut c_void, at: rego_time, run: rego_run_fn, task: u64) -> i32,
>;

/// What time it is.
pub type rego_now_fn = Option<unsafe extern "C" fn(userdata: *mut c_void) -> rego_time>;

/// What is to be executed. Begin with `REGO_WORK_INIT`. Every callback but `attempt` may be NULL,
/// and all are handed `userdata`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rego_work {
    /// `sizeof(rego_work)`.
    pub struct_size: u32,
    /// Any of `REGO_EXECUTE_*`.
    pub flags: u32,
    /// Whether repeating this request is safe, whatever the policy says: a `REGO_IDEMPOTENT_*`.
    pub idempotent: u32,
    /// How much the call matters, 0 to 255.
    pub priority: u32,
    /// Handed to the callbacks.
    pub userdata: *mut c_void,
    /// Makes one attempt.
    pub attempt: rego_attempt_fn,
    /// Asks one to stop.
    pub on_cancel: rego_cancel_fn,
    /// Takes results that nobody gets.
    pub discard: rego_discard_fn,
    /// Tells the call's id.
    pub on_begin: rego_begin_fn,
    /// Tells the end of a submitted call. Not NULL for `rego_submit`, not looked at otherwise.
    pub on_done: rego_done_fn,
    /// Called once, after everything else, by the last attempt's thread; also where the work is
    /// refused, unless this struct cannot be read.
    pub drop: rego_drop_fn,
}

// SAFETY: because it is numbers and pointers without padding, of which the first is its size.
unsafe impl Sized32 for rego_work {
    const FIRST: usize = 16 + 7 * size_of::<usize>();
}

/// Threads and a timer, the host's. Begin with `REGO_EXECUTOR_INIT`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rego_executor {
    /// `sizeof(rego_executor)`.
    pub struct_size: u32,
    /// Must be 0.
    pub reserved: u32,
    /// Handed to the callbacks.
    pub userdata: *mut c_void,
    /// Runs tasks. NULL for none: everything runs on the calling thread, and nothing is hedged.
    pub spawn: rego_spawn_fn,
    /// The host's timer. May be NULL where it is not said that it must not.
    pub schedule: rego_schedule_fn,
    /// The host's clock, in nanoseconds, which runs as fast as any. NULL for CLOCK_MONOTONIC.
    pub now: rego_now_fn,
    /// Called once for each call that was executed by it, after everything else; also where the
    /// call is refused, unless this struct cannot be read. May be NULL.
    pub drop: rego_drop_fn,
}

// SAFETY: because it is numbers and pointers without padding, of which the first is its size.
unsafe impl Sized32 for rego_executor {
    const FIRST: usize = 8 + 5 * size_of::<usize>();
}

/// A host's work, which is the library's until it is dropped.
pub(super) struct Work {
    pub(super) given: rego_work,
    pub(super) attempt:
        unsafe extern "C" fn(*mut c_void, *const rego_attempt_info, *mut rego_completion),
    pub(super) userdata: Userdata,
}

/// A host's threads, likewise.
pub(super) struct Executor {
    given: rego_executor,
    userdata: Userdata,
}

// SAFETY: because the host promises that its callbacks may be called by any thread, which is all
// that is done with what it handed over.
unsafe impl Send for Work {}
// SAFETY: because of the same.
unsafe impl Sync for Work {}
// SAFETY: because of the same.
unsafe impl Send for Executor {}
// SAFETY: because of the same.
unsafe impl Sync for Executor {}

const INLINE_FIRST: u32 = rego_execute_flag::REGO_EXECUTE_INLINE_FIRST as u32;
const WAIT_LOSERS: u32 = rego_execute_flag::REGO_EXECUTE_WAIT_LOSERS as u32;
const KEEP: u32 = rego_execute_flag::REGO_EXECUTE_KEEP as u32;

impl Work {
    /// # Safety
    ///
    /// `work` is NULL or as its type says.
    pub(super) unsafe fn adopt(work: *const rego_work) -> Checked<Self> {
        // SAFETY: because the caller promises as much.
        let (given, tail) = unsafe { read_handed(work) }?;
        // SAFETY: because the host hands it over.
        let userdata = unsafe { Userdata::new(given.userdata, given.drop) };
        tail?;
        unused(given.flags & !(INLINE_FIRST | WAIT_LOSERS | KEEP))?;
        if given.idempotent > 2 {
            return Err(REGO_STATUS_UNSUPPORTED);
        }
        if given.priority > 255 {
            return Err(REGO_STATUS_INVALID);
        }
        let attempt = given.attempt.ok_or(REGO_STATUS_NULL)?;
        Ok(Self { given, attempt, userdata })
    }

    pub(super) const fn is_inline_first(&self) -> bool {
        self.given.flags & INLINE_FIRST != 0
    }

    pub(super) const fn waits_for_losers(&self) -> bool {
        self.given.flags & WAIT_LOSERS != 0
    }

    pub(super) const fn keeps(&self) -> bool {
        self.given.flags & KEEP != 0
    }

    pub(super) const fn idempotent(&self) -> Idempotent {
        match self.given.idempotent {
            1 => Idempotent::Yes,
            2 => Idempotent::No,
            _ => Idempotent::Unset,
        }
    }

    pub(super) fn run(&self, info: &rego_attempt_info) -> rego_completion {
        let mut completion = rego_completion::OK;
        // SAFETY: because it is what the host registered for this, with its own userdata, and what
        // the pointers point to lives until it returns.
        unsafe { (self.attempt)(self.userdata.get(), info, &mut completion) };
        completion
    }

    pub(super) fn cancel(&self, attempt: rego_attempt) {
        if let Some(on_cancel) = self.given.on_cancel {
            // SAFETY: because it is what the host registered for this, with its own userdata.
            unsafe { on_cancel(self.userdata.get(), attempt) };
        }
    }

    pub(super) fn discard(&self, result: u64) {
        if let Some(discard) = self.given.discard.filter(|_| result != 0) {
            // SAFETY: because it is what the host registered for this, with its own userdata.
            unsafe { discard(self.userdata.get(), result) };
        }
    }

    pub(super) fn begin(&self, call: rego_call) {
        if let Some(on_begin) = self.given.on_begin {
            // SAFETY: because it is what the host registered for this, with its own userdata.
            unsafe { on_begin(self.userdata.get(), call) };
        }
    }

    pub(super) fn done(&self, result: &rego_result) {
        if let Some(on_done) = self.given.on_done {
            // SAFETY: because it is what the host registered for this, with its own userdata.
            unsafe { on_done(self.userdata.get(), result) };
        }
    }
}

impl Executor {
    /// # Safety
    ///
    /// `executor` is NULL or as its type says.
    pub(super) unsafe fn adopt(executor: *const rego_executor) -> Checked<Self> {
        let (given, tail) = match executor.is_null() {
            true => (rego_executor::NONE, Ok(())),
            // SAFETY: because the caller promises as much.
            false => unsafe { read_handed(executor) }?,
        };
        // SAFETY: because the host hands it over.
        let userdata = unsafe { Userdata::new(given.userdata, given.drop) };
        tail?;
        unused(given.reserved)?;
        Ok(Self { given, userdata })
    }

    pub(super) const fn has_threads(&self) -> bool {
        self.given.spawn.is_some()
    }

    pub(super) const fn has_timer(&self) -> bool {
        self.given.schedule.is_some()
    }

    /// Whether the host will run the task.
    pub(super) fn spawn(&self, run: rego_run_fn, task: u64) -> bool {
        self.given.spawn.is_some_and(|spawn| {
            // SAFETY: because it is what the host registered for this, with its own userdata.
            unsafe { spawn(self.userdata.get(), run, task) == 0 }
        })
    }

    /// Whether the host will run the task then.
    pub(super) fn schedule(&self, at: u64, run: rego_run_fn, task: u64) -> bool {
        self.given.schedule.is_some_and(|schedule| {
            // SAFETY: because it is what the host registered for this, with its own userdata.
            unsafe { schedule(self.userdata.get(), at, run, task) == 0 }
        })
    }

    /// What time it is, on the host's clock. Never [`u64::MAX`].
    pub(super) fn now(&self) -> u64 {
        let now = match self.given.now {
            // SAFETY: because it is what the host registered for this, with its own userdata.
            Some(now) => unsafe { now(self.userdata.get()) },
            None => super::clock::monotonic(),
        };
        now.min(u64::MAX - 1)
    }
}

impl rego_executor {
    const NONE: Self = Self {
        struct_size: size_of::<Self>() as u32,
        reserved: 0,
        userdata: std::ptr::null_mut(),
        spawn: None,
        schedule: None,
        now: None,
        drop: None,
    };
}
