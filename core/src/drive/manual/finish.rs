//! How attempts are finished: by their facts, by a word of the host's, or because they never ran.

use super::{
    Manual, Pilot, Stale, Step,
    id::{AttemptRef, Meant},
    seat::{End, HOST_JUDGES},
    slot::Slot,
    stepped,
};
use crate::{
    classify::is_plain_success,
    clock::Nanos,
    completion::{Completion, CompletionKind},
    drive::judge_facts,
    flight::{Arrival, Drive, FlightId, Ticket},
    notes::AttemptId,
    outcome::Outcome,
};

/// What the host says of an attempt's end.
#[derive(Clone, Copy, Debug)]
pub(super) enum Said<'a> {
    /// These are the facts, and they are to be judged.
    Facts(&'a Completion),
    /// This follows, whatever the facts.
    Outcome(Outcome),
    /// It was never run.
    NotRun,
}

impl Manual {
    /// An attempt has ended, and these are the facts; the policy's classifier judges them. `result`
    /// comes back with `Done` if this attempt answers the call. An attempt of a call that is over
    /// is settled and counted as late; nothing follows from it.
    ///
    /// # Errors
    ///
    /// [`Stale`] if the attempt has been finished already, or never was.
    pub fn finish(
        &self,
        attempt: AttemptRef,
        now: Nanos,
        facts: &Completion,
        result: u64,
    ) -> Result<Step, Stale> {
        stepped(|step| self.finish_into(attempt, now, facts, result, step))
    }

    /// As [`finish`](Self::finish), into a step of the host's; whatever was there before is gone,
    /// but after an error, which leaves it as it was.
    ///
    /// # Errors
    ///
    /// As [`finish`](Self::finish).
    #[inline]
    pub fn finish_into(
        &self,
        attempt: AttemptRef,
        now: Nanos,
        facts: &Completion,
        result: u64,
        step: &mut Step,
    ) -> Result<(), Stale> {
        self.end_attempt(attempt, now, &Said::Facts(facts), result, step)
    }

    /// An attempt has ended, and this is what follows from it, past any classifier. Else as
    /// [`finish`](Self::finish).
    ///
    /// # Errors
    ///
    /// As [`finish`](Self::finish).
    pub fn finish_as(
        &self,
        attempt: AttemptRef,
        now: Nanos,
        outcome: Outcome,
        result: u64,
    ) -> Result<Step, Stale> {
        stepped(|step| self.end_attempt(attempt, now, &Said::Outcome(outcome), result, step))
    }

    /// An attempt was not started and will not be: the host has no room for it. A hedge is skipped;
    /// without its only attempt the call ends as [`Verdict::ExecutorRejected`](crate::Verdict::ExecutorRejected).
    ///
    /// # Errors
    ///
    /// As [`finish`](Self::finish).
    pub fn reject(&self, attempt: AttemptRef, now: Nanos) -> Result<Step, Stale> {
        stepped(|step| self.end_attempt(attempt, now, &Said::NotRun, 0, step))
    }

    #[inline]
    fn end_attempt(
        &self,
        attempt: AttemptRef,
        now: Nanos,
        said: &Said<'_>,
        result: u64,
        step: &mut Step,
    ) -> Result<(), Stale> {
        let (id, ticket) = match self.0.seal.meant(attempt)? {
            Meant::InFlight(meant) => meant,
            Meant::PassThrough(id) => {
                return self.end_plain(id, attempt, (said, now), result, step);
            }
        };
        let slot = self.slot(id)?;
        let (generation, seat) = (id.generation(), slot.seat(ticket));
        let arrival = match said {
            Said::Facts(_) if seat.marks(generation, ticket).ok_or(Stale)? & HOST_JUDGES != 0 => {
                slot.flight.claim(generation, ticket)?;
                Arrival::Claimed
            }
            _ => slot.flight.arrive(generation, ticket)?,
        };
        step.clear();
        match *said {
            Said::Facts(facts) => {
                if is_plain_success(&slot.setting().terms.classifier, facts) {
                    // Field by field: what was written so and is copied as a whole is read with a
                    // stall, dearer than all the rest of this function.
                    let Completion { method, pushback, not_sent, idempotency_key, code, .. } =
                        *facts;
                    let kind = CompletionKind::Ok;
                    let facts =
                        Completion { kind, method, pushback, not_sent, idempotency_key, code };
                    let outcome = Some(Outcome::success());
                    seat.write(End { outcome, facts: Some(facts), result, at: now });
                } else {
                    let outcome = Some(judged(slot, ticket, facts));
                    seat.write(End { outcome, facts: Some(*facts), result, at: now });
                }
            }
            Said::Outcome(outcome) => {
                seat.write(End { outcome: Some(outcome), facts: None, result, at: now });
            }
            Said::NotRun => seat.write(End::not_run(now)),
        }
        match arrival {
            Arrival::Driving(hold) => {
                self.drive(id, slot, hold, now, step);
                Ok(())
            }
            Arrival::Claimed => self.report(id, slot, ticket, now, step),
        }
    }

    /// The end of an attempt is written, and is told to whoever drives.
    fn report(
        &self,
        id: FlightId,
        slot: &Slot,
        ticket: Ticket,
        now: Nanos,
        step: &mut Step,
    ) -> Result<(), Stale> {
        let drive = slot.flight.ready(id.generation(), ticket);
        if !matches!(drive, Drive::Late) {
            return self.drive_if_held(id, slot, drive, now, step);
        }
        Pilot::new(&self.0, slot, id, now).settle_late(ticket);
        self.leave(id, slot, slot.flight.retire(id.generation(), ticket).into());
        Ok(())
    }
}

/// What follows from the facts, on the terms of the call. Only for whoever has claimed the attempt.
#[inline(never)]
fn judged(slot: &Slot, ticket: Ticket, facts: &Completion) -> Outcome {
    let setting = slot.setting();
    let attempt = slot.seat(ticket).launch().map_or(AttemptId::FIRST, |launch| launch.attempt);
    judge_facts(&setting.site, &setting.terms, setting.rules.idempotent, attempt, facts)
}
