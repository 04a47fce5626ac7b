//! What is delivered of what was configured, where attempts do not meet.

use super::{
    Effort, Findings, Mean, Study, call_ms, load, mean, outcomes, paired, policy, scenario,
};
use crate::{
    Lane, Outcome, Overtaken, Percentile, ScenarioError, Stragglers, TwinRules, TwinTrigger,
};

const STEADY: &str = include_str!("../../scenarios/h2.toml");
const SLOW_DOWN: &str = include_str!("../../scenarios/h3.toml");
const BENCHMARK: &str = include_str!("../../scenarios/h4.toml");
const PARETO: &str = include_str!("../../scenarios/h5.toml");

/// As many calls as a peer's window has.
const WINDOW: usize = 20_000;

pub(super) const H2: Study = Study {
    id: "H2",
    title: "hedges delivered with a p95 and a p99 trigger: 5 and 1 % are configured",
    published: "tower-style recording delivers 9.9 and 5.75 %",
    run: h2,
};

pub(super) const H3: Study = Study {
    id: "H3",
    title: "hedges in the 100,000 calls after everything has become three times slower, p99 trigger",
    published: "Finagle-style 3.31 %, tower-style 6.2 %",
    run: h3,
};

pub(super) const H4: Study = Study {
    id: "H4",
    title: "50,000 requests of 20 workers, one in twenty ten times slower: p99 and what it costs",
    published: "bhope/hedge's benchmark: p99 64.3 → 17.0 ms at 8.9 %",
    run: h4,
};

pub(super) const H5: Study = Study {
    id: "H5",
    title: "delay and probability together against a percentile as the delay, at equal budget",
    published: "Kaler, He and Elnikety (SPAA 2017): a fixed percentile gains nothing where the \
                budget is no larger than the tail",
    run: h5,
};

/// The engine, hedging at a quantile.
fn quantile(p: f64) -> Lane {
    let text = format!(
        "[defaults]\nidempotent = true\n[defaults.retry]\nmax_attempts = 1\n\
         [defaults.hedge]\nenabled = true\ntrigger = {{ quantile = {p} }}\n"
    );
    policy(&format!("quantile({p})"), &text)
}

/// A peer's recorder, with nothing to limit its hedges.
fn twin(p: f64, overtaken: Overtaken) -> Lane {
    let percentile = Percentile { p, window: WINDOW, overtaken };
    let rules =
        TwinRules { hedge: Some(TwinTrigger::Percentile(percentile)), ..TwinRules::default() };
    Lane::twin("twin", rules)
}

fn h2(effort: &Effort) -> Result<Findings, ScenarioError> {
    let scenario = scenario(STEADY, effort);
    let mut findings = Findings::default();
    for (p, target) in [(0.95, 0.05), (0.99, 0.01)] {
        let ours = mean(&outcomes(&quantile(p), &scenario, effort)?, Outcome::hedge_rate);
        let tower = outcomes(&twin(p, Overtaken::Dropped), &scenario, effort)?;
        let tower = mean(&tower, Outcome::hedge_rate);
        let finagle = outcomes(&twin(p, Overtaken::Recorded), &scenario, effort)?;
        let finagle = mean(&finagle, Outcome::hedge_rate);
        let off = Mean {
            mean: (ours.mean / target - 1.0).abs(),
            noise: ours.noise.map(|noise| noise / target),
        };
        let what = format!("how far from {target} the delivered share is, as a part of it");
        findings.at_most(what, off, 0.05).twin = Some((tower.mean / target - 1.0).abs());
        findings.note(format!(
            "quantile({p}) delivers {:.4} ± {:.4}; tower-style {:.4}, Finagle-style {:.4}",
            ours.mean,
            ours.noise.unwrap_or(0.0),
            tower.mean,
            finagle.mean
        ));
    }
    Ok(findings)
}

fn h3(effort: &Effort) -> Result<Findings, ScenarioError> {
    let scenario = scenario(SLOW_DOWN, effort);
    let rate = |lane: Lane| -> Result<Mean, ScenarioError> {
        Ok(mean(&outcomes(&lane, &scenario, effort)?, Outcome::hedge_rate))
    };
    let tower = rate(twin(0.99, Overtaken::Dropped))?;
    let finagle = rate(twin(0.99, Overtaken::Recorded))?;
    let mut findings = Findings::default();
    let row = findings.at_most("hedges per call after the change", rate(quantile(0.99))?, 0.01);
    row.twin = Some(finagle.mean);
    findings.note(format!("tower-style {tower:.4}, Finagle-style {finagle:.4}"));
    // The budget alone would do; so what the trigger does without one is shown as well.
    let unlimited = policy(
        "quantile(0.99), unlimited",
        "[defaults]\nidempotent = true\n[defaults.retry]\nmax_attempts = 1\n[defaults.hedge]\n\
         enabled = true\ntrigger = { quantile = 0.99 }\nbudget = \"unlimited\"\n",
    );
    findings.note(format!("without a hedge budget {:.4}", rate(unlimited)?));
    Ok(findings)
}

fn h4(effort: &Effort) -> Result<Findings, ScenarioError> {
    let scenario = scenario(BENCHMARK, effort);
    let plain = outcomes(&Lane::no_policy(), &scenario, effort)?;
    let mut findings = Findings::default();
    findings.note(format!("without hedges: p99 {:.1} ms", mean(&plain, call_ms(0.99))));
    let tower = outcomes(
        &Lane::twin(
            "tower-style p90",
            TwinRules {
                hedge: Some(TwinTrigger::Percentile(Percentile {
                    p: 0.9,
                    window: 1_000,
                    overtaken: Overtaken::Dropped,
                })),
                ..TwinRules::default()
            },
        ),
        &scenario,
        effort,
    )?;
    let (twin_ms, twin_rate) = (mean(&tower, call_ms(0.99)), mean(&tower, Outcome::hedge_rate));
    findings.note(format!("tower-style p90: p99 {twin_ms:.1} ms at {twin_rate:.4}"));
    let dear = outcomes(&load(0.089, ""), &scenario, effort)?;
    findings.note(format!(
        "load(0.089): p99 {:.2} ms at {:.4}; the best there is, by formula, is 15.96 ms",
        mean(&dear, call_ms(0.99)),
        mean(&dear, Outcome::hedge_rate)
    ));
    // The goal is 16 ms at 8.9 % or 17 ms at 7.5 %: the latter, 16.64 ms being the best there is.
    let (x, p99, extra) = (0.075, 17.0, 0.075);
    let hedged = outcomes(&load(x, ""), &scenario, effort)?;
    let row =
        findings.at_most(format!("p99 with load({x}), ms"), mean(&hedged, call_ms(0.99)), p99);
    row.twin = Some(twin_ms.mean);
    row.or_because(
        "By formula 16.64 ms is the best there is at 7.5 %: what is lost is lost while samples are \
         few, and to what is saved up in the end. Next: plan from a parametric tail while they are.",
    );
    let rate = mean(&hedged, Outcome::hedge_rate);
    findings.at_most(format!("hedges per call with load({x})"), rate, extra);
    Ok(findings)
}

fn h5(effort: &Effort) -> Result<Findings, ScenarioError> {
    let pareto = scenario(PARETO, effort);
    let mut straggling = scenario(STEADY, effort);
    straggling.service.stragglers = vec![Stragglers {
        probability: 0.05,
        factor: 10.0,
        extra: crate::Span::default(),
        correlated: false,
    }];
    let mut findings = Findings::default();
    for (name, scenario, p, x, gain) in [
        ("Pareto(1.1, 2 ms)", &pareto, 0.95, 0.05, Some(0.30)),
        ("Pareto(1.1, 2 ms)", &pareto, 0.99, 0.01, Some(0.35)),
        ("lognormal and stragglers", &straggling, 0.95, 0.05, None),
        ("lognormal and stragglers", &straggling, 0.99, 0.01, None),
    ] {
        let plain = outcomes(&Lane::no_policy(), scenario, effort)?;
        let fixed = outcomes(&quantile(1.0 - x), scenario, effort)?;
        let ours = outcomes(&load(x, &format!("objective = {p}")), scenario, effort)?;
        let shorter = |hedged: &[Outcome]| {
            let ratio = paired(hedged, &plain, call_ms(p));
            Mean { mean: 1.0 - ratio.mean, ..ratio }
        };
        let (theirs, gained) = (shorter(&fixed), shorter(&ours));
        let rate = mean(&ours, Outcome::hedge_rate);
        let what = format!("{name}: how much shorter p{} is at {x}", 100.0 * p);
        match gain {
            Some(gain) => {
                let row = findings.at_least(what, gained, gain);
                row.twin = Some(theirs.mean);
                row.or_because("By formula 0.303 and 0.389 are the most there is. Next: as in H4.");
                findings.at_most(format!("{name}: hedges per call at {x}"), rate, x);
            }
            None => findings
                .note(format!("{what}: {gained:.3} at {rate:.4}, a fixed percentile {theirs:.3}")),
        }
    }
    Ok(findings)
}
