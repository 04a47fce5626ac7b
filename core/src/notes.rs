//! What happened, in order: bounded notes and the timeline made of them.
//!
//! Notes are data, never a path: the machine writes them the same way whether or not anybody will
//! read them. A call whose first attempt succeeds writes none; its timeline is rebuilt from start,
//! end and verdict.

mod attempt;
mod record;
mod timeline;
mod waterfall;

pub use attempt::{AttemptId, AttemptKind, AttemptSet};
#[cfg(feature = "documents")]
pub use record::TimelineError;
pub use record::{AttemptLine, NotDone, Paid, PolicyRecord, Remark, TimelineRecord};
pub use timeline::{AttemptRecord, Attribute, CallFacts, Timeline};

use self::attempt::{MAX_ATTEMPTS, MAX_GROUPS};
use crate::{
    clock::Nanos,
    completion::Completion,
    outcome::{CancelReason, Outcome},
    verdict::{BudgetDecision, HedgeReason, Verdict},
};

/// The most notes a call keeps; later ones are counted. Those that say that nothing was done, as of
/// hedges that are refused again and again, leave room for all that attempts and the call can come to:
/// of that nothing is ever left out.
pub const MAX_NOTES: usize =
    MAX_REFUSALS + MAX_ATTEMPTS as usize * NOTES_OF_ATTEMPT + NOTES_OF_CALL;

/// Where there are as many already, none is written that says that nothing was done.
const MAX_REFUSALS: usize = 48;

/// An attempt is paid for, launched, given up, and ends late.
const NOTES_OF_ATTEMPT: usize = 4;

/// A call backs off before each retry group, does not wait longer than it may, and is done.
const NOTES_OF_CALL: usize = MAX_GROUPS - 1 + 2;

/// One thing that happened, and when.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Note {
    /// When, on the engine's clock.
    pub at: Nanos,
    /// What.
    pub what: Event,
}

/// What can happen in a call.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// An attempt was launched. The first of a call has no such note: it is launched at the start.
    Launched {
        /// Which.
        attempt: AttemptId,
        /// Its retry group.
        retry_index: u8,
        /// 0 for the group's primary.
        hedge_index: u8,
    },
    /// An attempt ended.
    Ended {
        /// Which.
        attempt: AttemptId,
        /// When the operation started to run.
        started: Nanos,
        /// What the classifier made of it.
        outcome: Outcome,
        /// The facts, where the driver had them.
        facts: Option<Completion>,
        /// It came after it had been given up, or after the call's deadline: a success still
        /// counts, anything else is only told.
        late: bool,
    },
    /// An attempt was asked to stop.
    CancelRequested {
        /// Which.
        attempt: AttemptId,
        /// When the operation started to run.
        started: Nanos,
        /// Why.
        reason: CancelReason,
    },
    /// Nobody would run an attempt that was launched.
    Rejected {
        /// Which.
        attempt: AttemptId,
    },
    /// A budget was asked to pay for an extra attempt.
    Budget {
        /// For a retry or for a hedge: which of the two budgets.
        kind: AttemptKind,
        /// How much it was asked for.
        cost: u16,
        /// What it said.
        decision: BudgetDecision,
    },
    /// The next retry group was decided upon; it starts then.
    BackingOff {
        /// The end of the wait.
        until: Nanos,
    },
    /// A hedge was due and was not launched.
    HedgeSkipped {
        /// Why.
        reason: HedgeReason,
    },
    /// In observe mode: what the policy would have done.
    WouldHave {
        /// A retry or a hedge.
        kind: AttemptKind,
    },
    /// The next backoff would have passed the deadline.
    WouldNotFit {
        /// How long it would have been.
        wait: Nanos,
    },
    /// The call ended.
    Done {
        /// How.
        verdict: Verdict,
    },
}

impl Event {
    /// It says that something was not done.
    const fn is_refusal(&self) -> bool {
        match self {
            Self::Budget { decision, .. } => !decision.is_allowed(),
            Self::Rejected { .. } | Self::HedgeSkipped { .. } | Self::WouldHave { .. } => true,
            _ => false,
        }
    }
}

/// The notes of one call: bounded, and without an allocation until the first is written.
#[derive(Clone, Debug, Default)]
pub struct Notes {
    notes: Vec<Note>,
    dropped: u32,
}

impl Notes {
    /// No notes.
    #[must_use]
    pub const fn new() -> Self {
        Self { notes: Vec::new(), dropped: 0 }
    }

    /// Writes one, or counts it when there is no room: see [`MAX_NOTES`].
    #[cold]
    #[inline(never)]
    pub fn push(&mut self, at: Nanos, what: Event) {
        let room = if what.is_refusal() { MAX_REFUSALS } else { MAX_NOTES };
        if self.notes.len() < room {
            self.notes.push(Note { at, what });
        } else {
            self.dropped = self.dropped.saturating_add(1);
        }
    }

    /// All of them, in order.
    #[must_use]
    pub fn as_slice(&self) -> &[Note] {
        &self.notes
    }

    /// How many there were no room for.
    #[must_use]
    pub const fn dropped(&self) -> u32 {
        self.dropped
    }

    /// When an attempt started to run, and what kind it was, as far as they tell: of one that has
    /// ended or was asked to stop, and of the first and those whose launch found room.
    pub(crate) fn start_of(&self, attempt: AttemptId) -> (Option<Nanos>, Option<AttemptKind>) {
        let (mut start, mut kind) = (None, None);
        if attempt == AttemptId::FIRST {
            kind = Some(AttemptKind::First);
        }
        for note in &self.notes {
            match note.what {
                Event::Launched { attempt: it, retry_index, hedge_index } if it == attempt => {
                    start = Some(note.at);
                    kind = Some(AttemptKind::of(retry_index, hedge_index));
                }
                Event::Ended { attempt: it, started, .. }
                | Event::CancelRequested { attempt: it, started, .. }
                    if it == attempt =>
                {
                    return (Some(started), kind);
                }
                _ => {}
            }
        }
        (start, kind)
    }

    /// Forgets all, keeps the memory.
    pub fn clear(&mut self) {
        self.notes.clear();
        self.dropped = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_bounded_and_the_rest_is_counted() {
        let mut notes = Notes::new();
        for at in 0..300 {
            notes.push(Nanos::from_nanos(at), Event::Done { verdict: Verdict::Success });
        }
        assert_eq!((notes.as_slice().len(), notes.dropped()), (MAX_NOTES, 81));
        assert_eq!(notes.as_slice()[218].at, Nanos::from_nanos(218));
    }

    #[test]
    fn refusals_leave_room_for_what_the_call_comes_to() {
        let mut notes = Notes::new();
        for at in 0..1_000 {
            let reason = HedgeReason::Denied;
            notes.push(Nanos::from_nanos(at), Event::HedgeSkipped { reason });
        }
        let end = Event::Done { verdict: Verdict::Success };
        notes.push(Nanos::from_nanos(1_000), end);
        assert_eq!((notes.as_slice().len(), notes.dropped()), (49, 952));
        assert_eq!(notes.as_slice()[48].what, end);
    }
}
