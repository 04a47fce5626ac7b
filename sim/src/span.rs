//! Lengths of time in texts: a number and a unit.

use std::{fmt, str::FromStr};

use rego::Nanos;
use serde::{Deserialize, Deserializer, de};

/// A length of time, as scenarios write it: `"250us"`, `"1.5s"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Nanos);

impl Span {
    #[expect(clippy::cast_precision_loss, reason = "53 bits are plenty")]
    pub(crate) const fn nanos(self) -> f64 {
        self.0.as_nanos() as f64
    }
}

/// Units and how many nanoseconds they have.
const UNITS: [(&str, f64); 6] =
    [("ns", 1.0), ("us", 1e3), ("ms", 1e6), ("s", 1e9), ("m", 60e9), ("h", 3_600e9)];

/// How many nanoseconds a unit has: `ns`, `us`, `ms`, `s`, `m`, `h`.
#[must_use]
pub fn unit(name: &str) -> Option<f64> {
    UNITS.iter().find(|(unit, _)| *unit == name).map(|(_, nanos)| *nanos)
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, name) = text.split_at(digits);
        let Ok(value) = number.parse::<f64>() else {
            return Err(format!(
                "{text:?} is no length of time; write a number and a unit, as 250ms"
            ));
        };
        if name.is_empty() && value == 0.0 {
            return Ok(Self::default());
        }
        if name.is_empty() {
            return Err(format!("a length of time needs a unit; did you mean \"{text}ms\"?"));
        }
        let Some(nanos) = unit(name.trim()) else {
            return Err(format!("unknown unit {name:?}: use ns, us, ms, s, m or h"));
        };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
        let nanos = (value * nanos).round() as u64;
        Ok(Self(Nanos::from_nanos(nanos)))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Span;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a length of time such as \"250ms\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Span, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Span, E> {
                Err(E::custom(format!(
                    "a length of time needs a unit; did you mean \"{number}ms\"?"
                )))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_lengths_of_time() {
        for (text, nanos) in
            [("250us", 250_000), ("1.5s", 1_500_000_000), ("2m", 120_000_000_000), ("0", 0)]
        {
            assert_eq!(text.parse::<Span>().expect(text).0.as_nanos(), nanos);
        }
        for (text, part) in
            [("10", "did you mean \"10ms\"?"), ("5 parsecs", "unknown unit"), ("", "no length")]
        {
            assert!(text.parse::<Span>().expect_err(text).contains(part));
        }
    }
}
