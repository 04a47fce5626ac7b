//! The front door: key → site → driver → verdict.

mod build_error;
mod builder;
mod call;
mod gauges;
mod global;
mod manual;
mod metrics;
mod policies;
mod report;
mod sites;
mod timer;

pub use build_error::BuildError;
pub use builder::{EngineBuilder, TimerThread};
pub use call::CallBuilder;
pub use global::{AlreadyInitialised, init, run};
pub use report::{BudgetReport, BudgetSnapshot, HedgePlan};
pub use timer::Timer;

use std::{
    fmt,
    panic::{RefUnwindSafe, UnwindSafe},
    sync::Arc,
};

use metrics::Loads;

use crate::{
    clock::Clock,
    control::Book,
    drive::{self, Attempt, Error, Host, Options, Worker, manual::Manual},
    notes::Timeline,
    observe::Observers,
    policy::Policy,
    registry::Registry,
    site::Site,
    sync::{Arc as Shared, AtomicU64, Mutex, Swap},
};

/// The key under which calls are made whose own key is no key, or one too many.
pub const OTHER: &str = "other";

/// The front door: one per program, or as many as there are backends to keep apart.
///
/// Cheap to clone; every clone is the same engine. Thread-safe. It starts no thread of its own.
///
/// ```
/// use rego::{Engine, Policy};
/// use std::time::Duration;
///
/// let engine = Engine::builder()
///     .policy(
///         "user-service.GetUser",
///         Policy::builder().max_attempts(4).overall_timeout(Duration::from_secs(1)).build()?,
///     )
///     .build()?;
///
/// let mut failures = 2;
/// let user = engine.run("user-service.GetUser", |attempt| {
///     if failures > 0 {
///         failures -= 1;
///         return Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset));
///     }
///     Ok(format!("found by attempt {}", attempt.number()))
/// })?;
/// assert_eq!(user, "found by attempt 2");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    host: Arc<Host>,
    observers: Option<Arc<Observers>>,
    loads: Loads,
    manual: Manual,
    sites: Registry<Site>,
    /// Look-ups of keys for which there was no room.
    keys_refused: AtomicU64,
    book: Swap<Book>,
    /// Held while a book is revised or a site is made: calls of known keys never wait for it.
    revising: Mutex<()>,
}

/// A call site of an engine: what a hot path keeps, so that nothing is looked up per call.
///
/// Cheap to clone. Thread-safe. Policies change under it.
///
/// ```
/// use rego::Engine;
///
/// let engine = Engine::builder().build()?;
/// let get_user = engine.site("user-service.GetUser");
/// let user = get_user.run(|_| Ok::<_, std::io::Error>("ada"))?;
/// assert_eq!(user, "ada");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct CallSite {
    host: Arc<Host>,
    site: Shared<Site>,
}

impl Engine {
    /// Starts to build an engine.
    pub fn builder() -> EngineBuilder {
        EngineBuilder::new()
    }

    /// Runs `op` on this thread until it succeeds or the policy of `key` ends the call. One hash
    /// and one look-up more than [`CallSite::run`].
    ///
    /// A key that cannot be one, or is one too many, shares the policy and the budgets of
    /// [`OTHER`]; the call is made all the same.
    ///
    /// # Errors
    ///
    /// The verdict and the last real error. A value is never turned into an error: where the last
    /// attempt produced one, it is returned, whatever it was classified as.
    ///
    /// # Panics
    ///
    /// Where the last attempt panicked, its panic goes on here.
    #[inline]
    pub fn run<T, E: 'static>(
        &self,
        key: &str,
        op: impl FnMut(&Attempt<'_>) -> Result<T, E>,
    ) -> Result<T, Error<E>> {
        drive::inline::run(&self.0.host, self.0.find(key).value(), &Options::default(), op, None)
    }

    /// As [`run`](Self::run), and tells what happened.
    ///
    /// # Panics
    ///
    /// As [`run`](Self::run).
    pub fn run_with_timeline<T, E: 'static>(
        &self,
        key: &str,
        op: impl FnMut(&Attempt<'_>) -> Result<T, E>,
    ) -> (Result<T, Error<E>>, Timeline) {
        self.site(key).call().run_with_timeline(op)
    }

    /// Runs `op` on the executor's threads, hedged as the policy of `key` says, and returns as soon
    /// as one attempt wins; this thread waits. What loses is asked to stop and finishes later.
    ///
    /// Without an executor and without a [donated thread](Self::worker), and on a thread that is
    /// itself one of its [`Workers`](crate::Workers), it is made as by [`run`](Self::run): parking a worker inside the pool it waits for would be
    /// a deadlock. The same holds for any other pool, which rego cannot see: do not call this from
    /// the threads of the executor.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    ///
    /// # Panics
    ///
    /// Where an attempt panicked and no other answered, its panic goes on here.
    pub fn race<T, E, F>(&self, key: &str, op: F) -> Result<T, Error<E>>
    where
        T: Send + 'static,
        E: Send + 'static,
        F: Fn(&Attempt<'_>) -> Result<T, E> + Send + Sync + 'static,
    {
        self.site(key).race(op)
    }

    /// The call site of a key.
    #[must_use]
    pub fn site(&self, key: &str) -> CallSite {
        CallSite { host: Arc::clone(&self.0.host), site: self.0.find(key).to_arc() }
    }

    /// For a thread to be donated to: it runs attempts of [`race`](Self::race)s until the last clone
    /// of the engine and of its call sites is gone. An engine with an executor of its own gives it
    /// nothing to do.
    ///
    /// ```
    /// use rego::Engine;
    ///
    /// let engine = Engine::builder().build()?;
    /// let worker = engine.worker();
    /// let donated = std::thread::spawn(move || worker.run());
    /// assert_eq!(engine.race("svc.Get", |_| Ok::<_, std::io::Error>(7))?, 7);
    /// drop(engine);
    /// donated.join().expect("no panic");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn worker(&self) -> Worker {
        self.0.host.workers.worker()
    }

    /// The timer of races that run [inline-first](EngineBuilder::inline_first), for a thread to be
    /// donated to; `None` for an engine that needs none.
    #[must_use]
    pub fn timer(&self) -> Option<Timer> {
        let alarms = self.0.host.alarms.clone()?;
        Some(Timer::new(alarms, self.0.host.clock.clone()))
    }

    /// The clock it runs on.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.0.host.clock
    }
}

impl CallSite {
    /// As [`Engine::run`], without looking anything up.
    ///
    /// # Errors
    ///
    /// As [`Engine::run`].
    ///
    /// # Panics
    ///
    /// As [`Engine::run`].
    #[inline]
    pub fn run<T, E: 'static>(
        &self,
        op: impl FnMut(&Attempt<'_>) -> Result<T, E>,
    ) -> Result<T, Error<E>> {
        drive::inline::run(&self.host, &self.site, &Options::default(), op, None)
    }

    /// As [`Engine::race`], without looking anything up.
    ///
    /// # Errors
    ///
    /// As [`Engine::run`].
    ///
    /// # Panics
    ///
    /// As [`Engine::race`].
    pub fn race<T, E, F>(&self, op: F) -> Result<T, Error<E>>
    where
        T: Send + 'static,
        E: Send + 'static,
        F: Fn(&Attempt<'_>) -> Result<T, E> + Send + Sync + 'static,
    {
        self.race_with(&Options::default(), op, None)
    }

    fn race_with<T, E, F>(
        &self,
        options: &Options,
        op: F,
        timeline: Option<&mut Option<Timeline>>,
    ) -> Result<T, Error<E>>
    where
        T: Send + 'static,
        E: Send + 'static,
        F: Fn(&Attempt<'_>) -> Result<T, E> + Send + Sync + 'static,
    {
        if !self.host.is_staffed() || options.is_cancelled() || drive::pool::on_worker_thread() {
            return drive::inline::run(&self.host, &self.site, options, op, timeline);
        }
        drive::pool::race(&self.host, &self.site, options, op, timeline)
    }

    /// Starts a call with options of its own.
    pub fn call(&self) -> CallBuilder<'_> {
        CallBuilder::new(self)
    }

    /// The key.
    #[must_use]
    pub fn key(&self) -> &str {
        self.site.name()
    }

    /// The policy in force.
    #[must_use]
    pub fn policy(&self) -> Policy {
        self.site.terms().policy.clone()
    }

    /// On which terms calls are made, as a number: another one when a policy was put in force, or the
    /// engine has panicked. See
    /// [`Manual::standing`](crate::manual::Manual::standing). One load.
    #[inline]
    #[must_use]
    pub fn edition(&self) -> u64 {
        self.site.edition()
    }

    /// Where that number lies, for as long as the engine lives: an atomic word.
    #[cfg(not(rego_loom))]
    #[doc(hidden)]
    #[must_use]
    pub fn edition_word(&self) -> *const u64 {
        self.site.edition_word()
    }

    /// Whether that policy hedges, for hosts that ask at every call.
    #[doc(hidden)]
    #[must_use]
    pub fn hedges(&self) -> bool {
        self.site.terms().policy.hedge.enabled
    }
}

// A panic in an operation or a hook never leaves an engine half changed: what calls share is
// counters and words that change in one step each.
impl UnwindSafe for Engine {}
impl RefUnwindSafe for Engine {}
impl UnwindSafe for CallSite {}
impl RefUnwindSafe for CallSite {}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("keys", &self.0.sites.count()).finish_non_exhaustive()
    }
}

impl fmt::Debug for CallSite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CallSite").field(&self.key()).finish()
    }
}
