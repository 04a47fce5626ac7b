//! A timeline as it is kept and sent: names in place of enumerations, and its JSON.

use std::borrow::Cow;

use super::{AttemptRecord, Event, Note, Timeline};
use crate::{
    clock::Nanos,
    completion::{Completion, CompletionKind},
};

#[cfg(feature = "documents")]
mod json;

#[cfg(feature = "documents")]
pub use json::TimelineError;

/// What a record calls things: the names that metrics have, so that a program reads the records of
/// a newer one.
type Name = Cow<'static, str>;

/// A [`Timeline`] as it is kept and sent: every name is a text. Its `Display` is the same waterfall.
///
/// With the feature `documents` it is read from JSON and written as JSON: [`Timeline::to_json`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "documents", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct TimelineRecord {
    /// The call site.
    pub key: String,
    /// Which policy the call had.
    pub policy: PolicyRecord,
    /// How the call ended: the label of a [`Verdict`](crate::Verdict).
    pub verdict: Name,
    /// The number of the attempt whose result was returned, if any.
    pub answer: Option<u32>,
    /// When the call started, on the engine's clock.
    #[cfg_attr(feature = "documents", serde(with = "json::nanos"))]
    pub started: Nanos,
    /// When the first attempt's operation started to run.
    #[cfg_attr(feature = "documents", serde(with = "json::nanos"))]
    pub first_started: Nanos,
    /// When the call ended.
    #[cfg_attr(feature = "documents", serde(with = "json::nanos"))]
    pub ended: Nanos,
    /// The attempts, in launch order.
    pub attempts: Vec<AttemptLine>,
    /// Why hedges were due and not launched: labels of [`HedgeReason`](crate::HedgeReason)s.
    #[cfg_attr(feature = "documents", serde(default))]
    pub hedges_skipped: Vec<Name>,
    /// Normalisations, fallbacks and the mode: names and values.
    #[cfg_attr(feature = "documents", serde(default, with = "json::pairs"))]
    pub attributes: Vec<(Name, String)>,
    /// How many notes there was no room for.
    #[cfg_attr(feature = "documents", serde(default))]
    pub notes_dropped: u32,
    /// What was not done, and when.
    #[cfg_attr(feature = "documents", serde(default))]
    pub remarks: Vec<Remark>,
}

/// Which policy a call had.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "documents", derive(serde::Serialize, serde::Deserialize), serde(default))]
#[non_exhaustive]
pub struct PolicyRecord {
    /// Its id.
    pub id: String,
    /// Its version.
    pub version: String,
    /// Where it came from: the label of a [`PolicySource`](crate::PolicySource).
    pub source: Name,
}

/// One attempt of a [`TimelineRecord`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "documents", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct AttemptLine {
    /// Its number: in launch order from 0.
    pub attempt: u32,
    /// `first`, `retry` or `hedge`.
    pub kind: Name,
    /// Its retry group.
    #[cfg_attr(feature = "documents", serde(default))]
    pub retry_index: u32,
    /// 0 for the group's primary.
    #[cfg_attr(feature = "documents", serde(default))]
    pub hedge_index: u32,
    /// When it was launched.
    #[cfg_attr(feature = "documents", serde(with = "json::nanos"))]
    pub queued: Nanos,
    /// When its operation started to run.
    #[cfg_attr(feature = "documents", serde(with = "json::nanos"))]
    pub started: Nanos,
    /// When it ended or was asked to stop; `None` while it runs.
    #[cfg_attr(feature = "documents", serde(default, with = "json::maybe_nanos"))]
    pub ended: Option<Nanos>,
    /// What was made of its end: the label of an [`OutcomeKind`](crate::OutcomeKind).
    #[cfg_attr(feature = "documents", serde(default))]
    pub outcome: Option<Name>,
    /// What sort of failure it was: the label of a [`Class`](crate::Class).
    #[cfg_attr(feature = "documents", serde(default))]
    pub class: Option<Name>,
    /// Why: the label of a [`Reason`](crate::Reason).
    #[cfg_attr(feature = "documents", serde(default))]
    pub reason: Option<Name>,
    /// The facts of its end, such as `http_503`, where the driver had them.
    #[cfg_attr(feature = "documents", serde(default))]
    pub facts: Option<Name>,
    /// How long the call had waited before it.
    #[cfg_attr(feature = "documents", serde(default, with = "json::nanos"))]
    pub backoff: Nanos,
    /// What the budget was asked, and said.
    #[cfg_attr(feature = "documents", serde(default))]
    pub budget: Option<Paid>,
    /// Why it was asked to stop: the label of a [`CancelReason`](crate::CancelReason).
    #[cfg_attr(feature = "documents", serde(default))]
    pub cancelled: Option<Name>,
    /// It ended after it had been given up, or after the call's deadline.
    #[cfg_attr(feature = "documents", serde(default))]
    pub late: bool,
    /// Nobody would run it.
    #[cfg_attr(feature = "documents", serde(default))]
    pub rejected: bool,
}

/// What a budget was asked for one attempt, and said.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "documents", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Paid {
    /// How much it was asked for.
    pub cost: u32,
    /// The label of a [`BudgetDecision`](crate::BudgetDecision).
    pub decision: Name,
}

/// Something that was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "documents", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Remark {
    /// When.
    #[cfg_attr(feature = "documents", serde(with = "json::nanos"))]
    pub at: Nanos,
    /// What.
    #[cfg_attr(feature = "documents", serde(flatten))]
    pub what: NotDone,
}

/// What was not done, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "documents",
    derive(serde::Serialize, serde::Deserialize),
    serde(tag = "what", rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum NotDone {
    /// A budget did not pay for an extra attempt.
    Denied {
        /// For a `retry` or for a `hedge`.
        kind: Name,
        /// How much it was asked for.
        cost: u32,
        /// The label of a [`BudgetDecision`](crate::BudgetDecision).
        decision: Name,
    },
    /// A hedge was due and was not launched.
    HedgeSkipped {
        /// The label of a [`HedgeReason`](crate::HedgeReason).
        reason: Name,
    },
    /// In observe mode: what the policy would have done.
    WouldHave {
        /// A `retry` or a `hedge`.
        kind: Name,
    },
    /// The next backoff would have passed the deadline.
    WouldNotFit {
        /// How long it would have been.
        #[cfg_attr(feature = "documents", serde(with = "json::nanos"))]
        wait: Nanos,
    },
    /// What a newer version tells and this one does not know.
    #[cfg_attr(feature = "documents", serde(other))]
    Unknown,
}

impl Timeline {
    /// The timeline as it is kept and sent.
    #[must_use]
    pub fn to_record(&self) -> TimelineRecord {
        let call = &self.call;
        TimelineRecord {
            key: call.key.clone(),
            policy: PolicyRecord {
                id: call.policy_id.clone(),
                version: call.policy_version.clone(),
                source: call.policy_source.label().into(),
            },
            verdict: call.verdict.label().into(),
            answer: call.answer.map(|attempt| attempt.get().into()),
            started: call.started,
            first_started: call.first_started,
            ended: call.ended,
            attempts: self.attempts().iter().map(AttemptLine::of).collect(),
            hedges_skipped: self.hedges_skipped().map(|reason| reason.label().into()).collect(),
            attributes: self
                .attributes
                .iter()
                .map(|attribute| (attribute.name.into(), attribute.value.clone()))
                .collect(),
            notes_dropped: self.notes_dropped,
            remarks: self.notes.iter().filter_map(Remark::of).collect(),
        }
    }
}

impl AttemptLine {
    fn of(record: &AttemptRecord) -> Self {
        let outcome = record.outcome;
        Self {
            attempt: record.attempt.get().into(),
            kind: record.kind.label().into(),
            retry_index: record.retry_index.into(),
            hedge_index: record.hedge_index.into(),
            queued: record.queued,
            started: record.started,
            ended: record.ended,
            outcome: outcome.map(|outcome| outcome.kind.label().into()),
            class: outcome.map(|outcome| outcome.class.label().into()),
            reason: outcome.map(|outcome| outcome.reason.label()),
            facts: record.facts.as_ref().map(facts),
            backoff: record.backoff,
            budget: record.budget.map(|(cost, decision)| Paid {
                cost: cost.into(),
                decision: decision.label().into(),
            }),
            cancelled: record.cancelled.map(|reason| reason.label().into()),
            late: record.late,
            rejected: record.rejected,
        }
    }
}

impl Remark {
    fn of(note: &Note) -> Option<Self> {
        let what = match note.what {
            Event::Budget { kind, cost, decision } if !decision.is_allowed() => NotDone::Denied {
                kind: kind.label().into(),
                cost: cost.into(),
                decision: decision.label().into(),
            },
            Event::HedgeSkipped { reason } => {
                NotDone::HedgeSkipped { reason: reason.label().into() }
            }
            Event::WouldHave { kind } => NotDone::WouldHave { kind: kind.label().into() },
            Event::WouldNotFit { wait } => NotDone::WouldNotFit { wait },
            _ => return None,
        };
        Some(Self { at: note.at, what })
    }
}

fn facts(facts: &Completion) -> Name {
    match facts.kind {
        CompletionKind::Ok => "ok".into(),
        CompletionKind::Http { status } => format!("http_{status}").into(),
        CompletionKind::Grpc(code) => format!("grpc_{code}").into(),
        CompletionKind::Io(kind) => format!("io_{}", kind.label()).into(),
        CompletionKind::Errno(number) => format!("errno_{number}").into(),
        CompletionKind::App(code) => format!("app_{code}").into(),
        CompletionKind::Timeout => "timeout".into(),
        CompletionKind::Cancelled => "cancelled".into(),
        CompletionKind::Panic => "panic".into(),
    }
}
