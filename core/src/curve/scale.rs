//! Where the buckets lie: base-2 octaves, each cut into equal parts.

use crate::clock::Nanos;

/// The first octave begins at 2^12 ns, 4.1 µs; whatever is shorter shares the first bucket.
const LOW: u32 = 12;
/// The last octave ends at 2^36 ns, 68.7 s; whatever is longer shares the last bucket.
#[cfg(not(rego_loom))]
const HIGH: u32 = 36;
#[cfg(rego_loom)]
const HIGH: u32 = 14;

/// How many buckets time is counted in.
pub(crate) const BUCKETS: usize = Scale::FINE.len();
/// How many buckets the censored are counted in. They are needed less finely: see [`Scale::COARSE`].
pub(crate) const CENSORED: usize = Scale::COARSE.len();

/// Octaves of time cut into 2^`bits` parts. A bucket holds its lower bound and not its upper one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    bits: u32,
}

impl Scale {
    /// 32 parts to the octave: a bucket is at most 3.1 % wide.
    #[cfg(not(rego_loom))]
    pub(crate) const FINE: Self = Self { bits: 5 };
    /// 8 parts to the octave. Enough for the censored, because a curve takes them out of the risk
    /// set where their bucket ends: a leg overtaken after the delay is never missing before it.
    #[cfg(not(rego_loom))]
    pub(crate) const COARSE: Self = Self { bits: 3 };
    #[cfg(rego_loom)]
    pub(crate) const FINE: Self = Self { bits: 0 };
    #[cfg(rego_loom)]
    pub(crate) const COARSE: Self = Self { bits: 0 };

    /// The longest time told apart from longer ones.
    pub(crate) const LONGEST: Nanos = Nanos::from_nanos(1 << HIGH);

    /// How many buckets there are.
    pub(crate) const fn len(self) -> usize {
        ((HIGH - LOW) << self.bits) as usize + 2
    }

    /// The bucket that holds this time.
    #[inline]
    pub(crate) const fn index(self, time: Nanos) -> usize {
        let time = time.as_nanos();
        if time < 1 << LOW {
            return 0;
        }
        let octave = time.ilog2();
        if octave >= HIGH {
            return self.len() - 1;
        }
        // The leading one is the octave's, the bits after it the part's: adding joins them, since
        // a full octave of parts is the next octave's first.
        let parts = (time >> (octave - self.bits)) as usize - (1 << self.bits);
        (((octave - LOW) << self.bits) as usize) + parts + 1
    }

    /// The first time that is too long for this bucket; [`Nanos::NEVER`] for the last.
    #[inline]
    pub(crate) const fn upper(self, index: usize) -> Nanos {
        debug_assert!(index < self.len(), "there is no such bucket");
        if index == self.len() - 1 {
            return Nanos::NEVER;
        }
        #[expect(clippy::cast_possible_truncation, reason = "there are a few hundred buckets")]
        let octave = (index >> self.bits) as u32 + LOW;
        let parts = (index & ((1 << self.bits) - 1)) as u64;
        Nanos::from_nanos((1 << octave) + (parts << (octave - self.bits)))
    }

    /// Where a bucket begins.
    #[inline]
    pub(crate) const fn lower(self, index: usize) -> Nanos {
        if index == 0 { Nanos::ZERO } else { self.upper(index - 1) }
    }
}

/// The coarse bucket that ends where this fine one does, if there is one.
#[inline]
pub(crate) const fn coarse_ending_at(fine: usize) -> Option<usize> {
    let shift = Scale::FINE.bits - Scale::COARSE.bits;
    if fine == BUCKETS - 1 {
        Some(CENSORED - 1)
    } else if fine & ((1 << shift) - 1) == 0 {
        Some(fine >> shift)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn there_are_as_many_buckets_as_planned() {
        assert_eq!(BUCKETS, 770);
        assert_eq!(CENSORED, 194);
    }

    #[test]
    fn buckets_join_without_gap_and_are_at_most_a_32nd_wide() {
        for scale in [Scale::FINE, Scale::COARSE] {
            for index in 0..scale.len() - 1 {
                let (lower, upper) = (scale.lower(index), scale.upper(index));
                assert!(lower < upper);
                assert_eq!(scale.index(lower), index);
                assert_eq!(scale.index(upper - Nanos::from_nanos(1)), index);
                assert_eq!(scale.index(upper), index + 1);
                if index > 0 && index < scale.len() - 1 {
                    let width = (upper - lower).as_nanos();
                    assert!(width << scale.bits <= lower.as_nanos());
                }
            }
            assert_eq!(scale.upper(scale.len() - 2), Scale::LONGEST);
            assert_eq!(scale.index(Nanos::NEVER), scale.len() - 1);
        }
    }

    #[test]
    fn every_coarse_bucket_ends_where_one_fine_bucket_does() {
        let ends: Vec<_> = (0..BUCKETS)
            .filter_map(|fine| {
                let coarse = coarse_ending_at(fine)?;
                assert_eq!(Scale::COARSE.upper(coarse), Scale::FINE.upper(fine));
                Some(coarse)
            })
            .collect();
        assert_eq!(ends, (0..CENSORED).collect::<Vec<_>>());
    }

    proptest! {
        #[test]
        fn a_bucket_holds_what_it_is_given(nanos in prop_oneof![any::<u64>(), 0..1u64 << 37]) {
            let time = Nanos::from_nanos(nanos);
            for scale in [Scale::FINE, Scale::COARSE] {
                let index = scale.index(time);
                prop_assert!(scale.lower(index) <= time);
                prop_assert!(time < scale.upper(index) || index == scale.len() - 1);
            }
        }
    }
}
