//! A token bucket in one word: the generic cell rate algorithm.
//!
//! # State
//!
//! `full_at` is the position in time at which the bucket will be full again (the algorithm's
//! theoretical arrival time). A grant of n moves it n intervals on from itself, or from now if that
//! is later, and is allowed while that stays within the tolerance ahead of now. Positions are
//! counted in ticks: 1/16 ns where more than 10^5 attempts a second are refilled, 1 ns below, and
//! coarser where the capacity would not fit otherwise. An interval is rounded up to whole ticks,
//! so a bucket refills at the asked rate or a little slower, and at 1.6 × 10^10 a second at most.
//!
//! # Paths
//!
//! * deny: loads only.
//! * grant: one CAS.
//! * redefine (a reload; callers hold a lock): `full_at` is closed, so that everyone is refused for
//!   as long as the numbers change, and reopened at a value that it never had. A grant that was
//!   judged by the old numbers, or by a mixture, therefore fails its CAS and is judged again.
//!
//! # Why it is exact
//!
//! `full_at` never goes back. Grants between two readings of the clock, Δt apart, move it by one
//! interval each, from nowhere earlier than the first reading to nowhere later than the second plus
//! the tolerance: so in any window, under any interleaving, grants ≤ capacity + Δt / interval. A
//! stale reading of the clock only refuses.
//!
//! # Orderings
//!
//! Grants need atomicity alone. Acquire and Release are for the numbers beside the word.

use crate::{
    clock::Nanos,
    sync::{AtomicU64, Ordering},
};

/// See the module.
#[derive(Debug)]
pub(super) struct Gcra {
    full_at: AtomicU64,
    /// Ticks per attempt, at least 1.
    interval: AtomicU64,
    /// The capacity in ticks.
    tolerance: AtomicU64,
    /// Ticks per nanosecond, times 2^32. 0: the bucket is never refilled.
    speed: AtomicU64,
    /// The clock (ns) and the position (ticks) when these numbers came into force.
    base: AtomicU64,
    offset: AtomicU64,
    /// Attempts (f64) that [`Gcra::granted_at_most`] starts from at `base`.
    carried: AtomicU64,
}

/// No grant is judged by this value: nothing can be added to it.
const CLOSED: u64 = u64::MAX;

/// Tolerances stay below this, so that positions have room for many years beside them.
const MOST_TICKS: f64 = (1_u64 << 61) as f64;

/// What a capacity and a rate come to.
#[derive(Clone, Copy, Debug)]
struct Numbers {
    interval: u64,
    tolerance: u64,
    speed: u64,
}

impl Gcra {
    /// A bucket for `capacity` attempts that gets `per_sec` of them back every second, with
    /// `tokens` in it.
    pub(super) fn new(capacity: u32, per_sec: f64, tokens: u32, now: Nanos) -> Self {
        let numbers = Numbers::new(capacity, per_sec);
        let spare = numbers.interval.saturating_mul(tokens.into()).min(numbers.tolerance);
        Self {
            full_at: AtomicU64::new(numbers.tolerance - spare),
            interval: AtomicU64::new(numbers.interval),
            tolerance: AtomicU64::new(numbers.tolerance),
            speed: AtomicU64::new(numbers.speed),
            base: AtomicU64::new(now.as_nanos()),
            offset: AtomicU64::new(0),
            carried: AtomicU64::new(f64::from(tokens.min(capacity)).to_bits()),
        }
    }

    /// Takes `attempts`, all or nothing.
    #[inline]
    pub(super) fn take(&self, attempts: u32, now: Nanos) -> bool {
        // Acquire: pairs with the Release that reopens the word in `redefine`; the numbers read
        // below are at least as new as the value.
        let mut full_at = self.full_at.load(Ordering::Acquire);
        loop {
            let Some(next) = self.judge(full_at, attempts, now) else { return false };
            if cfg!(rego_break = "budget_check_then_act") {
                // Relaxed: as below.
                self.full_at.store(next, Ordering::Relaxed);
                return true;
            }
            // Relaxed: it publishes nothing, and what it was judged by was acquired with the value.
            // Acquire on failure: as above.
            match self.full_at.compare_exchange_weak(
                full_at,
                next,
                Ordering::Relaxed,
                Ordering::Acquire,
            ) {
                Ok(_) => return true,
                Err(newer) => full_at = newer,
            }
        }
    }

    /// Whether [`Gcra::take`] would have been granted.
    #[inline]
    pub(super) fn has(&self, attempts: u32, now: Nanos) -> bool {
        if acquire(&self.tolerance) == 0 {
            return false;
        }
        // Acquire: as in `take`.
        self.judge(self.full_at.load(Ordering::Acquire), attempts, now).is_some()
    }

    /// How many attempts are left, as a figure for people.
    pub(super) fn available(&self, now: Nanos) -> f64 {
        // Acquire: as in `take`.
        let full_at = self.full_at.load(Ordering::Acquire);
        let spare = self.spare(full_at, now).max(0) as f64;
        spare / acquire(&self.interval) as f64
    }

    /// An upper bound of all grants made by `now`. Not to be called while `redefine` runs.
    pub(super) fn granted_at_most(&self, now: Nanos) -> f64 {
        let since = self.position(now) - acquire(&self.offset);
        f64::from_bits(acquire(&self.carried)) + since as f64 / acquire(&self.interval) as f64
    }

    /// Puts other numbers in force and keeps what is in the bucket, as far as it fits. One caller
    /// at a time.
    pub(super) fn redefine(&self, capacity: u32, per_sec: f64, now: Nanos) {
        let numbers = Numbers::new(capacity, per_sec);
        let carried = self.granted_at_most(now);
        // AcqRel: grants so far are seen; the numbers are changed after the word is closed.
        let full_at = self.full_at.swap(CLOSED, Ordering::AcqRel);
        let (tolerance, interval) = (i128::from(numbers.tolerance), i128::from(numbers.interval));
        // Below 0 when someone has already drawn on a later reading of the clock.
        let spare = (self.spare(full_at, now) * interval)
            .div_euclid(acquire(&self.interval).into())
            .min(tolerance);
        let offset = (i128::from(full_at) + 1 - tolerance + spare).max(0);
        let store = |word: &AtomicU64, value: u64| {
            // Release: whoever reads the new number sees the word closed or reopened, never its old
            // value.
            word.store(value, Ordering::Release);
        };
        store(&self.interval, numbers.interval);
        store(&self.tolerance, numbers.tolerance);
        store(&self.speed, numbers.speed);
        store(&self.base, now.as_nanos());
        store(&self.offset, ticks(offset));
        store(&self.carried, carried.to_bits());
        // Release: all of them happen-before the next judgement.
        store(&self.full_at, ticks(offset + tolerance - spare));
    }

    /// Where `full_at` goes if `attempts` are granted, or `None`.
    #[inline]
    fn judge(&self, full_at: u64, attempts: u32, now: Nanos) -> Option<u64> {
        let position = self.position(now);
        let price = acquire(&self.interval).checked_mul(attempts.into())?;
        let next = full_at.max(position).checked_add(price)?;
        (next <= position.saturating_add(acquire(&self.tolerance))).then_some(next)
    }

    /// What is left of the tolerance, in ticks.
    fn spare(&self, full_at: u64, now: Nanos) -> i128 {
        let position = self.position(now);
        i128::from(position) + i128::from(acquire(&self.tolerance))
            - i128::from(full_at.max(position))
    }

    /// `now` in ticks. A clock that is behind `base` has not moved.
    #[inline]
    fn position(&self, now: Nanos) -> u64 {
        let elapsed = now.as_nanos().saturating_sub(acquire(&self.base));
        let passed = (u128::from(elapsed) * u128::from(acquire(&self.speed))) >> 32;
        acquire(&self.offset).saturating_add(u64::try_from(passed).unwrap_or(u64::MAX))
    }
}

impl Numbers {
    fn new(capacity: u32, per_sec: f64) -> Self {
        // The finest ticks, per nanosecond, that a long life of this bucket leaves room for.
        let mut shift = if per_sec > 1e5 { 4 } else { 0 };
        while shift >= -32 {
            let interval = (2_f64.powi(shift) * 1e9 / per_sec).ceil().max(1.0);
            // Also false when the rate is 0, negative or undefined.
            if per_sec > 0.0 && interval * f64::from(capacity.max(1)) <= MOST_TICKS {
                let interval = interval as u64;
                let tolerance = interval * u64::from(capacity);
                return Self { interval, tolerance, speed: 1 << (32 + shift) };
            }
            shift -= 1;
        }
        Self { interval: 1, tolerance: capacity.into(), speed: 0 }
    }
}

/// A position that fits by the choice of ticks, unless the clock is centuries away.
fn ticks(position: i128) -> u64 {
    u64::try_from(position).unwrap_or(CLOSED)
}

#[inline]
fn acquire(word: &AtomicU64) -> u64 {
    // Acquire: pairs with the Release in `redefine`; having read a new number, the CAS on `full_at`
    // comes after the word was closed, and fails.
    word.load(Ordering::Acquire)
}

#[cfg(test)]
mod tests;
