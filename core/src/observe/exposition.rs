//! Counters as OpenMetrics text.
//!
//! Calls write their own counters; everything here happens at the moment somebody asks. The text
//! is that of the OpenMetrics specification, version 1.0: counters end in `_total`, times are in
//! seconds, the last line is `# EOF`. Series whose figure is zero are left out, but for those of
//! `rego_calls`. A key has at most 150 series.

mod family;
mod text;

#[cfg(test)]
mod checker;
#[cfg(test)]
mod tests;

pub use family::reference;

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    budget::BudgetState,
    clock::Nanos,
    notes::AttemptKind,
    outcome::OutcomeKind,
    policy::{Trigger, UNLIMITED},
    site::{Counter, Site, Spread, Terms},
    sync::Arc,
    verdict::{BudgetDecision, HedgeReason, PolicySource, Verdict},
};
use family::{METRICS, Metric};
use text::Writer;

const KINDS: [AttemptKind; 3] = [AttemptKind::First, AttemptKind::Retry, AttemptKind::Hedge];
const FAILURES: [OutcomeKind; 3] =
    [OutcomeKind::Retryable, OutcomeKind::NonRetryable, OutcomeKind::Abort];

/// What is known of an engine at the moment of a scrape.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Snapshot<'a> {
    pub(crate) now: Nanos,
    /// Each key once, its latency refreshed just before.
    pub(crate) sites: &'a [&'a Site],
    /// Budgets with a name of their own. Those of the sites need not be among them.
    pub(crate) budgets: &'a [&'a BudgetState],
    pub(crate) updates: &'a [PolicyUpdates],
    /// Whether the policies in force are older than they should be.
    pub(crate) stale: bool,
    pub(crate) events_dropped: u64,
    pub(crate) observer_panics: u64,
    pub(crate) clock_panics: u64,
    pub(crate) keys_refused: u64,
}

/// How often policies came from there, and what became of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PolicyUpdates {
    pub(crate) source: PolicySource,
    pub(crate) result: UpdateResult,
    pub(crate) count: u64,
}

/// What became of a policy document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UpdateResult {
    Applied,
    Rejected,
}

impl UpdateResult {
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Rejected => "rejected",
        }
    }
}

/// Appends the exposition to `out`: complete, with its last line.
pub(crate) fn write(out: &mut String, snapshot: &Snapshot<'_>) {
    let keys: Vec<_> = snapshot.sites.iter().map(|site| Key::read(site)).collect();
    let mut writer = Writer::new(out);
    for (metric, _) in METRICS {
        writer.describe(metric);
        match metric {
            Metric::BudgetDecisions => budget_decisions(&keys, &mut writer),
            Metric::BudgetAvailable => budget_available(&keys, snapshot, &mut writer),
            Metric::PolicyInfo => policy_info(&keys, &mut writer),
            Metric::PolicyUpdates => policy_updates(snapshot, &mut writer),
            Metric::PolicyStale => {
                writer.gauge(metric, &[], f64::from(u8::from(snapshot.stale)));
            }
            Metric::EventsDropped => {
                writer.count_from_zero(metric, &[], snapshot.events_dropped);
            }
            Metric::ObserverPanics => {
                writer.count_from_zero(metric, &[], snapshot.observer_panics);
            }
            Metric::ContainedPanics => contained_panics(snapshot, &mut writer),
            Metric::KeysRefused => writer.count_from_zero(metric, &[], snapshot.keys_refused),
            _ => keys.iter().for_each(|key| key.write(metric, &mut writer)),
        }
    }
    writer.end();
}

/// A site as it is at the moment of the scrape.
struct Key<'a> {
    site: &'a Site,
    terms: Arc<Terms>,
    /// The clean first successes, which nobody has counted one by one.
    clean: Spread,
}

/// Over all keys, for keys may share budgets.
fn budget_decisions(keys: &[Key<'_>], writer: &mut Writer<'_>) {
    let mut counts: BTreeMap<(&str, &str), [u64; BudgetDecision::ALL.len()]> = BTreeMap::new();
    for key in keys {
        let asked = [
            (AttemptKind::Retry, &key.terms.retry_budget),
            (AttemptKind::Hedge, &key.terms.hedge_budget),
        ];
        for (kind, budget) in asked {
            let name = budget.as_ref().map_or(UNLIMITED, |budget| budget.name());
            let counts = counts.entry((name, kind.label())).or_default();
            for (count, decision) in counts.iter_mut().zip(BudgetDecision::ALL) {
                *count += key.site.counters.budget_decisions(kind, decision);
            }
        }
    }
    for ((name, kind), counts) in counts {
        for (count, decision) in counts.into_iter().zip(BudgetDecision::ALL) {
            let labels = [name, kind, decision.label()];
            writer.count(Metric::BudgetDecisions, &labels, count);
        }
    }
}

fn budget_available(keys: &[Key<'_>], snapshot: &Snapshot<'_>, writer: &mut Writer<'_>) {
    let of_keys = keys.iter().flat_map(Key::budgets);
    let budgets = snapshot.budgets.iter().copied().chain(of_keys);
    let by_name: BTreeMap<_, _> = budgets.map(|budget| (budget.name(), budget)).collect();
    for (name, budget) in by_name {
        writer.gauge(Metric::BudgetAvailable, &[name], budget.available(snapshot.now));
    }
}

fn policy_info(keys: &[Key<'_>], writer: &mut Writer<'_>) {
    let in_force: BTreeSet<_> =
        keys.iter().map(|key| (key.terms.policy.version(), key.terms.source.label())).collect();
    for (version, source) in in_force {
        writer.info(Metric::PolicyInfo, &[version, source]);
    }
}

fn policy_updates(snapshot: &Snapshot<'_>, writer: &mut Writer<'_>) {
    for PolicyUpdates { source, result, count } in snapshot.updates {
        writer.count(Metric::PolicyUpdates, &[source.label(), result.label()], *count);
    }
}

fn contained_panics(snapshot: &Snapshot<'_>, writer: &mut Writer<'_>) {
    let of_sites = |counter| snapshot.sites.iter().map(|site| site.counters.get(counter)).sum();
    let counts = [
        ("hook", of_sites(Counter::HookPanics)),
        ("clock", snapshot.clock_panics),
        ("engine", of_sites(Counter::EnginePanics)),
    ];
    for (place, count) in counts {
        writer.count_from_zero(Metric::ContainedPanics, &[place], count);
    }
}

impl<'a> Key<'a> {
    fn read(site: &'a Site) -> Self {
        let histogram = site.latency.histogram();
        let histogram = histogram.map(|histogram| Spread::fold(histogram.iter()));
        Self { site, terms: site.shared_terms(), clean: site.counters.clean(histogram) }
    }

    /// The metrics that are told by key.
    fn write(&self, metric: Metric, writer: &mut Writer<'_>) {
        match metric {
            Metric::Calls => self.calls(writer),
            Metric::CallStops => self.call_stops(writer),
            Metric::CallDuration => self.call_durations(writer),
            Metric::CallsInFlight => self.calls_in_flight(writer),
            Metric::CallsPassedThrough => self.passed_through(writer),
            Metric::Attempts => self.attempts(writer),
            Metric::AttemptDuration => self.attempt_durations(writer),
            Metric::AttemptReasons => self.attempt_reasons(writer),
            Metric::Hedges => self.hedges(writer),
            Metric::HedgeDelay => self.hedge_delay(writer),
            Metric::HedgeWasted => self.hedge_wasted(writer),
            _ => unreachable!("not told by key"),
        }
    }

    fn name(&self) -> &'a str {
        self.site.name()
    }

    /// The budgets its calls may ask.
    fn budgets(&self) -> impl Iterator<Item = &BudgetState> {
        let hedge = self.terms.hedge_budget.iter().filter(|_| self.terms.policy.hedge.enabled);
        self.terms.retry_budget.iter().chain(hedge).map(|budget| &**budget)
    }

    fn calls(&self, writer: &mut Writer<'_>) {
        let counters = &self.site.counters;
        for kind in KINDS {
            let clean = if kind == AttemptKind::First { self.clean.count() } else { 0 };
            let count = clean + counters.wins(kind) + counters.late_wins(kind);
            let labels = [self.name(), "success", kind.label()];
            writer.count_from_zero(Metric::Calls, &labels, count);
        }
        for via in KINDS.into_iter().map(Some).chain([None]) {
            let labels = [self.name(), "failure", via.map_or("none", AttemptKind::label)];
            writer.count_from_zero(Metric::Calls, &labels, counters.failed_via(via));
        }
    }

    fn call_stops(&self, writer: &mut Writer<'_>) {
        for verdict in Verdict::ALL.into_iter().filter(|verdict| !verdict.is_success()) {
            let count = self.site.counters.verdicts(verdict);
            writer.count(Metric::CallStops, &[self.name(), verdict.label()], count);
        }
    }

    fn call_durations(&self, writer: &mut Writer<'_>) {
        let succeeded = self.clean.with(&self.site.counters.calls(true));
        writer.histogram(Metric::CallDuration, &[self.name(), "success"], &succeeded);
        let failed = self.site.counters.calls(false);
        writer.histogram(Metric::CallDuration, &[self.name(), "failure"], &failed);
    }

    fn calls_in_flight(&self, writer: &mut Writer<'_>) {
        writer.gauge(Metric::CallsInFlight, &[self.name()], self.site.in_flight().into());
    }

    fn passed_through(&self, writer: &mut Writer<'_>) {
        let count = self.site.counters.get(Counter::PassThrough);
        writer.count(Metric::CallsPassedThrough, &[self.name()], count);
    }

    fn attempts(&self, writer: &mut Writer<'_>) {
        let counters = &self.site.counters;
        for kind in KINDS {
            let mut write = |outcome: &str, count| {
                writer.count(Metric::Attempts, &[self.name(), kind.label(), outcome], count);
            };
            let clean = if kind == AttemptKind::First { self.clean.count() } else { 0 };
            write(OutcomeKind::Success.label(), clean + counters.wins(kind));
            for outcome in FAILURES {
                write(outcome.label(), counters.failures(kind, outcome));
            }
            write("cancelled", counters.cancellations_of(kind));
        }
    }

    fn attempt_durations(&self, writer: &mut Writer<'_>) {
        for kind in KINDS {
            let mut spread = self.site.counters.attempts(kind);
            if kind == AttemptKind::First {
                spread = spread.with(&self.clean);
            }
            writer.histogram(Metric::AttemptDuration, &[self.name(), kind.label()], &spread);
        }
    }

    fn attempt_reasons(&self, writer: &mut Writer<'_>) {
        for met in self.site.counters.reasons() {
            let reason = met.reason.map_or("other".into(), |reason| reason.label());
            writer.count(Metric::AttemptReasons, &[self.name(), &reason], met.count);
        }
    }

    fn hedges(&self, writer: &mut Writer<'_>) {
        let (counters, kind) = (&self.site.counters, AttemptKind::Hedge);
        let denied =
            [HedgeReason::Denied, HedgeReason::AbandonedLimit, HedgeReason::ExecutorRejected];
        let impossible =
            [HedgeReason::NoExecutor, HedgeReason::NoTimer, HedgeReason::NotIdempotent];
        let results = [
            ("won", counters.wins(kind) + counters.late_wins(kind)),
            ("lost", counters.cancellations_of(kind)),
            ("failed", counters.failures_of(kind)),
            ("denied", denied.iter().map(|reason| counters.hedges_skipped(*reason)).sum()),
            ("suspended", counters.get(Counter::HedgesSuspended)),
            ("impossible", impossible.iter().map(|reason| counters.hedges_skipped(*reason)).sum()),
        ];
        for (result, count) in results {
            writer.count(Metric::Hedges, &[self.name(), result], count);
        }
    }

    fn hedge_delay(&self, writer: &mut Writer<'_>) {
        let settings = &self.terms.policy.hedge;
        if settings.enabled {
            let published = self.site.latency.trigger();
            let delay = match settings.trigger {
                Trigger::Quantile(_) | Trigger::Load(_) if !published.is_cold() => {
                    published.delay()
                }
                _ => settings.delay,
            };
            writer.gauge(Metric::HedgeDelay, &[self.name()], delay.as_secs_f64());
        }
    }

    fn hedge_wasted(&self, writer: &mut Writer<'_>) {
        let wasted = Nanos::from_nanos(self.site.counters.get(Counter::WastedNanos));
        writer.seconds(Metric::HedgeWasted, &[self.name()], wasted);
    }
}
