//! What a simulation found out, for a terminal, for programs and as a page.

mod page;

use std::fmt::{self, Write};

use rego_sim::Outcome;
use serde::Serialize;

use super::sweep::Point;
use crate::report::{Lane, Quantiles, grouped};

/// Everything a simulation found out.
pub(super) struct Report {
    pub(super) source: String,
    pub(super) about: String,
    pub(super) seed: u64,
    /// The share of time that servers are busy with first attempts.
    pub(super) utilisation: Option<f64>,
    pub(super) lanes: Vec<LaneResult>,
    /// The field that was varied, and what became of it.
    pub(super) sweep: Option<(String, Vec<Point>)>,
    pub(super) frontier: Vec<Point>,
    pub(super) notes: Vec<String>,
}

pub(super) struct LaneResult {
    pub(super) name: String,
    pub(super) outcome: Outcome,
}

#[derive(Serialize)]
struct Document<'a> {
    scenario: &'a str,
    seed: u64,
    lanes: Vec<Simulated<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    sweep: Vec<Simulated<'a>>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    notes: &'a [String],
}

/// As in `rego run`, and what only a simulation knows.
#[derive(Serialize)]
struct Simulated<'a> {
    #[serde(flatten)]
    lane: Lane<'a>,
    /// The share of time that servers were busy.
    busy: f64,
    /// The share of that which nobody waited for any more.
    wasted: f64,
}

impl Report {
    /// One line of JSON.
    pub(super) fn json(&self) -> String {
        let points = self.sweep.iter().flat_map(|(_, points)| points);
        let document = Document {
            scenario: &self.source,
            seed: self.seed,
            lanes: self.lanes.iter().map(|one| Simulated::of(&one.name, &one.outcome)).collect(),
            sweep: points.map(|point| Simulated::of(&point.label, &point.outcome)).collect(),
            notes: &self.notes,
        };
        serde_json::to_string(&document).expect("numbers and strings are always JSON")
    }

    /// For a terminal.
    pub(super) fn text(&self) -> String {
        let mut out = String::new();
        self.write(&mut out).expect("a string takes all that is written to it");
        out
    }

    fn write(&self, out: &mut String) -> fmt::Result {
        writeln!(out, "{}\n", self.title())?;
        for line in HEAD {
            writeln!(out, "{}", line.trim_end())?;
        }
        for lane in &self.lanes {
            writeln!(out, "{}", row(&lane.name, &lane.outcome).trim_end())?;
        }
        if let Some((field, points)) = &self.sweep {
            writeln!(out, "\nthe last policy with other values of {field}:")?;
            for point in points {
                writeln!(out, "{}", row(&point.label, &point.outcome).trim_end())?;
            }
            if let Some(best) = best(points) {
                writeln!(out, "\nthe shortest p99 is with {}", best.label)?;
            }
        }
        for note in self.remarks() {
            writeln!(out, "\n{note}")?;
        }
        Ok(())
    }

    pub(super) fn title(&self) -> String {
        let load = self.utilisation.map_or_else(String::new, |load| {
            format!(", servers {:.0} % busy with first attempts", 100.0 * load)
        });
        let about =
            if self.about.is_empty() { String::new() } else { format!(" ({})", self.about) };
        format!("rego sim: {}{about}{load}, seed {}", self.source, self.seed)
    }

    /// What is to be known before believing the table, and when the gate was shut.
    pub(super) fn remarks(&self) -> Vec<String> {
        let mut remarks = self.notes.clone();
        for lane in &self.lanes {
            let seen = &lane.outcome.hedging;
            let shut = seen.iter().filter(|(_, hedging)| hedging.suspended).count();
            if shut > 0 {
                remarks.push(format!(
                    "{}: hedging was suspended for {:.0} % of the time",
                    lane.name,
                    100.0 * share(shut as u64, seen.len() as u64)
                ));
            }
            if let Some((_, last)) = seen.last() {
                remarks.push(format!(
                    "{}: in the end, hedges after {} with probability {:.2}",
                    lane.name, last.delay, last.probability
                ));
            }
            if lane.outcome.calls < 10_000 {
                let calls = grouped(lane.outcome.calls);
                remarks.push(format!("{}: p99.9 rests on {calls} calls only", lane.name));
            }
        }
        remarks
    }
}

const HEAD: [&str; 2] = [
    "                                            latency, ms    success             hedges   budget    busy",
    "lane                           p50      p90      p99    p99.9          %    load   won/sent   denied       %",
];

fn row(name: &str, outcome: &Outcome) -> String {
    let ms = |p| outcome.quantile(p).as_secs_f64() * 1e3;
    let hedges = match outcome.hedges {
        0 => String::new(),
        hedges => format!("{}/{hedges}", outcome.won_by_hedge),
    };
    let denied = outcome.spent.retries_denied + outcome.spent.hedges_denied;
    format!(
        "{:<25}{:>9.2}{:>9.2}{:>9.2}{:>9.2}{:>11.2}{:>8.3}{hedges:>11}{:>9}{:>8.1}",
        cut(name, 25),
        ms(0.5),
        ms(0.9),
        ms(0.99),
        ms(0.999),
        100.0 * outcome.success(),
        outcome.load(),
        grouped(denied),
        100.0 * outcome.utilisation(),
    )
}

fn cut(name: &str, most: usize) -> String {
    if name.chars().count() < most {
        return name.to_owned();
    }
    name.chars().take(most - 2).chain(['…']).collect()
}

/// The point with the shortest p99; of those within a hundredth the cheapest.
pub(super) fn best(points: &[Point]) -> Option<&Point> {
    let p99 = |point: &Point| point.outcome.quantile(0.99);
    let shortest = points.iter().map(p99).min()?;
    let near = points.iter().filter(|point| p99(point) <= shortest.mul_f64(1.01));
    near.min_by(|one, other| one.outcome.load().total_cmp(&other.outcome.load()))
}

impl<'a> Simulated<'a> {
    fn of(name: &'a str, outcome: &Outcome) -> Self {
        let wasted = outcome.wasted.as_secs_f64() / outcome.busy.as_secs_f64().max(1e-9);
        let lane = Lane {
            name,
            calls: outcome.calls,
            attempts: outcome.attempts,
            hedges: outcome.hedges,
            success: outcome.success(),
            quantiles: Quantiles::of(|p| outcome.quantile(p).as_secs_f64() * 1e3),
            load: outcome.load(),
            budget_bound: bound(outcome),
        };
        Self { lane, busy: outcome.utilisation(), wasted }
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
fn bound(outcome: &Outcome) -> Option<u64> {
    let bound = outcome.spent.bound;
    bound.is_finite().then(|| bound.floor() as u64)
}

#[expect(clippy::cast_precision_loss, reason = "53 bits are plenty")]
fn share(part: u64, whole: u64) -> f64 {
    part as f64 / whole.max(1) as f64
}
