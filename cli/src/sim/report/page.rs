//! The report as one HTML file: inline SVG, inline style, no network.

use std::fmt::{self, Write};

use rego_sim::{Outcome, plot, study::Plot};

use super::{HEAD, Report, row};
use crate::report::{STYLE, escaped};

/// How many points a percentile curve has.
const STEPS: u32 = 160;

impl Report {
    /// The whole page.
    pub(in crate::sim) fn page(&self) -> String {
        let mut out = String::new();
        self.write_page(&mut out).expect("a string takes all that is written to it");
        out
    }

    fn write_page(&self, out: &mut String) -> fmt::Result {
        let title = escaped(&self.title());
        writeln!(
            out,
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n\
             <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n\
             <h1>rego sim</h1>\n<p>{title}</p>"
        )?;
        let plots = [Some(self.percentiles()), Some(self.over_time()), self.frontier()];
        for plot in plots.iter().flatten() {
            writeln!(out, "<figure>\n{}</figure>", inline(&plot::svg(plot)))?;
        }
        let head = HEAD.map(str::trim_end).join("\n");
        writeln!(out, "<pre>{}", escaped(&head))?;
        for lane in &self.lanes {
            writeln!(out, "{}", escaped(row(&lane.name, &lane.outcome).trim_end()))?;
        }
        for point in self.sweep.iter().flat_map(|(_, points)| points) {
            writeln!(out, "{}", escaped(row(&point.label, &point.outcome).trim_end()))?;
        }
        writeln!(out, "</pre>\n<ul>")?;
        for remark in self.remarks() {
            writeln!(out, "<li>{}</li>", escaped(&remark))?;
        }
        writeln!(out, "</ul>\n</main>\n</body>\n</html>")
    }

    /// Latency against how rare it is.
    fn percentiles(&self) -> Plot {
        let curve = |outcome: &Outcome| {
            #[expect(clippy::cast_precision_loss, reason = "53 bits are plenty")]
            let nines = (outcome.calls.max(100) as f64).log10().min(5.0);
            let at = |nth: u32| {
                let rare = 10f64.powf(-nines * f64::from(nth) / f64::from(STEPS));
                (1.0 / rare, outcome.quantile(1.0 - rare).as_secs_f64() * 1e3)
            };
            (0..=STEPS).map(at).collect()
        };
        let lines = self.lanes.iter().map(|lane| (lane.name.clone(), curve(&lane.outcome)));
        Plot {
            title: "Latency: one call in so many takes longer".to_owned(),
            axes: ("one in (log scale: 100 is p99)".to_owned(), "ms (log scale)".to_owned()),
            log: (true, true),
            lines: lines.collect(),
        }
    }

    /// Attempts per second.
    fn over_time(&self) -> Plot {
        let line = |outcome: &Outcome| {
            // No more than 200 points.
            let width = outcome.series.len().div_ceil(200).max(1);
            let chunks = outcome.series.chunks_exact(width).enumerate();
            let rates = chunks.map(|(nth, chunk)| {
                let attempts: u64 = chunk.iter().map(|second| second.attempts).sum();
                #[expect(clippy::cast_precision_loss, reason = "53 bits are plenty")]
                ((nth * width) as f64, attempts as f64 / width as f64)
            });
            rates.collect()
        };
        let lines = self.lanes.iter().map(|lane| (lane.name.clone(), line(&lane.outcome)));
        Plot {
            title: "Load over time".to_owned(),
            axes: ("seconds".to_owned(), "attempts per second".to_owned()),
            log: (false, false),
            lines: lines.collect(),
        }
    }

    /// What p99 costs: other extra loads, other values, and where each lane is.
    fn frontier(&self) -> Option<Plot> {
        let place = |outcome: &Outcome| {
            (100.0 * (outcome.load() - 1.0), outcome.quantile(0.99).as_secs_f64() * 1e3)
        };
        let mut lines = Vec::new();
        if !self.frontier.is_empty() {
            let points = self.frontier.iter().map(|point| place(&point.outcome)).collect();
            lines.push(("hedging for other extra loads".to_owned(), points));
        }
        if let Some((field, points)) = &self.sweep {
            let points: Vec<_> = points.iter().map(|point| (point.value, point)).collect();
            if field != "load" && !points.is_empty() {
                let points = points.iter().map(|(_, point)| place(&point.outcome)).collect();
                lines.push((format!("other values of {field}"), points));
            }
        }
        if lines.is_empty() {
            return None;
        }
        for lane in &self.lanes {
            lines.push((format!("{} (chosen)", lane.name), vec![place(&lane.outcome)]));
        }
        Some(Plot {
            title: "p99 against extra load".to_owned(),
            axes: ("extra load, %".to_owned(), "p99, ms".to_owned()),
            log: (false, false),
            lines,
        })
    }
}

/// A picture within a page needs no name of its own.
fn inline(svg: &str) -> String {
    svg.replacen(" xmlns=\"http://www.w3.org/2000/svg\"", "", 1)
}
