//! A timeline as JSON.

use rego::{
    AttemptRecord, Attribute, Completion, CompletionKind, HedgeReason, Nanos, Outcome, Timeline,
};
use serde::Serialize;

pub(super) fn of(timeline: &Timeline) -> String {
    let attempts = timeline.attempts();
    let call = &timeline.call;
    let told = Told {
        key: &call.key,
        policy: Policy {
            id: &call.policy_id,
            version: &call.policy_version,
            source: call.policy_source.label(),
        },
        verdict: call.verdict.label(),
        answer: call.answer.map(|attempt| attempt.get()),
        started: call.started.as_nanos(),
        first_started: call.first_started.as_nanos(),
        ended: call.ended.as_nanos(),
        attempts: attempts.iter().map(Attempt::of).collect(),
        hedges_skipped: timeline.hedges_skipped().map(HedgeReason::label).collect(),
        attributes: Attributes(&timeline.attributes),
        notes_dropped: timeline.notes_dropped,
    };
    serde_json::to_string(&told).unwrap_or_default()
}

#[derive(Serialize)]
struct Told<'a> {
    key: &'a str,
    policy: Policy<'a>,
    verdict: &'static str,
    answer: Option<u8>,
    started: u64,
    first_started: u64,
    ended: u64,
    attempts: Vec<Attempt>,
    hedges_skipped: Vec<&'static str>,
    attributes: Attributes<'a>,
    notes_dropped: u32,
}

#[derive(Serialize)]
struct Policy<'a> {
    id: &'a str,
    version: &'a str,
    source: &'static str,
}

#[derive(Serialize)]
struct Attempt {
    attempt: u8,
    kind: &'static str,
    retry_index: u8,
    hedge_index: u8,
    queued: u64,
    started: u64,
    ended: Option<u64>,
    outcome: Option<&'static str>,
    class: Option<&'static str>,
    reason: Option<String>,
    facts: Option<String>,
    backoff: u64,
    budget: Option<Budget>,
    cancelled: Option<&'static str>,
    late: bool,
}

#[derive(Serialize)]
struct Budget {
    cost: u16,
    decision: &'static str,
}

impl Attempt {
    fn of(record: &AttemptRecord) -> Self {
        let outcome = record.outcome;
        Self {
            attempt: record.attempt.get(),
            kind: record.kind.label(),
            retry_index: record.retry_index,
            hedge_index: record.hedge_index,
            queued: record.queued.as_nanos(),
            started: record.started.as_nanos(),
            ended: record.ended.map(Nanos::as_nanos),
            outcome: outcome.map(|outcome| outcome.kind.label()),
            class: outcome.map(|outcome| outcome.class.label()),
            reason: outcome.map(|Outcome { reason, .. }| reason.label().into_owned()),
            facts: record.facts.as_ref().map(facts),
            backoff: record.backoff.as_nanos(),
            budget: record
                .budget
                .map(|(cost, decision)| Budget { cost, decision: decision.label() }),
            cancelled: record.cancelled.map(|reason| reason.label()),
            late: record.late,
        }
    }
}

fn facts(facts: &Completion) -> String {
    match facts.kind {
        CompletionKind::Ok => "ok".to_owned(),
        CompletionKind::Http { status } => format!("http_{status}"),
        CompletionKind::Grpc(code) => format!("grpc_{code}"),
        CompletionKind::Io(kind) => format!("io_{}", kind.label()),
        CompletionKind::Errno(number) => format!("errno_{number}"),
        CompletionKind::App(code) => format!("app_{code}"),
        CompletionKind::Timeout => "timeout".to_owned(),
        CompletionKind::Cancelled => "cancelled".to_owned(),
        CompletionKind::Panic => "panic".to_owned(),
        _ => "unknown".to_owned(),
    }
}

/// An object: names and values.
struct Attributes<'a>(&'a [Attribute]);

impl Serialize for Attributes<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|attribute| (attribute.name, &attribute.value)))
    }
}
