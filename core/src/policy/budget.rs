//! What a budget is defined as; the balances live in the `budget` room.

use std::{ops::RangeInclusive, time::Duration};

use super::{PolicyErrorKind, PolicyErrors, UNLIMITED, error::Fault, normalize::per_cent};
use crate::key::Key;

const MAX_COUNT: u32 = 1_000_000;
const MAX_RATE: f64 = 1e6;
const MAX_TOKENS: u32 = 1_000;
const WINDOW: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(600);

/// The definition of a budget: how many extra attempts (retries, hedges) may be paid for.
///
/// ```
/// use std::time::Duration;
/// use rego::Budget;
///
/// let users: Budget = Budget::ratio(0.1).window(Duration::from_secs(30)).min_per_sec(2.0).into();
/// users.validate()?;
/// Budget::token_bucket(20, 5.0).validate()?;
///
/// let errors = Budget::from(Budget::ratio(10.0)).validate().unwrap_err();
/// assert_eq!(errors.to_string(), "ratio: 10 is out of range, it is 0 to 1; did you mean `0.1`?");
/// # Ok::<(), rego::PolicyErrors>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Budget {
    /// Allows all.
    Unlimited,
    /// Grants in any window ≤ `capacity` + `refill_per_sec` × its length, exactly (GCRA).
    TokenBucket {
        /// The largest burst, in attempts: 1 to a million.
        capacity: u32,
        /// Attempts per second: 0 to a million.
        refill_per_sec: f64,
    },
    /// A share of what the server answers.
    Ratio {
        /// Extra attempts per answered call: 0 to 1.
        ratio: f64,
        /// How long an answer counts towards the ceiling of the balance: 1 s to 10 min.
        window: Duration,
        /// The highest ceiling, in attempts: 1 to a million.
        cap: u32,
        /// Granted per second where the balance is spent, while the site is healthy: 0 to a
        /// million.
        min_per_sec: f64,
        /// What it starts with, as far as the cap allows it; see [`RatioBudget::start`].
        start: u32,
        /// What deposits.
        funding: Funding,
    },
    /// Extra attempts in flight ≤ max(`ratio` × calls in flight, `min`).
    InFlight {
        /// Share of the calls in flight: 0 to 1.
        ratio: f64,
        /// Always allowed: at most a million.
        min: u32,
    },
    /// At most this many extra attempts at once.
    Concurrency {
        /// How many: 1 to a million.
        max: u32,
    },
    /// −1 per failure, +`token_ratio` per success, extra attempts only above half (gRPC's
    /// retry throttling, gRFC A6).
    Throttle {
        /// The full balance: 1 to 1000.
        max_tokens: u32,
        /// What a success puts back: above 0, at most 1000.
        token_ratio: f64,
    },
}

/// What deposits into a ratio budget.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Funding {
    /// A call whose first attempt the server answered. An outage does not fund its own retries.
    #[default]
    Successes,
    /// Every call, whatever becomes of it (as most libraries do).
    Requests,
}

impl Funding {
    /// Everything there is.
    pub const ALL: [Self; 2] = [Self::Successes, Self::Requests];

    /// The name used in policies and records.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Successes => "successes",
            Self::Requests => "requests",
        }
    }
}

/// A ratio budget in the making: [`Budget::ratio`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[must_use]
pub struct RatioBudget {
    ratio: f64,
    window: Duration,
    cap: u32,
    min_per_sec: f64,
    start: u32,
    funding: Funding,
}

impl Budget {
    /// Extra attempts per answered call, 0 to 1: 0.1 allows one retry for ten answers. Unless
    /// said otherwise: the answers of the last 10 s count, at most 100 attempts are saved up,
    /// it starts with 5, one per second comes on top while the site is healthy and the balance is
    /// spent, and successes fund it. What successes paid in is kept, and not spent, while calls
    /// fail and nothing is answered for a second or longer.
    pub const fn ratio(ratio: f64) -> RatioBudget {
        RatioBudget {
            ratio,
            window: Duration::from_secs(10),
            cap: 100,
            min_per_sec: 1.0,
            start: 5,
            funding: Funding::Successes,
        }
    }

    /// Bursts up to `capacity` attempts, and `refill_per_sec` in the long run.
    #[must_use]
    pub const fn token_bucket(capacity: u32, refill_per_sec: f64) -> Self {
        Self::TokenBucket { capacity, refill_per_sec }
    }

    /// Allows all.
    #[must_use]
    pub const fn unlimited() -> Self {
        Self::Unlimited
    }

    /// Extra attempts in flight ≤ max(`ratio` × calls in flight, `min`).
    #[must_use]
    pub const fn in_flight(ratio: f64, min: u32) -> Self {
        Self::InFlight { ratio, min }
    }

    /// At most this many extra attempts at once.
    #[must_use]
    pub const fn concurrency(max: u32) -> Self {
        Self::Concurrency { max }
    }

    /// −1 per failure, +`token_ratio` per success, extra attempts only above half of
    /// `max_tokens`.
    #[must_use]
    pub const fn throttle(max_tokens: u32, token_ratio: f64) -> Self {
        Self::Throttle { max_tokens, token_ratio }
    }

    /// The name used in policies, records and metrics.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Unlimited => "unlimited",
            Self::TokenBucket { .. } => "token_bucket",
            Self::Ratio { .. } => "ratio",
            Self::InFlight { .. } => "in_flight",
            Self::Concurrency { .. } => "concurrency",
            Self::Throttle { .. } => "throttle",
        }
    }

    /// Checks that every number is in its range. Nothing is clamped: a budget that is not what
    /// was asked for protects nobody.
    ///
    /// # Errors
    ///
    /// Every number that is not.
    pub fn validate(&self) -> Result<(), PolicyErrors> {
        let faults = self.faults();
        if faults.is_empty() { Ok(()) } else { Err(faults.into_iter().collect()) }
    }

    /// What is wrong with the name that one is defined under.
    pub(crate) fn name_fault(name: &str) -> Option<Fault> {
        let fault = |message| Fault::new(PolicyErrorKind::InvalidValue, "", message);
        if name == UNLIMITED {
            return Some(fault("this budget is built in and allows all".to_owned()));
        }
        let error = Key::parse(name).err()?;
        Some(fault(error.to_string().replace("a key", "the name of a budget")))
    }

    pub(super) fn faults(&self) -> Vec<Fault> {
        let found = match *self {
            Self::Unlimited => return Vec::new(),
            Self::TokenBucket { capacity, refill_per_sec } => {
                vec![
                    count("capacity", capacity, 1..=MAX_COUNT),
                    rate("refill_per_sec", refill_per_sec),
                ]
            }
            Self::Ratio { ratio, window, cap, min_per_sec, start, funding: _ } => vec![
                share("ratio", ratio),
                (!WINDOW.contains(&window))
                    .then(|| out_of_range("window", format!("{window:?}"), "1 s to 10 min")),
                count("cap", cap, 1..=MAX_COUNT),
                rate("min_per_sec", min_per_sec),
                count("start", start, 0..=MAX_COUNT),
            ],
            Self::InFlight { ratio, min } => {
                vec![share("ratio", ratio), count("min", min, 0..=MAX_COUNT)]
            }
            Self::Concurrency { max } => vec![count("max", max, 1..=MAX_COUNT)],
            Self::Throttle { max_tokens, token_ratio } => vec![
                count("max_tokens", max_tokens, 1..=MAX_TOKENS),
                (!(token_ratio > 0.0 && token_ratio <= f64::from(MAX_TOKENS))).then(|| {
                    out_of_range("token_ratio", token_ratio.to_string(), "above 0, at most 1000")
                }),
            ],
        };
        found.into_iter().flatten().collect()
    }
}

fn count(field: &'static str, asked: u32, range: RangeInclusive<u32>) -> Option<Fault> {
    (!range.contains(&asked)).then(|| {
        out_of_range(field, asked.to_string(), &format!("{} to {}", range.start(), range.end()))
    })
}

fn rate(field: &'static str, asked: f64) -> Option<Fault> {
    (!(0.0..=MAX_RATE).contains(&asked))
        .then(|| out_of_range(field, asked.to_string(), "0 to a million per second"))
}

fn share(field: &'static str, asked: f64) -> Option<Fault> {
    if (0.0..=1.0).contains(&asked) {
        return None;
    }
    let suggestion = per_cent(asked);
    Some(Fault { suggestion, ..out_of_range(field, asked.to_string(), "0 to 1") })
}

fn out_of_range(field: &'static str, asked: String, range: &str) -> Fault {
    let message = format!("{asked} is out of range, it is {range}");
    Fault::new(PolicyErrorKind::InvalidValue, field, message)
}

impl RatioBudget {
    /// How long an answer counts towards the ceiling of the balance: 1 s to 10 min.
    pub const fn window(mut self, window: Duration) -> Self {
        self.window = window;
        self
    }

    /// The most attempts that are saved up: 1 to a million.
    pub const fn cap(mut self, attempts: u32) -> Self {
        self.cap = attempts;
        self
    }

    /// Attempts per second that come on top while the site is healthy: 0 to a million.
    pub const fn min_per_sec(mut self, attempts: f64) -> Self {
        self.min_per_sec = attempts;
        self
    }

    /// With this many attempts to start with, as far as the cap allows; 5 unless said. So many are
    /// kept until a whole window has shown how much is answered; from then on what that pays for,
    /// or the retries of one call (2, or the dearest attempt so far), if `start` is not less. A fleet has them once for each
    /// process.
    pub const fn start(mut self, attempts: u32) -> Self {
        self.start = attempts;
        self
    }

    /// Every call deposits, whatever becomes of it: for compatibility with other libraries. An
    /// outage then funds its own retries.
    pub const fn funded_by_requests(mut self) -> Self {
        self.funding = Funding::Requests;
        self
    }
}

impl From<RatioBudget> for Budget {
    fn from(budget: RatioBudget) -> Self {
        let RatioBudget { ratio, window, cap, min_per_sec, start, funding } = budget;
        Self::Ratio { ratio, window, cap, min_per_sec, start, funding }
    }
}
