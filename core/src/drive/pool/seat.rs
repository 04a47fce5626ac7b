//! Where attempts in the air keep what belongs to them.

use crate::{
    call::Launch,
    clock::Nanos,
    completion::Completion,
    drive::{cancel::Signal, ending::Kept},
    flight::{SEATS, Ticket},
    outcome::Outcome,
    sync::{AtomicU64, Cell, Ordering},
};

/// How many seats lie in the call's own block: enough for an attempt and its hedge, and the block is
/// small enough for an allocator's quick way.
const NEAR: usize = if cfg!(rego_loom) { 1 } else { 2 };

/// A flight's seats. Those that few calls need are made with the first of them.
pub(super) struct Seats<T, E> {
    near: [Seat<T, E>; NEAR],
    /// Empty until one of them is needed.
    far: Cell<Vec<Seat<T, E>>>,
}

impl<T, E> Seats<T, E> {
    pub(super) fn new() -> Self {
        Self { near: std::array::from_fn(|_| Seat::new()), far: Cell::new(Vec::new()) }
    }

    /// Prepares the ticket's seat, which is free. Only for the holder, which has not handed the
    /// ticket on.
    pub(super) fn prepare(&self, ticket: Ticket, order: Order) {
        if ticket.seat() >= NEAR && self.far().is_empty() {
            let seats = (NEAR..SEATS).map(|_| Seat::new()).collect();
            self.far.with_mut(|far| {
                // SAFETY: because only the holder writes here, once, before the first ticket of a
                // far seat is handed on: nobody else reads it yet.
                unsafe { *far = seats };
            });
        }
        self.of(ticket).prepare(order);
    }

    /// Only for whoever has the ticket, or holds the flight.
    pub(super) fn of(&self, ticket: Ticket) -> &Seat<T, E> {
        match self.near.get(ticket.seat()) {
            Some(seat) => seat,
            None => &self.far()[ticket.seat() - NEAR],
        }
    }

    /// All there are. Only for the holder.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Seat<T, E>> {
        self.near.iter().chain(self.far())
    }

    /// Only for whoever holds the flight, or has the ticket of such a seat.
    fn far(&self) -> &[Seat<T, E>] {
        self.far.with(|far| {
            // SAFETY: because it is written once, by the holder: the caller is the holder itself, or
            // was handed its ticket after that. It stays as long as `self`.
            unsafe { &*far }.as_slice()
        })
    }
}

/// One of a flight's seats: prepared by the holder before its ticket is handed on, written once by
/// whoever finishes the attempt, read by whoever takes the result.
pub(super) struct Seat<T, E> {
    order: Cell<Option<Order>>,
    /// When the operation started to run (ns); 0 while it is queued.
    started: AtomicU64,
    pub(super) signal: Signal,
    end: Cell<Option<End<T, E>>>,
}

/// What was launched.
#[derive(Clone, Copy)]
pub(super) struct Order {
    pub(super) launch: Launch,
    pub(super) retries_left: bool,
}

/// How the attempt ended.
pub(super) enum End<T, E> {
    /// It never ran: refused, or asked to stop while it was queued.
    NotRun,
    /// It ran.
    Ran { outcome: Outcome, facts: Option<Completion>, result: Kept<T, E>, at: Nanos },
}

impl<T, E> Seat<T, E> {
    fn new() -> Self {
        Self {
            order: Cell::new(None),
            started: AtomicU64::new(0),
            signal: Signal::default(),
            end: Cell::new(None),
        }
    }

    /// Prepares the seat for an attempt. Only for the holder, while the seat is free.
    fn prepare(&self, order: Order) {
        let before = self.order.with_mut(|cell| {
            // SAFETY: because the seat is free and the flight is held by the caller, nobody else
            // looks at it until its ticket is handed on.
            unsafe { (*cell).replace(order) }
        });
        if before.is_some() {
            self.signal.reset();
            // Relaxed: handed on with the ticket.
            self.started.store(0, Ordering::Relaxed);
        }
    }

    /// What was launched here. Only for whoever has the ticket, or holds the flight.
    pub(super) fn order(&self) -> Option<Order> {
        self.order.with(|cell| {
            // SAFETY: because it is written by the holder alone, while the seat is free: the
            // caller has the ticket, so the seat is not, or is the holder itself.
            unsafe { *cell }
        })
    }

    /// The operation starts to run.
    pub(super) fn start(&self, now: Nanos) {
        // Relaxed: a time is only a number; the holder that reads it late looks in again.
        self.started.store(now.as_nanos().max(1), Ordering::Relaxed);
    }

    /// When the operation started to run, if it has.
    pub(super) fn started(&self) -> Option<Nanos> {
        // Relaxed: as in `start`.
        match self.started.load(Ordering::Relaxed) {
            0 => None,
            nanos => Some(Nanos::from_nanos(nanos)),
        }
    }

    /// Writes how the attempt ended. Only for whoever has the ticket.
    pub(super) fn finish(&self, end: End<T, E>) {
        self.end.with_mut(|cell| {
            // SAFETY: because the ticket cannot be copied, its owner alone writes here, before the
            // Release of `ready` lets the holder read it.
            unsafe { *cell = Some(end) };
        });
    }

    /// Takes how the attempt ended. Only for the holder that was given this result, or for the
    /// finisher that came late.
    pub(super) fn take_end(&self) -> Option<End<T, E>> {
        self.end.with_mut(|cell| {
            // SAFETY: because the result was published by `ready` and taken by the caller
            // (Acquire), or never published and still the finisher's own.
            unsafe { (*cell).take() }
        })
    }
}
