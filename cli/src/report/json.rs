//! One JSON object for programs.

use serde::Serialize;

use super::{LaneReport, Report};

#[derive(Serialize)]
struct Document {
    scenario: String,
    seed: u64,
    lanes: Vec<Lane>,
}

#[derive(Serialize)]
struct Lane {
    name: &'static str,
    calls: u64,
    attempts: u64,
    hedges: u64,
    success: f64,
    p50_ms: f64,
    p90_ms: f64,
    p99_ms: f64,
    p999_ms: f64,
    load: f64,
    /// `null` where nothing limits them.
    budget_bound: Option<u64>,
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

fn lane(lane: &LaneReport) -> Lane {
    let ms = |quantile| (lane.summary.quantile_ms(quantile) * 1e3).round() / 1e3;
    Lane {
        name: lane.name,
        calls: lane.summary.calls,
        attempts: lane.account.attempts,
        hedges: lane.account.policy.as_ref().map_or(0, |policy| policy.hedges),
        success: lane.summary.success(),
        p50_ms: ms(0.5),
        p90_ms: ms(0.9),
        p99_ms: ms(0.99),
        p999_ms: ms(0.999),
        load: lane.load(),
        budget_bound: lane.bound(),
    }
}
