//! How an engine is put together.

use std::{collections::HashMap, error, fmt, sync::Arc};

use super::{Engine, Inner, OTHER, make_site};
use crate::{
    budget::{BudgetState, Deposits},
    classify::{Classifier, Classifiers},
    clock::Clock,
    control::Book,
    drive::{Executor, Host, Seeds},
    key::{Key, KeyError},
    policy::{Budget, Mode, Policy, PolicyErrors, UNLIMITED},
    registry::{self, Registry},
    sync::{Arc as Shared, Mutex, Swap},
};

/// The variable that sets an engine's mode from outside: `active`, `observe` or `off`.
const MODE_VARIABLE: &str = "REGO_MODE";

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
    budgets: HashMap<String, Budget>,
    policies: Vec<(String, Policy)>,
    default_policy: Option<Policy>,
    classifiers: Classifiers,
    executor: Option<Arc<dyn Executor>>,
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
            budgets: HashMap::new(),
            policies: Vec::new(),
            default_policy: None,
            classifiers: Classifiers::default(),
            executor: None,
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
    pub fn executor(mut self, executor: impl Executor + 'static) -> Self {
        self.executor = Some(Arc::new(executor));
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
            definition.validate().map_err(wrong)?;
            let state = BudgetState::new(name, definition, Deposits::PerCall, now);
            book.insert_budget(name, Shared::new(state));
        }
        for (key, policy) in std::mem::take(&mut self.policies) {
            let parsed =
                Key::parse(&key).map_err(|source| BuildError::Key { key: key.clone(), source })?;
            check_names(&book, &key, &policy)?;
            book.insert(&parsed, policy);
        }
        if let Some(policy) = self.default_policy.take() {
            check_names(&book, "the default policy", &policy)?;
            book.set_default(policy);
        }
        let overflow = make_site(&book, OTHER, now);
        let host = Host {
            clock,
            seeds: self.seed.map_or_else(Seeds::random, Seeds::fixed),
            listener: None,
        };
        Ok(Engine(Arc::new(Inner {
            host: Arc::new(host),
            executor: self.executor,
            sites: Registry::new(self.max_keys, overflow),
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

impl fmt::Debug for EngineBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EngineBuilder")
            .field("budgets", &self.budgets)
            .field("policies", &self.policies)
            .finish_non_exhaustive()
    }
}

fn check_names(book: &Book, key: &str, policy: &Policy) -> Result<(), BuildError> {
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

/// Why an engine cannot be built.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum BuildError {
    /// A policy's key is no key.
    Key {
        /// What was given.
        key: String,
        /// What is wrong with it.
        source: KeyError,
    },
    /// A budget's definition is wrong.
    Budget {
        /// Its name.
        name: String,
        /// What is wrong with it.
        source: PolicyErrors,
    },
    /// A policy names a budget that is not defined.
    UnknownBudget {
        /// The policy's key.
        key: String,
        /// The name.
        name: String,
    },
    /// A policy names a classifier that is not registered.
    UnknownClassifier {
        /// The policy's key.
        key: String,
        /// The name.
        name: String,
    },
    /// A classifier cannot be registered.
    Classifier(crate::classify::ClassifierError),
    /// `REGO_MODE` has an unknown value.
    Mode {
        /// The value.
        value: String,
    },
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key { key, source } => write!(f, "policy for {}: {source}", Quoted(key)),
            Self::Budget { name, source } => write!(f, "budget {name:?}: {source}"),
            Self::UnknownBudget { key, name } => {
                write!(
                    f,
                    "policy for {key:?}: there is no budget {name:?}; define it with `.budget({name:?}, …)`"
                )
            }
            Self::UnknownClassifier { key, name } => {
                write!(f, "policy for {key:?}: there is no classifier {name:?}")
            }
            Self::Classifier(error) => error.fmt(f),
            Self::Mode { value } => {
                write!(f, "{MODE_VARIABLE}={value:?}: it takes active, observe or off")
            }
        }
    }
}

/// A text that nobody has checked, cut to what fits a message.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.char_indices().nth(64) {
            Some((cut, _)) => write!(f, "{:?}…", &self.0[..cut]),
            None => write!(f, "{:?}", self.0),
        }
    }
}

impl error::Error for BuildError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Key { source, .. } => Some(source),
            Self::Budget { source, .. } => Some(source),
            Self::Classifier(error) => Some(error),
            _ => None,
        }
    }
}
