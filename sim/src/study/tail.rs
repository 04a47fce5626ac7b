//! The tail at scale: a request of a hundred calls.

use super::{Effort, Findings, Mean, Study, call_ms, load, mean, outcomes, scenario};
use crate::{Lane, Outcome, ScenarioError, TwinBudget, TwinRules, TwinTrigger};
use rego::Nanos;

pub(super) const H1: Study = Study {
    id: "H1",
    title: "a hundred calls per request: p99.9 of requests at 2 % extra load, the delay not told",
    published: "Dean and Barroso, The Tail at Scale (CACM 2013): 1,800 → 74 ms at +2 %, told 10 ms; \
                the distribution is fitted to these two points",
    run: h1,
};

fn h1(effort: &Effort) -> Result<Findings, ScenarioError> {
    let scenario = scenario(include_str!("../../scenarios/h1.toml"), effort);
    let plain = outcomes(&Lane::no_policy(), &scenario, effort)?;
    let told = TwinRules {
        hedge: Some(TwinTrigger::Fixed(Nanos::from_millis(10))),
        hedge_budget: TwinBudget::Unlimited,
        ..TwinRules::default()
    };
    let told = outcomes(&Lane::twin("told 10 ms", told), &scenario, effort)?;
    let mut findings = Findings::default();
    findings.note(format!("without hedges: p99.9 {:.0} ms", pooled_ms(&plain)));
    findings.note(format!(
        "twin that is told to hedge after 10 ms: p99.9 {:.1} ms at {:.2} %",
        pooled_ms(&told),
        100.0 * mean(&told, Outcome::hedge_rate).mean
    ));
    for (x, p999, extra) in [(0.02, 75.0, 0.02), (0.011, 80.0, 0.011)] {
        let lane = load(x, "objective = 0.999\nfan_out = 100");
        let hedged = outcomes(&lane, &scenario, effort)?;
        let name = if x < 0.02 { " (stretch)" } else { "" };
        let what = format!("p99.9 of requests with load({x}), ms{name}");
        let row = findings.at_most(what, Mean::exactly(pooled_ms(&hedged)), p999);
        row.twin = Some(pooled_ms(&told));
        let rate = mean(&hedged, Outcome::hedge_rate);
        findings.at_most(format!("hedges per call with load({x}){name}"), rate, extra);
        let at = hedged.first().and_then(|outcome| outcome.hedging.last());
        findings.note(format!(
            "load({x}): p50 of calls {:.2} ms; the first seed ended at {:?}",
            mean(&hedged, call_ms(0.5)).mean,
            at.map(|(_, hedging)| (hedging.delay, hedging.probability))
        ));
    }
    Ok(findings)
}

/// The 99.9th percentile of all seeds' requests together: one seed alone has too few.
fn pooled_ms(outcomes: &[Outcome]) -> f64 {
    let mut all = outcomes[0].requests.clone();
    for outcome in &outcomes[1..] {
        all.add(&outcome.requests).expect("all have the same bounds");
    }
    #[expect(clippy::cast_precision_loss, reason = "53 bits are plenty")]
    {
        all.value_at_quantile(0.999) as f64 / 1e6
    }
}
