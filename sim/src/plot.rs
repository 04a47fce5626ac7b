//! Plots as SVG: lines over two axes, each of them linear or logarithmic. No fonts, no scripts.

use std::fmt::{self, Write};

use crate::study::Plot;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 400.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 50.0;
const COLOURS: [&str; 7] =
    ["#4477aa", "#cc6677", "#228833", "#aa7700", "#aa3377", "#33aaaa", "#777777"];

/// A plot as a file of its own.
#[must_use]
pub fn svg(plot: &Plot) -> String {
    let mut out = String::new();
    draw(&mut out, plot).expect("a string takes all that is written to it");
    out
}

/// An axis: from where to where, on the page and in its unit.
struct Axis {
    log: bool,
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Axis {
    fn over(values: impl Iterator<Item = f64>, log: bool, from: f64, to: f64) -> Self {
        let values = values.filter(|value| value.is_finite() && (!log || *value > 0.0));
        let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(value), high.max(value))
        });
        let (low, high) = if low.is_finite() { (low, high) } else { (0.5, 1.0) };
        // A linear axis that nearly begins at 0 begins there.
        let low = if !log && low > 0.0 && low < 0.5 * high { 0.0 } else { low };
        let high = if high > low { high } else { low + low.abs().max(1.0) };
        Self { log, low, high, from, to }
    }

    fn at(&self, value: f64) -> f64 {
        let scale = |value: f64| if self.log { value.ln() } else { value };
        let share = (scale(value) - scale(self.low)) / (scale(self.high) - scale(self.low));
        self.from + (self.to - self.from) * share.clamp(0.0, 1.0)
    }

    /// Round numbers along it.
    fn ticks(&self) -> Vec<f64> {
        let within = |value: &f64| (self.low..=self.high).contains(value);
        if self.log {
            let all = (-9..=9).flat_map(|power| [1.0, 2.0, 5.0].map(|d| d * 10f64.powi(power)));
            return all.filter(within).collect();
        }
        let rough = (self.high - self.low) / 6.0;
        let power = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|d| d * power).into_iter().find(|s| *s >= rough);
        let step = step.unwrap_or(rough);
        let first = (self.low / step).ceil();
        (0..12).map(|nth| (first + f64::from(nth)) * step).filter(within).collect()
    }
}

fn draw(out: &mut String, plot: &Plot) -> fmt::Result {
    let points = || plot.lines.iter().flat_map(|line| line.1.iter());
    let x = Axis::over(points().map(|point| point.0), plot.log.0, LEFT, WIDTH - RIGHT);
    let y = Axis::over(points().map(|point| point.1), plot.log.1, HEIGHT - BOTTOM, TOP);
    writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {}\" \
         font-family=\"sans-serif\" font-size=\"12\" fill=\"#777\">",
        HEIGHT + 18.0 * plot.lines.len() as f64
    )?;
    writeln!(out, "<text x=\"{LEFT}\" y=\"20\" font-size=\"14\">{}</text>", escaped(&plot.title))?;
    for tick in x.ticks() {
        let at = x.at(tick);
        writeln!(
            out,
            "<path d=\"M{at:.1} {TOP}V{}\" stroke=\"#8883\"/><text x=\"{at:.1}\" y=\"{}\" \
             text-anchor=\"middle\">{}</text>",
            HEIGHT - BOTTOM,
            HEIGHT - BOTTOM + 16.0,
            number(tick)
        )?;
    }
    for tick in y.ticks() {
        let at = y.at(tick);
        writeln!(
            out,
            "<path d=\"M{LEFT} {at:.1}H{}\" stroke=\"#8883\"/><text x=\"{}\" y=\"{:.1}\" \
             text-anchor=\"end\">{}</text>",
            WIDTH - RIGHT,
            LEFT - 6.0,
            at + 4.0,
            number(tick)
        )?;
    }
    let middle = f64::midpoint(LEFT, WIDTH - RIGHT);
    writeln!(
        out,
        "<text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">{}</text>\
         <text x=\"14\" y=\"{}\" transform=\"rotate(-90 14 {})\" text-anchor=\"middle\">{}</text>",
        HEIGHT - 14.0,
        escaped(&plot.axes.0),
        HEIGHT / 2.0,
        HEIGHT / 2.0,
        escaped(&plot.axes.1)
    )?;
    for (nth, line) in plot.lines.iter().enumerate() {
        draw_line(out, nth, line, &x, &y)?;
    }
    out.write_str("</svg>\n")
}

fn draw_line(
    out: &mut String,
    nth: usize,
    (name, points): &(String, Vec<(f64, f64)>),
    x: &Axis,
    y: &Axis,
) -> fmt::Result {
    let colour = COLOURS[nth % COLOURS.len()];
    let places: Vec<_> = points
        .iter()
        .filter(|point| point.0.is_finite() && point.1.is_finite())
        .map(|point| format!("{:.1},{:.1}", x.at(point.0), y.at(point.1)))
        .collect();
    writeln!(
        out,
        "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\" points=\"{}\"/>",
        places.join(" ")
    )?;
    if let [only] = &places[..]
        && let Some((at, above)) = only.split_once(',')
    {
        writeln!(out, "<circle cx=\"{at}\" cy=\"{above}\" r=\"5\" fill=\"{colour}\"/>")?;
    }
    let top = HEIGHT + 18.0 * nth as f64;
    writeln!(
        out,
        "<path d=\"M{LEFT} {top}h24\" stroke=\"{colour}\" stroke-width=\"2\"/>\
         <text x=\"{}\" y=\"{}\">{}</text>",
        LEFT + 32.0,
        top + 4.0,
        escaped(name)
    )
}

fn number(value: f64) -> String {
    let rounded = (value * 1e6).round() / 1e6;
    format!("{rounded}")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plot_has_its_lines_and_nothing_that_is_no_number() {
        let plot = Plot {
            title: "a < b".to_owned(),
            axes: ("x".to_owned(), "y".to_owned()),
            log: (false, true),
            lines: vec![
                ("one".to_owned(), vec![(0.0, 1.0), (1.0, 100.0), (2.0, f64::INFINITY)]),
                ("point".to_owned(), vec![(0.5, 10.0)]),
            ],
        };
        let svg = svg(&plot);
        assert_eq!(svg.matches("<polyline").count(), 2);
        assert_eq!(svg.matches("<circle").count(), 1);
        assert!(svg.contains("a &lt; b"));
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
    }
}
