//! Service times as recorded: a list of numbers, or an HdrHistogram interval log.

use std::{fs, path::Path};

use hdrhistogram::{
    Histogram,
    serialization::{
        Deserializer,
        interval_log::{IntervalLogIterator, LogEntry},
    },
};
use rego_sim::Times;

use super::args::SimArgs;

/// More samples than this say no more.
const MOST: u64 = 2_000_000;

/// The service times that the flags name, if they name any.
///
/// # Errors
///
/// One line: the file, the place in it, and what is wrong there.
pub(super) fn times(args: &SimArgs) -> Result<Option<Times>, String> {
    let samples = match (&args.samples, &args.hlog) {
        (Some(path), _) => list(path, args.unit.unwrap_or(1e6))?,
        (_, Some(path)) => log(path, args.unit.unwrap_or(1.0), args.tag.as_deref())?,
        _ => return Ok(None),
    };
    Ok(Some(Times::Recorded(samples.into())))
}

/// One number a line; empty lines and comments are passed over.
fn list(path: &Path, unit: f64) -> Result<Vec<u64>, String> {
    let name = path.display();
    let text = fs::read_to_string(path).map_err(|error| format!("cannot read {name}: {error}"))?;
    let mut samples = Vec::new();
    for (nth, line) in text.lines().enumerate() {
        let line = line.trim().trim_end_matches(',');
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match line.parse::<f64>() {
            Ok(number) if number >= 0.0 && number.is_finite() => {
                samples.push(nanos(number * unit));
            }
            _ => return Err(format!("{name}:{}: {line:?} is no number of 0 or more", nth + 1)),
        }
    }
    if samples.is_empty() {
        return Err(format!("{name}: there are no numbers in it"));
    }
    Ok(samples)
}

/// Every value of every interval, as often as it was counted; fewer of each if there are too many.
fn log(path: &Path, unit: f64, tag: Option<&str>) -> Result<Vec<u64>, String> {
    let name = path.display();
    let text = fs::read(path).map_err(|error| format!("cannot read {name}: {error}"))?;
    let mut all: Option<Histogram<u64>> = None;
    let mut tags: Vec<String> = Vec::new();
    for (nth, entry) in IntervalLogIterator::new(&text).enumerate() {
        let entry = entry.map_err(|_| format!("{name}: entry {} is no interval", nth + 1))?;
        let LogEntry::Interval(interval) = entry else { continue };
        let own = interval.tag().map(|tag| tag.as_str().to_owned());
        if tag.is_some() && own.as_deref() != tag {
            tags.extend(own);
            continue;
        }
        let histogram = decode(interval.encoded_histogram())
            .map_err(|error| format!("{name}: entry {}: {error}", nth + 1))?;
        match &mut all {
            None => all = Some(histogram),
            Some(all) => all
                .add(&histogram)
                .map_err(|_| format!("{name}: entry {} has another range", nth + 1))?,
        }
    }
    let Some(all) = all.filter(|all| !all.is_empty()) else {
        tags.sort();
        tags.dedup();
        return Err(match tag {
            Some(tag) => format!("{name}: no interval is tagged {tag:?}; there are {tags:?}"),
            None => format!("{name}: there are no intervals in it"),
        });
    };
    let every = all.len().div_ceil(MOST);
    let (mut samples, mut over) = (Vec::new(), 0);
    for value in all.iter_recorded() {
        over += value.count_at_value();
        #[expect(clippy::cast_precision_loss, reason = "53 bits are plenty")]
        let length = nanos(value.value_iterated_to() as f64 * unit);
        samples.extend(std::iter::repeat_n(length, usize::try_from(over / every).unwrap_or(0)));
        over %= every;
    }
    Ok(samples)
}

/// A histogram in base64, compressed or not.
fn decode(text: &str) -> Result<Histogram<u64>, String> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bytes, mut bits, mut held) = (Vec::new(), 0u32, 0);
    for byte in text.bytes().filter(|byte| *byte != b'=') {
        let digit = DIGITS.iter().position(|digit| *digit == byte).ok_or("it is not base64")?;
        #[expect(clippy::cast_possible_truncation, reason = "at most 63")]
        {
            bits = bits << 6 | digit as u32;
        }
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held & 0xff) as u8);
        }
    }
    Deserializer::new()
        .deserialize(&mut bytes.as_slice())
        .map_err(|error| format!("it is no histogram: {error}"))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
fn nanos(nanos: f64) -> u64 {
    nanos.round() as u64
}
