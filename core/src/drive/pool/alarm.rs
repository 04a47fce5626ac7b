//! Timers for calls whose callers are busy running the primary attempt themselves.
//!
//! A caller that parks is the timer of its own call. One that runs the primary cannot be: before it
//! starts, it hangs up a *bell*, with a timer that rings it when the machine wants to look in again;
//! whoever drives the call meanwhile sets it anew. A ring that comes too late finds another call's
//! bell in the place, or none: being rung without need is harmless.
//!
//! # The words
//!
//! - *bell* of a call: its slot + 1 while its caller is busy, else 0. Only the caller changes it;
//!   others look at it by an exchange that changes nothing.
//! - what hangs there, behind the bell's lock: whose it is, and the timer that rings it. The time is
//!   looked at under that lock, so no older one replaces a newer.
//! - *running*: elects the thread that drives. *closed*: lets it go.
//!
//! # Orderings
//!
//! - *who sees whom*: a driver writes the time, then exchanges *bell*; the caller exchanges *bell*,
//!   then reads the time. Of two exchanges of one word (AcqRel) one comes first: either the driver
//!   sees the bell, or the caller the time; both miss never.
//! - *whose*: the bell may be another call's by the time its lock is had. An `Arc` keeps the call in
//!   its place as long as anybody drives it, so its address tells.
//! - *end*: `closed` (Release) → the driver's look (Acquire); it is woken after the store, and its
//!   unparker is known before its first look, so it either sees `closed` or is woken.
//! - *turns*: one driver's writes → `running` (Release) → the next one's election (AcqRel).
//!
//! Modelled in `loom-tests/tests/pool.rs`: alone, and with a caller, a hedge and the timers' driver.

use std::sync::Arc;

use crate::{
    clock::{Clock, Nanos},
    slab::{Linked, Slab},
    sync::{AtomicBool, AtomicU32, Mutex, Ordering, Parker, Shard, Unparker},
    timer::{TimerId, Timers},
};

/// How many calls can be in the air with busy callers; more are not hedged.
const MAX_BELLS: usize = if cfg!(rego_loom) { 2 } else { 65_536 };

/// What the loom models' negative control weakens.
// AcqRel: as `hang_up` and `set` say. Relaxed: a break that the models must find.
const LOOK: Ordering =
    if cfg!(rego_break = "pool_bell_relaxed") { Ordering::Relaxed } else { Ordering::AcqRel };

/// Another: a bell is set without a look at whose it is.
const SET_ANYBODYS: bool = cfg!(rego_break = "pool_bell_anybodys");

/// Something that is to look in again.
pub trait Ring: Send + Sync {
    /// On the thread that drives the timers.
    fn ring(self: Arc<Self>);
}

/// The timers of one engine, and the one thread that drives them.
pub struct Alarms {
    timers: Timers,
    bells: Slab<Bell>,
    driver: Mutex<Option<Unparker>>,
    running: AtomicBool,
    closed: AtomicBool,
}

#[derive(Default)]
struct Bell {
    link: AtomicU32,
    hung_up: Mutex<Option<HungUp>>,
}

struct HungUp {
    call: Arc<dyn Ring>,
    timer: Option<TimerId>,
}

/// A call's own end of its bell.
#[derive(Debug, Default)]
pub struct Alarm {
    /// The slot of the bell + 1 while the caller is busy, else 0.
    bell: AtomicU32,
}

impl Alarms {
    /// No timer, and nobody to drive them.
    pub fn new() -> Self {
        Self {
            timers: Timers::new(2 * MAX_BELLS),
            bells: Slab::new(MAX_BELLS),
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

    /// Drives the timers on this thread until they are closed; at once if another thread does.
    pub(crate) fn run(&self, clock: &Clock) {
        // AcqRel: elects one driver, which comes after the one before it.
        if self.running.swap(true, Ordering::AcqRel) {
            return;
        }
        let parker = Parker::new();
        *self.driver.lock() = Some(parker.unparker());
        // Acquire: pairs with the Release of `close`, which unparks after it.
        while !self.closed.load(Ordering::Acquire) {
            let next = self.ring_due(clock.now());
            clock.park_until(&parker, next);
        }
        *self.driver.lock() = None;
        // Release: pairs with the AcqRel above.
        self.running.store(false, Ordering::Release);
    }

    /// Rings whatever is due; when to come again.
    pub fn ring_due(&self, now: Nanos) -> Nanos {
        self.timers.advance(now, &mut |bell| self.ring(bell))
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

    fn ring(&self, bell: u64) {
        let bell = u32::try_from(bell).ok().and_then(|slot| self.bells.get(slot));
        let hung_up = bell.map(|bell| bell.hung_up.lock());
        let call = hung_up.and_then(|hung_up| Some(Arc::clone(&hung_up.as_ref()?.call)));
        if let Some(call) = call {
            call.ring();
        }
    }

    /// Arms the timer of a bell, and whether the driver must be told. Without room there is none:
    /// the call is not hedged, and its deadline holds when its primary returns.
    fn arm(&self, slot: u32, at: Nanos) -> (Option<TimerId>, bool) {
        if at.is_never() {
            return (None, false);
        }
        match self.timers.arm(Shard::current(), at, slot.into()) {
            Ok(timer) => (Some(timer.id), timer.wake),
            Err(_) => (None, false),
        }
    }
}

impl Alarm {
    /// The caller gets busy: hangs up its bell, which rings when `at` says. Without room it does
    /// not.
    pub fn hang_up(&self, alarms: &Alarms, call: Arc<dyn Ring>, at: impl FnOnce() -> Nanos) {
        let Some((slot, bell)) = alarms.bells.acquire(Shard::current()) else { return };
        let mut hung_up = bell.hung_up.lock();
        // AcqRel: before the reading of the time; pairs with the exchange of `set`.
        self.bell.swap(slot + 1, LOOK);
        let (timer, wake) = alarms.arm(slot, at());
        *hung_up = Some(HungUp { call, timer });
        drop(hung_up);
        if wake {
            alarms.wake();
        }
    }

    /// The caller is its own timer again.
    pub fn take_down(&self, alarms: &Alarms) {
        // Relaxed: only the caller changes it, and whoever saw it before looks whose it is.
        let Some(slot) = self.bell.swap(0, Ordering::Relaxed).checked_sub(1) else { return };
        let hung_up = alarms.bells.get(slot).and_then(|bell| bell.hung_up.lock().take());
        alarms.bells.release(slot);
        if let Some(timer) = hung_up.and_then(|hung_up| hung_up.timer) {
            alarms.timers.cancel(timer);
        }
    }

    /// Rings the bell when `at` says, instead of when it would have rung; `call` is where the call
    /// lies. Without a bell, nothing.
    ///
    /// The time is looked at under the lock: whoever sets one has done so before it comes here, so
    /// the last one in finds it, and no older time replaces a newer one.
    pub fn set(&self, alarms: &Alarms, call: *const (), at: impl FnOnce() -> Nanos) {
        // AcqRel: after the writing of the time; pairs with the exchange of `hang_up`. It changes
        // nothing, but a load might miss a bell whose caller missed the time.
        let Some(slot) = self.bell.fetch_or(0, LOOK).checked_sub(1) else { return };
        let Some(bell) = alarms.bells.get(slot) else { return };
        let mut bell = bell.hung_up.lock();
        let is_ours = |it: &&mut HungUp| Arc::as_ptr(&it.call).cast() == call || SET_ANYBODYS;
        let Some(hung_up) = bell.as_mut().filter(is_ours) else { return };
        if let Some(before) = hung_up.timer.take() {
            alarms.timers.cancel(before);
        }
        let (timer, wake) = alarms.arm(slot, at());
        hung_up.timer = timer;
        drop(bell);
        if wake {
            alarms.wake();
        }
    }
}

impl Default for Alarms {
    fn default() -> Self {
        Self::new()
    }
}

impl Linked for Bell {
    fn link(&self) -> &AtomicU32 {
        &self.link
    }
}

impl std::fmt::Debug for Alarms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Alarms").field("running", &self.is_running()).finish_non_exhaustive()
    }
}
