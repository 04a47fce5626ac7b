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
    for (x, p999, is_goal) in [(0.02, 75.0, true), (0.011, 80.0, false)] {
        let lane = load(x, "objective = 0.999\nfan_out = 100");
        let hedged = outcomes(&lane, &scenario, effort)?;
        let (found, rate) = (pooled_ms(&hedged), mean(&hedged, Outcome::hedge_rate));
        if is_goal {
            let what = format!("p99.9 of requests with load({x}), ms");
            findings.at_most(what, Mean::exactly(found), p999).twin = Some(pooled_ms(&told));
            findings.at_most(format!("hedges per call with load({x})"), rate, x);
        } else {
            let word = if found <= p999 { "reached" } else { "not reached" };
            findings
                .note(format!("further: {p999} ms at {x} is {word}, {found:.1} ms at {rate:.4}"));
        }
        let at = hedged.first().and_then(|outcome| outcome.hedging.last());
        if let Some((_, hedging)) = at {
            findings.note(format!(
                "load({x}): p50 of calls {:.2} ms; the first seed ended with hedges after {:.1?} \
                 with probability {:.2}",
                mean(&hedged, call_ms(0.5)).mean,
                hedging.delay.to_duration(),
                hedging.probability
            ));
        }
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
