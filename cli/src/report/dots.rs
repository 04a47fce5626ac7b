//! Every call of a lane as a dot, when it came and how long it took: a picture that stands alone.

use std::fmt::{self, Write};

use super::{LaneReport, Report};
use crate::load::Sample;

const WIDTH: f64 = 480.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 52.0;
const RIGHT: f64 = 468.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 256.0;
/// Of the faster nine tenths, whose dots would lie on top of each other, about this many are drawn.
const FAST_DOTS: usize = 800;
const STYLE: &str = "svg{background:#fff;font:12px system-ui,sans-serif}text{fill:#667080}\
    .title{fill:#1c2024;font-size:14px;font-weight:600}.grid{stroke:#dfe3e8}path{stroke-width:3;stroke-linecap:round;fill:none}\
    .ok{stroke:#0b62c4}.failed{stroke:#b3261e}\
    @media (prefers-color-scheme:dark){svg{background:#14171a}text{fill:#98a2ae}\
    .title{fill:#e6e9ec}.grid{stroke:#2c3238}.ok{stroke:#6cb2ff}.failed{stroke:#ff8a7a}}";

/// The picture of one lane. All lanes of a report have the same scales.
pub(crate) fn dots(report: &Report, lane: &LaneReport) -> String {
    let mut out = String::new();
    draw(&mut out, report, lane).expect("a string takes all that is written to it");
    out
}

fn draw(out: &mut String, report: &Report, lane: &LaneReport) -> fmt::Result {
    let scales = Scales::of(report);
    writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         width=\"{WIDTH}\" height=\"{HEIGHT}\" role=\"img\">\n<style>{STYLE}</style>\n\
         <title>{}: p99.9 {:.0} ms</title>\n\
         <desc>One dot a call. The slowest tenth is drawn whole, of the rest a part.</desc>\n\
         <text class=\"title\" x=\"{LEFT}\" y=\"24\">{}: p99.9 {:.0} ms, load {:.3}</text>",
        lane.name,
        lane.summary.quantile_ms(0.999),
        lane.name,
        lane.summary.quantile_ms(0.999),
        lane.load(),
    )?;
    scales.draw_grid(out)?;
    for (class, is_ok) in [("ok", true), ("failed", false)] {
        // A line of no length with round ends is a dot, in a tenth of a circle's bytes.
        write!(out, "<path class=\"{class}\" d=\"")?;
        for sample in drawn(&lane.samples).filter(|sample| sample.is_ok == is_ok) {
            let (x, y) = (scales.x(sample.start.as_secs_f64()), scales.y(ms(sample)));
            write!(out, "M{x:.1} {y:.1}h0")?;
        }
        writeln!(out, "\"/>")?;
    }
    writeln!(out, "</svg>")
}

/// The slowest tenth, what failed, and a part of the rest.
fn drawn(samples: &[Sample]) -> impl Iterator<Item = &Sample> {
    let mut latencies: Vec<_> = samples.iter().map(|sample| sample.latency).collect();
    latencies.sort_unstable();
    let slow = latencies.get(latencies.len() * 9 / 10).copied().unwrap_or_default();
    let every = (samples.len() * 9 / 10 / FAST_DOTS).max(1);
    samples
        .iter()
        .enumerate()
        .filter(move |(nth, sample)| {
            sample.latency > slow || !sample.is_ok || nth.is_multiple_of(every)
        })
        .map(|(_, sample)| sample)
}

fn ms(sample: &Sample) -> f64 {
    sample.latency.as_secs_f64() * 1e3
}

/// Seconds to the right, milliseconds upwards on a log scale.
struct Scales {
    seconds: f64,
    low: f64,
    high: f64,
}

impl Scales {
    fn of(report: &Report) -> Self {
        let slowest = report.lanes.iter().map(|lane| lane.summary.quantile_ms(1.0));
        let high = slowest.fold(10.0, f64::max).log10().ceil();
        let fastest = report.lanes.iter().map(|lane| lane.summary.quantile_ms(0.0));
        let low = fastest.fold(1.0, f64::min).max(0.001).log10().floor();
        Self { seconds: report.length.as_secs_f64(), low, high }
    }

    fn x(&self, seconds: f64) -> f64 {
        LEFT + (RIGHT - LEFT) * (seconds / self.seconds).clamp(0.0, 1.0)
    }

    fn y(&self, ms: f64) -> f64 {
        let part = (ms.max(1e-6).log10() - self.low) / (self.high - self.low);
        BOTTOM - (BOTTOM - TOP) * part.clamp(0.0, 1.0)
    }

    fn draw_grid(&self, out: &mut String) -> fmt::Result {
        #[expect(clippy::cast_possible_truncation, reason = "powers of ten from -3 to 7")]
        let powers = self.low as i32..=self.high as i32;
        for power in powers {
            let y = self.y(10f64.powi(power));
            writeln!(
                out,
                "<line class=\"grid\" x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{RIGHT}\" y2=\"{y:.1}\"/>\
                 <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                LEFT - 6.0,
                y + 4.0,
                10f64.powi(power)
            )?;
        }
        let centre = (LEFT + RIGHT) / 2.0;
        writeln!(
            out,
            "<text x=\"{LEFT}\" y=\"{0}\">0 s</text>\
             <text x=\"{RIGHT}\" y=\"{0}\" text-anchor=\"end\">{1:.0} s</text>\
             <text x=\"{centre}\" y=\"{2}\" text-anchor=\"middle\">when a call was to start; \
             up: how long it took, ms</text>",
            BOTTOM + 18.0,
            self.seconds,
            BOTTOM + 36.0
        )
    }
}
