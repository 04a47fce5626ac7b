//! The only door to time: [`Nanos`], [`Clock`], [`ManualClock`].
//!
//! Nothing below the drivers reads a clock: `now` is an argument. A clock is read once per event,
//! and the reading is passed down.

mod host;
mod manual;
mod nanos;

pub use manual::ManualClock;
pub use nanos::Nanos;

use std::{fmt, sync::Arc, time::Instant};

use crate::sync::Parker;
use host::HostClock;

/// Where an engine takes its time from: monotonic nanoseconds since some fixed, arbitrary point.
///
/// Cheap to clone; every clone tells the same time. Thread-safe.
///
/// ```
/// use rego::Clock;
///
/// let clock = Clock::default();
/// let before = clock.now();
/// assert!(clock.now() >= before);
/// ```
#[derive(Clone)]
pub struct Clock(Source);

#[derive(Clone)]
enum Source {
    /// The processor's time-stamp counter, calibrated; about 10 ns a reading.
    Tsc { clock: quanta::Clock, base: u64 },
    /// The operating system's monotonic clock; about 23 ns a reading.
    Instant { base: Instant },
    /// Moved by hand.
    Manual(ManualClock),
    /// The host's own.
    Host(Arc<HostClock>),
}

impl Clock {
    /// The processor's time-stamp counter where it is invariant, else the system's monotonic
    /// clock. The first clock of a process calibrates, which takes up to 200 ms; later ones reuse
    /// the calibration.
    #[must_use]
    pub fn tsc() -> Self {
        let clock = quanta::Clock::new();
        let base = clock.raw();
        Self(Source::Tsc { clock, base })
    }

    /// The system's monotonic clock (`std::time::Instant`).
    #[must_use]
    pub fn instant() -> Self {
        Self(Source::Instant { base: instant_now() })
    }

    /// A clock of the host's own. `now` must be cheap and should never go backwards; where it
    /// does, the engine goes on with the latest time it has seen. Where it panics, the engine goes
    /// on from its last reading at the system's pace, and counts it.
    pub fn host(now: impl Fn() -> Nanos + Send + Sync + 'static) -> Self {
        Self(Source::Host(Arc::new(HostClock::new(now))))
    }

    /// The time of now.
    #[inline]
    #[must_use]
    pub fn now(&self) -> Nanos {
        match &self.0 {
            Source::Tsc { clock, base } => {
                Nanos::from_nanos(clock.delta_as_nanos(*base, clock.raw()))
            }
            _ => self.ask(),
        }
    }

    /// The time of a clock that is not as cheap: out of line, so that callers stay small.
    #[inline(never)]
    fn ask(&self) -> Nanos {
        match &self.0 {
            Source::Tsc { .. } => self.now(),
            Source::Instant { base } => Nanos::from(instant_now().saturating_duration_since(*base)),
            Source::Manual(clock) => clock.now(),
            Source::Host(clock) => clock.now(),
        }
    }

    /// How many readings of a host's own clock panicked.
    pub(crate) fn panics(&self) -> u64 {
        match &self.0 {
            Source::Host(clock) => clock.panics(),
            _ => 0,
        }
    }

    /// Sleeps until `until`, or until the parker is woken. May return early: callers loop.
    /// [`Nanos::NEVER`] waits for a wake-up alone.
    pub(crate) fn park_until(&self, parker: &Parker, until: Nanos) {
        match &self.0 {
            Source::Manual(clock) => clock.park_until(parker, until),
            _ if until.is_never() => parker.park(None),
            _ => {
                let now = self.now();
                if now < until {
                    parker.park(Some((until - now).to_duration()));
                }
            }
        }
    }
}

fn instant_now() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "this room is the door to time")]
    Instant::now()
}

impl Default for Clock {
    /// [`Clock::tsc`].
    fn default() -> Self {
        Self::tsc()
    }
}

impl From<ManualClock> for Clock {
    fn from(clock: ManualClock) -> Self {
        Self(Source::Manual(clock))
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = match &self.0 {
            Source::Tsc { .. } => "tsc",
            Source::Instant { .. } => "instant",
            Source::Manual(_) => "manual",
            Source::Host(_) => "host",
        };
        f.debug_tuple("Clock").field(&source).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn real_clocks_move_forward_at_the_same_pace() {
        for clock in [Clock::tsc(), Clock::instant()] {
            let reference = Clock::instant();
            let (start, reference_start) = (clock.now(), reference.now());
            std::thread::sleep(Duration::from_millis(50));
            let (took, reference_took) = (clock.now() - start, reference.now() - reference_start);
            let ratio = took.as_nanos() as f64 / reference_took.as_nanos() as f64;
            assert!((0.9..1.1).contains(&ratio), "{clock:?} runs at {ratio} of real time");
        }
    }

    #[test]
    fn a_park_ends_by_time_or_by_a_wake_up_that_came_first() {
        let clock = Clock::instant();
        let parker = Parker::new();
        parker.unparker().unpark();
        clock.park_until(&parker, Nanos::NEVER);
        let until = clock.now() + Nanos::from_millis(5);
        while clock.now() < until {
            clock.park_until(&parker, until);
        }
    }

    #[test]
    fn a_hosts_clock_is_asked_every_time() {
        let calls = Arc::new(std::sync::atomic::AtomicU64::new(0));
        let seen = Arc::clone(&calls);
        let clock = Clock::host(move || {
            Nanos::from_nanos(seen.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
        });
        assert_eq!(clock.now(), Nanos::ZERO);
        assert_eq!(clock.now(), Nanos::from_nanos(1));
    }
}
