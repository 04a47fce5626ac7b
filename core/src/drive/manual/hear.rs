//! What the holder of a flight makes of the news: an end, a cancel, the time, a word of the host's
//! queue.

use super::{
    fly::{Asker, Pilot},
    seat::{End, QUEUED, STARTED},
    slot::Machine,
};
use crate::{
    call::{Call, Reserved, Step, With},
    drive::release,
    flight::{Hold, News, Ticket},
    notes::AttemptId,
    outcome::OutcomeKind,
    verdict::Verdict,
};

impl Pilot<'_> {
    /// Tells the machine what has arrived, and does what it says. Whether an attempt was launched.
    #[inline(always)]
    pub(super) fn hear(
        &mut self,
        machine: &mut Machine,
        hold: &mut Hold<'_>,
        news: News,
        said: &mut Option<Step>,
    ) -> bool {
        match news {
            News::Ready(ticket) => self.hear_end(machine, hold, ticket, said),
            News::Cancel | News::Time => {
                let step = self.hear_sign(machine, hold, news == News::Cancel);
                self.follow(machine, hold, step, said)
            }
        }
    }

    #[cold]
    fn hear_sign(&mut self, machine: &mut Machine, hold: &mut Hold<'_>, cancel: bool) -> Step {
        let now = self.now;
        if cancel {
            return self.event(machine, hold, |call, with| call.on_cancel(with, now));
        }
        if self.asker == Asker::Anybody {
            // It may be the loop that knocked, whose timer has fired.
            self.disarm(machine);
        }
        if self.slot.was_told_of_queue() {
            self.learn_of_queue(machine, hold);
        }
        self.pass_time(machine, hold)
    }

    pub(super) fn pass_time(&mut self, machine: &mut Machine, hold: &mut Hold<'_>) -> Step {
        let now = self.now;
        self.event(machine, hold, |call, with| call.on_time(with, now))
    }

    #[inline(always)]
    fn hear_end(
        &mut self,
        machine: &mut Machine,
        hold: &mut Hold<'_>,
        ticket: Ticket,
        said: &mut Option<Step>,
    ) -> bool {
        let seat = self.slot.seat(ticket);
        let Some((launch, end)) = seat.take() else {
            unreachable!("a result that is ready has been written")
        };
        let (attempt, at, result) = (launch.attempt, end.at, end.result);
        let succeeded = matches!(end.outcome, Some(it) if it.kind == OutcomeKind::Success);
        self.settle(launch.reserved);
        machine.aloft.remove(ticket);
        machine.to_start.remove(ticket);
        machine.to_cancel.remove(ticket);
        machine.queued.remove(attempt);
        if machine.given_up.remove(attempt) {
            self.setting.site.abandoned_ended();
        }
        self.now = self.now.max(at);
        if succeeded {
            machine.in_hand = Some((ticket, result));
        }
        // What a step is made of is taken apart at once where most calls end: as a whole it is
        // written piece by piece, and read with a stall.
        let first = |call: &mut Call, with: &mut With<'_>| call.on_first_success(with, attempt, at);
        if succeeded && self.event(machine, hold, first) {
            seat.clear();
            self.be_answered(machine, ticket, attempt, result);
            self.follow(machine, hold, Step::Done(Verdict::Success), said)
        } else {
            let step = self.hear_other_end(machine, hold, attempt, end);
            seat.clear();
            self.be_answered(machine, ticket, attempt, result);
            self.follow(machine, hold, step, said)
        }
    }

    /// What the machine makes of any end but the success of a first attempt.
    #[inline(never)]
    fn hear_other_end(
        &mut self,
        machine: &mut Machine,
        hold: &mut Hold<'_>,
        attempt: AttemptId,
        end: &End,
    ) -> Step {
        let at = end.at;
        let Some(outcome) = end.outcome else {
            return self.event(machine, hold, |call, with| call.on_rejected(with, attempt, at));
        };
        let taken_back = hold.is_cancelled();
        self.event(machine, hold, |call, with| {
            with.facts = end.facts;
            // A cancel that has come and not been heard yet outranks all but a success.
            match taken_back {
                true => call.on_last_outcome(with, attempt, outcome, at),
                false => call.on_outcome(with, attempt, outcome, at),
            }
        })
    }

    /// The machine has been told of the end.
    #[inline(always)]
    fn be_answered(&self, machine: &mut Machine, ticket: Ticket, attempt: AttemptId, result: u64) {
        machine.in_hand = None;
        if machine.call().answer() == Some(attempt) {
            machine.answer = Some((ticket, result));
        }
    }

    /// Gives back what an attempt held while it ran.
    #[inline]
    pub(super) fn settle(&self, reserved: Reserved) {
        release(&self.setting.terms, reserved);
    }

    /// What the host has said of its queue.
    #[cold]
    fn learn_of_queue(&mut self, machine: &mut Machine, hold: &mut Hold<'_>) {
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
                self.event(machine, hold, |call, _| call.on_queued(attempt));
            }
            if marks & STARTED != 0 && machine.queued.remove(attempt) {
                self.event(machine, hold, |call, _| call.on_started(attempt, now));
                if attempt == AttemptId::FIRST {
                    machine.first_started = now;
                }
            }
        }
    }
}
