//! The metrics there are: one table, of which the text and the reference are made.

use std::fmt::Write;

/// A metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Metric {
    Calls,
    CallStops,
    CallDuration,
    CallsInFlight,
    CallsPassedThrough,
    Attempts,
    AttemptDuration,
    AttemptReasons,
    Hedges,
    HedgeDelay,
    HedgeWasted,
    BudgetDecisions,
    BudgetAvailable,
    PolicyInfo,
    PolicyUpdates,
    PolicyStale,
    EventsDropped,
    ObserverPanics,
    ContainedPanics,
    KeysRefused,
}

/// What is fixed about a metric.
#[derive(Clone, Copy, Debug)]
pub(super) struct Family {
    /// Without the suffix of its samples.
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// The unit the name ends in; empty without one.
    pub(super) unit: &'static str,
    pub(super) labels: &'static [&'static str],
    pub(super) help: &'static str,
}

/// A type of OpenMetrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
    Info,
}

/// The labels there are, and what they can be.
const LABELS: &[(&str, &str)] = &[
    ("key", "a call site; after the first 1,024, `other`"),
    (
        "outcome",
        "of calls: `success`, `failure`; of attempts: `success`, `retryable`, `non_retryable`, `abort`, and `cancelled` for those that were asked to stop",
    ),
    ("via", "the kind of attempt whose result was returned: `first`, `retry`, `hedge`, `none`"),
    ("stop", "a verdict other than `success`: see [reasons](reasons.md)"),
    (
        "kind",
        "of attempts: `first`, `retry`, `hedge`; of budget decisions, what was to be paid for: `retry`, `hedge`",
    ),
    (
        "reason",
        "why attempts failed or were asked to stop: see [reasons](reasons.md); the first 16 of a key, then `other`",
    ),
    (
        "result",
        "of hedges: `won`, `lost` (asked to stop), `failed`, `denied` (not launched, for want of budget or room), `suspended` (not launched, for the backend is overloaded), `impossible` (the policy hedges and the call could not be: no executor, no timer, not declared idempotent; counted by call); of policy updates: `applied`, `rejected`",
    ),
    (
        "budget",
        "a budget's name; the key for a key's own, `KEY/hedge` for its own for hedges; `unlimited` for none",
    ),
    ("decision", "what a budget said: see [reasons](reasons.md)"),
    (
        "place",
        "whose panic it was: `hook` (a classifier, an executor, a cancel hook, a result that was dropped), `clock` (the host's), `engine` (its own: the call passed through)",
    ),
    ("version", "a policy's version"),
    ("source", "where a policy came from: see [reasons](reasons.md)"),
];

/// Every metric, in the order of the text.
pub(super) const METRICS: [(Metric, Family); 20] = [
    (
        Metric::Calls,
        Family::counter(
            "rego_calls",
            &["key", "outcome", "via"],
            "Calls that ended, by the kind of attempt whose result was returned.",
        ),
    ),
    (
        Metric::CallStops,
        Family::counter(
            "rego_call_stops",
            &["key", "stop"],
            "Calls that ended without success, by why.",
        ),
    ),
    (
        Metric::CallDuration,
        Family::histogram(
            "rego_call_duration_seconds",
            &["key", "outcome"],
            "How long calls took; those whose first attempt answered at once took as long as it.",
        ),
    ),
    (
        Metric::CallsInFlight,
        Family::gauge(
            "rego_calls_in_flight",
            &["key"],
            "Calls in the air whose attempts were handed to other threads.",
        ),
    ),
    (
        Metric::CallsPassedThrough,
        Family::counter(
            "rego_calls_passed_through",
            &["key"],
            "Calls for which the engine stood aside, for want of room or after a defect of its own: at most one plain attempt more each, which `rego_attempts` leaves out.",
        ),
    ),
    (
        Metric::Attempts,
        Family::counter(
            "rego_attempts",
            &["key", "kind", "outcome"],
            "Attempts that ended or were asked to stop.",
        ),
    ),
    (
        Metric::AttemptDuration,
        Family::histogram(
            "rego_attempt_duration_seconds",
            &["key", "kind"],
            "How long attempts ran until they ended or were asked to stop.",
        ),
    ),
    (
        Metric::AttemptReasons,
        Family::counter(
            "rego_attempt_reasons",
            &["key", "reason"],
            "Attempts that failed or were asked to stop, by why.",
        ),
    ),
    (
        Metric::Hedges,
        Family::counter(
            "rego_hedges",
            &["key", "result"],
            "Hedges that were due, by what became of them.",
        ),
    ),
    (
        Metric::HedgeDelay,
        Family {
            unit: "seconds",
            ..Family::gauge(
                "rego_hedge_delay_seconds",
                &["key"],
                "How long an attempt runs before it is hedged.",
            )
        },
    ),
    (
        Metric::HedgeWasted,
        Family {
            unit: "seconds",
            ..Family::counter(
                "rego_hedge_wasted_seconds",
                &["key"],
                "How long attempts had run that another one of their group beat.",
            )
        },
    ),
    (
        Metric::BudgetDecisions,
        Family::counter(
            "rego_budget_decisions",
            &["budget", "kind", "decision"],
            "What budgets said of extra attempts, for the keys that name them now.",
        ),
    ),
    (
        Metric::BudgetAvailable,
        Family::gauge(
            "rego_budget_available",
            &["budget"],
            "How many extra attempts of cost 1 a budget would pay for.",
        ),
    ),
    (
        Metric::PolicyInfo,
        Family {
            name: "rego_policy",
            kind: Kind::Info,
            unit: "",
            labels: &["version", "source"],
            help: "The policies in force.",
        },
    ),
    (
        Metric::PolicyUpdates,
        Family::counter(
            "rego_policy_updates",
            &["source", "result"],
            "Policy documents that came, by what became of them.",
        ),
    ),
    (
        Metric::PolicyStale,
        Family::gauge(
            "rego_policy_stale",
            &[],
            "1 while the policies in force are older than they should be, else 0.",
        ),
    ),
    (
        Metric::EventsDropped,
        Family::counter("rego_events_dropped", &[], "Events for which the event ring had no room."),
    ),
    (
        Metric::ObserverPanics,
        Family::counter(
            "rego_observer_panics",
            &[],
            "Panics of observers, all of which were contained.",
        ),
    ),
    (
        Metric::ContainedPanics,
        Family::counter(
            "rego_contained_panics",
            &["place"],
            "Panics other than observers' that were contained.",
        ),
    ),
    (
        Metric::KeysRefused,
        Family::counter(
            "rego_keys_refused",
            &[],
            "Look-ups of keys beyond the most there may be, whose calls were made as `other`.",
        ),
    ),
];

impl Metric {
    pub(super) const fn family(self) -> Family {
        METRICS[self as usize].1
    }
}

impl Family {
    const fn counter(
        name: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Self {
        Self { name, kind: Kind::Counter, unit: "", labels, help }
    }

    const fn gauge(
        name: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Self {
        Self { name, kind: Kind::Gauge, unit: "", labels, help }
    }

    /// Of times.
    const fn histogram(
        name: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Self {
        Self { name, kind: Kind::Histogram, unit: "seconds", labels, help }
    }
}

impl Kind {
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::Info => "info",
        }
    }

    /// What the names of its samples end in; a histogram has several.
    pub(super) const fn suffix(self) -> &'static str {
        match self {
            Self::Counter => "_total",
            Self::Info => "_info",
            Self::Gauge | Self::Histogram => "",
        }
    }
}

/// The metrics as a page of Markdown: `docs/reference/metrics.md`.
#[must_use]
pub fn reference() -> String {
    let mut page = String::from(
        "# Metrics\n\n\
         What an engine tells in OpenMetrics text. This page is generated: `cargo xtask gen`.\n\n\
         Times are in seconds. Counters start when the engine does and never go down. Most series\n\
         whose figure is zero are left out; those of `rego_calls_total` never are. A key has at most\n\
         150 series. From C there is `rego_boundary_panics_total` besides: defects that became\n\
         `REGO_STATUS_PANIC`, in the whole process.\n\n\
         | metric | type | labels | what |\n|---|---|---|---|\n",
    );
    for (_, Family { name, kind, labels, help, .. }) in METRICS {
        let (kind, suffix) = (kind.label(), kind.suffix());
        let labels: Vec<_> = labels.iter().map(|label| format!("`{label}`")).collect();
        let labels = labels.join(", ");
        let _ = writeln!(page, "| `{name}{suffix}` | {kind} | {labels} | {help} |");
    }
    page += "\n## Labels\n\n| label | values |\n|---|---|\n";
    for (label, values) in LABELS {
        let _ = writeln!(page, "| `{label}` | {values} |");
    }
    page += "\n## Durations\n\n\
             All histograms have the same buckets. They end at powers of two nanoseconds, which is\n\
             where buckets of the engine's own latency histogram end too, so that nothing is\n\
             interpolated; only the sums of first attempts that succeeded at once are reckoned from\n\
             the middles of its buckets, to within 2 %.\n\n";
    let bounds: Vec<_> = super::text::BOUNDS.iter().map(|bound| format!("`{bound}`")).collect();
    let _ = writeln!(page, "{}", bounds.join(", "));
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_enum() {
        for (index, (metric, _)) in METRICS.iter().enumerate() {
            assert_eq!(*metric as usize, index);
        }
    }

    #[test]
    fn every_label_is_explained() {
        for (_, family) in METRICS {
            for label in family.labels {
                assert!(LABELS.iter().any(|(known, _)| known == label), "{label}");
            }
        }
    }

    #[test]
    fn the_reference_names_every_metric() {
        let page = reference();
        for (_, Family { name, kind, .. }) in METRICS {
            assert!(page.contains(&format!("| `{name}{}` |", kind.suffix())), "{name}");
        }
    }
}
