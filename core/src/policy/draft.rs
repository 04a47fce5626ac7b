//! What was asked for, before anyone checked it.

use super::{Idempotent, Jitter, Mode, Trigger};
use crate::{clock::Nanos, outcome::Class};

/// A policy as it was asked for: every field may be missing, none is checked yet.
///
/// [`Policy::builder`](super::Policy::builder) is the way to make one in Rust; this is the form
/// that documents and the C interface fill in.
///
/// ```
/// use rego::{Nanos, PolicyDraft, Strictness};
///
/// let mut draft = PolicyDraft::default();
/// draft.retry.max_attempts = Some(11);
/// draft.retry.overall_timeout = Some(Nanos::NEVER); // off
/// let policy = draft.normalize(Strictness::Load)?;
/// assert_eq!((policy.max_attempts(), policy.overall_timeout()), (10, None));
/// # Ok::<(), rego::PolicyErrors>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct PolicyDraft {
    /// A name of the user's own, carried into every record.
    pub id: Option<String>,
    /// The version of the policy, carried into every record.
    pub version: Option<String>,
    /// Whether the policy acts.
    pub mode: Option<Mode>,
    /// Whether repeating a request is safe.
    pub idempotent: Option<Idempotent>,
    /// The retry half.
    pub retry: RetryDraft,
    /// The hedge half.
    pub hedge: HedgeDraft,
}

/// The retry half of a [`PolicyDraft`].
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct RetryDraft {
    /// How many attempts at most, the first included, hedges not.
    pub max_attempts: Option<u32>,
    /// The backoff before the second attempt.
    pub initial_backoff: Option<Nanos>,
    /// The longest backoff.
    pub max_backoff: Option<Nanos>,
    /// How much longer each backoff is than the one before.
    pub multiplier: Option<f64>,
    /// How backoffs are spread.
    pub jitter: Option<Jitter>,
    /// The time of one attempt; [`Nanos::NEVER`] is off.
    pub attempt_timeout: Option<Nanos>,
    /// The time of the whole call; [`Nanos::NEVER`] is off.
    pub overall_timeout: Option<Nanos>,
    /// The longest Retry-After that is waited for.
    pub max_retry_after: Option<Nanos>,
    /// The name of the classifier.
    pub classifier: Option<String>,
    /// The name of the budget that pays for retries.
    pub budget: Option<String>,
    /// What one retry costs.
    pub cost: Option<u32>,
    /// Rules for failures of one class, in the order of [`Class::ALL`].
    pub per_class: [ClassRule; Class::ALL.len()],
}

/// What a policy says of failures of one class; what is missing is as for all.
///
/// ```
/// use rego::{Class, ClassRule, Policy};
///
/// let policy = Policy::builder()
///     .max_attempts(4)
///     .per_class(Class::Throttled, ClassRule::default().max_attempts(2).cost(5))
///     .build()?;
/// assert_eq!(policy.max_attempts_of(Class::Throttled), 2);
/// assert_eq!(policy.retry_cost_of(Class::Server), 1);
/// # Ok::<(), rego::PolicyErrors>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClassRule {
    /// How many attempts at most.
    pub max_attempts: Option<u32>,
    /// The backoff before the second attempt.
    pub initial_backoff: Option<Nanos>,
    /// What one retry costs.
    pub cost: Option<u32>,
}

/// The hedge half of a [`PolicyDraft`].
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct HedgeDraft {
    /// Whether slow attempts are hedged.
    pub enabled: Option<bool>,
    /// How many hedges per retry group.
    pub max_hedges: Option<u32>,
    /// What decides when a hedge is due.
    pub trigger: Option<Trigger>,
    /// The delay of a fixed trigger, and of any trigger that knows too little yet.
    pub delay: Option<Nanos>,
    /// The trigger's answer is never below this.
    pub min_delay: Option<Nanos>,
    /// The trigger's answer is never above this.
    pub max_delay: Option<Nanos>,
    /// The percentile that a `load` trigger makes shortest, as a share.
    pub objective: Option<f64>,
    /// How many calls a request makes at once: the objective is the request's then.
    pub fan_out: Option<u32>,
    /// Whether the first terminal failure ends the group.
    pub cancel_on_first_terminal: Option<bool>,
    /// The name of the budget that pays for hedges.
    pub budget: Option<String>,
    /// What one hedge costs.
    pub cost: Option<u32>,
}

/// What becomes of a draft that is out of range but not senseless.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Strictness {
    /// A person is there to read the error: a value that is out of its range by more than a
    /// factor of 2, and hedging without a declaration of idempotency, are errors.
    Check,
    /// A fleet is running: such values are clamped and such hedging is off, and the policy says
    /// so ([`Policy::normalized`](super::Policy::normalized),
    /// [`Policy::hedging_refused`](super::Policy::hedging_refused)).
    Load,
}

impl PolicyDraft {
    /// Puts what `over` says over what this draft says, field by field.
    pub fn overlay(&mut self, over: &Self) {
        put(&mut self.id, &over.id);
        put(&mut self.version, &over.version);
        put(&mut self.mode, &over.mode);
        put(&mut self.idempotent, &over.idempotent);
        self.retry.overlay(&over.retry);
        self.hedge.overlay(&over.hedge);
    }
}

impl RetryDraft {
    fn overlay(&mut self, over: &Self) {
        put(&mut self.max_attempts, &over.max_attempts);
        put(&mut self.initial_backoff, &over.initial_backoff);
        put(&mut self.max_backoff, &over.max_backoff);
        put(&mut self.multiplier, &over.multiplier);
        put(&mut self.jitter, &over.jitter);
        put(&mut self.attempt_timeout, &over.attempt_timeout);
        put(&mut self.overall_timeout, &over.overall_timeout);
        put(&mut self.max_retry_after, &over.max_retry_after);
        put(&mut self.classifier, &over.classifier);
        put(&mut self.budget, &over.budget);
        put(&mut self.cost, &over.cost);
        for (rule, over) in self.per_class.iter_mut().zip(&over.per_class) {
            put(&mut rule.max_attempts, &over.max_attempts);
            put(&mut rule.initial_backoff, &over.initial_backoff);
            put(&mut rule.cost, &over.cost);
        }
    }
}

impl HedgeDraft {
    fn overlay(&mut self, over: &Self) {
        put(&mut self.enabled, &over.enabled);
        put(&mut self.max_hedges, &over.max_hedges);
        put(&mut self.trigger, &over.trigger);
        put(&mut self.delay, &over.delay);
        put(&mut self.min_delay, &over.min_delay);
        put(&mut self.objective, &over.objective);
        put(&mut self.fan_out, &over.fan_out);
        put(&mut self.max_delay, &over.max_delay);
        put(&mut self.cancel_on_first_terminal, &over.cancel_on_first_terminal);
        put(&mut self.budget, &over.budget);
        put(&mut self.cost, &over.cost);
    }
}

fn put<T: Clone>(under: &mut Option<T>, over: &Option<T>) {
    if over.is_some() {
        under.clone_from(over);
    }
}

impl ClassRule {
    /// At most this many attempts.
    #[must_use]
    pub const fn max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = Some(attempts);
        self
    }

    /// This backoff before the second attempt.
    #[must_use]
    pub fn initial_backoff(mut self, backoff: std::time::Duration) -> Self {
        self.initial_backoff = Some(backoff.into());
        self
    }

    /// One retry costs this much.
    #[must_use]
    pub const fn cost(mut self, cost: u32) -> Self {
        self.cost = Some(cost);
        self
    }
}
