//! A clock that is moved by hand: tests, simulation, replay.

use std::fmt;

use super::Nanos;
use crate::sync::{Arc, AtomicBool, AtomicU64, Mutex, Ordering, Parker, Unparker};

/// A clock that is moved by hand.
///
/// Threads that wait on it sleep until [`advance`](Self::advance) or [`set`](Self::set) brings
/// their time; with [`auto_advance`](Self::auto_advance) nobody sleeps: a wait moves the clock to
/// its end at once. Cheap to clone; every clone is the same clock. Thread-safe.
///
/// ```
/// use rego::{ManualClock, Nanos};
///
/// let clock = ManualClock::new();
/// clock.advance(Nanos::from_millis(20));
/// assert_eq!(clock.now(), Nanos::from_millis(20));
/// ```
#[derive(Clone, Default)]
pub struct ManualClock(Arc<Inner>);

#[derive(Default)]
struct Inner {
    now: AtomicU64,
    auto_advance: AtomicBool,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    tickets: u64,
    sleepers: Vec<Sleeper>,
}

struct Sleeper {
    ticket: u64,
    until: Nanos,
    unparker: Unparker,
}

impl ManualClock {
    /// A clock that stands at zero.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A clock on which nobody sleeps: whoever waits moves it to the end of the wait.
    #[must_use]
    pub fn auto_advance() -> Self {
        let clock = Self::new();
        // Relaxed: nobody else has this clock yet.
        clock.0.auto_advance.store(true, Ordering::Relaxed);
        clock
    }

    /// The time it stands at.
    #[must_use]
    pub fn now(&self) -> Nanos {
        // Acquire: pairs with the Release of `set`, so what a test did before moving the clock
        // happens-before what follows a reading of it.
        Nanos::from_nanos(self.0.now.load(Ordering::Acquire))
    }

    /// Moves it forward by `by` and wakes those whose time has come.
    pub fn advance(&self, by: Nanos) {
        // AcqRel: see `now`; an RMW, so that two threads that advance both count.
        let _ = self.0.now.fetch_update(Ordering::AcqRel, Ordering::Acquire, |now| {
            Some((Nanos::from_nanos(now) + by).as_nanos())
        });
        self.wake();
    }

    /// Moves it to `now`, backwards too: a clock that jumps is something to test against.
    pub fn set(&self, now: Nanos) {
        // Release: pairs with the Acquire of `now`.
        self.0.now.store(now.as_nanos(), Ordering::Release);
        self.wake();
    }

    /// How many threads wait for it now.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.0.waiting.lock().sleepers.len()
    }

    fn wake(&self) {
        let now = self.now();
        self.0.waiting.lock().sleepers.retain(|sleeper| {
            let due = sleeper.until <= now;
            if due {
                sleeper.unparker.unpark();
            }
            !due
        });
    }

    pub(super) fn park_until(&self, parker: &Parker, until: Nanos) {
        // Relaxed: written before the clock is shared.
        if self.0.auto_advance.load(Ordering::Relaxed) && !until.is_never() {
            // AcqRel: see `now`; a maximum, so a wait never moves the clock backwards.
            self.0.now.fetch_max(until.as_nanos(), Ordering::AcqRel);
            self.wake();
            return;
        }
        let ticket = {
            let mut waiting = self.0.waiting.lock();
            waiting.tickets += 1;
            let ticket = waiting.tickets;
            waiting.sleepers.push(Sleeper { ticket, until, unparker: parker.unparker() });
            ticket
        };
        // Registered first, looked second: an `advance` in between either sees the registration
        // or has moved the clock already.
        if self.now() < until {
            parker.park(None);
        }
        // Still registered if somebody else woke us.
        self.0.waiting.lock().sleepers.retain(|sleeper| sleeper.ticket != ticket);
    }
}

impl fmt::Debug for ManualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ManualClock").field(&self.now()).finish()
    }
}
