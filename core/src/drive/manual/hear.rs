//! What the holder of a flight makes of the news: an end, a cancel, the time, a word of the host's
//! queue.

use super::{
    fly::{Asker, Pilot},
    seat::{QUEUED, STARTED},
    slot::Machine,
};
use crate::{
    call::{self, Launch},
    drive::release,
    flight::{News, Ticket},
    notes::AttemptId,
    outcome::OutcomeKind,
};

impl Pilot<'_> {
    /// Tells the machine what has arrived.
    pub(super) fn hear(&mut self, machine: &mut Machine, news: News) -> call::Step {
        let now = self.now;
        match news {
            News::Ready(ticket) => self.hear_end(machine, ticket),
            News::Cancel => self.event(machine, |call, with| call.on_cancel(with, now)),
            News::Time => {
                if self.asker == Asker::Anybody {
                    // It may be the loop that knocked, whose timer has fired.
                    self.disarm(machine);
                }
                if self.slot.was_told_of_queue() {
                    self.learn_of_queue(machine);
                }
                self.pass_time(machine)
            }
        }
    }

    pub(super) fn pass_time(&mut self, machine: &mut Machine) -> call::Step {
        let now = self.now;
        self.event(machine, |call, with| call.on_time(with, now))
    }

    fn hear_end(&mut self, machine: &mut Machine, ticket: Ticket) -> call::Step {
        let Some((launch, end)) = self.slot.seat(ticket).take() else {
            unreachable!("a result that is ready has been written")
        };
        let attempt = launch.attempt;
        self.settle(launch);
        machine.aloft.remove(ticket);
        machine.to_start.remove(ticket);
        machine.to_cancel.remove(ticket);
        machine.queued.remove(attempt);
        if machine.given_up.remove(attempt) {
            self.setting.site.abandoned_ended();
        }
        self.now = self.now.max(end.at);
        let Some(outcome) = end.outcome else {
            return self.event(machine, |call, with| call.on_rejected(with, attempt, end.at));
        };
        if outcome.kind == OutcomeKind::Success {
            machine.in_hand = Some((ticket, end.result));
        }
        let taken_back = self.slot.flight.is_cancelled(self.id.generation());
        let step = self.event(machine, |call, with| {
            with.facts = end.facts;
            // A cancel that has come and not been heard yet outranks all but a success.
            match taken_back {
                true => call.on_last_outcome(with, attempt, outcome, end.at),
                false => call.on_outcome(with, attempt, outcome, end.at),
            }
        });
        machine.in_hand = None;
        if machine.call().answer() == Some(attempt) {
            machine.answer = Some((ticket, end.result));
        }
        step
    }

    /// Gives back what an attempt held while it ran.
    pub(super) fn settle(&self, launch: Launch) {
        release(&self.setting.terms, launch.reserved);
    }

    /// What the host has said of its queue.
    #[cold]
    fn learn_of_queue(&mut self, machine: &mut Machine) {
        for ticket in machine.aloft {
            let seat = self.slot.seat(ticket);
            let (Some(launch), Some(marks)) =
                (seat.launch(), seat.marks(self.id.generation(), ticket))
            else {
                continue;
            };
            let (attempt, now) = (launch.attempt, self.now);
            if marks & (QUEUED | STARTED) == QUEUED && !machine.queued.contains(attempt) {
                machine.queued.insert(attempt);
                self.event(machine, |call, _| call.on_queued(attempt));
            }
            if marks & STARTED != 0 && machine.queued.remove(attempt) {
                self.event(machine, |call, _| call.on_started(attempt, now));
                if attempt == AttemptId::FIRST {
                    machine.first_started = now;
                }
            }
        }
    }
}
