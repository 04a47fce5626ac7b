//! Timers for calls whose callers are busy running the primary attempt themselves.
//!
//! A caller that parks is the timer of its own call. One that runs the primary cannot be: before it
//! starts, it hangs up an *alarm*, a timer that rings its call when the machine wants to look in
//! again; whoever drives the call meanwhile sets it anew. Being rung without need is harmless.
//!
//! # The words
//!
//! - *timer* of a call: 0 while its caller is not busy; 1 while it is and nothing is to be rung;
//!   else the timer that rings next.
//! - what a timer hands over: a counted pointer to the call. It was counted when the timer was armed
//!   and is taken back by whoever ends the timer: the driver that fires it, or whoever cancels it.
//!   A timer is fired or cancelled, never both, so no count is lost or taken twice.
//! - *running*: elects the thread that drives. *closed*: lets it go.
//!
//! # Paths
//!
//! - *hang up*, by the caller: arm a timer for the time that the call has now, exchange *timer* for
//!   it, and look at the time again: if it is another, set it.
//! - *set*, by whoever has driven the call: write the time, look at *timer*, arm one for the time, and
//!   exchange it for the one that was seen, which is cancelled. Where another was quicker, its own
//!   is cancelled instead, and it looks again: no older time replaces a newer one.
//! - *take down*, by the caller: exchange *timer* for 0 and cancel what was there. Whoever is about
//!   to set one finds 0 and leaves nothing behind.
//!
//! # Orderings
//!
//! - *who sees whom*: a driver writes the time, then exchanges *timer*; the caller exchanges *timer*,
//!   then reads the time. Of two exchanges of one word (AcqRel) one comes first: either the driver
//!   sees the alarm, or the caller the time; both miss never.
//! - *arm*: a timer's fields → the exchange that puts it into *timer* (Release) → the exchange that
//!   takes it out (Acquire) → cancelling it.
//! - *end*: `closed` (Release) → the driver's look (Acquire); it is woken after the store, and its
//!   unparker is known before its first look, so it either sees `closed` or is woken.
//! - *turns*: one driver's writes → `running` (Release) → the next one's election (AcqRel).
//!
//! Modelled in `loom-tests/tests/alarm.rs`, and with a caller, a hedge and the timers' driver in
//! `pool.rs` beside it.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    ptr,
    sync::Arc,
};

use crate::{
    clock::{Clock, Nanos},
    sync::{AtomicBool, AtomicU64, Mutex, Ordering, Parker, Shard, Unparker, drop_quietly},
    timer::{TimerId, Timers},
};

/// Room for the timers of calls with busy callers, the dead ones among them; a call that finds none is
/// not hedged.
const MAX_TIMERS: usize = if cfg!(rego_loom) { 4 } else { 131_072 };

/// The caller is not busy.
const IDLE: u64 = 0;
/// It is, and there is nothing to ring it for. Every timer's bits are more.
const UNTIMED: u64 = 1;

/// What the loom models' negative control weakens.
// AcqRel: as `hang_up` and `set` say. Relaxed: a break that the models must find.
const LOOK: Ordering =
    if cfg!(rego_break = "alarm_relaxed") { Ordering::Relaxed } else { Ordering::AcqRel };

/// Another: an alarm is set by a look and a store.
const CHECK_THEN_ACT: bool = cfg!(rego_break = "alarm_check_then_act");

/// A call that can be rung.
///
/// # Safety
///
/// [`ALARM_AT`](Self::ALARM_AT) is how many bytes into `Self` its [`Alarm`] lies, which was made by
/// [`Alarm::of`] of `Self`, and which [`alarm`](Self::alarm) returns. One call's alarm is hung up with,
/// and set in, the same [`Alarms`] always.
pub unsafe trait Ring: Send + Sync + Sized + 'static {
    /// Where the alarm lies.
    const ALARM_AT: usize;

    /// Its alarm.
    fn alarm(&self) -> &Alarm;

    /// When it is to be rung; [`Nanos::NEVER`] if not at all.
    fn ring_at(&self) -> Nanos;

    /// It is to look in again. On the thread that drives the timers.
    fn ring(self: &Arc<Self>);
}

/// The timers of one engine, and the one thread that drives them.
pub struct Alarms {
    timers: Timers,
    driver: Mutex<Option<Unparker>>,
    running: AtomicBool,
    closed: AtomicBool,
}

/// A call's own end of its alarm.
pub struct Alarm {
    /// Rings the call whose alarm is there, and takes back what was counted for the timer.
    ring: unsafe fn(*const Self),
    /// The timer's bits, or [`IDLE`], or [`UNTIMED`].
    timer: AtomicU64,
}

/// An alarm that is hung up; dropped, it is taken down, and the caller is its own timer again.
#[must_use = "it is taken down when this is dropped"]
pub struct HungUp<'a, R: Ring> {
    alarms: &'a Alarms,
    call: &'a Arc<R>,
}

impl Alarms {
    /// No timer, and nobody to drive them.
    pub fn new() -> Self {
        Self {
            timers: Timers::new(MAX_TIMERS),
            driver: Mutex::new(None),
            running: AtomicBool::new(false),
            closed: AtomicBool::new(false),
        }
    }

    /// Whether some thread drives them.
    pub(crate) fn is_running(&self) -> bool {
        // Relaxed: a call that misses the start is not hedged, and one that misses the end neither.
        self.running.load(Ordering::Relaxed)
    }

    /// Drives the timers on this thread until they are closed; returns at once if another does.
    pub(crate) fn run(&self, clock: &Clock) {
        if self.elect() {
            self.drive(clock);
        }
    }

    /// Whether the caller is to drive them, or a thread that it starts: nobody does so far. They
    /// count as running from here on: what is armed before the thread has started waits for it.
    pub(crate) fn elect(&self) -> bool {
        // AcqRel: elects one driver, which comes after the one before it.
        !self.running.swap(true, Ordering::AcqRel)
    }

    /// As [`run`](Self::run), for whoever was [elected](Self::elect).
    pub(crate) fn drive(&self, clock: &Clock) {
        let parker = Parker::new();
        *self.driver.lock() = Some(parker.unparker());
        // Acquire: pairs with the Release of `close`, which unparks after it.
        while !self.closed.load(Ordering::Acquire) {
            let next = self.ring_due(clock.now());
            clock.park_until(&parker, next);
        }
        *self.driver.lock() = None;
        // Release: pairs with the AcqRel of `elect`.
        self.running.store(false, Ordering::Release);
    }

    /// Rings whatever is due; when to come again.
    pub fn ring_due(&self, now: Nanos) -> Nanos {
        self.timers.advance(now, &mut |user| {
            // SAFETY: because these timers are armed by `arm` alone, and this one has fired.
            unsafe { ring(user) }
        })
    }

    /// Lets the driver go.
    pub(crate) fn close(&self) {
        // Release: pairs with the Acquire in `run`.
        self.closed.store(true, Ordering::Release);
        self.wake();
    }

    fn wake(&self) {
        if let Some(driver) = &*self.driver.lock() {
            driver.unpark();
        }
    }

    /// Has the call rung then, and the driver told if it must be. The timer's bits; [`UNTIMED`] where
    /// there is nothing to ring it for, or no room: such a call is not hedged, and its deadline holds
    /// when its primary returns.
    fn arm<R: Ring>(&self, call: &Arc<R>, at: Nanos) -> u64 {
        if at.is_never() {
            return UNTIMED;
        }
        let counted = Arc::into_raw(Arc::clone(call)).wrapping_byte_add(R::ALARM_AT);
        let user = counted.cast::<Alarm>().expose_provenance() as u64;
        let Ok(timer) = self.timers.arm(Shard::current(), at, user) else {
            uncount(call);
            // What is there may be to be swept away, or to come sooner than the driver was told.
            self.wake();
            return UNTIMED;
        };
        if timer.wake {
            self.wake();
        }
        timer.id.to_bits()
    }

    /// Cancels what `arm` has armed for this call, unless it has fired.
    fn disarm<R: Ring>(&self, call: &Arc<R>, timer: u64) {
        if TimerId::from_bits(timer).is_some_and(|timer| self.timers.cancel(timer)) {
            uncount(call);
        }
    }
}

/// Takes back what a timer had counted that neither fired nor will.
fn uncount<R>(call: &Arc<R>) {
    // SAFETY: because `arm` counted one for the timer, and a timer is cancelled by one at most and
    // does not fire then: that count is nobody else's. `call` itself keeps another. An id names one
    // arming among 2³⁰ of its slot: so often it would have to be armed while one attempt of one caller
    // runs.
    unsafe { Arc::decrement_strong_count(Arc::as_ptr(call)) };
}

/// A timer has fired.
///
/// # Safety
///
/// `user` is what [`Alarms::arm`] gave to a timer that has fired, and nobody else has been given.
unsafe fn ring(user: u64) {
    let alarm = ptr::with_exposed_provenance::<Alarm>(user as usize);
    // SAFETY: because the timer came with a counted pointer, whose count is this thread's now: the
    // call is there.
    let ring = unsafe { (*alarm).ring };
    // SAFETY: because the alarm is its call's, and `ring` is of that call's type.
    unsafe { ring(alarm) };
}

/// # Safety
///
/// `alarm` is that of an `R` in an `Arc`, one of whose counts is the caller's to give away.
unsafe fn ring_it<R: Ring>(alarm: *const Alarm) {
    let call = alarm.wrapping_byte_sub(R::ALARM_AT).cast::<R>();
    // SAFETY: because the pointer came from `Arc::into_raw` in `arm`, as far back as `Ring` promises,
    // and its count is given away to this.
    let call = unsafe { Arc::from_raw(call) };
    call.ring();
    // If its caller has gone meanwhile, what it left is the host's, and may panic: not on this thread.
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(call))) {
        drop_quietly(payload);
    }
}

impl Alarm {
    /// The alarm of an `R` whose caller is not busy.
    pub fn of<R: Ring>() -> Self {
        Self { ring: ring_it::<R>, timer: AtomicU64::new(IDLE) }
    }

    /// The caller gets busy: its call is rung when it says, as long as what is returned is there.
    pub fn hang_up<'a, R: Ring>(alarms: &'a Alarms, call: &'a Arc<R>) -> HungUp<'a, R> {
        let at = call.ring_at();
        let timer = alarms.arm(call, at);
        // AcqRel: before the second reading of the time; pairs with the exchange of `set`.
        let before = call.alarm().timer.swap(timer, LOOK);
        debug_assert_eq!(before, IDLE, "a caller is busy with one attempt at a time");
        if call.ring_at() != at {
            Self::set(alarms, call);
        }
        HungUp { alarms, call }
    }

    /// Has the call rung when it says now, instead of when it said before; nothing where its caller
    /// is not busy. The time is written before this.
    pub fn set<R: Ring>(alarms: &Alarms, call: &Arc<R>) {
        let timer = &call.alarm().timer;
        // AcqRel: after the writing of the time; pairs with the exchange of `hang_up`. It changes
        // nothing, but a load might miss an alarm whose caller missed the time.
        let mut seen = timer.fetch_or(0, LOOK);
        while seen != IDLE {
            let mine = alarms.arm(call, call.ring_at());
            match replace(timer, seen, mine) {
                Ok(before) => return alarms.disarm(call, before),
                Err(newer) => {
                    alarms.disarm(call, mine);
                    seen = newer;
                }
            }
        }
    }
}

/// Puts `mine` in the place of the timer that was seen; else says which is there.
fn replace(timer: &AtomicU64, seen: u64, mine: u64) -> Result<u64, u64> {
    if CHECK_THEN_ACT {
        // Acquire: as below.
        let now = timer.load(Ordering::Acquire);
        if now != seen {
            return Err(now);
        }
        // Release: as below.
        timer.store(mine, Ordering::Release);
        return Ok(seen);
    }
    // AcqRel: what `mine` consists of happens-before its cancel, as that of the one that was seen
    // does. Acquire on failure: as above.
    timer.compare_exchange(seen, mine, Ordering::AcqRel, Ordering::Acquire)
}

impl<R: Ring> Drop for HungUp<'_, R> {
    fn drop(&mut self) {
        // Acquire: what the timer consists of happens-before its cancel.
        let timer = self.call.alarm().timer.swap(IDLE, Ordering::Acquire);
        self.alarms.disarm(self.call, timer);
    }
}

impl Default for Alarms {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Alarm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Alarm").field("timer", &self.timer).finish_non_exhaustive()
    }
}

impl<R: Ring> std::fmt::Debug for HungUp<'_, R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("HungUp").field(self.call.alarm()).finish()
    }
}

impl std::fmt::Debug for Alarms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Alarms").field("running", &self.is_running()).finish_non_exhaustive()
    }
}
