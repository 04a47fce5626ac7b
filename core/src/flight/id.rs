//! What names a flight and its attempts: 64 bits that a host may keep, lose, repeat or forge.

use super::word::{LAUNCHES, SEATS};

/// Which use of a slot: 1 to 2³⁰ − 1, then 1 again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Generation(u32);

impl Generation {
    /// The first use.
    pub const FIRST: Self = Self(1);

    const MASK: u32 = (1 << 30) - 1;

    /// As a number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The use after this one. A slot that is used ten million times a second comes round after
    /// 107 seconds; an id is mistaken for another only if it is used at exactly that use.
    #[must_use]
    pub const fn next(self) -> Self {
        if self.0 == Self::MASK { Self::FIRST } else { Self(self.0 + 1) }
    }

    pub(super) const fn truncated(bits: u32) -> Self {
        Self(bits & Self::MASK)
    }

    /// The use with this number; `None` for 0 and what takes more than 30 bits.
    #[must_use]
    pub const fn parse(bits: u32) -> Option<Self> {
        if bits == 0 || bits > Self::MASK { None } else { Some(Self(bits)) }
    }
}

/// The number of an attempt within its flight, in the order of launching: 0 to 62.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(u8);

impl Ticket {
    /// As a number.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }

    /// Its seat, less than [`SEATS`]: where a driver keeps what belongs to the attempt.
    #[must_use]
    pub const fn seat(self) -> usize {
        // Few flights come round: a look is cheaper than a division.
        let number = self.0 as usize;
        if number < SEATS { number } else { number % SEATS }
    }

    pub(super) const fn truncated(number: u8) -> Self {
        Self(number & LAUNCHES)
    }

    /// The ticket with this number; `None` for numbers no flight reaches.
    #[must_use]
    pub const fn parse(number: u8) -> Option<Self> {
        if number < LAUNCHES { Some(Self(number)) } else { None }
    }
}

/// Names one flight in a slab: its slot and which use of it.
///
/// As bits: slot:24 | [`CALL`](Self::CALL):8 | generation:32. Never 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FlightId {
    slot: u32,
    generation: Generation,
}

impl FlightId {
    /// Slots are less than this.
    pub const SLOTS: u32 = 1 << 24;
    /// Where an attempt's id has its ticket: the call itself is meant.
    pub const CALL: u8 = 0xff;

    /// The id of the flight that began in `slot`, which is less than [`SLOTS`](Self::SLOTS).
    #[must_use]
    pub const fn new(slot: u32, generation: Generation) -> Self {
        debug_assert!(slot < Self::SLOTS);
        Self { slot, generation }
    }

    /// Which slot of the slab.
    #[must_use]
    pub const fn slot(self) -> u32 {
        self.slot
    }

    /// Which use of the slot.
    #[must_use]
    pub const fn generation(self) -> Generation {
        self.generation
    }

    /// One of its attempts.
    #[must_use]
    pub const fn attempt(self, ticket: Ticket) -> AttemptRef {
        AttemptRef { flight: self, ticket }
    }

    /// For a host to keep.
    #[must_use]
    pub const fn to_bits(self) -> u64 {
        pack(self, Self::CALL)
    }

    /// What a host hands back. `None` if no flight ever had such an id; one that had may be over,
    /// and the state word says so.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Option<Self> {
        match unpack(bits) {
            Some((flight, Self::CALL)) => Some(flight),
            _ => None,
        }
    }
}

/// Names one attempt of a flight in a slab.
///
/// As bits: slot:24 | ticket:8 | generation:32. Never 0, and never a [`FlightId`]'s.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AttemptRef {
    flight: FlightId,
    ticket: Ticket,
}

impl AttemptRef {
    /// The flight it belongs to.
    #[must_use]
    pub const fn flight(self) -> FlightId {
        self.flight
    }

    /// Its number within the flight.
    #[must_use]
    pub const fn ticket(self) -> Ticket {
        self.ticket
    }

    /// For a host to keep.
    #[must_use]
    pub const fn to_bits(self) -> u64 {
        pack(self.flight, self.ticket.get())
    }

    /// What a host hands back. `None` if no attempt ever had such an id.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Option<Self> {
        let Some((flight, number)) = unpack(bits) else { return None };
        match Ticket::parse(number) {
            Some(ticket) => Some(Self { flight, ticket }),
            None => None,
        }
    }
}

const fn pack(flight: FlightId, attempt: u8) -> u64 {
    (flight.slot as u64) << 40 | (attempt as u64) << 32 | flight.generation.get() as u64
}

const fn unpack(bits: u64) -> Option<(FlightId, u8)> {
    match Generation::parse(bits as u32) {
        Some(generation) => {
            Some((FlightId { slot: (bits >> 40) as u32, generation }, (bits >> 32) as u8))
        }
        None => None,
    }
}
