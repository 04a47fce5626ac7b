//! What happened in the calls of an engine, for hosts that take no callbacks.

use std::ffi::c_char;

use rego::{AttemptId, Completion, CompletionKind, Event, EventRecord, Told};

use crate::{
    constants::{rego_completion_kind, rego_event_kind, rego_time},
    crossing::{Array, Out, shared},
    engine::rego_engine,
    status::rego_status,
};

/// No attempt: `rego_event.attempt`.
pub const REGO_NO_ATTEMPT: u32 = u32::MAX;

/// Nothing is known of how an attempt ended: `rego_event.completion`.
pub const REGO_NO_COMPLETION: u32 = u32::MAX;

/// One event. What its fields hold hangs on `kind`; those of which the kind says nothing are 0, or
/// `REGO_NO_ATTEMPT` and `REGO_NO_COMPLETION`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct rego_event {
    /// How much of it was written.
    pub struct_size: u32,
    /// What it tells: a `REGO_EVENT_*`.
    pub kind: u32,
    /// Which call: the engine's calls are numbered from 0. No `rego_call`.
    pub call: u64,
    /// When it happened.
    pub at: rego_time,
    /// Another time, or a length of time.
    pub time: rego_time,
    /// The number of the attempt in its call, in launch order from 0.
    pub attempt: u32,
    /// What is told of it, or why.
    pub reason: u32,
    /// More of it.
    pub detail: u32,
    /// How many.
    pub count: u32,
    /// `REGO_EVENT_ATTEMPT_ENDED`: the facts, a `REGO_COMPLETION_*`.
    pub completion: u32,
    /// `REGO_EVENT_ATTEMPT_ENDED`: what the facts' kind says of it.
    pub code: i32,
    /// The key, ended by a NUL; of a longer one the first 47 bytes, or as many as make whole
    /// characters.
    pub key: [c_char; 48],
}

/// Moves the oldest events out of the engine, at most `capacity`, into an array whose elements have
/// `event_size` bytes: `sizeof(rego_event)`. How many they are goes to `count_out`; how many there
/// was no room for since the beginning, to `dropped_out`. `events` may be NULL if `capacity` is 0.
///
/// An engine without `max_events` has none.
///
/// Threads: any thread, at any time; threads that drain at once share the events.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn rego_events_drain(
    engine: *mut rego_engine,
    events: *mut rego_event,
    event_size: usize,
    capacity: usize,
    count_out: *mut usize,
    dropped_out: *mut u64,
) -> rego_status {
    contained!({
        // SAFETY: because pointers are as the header demands.
        let engine = unsafe { shared(engine) }?;
        // SAFETY: as above.
        let mut array = unsafe { Array::new(events, (event_size, FIRST), capacity) }?;
        // SAFETY: as above.
        let count_out = unsafe { Out::new(count_out) }?;
        // SAFETY: as above.
        let dropped_out = unsafe { Out::new(dropped_out) }?;
        let dropped = drain(engine, &mut array);
        count_out.set(array.len());
        dropped_out.set(dropped);
        Ok(())
    })
}

const SIZE: usize = size_of::<rego_event>();
/// Its size when it was new.
const FIRST: usize = 104;

fn drain(engine: &rego_engine, array: &mut Array<rego_event>) -> u64 {
    let mut batch = [EventRecord::default(); 32];
    loop {
        let room = batch.len().min(array.room());
        let (batch, _) = batch.split_at_mut(room);
        let (count, dropped) = engine.engine.drain_events(batch);
        for record in batch.iter().take(count) {
            array.push(rego_event::of(record));
        }
        if count < room || room == 0 {
            return dropped;
        }
    }
}

impl rego_event {
    fn of(record: &EventRecord) -> Self {
        let mut event = Self {
            struct_size: SIZE as u32,
            kind: rego_event_kind::REGO_EVENT_OTHER as u32,
            call: record.call,
            at: record.at.as_nanos(),
            time: 0,
            attempt: REGO_NO_ATTEMPT,
            reason: 0,
            detail: 0,
            count: 0,
            completion: REGO_NO_COMPLETION,
            code: 0,
            key: [0; 48],
        };
        for (to, byte) in event.key.iter_mut().zip(record.key().bytes()) {
            *to = c_char::from_ne_bytes([byte]);
        }
        match record.what {
            Told::CallStarted => event.kind(rego_event_kind::REGO_EVENT_CALL_STARTED),
            Told::CallEnded { started, verdict, answer, attempts } => {
                event.kind(rego_event_kind::REGO_EVENT_CALL_ENDED);
                event.time = started.as_nanos();
                event.reason = verdict as u32;
                event.attempt = answer.map_or(REGO_NO_ATTEMPT, |attempt| attempt.get().into());
                event.count = attempts.into();
            }
            Told::Noted(noted) => event.noted(&noted),
            Told::Warned(warning) => {
                event.kind(rego_event_kind::REGO_EVENT_WARNED);
                event.reason = warning as u32;
            }
            _ => {}
        }
        event
    }

    fn noted(&mut self, noted: &Event) {
        use rego_event_kind::*;
        match *noted {
            Event::Launched { attempt, retry_index, hedge_index } => {
                self.kind(REGO_EVENT_ATTEMPT_LAUNCHED);
                self.attempt(attempt);
                self.reason = rego::AttemptKind::of(retry_index, hedge_index) as u32;
            }
            Event::Ended { attempt, started, outcome, facts, late } => {
                self.kind(REGO_EVENT_ATTEMPT_ENDED);
                self.attempt(attempt);
                self.time = started.as_nanos();
                self.reason = outcome.kind as u32;
                self.detail = outcome.class as u32;
                self.count = late.into();
                if let Some((completion, code)) = facts.and_then(|facts| parts(&facts)) {
                    self.completion = completion as u32;
                    self.code = code;
                }
            }
            Event::CancelRequested { attempt, started, reason } => {
                self.kind(REGO_EVENT_CANCEL_REQUESTED);
                self.attempt(attempt);
                self.time = started.as_nanos();
                self.reason = reason as u32;
            }
            Event::Rejected { attempt } => {
                self.kind(REGO_EVENT_ATTEMPT_REJECTED);
                self.attempt(attempt);
            }
            Event::Budget { kind, cost, decision } => {
                self.kind(REGO_EVENT_BUDGET_ASKED);
                self.reason = decision as u32;
                self.detail = kind as u32;
                self.count = cost.into();
            }
            Event::BackingOff { until } => {
                self.kind(REGO_EVENT_BACKING_OFF);
                self.time = until.as_nanos();
            }
            Event::HedgeSkipped { reason } => {
                self.kind(REGO_EVENT_HEDGE_SKIPPED);
                self.reason = reason as u32;
            }
            Event::WouldHave { kind } => {
                self.kind(REGO_EVENT_WOULD_HAVE);
                self.reason = kind as u32;
            }
            Event::WouldNotFit { wait } => {
                self.kind(REGO_EVENT_WOULD_NOT_FIT);
                self.time = wait.as_nanos();
            }
            // A call's end is told once, by its own record.
            _ => {}
        }
    }

    const fn kind(&mut self, kind: rego_event_kind) {
        self.kind = kind as u32;
    }

    const fn attempt(&mut self, attempt: AttemptId) {
        self.attempt = attempt.get() as u32;
    }
}

pub(crate) fn parts(facts: &Completion) -> Option<(rego_completion_kind, i32)> {
    use rego_completion_kind::*;
    Some(match facts.kind {
        CompletionKind::Ok => (REGO_COMPLETION_OK, 0),
        CompletionKind::Http { status } => (REGO_COMPLETION_HTTP, status.into()),
        CompletionKind::Grpc(code) => (REGO_COMPLETION_GRPC, code.into()),
        CompletionKind::Io(kind) => (REGO_COMPLETION_IO, kind as i32),
        CompletionKind::Errno(number) => (REGO_COMPLETION_ERRNO, number),
        CompletionKind::App(code) => (REGO_COMPLETION_APP, code),
        CompletionKind::Timeout => (REGO_COMPLETION_TIMEOUT, 0),
        CompletionKind::Cancelled => (REGO_COMPLETION_CANCELLED, 0),
        CompletionKind::Panic => (REGO_COMPLETION_PANIC, 0),
        _ => return None,
    })
}
