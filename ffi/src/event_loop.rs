//! Many calls on one event loop.

use std::{
    cell::Cell,
    ffi::c_void,
    sync::{Arc, Mutex, MutexGuard, TryLockError},
};

use rego::manual::{Loop, LoopWatch};

use crate::{
    call::rego_begin,
    constants::{REGO_TIME_NEVER, rego_call, rego_key, rego_time},
    crossing::{Array, Checked, Out, read, shared, time},
    engine::rego_engine,
    status::rego_status::{self, REGO_STATUS_BUSY, REGO_STATUS_NULL, REGO_STATUS_STALE},
    step::{rego_action, rego_step},
    userdata::{Userdata, rego_drop_fn},
};

/// Wakes the thread that has the loop: there is something to do earlier than
/// `rego_loop_next_deadline` has said. Called once until the loop has been processed, by any thread
/// that brings news of a call of the loop or polls it, and may do no more than a signal handler may:
/// write to an eventfd or a pipe, `uv_async_send`.
pub type rego_notify_fn = Option<unsafe extern "C" fn(userdata: *mut c_void)>;

/// Actions have no size of their own, so theirs never changes.
const ACTION: usize = size_of::<rego_action>();

/// An event loop: calls, their timers, and what there is to do for them. It has no thread and no
/// descriptor. One thread at a time has it; which one may change.
#[derive(Debug)]
pub struct rego_loop {
    /// A lock that nobody waits for: it says whether two threads have the loop at once.
    events: Mutex<Loop>,
    watch: LoopWatch,
    engine: Arc<rego_engine>,
}

/// Makes a loop, which is the caller's to free. It holds a reference to the engine. `notify` may be
/// NULL for hosts that look at the loop again after each finish; `drop` too.
///
/// Threads: any thread, at any time. Allocates.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn rego_loop_new(
    engine: *mut rego_engine,
    notify: rego_notify_fn,
    userdata: *mut c_void,
    drop: rego_drop_fn,
    loop_out: *mut *mut rego_loop,
) -> rego_status {
    contained!({
        // SAFETY: because the host hands it over.
        let userdata = unsafe { Userdata::new(userdata, drop) };
        // SAFETY: because pointers are as the header demands.
        let loop_out = unsafe { Out::new(loop_out) }?;
        // SAFETY: as above.
        let engine = unsafe { rego_engine::retained(engine) }?;
        let events = engine.manual.event_loop(move || ring(notify, &userdata));
        let (watch, events) = (events.watch(), Mutex::new(events));
        loop_out.set(Box::into_raw(Box::new(rego_loop { events, watch, engine })));
        Ok(())
    })
}

/// Begins a call that belongs to the loop. What is to be done at once is in the step; what follows
/// comes out of `rego_loop_process`, whoever brings it about: the steps of those who finish its
/// attempts say `REGO_STEP_ELSEWHERE`. `step_out` may be NULL: then everything comes out of
/// `rego_loop_process`. Nobody is notified: ask for the next deadline before you sleep.
///
/// Else as `rego_call_begin`. A call that passes through belongs to no loop: its end is the answer
/// to its own finish.
///
/// `REGO_STATUS_BUSY` if another thread has the loop at this moment.
///
/// Threads: one at a time, checked.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn rego_loop_begin(
    r#loop: *mut rego_loop,
    key: rego_key,
    begin: *const rego_begin,
    call_out: *mut rego_call,
    step_out: *mut rego_step,
) -> rego_status {
    contained!({
        // SAFETY: because pointers are as the header demands.
        let it = unsafe { shared(r#loop) }?;
        // SAFETY: as above.
        let begin = unsafe { read(begin) }?.begin()?;
        // SAFETY: as above.
        let call_out = unsafe { Out::new(call_out) }?;
        let step_out = match step_out.is_null() {
            true => None,
            // SAFETY: as above.
            false => Some(unsafe { Out::sized(step_out) }?),
        };
        let site = it.engine.keys.get(key).ok_or(REGO_STATUS_STALE)?;
        let mut events = it.events()?;
        it.engine.told.hear(begin.now);
        let Some(mut step_out) = step_out else {
            call_out.set(events.begin_later(site, begin).to_bits());
            return Ok(());
        };
        let (call, step) = events.begin(site, begin);
        call_out.set(call.to_bits());
        step_out.with(|out| step.tell(out.in_place()));
        Ok(())
    })
}

/// When to process the loop, unless notified before: no later than anything that time brings; 0,
/// which is at once, when there is something to do; `REGO_TIME_NEVER` when there is nothing to wait
/// for, as when all calls are done, and for NULL. 0 also while a thread is processing the loop.
/// While there are calls it may be a time of one that is done, at which there is nothing to do: now
/// and then, not once for each call.
///
/// Threads: any thread, at any time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rego_loop_next_deadline(r#loop: *const rego_loop) -> rego_time {
    contained!(or 0, {
        // SAFETY: because pointers are as the header demands.
        let Ok(it) = (unsafe { shared(r#loop) }) else { return REGO_TIME_NEVER };
        it.watch.next_deadline().as_nanos()
    })
}

/// Tells what there is to do, at most `capacity` actions, and how many they are. If there were as
/// many as there is room for, there may be more: come again before you sleep.
///
/// Time does not go backwards in here: an earlier `now` than before counts as the latest; so one of
/// another clock, if it is later, cannot be taken back.
///
/// `REGO_STATUS_BUSY` if another thread has the loop at this moment.
///
/// Threads: one at a time, checked.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn rego_loop_process(
    r#loop: *mut rego_loop,
    now: rego_time,
    actions: *mut rego_action,
    capacity: usize,
    count_out: *mut usize,
) -> rego_status {
    contained!({
        // SAFETY: because pointers are as the header demands.
        let it = unsafe { shared(r#loop) }?;
        // SAFETY: as above.
        let mut array = unsafe { Array::new(actions, (ACTION, ACTION), capacity) }?;
        // SAFETY: as above.
        let count_out = unsafe { Out::new(count_out) }?;
        let now = time(now)?;
        let mut events = it.events()?;
        it.engine.told.hear(now);
        while array.room() > 0 {
            let Some(action) = events.process(now) else { break };
            array.push(rego_action::of(action));
        }
        count_out.set(array.len());
        Ok(())
    })
}

/// Frees the loop. Its calls end as `REGO_VERDICT_SHUTDOWN` without anybody being told; attempts
/// that still run should stop, and may be finished. NULL is fine.
///
/// Threads: the one that has the loop.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rego_loop_free(r#loop: *mut rego_loop) {
    contained!(or(), {
        if !r#loop.is_null() {
            // SAFETY: because it comes from `rego_loop_new` and has not been freed.
            drop(unsafe { Box::from_raw(r#loop) });
        }
    });
}

thread_local! {
    /// This thread is in a callback in which nobody may wait.
    static HURRIED: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread may wait now.
pub(crate) fn check_may_wait() -> Checked<()> {
    let hurried = HURRIED.try_with(Cell::get).unwrap_or(false);
    if hurried { Err(REGO_STATUS_BUSY) } else { Ok(()) }
}

fn ring(notify: rego_notify_fn, userdata: &Userdata) {
    let Some(notify) = notify else { return };
    let was = HURRIED.try_with(|hurried| hurried.replace(true)).unwrap_or(true);
    // SAFETY: because it is what the host registered for this, with its own userdata.
    unsafe { notify(userdata.get()) };
    let _gone = HURRIED.try_with(|hurried| hurried.set(was));
}

impl rego_loop {
    fn events(&self) -> Checked<MutexGuard<'_, Loop>> {
        match self.events.try_lock() {
            Ok(events) => Ok(events),
            // A contained panic left every call as some event had left it.
            Err(TryLockError::Poisoned(events)) => Ok(events.into_inner()),
            Err(TryLockError::WouldBlock) => Err(REGO_STATUS_BUSY),
        }
    }
}

impl rego_engine {
    /// A reference of the library's own.
    ///
    /// # Safety
    ///
    /// `engine` is NULL, or comes from `rego_engine_new` and has not been released as often.
    pub(crate) unsafe fn retained(engine: *mut Self) -> Checked<Arc<Self>> {
        if engine.is_null() {
            return Err(REGO_STATUS_NULL);
        }
        // SAFETY: because the caller promises as much.
        unsafe { Arc::increment_strong_count(engine) };
        // SAFETY: because the count was just raised for this.
        Ok(unsafe { Arc::from_raw(engine) })
    }
}
