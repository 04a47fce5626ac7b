//! Sweeps: one field, many values.

use std::str::FromStr;

use rego_sim::{Outcome, Scenario, Span};
use serde_json::{Value, json};

use super::{policies::Written, run_lane};

/// A field and the range it is tried over.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sweep {
    pub(super) field: String,
    from: f64,
    to: f64,
    /// Lengths of time, in nanoseconds.
    is_time: bool,
}

/// One value of a field.
#[derive(Clone, Debug)]
pub(super) struct Setting {
    field: String,
    value: f64,
    is_time: bool,
}

/// What one value led to.
#[derive(Clone, Debug)]
pub(super) struct Point {
    pub(super) label: String,
    pub(super) value: f64,
    pub(super) outcome: Outcome,
}

impl FromStr for Sweep {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = || format!("--sweep {text:?}: want FIELD=A..B, such as hedge.delay=1ms..50ms");
        let (field, range) = text.split_once('=').ok_or_else(form)?;
        let (from, to) = range.split_once("..").ok_or_else(form)?;
        let both = |read: fn(&str) -> Option<f64>| Some((read(from)?, read(to)?));
        #[expect(clippy::cast_precision_loss, reason = "53 bits are plenty")]
        let time = |text: &str| Some(text.parse::<Span>().ok()?.0.as_nanos() as f64);
        let number = |text: &str| text.trim().parse::<f64>().ok();
        let ((from, to), is_time) = match (both(number), both(time)) {
            (Some(range), _) => (range, false),
            (None, Some(range)) => (range, true),
            (None, None) => return Err(form()),
        };
        if !(from.is_finite() && to.is_finite() && from < to) {
            return Err(format!("--sweep {text:?}: the first value must be below the second"));
        }
        Ok(Self { field: field.trim().to_owned(), from, to, is_time })
    }
}

impl Sweep {
    /// Runs the last policy with each value. `load` is the scenario's; all else is the policy's.
    ///
    /// # Errors
    ///
    /// What is wrong with the field or one of its values.
    pub(super) fn run(
        &self,
        policies: &[Written],
        scenario: &Scenario,
        points: u32,
        seed: u64,
    ) -> Result<Vec<Point>, String> {
        let Some(policy) = policies.last() else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        for value in self.values(points) {
            let setting = Setting { field: self.field.clone(), value, is_time: self.is_time };
            let outcome = if self.field == "load" {
                let mut scenario = scenario.clone();
                scenario.load(value).map_err(|error| error.to_string())?;
                run_lane(&policy.lane()?, &scenario, seed)?
            } else {
                run_lane(&policy.with(&scenario.key, &setting)?, scenario, seed)?
            };
            found.push(Point { label: setting.text(), value, outcome });
        }
        Ok(found)
    }

    /// Values from one end to the other: by equal factors where they are far apart.
    fn values(&self, points: u32) -> Vec<f64> {
        let last = f64::from(points - 1);
        let by_factors = self.from > 0.0 && self.to / self.from >= 4.0;
        let at = |nth: u32| {
            let share = f64::from(nth) / last;
            if by_factors {
                self.from * (self.to / self.from).powf(share)
            } else {
                self.from + (self.to - self.from) * share
            }
        };
        (0..points).map(at).collect()
    }
}

impl Setting {
    /// The fields of a policy that this sets: `hedge.load` and `hedge.quantile` are triggers.
    pub(super) fn fields(&self) -> Vec<(String, Value)> {
        let value = self.value();
        match self.field.as_str() {
            "hedge.load" => hedging(json!({ "load": self.value })),
            "hedge.quantile" => hedging(json!({ "quantile": self.value })),
            "hedge.delay" => {
                let mut fields = hedging(json!("fixed"));
                fields.push((self.field.clone(), value));
                fields
            }
            _ => vec![(self.field.clone(), value)],
        }
    }

    pub(super) fn text(&self) -> String {
        match self.value() {
            Value::String(text) => format!("{}={text}", self.field),
            other => format!("{}={other}", self.field),
        }
    }

    fn value(&self) -> Value {
        if self.is_time {
            return json!(format!("{}us", (self.value / 1e3).round().max(1.0)));
        }
        // Counts stay counts, shares get four digits.
        let rounded = (self.value * 1e4).round() / 1e4;
        #[expect(clippy::cast_possible_truncation, reason = "it has no fraction")]
        if rounded.fract() == 0.0 { json!(rounded as i64) } else { json!(rounded) }
    }
}

fn hedging(trigger: Value) -> Vec<(String, Value)> {
    vec![("hedge.enabled".to_owned(), json!(true)), ("hedge.trigger".to_owned(), trigger)]
}

/// What other extra loads would give: from half a percent to a fifth. Nothing where the policy
/// cannot hedge.
///
/// # Errors
///
/// What is wrong with the scenario.
pub(super) fn frontier(
    policy: &Written,
    scenario: &Scenario,
    seed: u64,
) -> Result<Vec<Point>, String> {
    let sweep = Sweep { field: "hedge.load".to_owned(), from: 0.005, to: 0.2, is_time: false };
    let first = Setting { field: sweep.field.clone(), value: sweep.from, is_time: false };
    if policy.with(&scenario.key, &first).is_err() {
        return Ok(Vec::new());
    }
    sweep.run(std::slice::from_ref(policy), scenario, 8, seed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_ranges_of_times_and_numbers() {
        let delay: Sweep = "hedge.delay=1ms..50ms".parse().expect("well-formed");
        assert!(delay.is_time);
        let values = delay.values(3);
        assert_eq!((values[0], values[2]), (1e6, 5e7));
        assert!((values[1] / 7.071e6 - 1.0).abs() < 1e-3, "by equal factors");
        let load: Sweep = "load=0.4..0.8".parse().expect("well-formed");
        let values = load.values(3);
        assert!((values[1] - 0.6).abs() < 1e-9, "by equal steps");
        for wrong in ["hedge.delay", "hedge.delay=1ms", "load=0.9..0.1", "load=a..b", "x=1ms..2"] {
            assert!(wrong.parse::<Sweep>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_setting_is_written_as_a_document_wants_it() {
        let setting = |field: &str, value, is_time| {
            Setting { field: field.to_owned(), value, is_time }.text()
        };
        assert_eq!(setting("hedge.delay", 2.5e6, true), "hedge.delay=2500us");
        assert_eq!(setting("retry.max_attempts", 3.0, false), "retry.max_attempts=3");
        assert_eq!(setting("hedge.load", 0.03, false), "hedge.load=0.03");
    }
}
