//! What a simulation found out.

use hdrhistogram::Histogram;
use rego::{AttemptKind, Nanos};

use crate::host::{End, Hedging, Spent};

/// Three significant digits from a microsecond to an hour, in nanoseconds.
const LOWEST: u64 = 1_000;
const HIGHEST: u64 = 3_600_000_000_000;
const DIGITS: u8 = 3;

/// What a lane of a simulation found out. Calls and attempts are those of calls that began after
/// the warm-up, unless said.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Calls.
    pub calls: u64,
    /// Calls that succeeded.
    pub good: u64,
    /// Attempts, first ones included.
    pub attempts: u64,
    /// Attempts that began a later retry group.
    pub retries: u64,
    /// Hedges.
    pub hedges: u64,
    /// Calls that a retry answered.
    pub won_by_retry: u64,
    /// Calls that a hedge answered.
    pub won_by_hedge: u64,
    /// Calls that ran out of time.
    pub late: u64,
    /// Calls that a budget ended.
    pub denied: u64,
    /// Attempts at the last of the services behind each other, warm-up included.
    pub deepest: u64,
    /// How long calls took, failed ones included, in nanoseconds.
    pub latency: Histogram<u64>,
    /// How long requests took: as long as the longest of their calls.
    pub requests: Histogram<u64>,
    /// Requests that succeeded.
    pub good_requests: u64,
    /// How long the servers of the first service worked, warm-up included.
    pub busy: Nanos,
    /// How much of that was for attempts that nobody waited for any more.
    pub wasted: Nanos,
    /// How many attempts those servers work on at a time.
    pub places: f64,
    /// Second by second, warm-up included.
    pub series: Vec<Second>,
    /// When the first client hedges, every quarter of a second.
    pub hedging: Vec<(Nanos, Hedging)>,
    /// What all clients have spent, warm-up included.
    pub spent: Spending,
    /// When the last call ended.
    pub ended: Nanos,
}

/// What happened in one second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Second {
    /// Calls that began in it.
    pub begun: u64,
    /// Those of them that were to succeed.
    pub good: u64,
    /// Attempts that were sent in it.
    pub attempts: u64,
    /// Calls that succeeded in it.
    pub answered: u64,
    /// Calls that ended in it.
    pub ended: u64,
}

/// What budgets allowed and refused, over all clients.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spending {
    /// Extra attempts that were allowed, where anybody counts them.
    pub granted: u64,
    /// Retries that were refused.
    pub retries_denied: u64,
    /// Hedges that were refused.
    pub hedges_denied: u64,
    /// The most that could have been allowed; infinite where nothing limits it.
    pub bound: f64,
}

impl Spending {
    pub(crate) fn add(&mut self, spent: &Spent) {
        self.granted += spent.granted;
        self.retries_denied += spent.retries_denied;
        self.hedges_denied += spent.hedges_denied;
        self.bound += spent.bound;
    }
}

impl Outcome {
    pub(crate) fn new() -> Self {
        let histogram = || {
            Histogram::new_with_bounds(LOWEST, HIGHEST, DIGITS).expect("the bounds are in order")
        };
        Self {
            calls: 0,
            good: 0,
            attempts: 0,
            retries: 0,
            hedges: 0,
            won_by_retry: 0,
            won_by_hedge: 0,
            late: 0,
            denied: 0,
            deepest: 0,
            latency: histogram(),
            requests: histogram(),
            good_requests: 0,
            busy: Nanos::ZERO,
            wasted: Nanos::ZERO,
            places: 1.0,
            series: Vec::new(),
            hedging: Vec::new(),
            spent: Spending::default(),
            ended: Nanos::ZERO,
        }
    }

    /// How long this share of calls takes at most.
    #[must_use]
    pub fn quantile(&self, p: f64) -> Nanos {
        Nanos::from_nanos(self.latency.value_at_quantile(p))
    }

    /// How long this share of requests takes at most.
    #[must_use]
    pub fn request_quantile(&self, p: f64) -> Nanos {
        Nanos::from_nanos(self.requests.value_at_quantile(p))
    }

    /// Hedges per call.
    #[must_use]
    pub fn hedge_rate(&self) -> f64 {
        share(self.hedges, self.calls)
    }

    /// Attempts per call.
    #[must_use]
    pub fn load(&self) -> f64 {
        share(self.attempts, self.calls)
    }

    /// The share of calls that succeeded.
    #[must_use]
    pub fn success(&self) -> f64 {
        share(self.good, self.calls)
    }

    /// The share of time that servers were busy.
    #[must_use]
    pub fn utilisation(&self) -> f64 {
        self.busy.as_secs_f64() / (self.ended.as_secs_f64() * self.places).max(1e-9)
    }

    pub(crate) fn call(
        &mut self,
        began: Nanos,
        now: Nanos,
        end: End,
        via: Option<AttemptKind>,
        measured: bool,
    ) {
        let good = u64::from(end == End::Success);
        let second = self.second(began);
        second.begun += 1;
        second.good += good;
        let second = self.second(now);
        second.answered += good;
        second.ended += 1;
        if !measured {
            return;
        }
        self.calls += 1;
        self.good += good;
        self.late += u64::from(end == End::Late);
        self.denied += u64::from(end == End::Denied);
        self.won_by_retry += u64::from(via == Some(AttemptKind::Retry));
        self.won_by_hedge += u64::from(via == Some(AttemptKind::Hedge));
        self.latency.saturating_record((now - began).as_nanos());
    }

    pub(crate) fn request(&mut self, latency: Nanos, good: bool) {
        self.good_requests += u64::from(good);
        self.requests.saturating_record(latency.as_nanos());
    }

    pub(crate) fn attempt(&mut self, now: Nanos, kind: AttemptKind, measured: bool) {
        self.second(now).attempts += 1;
        if measured {
            self.attempts += 1;
            self.retries += u64::from(kind == AttemptKind::Retry);
            self.hedges += u64::from(kind == AttemptKind::Hedge);
        }
    }

    /// A server has worked on an attempt to its end.
    pub(crate) fn served(&mut self, length: Nanos, in_vain: bool) {
        self.busy = self.busy + length;
        if in_vain {
            self.wasted = self.wasted + length;
        }
    }

    /// A server has let go of an attempt that was given up.
    pub(crate) fn cut_short(&mut self, length: Nanos) {
        self.served(length, true);
    }

    pub(crate) fn hedging(&mut self, now: Nanos, hedging: Hedging) {
        self.hedging.push((now, hedging));
    }

    fn second(&mut self, at: Nanos) -> &mut Second {
        let nth = usize::try_from(at.as_nanos() / 1_000_000_000).expect("a few hours");
        if nth >= self.series.len() {
            self.series.resize(nth + 1, Second::default());
        }
        &mut self.series[nth]
    }
}

#[expect(clippy::cast_precision_loss, reason = "53 bits are plenty")]
fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}
