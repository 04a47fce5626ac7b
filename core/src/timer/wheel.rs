//! The driver's own: a hierarchical wheel of 64 slots a level.
//!
//! Time is cut into ticks of 2¹⁶ ns, and the number of a tick into digits of 6 bits: a level per
//! digit. A timer lies at the level of the highest digit in which its tick differs from the
//! present one, in the slot of that digit. So
//!
//! - level 0 is exact to the tick, and every timer of a level is due before every timer of the
//!   level above: the first occupied slot of the first occupied level holds the next one;
//! - a timer is moved at most once a level, when the present reaches its slot, and not at all if
//!   it is cancelled before;
//! - eight levels are the 48 bits there are: nothing lies beyond the wheel, nothing wraps.
//!
//! Each slot knows the earliest deadline that was put in, to the nanosecond, so the next deadline
//! is read off without a search. It may be a dead timer's, and then is too early, never too late.

use super::{TICK_BITS, entry::Entry};
use crate::{clock::Nanos, slab::Slab};

const DIGIT_BITS: u32 = 6;
const SLOTS: usize = 1 << DIGIT_BITS;
const LEVELS: usize = ((u64::BITS - TICK_BITS) / DIGIT_BITS) as usize;

/// Plain data: who may touch it is the affair of [`Timers`](super::Timers).
pub(super) struct Wheel {
    /// The latest time it was turned to.
    now: Nanos,
    levels: [Level; LEVELS],
    /// How many timers lie in the levels, dead ones included.
    held: usize,
    /// Timers whose time has come, not fired yet: index + 1 of the first, or 0.
    due: u32,
    /// How many dead timers were dropped, ever, and how many came to lie in the levels.
    buried: u64,
    filed: u64,
}

struct Level {
    /// A bit for each slot that is not empty.
    occupied: u64,
    slots: [Slot; SLOTS],
}

#[derive(Clone, Copy)]
struct Slot {
    /// Index + 1 of the first timer, or 0.
    head: u32,
    /// No timer here is due earlier.
    earliest: Nanos,
}

const EMPTY: Slot = Slot { head: 0, earliest: Nanos::NEVER };

impl Wheel {
    pub(super) fn new() -> Self {
        Self {
            now: Nanos::ZERO,
            levels: std::array::from_fn(|_| Level { occupied: 0, slots: [EMPTY; SLOTS] }),
            held: 0,
            due: 0,
            buried: 0,
            filed: 0,
        }
    }

    pub(super) const fn buried(&self) -> u64 {
        self.buried
    }

    pub(super) const fn filed(&self) -> u64 {
        self.filed
    }

    /// Takes over the timers of an intake, each for the list it belongs to.
    pub(super) fn take_in(&mut self, slab: &Slab<Entry>, intake: u32) {
        let mut rest = intake;
        while let Some((index, entry)) = at(slab, rest) {
            rest = entry.next();
            if self.keep(slab, index, entry) {
                self.filed += 1;
                self.insert(index, entry);
            }
        }
    }

    /// Goes on to `now`, or stays where it is if that is past: what has come is due, what has come
    /// near lies closer. Returns where it is.
    pub(super) fn turn_to(&mut self, slab: &Slab<Entry>, now: Nanos) -> Nanos {
        let from = tick(self.now);
        self.now = self.now.max(now);
        let mut kept = 0;
        while let Some((level, slot)) = self.first()
            && start(from, level, slot) <= tick(self.now)
        {
            let mut rest = self.empty(level, slot);
            while let Some((index, entry)) = at(slab, rest) {
                rest = entry.next();
                self.held -= 1;
                if self.keep(slab, index, entry) {
                    entry.set_next(kept);
                    kept = index + 1;
                }
            }
        }
        while let Some((index, entry)) = at(slab, kept) {
            kept = entry.next();
            self.insert(index, entry);
        }
        self.now
    }

    /// Frees the next timer whose time has come; its user.
    pub(super) fn next_due(&mut self, slab: &Slab<Entry>) -> Option<u64> {
        while let Some((index, entry)) = at(slab, self.due) {
            self.due = entry.next();
            let Some(user) = entry.fire() else {
                self.bury(slab, index, entry);
                continue;
            };
            slab.release(index);
            return Some(user);
        }
        None
    }

    /// Drops every dead timer, wherever it lies.
    pub(super) fn sweep(&mut self, slab: &Slab<Entry>) {
        for level in 0..LEVELS {
            let mut occupied = self.levels[level].occupied;
            while occupied != 0 {
                let mut rest = self.empty(level, occupied.trailing_zeros() as usize);
                occupied &= occupied - 1;
                while let Some((index, entry)) = at(slab, rest) {
                    rest = entry.next();
                    self.held -= 1;
                    if entry.is_dead() {
                        self.bury(slab, index, entry);
                    } else {
                        self.insert(index, entry);
                    }
                }
            }
        }
    }

    /// No timer here is due earlier than this.
    pub(super) fn next(&self) -> Nanos {
        if self.due != 0 {
            return Nanos::ZERO;
        }
        self.first().map_or(Nanos::NEVER, |(level, slot)| self.levels[level].slots[slot].earliest)
    }

    /// Asserts everything that is said above.
    pub(super) fn check(&self, slab: &Slab<Entry>) {
        let mut held = 0;
        for (level, Level { occupied, slots }) in self.levels.iter().enumerate() {
            for (number, slot) in slots.iter().enumerate() {
                assert_eq!(occupied >> number & 1 == 1, slot.head != 0, "the bits are the slots");
                let mut rest = slot.head;
                while let Some((_, entry)) = at(slab, rest) {
                    rest = entry.next();
                    held += 1;
                    let deadline = entry.deadline();
                    assert!(!entry.is_free(), "only the driver frees");
                    assert!(deadline > self.now, "what is due was taken out");
                    assert!(deadline >= slot.earliest, "the earliest is a lower bound");
                    assert_eq!(self.place(deadline), (level, number), "it lies where it belongs");
                }
                assert_eq!(rest, 0, "lists end");
            }
        }
        assert_eq!(held, self.held, "none is lost");
    }

    /// Whether a timer is still to come. A dead one is dropped; one whose time has come is listed.
    fn keep(&mut self, slab: &Slab<Entry>, index: u32, entry: &Entry) -> bool {
        if entry.is_dead() {
            self.bury(slab, index, entry);
            return false;
        }
        if entry.deadline() <= self.now {
            entry.set_next(self.due);
            self.due = index + 1;
            return false;
        }
        true
    }

    fn bury(&mut self, slab: &Slab<Entry>, index: u32, entry: &Entry) {
        entry.bury();
        slab.release(index);
        self.buried += 1;
    }

    fn insert(&mut self, index: u32, entry: &Entry) {
        let deadline = entry.deadline();
        let (level, number) = self.place(deadline);
        let Level { occupied, slots } = &mut self.levels[level];
        let slot = &mut slots[number];
        entry.set_next(slot.head);
        *slot = Slot { head: index + 1, earliest: slot.earliest.min(deadline) };
        *occupied |= 1 << number;
        self.held += 1;
    }

    /// Takes the list out of a slot.
    fn empty(&mut self, level: usize, slot: usize) -> u32 {
        self.levels[level].occupied &= !(1 << slot);
        std::mem::replace(&mut self.levels[level].slots[slot], EMPTY).head
    }

    /// The first slot of the first level that have any timers.
    fn first(&self) -> Option<(usize, usize)> {
        self.levels
            .iter()
            .position(|level| level.occupied != 0)
            .map(|level| (level, self.levels[level].occupied.trailing_zeros() as usize))
    }

    /// The level and the slot for a deadline that is not past.
    fn place(&self, deadline: Nanos) -> (usize, usize) {
        let tick = tick(deadline);
        let differs = tick ^ self::tick(self.now);
        let level = differs.checked_ilog2().map_or(0, |bit| bit / DIGIT_BITS);
        let slot = tick >> (level * DIGIT_BITS) & (SLOTS as u64 - 1);
        (level as usize, slot as usize)
    }
}

/// The first tick of a slot, seen from a present tick: its higher digits, the slot's own, zeros.
const fn start(present: u64, level: usize, slot: usize) -> u64 {
    let below = level as u32 * DIGIT_BITS;
    let above = below + DIGIT_BITS;
    present >> above << above | (slot as u64) << below
}

const fn tick(time: Nanos) -> u64 {
    time.as_nanos() >> TICK_BITS
}

/// The timer that a link leads to.
fn at(slab: &Slab<Entry>, link: u32) -> Option<(u32, &Entry)> {
    let index = link.checked_sub(1)?;
    slab.get(index).map(|entry| (index, entry))
}
