//! What a site does from time to time, on a thread that is about to wait: takes in its latencies,
//! plans its hedges, reports to its budgets.

use super::{Counters, Site, Terms};
use crate::{
    budget::Report,
    clock::Nanos,
    curve::{Plan, Reading},
    hedge::{self, Gate, Limits, Rule, Tally},
    notes::AttemptKind,
    outcome::CancelReason,
    policy::{Hedge, Mode, Trigger},
};

/// What a site's refreshers remember between their turns.
#[derive(Debug, Default)]
pub(super) struct Refresher {
    gate: Gate,
    hedges: Hedges,
    reported: Option<Reported>,
    /// When the site was made, if anybody said.
    pub(super) born: Option<Nanos>,
    /// Its budgets are not those of its first calls.
    pub(super) moved: bool,
}

/// Hedges that have ended, and those that won.
#[derive(Clone, Copy, Debug, Default)]
struct Hedges {
    ended: u64,
    won: u64,
}

/// First attempts, as of a report to the budgets.
#[derive(Clone, Copy, Debug)]
struct Reported {
    at: Nanos,
    attempts: u64,
    answered: u64,
}

impl Site {
    /// Whether the last time is long enough ago. One load.
    #[inline]
    pub(crate) fn is_refresh_due(&self, now: Nanos) -> bool {
        self.latency.due(now)
    }

    /// Refreshes if the last time is long enough ago and nobody else does. One load if not.
    #[inline]
    pub(crate) fn refresh_if_due(&self, terms: &Terms, now: Nanos) {
        if self.is_refresh_due(now) {
            self.refresh(terms, now);
        }
    }

    /// Takes in what was observed, publishes the trigger, and reports to the budgets; leaves at
    /// once if another thread is at it. Up to 50 µs: for threads that are about to wait.
    #[cold]
    pub(crate) fn refresh(&self, terms: &Terms, now: Nanos) {
        let mut plan = |reading: &Reading<'_>| self.plan(terms, reading);
        if let Some(totals) = self.latency.refresh(now, &mut plan) {
            self.report(terms, totals.events, now);
        }
    }

    fn plan(&self, terms: &Terms, reading: &Reading<'_>) -> Plan {
        let settings = &terms.policy.hedge;
        // A plan that is not carried out, or in part, leaves its budget full for another reason.
        let is_carried_out = terms.mode == Mode::Active && !reading.in_force.trigger.is_suspended();
        let budget = terms.hedge_budget.as_ref().filter(|_| is_carried_out);
        let level = budget.and_then(|budget| budget.level());
        let plan = hedge::plan(rule(settings).steered(level), limits(settings), reading.curve);
        if !settings.enabled {
            return plan;
        }
        let mut refresher = self.refresher.lock();
        let (now, before) = (Hedges::of(&self.counters), refresher.hedges);
        refresher.hedges = now;
        let tally = Tally::new(reading, now.ended - before.ended, now.won - before.won);
        refresher.gate.feed(tally);
        refresher.gate.pass(plan)
    }

    fn report(&self, terms: &Terms, events: u64, now: Nanos) {
        let mut refresher = self.refresher.lock();
        let next = Reported::of(&self.counters, events, now);
        if refresher.reported.is_some_and(|last| now < last.at) {
            // Another refresher was faster, and knows more.
            return;
        }
        // What was before the first report came since the site was made.
        let born = refresher.born.unwrap_or(now);
        let last = refresher.reported.unwrap_or(Reported { at: born, attempts: 0, answered: 0 });
        refresher.reported = Some(next);
        let late = [AttemptKind::First, AttemptKind::Retry, AttemptKind::Hedge]
            .map(|kind| self.counters.late_wins(kind));
        let any = events + self.counters.wins(AttemptKind::Hedge) + late.iter().sum::<u64>();
        self.health.judge(next.answered, any, now);
        let report = Report {
            since: last.at,
            // Counters that are read one after the other may be a little apart.
            answered: next.answered.saturating_sub(last.answered),
            attempts: next.attempts.saturating_sub(last.attempts),
            moved: refresher.moved,
        };
        for budget in terms.budgets() {
            budget.refresh(report, now);
        }
    }
}

impl Hedges {
    fn of(counters: &Counters) -> Self {
        let won = counters.wins(AttemptKind::Hedge);
        let failed = counters.failures_of(AttemptKind::Hedge);
        let stopped = counters.cancellations(AttemptKind::Hedge, CancelReason::LostRace);
        Self { ended: won + failed + stopped, won }
    }
}

impl Reported {
    fn of(counters: &Counters, events: u64, at: Nanos) -> Self {
        // Primary legs that won are in the histogram, those of retries too.
        let succeeded = events.saturating_sub(counters.wins(AttemptKind::Retry));
        let ended = counters.failures_of(AttemptKind::First)
            + counters.cancellations_of(AttemptKind::First);
        // Refusals that are answers deposit for themselves; they do not raise the ceiling.
        Self { at, attempts: succeeded + ended, answered: succeeded }
    }
}

fn rule(settings: &Hedge) -> Rule {
    match settings.trigger {
        Trigger::Fixed => Rule::Fixed { delay: settings.delay },
        Trigger::Quantile(p) => Rule::Quantile { p },
        // A request is done when all of its calls are.
        Trigger::Load(x) => {
            Rule::Load { x, objective: settings.objective.powf(1.0 / f64::from(settings.fan_out)) }
        }
    }
}

fn limits(settings: &Hedge) -> Limits {
    Limits {
        fallback: settings.delay,
        min_delay: settings.min_delay,
        max_delay: settings.max_delay,
    }
}
