//! The delay that makes a percentile shortest within a budget of extra load.
//!
//! SingleR (Kaler, He and Elnikety, SPAA 2017): one more attempt after `d`, with probability `q`.
//! If primary and hedge are alike and independent, a call is done within `t` with probability
//! `1 - S(t) + q S(t) (1 - S(t - d))`, and the load grows by `q S(d)`. Where the budget is smaller
//! than the tail the percentile is about, no delay with `q = 1` can shorten it at all; an earlier
//! one with `q < 1` can. Where it is much larger, `q = 1` is best.

use crate::{
    clock::Nanos,
    curve::{BUCKETS, Curve, Scale},
};

/// Halvings of a bucket when looking for the time a delay leads to: 3.1 % / 64 = 0.05 %.
const HALVINGS: u32 = 6;
/// Delays tried on either side of the best bucket's end, to look inside the buckets.
const POLISH: u64 = 8;

/// The delay that makes the percentile `objective` shortest for at most `budget` extra load; it goes with the probability
/// `min(1, budget / S(delay))`. `None` if no delay shortens the percentile.
///
/// Delays are tried from the longest down, and the shortest time so far only ever gets shorter:
/// two pointers, one sweep.
pub(super) fn delay(curve: &Curve, budget: f64, objective: f64) -> Option<Nanos> {
    let unhedged = curve.quantile(objective)?;
    let mut search = Search::new(curve, budget, objective, unhedged);
    // The longest delay with q = 1 that spends all of the budget; it need not be a bucket's end.
    let spent = curve.quantile(1.0 - budget)?;
    search.try_delay(spent);
    for bucket in (0..Scale::FINE.index(unhedged).min(BUCKETS - 1)).rev() {
        search.try_delay(Scale::FINE.upper(bucket));
    }
    let best = search.delay?;
    let bucket = Scale::FINE.index(best);
    let (from, to) = (Scale::FINE.lower(bucket.saturating_sub(1)), Scale::FINE.upper(bucket));
    let step = (to - from).as_nanos() / (2 * POLISH);
    for nth in 1..2 * POLISH {
        search.try_delay(from + Nanos::from_nanos(nth * step));
    }
    search.delay
}

struct Search<'a> {
    curve: &'a Curve,
    budget: f64,
    objective: f64,
    /// The shortest time within which the objective is met so far, …
    time: Nanos,
    /// … the delay that does it, …
    delay: Option<Nanos>,
    /// … and the time that another delay has to reach to be better, with what is late by then.
    better: Nanos,
    late: f64,
}

impl<'a> Search<'a> {
    fn new(curve: &'a Curve, budget: f64, objective: f64, time: Nanos) -> Self {
        let mut search =
            Self { curve, budget, objective, time, delay: None, better: time, late: 1.0 };
        search.raise_the_bar();
        search
    }

    /// Keeps `delay` if it meets the objective earlier than any before it.
    fn try_delay(&mut self, delay: Nanos) {
        let tail = self.curve.survival(delay);
        let probability = if tail > self.budget { self.budget / tail } else { 1.0 };
        if !self.is_met(delay, probability, self.better, self.late) {
            return;
        }
        let meets = |time: Nanos| self.is_met(delay, probability, time, self.curve.survival(time));
        let mut good = self.better;
        let mut bucket = Scale::FINE.index(good);
        while meets(Scale::FINE.lower(bucket)) {
            good = Scale::FINE.lower(bucket);
            bucket -= 1;
        }
        let mut bad = Scale::FINE.lower(bucket);
        for _ in 0..HALVINGS {
            let middle = bad + Nanos::from_nanos((good - bad).as_nanos() / 2);
            if meets(middle) {
                good = middle;
            } else {
                bad = middle;
            }
        }
        (self.time, self.delay) = (good, Some(delay));
        self.raise_the_bar();
    }

    /// Whether enough calls are done within `time`, by which `late` primaries are not.
    fn is_met(&self, delay: Nanos, probability: f64, time: Nanos, late: f64) -> bool {
        delay < time && {
            let hedged = 1.0 - self.curve.survival(time - delay);
            1.0 - late + probability * late * hedged >= self.objective
        }
    }

    /// A thousandth is the least improvement worth a look.
    fn raise_the_bar(&mut self) {
        self.better = self.time - Nanos::from_nanos(self.time.as_nanos() >> 10);
        self.late = self.curve.survival(self.better);
    }
}
