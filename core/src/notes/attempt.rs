//! The numbers of attempts, and sets of them.

use std::fmt;

/// The most retry groups of one call.
pub(super) const MAX_GROUPS: usize = 10;

/// The most attempts one call can make: each group has a primary and 3 hedges.
pub(crate) const MAX_ATTEMPTS: u8 = 40;

/// The number of an attempt within its call: in launch order from 0, never reused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptId(u8);

impl AttemptId {
    /// The first attempt of a call.
    pub const FIRST: Self = Self(0);

    /// The attempt with this number. Numbers no call can reach are harmless: no call knows them.
    #[must_use]
    pub const fn new(number: u8) -> Self {
        Self(number)
    }

    /// Its number.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }

    /// Its number, to index with.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// What sort of attempt it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum AttemptKind {
    /// The first of its call.
    First = 0,
    /// The primary of a later retry group.
    Retry = 1,
    /// Launched because an earlier one of its group is slow.
    Hedge = 2,
}

impl AttemptKind {
    /// The kind of an attempt with these indices.
    #[must_use]
    pub const fn of(retry_index: u8, hedge_index: u8) -> Self {
        match (retry_index, hedge_index) {
            (0, 0) => Self::First,
            (_, 0) => Self::Retry,
            _ => Self::Hedge,
        }
    }

    /// The name used in records and metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Retry => "retry",
            Self::Hedge => "hedge",
        }
    }
}

/// A set of attempts of one call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AttemptSet(u64);

impl AttemptSet {
    /// None.
    pub const EMPTY: Self = Self(0);

    /// Adds one.
    pub fn insert(&mut self, attempt: AttemptId) {
        debug_assert!(attempt.0 < MAX_ATTEMPTS, "no call makes that many attempts");
        self.0 |= 1 << (attempt.0 & 63);
    }

    /// Takes one out; whether it was in there.
    pub fn remove(&mut self, attempt: AttemptId) -> bool {
        let was = self.contains(attempt);
        if was {
            self.0 &= !(1 << attempt.0);
        }
        was
    }

    /// Whether it is in the set.
    #[must_use]
    pub const fn contains(self, attempt: AttemptId) -> bool {
        attempt.0 < MAX_ATTEMPTS && self.0 & (1 << attempt.0) != 0
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// How many there are.
    #[must_use]
    pub const fn len(self) -> u32 {
        self.0.count_ones()
    }
}

impl Iterator for AttemptSet {
    type Item = AttemptId;

    /// Takes the lowest.
    fn next(&mut self) -> Option<AttemptId> {
        if self.0 == 0 {
            return None;
        }
        #[expect(clippy::cast_possible_truncation, reason = "a u64 has 64 bits")]
        let lowest = self.0.trailing_zeros() as u8;
        self.0 &= self.0 - 1;
        Some(AttemptId(lowest))
    }
}
