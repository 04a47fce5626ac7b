//! The state word, bit by bit, and its transitions as pure functions.

use super::{
    Exit,
    id::{Generation, Ticket},
};

/// How many attempts of one flight may be unfinished at the same time.
pub const SEATS: usize = if cfg!(rego_loom) { 2 } else { 12 };

/// How many attempts one flight may launch in all: what six bits count.
pub const LAUNCHES: u8 = 63;

const SEAT_BITS: u32 = 2;
const SEAT_MASK: u64 = 0b11;
/// All seats, and the lower bit of each.
const SEATS_MASK: u64 = (1 << 24) - 1;
const SEATS_LOW: u64 = SEATS_MASK / 3;

const HELD: u64 = 1 << 24;
const TIME: u64 = 1 << 25;
const CANCEL: u64 = 1 << 26;
const ENDED: u64 = 1 << 27;

const LAUNCHED_SHIFT: u32 = 28;
const LAUNCHED_MASK: u64 = 0b11_1111;
const GENERATION_SHIFT: u32 = 34;

/// Where an attempt stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seat {
    /// Nobody sits here: never launched, or settled.
    Free = 0,
    /// Launched and not finished.
    Alive = 1,
    /// One finisher has it to itself and writes down how the attempt ended.
    Claimed = 2,
    /// How it ended is written down; whoever holds the flight takes it.
    Ready = 3,
}

/// A set of seats, as the bits they have in the word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seats(u64);

impl Seats {
    pub(super) const NONE: Self = Self(0);

    pub(super) const fn insert(&mut self, ticket: Ticket) {
        self.0 |= SEAT_MASK << (ticket.seat() as u32 * SEAT_BITS);
    }
}

/// One value of the state word.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Word(u64);

impl Word {
    pub(super) const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    pub(super) const fn bits(self) -> u64 {
        self.0
    }

    /// Nobody's flight: over, empty, and waiting for the next to begin.
    pub(super) const fn vacant(generation: Generation) -> Self {
        Self((generation.get() as u64) << GENERATION_SHIFT | ENDED)
    }

    /// A flight of this generation that its beginner holds.
    pub(super) const fn begun(generation: Generation) -> Self {
        Self((generation.get() as u64) << GENERATION_SHIFT | HELD)
    }

    pub(super) const fn generation(self) -> Generation {
        Generation::truncated((self.0 >> GENERATION_SHIFT) as u32)
    }

    /// Whether this is a flight of `generation` whose call has not ended.
    pub(super) fn is_live(self, generation: Generation) -> bool {
        self.generation() == generation && !self.has(ENDED)
    }

    pub(super) const fn is_held(self) -> bool {
        self.has(HELD)
    }

    pub(super) const fn is_vacant(self) -> bool {
        self.has(ENDED) && !self.has(HELD) && self.0 & SEATS_MASK == 0
    }

    /// Whether the holder has something left to take.
    pub(super) const fn has_news(self) -> bool {
        self.has(TIME | CANCEL) || self.any_ready()
    }

    pub(super) const fn any_ready(self) -> bool {
        self.0 & (self.0 >> 1) & SEATS_LOW != 0
    }

    pub(super) const fn is_cancelled(self) -> bool {
        self.has(CANCEL)
    }

    pub(super) const fn is_time(self) -> bool {
        self.has(TIME)
    }

    /// Where the attempt of `ticket` stands, if its seat is still its own: a later attempt may sit
    /// there by now, and the seat of one never launched belongs to nobody.
    pub(super) fn seat(self, ticket: Ticket) -> Seat {
        let behind = self.launched().wrapping_sub(ticket.get());
        if behind == 0 || usize::from(behind) > SEATS {
            return Seat::Free;
        }
        self.seat_at(ticket.seat())
    }

    /// How many seats are taken by attempts that have not come back.
    pub(super) fn unfinished(self) -> usize {
        (0..SEATS).filter(|seat| matches!(self.seat_at(*seat), Seat::Alive | Seat::Claimed)).count()
    }

    /// The oldest attempt that is ready.
    #[inline]
    pub(super) fn first_ready(self) -> Option<Ticket> {
        if !self.any_ready() {
            return None;
        }
        let launched = self.launched();
        if launched <= SEATS as u8 {
            // Seats are filled in turn: the lowest has the oldest.
            let ready = self.0 & (self.0 >> 1) & SEATS_LOW;
            return Some(Ticket::truncated((ready.trailing_zeros() / SEAT_BITS) as u8));
        }
        let oldest = launched - SEATS as u8;
        (oldest..launched)
            .map(Ticket::truncated)
            .find(|ticket| self.seat_at(ticket.seat()) == Seat::Ready)
    }

    /// The attempts that have a seat, launched and not settled: the oldest first.
    pub(super) fn seated(self) -> impl Iterator<Item = Ticket> {
        let launched = self.launched();
        (launched.saturating_sub(SEATS as u8)..launched)
            .map(Ticket::truncated)
            .filter(move |ticket| self.seat_at(ticket.seat()) != Seat::Free)
    }

    /// The next attempt, alive, unless the one that had its seat before is unfinished or the
    /// flight has launched all it may.
    pub(super) fn launch(self) -> Option<(Self, Ticket)> {
        let launched = self.launched();
        let ticket = Ticket::truncated(launched);
        if launched == LAUNCHES || self.seat_at(ticket.seat()) != Seat::Free {
            return None;
        }
        let counted = Self(self.0 + (1 << LAUNCHED_SHIFT));
        Some((counted.with_seat(ticket, Seat::Alive), ticket))
    }

    #[must_use]
    pub(super) fn with_seat(self, ticket: Ticket, seat: Seat) -> Self {
        let shift = ticket.seat() as u32 * SEAT_BITS;
        Self(self.0 & !(SEAT_MASK << shift) | (seat as u64) << shift)
    }

    /// With these seats free.
    #[must_use]
    pub(super) const fn without(self, seats: Seats) -> Self {
        Self(self.0 & !seats.0)
    }

    #[must_use]
    pub(super) const fn held(self) -> Self {
        Self(self.0 | HELD)
    }

    #[must_use]
    pub(super) const fn let_go(self) -> Self {
        Self(self.0 & !HELD)
    }

    #[must_use]
    pub(super) const fn with_time(self) -> Self {
        Self(self.0 | TIME)
    }

    #[must_use]
    pub(super) const fn without_time(self) -> Self {
        Self(self.0 & !TIME)
    }

    #[must_use]
    pub(super) const fn with_cancel(self) -> Self {
        Self(self.0 | CANCEL)
    }

    #[must_use]
    pub(super) const fn without_cancel(self) -> Self {
        Self(self.0 & !CANCEL)
    }

    /// Over, and held by nobody; unfinished attempts keep their seats.
    #[must_use]
    pub(super) const fn ended(self) -> Self {
        Self(self.0 & !(HELD | TIME | CANCEL) | ENDED)
    }

    /// What comes after this step of an ended flight: the last one out leaves it vacant, for the
    /// next flight, which no id of this one names.
    pub(super) const fn exit(self) -> (Self, Exit) {
        if self.is_vacant() {
            (Self::vacant(self.generation().next()), Exit::Freed)
        } else {
            (self, Exit::Occupied)
        }
    }

    const fn has(self, bits: u64) -> bool {
        self.0 & bits != 0
    }

    /// How many attempts were launched: the ticket of the next.
    const fn launched(self) -> u8 {
        (self.0 >> LAUNCHED_SHIFT & LAUNCHED_MASK) as u8
    }

    fn seat_at(self, seat: usize) -> Seat {
        match self.0 >> (seat as u32 * SEAT_BITS) & SEAT_MASK {
            0 => Seat::Free,
            1 => Seat::Alive,
            2 => Seat::Claimed,
            _ => Seat::Ready,
        }
    }
}

impl std::fmt::Debug for Word {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let seats: Vec<Seat> = (0..SEATS).map(|seat| self.seat_at(seat)).collect();
        f.debug_struct("Word")
            .field("generation", &self.generation().get())
            .field("launched", &self.launched())
            .field("held", &self.is_held())
            .field("time", &self.is_time())
            .field("cancel", &self.is_cancelled())
            .field("ended", &self.has(ENDED))
            .field("seats", &seats)
            .finish()
    }
}
