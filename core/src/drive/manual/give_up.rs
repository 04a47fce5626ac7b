//! Attempts that the machine gives up: the host is to ask them to stop, or never hears of them.

use super::{
    fly::Pilot,
    seat::{CANCELLED, End},
    slot::Machine,
};
use crate::{
    flight::{Hold, Ticket},
    notes::{AttemptId, AttemptSet, Event, Note},
    outcome::CancelReason,
};

impl Pilot<'_> {
    #[cold]
    pub(super) fn give_up(
        &self,
        machine: &mut Machine,
        hold: &mut Hold<'_>,
        abandoned: AttemptSet,
    ) {
        for attempt in abandoned {
            machine.given_up.insert(attempt);
            machine.queued.remove(attempt);
            self.setting.site.abandon();
            let Some(ticket) = self.slot.ticket_of(machine.aloft, attempt) else { continue };
            let seat = self.slot.seat(ticket);
            // It is in the air, so the mark finds it.
            let _ = seat.mark(self.id.generation(), ticket, CANCELLED);
            if machine.to_start.remove(ticket) {
                self.take_back(hold, ticket);
            } else {
                machine.reasons[ticket.seat()] = Some(reason(machine.notes.as_slice(), attempt));
                machine.to_cancel.insert(ticket);
            }
        }
    }

    /// The host has not heard of this attempt, and will not: it ends without having run. Its end is
    /// the next news.
    fn take_back(&self, hold: &mut Hold<'_>, ticket: Ticket) {
        // Unless somebody guessed its id.
        if hold.take_back(ticket) {
            self.slot.seat(ticket).write(End::not_run(self.now));
        }
    }
}

/// Why the attempt was given up: what the notes say, or because its own time was up.
fn reason(notes: &[Note], given_up: AttemptId) -> CancelReason {
    let said = notes.iter().rev().find_map(|note| match note.what {
        Event::CancelRequested { attempt, reason, .. } if attempt == given_up => Some(reason),
        _ => None,
    });
    said.unwrap_or(CancelReason::Deadline)
}
