//! What happened in a call, for those who asked to keep it.

use std::ffi::c_char;

use rego::{AttemptRecord, Nanos, Timeline, manual::CallId};

use crate::{
    constants::{rego_call, rego_time},
    crossing::{Array, Checked, Out, Sized32, shared, write_text},
    engine::rego_engine,
    events::parts,
    status::rego_status::{self, REGO_STATUS_STALE},
};

/// Nothing: in those fields of timelines that say so.
pub const REGO_NONE: u32 = u32::MAX;

/// The frame of a call. Begin with `REGO_TIMELINE_INIT`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rego_timeline {
    /// `sizeof(rego_timeline)`.
    pub struct_size: u32,
    /// How the call ended: a `REGO_VERDICT_*`.
    pub verdict: u32,
    /// Where its policy came from: a `REGO_POLICY_*`.
    pub policy_source: u32,
    /// The number of the attempt whose result was returned, or `REGO_NONE`.
    pub answer: u32,
    /// How many attempts were launched.
    pub attempts: u32,
    /// How many notes there was no room for: of hedges that were not launched, time and again. Of
    /// attempts none is left out.
    pub notes_dropped: u32,
    /// When the call began.
    pub started: rego_time,
    /// When its first attempt started to run.
    pub first_started: rego_time,
    /// When it ended.
    pub ended: rego_time,
    /// 0.
    pub reserved: u64,
    /// The key, ended by a NUL; of a longer one the first 63 bytes, or as many as make whole
    /// characters.
    pub key: [c_char; 64],
    /// The policy's id, likewise.
    pub policy_id: [c_char; 64],
    /// The policy's version, likewise.
    pub policy_version: [c_char; 64],
}

/// A record's size when it was new.
const FIRST_RECORD: usize = 88;

// SAFETY: because it is numbers without padding, of which the first is its size.
unsafe impl Sized32 for rego_timeline {
    const FIRST: usize = 248;
}

/// One attempt of a call.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct rego_attempt_record {
    /// How much of it was written.
    pub struct_size: u32,
    /// Its number in its call, in launch order from 0.
    pub number: u32,
    /// What sort it is: a `REGO_ATTEMPT_*`.
    pub kind: u32,
    /// Its retry group; 0 for the first.
    pub retry_index: u32,
    /// Its place in its group; 0 for the primary, then the hedges.
    pub hedge_index: u32,
    /// What was made of its end: a `REGO_OUTCOME_*`; `REGO_NONE` while it runs, and of one that nobody
    /// would run, which has ended.
    pub outcome: u32,
    /// What sort of failure it was: a `REGO_FAILURE_*`.
    pub failure: u32,
    /// The facts of its end: a `REGO_COMPLETION_*`; `REGO_NONE` if they are not known, as of a call's
    /// first attempt that succeeds while there is no other: nothing is written down of it.
    pub completion: u32,
    /// What the facts' kind says of it.
    pub code: i32,
    /// Why it was asked to stop: a `REGO_CANCEL_*`, or `REGO_NONE`; that also where it was given up at
    /// its own timeout, of which its outcome tells.
    pub cancelled: u32,
    /// What the budget said of it: a `REGO_BUDGET_*`; `REGO_NONE` if none was asked.
    pub budget: u32,
    /// How much the budget was asked for.
    pub budget_cost: u32,
    /// 1 if it ended after it had been given up.
    pub late: u32,
    /// 0.
    pub reserved: u32,
    /// When it was launched.
    pub queued: rego_time,
    /// When it started to run.
    pub started: rego_time,
    /// When it ended or was asked to stop; `REGO_TIME_NEVER` while it runs.
    pub ended: rego_time,
    /// For how long the call had waited before it.
    pub backoff: u64,
}

/// Tells the frame of a call that was begun with `REGO_BEGIN_KEEP` and is done.
///
/// `REGO_STATUS_STALE` of any other call.
///
/// Threads: any thread, at any time. Allocates.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn rego_call_timeline(
    engine: *const rego_engine,
    call: rego_call,
    timeline_out: *mut rego_timeline,
) -> rego_status {
    contained!({
        // SAFETY: because pointers are as the header demands.
        let engine = unsafe { shared(engine) }?;
        // SAFETY: as above.
        let mut timeline_out = unsafe { Out::sized(timeline_out) }?;
        let timeline = kept(engine, call)?;
        timeline_out
            .with(|out| *out = rego_timeline { struct_size: out.struct_size, ..of(&timeline) });
        Ok(())
    })
}

/// Tells the attempts of a call that was begun with `REGO_BEGIN_KEEP` and is done, in launch order,
/// at most `capacity`, into an array whose elements have `record_size` bytes:
/// `sizeof(rego_attempt_record)`. How many attempts were launched goes to `count_out`, whether there
/// was room for them or not. `records` may be NULL if `capacity` is 0.
///
/// `REGO_STATUS_STALE` of any other call.
///
/// Threads: any thread, at any time. Allocates.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn rego_call_attempts(
    engine: *const rego_engine,
    call: rego_call,
    records: *mut rego_attempt_record,
    record_size: usize,
    capacity: usize,
    count_out: *mut usize,
) -> rego_status {
    contained!({
        // SAFETY: because pointers are as the header demands.
        let engine = unsafe { shared(engine) }?;
        // SAFETY: as above.
        let mut array = unsafe { Array::new(records, (record_size, FIRST_RECORD), capacity) }?;
        // SAFETY: as above.
        let count_out = unsafe { Out::new(count_out) }?;
        let attempts = kept(engine, call)?.attempts();
        for attempt in attempts.iter().take(array.room()) {
            array.push(rego_attempt_record::of(attempt));
        }
        count_out.set(attempts.len());
        Ok(())
    })
}

/// Writes what happened in a call that was begun with `REGO_BEGIN_KEEP` and is done, as text for
/// people, in the way of `snprintf`: what fits of it and a NUL into `buffer`, and how long all of
/// it is, without the NUL, into `len_out`. `buffer` may be NULL if `capacity` is 0.
///
/// `REGO_STATUS_STALE` of any other call.
///
/// Threads: any thread, at any time. Allocates.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn rego_call_timeline_write(
    engine: *const rego_engine,
    call: rego_call,
    buffer: *mut c_char,
    capacity: usize,
    len_out: *mut usize,
) -> rego_status {
    contained!({
        // SAFETY: because pointers are as the header demands.
        let engine = unsafe { shared(engine) }?;
        // SAFETY: as above.
        let len_out = unsafe { Out::new(len_out) }?;
        let text = kept(engine, call)?.to_string();
        // SAFETY: as above.
        unsafe { write_text(&text, buffer, capacity, len_out) }
    })
}

/// Writes what happened in a call that was begun with `REGO_BEGIN_KEEP` and is done, as one JSON
/// object on one line, in the way of `snprintf`, as `rego_call_timeline_write`. Times are
/// nanoseconds on the host's clock; reasons have the names that metrics have. Fields may be added.
///
/// `REGO_STATUS_STALE` of any other call.
///
/// Threads: any thread, at any time. Allocates.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn rego_call_timeline_json(
    engine: *const rego_engine,
    call: rego_call,
    buffer: *mut c_char,
    capacity: usize,
    len_out: *mut usize,
) -> rego_status {
    contained!({
        // SAFETY: because pointers are as the header demands.
        let engine = unsafe { shared(engine) }?;
        // SAFETY: as above.
        let len_out = unsafe { Out::new(len_out) }?;
        let text = kept(engine, call)?.to_json();
        // SAFETY: as above.
        unsafe { write_text(&text, buffer, capacity, len_out) }
    })
}

fn kept(engine: &rego_engine, call: rego_call) -> Checked<Timeline> {
    engine.manual.timeline(CallId::from_bits(call)).ok_or(REGO_STATUS_STALE)
}

fn of(timeline: &Timeline) -> rego_timeline {
    let call = &timeline.call;
    rego_timeline {
        struct_size: 0,
        verdict: call.verdict as u32,
        policy_source: call.policy_source as u32,
        answer: call.answer.map_or(REGO_NONE, |attempt| attempt.get().into()),
        attempts: call.attempts,
        notes_dropped: timeline.notes_dropped,
        started: call.started.as_nanos(),
        first_started: call.first_started.as_nanos(),
        ended: call.ended.as_nanos(),
        reserved: 0,
        key: cut(&call.key),
        policy_id: cut(&call.policy_id),
        policy_version: cut(&call.policy_version),
    }
}

impl rego_attempt_record {
    fn of(record: &AttemptRecord) -> Self {
        let facts = record.facts.and_then(|facts| parts(&facts));
        Self {
            struct_size: size_of::<Self>() as u32,
            number: record.attempt.get().into(),
            kind: record.kind as u32,
            retry_index: record.retry_index.into(),
            hedge_index: record.hedge_index.into(),
            outcome: record.outcome.map_or(REGO_NONE, |outcome| outcome.kind as u32),
            failure: record.outcome.map_or(0, |outcome| outcome.class as u32),
            completion: facts.map_or(REGO_NONE, |(kind, _)| kind as u32),
            code: facts.map_or(0, |(_, code)| code),
            cancelled: record.cancelled.map_or(REGO_NONE, |reason| reason as u32),
            budget: record.budget.map_or(REGO_NONE, |(_, decision)| decision as u32),
            budget_cost: record.budget.map_or(0, |(cost, _)| cost.into()),
            late: record.late.into(),
            reserved: 0,
            queued: record.queued.as_nanos(),
            started: record.started.as_nanos(),
            ended: record.ended.map_or(u64::MAX, Nanos::as_nanos),
            backoff: record.backoff.as_nanos(),
        }
    }
}

/// As much of a text as there is room for, and a NUL.
fn cut<const N: usize>(text: &str) -> [c_char; N] {
    let mut room = [0; N];
    let kept = text.floor_char_boundary(N - 1);
    for (to, byte) in room.iter_mut().zip(text.bytes().take(kept)) {
        *to = c_char::from_ne_bytes([byte]);
    }
    room
}
