//! What becomes of a race when the engine itself panics: it stands aside.
//!
//! The machine is not asked again. What is in the air may still answer the call, and is not repeated;
//! where nothing is any more, the last result is the call's. The deadline and the caller's cancel
//! hold as before, and whatever attempts held is given back.

use std::{any::Any, sync::Arc};

use super::{
    race::{Machine, Race},
    seat::{End, Order},
};
use crate::{
    call::Step,
    clock::Nanos,
    drive::{
        Attempt,
        cancel::Raised,
        ending::{Kept, release},
    },
    flight::{Hold, News, Ticket},
    notes::AttemptId,
    outcome::OutcomeKind,
    site::Counter,
    sync::{Ordering, drop_quietly},
    verdict::Verdict,
};

/// An attempt whose end the machine is being told, and what it produced: kept out of the machine's
/// reach, so that its panic loses no result.
pub(super) struct InHand<T, E> {
    pub(super) attempt: AttemptId,
    pub(super) success: bool,
    pub(super) result: Kept<T, E>,
}

impl<T, E, F> Race<T, E, F>
where
    T: Send + 'static,
    E: Send + 'static,
    F: Fn(&Attempt<'_>) -> Result<T, E> + Send + Sync + 'static,
{
    /// The engine has panicked while it held this flight, and before it did `step`.
    #[cold]
    pub(super) fn stand_aside(
        &self,
        machine: &mut Machine<T, E>,
        step: Option<Step>,
        payload: Box<dyn Any + Send>,
    ) {
        drop_quietly(payload);
        if let Some(Step::Launch(launch)) = step {
            release(&self.terms, launch.reserved);
        }
        let counters = &self.site.counters;
        counters.add(Counter::EnginePanics, 1);
        self.site.panicked(self.host.clock.now());
        if !std::mem::replace(&mut machine.aside, true) {
            counters.add(Counter::PassThrough, 1);
        }
    }

    /// One round past the machine. True at the call's end.
    pub(super) fn pass_through(
        self: &Arc<Self>,
        machine: &mut Machine<T, E>,
        hold: &mut Hold<'_>,
        raised: &mut Raised,
    ) -> bool {
        if let Some(in_hand) = machine.in_hand.take()
            && self.keep(machine, in_hand)
        {
            return self.break_off(machine, hold, Verdict::Success, raised);
        }
        while let Some(news) = hold.take() {
            match news {
                News::Cancel => return self.break_off(machine, hold, Verdict::Cancelled, raised),
                News::Time => {}
                News::Ready(ticket) => {
                    if self.hear_plain_end(machine, ticket) {
                        return self.break_off(machine, hold, Verdict::Success, raised);
                    }
                }
            }
        }
        let deadline = machine.call.deadline();
        if self.host.clock.now() >= deadline {
            return self.break_off(machine, hold, Verdict::DeadlineExceeded, raised);
        }
        if hold.seated().next().is_none() {
            return self.break_off(machine, hold, Verdict::PassThrough, raised);
        }
        // Release: as in `advance`.
        self.wake_at.store(deadline.as_nanos(), Ordering::Release);
        false
    }

    /// An attempt ended. Whether it succeeded.
    fn hear_plain_end(&self, machine: &mut Machine<T, E>, ticket: Ticket) -> bool {
        let seat = self.seat(ticket);
        let (Some(order), Some(end)) = (seat.order(), seat.take_end()) else { return false };
        let attempt = order.launch.attempt;
        release(&self.terms, order.launch.reserved);
        if machine.given_up.remove(attempt) {
            self.site.abandoned_ended();
        }
        let End::Ran { outcome, result, .. } = end else { return false };
        let success = outcome.kind == OutcomeKind::Success;
        self.keep(machine, InHand { attempt, success, result })
    }

    /// Keeps what an attempt produced as the call's result. Whether it succeeded.
    fn keep(&self, machine: &mut Machine<T, E>, ended: InHand<T, E>) -> bool {
        machine.answered_aside = Some(ended.attempt);
        machine.spent.push(std::mem::replace(&mut machine.kept, ended.result));
        ended.success
    }

    /// Ends the call, and asks whatever is in the air to stop.
    fn break_off(
        &self,
        machine: &mut Machine<T, E>,
        hold: &Hold<'_>,
        verdict: Verdict,
        raised: &mut Raised,
    ) -> bool {
        for ticket in hold.seated() {
            let seat = self.seat(ticket);
            if let Some(Order { launch, .. }) = seat.order()
                && !machine.given_up.contains(launch.attempt)
            {
                machine.given_up.insert(launch.attempt);
                self.site.abandon();
                raised.and(seat.signal.raise());
            }
        }
        let answer = machine.answered_aside.or(machine.call.answer());
        let now = self.host.clock.now();
        self.with(machine, raised, |call, with| call.break_off(with, answer, verdict, now));
        // Release: as in `advance`. Nothing is to be waited for any more.
        self.wake_at.store(Nanos::NEVER.as_nanos(), Ordering::Release);
        true
    }
}
