//! What is known of a call besides its machine: who waits, who runs what, what came of it.

use rego::manual::{AttemptRef, CallId};

use super::work::{rego_attempt_info, rego_result};

pub(super) struct State {
    pub(super) call: CallId,
    /// By which the host may cancel the call, or 0.
    pub(super) public: u64,
    /// The host has.
    pub(super) cancelled: bool,
    /// When somebody is to look at the call again.
    pub(super) wake_at: u64,
    /// For when the host's timer was set, earliest.
    pub(super) armed: u64,
    pub(super) timers: Vec<u64>,
    /// Primaries for the caller to run.
    pub(super) hand: Vec<Start>,
    /// The caller runs one.
    pub(super) busy: bool,
    pub(super) seats: Vec<Seat>,
    /// A hedge was launched, or it was told that there is nobody to fire one.
    pub(super) hedged: bool,
    /// Attempts that have come back while the call goes on.
    pub(super) ended: Vec<Ended>,
    pub(super) done: Option<rego_result>,
    /// On how many threads the host must not be told the end.
    pub(super) hushed: u32,
    pub(super) told: bool,
}

/// An attempt to start.
#[derive(Clone, Copy, Debug)]
pub(super) struct Start {
    pub(super) attempt: AttemptRef,
    pub(super) info: rego_attempt_info,
}

/// An attempt that was handed to somebody.
pub(super) struct Seat {
    pub(super) attempt: AttemptRef,
    pub(super) phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Queued,
    Running,
    /// It is being asked to stop.
    Asked,
    /// It has been.
    Told,
}

/// An attempt that has come back.
pub(super) struct Ended {
    pub(super) attempt: AttemptRef,
    pub(super) number: u32,
    pub(super) result: u64,
    pub(super) completion: u32,
    pub(super) code: i32,
}

impl State {
    pub(super) const fn new() -> Self {
        Self {
            call: CallId::from_bits(0),
            public: 0,
            cancelled: false,
            wake_at: u64::MAX,
            armed: u64::MAX,
            timers: Vec::new(),
            hand: Vec::new(),
            busy: false,
            seats: Vec::new(),
            hedged: false,
            ended: Vec::new(),
            done: None,
            hushed: 0,
            told: false,
        }
    }

    pub(super) fn phase_of(&self, attempt: AttemptRef) -> Option<Phase> {
        self.seats.iter().find(|seat| seat.attempt == attempt).map(|seat| seat.phase)
    }

    /// Whether the attempt was in the phase `from`.
    pub(super) fn change(&mut self, attempt: AttemptRef, from: Phase, to: Phase) -> bool {
        let is_meant = |seat: &&mut Seat| seat.attempt == attempt && seat.phase == from;
        let seat = self.seats.iter_mut().find(is_meant);
        seat.map(|seat| seat.phase = to).is_some()
    }

    /// The attempt is about to run. Whether it was queued before.
    pub(super) fn take_up(&mut self, attempt: AttemptRef) -> bool {
        let queued = self.phase_of(attempt).is_some();
        if !queued {
            self.seats.push(Seat { attempt, phase: Phase::Queued });
        }
        queued
    }

    pub(super) fn leave(&mut self, attempt: AttemptRef) {
        self.seats.retain(|seat| seat.attempt != attempt);
    }

    /// Whether the host's timer is to be set for this time.
    pub(super) fn arm(&mut self, at: u64) -> bool {
        let earlier = at < self.armed;
        if earlier {
            self.armed = at;
        }
        earlier
    }

    /// Whether the call goes on, and so has use for the timer.
    pub(super) fn keep_timer(&mut self, task: u64) -> bool {
        let goes_on = self.done.is_none();
        if goes_on {
            self.timers.push(task);
        }
        goes_on
    }
}
