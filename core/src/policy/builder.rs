//! Policies made in code: the builder and the presets.

use std::time::Duration;

use super::{
    ClassRule, Idempotent, Jitter, Mode, Policy, PolicyDraft, PolicyErrors, Strictness, Trigger,
};
use crate::{clock::Nanos, outcome::Class};

/// Makes a [`Policy`]. What is not said is the default ([`Policy`] has the table).
///
/// Durations beyond 584 years count as for ever. Nothing is checked before
/// [`PolicyBuilder::build`], which tells everything that is wrong at once.
///
/// ```
/// use std::time::Duration;
/// use rego::{Jitter, Policy};
///
/// let policy = Policy::builder()
///     .initial_backoff(Duration::from_micros(250))
///     .max_backoff(Duration::from_millis(4))
///     .jitter(Jitter::Decorrelated)
///     .no_overall_timeout()
///     .build()?;
/// assert_eq!(policy.initial_backoff(), Duration::from_micros(250));
/// assert_eq!(policy.overall_timeout(), None);
///
/// let errors = Policy::builder().max_attempts(0).multiplier(f64::NAN).build().unwrap_err();
/// assert_eq!(errors.len(), 2);
/// # Ok::<(), rego::PolicyErrors>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[must_use]
pub struct PolicyBuilder {
    draft: PolicyDraft,
}

/// Where policies made in code begin. Each preset is a builder: change what you like, then
/// [`build`](PolicyBuilder::build).
///
/// | | attempts | backoff | jitter | per attempt | overall | Retry-After up to | classifier |
/// |---|---|---|---|---|---|---|---|
/// | `builder()` | 3 | 10 ms, ×2, ≤ 250 ms | full | – | 30 s | 5 s | `auto` |
/// | `http()` | 3 | 50 ms, ×2, ≤ 1 s | full | 3 s | 10 s | 5 s | `http` |
/// | `database()` | 3 | 10 ms, ×2, ≤ 500 ms | full | – | 5 s | 1 s | `auto` |
/// | `background_job()` | 8 | 1 s, ×2, ≤ 30 s | full | – | 10 min | 5 min | `auto` |
/// | `low_latency()` | 2 | 500 µs, ×2, ≤ 5 ms | full | 50 ms | 100 ms | 50 ms | `auto` |
/// | `constant(d)` | 3 | d | none | – | 30 s | 5 s | `auto` |
/// | `exponential(i, m)` | 3 | i, ×2, ≤ m | full | – | 30 s | 5 s | `auto` |
impl Policy {
    /// All the defaults.
    pub fn builder() -> PolicyBuilder {
        PolicyBuilder::default()
    }

    /// Requests to an HTTP service.
    ///
    /// ```
    /// let policy = rego::Policy::http().idempotent(true).hedge_load(0.02).build()?;
    /// assert_eq!(policy.classifier(), "http");
    /// # Ok::<(), rego::PolicyErrors>(())
    /// ```
    pub fn http() -> PolicyBuilder {
        Self::exponential(Duration::from_millis(50), Duration::from_secs(1))
            .attempt_timeout(Duration::from_secs(3))
            .overall_timeout(Duration::from_secs(10))
            .classifier("http")
    }

    /// Short queries; the attempt's own timeout is better left to the database.
    pub fn database() -> PolicyBuilder {
        Self::exponential(Duration::from_millis(10), Duration::from_millis(500))
            .overall_timeout(Duration::from_secs(5))
            .max_retry_after(Duration::from_secs(1))
    }

    /// Work that nobody waits for.
    pub fn background_job() -> PolicyBuilder {
        Self::exponential(Duration::from_secs(1), Duration::from_secs(30))
            .max_attempts(8)
            .overall_timeout(Duration::from_secs(600))
            .max_retry_after(Duration::from_secs(300))
    }

    /// Work that somebody waits for, on a fast network.
    pub fn low_latency() -> PolicyBuilder {
        Self::exponential(Duration::from_micros(500), Duration::from_millis(5))
            .max_attempts(2)
            .attempt_timeout(Duration::from_millis(50))
            .overall_timeout(Duration::from_millis(100))
            .max_retry_after(Duration::from_millis(50))
    }

    /// The same wait before every retry, without jitter.
    pub fn constant(backoff: Duration) -> PolicyBuilder {
        Self::exponential(backoff, backoff).multiplier(1.0).jitter(Jitter::None)
    }

    /// Waits that double from `initial` up to `max`, with full jitter.
    pub fn exponential(initial: Duration, max: Duration) -> PolicyBuilder {
        Self::builder().initial_backoff(initial).max_backoff(max)
    }
}

impl PolicyBuilder {
    /// A name of your own, carried into every record.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.draft.id = Some(id.into());
        self
    }

    /// The version of the policy, carried into every record.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.draft.version = Some(version.into());
        self
    }

    /// Whether the policy acts.
    pub fn mode(mut self, mode: Mode) -> Self {
        self.draft.mode = Some(mode);
        self
    }

    /// Whether repeating a request is safe. Hedging needs a yes.
    pub fn idempotent(mut self, idempotent: bool) -> Self {
        self.draft.idempotent = Some(Idempotent::from(idempotent));
        self
    }

    /// How many attempts at most, the first included, hedges not: 1 to 10.
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.draft.retry.max_attempts = Some(attempts);
        self
    }

    /// The backoff before the second attempt: 10 µs to 30 s.
    pub fn initial_backoff(mut self, backoff: Duration) -> Self {
        self.draft.retry.initial_backoff = Some(backoff.into());
        self
    }

    /// The longest backoff: at most 30 s.
    pub fn max_backoff(mut self, backoff: Duration) -> Self {
        self.draft.retry.max_backoff = Some(backoff.into());
        self
    }

    /// How much longer each backoff is than the one before: 1 to 10.
    pub fn multiplier(mut self, factor: f64) -> Self {
        self.draft.retry.multiplier = Some(factor);
        self
    }

    /// How backoffs are spread, so that clients do not come back all at once.
    pub fn jitter(mut self, jitter: Jitter) -> Self {
        self.draft.retry.jitter = Some(jitter);
        self
    }

    /// The time of one attempt: at least 100 µs.
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.draft.retry.attempt_timeout = Some(timeout.into());
        self
    }

    /// An attempt may take what is left of the call's time.
    pub fn no_attempt_timeout(mut self) -> Self {
        self.draft.retry.attempt_timeout = Some(Nanos::NEVER);
        self
    }

    /// The time of the whole call, waits included: at least 100 µs.
    pub fn overall_timeout(mut self, timeout: Duration) -> Self {
        self.draft.retry.overall_timeout = Some(timeout.into());
        self
    }

    /// A call may take for ever.
    pub fn no_overall_timeout(mut self) -> Self {
        self.draft.retry.overall_timeout = Some(Nanos::NEVER);
        self
    }

    /// The longest Retry-After that is waited for; a longer one ends the call.
    pub fn max_retry_after(mut self, wait: Duration) -> Self {
        self.draft.retry.max_retry_after = Some(wait.into());
        self
    }

    /// The name of the classifier that says what an attempt's end means: `auto`, `always`,
    /// `http`, `grpc`, `io`, `errno`, or one of your own.
    pub fn classifier(mut self, name: impl Into<String>) -> Self {
        self.draft.retry.classifier = Some(name.into());
        self
    }

    /// The name of the budget that pays for retries, instead of the site's own. `unlimited`
    /// allows all.
    pub fn retry_budget(mut self, name: impl Into<String>) -> Self {
        self.draft.retry.budget = Some(name.into());
        self
    }

    /// What one retry costs its budget: 1 to 1000.
    pub fn retry_cost(mut self, cost: u32) -> Self {
        self.draft.retry.cost = Some(cost);
        self
    }

    /// Rules for failures of one class; they replace earlier ones of that class.
    pub fn per_class(mut self, class: Class, rule: ClassRule) -> Self {
        self.draft.retry.per_class[class as usize] = rule;
        self
    }

    /// Hedges an attempt that takes longer than this: at least 100 µs. Needs
    /// [`idempotent`](Self::idempotent).
    pub fn hedge_after(self, delay: Duration) -> Self {
        self.hedge_on(Trigger::Fixed).hedge_delay(delay)
    }

    /// Hedges an attempt that takes longer than this share of them, in (0, 1): 0.95 hedges one
    /// in twenty. Needs [`idempotent`](Self::idempotent).
    pub fn hedge_quantile(self, p: f64) -> Self {
        self.hedge_on(Trigger::Quantile(p))
    }

    /// Hedges where it helps most, for at most this much extra load, in (0, 1]: 0.02 adds one
    /// attempt to fifty. Needs [`idempotent`](Self::idempotent). Source: Kaler, He, Elnikety,
    /// “Optimal Reissue Policies for Reducing Tail Latency”, SPAA 2017.
    pub fn hedge_load(self, x: f64) -> Self {
        self.hedge_on(Trigger::Load(x))
    }

    /// How many hedges per retry group: 1 to 3, and 1 with [`hedge_load`](Self::hedge_load).
    pub fn max_hedges(mut self, hedges: u32) -> Self {
        self.draft.hedge.max_hedges = Some(hedges);
        self
    }

    /// The delay while a trigger knows too little: at least 100 µs. (With
    /// [`hedge_after`](Self::hedge_after) it is the delay itself.)
    pub fn hedge_delay(mut self, delay: Duration) -> Self {
        self.draft.hedge.delay = Some(delay.into());
        self
    }

    /// The trigger's answer is never below this: at least 100 µs.
    pub fn hedge_min_delay(mut self, delay: Duration) -> Self {
        self.draft.hedge.min_delay = Some(delay.into());
        self
    }

    /// The trigger's answer is never above this.
    pub fn hedge_max_delay(mut self, delay: Duration) -> Self {
        self.draft.hedge.max_delay = Some(delay.into());
        self
    }

    /// What [`hedge_load`](Self::hedge_load) makes shortest: this percentile, as a share from 0.5
    /// to 0.99999; 0.99 unless said.
    pub fn hedge_objective(mut self, percentile: f64) -> Self {
        self.draft.hedge.objective = Some(percentile);
        self
    }

    /// How many calls a request makes at once, up to 10,000: the
    /// [objective](Self::hedge_objective) is the request's then, which is as slow as the slowest of
    /// them.
    pub fn hedge_fan_out(mut self, calls: u32) -> Self {
        self.draft.hedge.fan_out = Some(calls);
        self
    }

    /// Whether the first terminal failure of a group ends it (yes), or attempts in flight may
    /// still win (no).
    pub fn cancel_on_first_terminal(mut self, cancel: bool) -> Self {
        self.draft.hedge.cancel_on_first_terminal = Some(cancel);
        self
    }

    /// The name of the budget that pays for hedges, instead of the site's own for hedges.
    /// Better not the one that pays for retries: hedges would starve them in a brown-out.
    pub fn hedge_budget(mut self, name: impl Into<String>) -> Self {
        self.draft.hedge.budget = Some(name.into());
        self
    }

    /// What one hedge costs its budget: 1 to 1000.
    pub fn hedge_cost(mut self, cost: u32) -> Self {
        self.draft.hedge.cost = Some(cost);
        self
    }

    /// Checks everything and makes the policy.
    ///
    /// # Errors
    ///
    /// All of what [`PolicyDraft::normalize`] refuses under [`Strictness::Check`].
    pub fn build(&self) -> Result<Policy, PolicyErrors> {
        self.draft.normalize(Strictness::Check)
    }

    fn hedge_on(mut self, trigger: Trigger) -> Self {
        self.draft.hedge.enabled = Some(true);
        self.draft.hedge.trigger = Some(trigger);
        self
    }
}
