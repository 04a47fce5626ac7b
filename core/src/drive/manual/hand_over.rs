//! Whom the actions go to: into the step of whoever drives, or to the call's event loop.

use std::sync::Arc;

use super::{
    action::Action,
    agenda::{Agenda, Booked},
    fly::{Asker, Pilot},
    id::{AttemptRef, CallId},
    slot::{Done, Machine},
    step::Step,
};
use crate::{
    flight::{Hold, Ticket},
    notes::AttemptKind,
    outcome::CancelReason,
};

impl Pilot<'_> {
    /// Gives what there is to do to whoever is to do it. Whether the flight is to end.
    #[inline(always)]
    pub(super) fn hand_over(
        &mut self,
        machine: &mut Machine,
        hold: &mut Hold<'_>,
        step: &mut Step,
    ) -> bool {
        if machine.agenda.is_some() {
            return self.leave_to_agenda(machine, hold, step);
        }
        self.hand_out(machine, step);
        step.wake_at = machine.wake;
        step.say_more(machine.has_pending());
        machine.done == Done::Told
    }

    /// As [`hand_over`](Self::hand_over), where the call is an event loop's.
    #[inline(never)]
    fn leave_to_agenda(
        &mut self,
        machine: &mut Machine,
        hold: &mut Hold<'_>,
        step: &mut Step,
    ) -> bool {
        let Some(agenda) = machine.agenda.take() else { return false };
        let through = match self.asker {
            Asker::Loop => self.hand_to_loop(machine, &agenda, step),
            Asker::Anybody => self.leave_to_loop(machine, hold, &agenda, step),
        };
        if !through {
            machine.agenda = Some(agenda);
        }
        through
    }

    /// The loop itself asks: it gets the actions, and a timer that fires no later than the call's
    /// next event.
    fn hand_to_loop(&mut self, machine: &mut Machine, agenda: &Agenda, step: &mut Step) -> bool {
        if self.slot.is_listed() {
            return false; // Listed again since: the loop comes to it.
        }
        self.hand_out(machine, step);
        if machine.done == Done::Told {
            agenda.disarm(machine.armed.take());
            return true;
        }
        if machine.armed.is_some_and(|armed| armed.at <= self.now) {
            agenda.disarm(machine.armed.take());
        }
        let booked = agenda.book(self.id, machine);
        if machine.has_pending() || booked == Booked::Full {
            step.say_more(self.slot.list());
        }
        false
    }

    /// Somebody else drives: the loop is told to come.
    fn leave_to_loop(
        &mut self,
        machine: &mut Machine,
        hold: &mut Hold<'_>,
        agenda: &Arc<Agenda>,
        step: &mut Step,
    ) -> bool {
        step.be_elsewhere();
        let mut booked = agenda.book(self.id, machine);
        if machine.has_pending() || booked == Booked::Full {
            booked = booked.max(agenda.list(self.id.slot(), self.slot));
        }
        match booked {
            Booked::Closed => self.shut_down(machine, hold, agenda),
            Booked::Early => {
                self.bell.get_or_insert_with(|| Arc::clone(agenda));
                false
            }
            Booked::Full | Booked::InTime => false,
        }
    }

    /// The loop is gone, and with it whoever wants the answer. Whether the flight is to end; if it
    /// is on the loop's list, that is left to the loop, which is clearing up.
    fn shut_down(&mut self, machine: &mut Machine, hold: &mut Hold<'_>, agenda: &Agenda) -> bool {
        if !machine.is_over() {
            let now = self.now;
            let step = self.event(machine, hold, |call, with| call.on_shutdown(with, now));
            self.follow(machine, hold, step, &mut None);
        }
        agenda.disarm(machine.armed.take());
        machine.to_cancel = Default::default();
        machine.done = Done::Told;
        !self.slot.is_listed()
    }

    pub(super) fn disarm(&self, machine: &mut Machine) {
        if let Some(agenda) = &machine.agenda {
            agenda.disarm(machine.armed.take());
        }
    }

    /// Moves what the host is to do into the step, as far as it fits. `Done` comes last.
    #[inline(always)]
    fn hand_out(&self, machine: &mut Machine, step: &mut Step) {
        while machine.has_pending() && !step.is_full() {
            self.hand_out_one(machine, step);
        }
    }

    #[inline(never)]
    fn hand_out_one(&self, machine: &mut Machine, step: &mut Step) {
        if let Some(ticket) = machine.to_cancel.next() {
            let reason = machine.reasons[ticket.seat()].unwrap_or(CancelReason::Terminal);
            let (call, cookie, attempt) = self.names(ticket);
            step.push(Action::Cancel { call, cookie, attempt, reason });
        } else if let Some(ticket) = machine.to_start.next() {
            step.push(self.start(ticket));
        } else {
            machine.done = Done::Told;
            step.push(self.done(machine));
        }
    }

    #[inline(always)]
    fn names(&self, ticket: Ticket) -> (CallId, u64, AttemptRef) {
        (self.seal.call(self.id), self.setting.cookie, self.seal.attempt(self.id, ticket))
    }

    #[inline(always)]
    fn start(&self, ticket: Ticket) -> Action {
        let launch = self.slot.seat(ticket).launch().expect("launched, and not ended");
        let (call, cookie, attempt) = self.names(ticket);
        Action::Start {
            call,
            cookie,
            attempt,
            kind: AttemptKind::of(launch.retry_index, launch.hedge_index),
            number: launch.attempt.get().into(),
            retry_index: launch.retry_index.into(),
            hedge_index: launch.hedge_index.into(),
            deadline: launch.deadline,
        }
    }

    #[inline(always)]
    fn done(&self, machine: &Machine) -> Action {
        let call = machine.call();
        Action::Done {
            call: self.seal.call(self.id),
            cookie: self.setting.cookie,
            verdict: call.verdict().expect("a call that is done has a verdict"),
            answer: machine.answer.map(|(ticket, _)| self.seal.attempt(self.id, ticket)),
            result: machine.answer.map_or(0, |(_, result)| result),
            attempts: call.attempts().into(),
            retry_after: call.retry_after(),
        }
    }
}
