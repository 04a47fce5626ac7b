//! Timers for calls whose callers are busy running the primary attempt themselves.
//!
//! A caller that parks is the timer of its own call. One that runs the primary cannot be: before it
//! starts, it hangs up a *bell*, and whoever drives the call arms a timer that rings it when the
//! machine wants to look in again. A ring that comes too late finds another call's bell in the
//! place, or none: being rung without need is harmless.

use std::sync::Arc;

use crate::{
    clock::{Clock, Nanos},
    slab::{Linked, Slab},
    sync::{AtomicBool, AtomicU32, Mutex, Ordering, Parker, Shard, Unparker},
    timer::{TimerId, Timers},
};

/// How many calls can be in the air with busy callers; more are not hedged.
const MAX_BELLS: usize = if cfg!(rego_loom) { 2 } else { 65_536 };

/// Something that is to look in again.
pub(super) trait Ring: Send + Sync {
    fn ring(self: Arc<Self>);
}

/// The timers of one engine, and the one thread that drives them.
pub(crate) struct Alarms {
    timers: Timers,
    bells: Slab<Bell>,
    driver: Mutex<Option<Unparker>>,
    running: AtomicBool,
    closed: AtomicBool,
}

#[derive(Default)]
struct Bell {
    link: AtomicU32,
    hung_up: Mutex<Option<Arc<dyn Ring>>>,
}

/// A call's own end of its bell.
#[derive(Debug, Default)]
pub(super) struct Alarm {
    /// The slot of the bell + 1 while the caller is busy, else 0.
    bell: AtomicU32,
    armed: Mutex<Option<TimerId>>,
}

impl Alarms {
    pub(crate) fn new() -> Self {
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
            let next = self.timers.advance(clock.now(), &mut |bell| self.ring(bell));
            clock.park_until(&parker, next);
        }
        *self.driver.lock() = None;
        // Release: pairs with the AcqRel above.
        self.running.store(false, Ordering::Release);
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
        let hung_up = bell.and_then(|bell| bell.hung_up.lock().clone());
        if let Some(call) = hung_up {
            call.ring();
        }
    }
}

impl Alarm {
    /// The caller gets busy: hangs up its bell. False if there is no room.
    pub(super) fn hang_up(&self, alarms: &Alarms, call: Arc<dyn Ring>) -> bool {
        let Some((slot, bell)) = alarms.bells.acquire(Shard::current()) else { return false };
        *bell.hung_up.lock() = Some(call);
        // Release: pairs with the Acquire of `set`: a bell that is seen hangs.
        self.bell.store(slot + 1, Ordering::Release);
        true
    }

    /// The caller is its own timer again.
    pub(super) fn take_down(&self, alarms: &Alarms) {
        // Relaxed: only the caller writes here.
        let Some(slot) = self.bell.swap(0, Ordering::Relaxed).checked_sub(1) else { return };
        if let Some(bell) = alarms.bells.get(slot) {
            *bell.hung_up.lock() = None;
        }
        alarms.bells.release(slot);
        if let Some(armed) = self.armed.lock().take() {
            alarms.timers.cancel(armed);
        }
    }

    /// Rings the bell when `at` says, instead of when it would have rung. Without a bell, nothing.
    ///
    /// Both the bell and the time are looked at under the lock. Whoever sets a time, or hangs up
    /// the bell, has done so before it comes here: so the last one in finds both, and no older time
    /// replaces a newer one.
    pub(super) fn set(&self, alarms: &Alarms, at: impl FnOnce() -> Nanos) {
        let mut armed = self.armed.lock();
        // Acquire: pairs with the Release of `hang_up`.
        let Some(slot) = self.bell.load(Ordering::Acquire).checked_sub(1) else { return };
        let at = at();
        if let Some(before) = armed.take() {
            alarms.timers.cancel(before);
        }
        if at.is_never() {
            return;
        }
        // Without room the call is not hedged: the deadline holds when its primary returns.
        if let Ok(timer) = alarms.timers.arm(Shard::current(), at, slot.into()) {
            *armed = Some(timer.id);
            if timer.wake {
                alarms.wake();
            }
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
