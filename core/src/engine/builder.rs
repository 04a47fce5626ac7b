//! How an engine is put together.

use std::{collections::HashMap, fmt, sync::Arc};

use super::{BuildError, Engine, Inner, OTHER, metrics::Loads, sites::make_site};
use crate::{
    classify::{Classifier, Classifiers},
    clock::Clock,
    control::Book,
    drive::{
        Executor, Host, Seeds, Workers,
        manual::{DEFAULT_MAX_FLIGHTS, Manual},
    },
    key::Key,
    listener::Listener,
    observe::{EventRing, Observer, Observers},
    policy::{Budget, Mode, Policy, UNLIMITED},
    registry::{self, Registry},
    sync::{Arc as Shared, AtomicU64, Mutex, Swap},
};

/// The variable that sets an engine's mode from outside: `active`, `observe` or `off`.
pub(super) const MODE_VARIABLE: &str = "REGO_MODE";

/// How many attempts may wait for a donated thread.
const QUEUE: usize = 1_024;

/// Puts an [`Engine`] together.
///
/// ```
/// use rego::{Budget, Engine, Policy};
/// use std::time::Duration;
///
/// let engine = Engine::builder()
///     .budget("users", Budget::ratio(0.1))
///     .policy(
///         "user-service.GetUser",
///         Policy::builder()
///             .max_attempts(4)
///             .attempt_timeout(Duration::from_millis(300))
///             .overall_timeout(Duration::from_secs(1))
///             .retry_budget("users")
///             .build()?,
///     )
///     .build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "an engine is made by `build`"]
pub struct EngineBuilder {
    clock: Option<Clock>,
    seed: Option<u64>,
    mode: Option<Mode>,
    environment: bool,
    max_keys: usize,
    max_flights: usize,
    budgets: HashMap<String, Budget>,
    policies: Vec<(String, Policy)>,
    default_policy: Option<Policy>,
    classifiers: Classifiers,
    executor: Option<Arc<dyn Executor>>,
    observers: Vec<Arc<dyn Observer>>,
    event_ring: Option<usize>,
    inline_first: Option<TimerThread>,
    errors: Vec<BuildError>,
}

impl EngineBuilder {
    pub(super) fn new() -> Self {
        Self {
            clock: None,
            seed: None,
            mode: None,
            environment: true,
            max_keys: registry::DEFAULT_MAX,
            max_flights: DEFAULT_MAX_FLIGHTS,
            budgets: HashMap::new(),
            policies: Vec::new(),
            default_policy: None,
            classifiers: Classifiers::default(),
            executor: None,
            observers: Vec::new(),
            event_ring: None,
            inline_first: None,
            errors: Vec::new(),
        }
    }

    /// The policy of `svc.Method`, or of all of `svc.*`.
    pub fn policy(mut self, key: &str, policy: Policy) -> Self {
        self.policies.push((key.to_owned(), policy));
        self
    }

    /// The policy of keys that have none.
    pub fn default_policy(mut self, policy: Policy) -> Self {
        self.default_policy = Some(policy);
        self
    }

    /// A budget that policies may name, and share.
    pub fn budget(mut self, name: &str, budget: impl Into<Budget>) -> Self {
        self.budgets.insert(name.to_owned(), budget.into());
        self
    }

    /// A classifier that policies may name.
    pub fn classifier(mut self, name: &str, classifier: impl Classifier + 'static) -> Self {
        if let Err(error) = self.classifiers.add(name, classifier) {
            self.errors.push(BuildError::Classifier(error));
        }
        self
    }

    /// The threads on which [`Engine::race`] runs attempts: all of them are the caller's.
    ///
    /// It is kept until the last clone of the engine, its call sites, its
    /// [`Manual`](crate::manual::Manual) and its event loops is gone, and the last attempt of a race:
    /// so a thread that runs attempts until its channel closes keeps none of these itself.
    pub fn executor(mut self, executor: impl Executor + 'static) -> Self {
        self.executor = Some(Arc::new(executor));
        self
    }

    /// Runs the primary attempt of a [race](Engine::race) on its caller's thread, and only hedges
    /// on the executor: for operations that heed their cancel. It saves the hand-off, 4 to 20 µs a
    /// call. The caller is busy then, so some other thread must be the timer.
    ///
    /// ```
    /// use rego::{Engine, TimerThread, Workers};
    ///
    /// let engine = Engine::builder()
    ///     .executor(Workers::new(64))
    ///     .inline_first(TimerThread::Own)
    ///     .build()?;
    /// let caller = std::thread::current().id();
    /// let here = engine
    ///     .race("svc.Get", move |_| Ok::<_, std::io::Error>(std::thread::current().id() == caller))?;
    /// assert!(here);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn inline_first(mut self, timer: TimerThread) -> Self {
        self.inline_first = Some(timer);
        self
    }

    /// Tells an observer what happens in every call. Several are told one after the other; a panic
    /// of one is counted and keeps nobody from hearing.
    ///
    /// ```
    /// use rego::{CallEnded, Engine, Observer};
    ///
    /// struct Print;
    ///
    /// impl Observer for Print {
    ///     fn on_failure(&self, call: &CallEnded<'_>) {
    ///         eprintln!("{}: {}", call.key, call.verdict);
    ///     }
    /// }
    ///
    /// let engine = Engine::builder().observer(Print).build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn observer(mut self, observer: impl Observer + 'static) -> Self {
        self.observers.push(Arc::new(observer));
        self
    }

    /// Keeps the last events of all calls for [`Engine::drain_events`]: as many as `capacity`,
    /// rounded up to a power of two; what finds no room is counted. 8,192 is plenty for most.
    pub fn event_ring(mut self, capacity: usize) -> Self {
        self.event_ring = Some(capacity);
        self
    }

    /// The clock: the processor's counter by default.
    pub fn clock(mut self, clock: impl Into<Clock>) -> Self {
        self.clock = Some(clock.into());
        self
    }

    /// Makes every random draw repeat: the same calls in the same order get the same jitter. For
    /// tests and simulation; calls then share a counter.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// The engine's own mode; the stricter of it and a policy's counts. `REGO_MODE` overrides it.
    pub fn mode(mut self, mode: Mode) -> Self {
        self.mode = Some(mode);
        self
    }

    /// How many keys are told apart, 1,024 by default; later ones share one site.
    pub fn max_keys(mut self, keys: usize) -> Self {
        self.max_keys = keys.max(1);
        self
    }

    /// How many calls [`Engine::manual`] has in the air at most, 65,536 by default and fewer than
    /// 2²⁴; further ones pass through: one plain attempt each, counted. About 2 KiB each; memory
    /// comes as it is needed and stays.
    pub fn max_flights(mut self, flights: usize) -> Self {
        self.max_flights = flights;
        self
    }

    /// Does not look at `REGO_MODE`.
    pub fn ignore_environment(mut self) -> Self {
        self.environment = false;
        self
    }

    /// Puts it together.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong: a key that is none, a budget or a classifier that is named
    /// and not defined, a definition out of its range, a variable with an unknown value.
    pub fn build(mut self) -> Result<Engine, BuildError> {
        if !self.errors.is_empty() {
            return Err(self.errors.swap_remove(0));
        }
        let clock = self.clock.take().unwrap_or_default();
        let now = clock.now();
        let mode = self.effective_mode()?;
        let classifiers = std::mem::take(&mut self.classifiers);
        let mut book = Book::new(classifiers, mode);
        for (name, definition) in &self.budgets {
            let wrong = |source| BuildError::Budget { name: name.clone(), source };
            if let Some(fault) = Budget::name_fault(name) {
                return Err(wrong([fault].into_iter().collect()));
            }
            definition.validate().map_err(wrong)?;
            book.define(name, definition, now);
        }
        for (key, policy) in std::mem::take(&mut self.policies) {
            let pattern = pattern(&key)?;
            check_names(&book, &key, &policy)?;
            book.insert(&pattern, policy);
        }
        if let Some(policy) = self.default_policy.take() {
            check_names(&book, "the default policy", &policy)?;
            book.set_default(policy);
        }
        let overflow = make_site(&book, OTHER, now);
        let ring = self.event_ring.map(EventRing::new);
        let observers = Observers::new(self.observers, ring);
        let host = Host {
            clock,
            executor: self.executor,
            workers: Workers::new(QUEUE),
            seeds: self.seed.map_or_else(Seeds::random, Seeds::fixed),
            listener: observers.clone().map(|observers| observers as Arc<dyn Listener>),
            alarms: self.inline_first.map(|_| Arc::default()),
        };
        if self.inline_first == Some(TimerThread::Own) {
            start_timer_thread(&host)?;
        }
        let host = Arc::new(host);
        Ok(Engine(Arc::new(Inner {
            manual: Manual::new(&host, self.max_flights),
            host,
            observers,
            loads: Loads::default(),
            sites: Registry::new(self.max_keys, overflow),
            keys_refused: AtomicU64::new(0),
            book: Swap::new(Shared::new(book)),
            revising: Mutex::new(()),
        })))
    }

    fn effective_mode(&self) -> Result<Mode, BuildError> {
        let built = self.mode.unwrap_or_default();
        if !self.environment {
            return Ok(built);
        }
        match std::env::var(MODE_VARIABLE) {
            Ok(value) => value.trim().parse().map_err(|_| BuildError::Mode { value }),
            Err(_) => Ok(built),
        }
    }
}

/// Which thread is the timer of calls whose callers are busy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimerThread {
    /// One that the engine starts, and ends when the last of its clones and call sites is gone.
    Own,
    /// One that the host donates to [`Timer::run`](crate::Timer::run). Until it does, races are
    /// not hedged.
    Donated,
}

fn start_timer_thread(host: &Host) -> Result<(), BuildError> {
    let (Some(alarms), clock) = (host.alarms.clone(), host.clock.clone()) else { return Ok(()) };
    // Before there is a thread: the first race is hedged though its timer has yet to start.
    let elected = alarms.elect();
    debug_assert!(elected, "nobody else can have them yet");
    let thread = std::thread::Builder::new().name("rego-timer".to_owned());
    let started = {
        #[expect(clippy::disallowed_methods, reason = "the one thread, and only where asked for")]
        thread.spawn(move || alarms.drive(&clock))
    };
    started.map(drop).map_err(|error| BuildError::TimerThread { reason: error.to_string() })
}

impl fmt::Debug for EngineBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EngineBuilder")
            .field("budgets", &self.budgets)
            .field("policies", &self.policies)
            .finish_non_exhaustive()
    }
}

/// What a policy is for.
pub(super) fn pattern(key: &str) -> Result<Key, BuildError> {
    Key::parse_pattern(key).map_err(|source| BuildError::Key { key: key.to_owned(), source })
}

pub(super) fn check_names(book: &Book, key: &str, policy: &Policy) -> Result<(), BuildError> {
    let missing = |name: &str| name != UNLIMITED && book.budget(name).is_none();
    for name in [policy.retry_budget(), policy.hedge_budget()].into_iter().flatten() {
        if missing(name) {
            return Err(BuildError::UnknownBudget { key: key.to_owned(), name: name.to_owned() });
        }
    }
    let name = policy.classifier();
    if book.classifiers().get(name).is_none() {
        return Err(BuildError::UnknownClassifier { key: key.to_owned(), name: name.to_owned() });
    }
    Ok(())
}
