//! Numbers that cannot be wrong: draft → policy, and the documents they come from.

mod budget;
mod builder;
#[cfg(feature = "documents")]
mod document;
mod draft;
mod error;
mod getters;
#[cfg(feature = "documents")]
mod lints;
mod normalize;
mod words;

pub use budget::{Budget, Funding, RatioBudget};
pub use builder::PolicyBuilder;
#[cfg(feature = "documents")]
pub use document::{Document, Format, Matched, Origin};
pub use draft::{ClassRule, HedgeDraft, PolicyDraft, RetryDraft, Strictness};
pub use error::{PolicyError, PolicyErrorKind, PolicyErrors};
pub use words::{Idempotent, Jitter, Mode, Trigger, UnknownMode};

use std::sync::Arc;

use crate::{clock::Nanos, outcome::Class};

/// The budget that allows all. It is asked for by this name and never defined.
pub(crate) const UNLIMITED: &str = "unlimited";

/// How calls of a key are made: numbers that cannot be wrong.
///
/// A policy is made by [`Policy::builder`], by a preset, or by a document; every way checks the
/// same limits. A value outside its range is put to the nearest end of it, and
/// [`Policy::normalized`] tells so; more than a factor of 2 outside it is an error
/// ([`Strictness`] says when).
///
/// | field | default | range |
/// |---|---|---|
/// | `mode` | `active` | `active`, `observe`, `off` |
/// | `idempotent` | unset | unset, yes, no |
/// | `retry.max_attempts` | 3 | 1 to 10; 0 is an error |
/// | `retry.initial_backoff` | 10 ms | 10 µs to 30 s |
/// | `retry.max_backoff` | 250 ms, or the initial one if that is longer | the initial one to 30 s |
/// | `retry.multiplier` | 2 | 1 to 10 |
/// | `retry.jitter` | full | none, full, equal, decorrelated |
/// | `retry.attempt_timeout` | off | at least 100 µs |
/// | `retry.overall_timeout` | 30 s | at least 100 µs |
/// | `retry.max_retry_after` | 5 s | any |
/// | `retry.classifier` | `auto` | a registered name |
/// | `retry.budget` | the site's own, cost 1 | a defined name; cost 1 to 1000 |
/// | `retry.per_class` | none | as for all classes; the backoff at most `retry.max_backoff` |
/// | `hedge.enabled` | no | needs `idempotent` = yes |
/// | `hedge.max_hedges` | 1 | 1 to 3, `load` allows 1; 0 is an error |
/// | `hedge.trigger` | fixed | fixed, quantile in (0, 1), load in (0, 1] |
/// | `hedge.delay` | 200 ms | at least 100 µs |
/// | `hedge.min_delay` | 100 µs | at least 100 µs |
/// | `hedge.max_delay` | 10 s, or the shortest one if that is longer | at least the shortest one |
/// | `hedge.cancel_on_first_terminal` | yes | yes, no |
/// | `hedge.budget` | the site's own for hedges, cost 1 | a defined name; cost 1 to 1000 |
/// | `id`, `version` | empty | at most 256 bytes, no control characters |
///
/// ```
/// use std::time::Duration;
/// use rego::Policy;
///
/// let policy = Policy::builder()
///     .max_attempts(4)
///     .attempt_timeout(Duration::from_millis(300))
///     .overall_timeout(Duration::from_secs(1))
///     .idempotent(true)
///     .hedge_quantile(0.95)
///     .build()?;
/// assert_eq!(policy.max_attempts(), 4);
/// assert_eq!(policy.overall_timeout(), Some(Duration::from_secs(1)));
/// assert!(policy.normalized().is_empty());
/// # Ok::<(), rego::PolicyErrors>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    pub(crate) id: Arc<str>,
    pub(crate) version: Arc<str>,
    pub(crate) mode: Mode,
    pub(crate) idempotent: Idempotent,
    pub(crate) retry: Retry,
    pub(crate) hedge: Hedge,
    /// Hedging was asked for without a declaration of idempotency: it is off.
    pub(crate) hedging_refused: bool,
    pub(crate) normalized: Vec<Clamp>,
}

/// The retry half of a policy.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Retry {
    pub(crate) max_attempts: u8,
    pub(crate) initial_backoff: Nanos,
    pub(crate) max_backoff: Nanos,
    pub(crate) multiplier: f64,
    pub(crate) jitter: Jitter,
    /// [`Nanos::NEVER`] when off.
    pub(crate) attempt_timeout: Nanos,
    /// [`Nanos::NEVER`] when off.
    pub(crate) overall_timeout: Nanos,
    pub(crate) max_retry_after: Nanos,
    pub(crate) classifier: Arc<str>,
    /// `None`: the site's own.
    pub(crate) budget: Option<Arc<str>>,
    pub(crate) cost: u16,
    pub(crate) per_class: [PerClass; Class::ALL.len()],
}

/// What a policy says of failures of one class; 0 means: as for all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PerClass {
    pub(crate) max_attempts: u8,
    pub(crate) initial_backoff: Nanos,
    pub(crate) cost: u16,
}

/// The hedge half of a policy.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Hedge {
    pub(crate) enabled: bool,
    pub(crate) max_hedges: u8,
    pub(crate) trigger: Trigger,
    pub(crate) delay: Nanos,
    pub(crate) min_delay: Nanos,
    pub(crate) max_delay: Nanos,
    pub(crate) cancel_on_first_terminal: bool,
    /// `None`: the site's own.
    pub(crate) budget: Option<Arc<str>>,
    pub(crate) cost: u16,
}

/// A value that was out of its range and was put to the nearest end of it.
///
/// ```
/// let policy = rego::Policy::builder().max_attempts(12).build()?;
/// let clamp = &policy.normalized()[0];
/// assert_eq!(clamp.to_string(), "retry.max_attempts: 12 became 10");
/// # Ok::<(), rego::PolicyErrors>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Clamp {
    /// The field, as written in a document: `retry.max_backoff`.
    pub field: &'static str,
    /// What was asked for.
    pub asked: String,
    /// What is in force.
    pub used: String,
}

impl std::fmt::Display for Clamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {} became {}", self.field, self.asked, self.used)
    }
}

impl Default for Policy {
    /// The conservative policy of a key that nobody spoke of.
    fn default() -> Self {
        Self {
            id: "".into(),
            version: "".into(),
            mode: Mode::Active,
            idempotent: Idempotent::Unset,
            retry: Retry::default(),
            hedge: Hedge::default(),
            hedging_refused: false,
            normalized: Vec::new(),
        }
    }
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            max_attempts: 3,
            initial_backoff: Nanos::from_millis(10),
            max_backoff: Nanos::from_millis(250),
            multiplier: 2.0,
            jitter: Jitter::Full,
            attempt_timeout: Nanos::NEVER,
            overall_timeout: Nanos::from_secs(30),
            max_retry_after: Nanos::from_secs(5),
            classifier: "auto".into(),
            budget: None,
            cost: 1,
            per_class: [PerClass::default(); Class::ALL.len()],
        }
    }
}

impl Default for Hedge {
    fn default() -> Self {
        Self {
            enabled: false,
            max_hedges: 1,
            trigger: Trigger::Fixed,
            delay: Nanos::from_millis(200),
            min_delay: Nanos::from_micros(100),
            max_delay: Nanos::from_secs(10),
            cancel_on_first_terminal: true,
            budget: None,
            cost: 1,
        }
    }
}

#[cfg(test)]
mod tests;
