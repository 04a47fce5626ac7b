//! The attempt that the caller runs itself, where nobody else would.

use crate::{
    flight::Ticket,
    sync::{AtomicU8, Ordering},
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
        ticket(self.0.swap(NOTHING, Ordering::Acquire))
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
