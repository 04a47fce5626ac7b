//! One JSON object for programs.

use serde::Serialize;

use super::{LaneReport, Report};

#[derive(Serialize)]
struct Document<'a> {
    scenario: String,
    seed: u64,
    lanes: Vec<Lane<'a>>,
}

/// What `rego run` and `rego sim` alike say of a lane.
#[derive(Serialize)]
pub(crate) struct Lane<'a> {
    pub(crate) name: &'a str,
    pub(crate) calls: u64,
    pub(crate) attempts: u64,
    pub(crate) hedges: u64,
    pub(crate) success: f64,
    #[serde(flatten)]
    pub(crate) quantiles: Quantiles,
    pub(crate) load: f64,
    /// `null` where nothing limits them.
    pub(crate) budget_bound: Option<u64>,
}

/// In milliseconds, to the microsecond.
#[derive(Serialize)]
pub(crate) struct Quantiles {
    p50_ms: f64,
    p90_ms: f64,
    p99_ms: f64,
    p999_ms: f64,
}

impl Quantiles {
    /// As `ms` says of each.
    pub(crate) fn of(ms: impl Fn(f64) -> f64) -> Self {
        let rounded = |quantile| (ms(quantile) * 1e3).round() / 1e3;
        Self {
            p50_ms: rounded(0.5),
            p90_ms: rounded(0.9),
            p99_ms: rounded(0.99),
            p999_ms: rounded(0.999),
        }
    }
}

/// The report as one line of JSON.
pub(crate) fn json(report: &Report) -> String {
    let document = Document {
        scenario: report.scenario(),
        seed: report.seed,
        lanes: report.lanes.iter().map(lane).collect(),
    };
    serde_json::to_string(&document).expect("numbers and strings are always JSON")
}

fn lane(lane: &LaneReport) -> Lane<'_> {
    Lane {
        name: lane.name,
        calls: lane.summary.calls,
        attempts: lane.account.attempts,
        hedges: lane.account.policy.as_ref().map_or(0, |policy| policy.hedges),
        success: lane.summary.success(),
        quantiles: Quantiles::of(|quantile| lane.summary.quantile_ms(quantile)),
        load: lane.load(),
        budget_bound: lane.bound(),
    }
}
