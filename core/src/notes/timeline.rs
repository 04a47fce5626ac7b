//! The timeline of one call: its frame, and the attempts read out of its notes.

use super::{AttemptId, AttemptKind, Event, Note, Notes};
use crate::{
    clock::Nanos,
    completion::Completion,
    outcome::{CancelReason, Outcome, OutcomeKind},
    verdict::{BudgetDecision, HedgeReason, PolicySource, Verdict},
};

/// What happened in one call, in order. Its `Display` is a waterfall for the terminal.
///
/// ```
/// use rego::{Engine, Error};
///
/// let engine = Engine::builder().build()?;
/// let (result, timeline) = engine.run_with_timeline("svc.Get", |_| Ok::<_, std::io::Error>(7));
/// assert_eq!(result?, 7);
/// assert_eq!(timeline.attempts().len(), 1);
/// println!("{timeline}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Timeline {
    /// The frame of the call.
    pub call: CallFacts,
    /// Normalisations, fallbacks and the mode: whatever made the call unlike its policy's text.
    pub attributes: Vec<Attribute>,
    /// What happened, in order.
    pub notes: Vec<Note>,
    /// How many notes there was no room for: of hedges and retries that were not made, time and again.
    pub notes_dropped: u32,
}

/// The frame of a call: what is known of it besides its notes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallFacts {
    /// The call site.
    pub key: String,
    /// The policy's id.
    pub policy_id: String,
    /// The policy's version.
    pub policy_version: String,
    /// Where the policy came from.
    pub policy_source: PolicySource,
    /// When the call started.
    pub started: Nanos,
    /// When it ended.
    pub ended: Nanos,
    /// How it ended.
    pub verdict: Verdict,
    /// Which attempt's result was returned, if any.
    pub answer: Option<AttemptId>,
    /// When the first attempt's operation started to run; later than `started` by its time in
    /// the executor's queue.
    pub first_started: Nanos,
    /// How many attempts were launched.
    pub attempts: u32,
}

/// A named fact about a call.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attribute {
    /// Its name.
    pub name: &'static str,
    /// Its value.
    pub value: String,
}

/// One attempt, as the timeline tells it.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct AttemptRecord {
    /// Its number.
    pub attempt: AttemptId,
    /// First, retry or hedge.
    pub kind: AttemptKind,
    /// Its retry group.
    pub retry_index: u8,
    /// 0 for the group's primary.
    pub hedge_index: u8,
    /// When it was launched.
    pub queued: Nanos,
    /// When its operation started to run.
    pub started: Nanos,
    /// When it ended or was asked to stop; `None` while it runs.
    pub ended: Option<Nanos>,
    /// What the classifier made of its end.
    pub outcome: Option<Outcome>,
    /// The facts of its end, where the driver had them.
    pub facts: Option<Completion>,
    /// How long the call had waited before it.
    pub backoff: Nanos,
    /// What the budget was asked, and said.
    pub budget: Option<(u16, BudgetDecision)>,
    /// Why it was asked to stop; `None` also where it was given up at its own timeout, of which its
    /// outcome tells.
    pub cancelled: Option<CancelReason>,
    /// It ended after it had been given up, or after the call's deadline.
    pub late: bool,
    /// Nobody would run it: it ended when that was said, and has no outcome.
    pub rejected: bool,
}

impl AttemptRecord {
    /// It ended or was asked to stop: what comes later of the same attempt changes neither time.
    fn end(&mut self, started: Nanos, at: Nanos) {
        if self.ended.is_none() {
            (self.started, self.ended) = (started, Some(at));
        }
    }
}

impl Attribute {
    /// An attribute.
    #[must_use]
    pub fn new(name: &'static str, value: impl Into<String>) -> Self {
        Self { name, value: value.into() }
    }
}

impl CallFacts {
    pub(crate) fn new(key: &str, started: Nanos, ended: Nanos, verdict: Verdict) -> Self {
        Self {
            key: key.to_owned(),
            policy_id: String::new(),
            policy_version: String::new(),
            policy_source: PolicySource::Default,
            started,
            ended,
            verdict,
            answer: None,
            first_started: started,
            attempts: 0,
        }
    }
}

impl Timeline {
    pub(crate) fn new(call: CallFacts, attributes: Vec<Attribute>, notes: &Notes) -> Self {
        Self { call, attributes, notes: notes.as_slice().to_vec(), notes_dropped: notes.dropped() }
    }

    /// The attempts, in launch order: all that were launched.
    #[must_use]
    pub fn attempts(&self) -> Vec<AttemptRecord> {
        let mut reader = Reader { attempts: Vec::new(), waited_until: None, paid: None };
        if self.call.attempts > 0 {
            reader.launched(self.call.started, AttemptId::FIRST, 0, 0);
            reader.attempts[0].started = self.call.first_started;
        }
        for note in &self.notes {
            reader.read(note);
        }
        let mut attempts = reader.attempts;
        if let Some(answer) = self.call.answer {
            // A clean first success writes no notes.
            if let Some(record) = attempts.iter_mut().find(|record| record.attempt == answer) {
                record.ended.get_or_insert(self.call.ended);
                if self.call.verdict.is_success() {
                    record.outcome.get_or_insert(Outcome::success());
                }
            }
        }
        attempts
    }

    /// Why hedges were due and not launched.
    pub fn hedges_skipped(&self) -> impl Iterator<Item = HedgeReason> + '_ {
        self.notes.iter().filter_map(|note| match note.what {
            Event::HedgeSkipped { reason } => Some(reason),
            _ => None,
        })
    }

    /// The value of an attribute.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|attribute| attribute.name == name)
            .map(|attribute| attribute.value.as_str())
    }
}

struct Reader {
    attempts: Vec<AttemptRecord>,
    /// The wait before the next group: when it was decided, and its end.
    waited_until: Option<(Nanos, Nanos)>,
    /// What the budget was asked for the attempt to come.
    paid: Option<(u16, BudgetDecision)>,
}

impl Reader {
    fn read(&mut self, note: &Note) {
        match note.what {
            Event::Launched { attempt, retry_index, hedge_index } => {
                self.launched(note.at, attempt, retry_index, hedge_index);
            }
            Event::Ended { attempt, started, outcome, facts, late } => {
                self.change(attempt, |record| {
                    record.end(started, note.at);
                    record.late = late;
                    // It has been told to have timed out: that stays, unless it answers after all.
                    if record.outcome.is_none() || outcome.kind == OutcomeKind::Success {
                        (record.outcome, record.facts) = (Some(outcome), facts);
                    }
                });
            }
            Event::CancelRequested { attempt, started, reason } => {
                self.change(attempt, |record| {
                    record.end(started, note.at);
                    record.cancelled = Some(reason);
                });
            }
            Event::Rejected { attempt } => {
                self.change(attempt, |record| {
                    record.end(note.at, note.at);
                    record.rejected = true;
                });
            }
            Event::Budget { cost, decision, .. } => self.paid = Some((cost, decision)),
            Event::BackingOff { until } => self.waited_until = Some((note.at, until)),
            Event::HedgeSkipped { .. }
            | Event::WouldHave { .. }
            | Event::WouldNotFit { .. }
            | Event::Done { .. } => {}
        }
    }

    fn launched(&mut self, at: Nanos, attempt: AttemptId, retry_index: u8, hedge_index: u8) {
        let backoff = match self.waited_until.take() {
            Some((from, until)) if hedge_index == 0 => until - from,
            _ => Nanos::ZERO,
        };
        self.attempts.push(AttemptRecord {
            attempt,
            kind: AttemptKind::of(retry_index, hedge_index),
            retry_index,
            hedge_index,
            queued: at,
            started: at,
            ended: None,
            outcome: None,
            facts: None,
            backoff,
            budget: self.paid.take(),
            cancelled: None,
            late: false,
            rejected: false,
        });
    }

    fn change(&mut self, attempt: AttemptId, change: impl FnOnce(&mut AttemptRecord)) {
        if let Some(record) = self.attempts.iter_mut().find(|record| record.attempt == attempt) {
            change(record);
        }
    }
}
