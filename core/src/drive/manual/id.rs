//! What names a call and its attempts to the host: 64 bits to keep, lose, repeat or forge.
//!
//! ```text
//! 63            40 39     32 31              0
//! ┌───────────────┬─────────┬────────────────┐
//! │ slot          │ what    │ use, sealed    │   never 0
//! └───────────────┴─────────┴────────────────┘
//! ```
//!
//! *what* is a ticket, or one of the numbers no ticket reaches. *use* is the generation of the slot,
//! mingled with the [`Seal`] of the engine: an id of another engine names a use that is as a rule some
//! hundred million uses away.

#![expect(clippy::disallowed_types, reason = "a static, which no model has a part in")]

use std::sync::atomic::AtomicU32 as Count;

use crate::{
    flight::{AttemptRef as InFlight, FlightId, Stale, Ticket},
    sync::Ordering,
};

/// Where an id has a ticket: the one attempt of a call that passes through.
const PLAIN: u8 = 0xfe;
/// As above: that call.
const PLAIN_CALL: u8 = 0xfd;
const WHAT_SHIFT: u32 = 32;

/// Names one call. Of a call that is over it names nothing, and what it is asked for answers
/// [`Stale`]; so does any number that was never given out, and an id of another engine's, until its
/// use comes round.
///
/// As bits, which is how it crosses into other languages: never 0.
///
/// ```
/// use rego::{Nanos, manual::CallId};
///
/// let engine = rego::Engine::builder().build()?;
/// let forged = CallId::from_bits(42);
/// assert!(engine.manual().poll(forged, Nanos::ZERO).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CallId(u64);

/// Names one attempt of one call, until it is finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AttemptRef(u64);

/// What an id stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meant<T> {
    InFlight(T),
    /// A call that had no room among the others, by its own slot and use.
    PassThrough(FlightId),
}

/// What tells the ids of one engine from those of any other: a pattern over their uses, which moves
/// those of another engine far from what is in use here: 576 million uses for two engines, 190
/// thousand for a thousand.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seal(u32);

impl CallId {
    /// The id with these bits. Any bits will do; what they name is looked up when it is used.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The id as a number, for a host that can keep nothing else.
    #[must_use]
    pub const fn to_bits(self) -> u64 {
        self.0
    }

    /// Whether the call found no room: one plain attempt, of which little is kept.
    #[must_use]
    pub const fn is_pass_through(self) -> bool {
        what(self.0) == PLAIN_CALL
    }
}

impl AttemptRef {
    /// The id with these bits, as [`CallId::from_bits`].
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The id as a number, for a host that can keep nothing else.
    #[must_use]
    pub const fn to_bits(self) -> u64 {
        self.0
    }

    /// The call it belongs to; for bits that are no attempt's, an id that is stale as well.
    #[must_use]
    pub const fn call(self) -> CallId {
        let call = match what(self.0) {
            PLAIN => PLAIN_CALL,
            ticket if Ticket::parse(ticket).is_some() => FlightId::CALL,
            _ => return CallId(0),
        };
        CallId(with_what(self.0, call))
    }
}

impl Seal {
    /// Another one than any engine of this process has, until there have been 2³⁰.
    pub(super) fn new() -> Self {
        static ENGINES: Count = Count::new(1);
        // Relaxed: only the number matters.
        let nth = ENGINES.fetch_add(1, Ordering::Relaxed);
        // An odd factor makes another number of each of 30 bits, which are a generation's. With the
        // next one set no id has only zeros here; the last stays free, for hosts that hand out ids
        // of their own beside these.
        Self(nth.wrapping_mul(0x9E37_79B1) & ((1 << 30) - 1) | 1 << 30)
    }

    #[inline]
    pub(super) fn call(self, flight: FlightId) -> CallId {
        CallId(self.over(flight.to_bits()))
    }

    #[inline]
    pub(super) fn attempt(self, flight: FlightId, ticket: Ticket) -> AttemptRef {
        AttemptRef(self.over(flight.attempt(ticket).to_bits()))
    }

    /// The one attempt of a call that passes through.
    pub(super) fn plain(self, id: FlightId) -> AttemptRef {
        AttemptRef(self.over(with_what(id.to_bits(), PLAIN)))
    }

    #[inline]
    pub(super) fn meant_call(self, call: CallId) -> Result<Meant<FlightId>, Stale> {
        let bits = self.over(call.0);
        match FlightId::from_bits(bits) {
            Some(id) => Ok(Meant::InFlight(id)),
            None => plain(bits, PLAIN_CALL),
        }
    }

    #[inline]
    pub(super) fn meant(self, attempt: AttemptRef) -> Result<Meant<(FlightId, Ticket)>, Stale> {
        let bits = self.over(attempt.0);
        match InFlight::from_bits(bits) {
            Some(attempt) => Ok(Meant::InFlight((attempt.flight(), attempt.ticket()))),
            None => plain(bits, PLAIN),
        }
    }

    /// On and off again.
    #[inline]
    const fn over(self, bits: u64) -> u64 {
        bits ^ self.0 as u64
    }
}

#[cold]
fn plain<T>(bits: u64, kind: u8) -> Result<Meant<T>, Stale> {
    if what(bits) != kind {
        return Err(Stale);
    }
    FlightId::from_bits(with_what(bits, FlightId::CALL)).map(Meant::PassThrough).ok_or(Stale)
}

const fn what(bits: u64) -> u8 {
    (bits >> WHAT_SHIFT) as u8
}

const fn with_what(bits: u64, what: u8) -> u64 {
    bits & !(0xff << WHAT_SHIFT) | (what as u64) << WHAT_SHIFT
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flight::Generation;

    #[test]
    fn a_seal_is_taken_off_again_and_another_opens_nothing() {
        let (mine, yours) = (Seal::new(), Seal::new());
        let ticket = Ticket::parse(3).unwrap();
        for slot in [0, 7, FlightId::SLOTS - 1] {
            let id = FlightId::new(slot, Generation::FIRST.next());
            let (call, attempt, plain) = (mine.call(id), mine.attempt(id, ticket), mine.plain(id));
            assert_eq!(mine.meant_call(call), Ok(Meant::InFlight(id)));
            assert_eq!(mine.meant(attempt), Ok(Meant::InFlight((id, ticket))));
            assert_eq!(mine.meant(plain), Ok(Meant::PassThrough(id)));
            assert_eq!(mine.meant_call(plain.call()), Ok(Meant::PassThrough(id)));
            assert_eq!(attempt.call(), call);
            assert!(plain.call().is_pass_through() && !call.is_pass_through());
            // Whatever the other makes of it, it is not this use.
            assert_ne!(yours.meant_call(call), Ok(Meant::InFlight(id)));
            assert_ne!(yours.meant(attempt), Ok(Meant::InFlight((id, ticket))));
            assert_ne!(yours.meant(plain), Ok(Meant::PassThrough(id)));
        }
    }

    #[test]
    fn seals_differ_in_what_a_generation_has() {
        let mut seals: Vec<u32> = (0..10_000).map(|_| Seal::new().0).collect();
        assert!(seals.iter().all(|seal| seal >> 30 == 1), "no id is 0, and a bit is free");
        seals.sort_unstable();
        seals.dedup();
        assert_eq!(seals.len(), 10_000);
    }
}
