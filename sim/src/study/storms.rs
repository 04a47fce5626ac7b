//! Retries when everything fails: storms and what they are funded by.

use rego::Nanos;

use super::{Effort, Findings, Mean, Study, mean, outcomes, policy, scenario};
use crate::{Lane, Outcome, Scenario, ScenarioError, TwinBudget, TwinRules};

const FAILING: &str = include_str!("../../scenarios/h7.toml");
const LAYERS: &str = include_str!("../../scenarios/h7-layers.toml");
const BROOKER: &str = include_str!("../../scenarios/h9.toml");

pub(super) const H7: Study = Study {
    id: "H7",
    title: "everything fails and every call would retry three times: attempts per call",
    published: "4.00 ×; three layers deep 64 ×",
    run: h7,
};

pub(super) const H9: Study = Study {
    id: "H9",
    title: "100 clients of 10 calls/s, a share of attempts fails; retries cost a tenth, five saved up",
    published: "Brooker, Fixing retries with token buckets and circuit breakers (2022): load 1.103, \
                1.143, 1.143 and success .992, .576, 0 at failures of .1, .5, 1",
    run: h9,
};

/// Three retries, and the default budget.
const RETRIES: &str = "[defaults.retry]\nmax_attempts = 4\ninitial_backoff = \"1ms\"\n";

/// Three retries, paid for by requests.
const BY_REQUESTS: &str = "[defaults.retry]\nmax_attempts = 4\ninitial_backoff = \"1ms\"\n\
    budget = \"b\"\n[budgets.b]\nkind = \"ratio\"\nratio = 0.1\ncap = 5\nmin_per_sec = 0\nstart = 5\n\
    funding = \"requests\"\n";

fn four_attempts(retry_budget: TwinBudget) -> Lane {
    let backoff = Nanos::from_millis(1);
    Lane::twin("twin", TwinRules { attempts: 4, backoff, retry_budget, ..TwinRules::default() })
}

fn h7(effort: &Effort) -> Result<Findings, ScenarioError> {
    let single = scenario(FAILING, effort);
    let ours = outcomes(&policy("retries", RETRIES), &single, effort)?;
    let twin = outcomes(&four_attempts(TwinBudget::Unlimited), &single, effort)?;
    let mut findings = Findings::default();
    // What a budget starts with, and its floor for as long as calls arrive.
    let seconds = single.duration.0.as_secs_f64();
    let requests = mean(&ours, |outcome| to_f64(outcome.calls)).mean;
    let bound = 1.0 + (5.0 + seconds) / requests;
    let row = findings.at_most("attempts per call", mean(&ours, Outcome::load), bound);
    row.twin = Some(mean(&twin, Outcome::load).mean);
    let layers = scenario(LAYERS, effort);
    let deepest = |outcome: &Outcome| to_f64(outcome.deepest) / to_f64(outcome.calls);
    let ours = outcomes(&policy("retries", RETRIES), &layers, effort)?;
    let twin = outcomes(&four_attempts(TwinBudget::Unlimited), &layers, effort)?;
    let row = findings.at_most(
        "attempts at the third of three layers per call",
        mean(&ours, deepest),
        1.33,
    );
    row.twin = Some(mean(&twin, deepest).mean);
    Ok(findings)
}

fn h9(effort: &Effort) -> Result<Findings, ScenarioError> {
    // It is about what is saved up at first: a part of it is another study.
    let base = scenario(BROOKER, &Effort { length: 1.0, ..*effort });
    let failing = |share: f64| {
        let mut scenario: Scenario = base.clone();
        scenario.service.failures = share;
        scenario
    };
    let mut findings = Findings::default();
    let bucket = TwinBudget::Bucket { ratio: 0.1, cap: 5.0 };
    for (share, load, success) in [(0.1, 1.103, 0.992), (0.5, 1.143, 0.576), (1.0, 1.143, 0.0)] {
        let scenario = failing(share);
        let ours = outcomes(&policy("by requests", BY_REQUESTS), &scenario, effort)?;
        let twin = outcomes(&four_attempts(bucket), &scenario, effort)?;
        for (name, published, figure) in [
            ("load", load, Outcome::load as fn(&Outcome) -> f64),
            ("success", success, Outcome::success),
        ] {
            let (found, theirs) = (mean(&ours, figure), mean(&twin, figure));
            let off = |value: f64| (value - published).abs();
            let what = format!("{name} at failures of {share}: off {published} by");
            let row = findings.at_most(what, Mean { mean: off(found.mean), ..found }, 0.01);
            row.twin = Some(off(theirs.mean));
            findings.note(format!(
                "{name} at failures of {share}: {found:.3}, a bucket of its own {theirs:.3}"
            ));
        }
        if share >= 1.0 {
            let by_successes = outcomes(&policy("retries", RETRIES), &scenario, effort)?;
            let rest = mean(&by_successes, after_the_start);
            let what = "load at failures of 1 with the default budget, after the first two seconds";
            findings.at_most(what, rest, 1.01);
            findings.note(format!(
                "load at failures of 1 with the default budget, from the start: {:.3}, as each \
                 client has five retries to begin with, for a hundred calls",
                mean(&by_successes, Outcome::load)
            ));
        }
    }
    Ok(findings)
}

/// Attempts per call once what was saved up is spent.
fn after_the_start(outcome: &Outcome) -> f64 {
    let rest = outcome.series.iter().skip(2);
    let (begun, attempts) =
        rest.fold((0, 0), |sum, second| (sum.0 + second.begun, sum.1 + second.attempts));
    to_f64(attempts) / to_f64(begun)
}

#[expect(clippy::cast_precision_loss, reason = "counts of a simulation")]
fn to_f64(count: u64) -> f64 {
    count as f64
}
