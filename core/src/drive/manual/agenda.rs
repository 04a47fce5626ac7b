//! What an event loop has to do, and when: calls with news, timers, and the bell.
//!
//! *known* is when the loop's host comes by itself. Whoever has something for an earlier time lowers
//! it, and rings if that is what lowered it. While the loop is at work it is [`AT_ONCE`], and nobody
//! rings; before the loop rests it says when it comes again, **then** looks once more for what has
//! come meanwhile.
//!
//! # Orderings
//!
//! - *news*: the call is pushed, the timer armed → *known* lowered (Release) → the loop's exchange of
//!   *known* (Acquire) → its last look. All are read-modify-writes of one word: what the last look
//!   did not see comes after that exchange, finds a later time there, and rings.
//! - *end*: the same, for a loop that is dropped: either its last look finds the call, or whoever
//!   has news of the call finds *known* [`CLOSED`].

use std::sync::Arc;

use super::slot::{Machine, Slot};
use crate::{
    clock::Nanos,
    flight::FlightId,
    sync::{AtomicU32, AtomicU64, Ordering, Overwrite, Shard},
    timer::{TimerId, Timers},
};

/// In *known*: the loop is gone.
const CLOSED: u64 = 0;
/// In *known*: the host comes without being told.
const AT_ONCE: u64 = 1;
/// In *head*: nothing can be listed any more.
const NO_MORE: u32 = u32::MAX;

/// How many dead timers there is room for besides: more than are left lying before a sweep.
const UNCLEARED: usize = if cfg!(rego_loom) { 4 } else { 8_192 };

pub(super) struct Agenda {
    /// Calls with news: the slot of the last one + 1, or 0.
    head: AtomicU32,
    known: AtomicU64,
    pub(super) timers: Timers,
    notify: Box<dyn Fn() + Send + Sync>,
}

/// The loop's, and that of each of its calls.
pub(super) type SharedAgenda = Arc<Agenda>;

/// A timer of the loop.
#[derive(Clone, Copy, Debug)]
pub(super) struct Armed {
    pub(super) at: Nanos,
    id: TimerId,
}

/// Whether the loop comes in time for what was put down.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Booked {
    InTime,
    /// There was no room for a timer: the loop has to look again.
    Full,
    /// It is earlier than the host would come by itself: ring.
    Early,
    /// There is no loop any more.
    Closed,
}

impl Agenda {
    pub(super) fn new(max_flights: usize, notify: Box<dyn Fn() + Send + Sync>) -> Self {
        Self {
            head: AtomicU32::new(0),
            known: AtomicU64::new(Nanos::NEVER.as_nanos()),
            // One for each call, and as many that are dead and not cleared away.
            timers: Timers::new(2 * max_flights + UNCLEARED),
            notify,
        }
    }

    pub(super) fn ring(&self) {
        (self.notify)();
    }

    /// Sees to it that the loop looks at the call when time brings something. Only for the holder.
    pub(super) fn book(&self, call: FlightId, machine: &mut Machine) -> Booked {
        let due = machine.wake;
        if machine.armed.is_some_and(|armed| armed.at <= due) {
            return self.is_there(); // It comes early enough, and looks again.
        }
        self.disarm(machine.armed.take());
        if due.is_never() {
            return self.is_there();
        }
        let Ok(armed) = self.timers.arm(Shard::current(), due, call.to_bits()) else {
            return self.is_there().max(Booked::Full);
        };
        machine.armed = Some(Armed { at: due, id: armed.id });
        self.expect(due.as_nanos().max(AT_ONCE + 1))
    }

    pub(super) fn disarm(&self, armed: Option<Armed>) {
        if let Some(armed) = armed {
            // It may just have fired: then the loop finds that there is nothing to do.
            let _in_time = self.timers.cancel(armed.id);
        }
    }

    /// Has the loop look at the call. Only for the holder.
    pub(super) fn list(&self, index: u32, slot: &Slot) -> Booked {
        if !slot.list() {
            return self.is_there();
        }
        // Relaxed: only compared and copied; the exchange confirms it.
        let mut seen = self.head.load(Ordering::Relaxed);
        loop {
            if seen == NO_MORE {
                slot.unlist();
                return Booked::Closed;
            }
            // Relaxed: published by the exchange.
            slot.next().store(seen, Ordering::Relaxed);
            // Release: the link happens-before the loop takes the list. Relaxed on failure: as the
            // load. The loop only ever takes all, so a head that comes back has the same behind it.
            match self.head.compare_exchange_weak(
                seen,
                index + 1,
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) => return self.expect(AT_ONCE),
                Err(newer) => seen = newer,
            }
        }
    }

    /// Takes the whole list, linked from the last one listed.
    pub(super) fn take(&self) -> u32 {
        // Relaxed: nothing there needs no exchange.
        if self.head.load(Ordering::Relaxed) == 0 {
            return 0;
        }
        // Acquire: pairs with the exchange of `list`.
        self.head.swap(0, Ordering::Acquire)
    }

    /// The host is at work: it needs no bell.
    pub(super) fn be_awake(&self) {
        // Relaxed: whoever lowered it before has rung; whoever finds this is seen by `rest`.
        self.known.overwrite(AT_ONCE, Ordering::Relaxed);
    }

    /// The host comes again by `next`, or before if this says so.
    pub(super) fn rest(&self, next: Nanos) -> bool {
        let next = next.as_nanos().max(AT_ONCE + 1);
        if cfg!(rego_break = "manual_rest_unheeding") {
            // AcqRel: as below, but what was put down meanwhile is not looked for.
            self.known.swap(next, Ordering::AcqRel);
            return true;
        }
        // AcqRel: see the module. Acquire: the last look below comes after everything that was put
        // down by those who found the loop awake.
        self.known.swap(next, Ordering::AcqRel);
        // Relaxed: the exchange orders it.
        if self.head.load(Ordering::Relaxed) != 0 {
            self.be_awake();
            return false;
        }
        // The host, who is here, asks when to come: nobody has to ring.
        let _lowered = self.expect(self.timers.next_deadline().as_nanos().max(AT_ONCE + 1));
        true
    }

    /// When the host is to come: never, once there is no loop.
    pub(super) fn known(&self) -> Nanos {
        // Relaxed: a time; who lowers it afterwards rings.
        match self.known.load(Ordering::Relaxed) {
            CLOSED => Nanos::NEVER,
            AT_ONCE => Nanos::ZERO,
            at => Nanos::from_nanos(at),
        }
    }

    /// The loop goes: what is listed, for the last time.
    pub(super) fn close(&self) -> u32 {
        // AcqRel: see the module.
        self.known.swap(CLOSED, Ordering::AcqRel);
        // Acquire: pairs with the exchange of `list`.
        self.head.swap(NO_MORE, Ordering::Acquire)
    }

    /// Lowers *known*.
    fn expect(&self, at: u64) -> Booked {
        // AcqRel: Release, see the module; Acquire: who finds it closed comes after what the loop
        // did before.
        match self.known.fetch_min(at, Ordering::AcqRel) {
            CLOSED => Booked::Closed,
            before if at < before => Booked::Early,
            _ => Booked::InTime,
        }
    }

    fn is_there(&self) -> Booked {
        // Acquire: as in `expect`. A loop that closes after this look finds the call itself: by its
        // timer or by its list; or an attempt runs, whose finisher looks again.
        match self.known.load(Ordering::Acquire) {
            CLOSED => Booked::Closed,
            _ => Booked::InTime,
        }
    }
}
