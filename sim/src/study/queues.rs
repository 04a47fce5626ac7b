//! Hedging where it costs: servers with queues.

use rego::Nanos;

use super::{
    Effort, Findings, Mean, Plot, Study, call_ms, load, mean, outcomes, paired, policy, scenario,
};
use crate::{
    Lane, Outcome, Overtaken, Percentile, Scenario, ScenarioError, TwinRules, TwinTrigger,
};

const TEN_QUEUES: &str = include_str!("../../scenarios/h6.toml");
const MEMORYLESS: &str = include_str!("../../scenarios/h14.toml");

/// What the engine may add.
const EXTRA: f64 = 0.05;

pub(super) const H6: Study = Study {
    id: "H6",
    title: "ten servers with queues, one attempt in a hundred twenty times slower: p99 with hedges \
            over p99 without, on the same luck",
    published: "hedging without a budget collapses at 80 % load: 98 % of calls are hedged",
    run: h6,
};

pub(super) const H14: Study = Study {
    id: "H14",
    title: "two copies of every request: up to which load does that help?",
    published: "Vulimiri et al., Low Latency via Redundancy (CoNEXT 2013): up to 1/3 for M/M/1",
    run: h14,
};

fn h6(effort: &Effort) -> Result<Findings, ScenarioError> {
    let mut with_cancel = scenario(TEN_QUEUES, effort);
    let mut findings = Findings::default();
    let mut lines = vec![
        ("without hedges".to_owned(), Vec::new()),
        (format!("load({EXTRA})"), Vec::new()),
        ("twin without a budget".to_owned(), Vec::new()),
    ];
    let ours = load(EXTRA, "");
    let mut idle = 0.0f64;
    for tenths in 3..=9 {
        let utilisation = f64::from(tenths) / 10.0;
        with_cancel.load(utilisation)?;
        let mut without_cancel = with_cancel.clone();
        without_cancel.service.cancel = false;
        let plain = outcomes(&Lane::no_policy(), &with_cancel, effort)?;
        let hedged = outcomes(&ours, &with_cancel, effort)?;
        let in_vain = outcomes(&ours, &without_cancel, effort)?;
        let ratio = paired(&hedged, &plain, call_ms(0.99));
        let upper = Mean::exactly(ratio.upper());
        let what = format!("upper end of p99's ratio at load {utilisation}, losers cancelled");
        findings.at_most(what, upper, 1.0);
        let wasteful = paired(&in_vain, &plain, call_ms(0.99));
        let what = format!("upper end of p99's ratio at load {utilisation}, losers run on");
        if tenths <= 8 {
            findings.at_most(what, Mean::exactly(wasteful.upper()), 1.05).or_because(
                "Every hedge is work in vain for one of two servers here, and what that makes the \
                 others wait is about what hedges save. Next: let the planner know how busy servers \
                 are by how waiting grows with its own hedges.",
            );
        }
        if tenths <= 7 {
            idle = idle.max(mean(&hedged, shut).mean).max(mean(&in_vain, shut).mean);
        }
        if matches!(tenths, 5 | 8 | 9) {
            gate_price(&mut findings, utilisation, &hedged, &plain);
            price_of_finding(&mut findings, &with_cancel, utilisation, &hedged, effort)?;
        }
        let twin = unbudgeted(&without_cancel, effort)?;
        findings.note(format!(
            "load {utilisation}: p99 {:.1} ms without hedges; ratio {ratio:.3} with (hedges {:.4}, \
             servers busy {:.3}, gate shut {:.3} of the time), {wasteful:.3} where losers run on (hedges {:.4}); twin without a \
             budget {:.1} (hedges {:.2})",
            mean(&plain, call_ms(0.99)).mean,
            mean(&hedged, Outcome::hedge_rate).mean,
            mean(&hedged, Outcome::utilisation).mean,
            mean(&hedged, shut).mean,
            mean(&in_vain, Outcome::hedge_rate).mean,
            paired(&twin, &plain, call_ms(0.99)).mean,
            mean(&twin, Outcome::hedge_rate).mean,
        ));
        for (line, outcomes) in lines.iter_mut().zip([&plain, &hedged, &twin]) {
            line.1.push((utilisation, mean(outcomes, call_ms(0.99)).mean));
        }
    }
    let what = "the largest share of the time that the gate is shut at loads up to 0.7";
    findings.at_most(what, Mean::exactly(idle), 0.01);
    findings.plot = Some(Plot {
        title: "p99 against load".to_owned(),
        axes: ("load of first attempts".to_owned(), "p99, ms".to_owned()),
        log: (false, true),
        lines,
    });
    Ok(findings)
}

/// What the gate costs: how much of the time it is shut, and the p99 over the one that calls have
/// while it is open. What calls have while it is shut is taken to be what they have without hedges.
fn gate_price(findings: &mut Findings, utilisation: f64, gated: &[Outcome], plain: &[Outcome]) {
    let dearer = gated.iter().zip(plain).map(|(gated, plain)| {
        let shut = shut(gated);
        let late = |outcome: &Outcome, nanos: u64| 1.0 - outcome.latency.quantile_below(nanos);
        let is_met =
            |nanos: u64| late(gated, nanos) - shut * late(plain, nanos) <= 0.01 * (1.0 - shut);
        let with = gated.quantile(0.99).as_nanos();
        let (mut bad, mut good) = (0, with);
        while good - bad > with / 1_000 {
            let middle = u64::midpoint(bad, good);
            if is_met(middle) { good = middle } else { bad = middle }
        }
        let open = Nanos::from_nanos(good);
        gated.quantile(0.99).as_secs_f64() / open.as_secs_f64()
    });
    let dearer: Vec<f64> = dearer.collect();
    findings.note(format!(
        "the gate's price at load {utilisation}: shut {:.3} of the time, p99 {:.3} times that of the \
         time it is open",
        mean(gated, shut),
        Mean::of(&dearer),
    ));
}

/// What it costs that the delay is not told: the p99 over that of the delay that was found in the
/// end, fixed and told in advance, with a budget of its own for the same share.
fn price_of_finding(
    findings: &mut Findings,
    scenario: &Scenario,
    utilisation: f64,
    found: &[Outcome],
    effort: &Effort,
) -> Result<(), ScenarioError> {
    let last = |outcome: &Outcome| outcome.hedging.last().map(|(_, hedging)| hedging.delay);
    let delay = mean(found, |outcome| last(outcome).map_or(0.0, |it| it.as_secs_f64() * 1e6));
    let told = policy(
        "fixed",
        &format!(
            "[defaults]\nidempotent = true\n[defaults.retry]\nmax_attempts = 1\n\
             [defaults.hedge]\nenabled = true\ndelay = \"{:.0}us\"\nbudget = \"b\"\n\
             [budgets.b]\nkind = \"ratio\"\nratio = {EXTRA}\nstart = 1\ncap = 50\n\
             min_per_sec = 0\nfunding = \"requests\"\n",
            delay.mean
        ),
    );
    let told = outcomes(&told, scenario, effort)?;
    findings.note(format!(
        "the price of finding the delay at load {utilisation}: p99 {:.3} times that of {:.1} ms told in \
         advance, which hedges {:.4}",
        paired(found, &told, call_ms(0.99)),
        delay.mean / 1e3,
        mean(&told, Outcome::hedge_rate).mean,
    ));
    Ok(())
}

/// The share of the time in which hedging was suspended.
#[expect(clippy::cast_precision_loss, reason = "a few hundred looks")]
fn shut(outcome: &Outcome) -> f64 {
    let shut = outcome.hedging.iter().filter(|(_, hedging)| hedging.suspended).count();
    shut as f64 / outcome.hedging.len().max(1) as f64
}

/// Hedges at the 95th percentile of what was seen, as often as that says.
fn unbudgeted(scenario: &Scenario, effort: &Effort) -> Result<Vec<Outcome>, ScenarioError> {
    let percentile = Percentile { p: 0.95, window: 2_000, overtaken: Overtaken::Dropped };
    let rules =
        TwinRules { hedge: Some(TwinTrigger::Percentile(percentile)), ..TwinRules::default() };
    outcomes(&Lane::twin("twin", rules), scenario, effort)
}

/// Two copies of every request, as soon as a policy allows.
fn twice() -> Lane {
    policy(
        "two copies",
        "[defaults]\nidempotent = true\n[defaults.retry]\nmax_attempts = 1\n\
         overall_timeout = \"off\"\n[defaults.hedge]\nenabled = true\ndelay = \"100us\"\n\
         budget = \"unlimited\"\n",
    )
}

fn h14(effort: &Effort) -> Result<Findings, ScenarioError> {
    let mut scenario = scenario(MEMORYLESS, effort);
    scenario.service.cancel = false;
    let mut findings = Findings::default();
    let mut line = Vec::new();
    for hundredths in [24u32, 28, 32, 36, 40] {
        let utilisation = f64::from(hundredths) / 100.0;
        scenario.load(utilisation)?;
        let plain = outcomes(&Lane::no_policy(), &scenario, effort)?;
        let two = outcomes(&twice(), &scenario, effort)?;
        let ratio = paired(&two, &plain, |outcome| outcome.latency.mean());
        findings.note(format!("load {utilisation}: mean with two copies over one {ratio:.3}"));
        line.push((utilisation, ratio.mean));
    }
    let threshold = crossing(&line).unwrap_or(f64::NAN);
    findings.note(format!("two copies break even at a load of {threshold:.3}"));
    let off = Mean::exactly((threshold - 1.0 / 3.0).abs());
    findings.at_most("how far from 1/3 two copies break even", off, 0.02);
    scenario.service.cancel = true;
    for tenths in [3, 5, 7, 9] {
        let utilisation = f64::from(tenths) / 10.0;
        scenario.load(utilisation)?;
        let plain = outcomes(&Lane::no_policy(), &scenario, effort)?;
        let hedged = outcomes(&load(EXTRA, ""), &scenario, effort)?;
        let ratio = paired(&hedged, &plain, call_ms(0.99));
        let what = format!(
            "upper end of p99's ratio at load {utilisation}, load({EXTRA}), losers cancelled"
        );
        findings.at_most(what, Mean::exactly(ratio.upper()), 1.0);
        findings.note(format!(
            "load {utilisation}: p99 with load({EXTRA}) over p99 without {ratio:.3}, hedges {:.4}",
            mean(&hedged, Outcome::hedge_rate).mean
        ));
    }
    findings.plot = Some(Plot {
        title: "two copies of every request".to_owned(),
        axes: ("load".to_owned(), "mean with two over mean with one".to_owned()),
        log: (false, false),
        lines: vec![("no cancellation".to_owned(), line)],
    });
    Ok(findings)
}

/// Where a line comes up through 1.
fn crossing(line: &[(f64, f64)]) -> Option<f64> {
    line.windows(2).find_map(|pair| {
        let [(x0, y0), (x1, y1)] = [pair[0], pair[1]];
        (y0 <= 1.0 && y1 > 1.0).then(|| x0 + (x1 - x0) * (1.0 - y0) / (y1 - y0))
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_crossing_lies_between_its_points() {
        assert_eq!(super::crossing(&[(0.2, 0.5), (0.4, 1.5)]), Some(0.30000000000000004));
        assert_eq!(super::crossing(&[(0.2, 0.5), (0.4, 0.9)]), None);
    }
}
