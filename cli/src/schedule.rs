//! When each call of a lane is meant to start: Poisson arrivals, the same for every lane.

use std::time::Duration;

use fastrand::Rng;

/// Intended start times, counted from the lane's beginning; the first `warm_up` of them are not
/// measured.
#[derive(Debug)]
pub(crate) struct Schedule {
    starts: Vec<Duration>,
    warm_up_calls: usize,
    warm_up: Duration,
}

impl Schedule {
    /// `rate` calls per second for `warm_up`, then for `length`.
    ///
    /// Given their number, the arrivals of a Poisson process are independent and uniform; drawing
    /// them so makes every run have exactly `rate × length` calls, at least one.
    pub(crate) fn new(rate: u32, warm_up: Duration, length: Duration, seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let mut starts = arrivals(rate, Duration::ZERO, warm_up, &mut rng);
        let warm_up_calls = starts.len();
        starts.extend(arrivals(rate, warm_up, length, &mut rng));
        if starts.len() == warm_up_calls {
            starts.push(warm_up);
        }
        Self { starts, warm_up_calls, warm_up }
    }

    /// When call number `call` is meant to start; `None` after the last.
    pub(crate) fn start(&self, call: usize) -> Option<Duration> {
        self.starts.get(call).copied()
    }

    /// How long the warm-up lasts: the measured run starts then.
    pub(crate) fn warm_up(&self) -> Duration {
        self.warm_up
    }

    /// Whether call number `call` counts.
    pub(crate) fn is_measured(&self, call: usize) -> bool {
        call >= self.warm_up_calls
    }

    pub(crate) fn len(&self) -> usize {
        self.starts.len()
    }
}

fn arrivals(rate: u32, begin: Duration, length: Duration, rng: &mut Rng) -> Vec<Duration> {
    let number = (f64::from(rate) * length.as_secs_f64()).round() as usize;
    let mut starts: Vec<_> = (0..number).map(|_| begin + length.mul_f64(rng.f64())).collect();
    starts.sort_unstable();
    starts
}

#[cfg(test)]
mod tests {
    use super::*;

    const WARM_UP: Duration = Duration::from_secs(1);
    const LENGTH: Duration = Duration::from_secs(10);

    #[test]
    fn has_exactly_the_calls_it_promises_in_order() {
        let schedule = Schedule::new(1_000, WARM_UP, LENGTH, 1);
        assert_eq!(schedule.len(), 11_000);
        assert!(schedule.starts.is_sorted());
        assert!(!schedule.is_measured(999) && schedule.is_measured(1_000));
        assert!(schedule.start(999) < Some(WARM_UP) && schedule.start(1_000) >= Some(WARM_UP));
        assert!(schedule.start(10_999) < Some(WARM_UP + LENGTH));
        assert_eq!(schedule.start(11_000), None);
    }

    #[test]
    fn the_same_seed_gives_the_same_times() {
        let starts = |seed| Schedule::new(500, WARM_UP, LENGTH, seed).starts;
        assert_eq!(starts(1), starts(1));
        assert_ne!(starts(1), starts(2));
    }

    #[test]
    fn gaps_vary_as_poisson_arrivals_do() {
        let starts = Schedule::new(1_000, Duration::ZERO, LENGTH, 1).starts;
        let gaps: Vec<f64> = starts.windows(2).map(|w| (w[1] - w[0]).as_secs_f64()).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        let variation = variance.sqrt() / mean;
        assert!((0.95..1.05).contains(&variation), "exponential gaps have 1, these {variation}");
    }

    #[test]
    fn the_shortest_run_has_one_call() {
        let schedule = Schedule::new(1, Duration::ZERO, Duration::from_millis(100), 1);
        assert_eq!(schedule.len(), 1);
        assert!(schedule.is_measured(0));
    }
}
