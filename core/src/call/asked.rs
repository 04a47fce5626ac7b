//! The wait a server asks for, in 32 bits.

use crate::clock::Nanos;

/// How many bits count units.
const BITS: u32 = 30;
const MOST: u64 = (1 << BITS) - 1;
/// Nanoseconds, microseconds, milliseconds, seconds.
const UNITS: [u64; 4] = [1, 1_000, 1_000_000, 1_000_000_000];

/// The longest wait that was asked for, or none: in the smallest unit in which 30 bits can count it,
/// rounded up. So it is exact up to a second, to the microsecond up to 17 minutes, to the
/// millisecond up to 12 days, to the second up to 34 years, which is the most; and what people write
/// is exact. As a number it is greater the longer the wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Asked(u32);

impl Asked {
    pub(super) const NOTHING: Self = Self(0);

    /// At least one nanosecond: to ask for no wait is to ask for one.
    #[expect(clippy::cast_possible_truncation, reason = "30 bits, and a unit in the two above")]
    pub(super) fn of(wait: Nanos) -> Self {
        let nanos = wait.as_nanos().max(1);
        let in_units = |(unit, scale): (usize, &u64)| (unit, nanos.div_ceil(*scale));
        let fitting = UNITS.iter().enumerate().map(in_units).find(|(_, count)| *count <= MOST);
        let (unit, count) = fitting.unwrap_or((UNITS.len() - 1, MOST));
        Self((unit as u32) << BITS | count as u32)
    }

    pub(super) fn wait(self) -> Option<Nanos> {
        let (unit, count) = (self.0 >> BITS, u64::from(self.0) & MOST);
        (self != Self::NOTHING).then(|| Nanos::from_nanos(count * UNITS[unit as usize]))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_people_write_is_exact() {
        let waits =
            [1, 999, 16_384, 20_000_000, 1_000_000_000, 1_073_741_823].map(Nanos::from_nanos);
        let minutes = (1..3_000).map(|minutes| Nanos::from_secs(60 * minutes));
        let years = [1, 34].map(|years| Nanos::from_secs(years * 365 * 24 * 3_600));
        for wait in waits.into_iter().chain(minutes).chain(years) {
            assert_eq!(Asked::of(wait).wait(), Some(wait));
        }
        assert_eq!(Asked::NOTHING.wait(), None);
        assert_eq!(Asked::of(Nanos::ZERO).wait(), Some(Nanos::from_nanos(1)));
        assert_eq!(Asked::of(Nanos::NEVER).wait(), Some(Nanos::from_secs(MOST)));
    }

    proptest! {
        #[test]
        fn never_shorter_and_hardly_longer_and_in_order(a: u64, b: u64, shift in 0u32..64) {
            let (a, b) = (a >> shift, b >> shift);
            let [asked, other] = [a, b].map(|wait| Asked::of(Nanos::from_nanos(wait)));
            prop_assert!(a >= b || asked <= other);
            let told = asked.wait().map_or(0, Nanos::as_nanos);
            if a <= MOST * 1_000_000_000 {
                prop_assert!(told >= a && told - a <= 1 + a / 1_000_000, "{a} is told as {told}");
            }
        }
    }
}
