//! How long to wait before the next attempt.
//!
//! Pure: the same settings, index and seed give the same wait, so that a call can be replayed
//! and nothing need be remembered between attempts.

use crate::{
    clock::Nanos,
    outcome::Class,
    policy::{Jitter, Retry},
};

/// What a random number is drawn for. Draws for different things are independent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub(crate) enum Stream {
    /// The jitter of a backoff.
    Backoff = 1,
    /// The spread of a Retry-After.
    RetryAfter = 2,
    /// Whether a hedge is due at all, where a trigger says so by probability.
    Hedge = 3,
}

/// The wait after the failure of attempt `retry_index` (0 is the first of the call), at most
/// `retry.max_backoff`.
///
/// Sources: exponential backoff with full, equal and decorrelated jitter as in M. Brooker,
/// “Exponential Backoff And Jitter”, 2015.
pub(crate) fn delay(retry: &Retry, class: Class, retry_index: u8, seed: u64) -> Nanos {
    let initial = initial(retry, class);
    let draw = |index| draw(seed, Stream::Backoff, u64::from(index));
    match retry.jitter {
        Jitter::None => exponential(retry, initial, retry_index),
        Jitter::Full => {
            let backoff = exponential(retry, initial, retry_index);
            between(Nanos::ZERO, backoff, draw(retry_index))
        }
        Jitter::Equal => {
            let backoff = exponential(retry, initial, retry_index);
            between(Nanos::from_nanos(backoff.as_nanos() / 2), backoff, draw(retry_index))
        }
        Jitter::Decorrelated => (0..=retry_index).map(draw).fold(initial, |previous, draw| {
            let triple = Nanos::from_nanos(previous.as_nanos().saturating_mul(3));
            between(initial, triple, draw).min(retry.max_backoff)
        }),
    }
}

/// The wait that a server asks for, and up to a tenth more, so that not all come back at once.
pub(crate) fn retry_after(value: Nanos, retry_index: u8, seed: u64) -> Nanos {
    let tenth = Nanos::from_nanos(value.as_nanos() / 10);
    value + between(Nanos::ZERO, tenth, draw(seed, Stream::RetryAfter, u64::from(retry_index)))
}

/// A number that looks random and depends on the arguments alone: two rounds of SplitMix64
/// (Steele, Lea, Flood, “Fast Splittable Pseudorandom Number Generators”, OOPSLA 2014).
pub(crate) const fn draw(seed: u64, stream: Stream, n: u64) -> u64 {
    splitmix(splitmix(seed ^ (stream as u64).rotate_left(56)).wrapping_add(n))
}

fn initial(retry: &Retry, class: Class) -> Nanos {
    let own = retry.per_class[class as usize].initial_backoff;
    let initial = if own == Nanos::ZERO { retry.initial_backoff } else { own };
    initial.min(retry.max_backoff)
}

/// initial × multiplierⁿ, at most the maximum: as the factor is at least 1, the same as capping
/// at every step. A power beyond any number is infinite, and so capped too.
fn exponential(retry: &Retry, initial: Nanos, n: u8) -> Nanos {
    initial.mul_f64(retry.multiplier.powi(i32::from(n))).min(retry.max_backoff)
}

/// Uniform in [low, high); `low` if there is nothing between them.
fn between(low: Nanos, high: Nanos, draw: u64) -> Nanos {
    let span = (high - low).as_nanos();
    low + Nanos::from_nanos(((u128::from(draw) * u128::from(span)) >> 64) as u64)
}

const fn splitmix(state: u64) -> u64 {
    let z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests;
