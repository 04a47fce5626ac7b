//! Freeing the dead where they were armed.
//!
//! Nearly all timers are cancelled before anybody looks at them. Left to the driver, each is fetched
//! from the processor that armed it, and fetched back when its slot is used again. So a thread that
//! arms frees the dead of its own shard now and then, and with one call at a time a shard never needs
//! more slots than go by between two clearings.
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

/// How many timers are looked at, the youngest.
const GLANCE: u64 = 2 * OFTEN;

/// How many rounds go by between two looks at all the dead there are.
const ROUNDS: u64 = 4;

impl Timers {
    /// Now and then an arming thread sees to its shard. Whether the driver must be woken.
    #[cold]
    pub(super) fn tend(&self, shard: Shard, round: u64) -> bool {
        let clears = self.intakes[shard.index()].is_due_for_clearing(round);
        clears && self.clear(shard) || round.is_multiple_of(ROUNDS) && self.is_crowded()
    }

    /// Frees the dead among the youngest of a shard's intake, on a thread that arms there, unless
    /// somebody drives. Whether the driver must be woken. Called by [`arm`](Self::arm).
    pub fn clear(&self, shard: Shard) -> bool {
        let intake = &self.intakes[shard.index()];
        // Relaxed: older than it is, it only looks as if a driver had come.
        let turns = self.turns.load(Ordering::Relaxed);
        if turns % 2 == 1 {
            return false;
        }
        let (mut first, mut last) = (intake.borrow(), None::<&Entry>);
        let (mut rest, mut looked_at, mut dead) = (first, 0, 0);
        while looked_at < GLANCE
            && let Some(index) = rest.checked_sub(1)
            && let Some(entry) = self.slab.get(index)
        {
            rest = entry.next();
            looked_at += 1;
            if entry.is_dead() {
                entry.bury();
                self.slab.release(index);
                dead += 1;
                match last {
                    Some(last) => last.set_next(rest),
                    None => first = rest,
                }
            } else {
                last = Some(entry);
            }
        }
        intake.put_back(first, &self.slab);
        intake.was_cleared(dead, looked_at);
        // Relaxed: if a driver took the intake while it was empty, `put_back` has acquired that turn.
        if first == 0 || self.turns.load(Ordering::Relaxed) == turns {
            return false;
        }
        intake.call_driver();
        self.is_early(Nanos::ZERO)
    }
}
