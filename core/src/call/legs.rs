//! The legs of the current group, and which attempts have not ended yet.

use crate::{clock::Nanos, notes::AttemptId};

/// The primary and up to three hedges.
pub(super) const MAX_LEGS: u8 = 4;

/// The legs of the current group: attempts `first ..`, which of them are alive and which of these
/// are still queued, and when each started.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(super) struct Legs {
    primary: Nanos,
    hedges: [Nanos; MAX_LEGS as usize - 1],
    retry_index: u8,
    first: u8,
    count: u8,
    /// Alive in the low half, queued in the high half: a bit per leg.
    marks: u8,
}

const QUEUED: u32 = 4;

impl Legs {
    /// A new group whose primary starts now.
    #[inline]
    pub(super) fn start_group(&mut self, retry_index: u8, primary: AttemptId, now: Nanos) {
        debug_assert!(!self.any_alive(), "a group starts when the last has ended");
        // Of hedges there are none: where they would stand, nobody looks.
        let first = primary.get();
        *self = Self { primary: now, retry_index, first, count: 1, marks: 1, ..*self };
    }

    /// One more leg, a hedge that starts now.
    pub(super) fn add_hedge(&mut self, now: Nanos) {
        debug_assert!((1..MAX_LEGS).contains(&self.count), "room for a hedge");
        self.hedges[usize::from(self.count) - 1] = now;
        self.marks |= 1 << self.count;
        self.count += 1;
    }

    /// Whether the attempt is the first of the call, runs, and there has been no other.
    #[inline]
    pub(super) fn is_first_alone(&self, attempt: AttemptId) -> bool {
        let alone = (self.first, self.count, self.marks) == (0, 1, 1);
        alone && attempt == AttemptId::FIRST
    }

    /// That attempt has ended.
    #[inline]
    pub(super) fn end_first_alone(&mut self) {
        self.marks = 0;
    }

    /// Which group it is.
    #[inline]
    pub(super) fn retry_index(&self) -> u8 {
        self.retry_index
    }

    pub(super) fn hedges(&self) -> u8 {
        self.count.saturating_sub(1)
    }

    /// Whether the attempt is of this group, alive or not.
    pub(super) fn contains(&self, attempt: AttemptId) -> bool {
        self.leg(attempt).is_some()
    }

    /// The number of the next attempt of the call: ids are dealt out group by group.
    #[inline]
    pub(super) fn launched(&self) -> u8 {
        self.first + self.count
    }

    #[inline]
    pub(super) fn is_alive(&self, attempt: AttemptId) -> bool {
        self.leg(attempt).is_some_and(|leg| self.alive() & (1 << leg) != 0)
    }

    #[inline]
    pub(super) fn any_alive(&self) -> bool {
        self.alive() != 0
    }

    #[inline]
    pub(super) fn any_queued(&self) -> bool {
        self.queued() != 0
    }

    /// 0 for the primary, and for attempts of earlier groups.
    #[inline]
    pub(super) fn hedge_index(&self, attempt: AttemptId) -> u8 {
        self.leg(attempt).unwrap_or(0)
    }

    #[inline]
    pub(super) fn primary_started(&self) -> Nanos {
        self.primary
    }

    /// When the attempt's operation started to run; `None` while it is queued, and for attempts
    /// of earlier groups.
    pub(super) fn started(&self, attempt: AttemptId) -> Option<Nanos> {
        let leg = self.leg(attempt)?;
        (self.queued() & (1 << leg) == 0).then(|| self.start_of(leg))
    }

    /// The leg has ended or is given up. False if it had before.
    #[inline]
    pub(super) fn end(&mut self, attempt: AttemptId) -> bool {
        let Some(leg) = self.leg(attempt) else { return false };
        let was_alive = self.alive() & (1 << leg) != 0;
        self.marks &= !(1 << leg | 1 << (u32::from(leg) + QUEUED));
        was_alive
    }

    pub(super) fn queue(&mut self, attempt: AttemptId) {
        if self.is_alive(attempt) {
            self.marks |= 1 << (u32::from(self.hedge_index(attempt)) + QUEUED);
        }
    }

    /// The leg's time starts now. How long it was queued, if it was.
    pub(super) fn unqueue(&mut self, attempt: AttemptId, now: Nanos) -> Option<Nanos> {
        let leg = self.leg(attempt)?;
        if self.queued() & (1 << leg) == 0 {
            return None;
        }
        self.marks &= !(1 << (u32::from(leg) + QUEUED));
        let waited = now - self.start_of(leg);
        match leg.checked_sub(1) {
            None => self.primary = now,
            Some(hedge) => self.hedges[usize::from(hedge)] = now,
        }
        Some(waited)
    }

    pub(super) fn next_alive(&self) -> Option<AttemptId> {
        #[expect(clippy::cast_possible_truncation, reason = "a u8 has 8 bits")]
        let leg = self.alive().trailing_zeros() as u8;
        self.any_alive().then(|| AttemptId::new(self.first + leg))
    }

    /// A leg that has run for the timeout.
    pub(super) fn timed_out(&self, timeout: Nanos, now: Nanos) -> Option<AttemptId> {
        if timeout.is_never() {
            return None;
        }
        let leg = self.running().find(|leg| now >= self.start_of(*leg) + timeout)?;
        Some(AttemptId::new(self.first + leg))
    }

    /// When the first leg will have run for the timeout.
    #[inline]
    pub(super) fn first_timeout(&self, timeout: Nanos) -> Nanos {
        if timeout.is_never() {
            return Nanos::NEVER;
        }
        if self.marks == 1 {
            return self.primary + timeout; // It is alone.
        }
        self.first_timeout_of_several(timeout)
    }

    fn first_timeout_of_several(&self, timeout: Nanos) -> Nanos {
        self.running().map(|leg| self.start_of(leg) + timeout).min().unwrap_or(Nanos::NEVER)
    }

    #[inline]
    fn alive(&self) -> u8 {
        self.marks & ((1 << QUEUED) - 1)
    }

    #[inline]
    fn queued(&self) -> u8 {
        self.marks >> QUEUED
    }

    fn running(&self) -> impl Iterator<Item = u8> + use<> {
        let running = self.alive() & !self.queued();
        (0..MAX_LEGS).filter(move |leg| running & (1 << leg) != 0)
    }

    fn start_of(&self, leg: u8) -> Nanos {
        match leg.checked_sub(1) {
            None => self.primary,
            Some(hedge) => self.hedges[usize::from(hedge)],
        }
    }

    #[inline]
    fn leg(&self, attempt: AttemptId) -> Option<u8> {
        attempt.get().checked_sub(self.first).filter(|leg| *leg < self.count)
    }
}

/// The attempts that were launched and have not ended, given up or not: 40 bits.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Unfinished([u8; 5]);

impl Unfinished {
    /// The first attempt of a call.
    pub(super) const FIRST: Self = Self([1, 0, 0, 0, 0]);

    #[inline]
    pub(super) fn insert(&mut self, attempt: AttemptId) {
        self.0[attempt.index() / 8] |= 1 << (attempt.index() % 8);
    }

    /// False if it was not in there.
    #[inline]
    pub(super) fn remove(&mut self, attempt: AttemptId) -> bool {
        let Some(byte) = self.0.get_mut(attempt.index() / 8) else { return false };
        let bit = 1 << (attempt.index() % 8);
        let was = *byte & bit != 0;
        *byte &= !bit;
        was
    }
}
