//! A call as a state machine: no thread, no clock, no callback, no waiting.

use rego::{
    Idempotent, Nanos,
    manual::{AttemptRef, Begin, CallId, Stale, Step},
};

use crate::{
    constants::{rego_attempt, rego_begin_flag, rego_call, rego_key, rego_time},
    crossing::{Checked, Out, Sized32, read, shared, time, unused},
    engine::rego_engine,
    execute::{self, OURS},
    facts::{rego_completion, rego_outcome},
    status::rego_status::{self, REGO_STATUS_INVALID, REGO_STATUS_STALE, REGO_STATUS_UNSUPPORTED},
    step::rego_step,
};

/// How a call begins. Start with `REGO_BEGIN_INIT` and say what time it is.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rego_begin {
    /// `sizeof(rego_begin)`.
    pub struct_size: u32,
    /// `REGO_BEGIN_KEEP` or 0.
    pub flags: u32,
    /// What time it is.
    pub now: rego_time,
    /// Until when the caller will wait; 0 and `REGO_TIME_NEVER` if there is no such time. The
    /// policy's overall timeout holds besides.
    pub deadline: rego_time,
    /// Comes back with every action of the call.
    pub cookie: u64,
    /// Whether repeating this request is safe, whatever the policy says of its key: a
    /// `REGO_IDEMPOTENT_*`.
    pub idempotent: u32,
    /// How much the call matters, 0 to 255. Carried along; nothing hangs on it yet.
    pub priority: u32,
    /// `rego_standing.edition`, of a call whose first attempt was made on standing terms before this; 0
    /// of any other.
    pub edition: u64,
}

// SAFETY: because it is numbers without padding, of which the first is its size.
unsafe impl Sized32 for rego_begin {
    const FIRST: usize = 48;
}

impl rego_begin {
    pub(crate) fn begin(&self) -> Checked<Begin> {
        const KEEP: u32 = rego_begin_flag::REGO_BEGIN_KEEP as u32;
        unused(self.flags & !KEEP)?;
        let mut begin = begin_of(self.now, self.deadline)?;
        begin.cookie = self.cookie;
        begin.idempotent = match self.idempotent {
            0 => Idempotent::Unset,
            1 => Idempotent::Yes,
            2 => Idempotent::No,
            _ => return Err(REGO_STATUS_UNSUPPORTED),
        };
        begin.priority = u8::try_from(self.priority).map_err(|_| REGO_STATUS_INVALID)?;
        begin.keep = self.flags & KEEP != 0;
        begin.edition = self.edition;
        Ok(begin)
    }
}

/// A call that begins now; a deadline of 0 is none.
pub(crate) fn begin_of(now: rego_time, deadline: rego_time) -> Checked<Begin> {
    let begin = Begin::new(time(now)?);
    Ok(if deadline == 0 { begin } else { begin.deadline(Nanos::from_nanos(deadline)) })
}

/// Begins a call: its first attempt is in the step, or its end, if its deadline has passed already.
/// With the finish of an attempt that works, that is the whole call: two crossings.
///
/// Where an engine has `max_live_calls` in the air, further calls pass through: each is one plain
/// attempt, which has until the call's deadline, counted in the metrics, without a timeline. A cancel
/// and its deadline end it as any; one of a loop belongs to none, so poll it at `wake_at`. Its status
/// is `REGO_STATUS_OK` all the same. Its ids are as good as others', until 65,536 such attempts are in
/// the air: of those beyond, nothing is kept, no poll ends them, and a second finish is not known for
/// one.
///
/// Threads: any thread, at any time.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn rego_call_begin(
    engine: *mut rego_engine,
    key: rego_key,
    begin: *const rego_begin,
    call_out: *mut rego_call,
    step_out: *mut rego_step,
) -> rego_status {
    contained!({
        // SAFETY: because pointers are as the header demands.
        let engine = unsafe { shared(engine) }?;
        // SAFETY: as above.
        let begin = unsafe { read(begin) }?.begin()?;
        // SAFETY: as above.
        let call_out = unsafe { Out::new(call_out) }?;
        // SAFETY: as above.
        let mut step_out = unsafe { Out::sized(step_out) }?;
        let site = engine.keys.get(key).ok_or(REGO_STATUS_STALE)?;
        engine.told.hear(begin.now);
        let call =
            step_out.with(|out| engine.manual.begin_into(site, &begin, out.in_place())).to_bits();
        call_out.set(call);
        Ok(())
    })
}

/// An attempt has ended, and these are the facts; the policy's classifier judges them. An attempt
/// of a call that is over is settled and counted as late; nothing follows from it.
///
/// `REGO_STATUS_STALE` if it was finished already, or never was. If the facts are refused, it is
/// still to be finished.
///
/// Threads: any thread, at any time.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn rego_attempt_finish(
    engine: *mut rego_engine,
    attempt: rego_attempt,
    now: rego_time,
    completion: *const rego_completion,
    step_out: *mut rego_step,
) -> rego_status {
    contained!({
        // SAFETY: because pointers are as the header demands.
        let completion = unsafe { read(completion) }?;
        let facts = completion.facts()?;
        // SAFETY: as above.
        unsafe { stepping(engine, now, step_out) }?.go_into(|engine, now, step| {
            let attempt = AttemptRef::from_bits(attempt);
            engine.manual.finish_into(attempt, now, &facts, completion.result, step)
        })
    })
}

/// An attempt has ended, and this is what follows from it, past any classifier. Else as
/// `rego_attempt_finish`.
///
/// Threads: any thread, at any time.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn rego_attempt_finish_as(
    engine: *mut rego_engine,
    attempt: rego_attempt,
    now: rego_time,
    outcome: *const rego_outcome,
    step_out: *mut rego_step,
) -> rego_status {
    contained!({
        // SAFETY: because pointers are as the header demands.
        let given = unsafe { read(outcome) }?;
        let outcome = given.outcome()?;
        // SAFETY: as above.
        unsafe { stepping(engine, now, step_out) }?.go(|engine, now| {
            let attempt = AttemptRef::from_bits(attempt);
            engine.manual.finish_as(attempt, now, outcome, given.result)
        })
    })
}

/// An attempt was not started and will not be: the host has no room for it. A hedge is skipped;
/// without its only attempt the call ends with `REGO_VERDICT_EXECUTOR_REJECTED`. Else as
/// `rego_attempt_finish`, whose place this takes.
///
/// Threads: any thread, at any time.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn rego_attempt_reject(
    engine: *mut rego_engine,
    attempt: rego_attempt,
    now: rego_time,
    step_out: *mut rego_step,
) -> rego_status {
    contained!({
        // SAFETY: because pointers are as the header demands.
        unsafe { stepping(engine, now, step_out) }?
            .go(|engine, now| engine.manual.reject(AttemptRef::from_bits(attempt), now))
    })
}

/// The host has put an attempt into a queue of its own: its time does not run yet, and no hedge is
/// launched while it waits. `rego_attempt_started` must follow. Hosts that start attempts when they
/// are told need neither.
///
/// `REGO_STATUS_STALE` if the attempt is over, or never was.
///
/// Threads: any thread, at any time.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn rego_attempt_queued(
    engine: *mut rego_engine,
    attempt: rego_attempt,
    now: rego_time,
    step_out: *mut rego_step,
) -> rego_status {
    contained!({
        // SAFETY: because pointers are as the header demands.
        unsafe { stepping(engine, now, step_out) }?
            .go(|engine, now| engine.manual.queued(AttemptRef::from_bits(attempt), now))
    })
}

/// The host has taken an attempt out of its queue: its time runs from now.
///
/// `REGO_STATUS_STALE` if the attempt is over, or never was.
///
/// Threads: any thread, at any time.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn rego_attempt_started(
    engine: *mut rego_engine,
    attempt: rego_attempt,
    now: rego_time,
    step_out: *mut rego_step,
) -> rego_status {
    contained!({
        // SAFETY: because pointers are as the header demands.
        unsafe { stepping(engine, now, step_out) }?
            .go(|engine, now| engine.manual.started(AttemptRef::from_bits(attempt), now))
    })
}

/// Says what time it is, and asks what there is to do: when a `wake_at` has come, when a step says
/// `REGO_STEP_MORE`, after a `rego_call_cancel`. At any other time nothing comes of it, and no harm.
///
/// `REGO_STATUS_STALE` if the call is over, or never was. One that was begun with `REGO_BEGIN_KEEP` is
/// there until `rego_call_end`: with nothing to do, once it is done.
///
/// Threads: any thread, at any time.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn rego_call_poll(
    engine: *mut rego_engine,
    call: rego_call,
    now: rego_time,
    step_out: *mut rego_step,
) -> rego_status {
    contained!({
        // SAFETY: because pointers are as the header demands.
        unsafe { stepping(engine, now, step_out) }?
            .go(|engine, now| engine.manual.poll(CallId::from_bits(call), now))
    })
}

/// Asks for the end of a call, and no more: the thread that drives it at this moment, or the next
/// poll or finish, gets what follows. So poll it soon. A call that the library executes needs no
/// poll: see `rego_submit`.
///
/// `REGO_STATUS_STALE` if the call is done, kept or not, or never was.
///
/// Threads: any thread, at any time; async-signal-safe, but for calls that the library executes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rego_call_cancel(
    engine: *mut rego_engine,
    call: rego_call,
) -> rego_status {
    contained!({
        // SAFETY: because pointers are as the header demands.
        let engine = unsafe { shared(engine) }?;
        if call & OURS != 0 {
            return execute::cancel(engine, call);
        }
        engine.manual.cancel(CallId::from_bits(call)).map_err(stale)
    })
}

/// Whether an attempt should stop: it was given up, its call was cancelled, or it is over anyhow;
/// so it is of an attempt that never was, and where `engine` is NULL. A few loads.
///
/// Threads: any thread, at any time; async-signal-safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rego_attempt_cancelled(
    engine: *const rego_engine,
    attempt: rego_attempt,
) -> bool {
    contained!(or true, {
        // SAFETY: because pointers are as the header demands.
        let engine = unsafe { shared(engine) };
        let attempt = AttemptRef::from_bits(attempt & !OURS);
        engine.map_or(true, |engine| engine.manual.is_cancelled(attempt))
    })
}

/// Ends what is kept of a call that was begun with `REGO_BEGIN_KEEP` and is done. Attempts that
/// still run may finish.
///
/// `REGO_STATUS_STALE` if it was let go already, is not kept (one that passes through never is), or is
/// not done: see `rego_call_let_go`.
///
/// Threads: any thread, at any time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rego_call_end(engine: *mut rego_engine, call: rego_call) -> rego_status {
    contained!({
        // SAFETY: because pointers are as the header demands.
        let engine = unsafe { shared(engine) }?;
        engine.manual.end(CallId::from_bits(call)).map_err(stale)
    })
}

/// Lets go of a call that was begun with `REGO_BEGIN_KEEP`, done or not. One that is not done is
/// not over by this: it goes on, is told as any other, and is not kept then. For owners that go
/// while other threads may drive the call: they let go of it, cancel it, and poll it.
///
/// `REGO_STATUS_STALE` if it was let go already, or is not kept.
///
/// Threads: any thread, at any time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rego_call_let_go(
    engine: *mut rego_engine,
    call: rego_call,
) -> rego_status {
    contained!({
        // SAFETY: because pointers are as the header demands.
        let engine = unsafe { shared(engine) }?;
        engine.manual.let_go(CallId::from_bits(call)).map_err(stale)
    })
}

/// What every event has: an engine, a time, and a step to be told.
struct Stepping<'a> {
    engine: &'a rego_engine,
    now: Nanos,
    step_out: Out<rego_step>,
}

/// # Safety
///
/// The pointers are as the header demands, for `'a`.
#[inline]
unsafe fn stepping<'a>(
    engine: *const rego_engine,
    now: rego_time,
    step_out: *mut rego_step,
) -> Checked<Stepping<'a>> {
    // SAFETY: because the caller promises as much.
    let engine = unsafe { shared(engine) }?;
    // SAFETY: as above.
    let step_out = unsafe { Out::sized(step_out) }?;
    Ok(Stepping { engine, now: time(now)?, step_out })
}

impl Stepping<'_> {
    #[inline]
    fn go(self, event: impl FnOnce(&rego_engine, Nanos) -> Result<Step, Stale>) -> Checked<()> {
        self.go_into(|engine, now, step| {
            event(engine, now)?.tell(step);
            Ok(())
        })
    }

    #[inline]
    fn go_into(
        mut self,
        event: impl FnOnce(&rego_engine, Nanos, &mut Step) -> Result<(), Stale>,
    ) -> Checked<()> {
        let (engine, now) = (self.engine, self.now);
        self.step_out.with(|out| event(engine, now, out.in_place())).map_err(stale)?;
        engine.told.hear(now);
        Ok(())
    }
}

const fn stale(_: Stale) -> rego_status {
    REGO_STATUS_STALE
}
