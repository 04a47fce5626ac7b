//! An event loop, or the C ABI, runs the steps.
//!
//! The host owns threads and time: it says what has happened and what time it is, and is told what
//! to do next. Nothing here starts a thread, reads a clock, calls back, waits, or, once warm,
//! allocates. Any thread may finish, poll or cancel any call at any time; old and forged ids
//! answer [`Stale`].
//!
//! A call without trouble is two crossings: [`begin`](Manual::begin) answers with a
//! [`Start`](Action::Start), [`finish`](Manual::finish) with [`Done`](Action::Done).

mod action;
mod agenda;
mod event_loop;
mod finish;
mod fly;
mod forget;
mod give_up;
mod hand_over;
mod hear;
mod id;
mod no_room;
mod pins;
mod plain;
mod seat;
mod slot;
mod stand_aside;
mod standing;
mod step;
#[cfg(test)]
mod tests;
mod unhedged;

pub use crate::flight::Stale;
pub use action::Action;
pub use event_loop::{Loop, LoopWatch};
pub use id::{AttemptRef, CallId};
pub use standing::Standing;
pub use step::{Begin, MAX_ACTIONS, Step};

use std::{fmt, panic, sync::Arc};

use self::{
    agenda::Agenda,
    fly::{Left, Pilot},
    id::{Meant, Seal},
    pins::Unpinned,
    plain::PlainCalls,
    seat::{CANCELLED, QUEUED, STARTED},
    slot::{Slot, Wanted},
};
use super::Host;
use crate::{
    call::Rules,
    clock::Nanos,
    flight::{Cancel, Drive, FlightId, Generation, Hold},
    notes::Timeline,
    site::Site,
    slab::Slab,
    sync::{Arc as Shared, AtomicU32, Ordering, Shard},
    verdict::HedgeReason,
};

/// How many calls an engine has in the air at most, unless told otherwise; further ones pass
/// through.
pub(crate) const DEFAULT_MAX_FLIGHTS: usize = 65_536;

/// Calls driven by their host: made by [`Engine::manual`](crate::Engine::manual).
///
/// Cheap to clone. Thread-safe, and never waits: where two threads come with news of the same call,
/// one of them drives and gets the actions, the other is told that it happens
/// [elsewhere](Step::elsewhere). A call takes about 2 KiB while it is in the air.
///
/// ```
/// use rego::{Completion, Engine, Nanos, Policy, manual::{Action, Begin}};
///
/// let engine = Engine::builder()
///     .policy("svc.Get", Policy::builder().max_attempts(2).build()?)
///     .build()?;
/// let (manual, site) = (engine.manual(), engine.site("svc.Get"));
///
/// // The time is whatever the host says it is.
/// let mut now = Nanos::from_millis(1);
/// let (call, step) = manual.begin(&site, Begin::new(now));
/// let Some(Action::Start { attempt, .. }) = step.actions().next() else { unreachable!() };
///
/// // It fails: nothing to do until the backoff is over.
/// let step = manual.finish(attempt, now, &Completion::http(503), 0)?;
/// assert_eq!(step.actions().count(), 0);
/// now = step.wake_at;
/// let step = manual.poll(call, now)?;
/// let Some(Action::Start { attempt, .. }) = step.actions().next() else { unreachable!() };
///
/// // It works: what the host handed in with it comes back.
/// let step = manual.finish(attempt, now, &Completion::ok(), 4711)?;
/// let Some(Action::Done { verdict, result, .. }) = step.actions().next() else { unreachable!() };
/// assert!(verdict.is_success());
/// assert_eq!(result, 4711);
/// assert!(manual.poll(call, now).is_err(), "a call that is done is gone");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Manual(Arc<Inner>);

struct Inner {
    host: Arc<Host>,
    slab: Slab<Slot>,
    seal: Seal,
    /// Calls that found no room.
    plain: PlainCalls,
    /// How often all calls were forgotten: loops look whether theirs were.
    forgotten: AtomicU32,
}

impl Inner {
    fn forgotten(&self) -> u32 {
        // Relaxed: it changes while there is one thread.
        self.forgotten.load(Ordering::Relaxed)
    }
}

impl Manual {
    pub(crate) fn new(host: &Arc<Host>, max_flights: usize) -> Self {
        Self(Arc::new(Inner {
            host: Arc::clone(host),
            slab: Slab::new(max_flights),
            seal: Seal::new(),
            plain: PlainCalls::new(),
            forgotten: AtomicU32::new(0),
        }))
    }

    /// Begins a call.
    #[inline]
    pub(crate) fn begin_at(&self, site: &Shared<Site>, begin: Begin) -> (CallId, Step) {
        let mut begun = (CallId::from_bits(0), Step::new());
        begun.0 = self.begin_at_into(site, &begin, &mut begun.1);
        begun
    }

    #[inline]
    pub(crate) fn begin_at_into(
        &self,
        site: &Shared<Site>,
        begin: &Begin,
        step: &mut Step,
    ) -> CallId {
        self.begin_for(site, begin, None, None, step)
    }

    /// Begins a call, of an event loop perhaps, whose thread this is then.
    #[inline]
    fn begin_for(
        &self,
        site: &Shared<Site>,
        begin: &Begin,
        agenda: Option<&Arc<Agenda>>,
        no_hedging: Option<HedgeReason>,
        step: &mut Step,
    ) -> CallId {
        step.clear();
        if site.trust.is_lost(begin.now) {
            return self.pass_through(site, begin, step);
        }
        let Some((index, slot)) = self.0.slab.acquire(Shard::current()) else {
            return self.find_no_room(site, begin, step);
        };
        slot.set(site, begin, |terms| Wanted {
            rules: Rules {
                idempotent: begin.idempotent_by(&terms.policy),
                retries: true,
                no_hedging,
            },
            cookie: begin.cookie,
            keep: begin.keep,
        });
        if let Some(agenda) = agenda {
            slot.with_machine(|machine| machine.agenda = Some(Arc::clone(agenda)));
        }
        let hold = slot.flight.begin();
        if begin.keep {
            slot.pins.want(hold.generation());
        }
        let id = FlightId::new(index, hold.generation());
        let pilot = Pilot::new(&self.0, slot, id, begin.now).of_loop();
        let left = pilot.begin(hold, begin.deadline, step);
        self.leave(id, slot, left);
        self.0.seal.call(id)
    }

    /// Says what time it is, and asks what there is to do: when a [`wake_at`](Step::wake_at) has
    /// come, when there is [more](Step::more), after a [`cancel`](Self::cancel). At any other time
    /// nothing comes of it, and no harm.
    ///
    /// # Errors
    ///
    /// [`Stale`] if the call is over, or never was. One that was begun with [`keep`](Begin::keep) is
    /// there until its [`end`](Self::end): with nothing to do, once it is done.
    pub fn poll(&self, call: CallId, now: Nanos) -> Result<Step, Stale> {
        let id = match self.0.seal.meant_call(call)? {
            Meant::InFlight(id) => id,
            Meant::PassThrough(id) => return self.poll_plain(id, now),
        };
        let slot = self.slot(id)?;
        let drive = slot.flight.poll(id.generation());
        stepped(|step| self.drive_if_held(id, slot, drive, now, step))
    }

    /// The host has put an attempt into a queue of its own: its time does not run yet, and no hedge
    /// is launched while it waits. [`started`](Self::started) must follow. Hosts that start
    /// attempts when they are told need neither.
    ///
    /// # Errors
    ///
    /// [`Stale`] if the attempt is over, or never was.
    pub fn queued(&self, attempt: AttemptRef, now: Nanos) -> Result<Step, Stale> {
        self.tell_of_queue(attempt, now, QUEUED)
    }

    /// The host has taken an attempt out of its queue: its time runs from now.
    ///
    /// # Errors
    ///
    /// [`Stale`] if the attempt is over, or never was.
    pub fn started(&self, attempt: AttemptRef, now: Nanos) -> Result<Step, Stale> {
        self.tell_of_queue(attempt, now, STARTED)
    }

    /// Asks for the end of a call, and no more: the thread that drives it at this moment, or the
    /// next [`poll`](Self::poll) or [`finish`](Self::finish), returns what follows; for a call of an
    /// event loop, too, so poll it where the loop is to hear of it at once. Takes no lock and
    /// allocates nothing: a signal handler may do it.
    ///
    /// # Errors
    ///
    /// [`Stale`] if the call is done, kept or not, or never was.
    pub fn cancel(&self, call: CallId) -> Result<(), Stale> {
        let id = match self.0.seal.meant_call(call)? {
            Meant::InFlight(id) => id,
            Meant::PassThrough(id) => return self.0.plain.cancel(id),
        };
        match self.slot(id)?.flight.cancel(id.generation()) {
            Cancel::Elsewhere | Cancel::Next => Ok(()),
            Cancel::Late => Err(Stale),
        }
    }

    /// Whether an attempt should stop: it was given up, its call was cancelled, or it is over
    /// anyhow. Loads alone.
    #[must_use]
    pub fn is_cancelled(&self, attempt: AttemptRef) -> bool {
        let (id, ticket) = match self.0.seal.meant(attempt) {
            Ok(Meant::InFlight(meant)) => meant,
            Ok(Meant::PassThrough(id)) => return self.0.plain.is_cancelled(id),
            Err(Stale) => return true,
        };
        let Ok(slot) = self.slot(id) else { return true };
        let marks = slot.seat(ticket).marks(id.generation(), ticket);
        marks.is_none_or(|marks| marks & CANCELLED != 0)
            || slot.flight.is_cancelled(id.generation())
    }

    /// Ends what is kept of a call that was begun with [`keep`](Begin::keep) and is done. Attempts
    /// that still run may finish.
    ///
    /// # Errors
    ///
    /// [`Stale`] if it was let go already, is not kept (one that [passes through](CallId::is_pass_through)
    /// never is), or is not done: see [`let_go`](Self::let_go).
    pub fn end(&self, call: CallId) -> Result<(), Stale> {
        self.let_go_if(call, |slot, generation| slot.pins.end(generation))
    }

    /// Lets go of a call that was begun with [`keep`](Begin::keep), done or not. One that is not done
    /// goes on, is told to its host as any other, and is not kept then: to end it, too,
    /// [cancel](Self::cancel) and [poll](Self::poll) it.
    ///
    /// # Errors
    ///
    /// [`Stale`] if it was let go already, or is not kept.
    pub fn let_go(&self, call: CallId) -> Result<(), Stale> {
        self.let_go_if(call, |slot, generation| slot.pins.let_go(generation))
    }

    fn let_go_if(
        &self,
        call: CallId,
        let_go: impl Fn(&Slot, Generation) -> Result<Unpinned, Stale>,
    ) -> Result<(), Stale> {
        let Meant::InFlight(id) = self.0.seal.meant_call(call)? else { return Err(Stale) };
        if let_go(self.slot(id)?, id.generation())? == Unpinned::Last {
            self.0.slab.release(id.slot());
        }
        Ok(())
    }

    /// What happened in a call that was begun with [`keep`](Begin::keep) and is done; `None` for
    /// all others. Allocates.
    #[must_use]
    pub fn timeline(&self, call: CallId) -> Option<Timeline> {
        let Ok(Meant::InFlight(id)) = self.0.seal.meant_call(call) else { return None };
        let slot = self.slot(id).ok()?;
        slot.pins.pin(id.generation()).ok()?;
        let timeline = slot.read_machine(|machine| fly::ended(slot.setting(), machine).timeline());
        if slot.pins.unpin() == Unpinned::Last {
            self.0.slab.release(id.slot());
        }
        Some(timeline)
    }

    fn slot(&self, id: FlightId) -> Result<&Slot, Stale> {
        self.0.slab.get(id.slot()).ok_or(Stale)
    }

    fn tell_of_queue(&self, attempt: AttemptRef, now: Nanos, mark: u64) -> Result<Step, Stale> {
        let (id, ticket) = match self.0.seal.meant(attempt)? {
            Meant::InFlight(meant) => meant,
            Meant::PassThrough(id) => return self.tell_of_plain_queue(id, now),
        };
        let slot = self.slot(id)?;
        slot.tell_of_queue(id, ticket, mark)?;
        let drive = slot.flight.knock_time(id.generation());
        stepped(|step| self.drive_if_held(id, slot, drive, now, step))
    }

    fn drive_if_held(
        &self,
        id: FlightId,
        slot: &Slot,
        drive: Drive<'_>,
        now: Nanos,
        step: &mut Step,
    ) -> Result<(), Stale> {
        match drive {
            Drive::You(hold) => self.drive(id, slot, hold, now, step),
            Drive::Elsewhere => step.be_elsewhere(),
            Drive::Late if slot.pins.is_kept(id.generation()) => {}
            Drive::Late => return Err(Stale),
        }
        Ok(())
    }

    fn drive(&self, id: FlightId, slot: &Slot, hold: Hold<'_>, now: Nanos, step: &mut Step) {
        let mut pilot = Pilot::new(&self.0, slot, id, now);
        let left = pilot.fly(hold, step);
        let bell = pilot.bell;
        self.leave(id, slot, left);
        if let Some(agenda) = bell {
            agenda.ring();
        }
    }

    /// The last one out of a flight gives its slot back, unless the host still wants to read it.
    #[inline]
    fn leave(&self, id: FlightId, slot: &Slot, left: Left) {
        if left == Left::Empty && slot.pins.unpin() == Unpinned::Last {
            self.0.slab.release(id.slot());
        }
    }
}

/// The step that an event leads to, made where its caller gets it: one is too large to be moved about.
#[inline]
fn stepped(event: impl FnOnce(&mut Step) -> Result<(), Stale>) -> Result<Step, Stale> {
    let mut stepped = Ok(Step::new());
    if let Ok(step) = &mut stepped
        && let Err(stale) = event(step)
    {
        stepped = Err(stale);
    }
    stepped
}

// A panic of the host's never leaves a call half changed: every step is one exchange or belongs to
// the thread that holds the flight, which runs no code of the host's but classifiers, contained.
impl panic::UnwindSafe for Manual {}
impl panic::RefUnwindSafe for Manual {}

impl fmt::Debug for Manual {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Manual").field("max_flights", &self.0.slab.max()).finish_non_exhaustive()
    }
}
