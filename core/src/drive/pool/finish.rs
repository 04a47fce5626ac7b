//! An attempt of a race on the thread that runs it, from its start to its settling.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use super::{
    executor::Runs,
    race::{By, Race},
    seat::{End, Order},
};
use crate::{
    completion::Completion,
    drive::{
        Attempt,
        ending::{Kept, contain, panicked, release},
        judge,
    },
    flight::{Drive, Ticket},
    site::Counter,
};

impl<T, E, F> Runs for Race<T, E, F>
where
    T: Send + 'static,
    E: Send + 'static,
    F: Fn(&Attempt<'_>) -> Result<T, E> + Send + Sync + 'static,
{
    fn run_attempt(self: Arc<Self>, ticket: Ticket) {
        self.attempt(By::Another, ticket);
    }

    fn refuse(self: Arc<Self>, ticket: Ticket) {
        let primary = self.seat(ticket).order().is_some_and(|order| order.launch.hedge_index == 0);
        if primary && self.here.offer(ticket) {
            self.caller.unpark();
        } else {
            self.finish(By::Another, ticket, End::NotRun);
        }
    }
}

impl<T, E, F> Race<T, E, F>
where
    T: Send + 'static,
    E: Send + 'static,
    F: Fn(&Attempt<'_>) -> Result<T, E> + Send + Sync + 'static,
{
    /// Runs an attempt on this thread, to its settling.
    pub(super) fn attempt(self: &Arc<Self>, by: By, ticket: Ticket) {
        let seat = self.seat(ticket);
        let Some(Order { mut launch, retries_left }) = seat.order() else {
            unreachable!("a ticket is handed on with its order")
        };
        if seat.signal.is_raised() {
            return self.finish(by, ticket, End::NotRun);
        }
        let started = self.host.clock.now();
        seat.start(started);
        let timeout = self.terms.attempt_timeout();
        // Its own time starts with the operation, not with the queue.
        launch.deadline = launch.call_deadline.min(started + timeout);
        let attempt = Attempt::elsewhere(launch, &self.host.clock, &seat.signal, retries_left);
        let ran = catch_unwind(AssertUnwindSafe(|| (self.op)(&attempt)));
        let report = attempt.reported();
        let at = self.host.clock.now();
        let end = match ran {
            Ok(result) => {
                let idempotent = self.rules.idempotent;
                let (outcome, facts) =
                    judge(&self.site, &self.terms, idempotent, launch.attempt, &result, report);
                End::Ran { outcome, facts, result: Kept::Result(result), at }
            }
            Err(payload) => End::Ran {
                outcome: panicked(),
                facts: Some(Completion::panic()),
                result: Kept::Panic(payload),
                at,
            },
        };
        self.finish(by, ticket, end);
    }

    /// Publishes how the attempt ended, and drives the call if nobody does.
    pub(super) fn finish(self: &Arc<Self>, by: By, ticket: Ticket, end: End<T, E>) {
        self.seat(ticket).finish(end);
        match self.flight.ready(self.generation, ticket) {
            Drive::You(hold) => self.drive(by, hold, None),
            Drive::Elsewhere => {}
            Drive::Late => {
                let spent = self.settle_late(ticket);
                let _in_an_arc = self.flight.retire(self.generation, ticket);
                self.discard(spent);
            }
        }
    }

    /// An attempt ended after its call: it gives back what it held, and is counted. What it
    /// produced is nobody's.
    pub(super) fn settle_late(&self, ticket: Ticket) -> Kept<T, E> {
        let seat = self.seat(ticket);
        if let Some(order) = seat.order() {
            release(&self.terms, order.launch.reserved);
        }
        self.site.abandoned_ended();
        match seat.take_end() {
            Some(End::Ran { result, .. }) => {
                self.site.counters.add(Counter::Late, 1);
                result
            }
            Some(End::NotRun) | None => Kept::Nothing,
        }
    }

    /// Drops what an attempt produced: the host's code.
    pub(super) fn discard(&self, result: Kept<T, E>) {
        contain(&self.site, || drop(result));
    }
}
