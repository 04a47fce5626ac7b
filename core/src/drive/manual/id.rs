//! What names a call and its attempts to the host: 64 bits to keep, lose, repeat or forge.

use crate::flight::{AttemptRef as InFlight, FlightId, Stale, Ticket};

/// The slot that no flight has: a slab ends one before it.
const PASS_THROUGH_SLOT: u32 = FlightId::SLOTS - 1;

/// Names one call. Of a call that is over it names nothing, and what it is asked for answers
/// [`Stale`]; so does any number that was never given out.
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
    /// A call that had no room in the slab: nothing is kept of it but its id.
    PassThrough,
}

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

    /// Whether the call found no room: one plain attempt, of which nothing is kept.
    #[must_use]
    pub fn is_pass_through(self) -> bool {
        self.meant() == Ok(Meant::PassThrough)
    }

    pub(super) const fn of(flight: FlightId) -> Self {
        Self(flight.to_bits())
    }

    /// The `nth` call without a slot. Its id comes back after 2³⁰ of them.
    pub(super) fn pass_through(nth: u64) -> Self {
        let generation = nth % ((1 << 30) - 1) + 1;
        let bits =
            u64::from(PASS_THROUGH_SLOT) << 40 | u64::from(FlightId::CALL) << 32 | generation;
        debug_assert!(FlightId::from_bits(bits).is_some(), "a generation is 1 to 2^30 - 1");
        Self(bits)
    }

    pub(super) fn meant(self) -> Result<Meant<FlightId>, Stale> {
        match FlightId::from_bits(self.0) {
            Some(id) if id.slot() == PASS_THROUGH_SLOT => Ok(Meant::PassThrough),
            Some(id) => Ok(Meant::InFlight(id)),
            None => Err(Stale),
        }
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
    pub fn call(self) -> CallId {
        InFlight::from_bits(self.0).map_or(CallId(0), |attempt| CallId::of(attempt.flight()))
    }

    pub(super) const fn of(flight: FlightId, ticket: Ticket) -> Self {
        Self(flight.attempt(ticket).to_bits())
    }

    /// The one attempt of a call without a slot.
    pub(super) fn first_of(call: CallId) -> Self {
        // The ticket is 0 where the call's own id has 0xff.
        Self(call.0 & !(u64::from(FlightId::CALL) << 32))
    }

    pub(super) fn meant(self) -> Result<Meant<(FlightId, Ticket)>, Stale> {
        match InFlight::from_bits(self.0) {
            Some(attempt) if attempt.flight().slot() == PASS_THROUGH_SLOT => {
                if attempt.ticket().get() == 0 { Ok(Meant::PassThrough) } else { Err(Stale) }
            }
            Some(attempt) => Ok(Meant::InFlight((attempt.flight(), attempt.ticket()))),
            None => Err(Stale),
        }
    }
}
