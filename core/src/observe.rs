//! Observers, event ring, exposition.
//!
//! [`Observers`] is the one listener an engine's drivers know. It hands what they tell to every
//! [`Observer`] and into the [`EventRing`]. None of it changes a result: an observer that panics is
//! contained and counted, a ring that is full drops and counts.

mod exposition;
mod observer;
mod record;
#[allow(unreachable_pub, reason = "reached through `rooms` by the loom models")]
pub(crate) mod ring;
#[cfg(test)]
mod tests;

#[doc(hidden)]
pub use exposition::reference as metrics_reference;
pub use observer::{
    AttemptCancelled, AttemptEnded, BudgetDecided, CallStarted, HedgeSpawned, Observer, Warned,
};
pub use record::{EventRecord, Told};

pub(crate) use exposition::{PolicyUpdates, Snapshot, UpdateResult, write};

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use crate::{
    clock::Nanos,
    listener::{CallEnded, Listener, Warning},
    notes::{AttemptId, Event, Note, Notes},
    outcome::Outcome,
    sync::{AtomicU64, CachePadded, Ordering, drop_quietly},
};

/// The events of an engine's calls, for hosts that cannot take callbacks.
pub(crate) type EventRing = ring::Ring<EventRecord>;

/// Everybody who listens to an engine's calls.
pub(crate) struct Observers {
    observers: Vec<Arc<dyn Observer>>,
    ring: Option<EventRing>,
    counts: CachePadded<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    calls: AtomicU64,
    panics: AtomicU64,
}

impl Observers {
    /// `None` when nobody listens, so that calls have nobody to tell.
    pub(crate) fn new(
        observers: Vec<Arc<dyn Observer>>,
        ring: Option<EventRing>,
    ) -> Option<Arc<Self>> {
        if observers.is_empty() && ring.is_none() {
            return None;
        }
        Some(Arc::new(Self { observers, ring, counts: CachePadded::default() }))
    }

    /// Moves the oldest events out of the ring, as many as there are and `into` has room for.
    /// Answers how many, and how many were dropped since the beginning for want of room.
    pub(crate) fn drain(&self, into: &mut [EventRecord]) -> (usize, u64) {
        let drained = self.ring.as_ref().map_or(0, |ring| ring.drain(into));
        (drained, self.events_dropped())
    }

    /// Events for which the ring had no room.
    pub(crate) fn events_dropped(&self) -> u64 {
        self.ring.as_ref().map_or(0, EventRing::dropped)
    }

    /// Panics of observers, all of which were contained.
    pub(crate) fn panics(&self) -> u64 {
        // Relaxed: a count.
        self.counts.panics.load(Ordering::Relaxed)
    }

    fn record(&self, call: u64, at: Nanos, key: &str, what: Told) {
        if let Some(ring) = &self.ring {
            ring.push(EventRecord::new(call, at, key, what));
        }
    }

    /// Tells every observer, whatever the others do.
    fn tell(&self, event: impl Fn(&dyn Observer)) {
        for observer in &self.observers {
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| event(&**observer))) {
                // Relaxed: a count.
                self.counts.panics.fetch_add(1, Ordering::Relaxed);
                drop_quietly(payload);
            }
        }
    }

    fn attempt_ended(&self, event: &AttemptEnded<'_>) {
        self.tell(|observer| observer.on_attempt(event));
    }
}

impl Listener for Observers {
    fn started(&self, key: &str, at: Nanos) -> u64 {
        // Relaxed: only the number matters.
        let call = self.counts.calls.fetch_add(1, Ordering::Relaxed);
        self.record(call, at, key, Told::CallStarted);
        self.tell(|observer| observer.on_start(&CallStarted { call, key, at }));
        call
    }

    fn noted(&self, call: u64, key: &str, note: &Note) {
        let at = note.at;
        // The end of the call is told once, with all that is known of it.
        if let Event::Done { .. } = note.what {
            return;
        }
        self.record(call, at, key, Told::Noted(note.what));
        match note.what {
            Event::Ended { attempt, started, outcome, facts, late } => {
                let event = AttemptEnded { call, key, at, attempt, started, outcome, facts, late };
                self.attempt_ended(&event);
            }
            Event::Launched { attempt, retry_index, hedge_index } if hedge_index > 0 => {
                let event = HedgeSpawned { call, key, at, attempt, retry_index, hedge_index };
                self.tell(|observer| observer.on_hedge_spawn(&event));
            }
            Event::CancelRequested { attempt, started, reason } => {
                let event = AttemptCancelled { call, key, at, attempt, started, reason };
                self.tell(|observer| observer.on_hedge_cancel(&event));
            }
            Event::Budget { kind, cost, decision } => {
                let event = BudgetDecided { call, key, at, kind, cost, decision };
                self.tell(|observer| observer.on_budget_decision(&event));
            }
            _ => {}
        }
    }

    fn warned(&self, key: &str, at: Nanos, warning: Warning) {
        self.record(EventRecord::NO_CALL, at, key, Told::Warned(warning));
        self.tell(|observer| observer.on_warning(&Warned { key, at, warning }));
    }

    fn ended(&self, ended: &CallEnded<'_>, notes: &Notes) {
        let CallEnded { call, key, at, .. } = *ended;
        if let Some(attempt) = untold_success(ended, notes) {
            let (started, outcome) = (ended.first_started, Outcome::success());
            let (facts, late) = (None, false);
            let what = Event::Ended { attempt, started, outcome, facts, late };
            self.record(call, at, key, Told::Noted(what));
            let event = AttemptEnded { call, key, at, attempt, started, outcome, facts, late };
            self.attempt_ended(&event);
        }
        self.record(
            call,
            at,
            key,
            Told::CallEnded {
                started: ended.started,
                verdict: ended.verdict,
                answer: ended.answer,
                attempts: ended.attempts,
            },
        );
        if ended.verdict.is_success() {
            self.tell(|observer| observer.on_success(ended));
        } else {
            self.tell(|observer| observer.on_failure(ended));
        }
    }
}

impl fmt::Debug for Observers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observers")
            .field("observers", &self.observers.len())
            .field("ring", &self.ring)
            .field("counts", &self.counts)
            .finish()
    }
}

/// The first attempt, if it answered the call and no note says so: a clean first success writes
/// none.
fn untold_success(ended: &CallEnded<'_>, notes: &Notes) -> Option<AttemptId> {
    let answer = ended.answer.filter(|answer| *answer == AttemptId::FIRST)?;
    let is_its_end =
        |note: &Note| matches!(note.what, Event::Ended { attempt, .. } if attempt == answer);
    let told = notes.as_slice().iter().any(is_its_end);
    (ended.verdict.is_success() && !told).then_some(answer)
}
