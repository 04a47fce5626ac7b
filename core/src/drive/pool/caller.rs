//! What the caller of a race does with it: when to look in, what to run itself, when to leave.

use std::{mem::offset_of, sync::Arc};

use super::{
    alarm::{Alarm, Ring},
    race::{By, Machine, Race},
    seat::End,
};
use crate::{
    clock::Nanos,
    drive::Attempt,
    flight::{Drive, Ticket},
    sync::Ordering,
};

impl<T, E, F> Race<T, E, F>
where
    T: Send + 'static,
    E: Send + 'static,
    F: Fn(&Attempt<'_>) -> Result<T, E> + Send + Sync + 'static,
{
    /// When the caller is to look in again.
    pub(super) fn wake_at(&self) -> Nanos {
        // Acquire: pairs with the Release in `advance`; a caller that was woken sees the new time.
        Nanos::from_nanos(self.wake_at.load(Ordering::Acquire))
    }

    /// The time that was asked for has come.
    pub(super) fn knock_time(self: &Arc<Self>, by: By) {
        // Relaxed: whoever drives sets a new time before it lets go, and sees to it that the caller,
        // or its alarm, hears of that one.
        self.wake_at.store(Nanos::NEVER.as_nanos(), Ordering::Relaxed);
        if let Drive::You(hold) = self.flight.knock_time(self.generation) {
            self.drive(by, hold, None);
        }
    }

    /// Has a busy caller's call looked after when the machine wants to be.
    pub(super) fn set_alarm(self: &Arc<Self>) {
        if let Some(alarms) = &self.host.alarms {
            Alarm::set(alarms, self);
        }
    }

    /// The caller runs an attempt itself. Where there are alarms, they are its timer meanwhile.
    pub(super) fn run_here(self: &Arc<Self>, ticket: Ticket) {
        let Some(alarms) = &self.host.alarms else {
            return self.attempt(By::Caller, ticket);
        };
        let _hung_up = Alarm::hang_up(alarms, self);
        self.attempt(By::Caller, ticket);
    }

    /// The caller's token was cancelled.
    pub(super) fn cancel(self: &Arc<Self>) {
        let _seen_to_below = self.flight.cancel(self.generation);
        if let Drive::You(hold) = self.flight.poll(self.generation) {
            self.drive(By::Another, hold, None);
        }
    }

    /// The caller leaves: what it was still to run is nobody's.
    pub(super) fn leave(self: &Arc<Self>) {
        if cfg!(rego_break = "pool_leave_unheeding") {
            return; // As where it is thought that nothing can have been offered.
        }
        if let Some(ticket) = self.here.leave() {
            self.finish(By::Caller, ticket, End::NotRun);
        }
    }

    /// The machine of a call that is over. Only for the caller.
    pub(super) fn after<R>(&self, read: impl FnOnce(&mut Machine<T, E>) -> R) -> R {
        debug_assert!(self.flight.is_over(self.generation), "the caller waits for the end");
        self.machine.with_mut(|machine| {
            // SAFETY: because the flight is over (Acquire in `is_over`), no holder is left nor
            // will there be one, and the caller is one thread.
            read(unsafe { &mut *machine })
        })
    }
}

// SAFETY: because the alarm lies where `offset_of` says, is made by `start` for this type, and is
// the one returned.
unsafe impl<T, E, F> Ring for Race<T, E, F>
where
    T: Send + 'static,
    E: Send + 'static,
    F: Fn(&Attempt<'_>) -> Result<T, E> + Send + Sync + 'static,
{
    const ALARM_AT: usize = offset_of!(Self, alarm);

    fn alarm(&self) -> &Alarm {
        &self.alarm
    }

    fn ring_at(&self) -> Nanos {
        self.wake_at()
    }

    fn ring(self: &Arc<Self>) {
        self.knock_time(By::Another);
        if self.flight.is_over(self.generation) {
            // There is no time any more: nothing is kept of the timer that has just fired.
            self.set_alarm();
        }
    }
}
