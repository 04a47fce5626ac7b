//! What the holder of a race makes of the news: an end, a cancel, the time, attempts that started.

use super::{
    race::{Machine, Race},
    seat::End,
    stand_aside::InHand,
};
use crate::{
    call::Step,
    drive::{
        Attempt,
        cancel::Raised,
        ending::{Kept, release},
    },
    flight::{News, Ticket},
    notes::AttemptId,
    outcome::OutcomeKind,
};

impl<T, E, F> Race<T, E, F>
where
    T: Send + 'static,
    E: Send + 'static,
    F: Fn(&Attempt<'_>) -> Result<T, E> + Send + Sync + 'static,
{
    /// Tells the machine what has arrived.
    pub(super) fn hear(
        &self,
        machine: &mut Machine<T, E>,
        news: News,
        raised: &mut Raised,
    ) -> Step {
        self.learn_starts(machine);
        match news {
            News::Ready(ticket) => self.hear_end(machine, ticket, raised),
            News::Cancel => {
                let now = self.host.clock.now();
                self.with(machine, raised, |call, with| call.on_cancel(with, now))
            }
            News::Time => {
                let now = self.host.clock.now();
                self.with(machine, raised, |call, with| call.on_time(with, now))
            }
        }
    }

    fn hear_end(&self, machine: &mut Machine<T, E>, ticket: Ticket, raised: &mut Raised) -> Step {
        let seat = self.seat(ticket);
        let (Some(order), Some(end)) = (seat.order(), seat.take_end()) else {
            unreachable!("a result that is ready has been written")
        };
        let attempt = order.launch.attempt;
        release(&self.terms, order.launch.reserved);
        if machine.given_up.remove(attempt) {
            self.site.abandoned_ended();
        }
        let (outcome, facts, result, at) = match end {
            End::Ran { outcome, facts, result, at } => (outcome, facts, result, at),
            End::NotRun => {
                let now = self.host.clock.now();
                return self
                    .with(machine, raised, |call, with| call.on_rejected(with, attempt, now));
            }
        };
        let success = outcome.kind == OutcomeKind::Success;
        machine.in_hand = Some(InHand { attempt, success, result });
        let taken_back = self.flight.is_cancelled(self.generation);
        let step = self.with(machine, raised, |call, with| {
            with.facts = facts;
            // A cancel that has come and not been heard yet outranks all but a success.
            match taken_back {
                true => call.on_last_outcome(with, attempt, outcome, at),
                false => call.on_outcome(with, attempt, outcome, at),
            }
        });
        let result = machine.in_hand.take().map_or(Kept::Nothing, |ended| ended.result);
        let spent = match machine.call.answer() == Some(attempt) {
            true => std::mem::replace(&mut machine.kept, result),
            false => result,
        };
        if !matches!(spent, Kept::Nothing) {
            machine.spent.push(spent);
        }
        step
    }

    /// Attempts start without telling: their times are picked up here.
    pub(super) fn learn_starts(&self, machine: &mut Machine<T, E>) {
        for seat in self.seats.iter() {
            let Some(order) = seat.order() else { continue };
            let attempt = order.launch.attempt;
            if !machine.queued.contains(attempt) {
                continue;
            }
            if let Some(started) = seat.started() {
                machine.queued.remove(attempt);
                machine.call.on_started(attempt, started);
                if attempt == AttemptId::FIRST {
                    machine.first_started = Some(started);
                }
            }
        }
    }
}
