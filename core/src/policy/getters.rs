//! What a policy says, for everyone outside the engine.

use std::time::Duration;

use super::{Clamp, Idempotent, Jitter, Mode, Policy, Trigger};
use crate::{clock::Nanos, outcome::Class};

impl Policy {
    /// A name of the user's own; empty if there is none.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The version of the policy; empty if there is none.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Whether the policy acts.
    #[must_use]
    pub const fn mode(&self) -> Mode {
        self.mode
    }

    /// Whether repeating a request is safe.
    #[must_use]
    pub const fn idempotent(&self) -> Idempotent {
        self.idempotent
    }

    /// How many attempts at most, the first included, hedges not.
    #[must_use]
    pub const fn max_attempts(&self) -> u8 {
        self.retry.max_attempts
    }

    /// The backoff before the second attempt.
    #[must_use]
    pub const fn initial_backoff(&self) -> Duration {
        self.retry.initial_backoff.to_duration()
    }

    /// The longest backoff.
    #[must_use]
    pub const fn max_backoff(&self) -> Duration {
        self.retry.max_backoff.to_duration()
    }

    /// How much longer each backoff is than the one before.
    #[must_use]
    pub const fn multiplier(&self) -> f64 {
        self.retry.multiplier
    }

    /// How backoffs are spread.
    #[must_use]
    pub const fn jitter(&self) -> Jitter {
        self.retry.jitter
    }

    /// The time of one attempt; `None` is off.
    #[must_use]
    pub fn attempt_timeout(&self) -> Option<Duration> {
        limited(self.retry.attempt_timeout)
    }

    /// The time of the whole call; `None` is off.
    #[must_use]
    pub fn overall_timeout(&self) -> Option<Duration> {
        limited(self.retry.overall_timeout)
    }

    /// The longest Retry-After that is waited for.
    #[must_use]
    pub const fn max_retry_after(&self) -> Duration {
        self.retry.max_retry_after.to_duration()
    }

    /// The name of the classifier.
    #[must_use]
    pub fn classifier(&self) -> &str {
        &self.retry.classifier
    }

    /// The name of the budget that pays for retries; `None` is the site's own.
    #[must_use]
    pub fn retry_budget(&self) -> Option<&str> {
        self.retry.budget.as_deref()
    }

    /// What one retry costs its budget.
    #[must_use]
    pub const fn retry_cost(&self) -> u16 {
        self.retry.cost
    }

    /// How many attempts at most once one failed in this way: the smaller of the class's own
    /// number and that for all.
    #[must_use]
    pub fn max_attempts_of(&self, class: Class) -> u8 {
        match self.retry.per_class[class as usize].max_attempts {
            0 => self.retry.max_attempts,
            own => own.min(self.retry.max_attempts),
        }
    }

    /// The first backoff after a failure of this class.
    #[must_use]
    pub fn initial_backoff_of(&self, class: Class) -> Duration {
        match self.retry.per_class[class as usize].initial_backoff {
            Nanos::ZERO => self.initial_backoff(),
            own => own.to_duration(),
        }
    }

    /// What a retry after a failure of this class costs.
    #[must_use]
    pub fn retry_cost_of(&self, class: Class) -> u16 {
        match self.retry.per_class[class as usize].cost {
            0 => self.retry.cost,
            own => own,
        }
    }

    /// Whether slow attempts are hedged.
    #[must_use]
    pub const fn hedging(&self) -> bool {
        self.hedge.enabled
    }

    /// Whether hedging was asked for and is off, because the requests are not declared
    /// idempotent.
    #[must_use]
    pub const fn hedging_refused(&self) -> bool {
        self.hedging_refused
    }

    /// How many hedges per retry group.
    #[must_use]
    pub const fn max_hedges(&self) -> u8 {
        self.hedge.max_hedges
    }

    /// What decides when a hedge is due.
    #[must_use]
    pub const fn hedge_trigger(&self) -> Trigger {
        self.hedge.trigger
    }

    /// The delay of a fixed trigger, and of any trigger that knows too little yet.
    #[must_use]
    pub const fn hedge_delay(&self) -> Duration {
        self.hedge.delay.to_duration()
    }

    /// The trigger's answer is never below this.
    #[must_use]
    pub const fn hedge_min_delay(&self) -> Duration {
        self.hedge.min_delay.to_duration()
    }

    /// The trigger's answer is never above this.
    #[must_use]
    pub const fn hedge_max_delay(&self) -> Duration {
        self.hedge.max_delay.to_duration()
    }

    /// The percentile that a `load` trigger makes shortest, as a share: of requests of
    /// [so many calls](Self::hedge_fan_out).
    #[must_use]
    pub const fn hedge_objective(&self) -> f64 {
        self.hedge.objective
    }

    /// How many calls a request makes at once.
    #[must_use]
    pub const fn hedge_fan_out(&self) -> u32 {
        self.hedge.fan_out
    }

    /// Whether the first terminal failure of a group ends it.
    #[must_use]
    pub const fn cancel_on_first_terminal(&self) -> bool {
        self.hedge.cancel_on_first_terminal
    }

    /// The name of the budget that pays for hedges; `None` is the site's own for hedges.
    #[must_use]
    pub fn hedge_budget(&self) -> Option<&str> {
        self.hedge.budget.as_deref()
    }

    /// What one hedge costs its budget.
    #[must_use]
    pub const fn hedge_cost(&self) -> u16 {
        self.hedge.cost
    }

    /// The values that were out of their range and what became of them.
    #[must_use]
    pub fn normalized(&self) -> &[Clamp] {
        &self.normalized
    }
}

fn limited(timeout: Nanos) -> Option<Duration> {
    (!timeout.is_never()).then(|| timeout.to_duration())
}
