//! How long things take: distributions, as they stand in a scenario and as they are drawn from.

use std::{fmt, sync::Arc};

use rego::Nanos;
use serde::Deserialize;

use crate::{draw::Draw, span::Span};

/// A distribution of lengths of time, as it stands in a scenario.
///
/// ```toml
/// service = { dist = "lognormal", mean = "5ms", sd = "2ms" }
/// ```
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(tag = "dist", rename_all = "snake_case", deny_unknown_fields)]
pub enum Times {
    /// Always the same.
    Constant {
        /// How long.
        value: Span,
    },
    /// Evenly spread.
    Uniform {
        /// The shortest.
        from: Span,
        /// The longest.
        to: Span,
    },
    /// Memoryless.
    Exponential {
        /// The mean.
        mean: Span,
    },
    /// The exponential of a normal distribution, by its own mean and deviation, or by its median
    /// and the deviation of its logarithm.
    Lognormal {
        /// The mean; with `sd`.
        mean: Option<Span>,
        /// The standard deviation.
        sd: Option<Span>,
        /// The median; with `sigma`.
        median: Option<Span>,
        /// The standard deviation of the natural logarithm.
        sigma: Option<f64>,
    },
    /// `P(X > t) = (scale / t)^shape`.
    Pareto {
        /// The shape: the smaller, the heavier the tail.
        shape: f64,
        /// The shortest.
        scale: Span,
    },
    /// `P(X > t) = exp(-(t / scale)^shape)`.
    Weibull {
        /// The shape: below 1 the tail is heavier than an exponential's.
        shape: f64,
        /// The scale.
        scale: Span,
    },
    /// A survival curve through points `[time, share that takes longer]`, straight lines on a
    /// log-log scale. It begins with share 1; what outlasts the last point takes exactly as long.
    Survival {
        /// The points, times and shares both in order.
        points: Vec<(Span, f64)>,
    },
    /// One of several, by their shares.
    Mixture {
        /// The parts.
        parts: Vec<Part>,
    },
    /// As recorded; put there by `--hlog` and `--samples`.
    #[serde(skip)]
    Recorded(Arc<[u64]>),
}

/// One part of a mixture.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Its share; all of them are scaled to one.
    pub share: f64,
    /// Its distribution.
    pub times: Times,
}

/// What is wrong with a distribution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrongTimes(String);

impl fmt::Display for WrongTimes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for WrongTimes {}

/// A distribution that is ready to be drawn from; lengths in nanoseconds.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    Constant(f64),
    Uniform(f64, f64),
    Exponential(f64),
    Lognormal { mu: f64, sigma: f64 },
    Pareto { exponent: f64, scale: f64 },
    Weibull { exponent: f64, scale: f64 },
    Survival(Vec<(f64, f64)>),
    Mixture(Vec<(f64, Self)>),
    Recorded(Arc<[u64]>),
}

impl Times {
    /// Ready to be drawn from.
    ///
    /// # Errors
    ///
    /// The field that is wrong, and why.
    pub(crate) fn source(&self) -> Result<Source, WrongTimes> {
        Ok(match self {
            Self::Constant { value } => Source::Constant(value.nanos()),
            Self::Uniform { from, to } if from <= to => Source::Uniform(from.nanos(), to.nanos()),
            Self::Uniform { .. } => return wrong("uniform: `from` is longer than `to`"),
            Self::Exponential { mean } => Source::Exponential(mean.nanos()),
            Self::Lognormal { mean, sd, median, sigma } => lognormal(*mean, *sd, *median, *sigma)?,
            Self::Pareto { shape, scale } => Source::Pareto {
                exponent: -1.0 / positive("pareto", "shape", *shape)?,
                scale: positive("pareto", "scale", scale.nanos())?,
            },
            Self::Weibull { shape, scale } => Source::Weibull {
                exponent: 1.0 / positive("weibull", "shape", *shape)?,
                scale: scale.nanos(),
            },
            Self::Survival { points } => Source::Survival(survival(points)?),
            Self::Mixture { parts } => mixture(parts)?,
            Self::Recorded(samples) if samples.is_empty() => {
                return wrong("recorded: there are no samples");
            }
            Self::Recorded(samples) => Source::Recorded(Arc::clone(samples)),
        })
    }
}

impl Source {
    /// One draw.
    pub(crate) fn draw(&self, draw: &mut Draw) -> Nanos {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
        {
            Nanos::from_nanos(self.nanos(draw) as u64)
        }
    }

    /// The mean in nanoseconds; by a fixed sample where there is no formula for it.
    pub(crate) fn mean(&self) -> f64 {
        match self {
            Self::Constant(value) => *value,
            Self::Uniform(from, to) => f64::midpoint(*from, *to),
            Self::Exponential(mean) => *mean,
            Self::Lognormal { mu, sigma } => (mu + sigma * sigma / 2.0).exp(),
            Self::Mixture(parts) => {
                let mut before = 0.0;
                let mut sum = 0.0;
                for (upto, part) in parts {
                    sum += (upto - before) * part.mean();
                    before = *upto;
                }
                sum
            }
            #[expect(clippy::cast_precision_loss, reason = "an estimate")]
            Self::Recorded(samples) => {
                samples.iter().map(|&nanos| nanos as f64).sum::<f64>() / samples.len() as f64
            }
            _ => {
                const N: u32 = 200_000;
                let draw = |nth| {
                    let mut draw = Draw::at(0, crate::draw::Purpose::Service, 0, u64::from(nth), 0);
                    self.nanos(&mut draw)
                };
                (0..N).map(draw).sum::<f64>() / f64::from(N)
            }
        }
    }

    fn nanos(&self, draw: &mut Draw) -> f64 {
        match self {
            Self::Constant(value) => *value,
            Self::Uniform(from, to) => from + (to - from) * draw.unit(),
            Self::Exponential(mean) => -mean * draw.unit().ln(),
            Self::Lognormal { mu, sigma } => (mu + sigma * draw.normal()).exp(),
            Self::Pareto { exponent, scale } => scale * draw.unit().powf(*exponent),
            Self::Weibull { exponent, scale } => scale * (-draw.unit().ln()).powf(*exponent),
            Self::Survival(points) => at_share(points, draw.unit()),
            Self::Mixture(parts) => {
                let at = draw.unit();
                let part = parts.iter().find(|(upto, _)| at <= *upto).or(parts.last());
                part.map_or(0.0, |(_, part)| part.nanos(draw))
            }
            #[expect(clippy::cast_precision_loss, reason = "53 bits are plenty")]
            Self::Recorded(samples) => samples[draw.below(samples.len())] as f64,
        }
    }
}

fn wrong<T>(message: &str) -> Result<T, WrongTimes> {
    Err(WrongTimes(message.to_owned()))
}

fn positive(dist: &str, field: &str, value: f64) -> Result<f64, WrongTimes> {
    if value > 0.0 && value.is_finite() {
        return Ok(value);
    }
    Err(WrongTimes(format!("{dist}: `{field}` must be above 0, not {value}")))
}

fn lognormal(
    mean: Option<Span>,
    sd: Option<Span>,
    median: Option<Span>,
    sigma: Option<f64>,
) -> Result<Source, WrongTimes> {
    match (mean, sd, median, sigma) {
        (Some(mean), Some(sd), None, None) => {
            let mean = positive("lognormal", "mean", mean.nanos())?;
            let variance = (sd.nanos() / mean).powi(2).ln_1p();
            Ok(Source::Lognormal { mu: mean.ln() - variance / 2.0, sigma: variance.sqrt() })
        }
        (None, None, Some(median), Some(sigma)) => {
            let median = positive("lognormal", "median", median.nanos())?;
            if !(0.0..=10.0).contains(&sigma) {
                return wrong("lognormal: `sigma` must be from 0 to 10");
            }
            Ok(Source::Lognormal { mu: median.ln(), sigma })
        }
        _ => wrong("lognormal: wants `mean` and `sd`, or `median` and `sigma`"),
    }
}

fn survival(points: &[(Span, f64)]) -> Result<Vec<(f64, f64)>, WrongTimes> {
    if points.len() < 2 || points.first().is_some_and(|first| (first.1 - 1.0).abs() > 1e-9) {
        return wrong("survival: wants two points or more, the first of share 1");
    }
    let in_order = points.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 > pair[1].1);
    if !in_order || points.iter().any(|point| point.1 <= 0.0 || point.0.nanos() <= 0.0) {
        return wrong("survival: times must go up and shares down, all of them above 0");
    }
    Ok(points.iter().map(|(time, share)| (time.nanos().ln(), share.ln())).collect())
}

fn mixture(parts: &[Part]) -> Result<Source, WrongTimes> {
    let total: f64 = parts.iter().map(|part| part.share).sum();
    positive("mixture", "parts", total)?;
    let mut upto = 0.0;
    let mut sources = Vec::new();
    for part in parts {
        upto += positive("mixture", "share", part.share)? / total;
        sources.push((upto, part.times.source()?));
    }
    Ok(Source::Mixture(sources))
}

/// The time that this share outlasts, on a curve of logarithms.
fn at_share(points: &[(f64, f64)], share: f64) -> f64 {
    let share = share.ln();
    let after = points.partition_point(|point| point.1 > share);
    match (after.checked_sub(1).map(|before| points[before]), points.get(after)) {
        (Some((t0, s0)), Some((t1, s1))) => (t0 + (t1 - t0) * (s0 - share) / (s0 - s1)).exp(),
        (None, Some(first)) => first.0.exp(),
        (Some(last), None) => last.0.exp(),
        (None, None) => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::Purpose;

    fn parse(text: &str) -> Result<Source, WrongTimes> {
        #[derive(Deserialize)]
        struct Holder {
            service: Times,
        }
        let holder: Holder =
            toml::from_str(&format!("service = {{ {text} }}")).expect("well-formed");
        holder.service.source()
    }

    fn sample(source: &Source) -> Vec<f64> {
        let draw =
            |call| source.draw(&mut Draw::at(3, Purpose::Service, 0, call, 0)).as_secs_f64() * 1e3;
        let mut all: Vec<f64> = (0..100_000).map(draw).collect();
        all.sort_by(f64::total_cmp);
        all
    }

    #[test]
    fn each_has_the_quantiles_of_its_formula() {
        let quantile = |sample: &[f64], p: f64| sample[(sample.len() as f64 * p) as usize];
        for (text, p, expected) in [
            ("dist = 'constant', value = '3ms'", 0.5, 3.0),
            ("dist = 'uniform', from = '2ms', to = '4ms'", 0.75, 3.5),
            ("dist = 'exponential', mean = '2ms'", 0.9, 2.0 * 10f64.ln()),
            ("dist = 'lognormal', median = '5ms', sigma = 0.4", 0.5, 5.0),
            ("dist = 'lognormal', mean = '5ms', sd = '2ms'", 0.5, 5.0 / 1.16f64.sqrt()),
            ("dist = 'pareto', shape = 1.1, scale = '2ms'", 0.95, 2.0 * 20f64.powf(1.0 / 1.1)),
            ("dist = 'weibull', shape = 0.5, scale = '2ms'", 0.9, 2.0 * 10f64.ln().powi(2)),
            ("dist = 'survival', points = [['1ms', 1.0], ['10ms', 0.1]]", 0.5, 2.0),
        ] {
            let sample = sample(&parse(text).expect("well-formed"));
            let found = quantile(&sample, p);
            assert!((found / expected - 1.0).abs() < 0.03, "{text}: {found}, not {expected}");
        }
        let mixed = "dist = 'mixture', parts = [\
             { share = 3, times = { dist = 'constant', value = '1ms' } },\
             { share = 1, times = { dist = 'constant', value = '9ms' } }]";
        let source = parse(mixed).expect("well-formed");
        assert!((source.mean() - 3e6).abs() < 1.0);
        let slow = sample(&source).iter().filter(|time| **time > 5.0).count();
        assert!((24_000..26_000).contains(&slow), "{slow}");
    }

    #[test]
    fn means_are_those_of_their_samples() {
        for text in [
            "dist = 'uniform', from = '2ms', to = '4ms'",
            "dist = 'lognormal', mean = '5ms', sd = '2ms'",
            "dist = 'weibull', shape = 2, scale = '2ms'",
        ] {
            let source = parse(text).expect("well-formed");
            let sample = sample(&source);
            let mean = sample.iter().sum::<f64>() / sample.len() as f64;
            assert!((source.mean() / 1e6 / mean - 1.0).abs() < 0.01, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, part) in [
            ("dist = 'pareto', shape = 0, scale = '2ms'", "pareto: `shape`"),
            ("dist = 'lognormal', mean = '2ms'", "wants `mean` and `sd`"),
            ("dist = 'uniform', from = '2ms', to = '1ms'", "longer than"),
            ("dist = 'survival', points = [['1ms', 0.5], ['2ms', 0.1]]", "the first of share 1"),
            ("dist = 'survival', points = [['1ms', 1.0], ['2ms', 1.0]]", "shares down"),
            ("dist = 'mixture', parts = []", "mixture"),
        ] {
            let error = parse(text).expect_err(text).to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
