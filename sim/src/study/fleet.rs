//! Metastable failure: after an outage, does a fleet of clients let its server recover?

use rego::Nanos;

use super::{Effort, Findings, Mean, Plot, Study, mean, outcomes, per_seed, policy, scenario};
use crate::{Lane, Outcome, Scenario, ScenarioError, Second, TwinBudget, TwinRules};

const OUTAGE: &str = include_str!("../../scenarios/h8.toml");

pub(super) const H8: Study = Study {
    id: "H8",
    title: "a server for 300/s gets 280/s and stands still for ten seconds: how long until it is well \
            again, over how long it takes without retries",
    published: "Bronson et al., Metastable Failures (HotOS 2021): one retry, 560/s for ever; Finagle's \
                default budget and a floor of 1/s in each of 28 clients never recover",
    run: h8,
};

/// One retry, a second for each attempt, and the default budget.
const RETRY: &str = "[defaults.retry]\nmax_attempts = 2\nattempt_timeout = \"1s\"\n\
    overall_timeout = \"3s\"\n";
const NO_RETRY: &str = "[defaults.retry]\nmax_attempts = 1\nattempt_timeout = \"1s\"\n";

/// When the outage is over, in seconds.
const OVER: usize = 40;
/// Well for so many seconds is well.
const WELL: usize = 10;

fn h8(effort: &Effort) -> Result<Findings, ScenarioError> {
    // Recovery takes as long as it takes.
    let effort = Effort { length: 1.0, ..*effort };
    let base = scenario(OUTAGE, &effort);
    let mut findings = Findings::default();
    let mut lines = Vec::new();
    for clients in [1, 28, 280] {
        let mut fleet = base.clone();
        fleet.clients = clients;
        let plain = outcomes(&policy("no retries", NO_RETRY), &fleet, &effort)?;
        let ours = outcomes(&policy("one retry", RETRY), &fleet, &effort)?;
        let ratios: Vec<f64> = ours
            .iter()
            .zip(&plain)
            .map(|(one, other)| recovery(&one.series) / recovery(&other.series))
            .collect();
        let what = format!("{clients} clients: time to recover over that without retries");
        findings.at_most(what, Mean::of(&ratios), 1.3).or_because(
            "What each process has saved up, and its floor, come on top once for each, where the \
             server has 20 a second to spare. No budget of one process knows how many there are. \
             Next: a floor that shrinks while first attempts time out.",
        );
        let seconds = |outcomes: &[Outcome]| mean(outcomes, |outcome| recovery(&outcome.series));
        findings.note(format!(
            "{clients} clients: {:.0} s with the default budget, {:.0} s without retries",
            seconds(&ours),
            seconds(&plain)
        ));
        if clients == 280 {
            settings(&fleet, &plain, &effort, &mut findings)?;
        }
        let mut dropping = fleet.clone();
        dropping.service.drop_expired = true;
        let dropped = outcomes(&policy("one retry", RETRY), &dropping, &effort)?;
        let what = format!("{clients} clients: seconds to recover where expired work is dropped");
        findings.at_most(what, seconds(&dropped), 2.0);
        lines.push((format!("{clients} clients, default budget"), rates(&ours[0])));
        if clients == 28 {
            lines.push(("28 clients, no retries".to_owned(), rates(&plain[0])));
            twins(&fleet, &effort, &mut findings, &mut lines)?;
        }
    }
    findings.plot = Some(Plot {
        title: "attempts per second; the server stands still from 30 to 40 s".to_owned(),
        axes: ("seconds".to_owned(), "attempts per second".to_owned()),
        log: (false, false),
        lines,
    });
    Ok(findings)
}

/// A large fleet with other settings of its budget.
fn settings(
    fleet: &Scenario,
    plain: &[Outcome],
    effort: &Effort,
    findings: &mut Findings,
) -> Result<(), ScenarioError> {
    for (start, floor) in [(5, 0.1), (2, 1.0), (2, 0.1)] {
        let text = format!(
            "{RETRY}budget = \"b\"\n[budgets.b]\nkind = \"ratio\"\nratio = 0.1\nstart = {start}\n\
             min_per_sec = {floor}\n"
        );
        let ours = outcomes(&policy("one retry", &text), fleet, effort)?;
        let ratios: Vec<f64> = ours
            .iter()
            .zip(plain)
            .map(|(one, other)| recovery(&one.series) / recovery(&other.series))
            .collect();
        findings.note(format!(
            "{} clients with start {start}, floor {floor}/s: {:.2} times as long as without retries",
            fleet.clients,
            Mean::of(&ratios)
        ));
    }
    Ok(())
}

type Line = (String, Vec<(f64, f64)>);

/// Peers that never recover.
fn twins(
    fleet: &Scenario,
    effort: &Effort,
    findings: &mut Findings,
    lines: &mut Vec<Line>,
) -> Result<(), ScenarioError> {
    for (name, retry_budget) in [
        ("one retry without a budget", TwinBudget::Unlimited),
        (
            "Finagle's default: 20 % of requests, 10/s",
            TwinBudget::Requests { ratio: 0.2, min_per_sec: 10.0 },
        ),
        ("10 % of requests, 1/s", TwinBudget::Requests { ratio: 0.1, min_per_sec: 1.0 }),
    ] {
        let rules = TwinRules {
            attempts: 2,
            backoff: Nanos::from_millis(10),
            attempt_timeout: Nanos::from_secs(1),
            retry_budget,
            ..TwinRules::default()
        };
        let lane = Lane::twin(name, rules);
        let all = per_seed(effort, |seed| lane.run(fleet, seed))?;
        let never = all.iter().filter(|outcome| recovery(&outcome.series).is_infinite()).count();
        findings.note(format!(
            "twin with {name}, 28 clients: {never} of {} never recover within {:.0} s",
            all.len(),
            fleet.duration.0.as_secs_f64() - to_f64(OVER)
        ));
        lines.push((name.to_owned(), rates(&all[0])));
    }
    Ok(())
}

/// How many seconds after the outage calls are well again: 99 of a hundred that begin in each of
/// the next ten seconds succeed. Infinite if they never are.
fn recovery(series: &[Second]) -> f64 {
    let well = |second: &Second| 100 * second.good >= 99 * second.begun;
    let after = &series[OVER.min(series.len())..];
    let first = after.windows(WELL).position(|window| window.iter().all(well));
    first.map_or(f64::INFINITY, |seconds| to_f64(seconds.max(1)))
}

/// Attempts per second, over five seconds each.
fn rates(outcome: &Outcome) -> Vec<(f64, f64)> {
    let chunks = outcome.series.chunks(5).enumerate();
    chunks
        .map(|(nth, chunk)| {
            let attempts: u64 = chunk.iter().map(|second| second.attempts).sum();
            let attempts = u32::try_from(attempts).unwrap_or(u32::MAX);
            (to_f64(5 * nth), f64::from(attempts) / to_f64(chunk.len()))
        })
        .collect()
}

#[expect(clippy::cast_precision_loss, reason = "a small number")]
fn to_f64(number: usize) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn well_is_well_for_ten_seconds() {
        let mut series = vec![Second { begun: 100, good: 0, ..Second::default() }; 40 + 30];
        assert!(recovery(&series).is_infinite());
        series[45..].iter_mut().for_each(|second| second.good = 99);
        assert_eq!(recovery(&series), 5.0);
        series[50].good = 98;
        assert_eq!(recovery(&series), 11.0);
    }
}
