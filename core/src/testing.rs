//! What users need to test code that uses rego: an engine that does not sleep, scripted operations,
//! assertions on timelines.
//!
//! ```
//! use rego::{Policy, Verdict, testing};
//! use std::time::Duration;
//!
//! let (builder, clock) = testing::engine();
//! let policy = Policy::constant(Duration::from_secs(1)).build()?;
//! let engine = builder.policy("svc.Get", policy).build()?;
//!
//! // Twice no, the second time slowly, then yes.
//! let script = testing::Script::new()
//!     .fail("reset")
//!     .fail("timed out")
//!     .taking(Duration::from_millis(250))
//!     .succeed_with("hello");
//! let (result, timeline) = engine.run_with_timeline("svc.Get", script.op());
//!
//! assert_eq!(result.unwrap(), "hello");
//! assert_eq!(clock.now(), rego::Nanos::from_millis(2_250));
//! testing::expect(&timeline)
//!     .verdict(Verdict::Success)
//!     .attempts(3)
//!     .backoffs(&[Duration::from_secs(1), Duration::from_secs(1)])
//!     .took(Duration::from_millis(2_250));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod expect;
mod script;

pub use expect::{Expectations, expect};
pub use script::{Script, Seen};

use std::thread;

use crate::{
    clock::ManualClock,
    drive::{Rejected, Task},
    engine::{Engine, EngineBuilder},
};

/// What decides the random draws of [`engine`]s, unless the builder is given another.
const SEED: u64 = 1;

/// An engine that does not sleep, and its clock: whoever waits moves the clock to the end of the
/// wait at once. Its random draws repeat, and it does not look at `REGO_MODE`. For calls on their
/// caller's thread.
///
/// An hour of backoff takes microseconds, and takes the same hour every time. To hold time still
/// until the test moves it, give the builder a clock of your own:
/// `builder.clock(ManualClock::new())`.
///
/// ```
/// use rego::{Policy, testing};
/// use std::time::Duration;
///
/// let (builder, clock) = testing::engine();
/// let nightly = Policy::background_job().no_overall_timeout().build()?;
/// let engine = builder.policy("jobs.Nightly", nightly).build()?;
///
/// let error = engine.run("jobs.Nightly", |_| Err::<(), _>("still down")).unwrap_err();
/// assert_eq!(error.attempts, 8);
/// assert!(clock.now() > rego::Nanos::from_secs(1), "it would have slept, with jitter");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn engine() -> (EngineBuilder, ManualClock) {
    let clock = ManualClock::auto_advance();
    let builder = Engine::builder().clock(clock.clone()).seed(SEED).ignore_environment();
    (builder, clock)
}

/// An executor for tests of [`race`](Engine::race): a new thread for every attempt.
///
/// Threads race in real time: leave such an engine its own clock, and let the attempts that are to
/// lose [hang](Script::hang).
///
/// ```
/// use rego::{CancelReason, Engine, Policy, testing};
/// use std::time::Duration;
///
/// let hedged = Policy::builder().idempotent(true).hedge_after(Duration::from_millis(1)).build()?;
/// let engine = Engine::builder().policy("svc.Get", hedged).executor(testing::threads).build()?;
///
/// // The primary hangs until it is asked to stop; its hedge answers.
/// let script = testing::Script::new().hang("asked to stop").succeed_with("hedge");
/// let (result, timeline) = engine.site("svc.Get").call().race_with_timeline(script.op());
/// assert_eq!(result.unwrap(), "hedge");
/// testing::expect(&timeline).attempts(2).hedges(1).answered_by(1);
/// testing::expect(&timeline).cancelled(0, CancelReason::LostRace);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`Rejected`] if the system has no more threads.
pub fn threads(task: Task) -> Result<(), Rejected> {
    let run = move || task.run();
    #[expect(clippy::disallowed_methods, reason = "whoever installs this asks for threads")]
    let spawned = thread::Builder::new().name("rego-testing".to_owned()).spawn(run);
    spawned.map(drop).map_err(|_| Rejected)
}

#[cfg(test)]
mod tests;
