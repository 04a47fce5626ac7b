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
//!
//! Most timers die young, and one that the driver meets for the first time may be about to: so it is
//! not filed yet but set aside, with the others of its intake, until the driver takes the next.
//! Those that are dead by then never touch the wheel; those whose time comes first fire from there.
//!
//! A slot is an array of deadlines and indices, not a list through the timers: moving a million of
//! them reads memory in order, where a list would wait for each before it knows the next.

use std::{collections::VecDeque, mem};

use super::{TICK_BITS, entry::Entry};
use crate::{clock::Nanos, slab::Slab};

const DIGIT_BITS: u32 = 6;
const SLOTS: usize = 1 << DIGIT_BITS;
const LEVELS: usize = ((u64::BITS - TICK_BITS) / DIGIT_BITS) as usize;

/// An empty slot keeps room for so many, and gives back what is more.
const ROOM: usize = 512;

/// So many set aside are looked through for one that is due; if there are more, all are filed.
const FEW_YOUNG: usize = 4_096;

/// Plain data: who may touch it is the affair of [`Timers`](super::Timers).
pub(super) struct Wheel {
    /// The latest time it was turned to.
    now: Nanos,
    /// For each level, a bit for each slot that is not empty.
    occupied: [u64; LEVELS],
    /// Of all levels, one after the other.
    slots: Box<[Slot]>,
    /// Timers of the last intake, set aside.
    young: Slot,
    /// Timers whose time has come, not fired yet.
    due: VecDeque<u32>,
    /// Timers on their way from one slot to another; empty, but for its room, between two turns.
    moving: Vec<Timer>,
    /// How many dead timers were dropped, ever, and how many came to lie in the levels.
    buried: u64,
    filed: u64,
}

struct Slot {
    timers: Vec<Timer>,
    /// No timer here is due earlier.
    earliest: Nanos,
}

#[derive(Clone, Copy)]
struct Timer {
    deadline: Nanos,
    index: u32,
}

impl Wheel {
    pub(super) fn new() -> Self {
        Self {
            now: Nanos::ZERO,
            occupied: [0; LEVELS],
            slots: (0..LEVELS * SLOTS).map(|_| Slot::new()).collect(),
            young: Slot::new(),
            due: VecDeque::new(),
            moving: Vec::new(),
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

    /// Files what was set aside and still lives: another intake comes.
    pub(super) fn file_young(&mut self, slab: &Slab<Entry>) {
        let mut young = mem::replace(&mut self.young, Slot::new()).timers;
        for timer in young.drain(..) {
            if self.keep(slab, timer) {
                self.filed += 1;
                self.insert(timer);
            }
        }
        young.shrink_to(ROOM);
        self.young.timers = young;
    }

    /// Takes over the timers of an intake.
    pub(super) fn take_in(&mut self, slab: &Slab<Entry>, intake: u32) {
        let mut rest = intake;
        while let Some(index) = rest.checked_sub(1)
            && let Some(entry) = slab.get(index)
        {
            rest = entry.next();
            let timer = Timer { deadline: entry.deadline(), index };
            if self.keep(slab, timer) {
                self.young.push(timer);
            }
        }
    }

    /// Goes on to `now`, or stays where it is if that is past: what has come is due, what has come
    /// near lies closer. Returns where it is.
    pub(super) fn turn_to(&mut self, slab: &Slab<Entry>, now: Nanos) -> Nanos {
        let from = tick(self.now);
        self.now = self.now.max(now);
        while let Some((level, slot)) = self.first()
            && start(from, level, slot) <= tick(self.now)
        {
            self.take_out(level, slot);
        }
        self.put_back(slab);
        if self.young.earliest <= self.now {
            self.look_through_young(slab);
        }
        self.now
    }

    /// Frees the next timer whose time has come; its user.
    pub(super) fn next_due(&mut self, slab: &Slab<Entry>) -> Option<u64> {
        while let Some(index) = self.due.pop_front() {
            let Some(entry) = slab.get(index) else { continue };
            if let Some(user) = entry.fire() {
                slab.release(index);
                return Some(user);
            }
            self.bury(slab, index, entry);
        }
        None
    }

    /// Drops every dead timer, wherever it lies.
    pub(super) fn sweep(&mut self, slab: &Slab<Entry>) {
        while let Some((level, slot)) = self.first() {
            self.take_out(level, slot);
        }
        self.put_back(slab);
    }

    /// No timer here is due earlier than this.
    pub(super) fn next(&self) -> Nanos {
        if !self.due.is_empty() {
            return Nanos::ZERO;
        }
        let filed = self.first().map(|(level, slot)| self.slots[level * SLOTS + slot].earliest);
        filed.map_or(self.young.earliest, |filed| filed.min(self.young.earliest))
    }

    /// Asserts everything that is said above.
    #[cfg_attr(not(any(test, rego_loom)), allow(dead_code, reason = "for tests and models"))]
    pub(super) fn check(&self, slab: &Slab<Entry>) {
        for (position, Slot { timers, earliest }) in self.slots.iter().enumerate() {
            let place = (position / SLOTS, position % SLOTS);
            let occupied = self.occupied[place.0] >> place.1 & 1 == 1;
            assert_eq!(occupied, !timers.is_empty(), "the bits are the slots");
            for &Timer { deadline, index } in timers {
                let entry = slab.get(index).expect("what is filed was armed");
                assert!(!entry.is_free(), "only the driver frees");
                assert_eq!(entry.deadline(), deadline, "and only then is it armed anew");
                assert!(deadline > self.now, "what is due was taken out");
                assert!(deadline >= *earliest, "the earliest is a lower bound");
                assert_eq!(self.place(deadline), place, "it lies where it belongs");
            }
        }
        for &Timer { deadline, index } in &self.young.timers {
            let entry = slab.get(index).expect("what is set aside was armed");
            assert!(!entry.is_free(), "only the driver frees");
            assert!(deadline > self.now, "what is due was taken out");
            assert!(deadline >= self.young.earliest, "the earliest is a lower bound");
        }
    }

    /// Whether a timer is still to come. A dead one is dropped; one whose time has come is noted.
    fn keep(&mut self, slab: &Slab<Entry>, Timer { deadline, index }: Timer) -> bool {
        let Some(entry) = slab.get(index) else { return false };
        if entry.is_dead() {
            self.bury(slab, index, entry);
            return false;
        }
        let due = deadline <= self.now;
        if due {
            self.due.push_back(index);
        }
        !due
    }

    fn bury(&mut self, slab: &Slab<Entry>, index: u32, entry: &Entry) {
        entry.bury();
        slab.release(index);
        self.buried += 1;
    }

    fn insert(&mut self, timer: Timer) {
        let (level, number) = self.place(timer.deadline);
        self.occupied[level] |= 1 << number;
        self.slots[level * SLOTS + number].push(timer);
    }

    /// Takes out of those set aside what is due or dead; files them all if they are many.
    fn look_through_young(&mut self, slab: &Slab<Entry>) {
        if self.young.timers.len() > FEW_YOUNG {
            return self.file_young(slab);
        }
        let mut young = mem::replace(&mut self.young, Slot::new()).timers;
        let mut earliest = Nanos::NEVER;
        young.retain(|timer| {
            let stays = self.keep(slab, *timer);
            if stays {
                earliest = earliest.min(timer.deadline);
            }
            stays
        });
        self.young = Slot { timers: young, earliest };
    }

    fn take_out(&mut self, level: usize, slot: usize) {
        self.occupied[level] &= !(1 << slot);
        let Slot { timers, earliest } = &mut self.slots[level * SLOTS + slot];
        *earliest = Nanos::NEVER;
        if self.moving.is_empty() {
            mem::swap(&mut self.moving, timers);
        } else {
            self.moving.append(timers);
        }
        timers.shrink_to(ROOM);
    }

    fn put_back(&mut self, slab: &Slab<Entry>) {
        let mut moving = mem::take(&mut self.moving);
        for timer in moving.drain(..) {
            if self.keep(slab, timer) {
                self.insert(timer);
            }
        }
        moving.shrink_to(ROOM);
        self.moving = moving;
    }

    /// The first slot of the first level that have any timers.
    fn first(&self) -> Option<(usize, usize)> {
        let level = self.occupied.iter().position(|&slots| slots != 0)?;
        Some((level, self.occupied[level].trailing_zeros() as usize))
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

impl Slot {
    const fn new() -> Self {
        Self { timers: Vec::new(), earliest: Nanos::NEVER }
    }

    fn push(&mut self, timer: Timer) {
        self.earliest = self.earliest.min(timer.deadline);
        self.timers.push(timer);
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
