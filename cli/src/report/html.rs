//! The report as one HTML file: inline SVG, inline style, no network.

use std::fmt::{self, Write};

use super::{LaneReport, Report, checks, plot::plot, text};
use text::grouped;

/// The style of every page.
pub(crate) const STYLE: &str = include_str!("report.css");

/// The whole page.
pub(crate) fn page(report: &Report) -> String {
    let mut out = String::new();
    write(&mut out, report).expect("a string takes all that is written to it");
    out
}

fn write(out: &mut String, report: &Report) -> fmt::Result {
    let title = escaped(&text::title(report));
    writeln!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <h1>rego run</h1>\n<p>{title}</p>\n<figure>\n{}</figure>",
        plot(report)
    )?;
    write_table(out, report)?;
    writeln!(out, "<ul>")?;
    for note in text::notes(report) {
        writeln!(out, "<li>{}</li>", escaped(&note))?;
    }
    for check in checks(report) {
        let word = if check.is_kept { "kept" } else { "BROKEN" };
        writeln!(out, "<li><strong>{word}</strong> {}</li>", escaped(&check.text))?;
    }
    writeln!(out, "</ul>")?;
    if let Some((name, waterfall)) = report.waterfall() {
        writeln!(
            out,
            "<h2>A slow call of “{}”</h2>\n<pre>{}</pre>",
            escaped(name),
            escaped(waterfall)
        )?;
    }
    writeln!(out, "</main>\n</body>\n</html>")
}

fn write_table(out: &mut String, report: &Report) -> fmt::Result {
    writeln!(
        out,
        "<div class=\"scroll\"><table>\n<thead><tr><th scope=\"col\">lane</th>\
         <th>p50, ms</th><th>p90, ms</th><th>p99, ms</th><th>p99.9, ms</th>\
         <th>calls that succeed</th><th>attempts that succeed</th><th>calls</th>\
         <th>attempts</th><th>load</th><th>hedges won/sent</th><th>denied by budget</th>\
         </tr></thead>\n<tbody>"
    )?;
    for lane in &report.lanes {
        write_row(out, lane)?;
    }
    writeln!(out, "</tbody></table></div>")
}

fn write_row(out: &mut String, lane: &LaneReport) -> fmt::Result {
    write!(out, "<tr><th scope=\"row\">{}</th>", escaped(lane.name))?;
    for quantile in [0.5, 0.9, 0.99, 0.999] {
        write!(out, "<td>{:.2}</td>", lane.summary.quantile_ms(quantile))?;
    }
    for share in [lane.summary.success(), lane.actual_success()] {
        write!(out, "<td>{:.2} %</td>", 100.0 * share)?;
    }
    for number in [lane.summary.calls, lane.account.attempts] {
        write!(out, "<td>{}</td>", grouped(number))?;
    }
    write!(out, "<td>{:.3}</td>", lane.load())?;
    match &lane.account.policy {
        Some(policy) => writeln!(
            out,
            "<td>{}/{}</td><td>{}</td></tr>",
            policy.hedges_won,
            policy.hedges,
            grouped(policy.denied)
        ),
        None => writeln!(out, "<td></td><td></td></tr>"),
    }
}

/// Text that is text in HTML too.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            _ => out.push(character),
        }
    }
    out
}
