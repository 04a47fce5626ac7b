//! What a lane's samples amount to.

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::load::Sample;

/// Three significant digits from a microsecond to ten minutes, in nanoseconds.
const LOWEST: u64 = 1_000;
const HIGHEST: u64 = 600_000_000_000;
const DIGITS: u8 = 3;

/// The measured calls of a lane, failed ones included.
#[derive(Clone, Debug)]
pub(crate) struct Summary {
    pub(crate) calls: u64,
    pub(crate) good: u64,
    /// How late calls started at the 99th percentile: the load generator's own noise.
    pub(crate) lag_p99: Duration,
    /// Latencies in nanoseconds.
    pub(crate) latency: Histogram<u64>,
}

impl Summary {
    pub(crate) fn of(samples: &[Sample]) -> Self {
        let mut lag = histogram();
        let mut latency = histogram();
        for sample in samples {
            lag.saturating_record(nanos(sample.lag));
            latency.saturating_record(nanos(sample.latency));
        }
        Self {
            calls: samples.len() as u64,
            good: samples.iter().filter(|sample| sample.is_ok).count() as u64,
            lag_p99: Duration::from_nanos(lag.value_at_quantile(0.99)),
            latency,
        }
    }

    /// The share of calls that succeeded, 0 to 1; 1 when there were none.
    pub(crate) fn success(&self) -> f64 {
        share(self.good, self.calls)
    }

    /// The latency that a share `quantile` of the calls stayed within, in milliseconds.
    pub(crate) fn quantile_ms(&self, quantile: f64) -> f64 {
        self.latency.value_at_quantile(quantile) as f64 / 1e6
    }
}

/// `part / whole`; 1 of nothing.
pub(crate) fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 1.0 } else { part as f64 / whole as f64 }
}

/// The samples' latencies, one histogram for every second of the run.
pub(crate) fn by_second(samples: &[Sample]) -> Vec<Histogram<u64>> {
    let mut seconds: Vec<Histogram<u64>> = Vec::new();
    for sample in samples {
        let second = sample.start.as_secs() as usize;
        while seconds.len() <= second {
            seconds.push(histogram());
        }
        seconds[second].saturating_record(nanos(sample.latency));
    }
    seconds
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(LOWEST, HIGHEST, DIGITS).expect("the bounds are in order")
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(start_ms: u64, latency_ms: u64, is_ok: bool) -> Sample {
        Sample {
            start: Duration::from_millis(start_ms),
            latency: Duration::from_millis(latency_ms),
            lag: Duration::from_micros(latency_ms),
            is_ok,
        }
    }

    #[test]
    fn percentiles_are_those_of_the_calls() {
        let samples: Vec<_> = (1..=1_000).map(|n| sample(n, n, n % 4 != 0)).collect();
        let summary = Summary::of(&samples);
        let is_near = |quantile, expected: f64| {
            let ms = summary.quantile_ms(quantile);
            assert!((ms / expected - 1.0).abs() < 0.002, "{quantile}: {ms} against {expected}");
        };
        is_near(0.5, 500.0);
        is_near(0.9, 900.0);
        is_near(0.99, 990.0);
        is_near(0.999, 999.0);
        assert_eq!(summary.success(), 0.75);
        assert_eq!(summary.lag_p99.as_micros(), 990);
    }

    #[test]
    fn seconds_are_kept_apart() {
        let samples = [sample(100, 5, true), sample(2_500, 7, true), sample(2_900, 8, true)];
        let counts: Vec<u64> = by_second(&samples).iter().map(Histogram::len).collect();
        assert_eq!(counts, [1, 0, 2]);
    }

    #[test]
    fn a_lane_without_calls_has_not_failed() {
        let summary = Summary::of(&[]);
        assert_eq!((summary.success(), summary.quantile_ms(0.5)), (1.0, 0.0));
    }
}
