//! The attempt that the caller runs itself, where nobody else would.
//!
//! # The word
//!
//! ```text
//! 0: nothing is offered · 1 to 63: the ticket + 1 · 255: the caller has left
//! ```
//!
//! # Paths
//!
//! - *offer*: 0 → ticket + 1, by an exchange; where it fails the attempt stays the offerer's, who
//!   reports that nobody ran it.
//! - *take*, by the caller alone, of what it has seen there: the word is set to 0. Nobody else
//!   changes one that holds a ticket.
//! - *leave*: the whole word is swapped for 255. What had been offered comes back to the caller, who
//!   reports it; what is offered later is refused. So every ticket that is offered is run or
//!   reported once.
//!
//! # Orderings
//!
//! - *order*: the holder's writes to the seat → `offer` (Release) → `take`, `leave` (Acquire) → the
//!   caller's reads.
//!
//! Modelled in `loom-tests/tests/pool.rs`.

use crate::{
    flight::Ticket,
    sync::{AtomicU8, Ordering, Overwrite as _},
};

const NOTHING: u8 = 0;
const LEFT: u8 = u8::MAX;

/// A place for one ticket between whoever offers it and the caller. What it holds is the ticket
/// + 1, [`NOTHING`], or [`LEFT`] once the caller has gone.
#[derive(Debug, Default)]
pub(super) struct Here(AtomicU8);

impl Here {
    /// Offers an attempt to the caller. False if it has gone or has one already: then the attempt
    /// is still the offerer's.
    pub(super) fn offer(&self, ticket: Ticket) -> bool {
        let mine = ticket.get() + 1;
        if cfg!(rego_break = "pool_offer_check_then_act") {
            // Orderings: as below.
            let may = self.0.load(Ordering::Relaxed) == NOTHING;
            if may {
                self.0.store(mine, Ordering::Release);
            }
            return may;
        }
        // Release: what the offerer did happens-before the caller's run of it. Relaxed on failure:
        // nothing is read.
        self.0.compare_exchange(NOTHING, mine, Ordering::Release, Ordering::Relaxed).is_ok()
    }

    /// What was offered. Only for the caller.
    pub(super) fn take(&self) -> Option<Ticket> {
        // Acquire: pairs with the Release of `offer`.
        let offered = ticket(self.0.load(Ordering::Acquire))?;
        // Relaxed: while something is offered only the caller changes the word, and nothing is read
        // on the strength of this.
        self.0.overwrite(NOTHING, Ordering::Relaxed);
        Some(offered)
    }

    /// The caller goes: what it had not taken yet is handed back, and nothing more is accepted.
    pub(super) fn leave(&self) -> Option<Ticket> {
        // Acquire: as in `take`.
        ticket(self.0.swap(LEFT, Ordering::Acquire))
    }
}

fn ticket(here: u8) -> Option<Ticket> {
    here.checked_sub(1).and_then(Ticket::parse)
}
