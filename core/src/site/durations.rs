//! How long attempts and calls took, in a few wide buckets: for figures, not for decisions.

use std::array;

use crate::{
    clock::Nanos,
    sync::{AtomicU64, Ordering},
};

/// Where buckets end: powers of two, so that they are ends of the latency histogram's as well. A
/// length that is equal to one belongs to the next.
pub(crate) const BOUNDS: [Nanos; 13] = {
    let powers = [16, 18, 20, 22, 23, 24, 25, 26, 27, 28, 29, 30, 32];
    let mut bounds = [Nanos::ZERO; 13];
    let mut index = 0;
    while index < bounds.len() {
        bounds[index] = Nanos::from_nanos(1 << powers[index]);
        index += 1;
    }
    bounds
};

const BUCKETS: usize = BOUNDS.len() + 1;

/// Counts lengths. All of it is Relaxed: it publishes nothing but itself.
#[derive(Debug)]
pub(crate) struct Durations {
    counts: [AtomicU64; BUCKETS],
    nanos: AtomicU64,
}

/// How often lengths fell into each bucket, and what they add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Spread {
    /// One for each of [`BOUNDS`], and one for what is longer.
    pub(crate) counts: [u64; BUCKETS],
    /// The sum of all lengths.
    pub(crate) nanos: u64,
}

impl Durations {
    pub(super) fn record(&self, length: Nanos) {
        // Relaxed: a counter publishes nothing but itself.
        self.counts[bucket(length)].fetch_add(1, Ordering::Relaxed);
        // Relaxed: as above; 584 years of running are not waited for.
        self.nanos.fetch_add(length.as_nanos(), Ordering::Relaxed);
    }

    pub(super) fn spread(&self) -> Spread {
        Spread {
            // Relaxed: a counter publishes nothing but itself.
            counts: array::from_fn(|index| self.counts[index].load(Ordering::Relaxed)),
            // Relaxed: as above.
            nanos: self.nanos.load(Ordering::Relaxed),
        }
    }

    /// Raises each figure to at least this, and answers what they are now.
    pub(super) fn raise(&self, to: Spread) -> Spread {
        let raise = |figure: &AtomicU64, to: u64| {
            // Relaxed: a counter publishes nothing but itself.
            figure.fetch_max(to, Ordering::Relaxed).max(to)
        };
        Spread {
            counts: array::from_fn(|index| raise(&self.counts[index], to.counts[index])),
            nanos: raise(&self.nanos, to.nanos),
        }
    }
}

impl Default for Durations {
    fn default() -> Self {
        Self { counts: array::from_fn(|_| AtomicU64::new(0)), nanos: AtomicU64::new(0) }
    }
}

impl Spread {
    /// What a finer histogram amounts to: pairs of a bucket's end, which is not in it, and its
    /// count. Their sum is reckoned from the middles of the buckets.
    pub(crate) fn fold(histogram: impl Iterator<Item = (Nanos, u64)>) -> Self {
        let mut spread = Self::default();
        let mut begin = Nanos::ZERO;
        for (end, count) in histogram {
            spread.counts[bucket(begin)] += count;
            let width = if end.is_never() { Nanos::ZERO } else { end - begin };
            let middle = begin.as_nanos() + width.as_nanos() / 2;
            spread.nanos = spread.nanos.saturating_add(middle.saturating_mul(count));
            begin = end;
        }
        spread
    }

    /// How many there were.
    pub(crate) fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Both together.
    #[must_use]
    pub(crate) fn with(&self, other: &Self) -> Self {
        Self {
            counts: array::from_fn(|index| self.counts[index] + other.counts[index]),
            nanos: self.nanos.saturating_add(other.nanos),
        }
    }

    /// These without the others, where there are so many.
    #[must_use]
    pub(super) fn without(&self, other: &Self) -> Self {
        let left = |index: usize| self.counts[index].saturating_sub(other.counts[index]);
        Self { counts: array::from_fn(left), nanos: self.nanos.saturating_sub(other.nanos) }
    }
}

fn bucket(length: Nanos) -> usize {
    BOUNDS.partition_point(|bound| *bound <= length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(lengths: &[u64]) -> Spread {
        let durations = Durations::default();
        for length in lengths {
            durations.record(Nanos::from_nanos(*length));
        }
        durations.spread()
    }

    #[test]
    fn every_length_has_a_bucket() {
        let lengths = [0, (1 << 16) - 1, 1 << 16, 1 << 23, (1 << 32) - 1, 1 << 32, 1 << 40];
        let spread = spread(&lengths);
        assert_eq!(spread.counts, [2, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 2]);
        assert_eq!((spread.count(), spread.nanos), (7, lengths.iter().sum()));
    }

    #[test]
    fn a_fine_histogram_folds_into_the_same_buckets() {
        let ends = (10..37).map(|power| Nanos::from_nanos(1 << power)).chain([Nanos::NEVER]);
        let fine: Vec<(Nanos, u64)> = ends.zip(1..).collect();
        let folded = Spread::fold(fine.iter().copied());
        let count = |upto: Nanos| -> u64 {
            fine.iter().filter(|(end, _)| *end <= upto).map(|(_, count)| count).sum()
        };
        assert_eq!((folded.count(), folded.counts[0]), (count(Nanos::NEVER), count(BOUNDS[0])));
        // The middle of what is below 2^10 ns, the middle of each octave, and where the last begins.
        let middles = [512].into_iter().chain((10..36).map(|power| 3 << (power - 1)));
        let sum: u64 =
            middles.chain([1 << 36]).zip(1..).map(|(at, count): (u64, u64)| at * count).sum();
        assert_eq!(folded.nanos, sum);
    }

    #[test]
    fn what_is_exposed_never_goes_down() {
        let exposed = Durations::default();
        let (one, two) = (spread(&[1, 1, 1 << 20]), spread(&[1]));
        assert_eq!(exposed.raise(one), one);
        assert_eq!(exposed.raise(two), one);
        assert_eq!(exposed.raise(one.with(&two)), one.with(&two));
        assert_eq!(two.without(&one), Spread::default());
    }
}
