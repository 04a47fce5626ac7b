//! What the embedded backend does to each request: fault models, the same for every lane.

use std::{fmt, time::Duration};

use clap::ValueEnum;
use fastrand::Rng;

/// A way for a backend to be bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scenario {
    /// 10 ms at the median, one attempt in a hundred takes 500 ms.
    Stragglers,
    /// The middle fifth of the run is ten times slower.
    Brownout,
    /// For five seconds in the middle every attempt fails: 503, or the connection is reset.
    Outage,
    /// One call in 25 is told 429 or 503 with `Retry-After`.
    Pushback,
    /// Two calls in a hundred are slow wherever they are sent.
    Correlated,
    /// 25 ms at the median, one attempt in twenty takes four times as long: `sim/scenarios/slow.toml`
    /// is the same in virtual time.
    Slow,
    /// Answers at once: what a call costs besides the service.
    Instant,
}

/// What becomes of one attempt.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fate {
    /// 200 after this long.
    Answer { after: Duration },
    /// 503 after this long.
    Fail { after: Duration },
    /// The connection is reset after this long.
    Reset { after: Duration },
    /// The call is asked to come back later; a later attempt is answered.
    PushBack { after: Duration, ask: Ask },
}

/// How a pushback is put: the status, the wait, and the form of `Retry-After`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Ask {
    pub(crate) status: u16,
    pub(crate) seconds: u64,
    pub(crate) as_date: bool,
}

/// A scenario of one length and one seed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Model {
    scenario: Scenario,
    seed: u64,
    length: Duration,
}

const MEDIAN: Duration = Duration::from_millis(10);
const SPREAD: f64 = 0.2;
const STRAGGLERS: f64 = 0.01;
/// More than a hundredth, so that the 99th percentile is one of them and not a matter of luck.
const CORRELATED: f64 = 0.02;
const STRAGGLER: Duration = Duration::from_millis(500);
const BROWNOUT_FACTOR: f64 = 10.0;
const OUTAGE: Duration = Duration::from_secs(5);
const OUTAGE_SHARE: f64 = 5.0 / 11.0;
const PUSHED_BACK: f64 = 0.04;
const SLOW_MEDIAN: Duration = Duration::from_millis(25);
const SLOW_SPREAD: f64 = 0.3;
const SLOW_STRAGGLERS: f64 = 0.05;
const SLOW_FACTOR: f64 = 4.0;

/// What a draw is for: draws for different purposes are independent.
#[derive(Clone, Copy)]
enum Draw {
    Attempt,
    Call,
}

impl Model {
    /// The scenario over a measured run of `length`; the same seed gives the same faults.
    pub(crate) fn new(scenario: Scenario, seed: u64, length: Duration) -> Self {
        Self { scenario, seed, length }
    }

    /// What becomes of attempt number `attempt` of call number `call`, arriving `at` after the
    /// measured run began (`None` before that). A function of its arguments alone.
    pub(crate) fn fate(&self, at: Option<Duration>, call: u64, attempt: u32) -> Fate {
        let mut own = self.rng(Draw::Attempt, call, attempt);
        let usual = service_time(&mut own);
        match self.scenario {
            Scenario::Stragglers => {
                Fate::Answer { after: or_straggler(usual, STRAGGLERS, &mut own) }
            }
            Scenario::Correlated => {
                let mut shared = self.rng(Draw::Call, call, 0);
                Fate::Answer { after: or_straggler(usual, CORRELATED, &mut shared) }
            }
            Scenario::Brownout if within(at, self.brownout()) => {
                Fate::Answer { after: usual.mul_f64(BROWNOUT_FACTOR) }
            }
            Scenario::Outage if within(at, self.outage()) => failure(&mut own),
            Scenario::Pushback => self.pushback(call, usual),
            Scenario::Slow => {
                let usual = lognormal(SLOW_MEDIAN, SLOW_SPREAD, &mut own);
                let slow = usual.mul_f64(SLOW_FACTOR);
                Fate::Answer { after: if own.f64() < SLOW_STRAGGLERS { slow } else { usual } }
            }
            Scenario::Instant => Fate::Answer { after: Duration::ZERO },
            Scenario::Brownout | Scenario::Outage => Fate::Answer { after: usual },
        }
    }

    /// What a request gets that is not one of a lane's: the usual time.
    pub(crate) fn usual(&self, nth: u64) -> Duration {
        service_time(&mut self.rng(Draw::Attempt, u64::MAX - nth, 0))
    }

    /// When the faults begin and end, counted from the start of the measured run.
    pub(crate) fn window(&self) -> Option<(Duration, Duration)> {
        match self.scenario {
            Scenario::Brownout => Some(self.brownout()),
            Scenario::Outage => Some(self.outage()),
            _ => None,
        }
    }

    fn brownout(&self) -> (Duration, Duration) {
        (self.length.mul_f64(0.4), self.length.mul_f64(0.6))
    }

    fn outage(&self) -> (Duration, Duration) {
        let length = OUTAGE.min(self.length.mul_f64(OUTAGE_SHARE));
        let begin = (self.length - length) / 2;
        (begin, begin + length)
    }

    fn pushback(&self, call: u64, usual: Duration) -> Fate {
        let mut shared = self.rng(Draw::Call, call, 0);
        if shared.f64() >= PUSHED_BACK {
            return Fate::Answer { after: usual };
        }
        let ask = Ask {
            status: if shared.bool() { 429 } else { 503 },
            seconds: if shared.u8(..4) == 0 { 2 } else { 1 },
            as_date: shared.bool(),
        };
        Fate::PushBack { after: Duration::from_millis(1), ask }
    }

    fn rng(&self, draw: Draw, call: u64, attempt: u32) -> Rng {
        let place = scramble(call) ^ scramble(u64::from(attempt) << 1 | draw as u64);
        Rng::with_seed(scramble(self.seed ^ place))
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stragglers => "stragglers",
            Self::Brownout => "brownout",
            Self::Outage => "outage",
            Self::Pushback => "pushback",
            Self::Correlated => "correlated",
            Self::Slow => "slow",
            Self::Instant => "instant",
        })
    }
}

fn within(at: Option<Duration>, (begin, end): (Duration, Duration)) -> bool {
    at.is_some_and(|at| begin <= at && at < end)
}

/// Lognormal: 10 ms at the median, 14 ms at the 95th percentile.
fn service_time(rng: &mut Rng) -> Duration {
    lognormal(MEDIAN, SPREAD, rng)
}

fn lognormal(median: Duration, spread: f64, rng: &mut Rng) -> Duration {
    let radius = (-2.0 * (1.0 - rng.f64()).ln()).sqrt();
    let normal = radius * (std::f64::consts::TAU * rng.f64()).cos();
    median.mul_f64((spread * normal).exp())
}

fn or_straggler(usual: Duration, share: f64, rng: &mut Rng) -> Duration {
    if rng.f64() < share { STRAGGLER } else { usual }
}

fn failure(rng: &mut Rng) -> Fate {
    let after = Duration::from_micros(rng.u64(500..2_000));
    if rng.f64() < 0.6 { Fate::Fail { after } } else { Fate::Reset { after } }
}

/// The finaliser of SplitMix64 (Steele, Lea and Flood, 2014): neighbouring numbers come out
/// unrelated.
fn scramble(number: u64) -> u64 {
    let number = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTH: Duration = Duration::from_secs(11);

    fn times(model: &Model, attempt: u32) -> Vec<Duration> {
        let at = Some(Duration::from_secs(1));
        let mut times: Vec<_> = (0..20_000)
            .map(|call| match model.fate(at, call, attempt) {
                Fate::Answer { after } => after,
                other => panic!("{other:?}"),
            })
            .collect();
        times.sort();
        times
    }

    #[test]
    fn the_same_seed_gives_the_same_faults() {
        for scenario in Scenario::value_variants() {
            let at = Some(Duration::from_millis(5_100));
            let one = Model::new(*scenario, 7, LENGTH);
            let two = Model::new(*scenario, 7, LENGTH);
            let other = Model::new(*scenario, 8, LENGTH);
            let fates = |model: &Model| -> Vec<Fate> {
                (0..500).map(|call| model.fate(at, call, (call % 3) as u32)).collect()
            };
            assert_eq!(fates(&one), fates(&two), "{scenario}");
            if *scenario == Scenario::Instant {
                continue;
            }
            assert_ne!(fates(&one), fates(&other), "{scenario}");
        }
    }

    #[test]
    fn stragglers_have_the_median_and_the_tail_they_say() {
        let times = times(&Model::new(Scenario::Stragglers, 1, LENGTH), 0);
        let median = times[times.len() / 2].as_secs_f64();
        assert!((0.0099..0.0101).contains(&median), "{median}");
        let slow = times.iter().filter(|time| **time == STRAGGLER).count();
        assert!((150..250).contains(&slow), "{slow} of 20,000");
    }

    #[test]
    fn a_second_attempt_is_a_new_draw_unless_slowness_is_correlated() {
        let slow = |scenario, attempt| -> Vec<u64> {
            let model = Model::new(scenario, 3, LENGTH);
            let is_slow = |call: &u64| match model.fate(None, *call, attempt) {
                Fate::Answer { after } => after == STRAGGLER,
                _ => false,
            };
            (0..5_000).filter(is_slow).collect()
        };
        let both = |scenario| {
            let first = slow(scenario, 0);
            slow(scenario, 1).iter().filter(|call| first.contains(call)).count()
        };
        assert!(both(Scenario::Stragglers) <= 4);
        assert_eq!(both(Scenario::Correlated), slow(Scenario::Correlated, 0).len());
    }

    #[test]
    fn windows_open_and_close() {
        let slow = Model::new(Scenario::Brownout, 1, LENGTH);
        let (begin, end) = slow.window().expect("a brown-out has a window");
        let usual = slow.fate(None, 5, 0);
        assert_eq!(slow.fate(Some(begin - Duration::from_nanos(1)), 5, 0), usual);
        assert_ne!(slow.fate(Some(begin), 5, 0), usual);
        assert_eq!(slow.fate(Some(end), 5, 0), usual);

        let down = Model::new(Scenario::Outage, 1, LENGTH);
        let (begin, end) = down.window().expect("an outage has a window");
        assert_eq!(end - begin, OUTAGE);
        let fails = |at, call| !matches!(down.fate(Some(at), call, 0), Fate::Answer { .. });
        assert!((0..200).all(|call| fails(begin, call)));
        assert!(!(0..200).any(|call| fails(end, call)));
    }

    #[test]
    fn a_short_run_has_a_short_outage() {
        let (begin, end) = Model::new(Scenario::Outage, 1, Duration::from_millis(1_100)).outage();
        assert_eq!((begin, end), (Duration::from_millis(300), Duration::from_millis(800)));
    }

    #[test]
    fn every_form_of_pushback_occurs() {
        let model = Model::new(Scenario::Pushback, 1, LENGTH);
        let asks: Vec<Ask> = (0..10_000)
            .filter_map(|call| match model.fate(None, call, 0) {
                Fate::PushBack { ask, .. } => Some(ask),
                _ => None,
            })
            .collect();
        assert!((300..500).contains(&asks.len()), "{}", asks.len());
        for status in [429, 503] {
            for as_date in [true, false] {
                assert!(asks.iter().any(|ask| ask.status == status && ask.as_date == as_date));
            }
        }
    }
}
