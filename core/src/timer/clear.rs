//! Freeing the dead where they were armed.
//!
//! Nearly all timers are cancelled before anybody looks at them. Left to the driver, each is fetched
//! from the processor that armed it, and fetched back when its slot is used again. So a thread that
//! arms frees the dead of its own shard now and then, and with one call at a time a shard never needs
//! more slots than go by between two clearings.
//!
//! # Why nothing waits for it
//!
//! While an intake is borrowed the driver cannot see its timers, and a thread may be stopped at any
//! moment. So one is borrowed only if all that is in it was found dead: by a look at timers that are
//! not the looker's, and so a guess, which the exchange that borrows confirms by the head of the list.
//! (It would not notice a head that has gone and come back with other timers behind it: those that
//! live are put back.) One timer that lives long in an intake ends the clearing of it, until the driver
//! has taken it over.
//!
//! # Why nothing is missed
//!
//! *min* stays while the intake is borrowed, so it is still no later than the earliest of it: unless
//! a driver's turn comes meanwhile, which sets *min* to never and finds the intake empty. Then the
//! exchange that puts the timers back comes after that taking in the history of *head*, acquires it,
//! and so sees that *turns* has changed; it sets *min* to 0 and has the driver woken, which takes all.
//! A turn that takes the intake after the putting back has what it wants; one that only looks like a
//! change costs a driver's coming.

use super::{OFTEN, Timers, entry::Entry};
use crate::{
    clock::Nanos,
    sync::{Ordering, Shard},
};

/// An intake with more timers is left to the driver.
const GLANCE: u64 = 4 * OFTEN;

/// How many rounds go by between two looks at all the dead there are.
const ROUNDS: u64 = 4;

impl Timers {
    /// Now and then an arming thread sees to its shard. Whether the driver must be woken.
    #[cold]
    pub(super) fn tend(&self, shard: Shard, round: u64) -> bool {
        let clears = self.intakes[shard.index()].is_due_for_clearing(round);
        clears && self.clear_if_dead(shard) || round.is_multiple_of(ROUNDS) && self.is_crowded()
    }

    /// Clears an intake in which nothing lives.
    fn clear_if_dead(&self, shard: Shard) -> bool {
        let intake = &self.intakes[shard.index()];
        let head = intake.head();
        if self.are_all_dead(head) {
            return self.clear(shard, head);
        }
        intake.was_cleared(0, 1);
        false
    }

    /// Whether all timers of a list are dead, and few. They are not the caller's: a guess, where
    /// others take or push some meanwhile.
    fn are_all_dead(&self, head: u32) -> bool {
        let mut rest = head;
        for _ in 0..GLANCE {
            let Some(index) = rest.checked_sub(1) else { return true };
            match self.slab.get(index) {
                Some(entry) if entry.is_dead() => rest = entry.next(),
                _ => return false,
            }
        }
        false
    }

    /// Frees the dead of a shard's intake, on a thread that arms there, if the last timer pushed is
    /// still this one and nobody drives; puts back the others. Whether the driver must be woken.
    pub(super) fn clear(&self, shard: Shard, head: u32) -> bool {
        let intake = &self.intakes[shard.index()];
        // Relaxed: older than it is, it only looks as if a driver had come.
        let turns = self.turns.load(Ordering::Relaxed);
        if turns % 2 == 1 || !intake.borrow(head) {
            return false;
        }
        let (mut dead, mut living) = (Chain::default(), Chain::default());
        let mut rest = head;
        while let Some(index) = rest.checked_sub(1)
            && let Some(entry) = self.slab.get(index)
        {
            rest = entry.next();
            if !entry.is_dead() {
                living.add(index, entry);
                continue;
            }
            entry.bury();
            match self.slab.home(index) {
                Some(home) if home == shard => dead.add(index, entry),
                _ => {
                    self.slab.release(index);
                    dead.count += 1;
                }
            }
        }
        if let Some(last) = living.last {
            last.set_next(0);
        }
        intake.put_back(living.first, &self.slab);
        if let Some(last) = dead.last {
            self.slab.release_all(shard, dead.first - 1, last);
        }
        intake.was_cleared(dead.count, dead.count + living.count);
        // Relaxed: if a driver took the intake while it was empty, `put_back` has acquired that turn.
        if living.count == 0 || self.turns.load(Ordering::Relaxed) == turns {
            return false;
        }
        intake.call_driver();
        self.is_early(Nanos::ZERO)
    }

    /// As a clearing that has guessed wrong: something may live.
    #[cfg(any(test, rego_loom))]
    pub fn clear_anyhow(&self, shard: Shard) -> bool {
        self.clear(shard, self.intakes[shard.index()].head())
    }
}

/// Timers that are strung together.
#[derive(Default)]
struct Chain<'a> {
    /// Its index + 1.
    first: u32,
    last: Option<&'a Entry>,
    count: u64,
}

impl<'a> Chain<'a> {
    fn add(&mut self, index: u32, entry: &'a Entry) {
        match self.last.replace(entry) {
            Some(last) => last.set_next(index + 1),
            None => self.first = index + 1,
        }
        self.count += 1;
    }
}
