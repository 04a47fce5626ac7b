//! The percentile plot as inline SVG: latency against how rare it is, both on log axes.

use std::fmt::{self, Write};

use super::{LaneReport, Report};

const WIDTH: f64 = 880.0;
const HEIGHT: f64 = 440.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 856.0;
const TOP: f64 = 48.0;
const BOTTOM: f64 = 384.0;
const STEPS: u32 = 240;

/// Percentiles that have a line in the grid, and marks on the curves.
const QUANTILES: [(f64, &str); 6] = [
    (0.0, "0 %"),
    (0.5, "50 %"),
    (0.9, "90 %"),
    (0.99, "99 %"),
    (0.999, "99.9 %"),
    (0.9999, "99.99 %"),
];

/// The scales of one plot.
struct Axes {
    /// How many nines the rightmost percentile has.
    nines: f64,
    /// Lowest and highest latency, in ms.
    low: f64,
    high: f64,
}

/// The plot of all lanes.
pub(super) fn plot(report: &Report) -> String {
    let mut out = String::new();
    draw(&mut out, report).expect("a string takes all that is written to it");
    out
}

fn draw(out: &mut String, report: &Report) -> fmt::Result {
    let axes = Axes::of(&report.lanes);
    writeln!(
        out,
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-labelledby=\"plot-title plot-desc\">\n\
         <title id=\"plot-title\">Latency by percentile, one curve per lane</title>\n\
         <desc id=\"plot-desc\">The table below the plot has the same figures.</desc>"
    )?;
    axes.draw_grid(out)?;
    for (index, lane) in report.lanes.iter().enumerate() {
        draw_key(out, index, lane)?;
        axes.draw_curve(out, index, lane)?;
    }
    writeln!(out, "</svg>")
}

impl Axes {
    fn of(lanes: &[LaneReport]) -> Self {
        let calls = lanes.iter().map(|lane| lane.summary.calls).max().unwrap_or(1).max(100);
        let nines = (calls as f64).log10().min(5.0);
        let lowest = lanes.iter().map(|lane| lane.summary.quantile_ms(0.0));
        let highest = lanes.iter().map(|lane| lane.summary.quantile_ms(1.0));
        let (lowest, highest) = (lowest.fold(f64::MAX, f64::min), highest.fold(0.001, f64::max));
        let ticks: Vec<f64> = ticks().collect();
        let below = ticks.iter().rev().find(|tick| **tick <= lowest);
        let above = ticks.iter().find(|tick| **tick >= highest);
        Self { nines, low: *below.unwrap_or(&ticks[0]), high: *above.unwrap_or(&1e6) }
    }

    fn x(&self, quantile: f64) -> f64 {
        LEFT + (RIGHT - LEFT) * -(1.0 - quantile).log10() / self.nines
    }

    fn y(&self, ms: f64) -> f64 {
        let part = (ms.clamp(self.low, self.high) / self.low).ln() / (self.high / self.low).ln();
        BOTTOM - (BOTTOM - TOP) * part
    }

    fn draw_grid(&self, out: &mut String) -> fmt::Result {
        for (quantile, label) in QUANTILES {
            let x = self.x(quantile);
            if x <= RIGHT {
                writeln!(
                    out,
                    "<line class=\"grid\" x1=\"{x:.1}\" y1=\"{TOP}\" x2=\"{x:.1}\" y2=\"{BOTTOM}\"/>\
                     <text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{label}</text>",
                    BOTTOM + 18.0
                )?;
            }
        }
        for tick in ticks().filter(|tick| (self.low..=self.high).contains(tick)) {
            let y = self.y(tick);
            writeln!(
                out,
                "<line class=\"grid\" x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{RIGHT}\" y2=\"{y:.1}\"/>\
                 <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{tick}</text>",
                LEFT - 8.0,
                y + 4.0
            )?;
        }
        let (centre, middle) = ((LEFT + RIGHT) / 2.0, (TOP + BOTTOM) / 2.0);
        writeln!(
            out,
            "<text class=\"axis\" x=\"{centre}\" y=\"{}\" text-anchor=\"middle\">share of calls \
             that were at most this slow (log scale: each 9 is ten times rarer)</text>\n\
             <text class=\"axis\" transform=\"translate(16 {middle}) rotate(-90)\" \
             text-anchor=\"middle\">latency from the intended start, ms (log scale)</text>",
            BOTTOM + 42.0
        )
    }

    fn draw_curve(&self, out: &mut String, index: usize, lane: &LaneReport) -> fmt::Result {
        write!(out, "<polyline class=\"curve lane{index}\" points=\"")?;
        for step in 0..=STEPS {
            let nines = self.nines * f64::from(step) / f64::from(STEPS);
            let quantile = 1.0 - 10f64.powf(-nines);
            let (x, y) = (self.x(quantile), self.y(lane.summary.quantile_ms(quantile)));
            write!(out, "{x:.1},{y:.1} ")?;
        }
        writeln!(out, "\"/>")?;
        for (quantile, label) in &QUANTILES[1..] {
            let (x, ms) = (self.x(*quantile), lane.summary.quantile_ms(*quantile));
            if x <= RIGHT {
                let title = format!("{}, {label}: {ms:.2} ms", lane.name);
                draw_mark(out, index, x, self.y(ms), &title)?;
            }
        }
        Ok(())
    }
}

/// A lane's line in the key above the plot.
fn draw_key(out: &mut String, index: usize, lane: &LaneReport) -> fmt::Result {
    let x = LEFT + 200.0 * index as f64;
    writeln!(
        out,
        "<line class=\"curve lane{index}\" x1=\"{x}\" y1=\"20\" x2=\"{}\" y2=\"20\"/>",
        x + 44.0
    )?;
    draw_mark(out, index, x + 22.0, 20.0, lane.name)?;
    writeln!(out, "<text class=\"key\" x=\"{}\" y=\"24.5\">{}</text>", x + 52.0, lane.name)
}

/// A mark of the lane's own shape.
fn draw_mark(out: &mut String, index: usize, x: f64, y: f64, title: &str) -> fmt::Result {
    write!(out, "<g class=\"mark lane{index}\" transform=\"translate({x:.1} {y:.1})\">")?;
    out.write_str(match index {
        0 => "<circle r=\"4.5\"/>",
        1 => "<circle class=\"hollow\" r=\"6.5\"/>",
        2 => "<rect x=\"-4.5\" y=\"-4.5\" width=\"9\" height=\"9\"/>",
        _ => "<path d=\"M0-6.5 6 4.5H-6Z\"/>",
    })?;
    writeln!(out, "<title>{title}</title></g>")
}

/// 1, 2 and 5 times the powers of ten, from a microsecond to a quarter of an hour, in ms.
fn ticks() -> impl Iterator<Item = f64> {
    (-3..=6).flat_map(|power| [1.0, 2.0, 5.0].map(|digit| digit * 10f64.powi(power)))
}
