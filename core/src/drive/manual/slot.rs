//! Where a call in the air lives: a slot that is used again and again.
//!
//! # Orderings
//!
//! - *setting, machine, seats*: see the flight; the slot's own way from one call to the next is the
//!   slab's (Release, Acquire).
//! - *listed*: what was done before a call was taken off its loop's list → `unlist` (Release) →
//!   `list` (Acquire), whose exchange has one winner: a call is on the list once.
//! - *told of queue*: a mark → the flag (Release) → the holder's exchange (Acquire). Whoever sets the
//!   flag knocks afterwards, so the holder that misses it hears the knock.
//!
//! Modelled in `loom-tests/tests/manual.rs`.

use super::{
    agenda::{Armed, SharedAgenda},
    pins::Pins,
    seat::{QUEUED, STARTED, Seat},
    step::Begin,
};
use crate::{
    call::{Call, Rules},
    clock::Nanos,
    drive::Stream,
    flight::{Flight, FlightId, SEATS, Stale, Ticket},
    notes::{AttemptId, AttemptSet, Notes},
    outcome::CancelReason,
    site::{Site, Terms},
    slab::Linked,
    sync::{Arc, AtomicBool, AtomicU32, Cell, Ordering, Overwrite},
};

/// One slot of the slab.
///
/// Who may touch what: the *setting* is written by the thread that begins the call, while the slot
/// is its own, and read by everybody in the flight; the *machine* belongs to the holder of the
/// flight; a *seat* says for itself. After the end of a call that is kept, the machine is read
/// only, by whoever has pinned the slot.
pub(super) struct Slot {
    pub(super) flight: Flight,
    link: AtomicU32,
    pub(super) pins: Pins,
    /// Somebody has said that an attempt is queued or started.
    told_of_queue: AtomicBool,
    /// The call is on the list of its event loop, or about to be: it does not end meanwhile.
    listed: AtomicBool,
    /// The next on that list, as its index + 1.
    next: AtomicU32,
    setting: Cell<Option<Setting>>,
    machine: Cell<Machine>,
    seats: [Seat; SEATS],
}

#[cfg(not(rego_loom))]
const _: () = assert!(size_of::<Slot>() <= 2_048);

/// What holds for the whole call. Site and terms stay with the slot when it is free: most of the
/// time the next call here is of the same key, and no count is moved.
pub(super) struct Setting {
    pub(super) site: Arc<Site>,
    pub(super) terms: Arc<Terms>,
    edition: u64,
    pub(super) rules: Rules,
    pub(super) cookie: u64,
    pub(super) keep: bool,
    pub(super) started: Nanos,
}

/// What the holder of the flight has to itself.
#[derive(Default)]
pub(super) struct Machine {
    /// `None` only until the slot's first use.
    pub(super) call: Option<Call>,
    pub(super) notes: Notes,
    /// What seeds the calls of this slot, one after the other.
    pub(super) seeds: Stream,
    /// The number by which the listener knows the call.
    pub(super) told_as: u64,
    /// How many notes the listener has been told.
    pub(super) told: usize,
    /// Launched, and not ended.
    pub(super) aloft: Tickets,
    /// Launched, and not handed to the host yet.
    pub(super) to_start: Tickets,
    /// Given up, and the host has not been asked yet to stop them.
    pub(super) to_cancel: Tickets,
    pub(super) done: Done,
    /// Given up, and not ended.
    pub(super) given_up: AttemptSet,
    /// In the host's queue.
    pub(super) queued: AttemptSet,
    /// Why those in `to_cancel` were given up, by seat.
    pub(super) reasons: [Option<CancelReason>; SEATS],
    /// When time will bring something.
    pub(super) wake: Nanos,
    /// Whose result is the call's so far, and what came with it.
    pub(super) answer: Option<(Ticket, u64)>,
    /// A success that the call is being told of, while it is.
    pub(super) in_hand: Option<(Ticket, u64)>,
    pub(super) first_started: Nanos,
    pub(super) ended: Nanos,
    /// Of the event loop that the call belongs to, if it does.
    pub(super) agenda: Option<SharedAgenda>,
    /// The loop's timer for this call.
    pub(super) armed: Option<Armed>,
}

/// Whether the host knows that the call is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Done {
    #[default]
    NotYet,
    /// It is, and the host is to be told.
    ToTell,
    Told,
}

/// A set of tickets, the oldest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tickets(u64);

// SAFETY: because every cell has one owner at a time, as told at the type.
unsafe impl Sync for Slot {}

impl Slot {
    /// Sets the stage for a call. Only for the thread that has just taken the slot out of the
    /// slab.
    #[inline]
    pub(super) fn set(&self, site: &Arc<Site>, begin: &Begin, make: impl FnOnce(&Terms) -> Wanted) {
        let started = begin.now;
        let current = site.edition();
        let edition = if begin.edition == 0 { current } else { begin.edition };
        self.setting.with_mut(|cell| {
            // SAFETY: because a slot out of the slab is the caller's alone.
            match unsafe { &mut *cell } {
                Some(same) if same.edition == edition && Arc::ptr_eq(&same.site, site) => {
                    Wanted { rules: same.rules, cookie: same.cookie, keep: same.keep } =
                        make(&same.terms);
                    same.started = started;
                }
                other => {
                    let (edition, terms) = if edition == current {
                        (edition, site.shared_terms())
                    } else {
                        site.terms_lent(edition)
                    };
                    let site = Arc::clone(site);
                    let Wanted { rules, cookie, keep } = make(&terms);
                    *other = Some(Setting { site, terms, edition, rules, cookie, keep, started });
                }
            }
        });
        self.with_machine(|machine| machine.clear(started));
    }

    /// What holds for the call. Only for those in its flight: its beginner, its holder, whoever
    /// has claimed one of its attempts or pinned the slot.
    #[inline]
    pub(super) fn setting(&self) -> &Setting {
        self.setting.with(|cell| {
            // SAFETY: because it is written only while nobody is in the flight.
            unsafe { &*cell }.as_ref().expect("a call begins with its setting")
        })
    }

    /// Only for the holder of the flight, and for its beginner before it begins.
    #[inline]
    pub(super) fn with_machine<R>(&self, use_it: impl FnOnce(&mut Machine) -> R) -> R {
        self.machine.with_mut(|machine| {
            // SAFETY: because the caller holds the flight, or has the slot to itself.
            use_it(unsafe { &mut *machine })
        })
    }

    /// Only for whoever has pinned the slot after the call's end.
    pub(super) fn read_machine<R>(&self, read: impl FnOnce(&Machine) -> R) -> R {
        self.machine.with(|machine| {
            // SAFETY: because the flight is over, nobody holds it, and the slot begins no other
            // call while it is pinned.
            read(unsafe { &*machine })
        })
    }

    /// Puts the call down as listed; whether it was not. Only for the holder of the flight and for
    /// its event loop.
    pub(super) fn list(&self) -> bool {
        // AcqRel: what was done before the call was taken off the list happens-before what is done
        // by whoever puts it there again, and is heard by whoever takes it off the next time.
        !self.listed.swap(true, Ordering::AcqRel)
    }

    /// The call has been taken off the list.
    pub(super) fn unlist(&self) {
        // Release: pairs with `list`.
        self.listed.overwrite(false, Ordering::Release);
    }

    /// Only for the holder of the flight.
    pub(super) fn is_listed(&self) -> bool {
        // Relaxed: others list it under an earlier hold, which happened before; the loop unlists it
        // before it knocks.
        self.listed.load(Ordering::Relaxed)
    }

    /// The link of the list that the call is on.
    pub(super) fn next(&self) -> &AtomicU32 {
        &self.next
    }

    #[inline]
    pub(super) fn seat(&self, ticket: Ticket) -> &Seat {
        &self.seats[ticket.seat()]
    }

    /// The ticket of an attempt among those `aloft`. Only for the holder.
    pub(super) fn ticket_of(&self, mut aloft: Tickets, attempt: AttemptId) -> Option<Ticket> {
        aloft.find(|ticket| {
            self.seat(*ticket).launch().is_some_and(|launch| launch.attempt == attempt)
        })
    }

    /// Remembers what the host says of an attempt's queue, for the next holder that hears of it.
    pub(super) fn tell_of_queue(
        &self,
        id: FlightId,
        ticket: Ticket,
        mark: u64,
    ) -> Result<(), Stale> {
        debug_assert!(matches!(mark, QUEUED | STARTED), "only these");
        self.seat(ticket).mark(id.generation(), ticket, mark)?;
        // Release: the mark happens-before the look of whoever sees this.
        self.told_of_queue.store(true, Ordering::Release);
        Ok(())
    }

    /// Whether somebody has, since the last time.
    pub(super) fn was_told_of_queue(&self) -> bool {
        // Relaxed: a guess that spares an exchange; who has just told knocks afterwards.
        // Acquire: pairs with `tell_of_queue`.
        self.told_of_queue.load(Ordering::Relaxed)
            && self.told_of_queue.swap(false, Ordering::Acquire)
    }
}

/// What a call asks for, as its setting has it.
pub(super) struct Wanted {
    pub(super) rules: Rules,
    pub(super) cookie: u64,
    pub(super) keep: bool,
}

impl Default for Slot {
    fn default() -> Self {
        Self {
            flight: Flight::new(),
            link: AtomicU32::new(0),
            pins: Pins::default(),
            told_of_queue: AtomicBool::new(false),
            listed: AtomicBool::new(false),
            next: AtomicU32::new(0),
            setting: Cell::new(None),
            machine: Cell::new(Machine::default()),
            seats: std::array::from_fn(|_| Seat::new()),
        }
    }
}

impl Linked for Slot {
    fn link(&self) -> &AtomicU32 {
        &self.link
    }
}

impl Machine {
    /// As new, with the memory of before, and the stream of seeds. Field by field, for what is made anew is moved in, all of
    /// it; the reasons are written before they are read.
    #[inline]
    fn clear(&mut self, start: Nanos) {
        let Self { call, reasons: _, notes, wake, first_started, ended, .. } = self;
        *call = None;
        notes.clear();
        (*wake, *first_started, *ended) = (Nanos::NEVER, start, start);
        let Self { told_as, told, done, answer, in_hand, agenda, armed, .. } = self;
        (*told_as, *told, *done) = (0, 0, Done::NotYet);
        (*answer, *in_hand, *agenda, *armed) = (None, None, None, None);
        let Self { aloft, to_start, to_cancel, given_up, queued, .. } = self;
        (*aloft, *to_start, *to_cancel) = Default::default();
        (*given_up, *queued) = (AttemptSet::EMPTY, AttemptSet::EMPTY);
    }

    #[inline]
    pub(super) fn call(&self) -> &Call {
        self.call.as_ref().expect("a flight begins with its call")
    }

    /// Whether there is something the host has not been told.
    #[inline]
    pub(super) fn has_pending(&self) -> bool {
        !self.to_start.is_empty() || !self.to_cancel.is_empty() || self.done == Done::ToTell
    }

    #[inline]
    pub(super) fn is_over(&self) -> bool {
        self.done != Done::NotYet
    }
}

impl Tickets {
    #[inline]
    pub(super) fn insert(&mut self, ticket: Ticket) {
        self.0 |= 1 << ticket.get();
    }

    /// Whether it was in there.
    #[inline]
    pub(super) fn remove(&mut self, ticket: Ticket) -> bool {
        let was = self.0 & (1 << ticket.get()) != 0;
        self.0 &= !(1 << ticket.get());
        was
    }

    pub(super) const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl Iterator for Tickets {
    type Item = Ticket;

    /// Takes the oldest.
    #[inline]
    fn next(&mut self) -> Option<Ticket> {
        #[expect(clippy::cast_possible_truncation, reason = "a u64 has 64 bits")]
        let ticket = Ticket::parse(self.0.trailing_zeros() as u8)?;
        self.remove(ticket);
        Some(ticket)
    }
}
