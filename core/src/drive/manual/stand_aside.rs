//! What becomes of a call when the engine itself panics: it ends at once.
//!
//! A success that the machine was being told of still answers it; else its verdict is
//! [`PassThrough`](Verdict::PassThrough), with the last result there was. What is in the air is asked
//! to stop, and what it held is given back as it ends.

use std::any::Any;

use super::{fly::Pilot, slot::Machine};
use crate::{
    call,
    flight::{Hold, Ticket},
    notes::{AttemptId, AttemptSet},
    site::Counter,
    sync::drop_quietly,
    verdict::Verdict,
};

impl Pilot<'_> {
    /// The engine has panicked while it held this flight, and before it did what the machine had
    /// `said`.
    #[cold]
    pub(super) fn stand_aside(
        &mut self,
        machine: &mut Machine,
        hold: &mut Hold<'_>,
        said: Option<call::Step>,
        payload: Box<dyn Any + Send>,
    ) {
        drop_quietly(payload);
        if let Some(call::Step::Launch(launch)) = said {
            // It is paid for, has no seat, and will not be launched.
            self.settle(launch.reserved);
        }
        let counters = &self.setting.site.counters;
        counters.add(Counter::EnginePanics, 1);
        self.setting.site.panicked(self.now);
        if machine.is_over() {
            return; // It had ended: there is only its end to tell.
        }
        counters.add(Counter::PassThrough, 1);
        let won = machine.in_hand.take();
        machine.answer = won.or(machine.answer);
        let verdict = if won.is_some() { Verdict::Success } else { Verdict::PassThrough };
        let answer = machine.answer.and_then(|(ticket, _)| self.attempt_of(ticket));
        let mut in_the_air = AttemptSet::EMPTY;
        for attempt in hold.seated().filter_map(|ticket| self.attempt_of(ticket)) {
            if !machine.given_up.contains(attempt) {
                in_the_air.insert(attempt);
            }
        }
        let now = self.now;
        self.event(machine, hold, |call, with| {
            call.break_off(with, answer, verdict, now);
            with.abandoned = in_the_air;
        });
        self.be_done(machine);
    }

    fn attempt_of(&self, ticket: Ticket) -> Option<AttemptId> {
        self.slot.seat(ticket).launch().map(|launch| launch.attempt)
    }
}
