//! Budgets as other libraries have them.

use std::collections::VecDeque;

use rego::Nanos;

/// What pays for a twin's extra attempts.
#[derive(Clone, Copy, Debug)]
pub enum TwinBudget {
    /// Nothing limits them.
    Unlimited,
    /// As Finagle's and tower's: so much for each request, good for ten seconds, and so many a
    /// second whatever happens.
    Requests {
        /// What a request pays in.
        ratio: f64,
        /// How many extra attempts a second are always allowed.
        min_per_sec: f64,
    },
    /// A bucket that requests pay into, as in Brooker's simulation: it begins full.
    Bucket {
        /// What a request pays in.
        ratio: f64,
        /// The most it holds.
        cap: f64,
    },
}

/// How long what was paid in is good for.
const LIFE: Nanos = Nanos::from_secs(10);
/// In slices of a second, as both do.
const SLICE: Nanos = Nanos::from_secs(1);

#[derive(Debug)]
pub(super) struct Balance {
    rules: TwinBudget,
    /// Slices of paid in less drawn, with when they began.
    slices: VecDeque<(Nanos, f64)>,
    bucket: f64,
}

impl Balance {
    pub(super) fn new(rules: TwinBudget) -> Self {
        let bucket = if let TwinBudget::Bucket { cap, .. } = rules { cap } else { 0.0 };
        Self { rules, slices: VecDeque::new(), bucket }
    }

    /// A request begins.
    pub(super) fn request(&mut self, now: Nanos) {
        match self.rules {
            TwinBudget::Unlimited => {}
            TwinBudget::Requests { ratio, .. } => self.add(now, ratio),
            TwinBudget::Bucket { ratio, cap } => self.bucket = (self.bucket + ratio).min(cap),
        }
    }

    /// A request succeeded; nobody here is paid by that.
    pub(super) fn success(&mut self, _now: Nanos) {}

    /// Takes one, if there is one.
    pub(super) fn take(&mut self, now: Nanos) -> bool {
        match self.rules {
            TwinBudget::Unlimited => true,
            TwinBudget::Requests { min_per_sec, .. } => {
                self.expire(now);
                let reserve = min_per_sec * LIFE.as_secs_f64();
                let balance: f64 = self.slices.iter().map(|slice| slice.1).sum();
                let enough = balance + reserve >= 1.0;
                if enough {
                    self.add(now, -1.0);
                }
                enough
            }
            TwinBudget::Bucket { .. } => {
                let enough = self.bucket >= 1.0;
                if enough {
                    self.bucket -= 1.0;
                }
                enough
            }
        }
    }

    fn add(&mut self, now: Nanos, amount: f64) {
        match self.slices.back_mut() {
            Some((began, sum)) if now < *began + SLICE => *sum += amount,
            _ => self.slices.push_back((now, amount)),
        }
        self.expire(now);
    }

    fn expire(&mut self, now: Nanos) {
        while self.slices.front().is_some_and(|slice| slice.0 + LIFE <= now) {
            self.slices.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Nanos {
        Nanos::from_millis(millis)
    }

    #[test]
    fn what_requests_pay_in_is_good_for_ten_seconds() {
        let mut balance = Balance::new(TwinBudget::Requests { ratio: 0.5, min_per_sec: 0.0 });
        (0..4).for_each(|_| balance.request(at(0)));
        assert!(balance.take(at(100)));
        assert!(balance.take(at(9_900)));
        assert!(!balance.take(at(9_950)));
        (0..4).for_each(|_| balance.request(at(20_000)));
        assert!(!balance.take(at(30_000)));
    }

    #[test]
    fn a_reserve_is_there_whatever_happens() {
        let mut balance = Balance::new(TwinBudget::Requests { ratio: 0.0, min_per_sec: 1.0 });
        let taken = (0..40).filter(|_| balance.take(at(0))).count();
        assert_eq!(taken, 10);
        assert!(balance.take(at(10_000)));
    }

    #[test]
    fn a_bucket_begins_full_and_never_holds_more() {
        let mut balance = Balance::new(TwinBudget::Bucket { ratio: 0.5, cap: 2.0 });
        balance.request(at(0));
        let taken = (0..5).filter(|_| balance.take(at(0))).count();
        assert_eq!(taken, 2);
        (0..2).for_each(|_| balance.request(at(0)));
        assert!(balance.take(at(0)) && !balance.take(at(0)));
    }
}
