//! The report for a terminal.

use std::fmt::{self, Write};

use super::{LaneReport, Report, Subject, checks};
use crate::load::MAX_WORKERS;

/// Fewer calls than this make a 99.9th percentile a matter of luck.
const ENOUGH_CALLS: u64 = 10_000;

const HEAD: [&str; 2] = [
    "                          latency from the intended start, ms       success, %              \
     hedges   budget",
    "lane                       p50      p90      p99    p99.9     calls  attempts    load   \
     won/sent   denied",
];

/// The report as text.
pub(crate) fn text(report: &Report) -> String {
    let mut out = String::new();
    write(&mut out, report).expect("a string takes all that is written to it");
    out
}

fn write(out: &mut String, report: &Report) -> fmt::Result {
    writeln!(out, "{}", title(report))?;
    writeln!(out)?;
    for line in HEAD {
        writeln!(out, "{}", line.trim_end())?;
    }
    for lane in &report.lanes {
        writeln!(out, "{}", row(lane).trim_end())?;
    }
    writeln!(out)?;
    for note in notes(report) {
        writeln!(out, "{note}")?;
    }
    for check in checks(report) {
        writeln!(out, "{} {}", if check.is_kept { "kept   " } else { "BROKEN " }, check.text)?;
    }
    if let Some((name, waterfall)) = report.waterfall() {
        writeln!(out, "\nA slow call of \"{name}\":\n\n{}", waterfall.trim_end())?;
    }
    Ok(())
}

/// What was run, in one line.
pub(super) fn title(report: &Report) -> String {
    let subject = match &report.subject {
        Subject::Embedded { scenario, .. } => format!("scenario {scenario}"),
        Subject::Target(url) => url.clone(),
    };
    format!(
        "rego run: {subject}, {}/s for {:?} a lane after {:?} of warm-up, seed {}",
        grouped(u64::from(report.rate)),
        report.length,
        report.warm_up,
        report.seed
    )
}

fn row(lane: &LaneReport) -> String {
    let ms = |quantile| lane.summary.quantile_ms(quantile);
    let (hedges, denied) = match &lane.account.policy {
        Some(policy) => {
            (format!("{}/{}", policy.hedges_won, policy.hedges), grouped(policy.denied))
        }
        None => (String::new(), String::new()),
    };
    format!(
        "{:<21}{:>9.2}{:>9.2}{:>9.2}{:>9.2}{:>10.2}{:>10.2}{:>8.3}{hedges:>11}{denied:>9}",
        lane.name,
        ms(0.5),
        ms(0.9),
        ms(0.99),
        ms(0.999),
        100.0 * lane.summary.success(),
        100.0 * lane.actual_success(),
        lane.load(),
    )
}

/// What is to be known before believing the table.
pub(super) fn notes(report: &Report) -> Vec<String> {
    let mut notes = Vec::new();
    if report.is_interrupted {
        notes.push(format!("interrupted: {} of 4 lanes have calls", report.lanes.len()));
    }
    notes.extend(spread(report));
    notes.extend(gain(report));
    for lane in &report.lanes {
        if lane.starved > 0 {
            notes.push(format!(
                "{}: {} calls started late, more than {MAX_WORKERS} were in the air: lower --rate",
                lane.name, lane.starved
            ));
        }
        if lane.summary.calls < ENOUGH_CALLS && !report.is_interrupted {
            notes.push(format!(
                "{}: p99.9 rests on {} calls only",
                lane.name,
                grouped(lane.summary.calls)
            ));
        }
    }
    if let Some(worst) = report.lanes.iter().map(|lane| lane.summary.lag_p99).max() {
        notes.push(format!("99 of 100 calls started within {worst:.1?} of their time"));
    }
    notes
}

/// How far the two lanes without a policy lie apart: what is smaller means nothing.
fn spread(report: &Report) -> Option<String> {
    let [one, other, ..] = &report.lanes[..] else { return None };
    let apart = |quantile| {
        let (one, other) = (one.summary.quantile_ms(quantile), other.summary.quantile_ms(quantile));
        100.0 * (one - other).abs() / one.min(other).max(f64::MIN_POSITIVE)
    };
    Some(format!(
        "the two lanes without a policy differ by {:.1} % at p50, {:.1} % at p90, {:.1} % at p99, \
         {:.1} % at p99.9",
        apart(0.5),
        apart(0.9),
        apart(0.99),
        apart(0.999)
    ))
}

/// What the last policy bought, and what it cost.
fn gain(report: &Report) -> Vec<String> {
    let (Some(without), Some(with)) = (report.lanes.first(), report.lanes.last()) else {
        return Vec::new();
    };
    let Some(policy) = &with.account.policy else { return Vec::new() };
    vec![
        format!(
            "{} against {}: success {:.2} % ({:.2} %), p99.9 {:.1} ms ({:.1} ms), load {:.3}",
            with.name,
            without.name,
            100.0 * with.summary.success(),
            100.0 * without.summary.success(),
            with.summary.quantile_ms(0.999),
            without.summary.quantile_ms(0.999),
            with.load(),
        ),
        format!(
            "{}: of {} hedges {} won and {} were wasted",
            with.name,
            grouped(policy.hedges),
            grouped(policy.hedges_won),
            grouped(policy.hedges.saturating_sub(policy.hedges_won)),
        ),
    ]
}

/// A number with its thousands set apart.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
