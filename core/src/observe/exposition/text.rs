//! The grammar of OpenMetrics text.

use std::fmt::{self, Write};

use super::family::{Family, Kind, Metric};
use crate::{clock::Nanos, site::Spread};

/// The ends of the duration buckets as the labels say them: in the spelling that the
/// specification recommends for numbers in labels.
pub(super) const BOUNDS: [&str; crate::site::BOUNDS.len() + 1] = [
    "6.5536e-05",
    "0.000262144",
    "0.001048576",
    "0.004194304",
    "0.008388608",
    "0.016777216",
    "0.033554432",
    "0.067108864",
    "0.134217728",
    "0.268435456",
    "0.536870912",
    "1.073741824",
    "4.294967296",
    "+Inf",
];

/// Writes families one after another, each described before its samples.
pub(super) struct Writer<'a> {
    out: &'a mut String,
}

impl<'a> Writer<'a> {
    pub(super) fn new(out: &'a mut String) -> Self {
        Self { out }
    }

    /// Begins a family.
    pub(super) fn describe(&mut self, metric: Metric) {
        let Family { name, kind, unit, help, .. } = metric.family();
        self.line(format_args!("# TYPE {name} {}", kind.label()));
        if !unit.is_empty() {
            self.line(format_args!("# UNIT {name} {unit}"));
        }
        self.line(format_args!("# HELP {name} {}", Escaped(help)));
    }

    /// A counter that may be left out while it is zero.
    pub(super) fn count(&mut self, metric: Metric, values: &[&str], count: u64) {
        if count > 0 {
            self.count_from_zero(metric, values, count);
        }
    }

    pub(super) fn count_from_zero(&mut self, metric: Metric, values: &[&str], count: u64) {
        self.sample(metric, "_total", values, "", format_args!("{count}"));
    }

    /// A counter of seconds, left out while it is zero.
    pub(super) fn seconds(&mut self, metric: Metric, values: &[&str], seconds: Nanos) {
        if seconds > Nanos::ZERO {
            self.sample(metric, "_total", values, "", format_args!("{}", Seconds(seconds)));
        }
    }

    pub(super) fn gauge(&mut self, metric: Metric, values: &[&str], value: f64) {
        if value.is_infinite() {
            self.sample(metric, "", values, "", format_args!("+Inf"));
        } else {
            self.sample(metric, "", values, "", format_args!("{value}"));
        }
    }

    pub(super) fn info(&mut self, metric: Metric, values: &[&str]) {
        self.sample(metric, "_info", values, "", format_args!("1"));
    }

    /// A histogram of times, left out while it is empty.
    pub(super) fn histogram(&mut self, metric: Metric, values: &[&str], spread: &Spread) {
        if spread.count() == 0 {
            return;
        }
        let mut below = 0;
        for (bound, count) in BOUNDS.iter().zip(spread.counts) {
            below += count;
            self.sample(metric, "_bucket", values, bound, format_args!("{below}"));
        }
        self.sample(metric, "_count", values, "", format_args!("{below}"));
        let sum = Seconds(Nanos::from_nanos(spread.nanos));
        self.sample(metric, "_sum", values, "", format_args!("{sum}"));
    }

    pub(super) fn end(mut self) {
        self.line(format_args!("# EOF"));
    }

    /// One line; with a bucket's bound, if there is one.
    fn sample(
        &mut self,
        metric: Metric,
        suffix: &str,
        values: &[&str],
        bound: &str,
        value: fmt::Arguments<'_>,
    ) {
        let Family { name, kind, labels, .. } = metric.family();
        debug_assert!(kind == Kind::Histogram || suffix == kind.suffix(), "{name}{suffix}");
        debug_assert_eq!(labels.len(), values.len(), "{name}");
        let bounds = ["le"].iter().zip([&bound]).filter(|_| !bound.is_empty());
        let labels = labels.iter().zip(values).chain(bounds);
        self.push(format_args!("{name}{suffix}"));
        let mut before = '{';
        for (label, value) in labels {
            self.push(format_args!("{before}{label}=\"{}\"", Escaped(value)));
            before = ',';
        }
        if before == ',' {
            self.out.push('}');
        }
        self.line(format_args!(" {value}"));
    }

    fn line(&mut self, text: fmt::Arguments<'_>) {
        self.push(text);
        self.out.push('\n');
    }

    fn push(&mut self, text: fmt::Arguments<'_>) {
        self.out.write_fmt(text).expect("a String takes everything");
    }
}

/// Text with what would end it, or its line, escaped.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while let Some(at) = rest.find(['\\', '"', '\n']) {
            f.write_str(&rest[..at])?;
            f.write_str(match rest.as_bytes()[at] {
                b'\\' => "\\\\",
                b'"' => "\\\"",
                _ => "\\n",
            })?;
            rest = &rest[at + 1..];
        }
        f.write_str(rest)
    }
}

/// Seconds to the nanosecond: what a float would round.
struct Seconds(Nanos);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.as_nanos();
        write!(f, "{}.{:09}", nanos / 1_000_000_000, nanos % 1_000_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_said_as_they_are() {
        for (said, bound) in BOUNDS.iter().zip(crate::site::BOUNDS) {
            assert_eq!(said.parse::<f64>(), Ok(bound.as_secs_f64()));
        }
        assert_eq!(BOUNDS.last(), Some(&"+Inf"));
    }

    #[test]
    fn what_would_end_a_label_is_escaped() {
        let escaped = |text| Escaped(text).to_string();
        assert_eq!(escaped("svc.Get"), "svc.Get");
        assert_eq!(escaped("a\\b\"c\nd"), "a\\\\b\\\"c\\nd");
        assert_eq!(escaped("\""), "\\\"");
    }

    #[test]
    fn seconds_are_exact() {
        let seconds = |nanos| Seconds(Nanos::from_nanos(nanos)).to_string();
        assert_eq!(seconds(1), "0.000000001");
        assert_eq!(seconds(12_345_678_901), "12.345678901");
    }
}
