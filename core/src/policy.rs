//! Numbers that cannot be wrong: draft → policy, and the documents they come from.

mod budget;

pub use budget::{Budget, Funding};

use std::sync::Arc;

use crate::{clock::Nanos, outcome::Class};

/// How calls of a key are made: numbers that cannot be wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    pub(crate) id: Arc<str>,
    pub(crate) version: Arc<str>,
    pub(crate) mode: Mode,
    pub(crate) idempotent: Idempotent,
    pub(crate) retry: Retry,
    pub(crate) hedge: Hedge,
    pub(crate) normalized: Vec<Clamp>,
}

/// Whether the policy acts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Mode {
    /// It does.
    #[default]
    Active = 0,
    /// One attempt; what would have been done is recorded.
    Observe = 1,
    /// One plain attempt.
    Off = 2,
}

/// Whether repeating a request is safe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Idempotent {
    /// Nobody said.
    #[default]
    Unset = 0,
    /// It is.
    Yes = 1,
    /// It is not.
    No = 2,
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

/// How a backoff is spread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Jitter {
    /// Not at all.
    None = 0,
    /// Uniform in [0, b).
    #[default]
    Full = 1,
    /// Uniform in [b/2, b).
    Equal = 2,
    /// Uniform in [initial, 3 × the previous wait), at most the maximum.
    Decorrelated = 3,
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

/// What decides when a hedge is due.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Trigger {
    /// The policy's delay.
    #[default]
    Fixed,
    /// This quantile of the latency, in (0, 1).
    Quantile(f64),
    /// At most this much extra load, in (0, 1]; the planner picks delay and probability.
    Load(f64),
}

/// A value that was out of its range and was put to the nearest end of it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Clamp {
    /// The field, as written in a document: `retry.max_backoff`.
    pub field: &'static str,
    /// What was asked for.
    pub asked: String,
    /// What is in force.
    pub used: String,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            id: "".into(),
            version: "".into(),
            mode: Mode::Active,
            idempotent: Idempotent::Unset,
            retry: Retry::default(),
            hedge: Hedge::default(),
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
