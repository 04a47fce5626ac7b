//! Promises that a run can see kept or broken.

use std::time::Duration;

use super::{LaneReport, Report, Subject};
use crate::{scenario::Scenario, stats::share};

/// One promise and what became of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Check {
    pub(crate) is_kept: bool,
    pub(crate) text: String,
}

/// How long after an outage calls are expected to be well again.
const RECOVERY: Duration = Duration::from_secs(1);

/// The promises that concern this run's lanes with a policy.
pub(crate) fn checks(report: &Report) -> Vec<Check> {
    let mut checks = Vec::new();
    for lane in report.lanes.iter().filter(|lane| lane.account.policy.is_some()) {
        checks.extend(within_budget(lane));
        if let Subject::Embedded { scenario, window } = report.subject {
            match (scenario, window) {
                (Scenario::Pushback, _) => checks.push(patient(lane)),
                (Scenario::Outage, Some((_, end))) => checks.extend(recovered(lane, end)),
                _ => {}
            }
        }
    }
    checks
}

fn within_budget(lane: &LaneReport) -> Option<Check> {
    let extra = lane.account.attempts.saturating_sub(lane.summary.calls);
    let bound = lane.bound()?;
    Some(Check {
        is_kept: extra <= bound,
        text: format!(
            "{}: {extra} extra attempts, of {bound} the budgets could have granted",
            lane.name
        ),
    })
}

fn patient(lane: &LaneReport) -> Check {
    let tally = lane.tally.unwrap_or_default();
    Check {
        is_kept: tally.early == 0,
        text: format!(
            "{}: {} of {} pushed-back calls came back before their Retry-After",
            lane.name, tally.early, tally.pushed_back
        ),
    }
}

fn recovered(lane: &LaneReport, end: Duration) -> Option<Check> {
    let after = lane.samples.iter().filter(|sample| sample.start >= end + RECOVERY);
    let (mut calls, mut good) = (0, 0);
    for sample in after {
        calls += 1;
        good += u64::from(sample.is_ok);
    }
    if calls == 0 {
        return None;
    }
    Some(Check {
        is_kept: share(good, calls) >= 0.999,
        text: format!(
            "{}: {good} of {calls} calls good from a second after the outage on",
            lane.name
        ),
    })
}
