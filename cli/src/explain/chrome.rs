//! Timelines in the trace-event format: complete events (`X`), one thread for each attempt, and
//! instants (`i`) for what was not done.
//!
//! The format: <https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU>.

use rego::{AttemptLine, Nanos, NotDone, Remark, TimelineRecord};
use serde::Serialize;
use serde_json::{Map, Value, json};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Trace {
    trace_events: Vec<Event>,
    display_time_unit: &'static str,
}

#[derive(Serialize)]
struct Event {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    cat: Option<&'static str>,
    ph: &'static str,
    /// Microseconds since the first of the calls began.
    #[serde(skip_serializing_if = "Option::is_none")]
    ts: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dur: Option<f64>,
    /// The call.
    pid: usize,
    /// 0 for the call itself, then its attempts.
    tid: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    s: Option<&'static str>,
    args: Map<String, Value>,
}

pub(super) fn json(timelines: &[TimelineRecord]) -> String {
    let zero = timelines.iter().map(|timeline| timeline.started).min().unwrap_or_default();
    let mut events = Vec::new();
    for (nth, timeline) in timelines.iter().enumerate() {
        Call { timeline, pid: nth + 1, zero }.tell(&mut events);
    }
    let trace = Trace { trace_events: events, display_time_unit: "ms" };
    serde_json::to_string(&trace).expect("numbers and texts, under names that are texts")
}

struct Call<'a> {
    timeline: &'a TimelineRecord,
    pid: usize,
    zero: Nanos,
}

impl Call<'_> {
    fn tell(&self, events: &mut Vec<Event>) {
        let timeline = self.timeline;
        events.push(self.named("process_name", 0, &timeline.key));
        events.push(self.named("thread_name", 0, "call"));
        let attributes = timeline.attributes.iter().map(|(name, value)| (name.to_string(), value));
        let attributes: Map<_, _> = attributes.map(|(name, value)| (name, json!(value))).collect();
        let args = json!({
            "verdict": timeline.verdict,
            "policy": timeline.policy.id,
            "version": timeline.policy.version,
            "source": timeline.policy.source,
            "notes_dropped": timeline.notes_dropped,
            "attributes": attributes,
        });
        events.push(self.span(
            &timeline.key,
            "call",
            0,
            (timeline.started, timeline.ended),
            object(args),
        ));
        for line in &timeline.attempts {
            self.attempt(line, events);
        }
        events.extend(timeline.remarks.iter().filter_map(|remark| self.remark(remark)));
    }

    fn attempt(&self, line: &AttemptLine, events: &mut Vec<Event>) {
        let tid = line.attempt.saturating_add(1);
        let name = format!("#{} {}", line.attempt, line.kind);
        events.push(self.named("thread_name", tid, &name));
        if line.started > line.queued {
            let args = Map::new();
            events.push(self.span("queued", "queue", tid, (line.queued, line.started), args));
        }
        let all = self.timeline.attempts.iter().filter_map(|line| line.ended);
        let ended = line.ended.unwrap_or_else(|| all.fold(self.timeline.ended, Ord::max));
        let args = json!({
            "outcome": line.outcome,
            "class": line.class,
            "reason": line.reason,
            "facts": line.facts,
            "cancelled": line.cancelled,
            "late": line.late,
            "rejected": line.rejected,
            "running": line.ended.is_none(),
            "answer": self.timeline.answer == Some(line.attempt),
            "backoff_us": micros(line.backoff),
            "budget": line.budget.as_ref().map(|paid| json!({
                "cost": paid.cost, "decision": paid.decision,
            })),
        });
        events.push(self.span(&name, "attempt", tid, (line.started, ended), object(args)));
    }

    fn remark(&self, remark: &Remark) -> Option<Event> {
        let (name, args) = match &remark.what {
            NotDone::Denied { kind, cost, decision } => {
                (format!("{kind} budget {decision}"), json!({ "cost": cost }))
            }
            NotDone::HedgeSkipped { reason } => (format!("no hedge: {reason}"), json!({})),
            NotDone::WouldHave { kind } => (format!("would have launched a {kind}"), json!({})),
            NotDone::WouldNotFit { wait } => {
                ("a backoff would not have fitted".to_owned(), json!({ "wait_us": micros(*wait) }))
            }
            _ => return None,
        };
        let s = Some("t");
        let at = self.since(remark.at);
        Some(Event { ph: "i", ts: Some(at), s, ..self.event(name, "remark", 0, object(args)) })
    }

    fn span(
        &self,
        name: &str,
        cat: &'static str,
        tid: u32,
        (from, to): (Nanos, Nanos),
        args: Map<String, Value>,
    ) -> Event {
        let (ts, dur) = (Some(self.since(from)), Some(micros(to - from)));
        Event { ts, dur, ..self.event(name.to_owned(), cat, tid, args) }
    }

    /// A name for the call (`process_name`) or for a line of it (`thread_name`).
    fn named(&self, what: &str, tid: u32, name: &str) -> Event {
        let args = object(json!({ "name": name }));
        Event { ph: "M", cat: None, ..self.event(what.to_owned(), "", tid, args) }
    }

    fn event(&self, name: String, cat: &'static str, tid: u32, args: Map<String, Value>) -> Event {
        let (cat, pid) = (Some(cat), self.pid);
        Event { name, cat, ph: "X", ts: None, dur: None, pid, tid, s: None, args }
    }

    fn since(&self, at: Nanos) -> f64 {
        micros(at - self.zero)
    }
}

#[expect(clippy::cast_precision_loss, reason = "a nanosecond in a hundred days")]
fn micros(time: Nanos) -> f64 {
    time.as_nanos() as f64 / 1e3
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
