//! Node → value: numbers, names, durations, choices.

use super::{
    super::{Idempotent, PolicyErrorKind, error::Fault},
    schema::Shape,
    suggest::closest,
    tree::{Node, Value},
};
use crate::clock::Nanos;

/// Why a node is not the value it should be.
#[derive(Debug, PartialEq)]
pub(super) struct Wrong {
    pub(super) kind: PolicyErrorKind,
    pub(super) message: String,
    pub(super) suggestion: Option<String>,
}

pub(super) type Read<T> = Result<T, Wrong>;

impl Wrong {
    pub(super) fn value(message: impl Into<String>) -> Self {
        let kind = PolicyErrorKind::InvalidValue;
        Self { kind, message: message.into(), suggestion: None }
    }

    pub(super) fn kind(wanted: &str, got: &Value) -> Self {
        let message = format!("expected {wanted}, got {}", got.kind());
        Self { kind: PolicyErrorKind::WrongType, message, suggestion: None }
    }

    pub(super) fn suggest(mut self, suggestion: Option<String>) -> Self {
        self.suggestion = suggestion;
        self
    }
}

impl From<Fault> for Wrong {
    fn from(fault: Fault) -> Self {
        Self { kind: fault.kind, message: fault.message, suggestion: fault.suggestion }
    }
}

/// What a field takes: how it is read, and what it looks like.
pub(super) trait Kind {
    type Value;

    fn read(&self, node: &Node) -> Read<Self::Value>;

    fn shape(&self) -> Shape;
}

/// A way to read, and the shape of what it reads.
pub(super) struct Plain<T>(pub(super) fn(&Node) -> Read<T>, pub(super) fn() -> Shape);

pub(super) const FLAG: Plain<bool> = Plain(flag, || Shape::Flag);
pub(super) const COUNT: Plain<u32> = Plain(count, || Shape::Count);
pub(super) const NUMBER: Plain<f64> = Plain(number, || Shape::Number);
pub(super) const TEXT: Plain<String> = Plain(text, || Shape::Text);
pub(super) const DURATION: Plain<Nanos> = Plain(duration, || Shape::Duration);
pub(super) const TIMEOUT: Plain<Nanos> = Plain(timeout, || Shape::Timeout);
pub(super) const IDEMPOTENT: Plain<Idempotent> =
    Plain(idempotent, || Shape::FlagOr(Idempotent::ALL.map(Idempotent::label).to_vec()));

impl<T> Kind for Plain<T> {
    type Value = T;

    fn read(&self, node: &Node) -> Read<T> {
        (self.0)(node)
    }

    fn shape(&self) -> Shape {
        (self.1)()
    }
}

/// One of a closed list, and its names.
pub(super) struct Choice<T: 'static>(pub(super) &'static [T], pub(super) fn(T) -> &'static str);

impl<T: Copy> Kind for Choice<T> {
    type Value = T;

    fn read(&self, node: &Node) -> Read<T> {
        choice(node, self.0, self.1)
    }

    fn shape(&self) -> Shape {
        Shape::Choice(self.0.iter().map(|&one| (self.1)(one)).collect())
    }
}

pub(super) fn flag(node: &Node) -> Read<bool> {
    match &node.value {
        Value::Bool(value) => Ok(*value),
        other => Err(Wrong::kind("true or false", other).suggest(match other {
            Value::Text(text) => text.trim().parse().ok().map(|flag: bool| flag.to_string()),
            _ => None,
        })),
    }
}

pub(super) fn count(node: &Node) -> Read<u32> {
    match &node.value {
        Value::Integer(number) if *number < 0 => Err(Wrong::value(format!("{number} is negative"))),
        Value::Integer(number) => {
            u32::try_from(*number).map_err(|_| Wrong::value("the number is too large"))
        }
        other => Err(Wrong::kind("a whole number", other).suggest(match other {
            Value::Text(text) => text.trim().parse().ok().map(|number: u32| number.to_string()),
            Value::Float(number) if number.fract() == 0.0 => Some(number.to_string()),
            _ => None,
        })),
    }
}

/// A number with a fraction; whether it makes sense is for the rules to say.
#[expect(clippy::cast_precision_loss, reason = "ranges end long before 2⁵³")]
pub(super) fn number(node: &Node) -> Read<f64> {
    match &node.value {
        Value::Integer(number) => Ok(*number as f64),
        Value::Float(number) => Ok(*number),
        other => Err(Wrong::kind("a number", other).suggest(match other {
            Value::Text(text) => text.trim().parse().ok().map(|number: f64| number.to_string()),
            _ => None,
        })),
    }
}

pub(super) fn text(node: &Node) -> Read<String> {
    match &node.value {
        Value::Text(text) => Ok(text.clone()),
        other => Err(Wrong::kind("a string", other).suggest(match other {
            Value::Integer(number) => Some(format!("\"{number}\"")),
            Value::Float(number) => Some(format!("\"{number}\"")),
            _ => None,
        })),
    }
}

/// One of a closed list.
pub(super) fn choice<T: Copy>(
    node: &Node,
    all: &[T],
    label: impl Fn(T) -> &'static str,
) -> Read<T> {
    let labels = || all.iter().map(|&one| label(one));
    let list = || labels().map(|label| format!("\"{label}\"")).collect::<Vec<_>>().join(", ");
    let Value::Text(text) = &node.value else {
        return Err(Wrong::kind(&format!("one of {}", list()), &node.value));
    };
    all.iter().copied().find(|&one| label(one) == text.as_str()).ok_or_else(|| {
        let near = closest(text, labels()).map(|label| format!("\"{label}\""));
        Wrong::value(format!("{} is none of {}", quoted(text), list())).suggest(near)
    })
}

pub(super) fn idempotent(node: &Node) -> Read<Idempotent> {
    match &node.value {
        Value::Bool(yes) => Ok(Idempotent::from(*yes)),
        Value::Text(_) => choice(node, &Idempotent::ALL, Idempotent::label),
        other => Err(Wrong::kind("true or false", other)),
    }
}

/// A duration that may be off.
pub(super) fn timeout(node: &Node) -> Read<Nanos> {
    match &node.value {
        Value::Text(text) if text == "off" => Ok(Nanos::NEVER),
        _ => match duration(node)? {
            Nanos::ZERO => Ok(Nanos::NEVER),
            length => Ok(length),
        },
    }
}

pub(super) fn duration(node: &Node) -> Read<Nanos> {
    match &node.value {
        Value::Text(text) => length(text),
        Value::Integer(number) if *number < 0 => Err(Wrong::value("a duration is never negative")),
        other => {
            let wrong = Wrong::kind("a string with a unit, such as \"250ms\"", other);
            Err(wrong.suggest(match other {
                Value::Integer(number) => readable(&format!("{number}ms")),
                Value::Float(number) => readable(&format!("{number}ms")),
                _ => None,
            }))
        }
    }
}

/// A text inside a message: escaped, and cut when long.
pub(super) fn quoted(text: &str) -> String {
    const LONGEST: usize = 80;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

const UNITS: [(&str, u64); 7] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// What a duration looks like, as a regular expression.
pub(super) fn duration_pattern() -> String {
    format!("^{}$", length_pattern())
}

/// What a duration that may be off looks like.
pub(super) fn timeout_pattern() -> String {
    format!("^(off|{})$", length_pattern())
}

fn length_pattern() -> String {
    let units = UNITS.map(|(name, _)| name).join("|");
    format!(r"[0-9]+(\.[0-9]+)?({units})")
}

/// `1.5s`: a decimal number and a unit, exact to the nanosecond.
fn length(text: &str) -> Read<Nanos> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = UNITS.iter().find(|(name, _)| *name == unit);
    let (Some((_, nanos)), Some((whole, fraction))) = (unit, decimal(number)) else {
        let message = match text.trim_start().starts_with('-') {
            true => "a duration is never negative".to_owned(),
            false => format!("{} is no duration, such as \"250ms\" or \"1.5s\"", quoted(text)),
        };
        return Err(Wrong::value(message).suggest(readable(text)));
    };
    exactly(whole, fraction, *nanos)
}

/// The digits before and after the point.
fn decimal(number: &str) -> Option<(&str, &str)> {
    let (whole, fraction) = match number.split_once('.') {
        Some((_, "")) => return None,
        Some(parts) => parts,
        None => (number, ""),
    };
    (!whole.is_empty() && !fraction.contains('.')).then_some((whole, fraction))
}

fn exactly(whole: &str, fraction: &str, unit: u64) -> Read<Nanos> {
    const DIGITS: usize = 20;
    let too_long = || Wrong::value("a duration of more than 500 years");
    let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
    if whole.len() > DIGITS {
        return Err(too_long());
    }
    let parse = |digits: &str| match digits {
        "" => 0,
        digits => digits.parse::<u128>().expect("at most 20 digits"),
    };
    let finer = || Wrong::value("a duration is not finer than a nanosecond");
    if fraction.len() > DIGITS {
        return Err(finer());
    }
    let scale = 10_u128.pow(u32::try_from(fraction.len()).expect("at most 20"));
    let parts = parse(fraction) * u128::from(unit);
    if !parts.is_multiple_of(scale) {
        return Err(finer());
    }
    let nanos = parse(whole) * u128::from(unit) + parts / scale;
    match u64::try_from(nanos) {
        Ok(nanos) if nanos < u64::MAX => Ok(Nanos::from_nanos(nanos)),
        _ => Err(too_long()),
    }
}

/// What a text that is no duration may have meant, as it should be written.
fn readable(text: &str) -> Option<String> {
    const LONGEST: usize = 64;
    if text.len() > LONGEST {
        return None;
    }
    let text: String = text.to_lowercase().split_whitespace().collect();
    let mut rest = text.as_str();
    let mut sum = Nanos::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        let letters = after.find(|c: char| !c.is_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        let (whole, fraction) = decimal(number)?;
        sum = sum + exactly(whole, fraction, unit_of(unit)?).ok()?;
        rest = after;
    }
    (!text.is_empty()).then(|| format!("\"{sum}\""))
}

/// The unit that other formats write in other ways.
fn unit_of(name: &str) -> Option<u64> {
    let unit = match name {
        "" | "msec" | "msecs" | "milli" | "millis" | "millisecond" | "milliseconds" => "ms",
        "usec" | "usecs" | "μs" | "micro" | "micros" | "microsecond" | "microseconds" => "us",
        "nsec" | "nanos" | "nanosecond" | "nanoseconds" => "ns",
        "sec" | "secs" | "second" | "seconds" => "s",
        "min" | "mins" | "minute" | "minutes" => "m",
        "hr" | "hrs" | "hour" | "hours" => "h",
        "d" | "day" | "days" => return Some(24 * 3_600_000_000_000),
        name => name,
    };
    UNITS.iter().find(|(name, _)| *name == unit).map(|&(_, nanos)| nanos)
}
