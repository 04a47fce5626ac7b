//! Drivers own time and threads: they feed events to the machine and do what it says.
//!
//! `inline` runs attempts on the caller's own thread, `pool` on threads the caller supplies;
//! `manual` leaves both to the host. All drive the same machine.

mod attempt;
#[allow(unreachable_pub, reason = "reached through `rooms` by the loom models")]
mod cancel;
mod ending;
mod error;
pub(crate) mod inline;
pub(crate) mod manual;
mod plain;
pub(crate) mod pool;
mod seed;
#[cfg(rego_loom)]
pub(crate) mod stage;
mod tell;
#[cfg(test)]
mod tests;
#[cfg(any(test, rego_loom))]
mod yard;

pub use attempt::{Attempt, Nested};
pub use cancel::{CancelGuard, CancelToken};
#[cfg(rego_loom)]
pub use cancel::{Raised, Signal};
pub use error::Error;
pub use pool::{Executor, Rejected, Task, Worker, Workers};

use std::{fmt, sync::Arc};

use crate::{
    classify::{self, Context},
    clock::{Clock, Nanos},
    completion::Completion,
    listener::{Listener, Warning},
    notes::{AttemptId, Notes},
    outcome::Outcome,
    policy::Idempotent,
    site::{Site, Terms},
    sync::Shard,
    verdict::HedgeReason,
};

pub(crate) use ending::release;
pub(crate) use pool::Alarms;
pub(crate) use seed::{Seeds, Stream};
pub(crate) use tell::Ended;

/// What every driver needs of its engine.
pub(crate) struct Host {
    pub(crate) clock: Clock,
    pub(crate) seeds: Seeds,
    pub(crate) listener: Option<Arc<dyn Listener>>,
    /// What runs the attempts of races, if it is not the workers below.
    pub(crate) executor: Option<Arc<dyn Executor>>,
    /// Threads donated to the engine itself, for races if it has no executor.
    pub(crate) workers: Workers,
    /// Set if races run their primaries on the caller's thread.
    pub(crate) alarms: Option<Arc<Alarms>>,
}

impl Host {
    /// Gets a task of a race run. A refusal is reported by the task itself when it is dropped.
    pub(crate) fn execute(&self, task: Task) -> Result<(), Rejected> {
        match &self.executor {
            Some(executor) => executor.execute(task),
            None => self.workers.execute(task),
        }
    }

    /// Whether there is anybody to run a race's attempts, besides its caller.
    pub(crate) fn is_staffed(&self) -> bool {
        self.executor.is_some() || self.workers.running() > 0
    }

    /// Tells whoever listens, the first time for this key.
    #[cold]
    pub(crate) fn warn(&self, site: &Site, now: Nanos, warning: Warning) {
        if site.warn_once(warning)
            && let Some(listener) = &self.listener
        {
            listener.warned(site.name(), now, warning);
        }
    }

    /// A call that its policy would hedge is made where no hedge is possible.
    #[cold]
    fn cannot_hedge(&self, site: &Site, terms: &Terms, shard: Shard, now: Nanos) {
        site.counters.could_not_hedge(shard);
        if terms.policy.hedge.enabled {
            self.warn(site, now, Warning::NoExecutor);
        }
    }

    /// The hedges of a call are due at times that nobody looks at.
    #[cold]
    fn nobody_fires_hedges(&self, site: &Site, now: Nanos) {
        site.counters.hedge_skipped(HedgeReason::NoTimer);
        self.warn(site, now, Warning::NoTimer);
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").field("clock", &self.clock).finish_non_exhaustive()
    }
}

#[cfg(test)]
impl Host {
    /// One that nobody listens to and that starts no thread.
    pub(crate) fn bare(clock: Clock, seed: u64) -> Self {
        Self {
            clock,
            seeds: Seeds::fixed(seed),
            listener: None,
            executor: None,
            workers: Workers::new(1),
            alarms: None,
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // Tasks keep their host: there are none left.
        self.workers.close_idle();
        if let Some(alarms) = &self.alarms {
            alarms.close();
        }
    }
}

/// What one call asks for besides its key's policy.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    /// How long the caller will wait, counted from the call's start.
    pub(crate) within: Option<Nanos>,
    /// Until when the caller will wait, on the engine's clock.
    pub(crate) until: Option<Nanos>,
    pub(crate) idempotent: Idempotent,
    pub(crate) cancel: Option<CancelToken>,
    pub(crate) priority: u8,
    /// Part of a call that retries by itself.
    pub(crate) no_retries: bool,
}

impl Options {
    /// Whether the caller has taken the call back.
    #[inline]
    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancel.as_ref().is_some_and(CancelToken::is_cancelled)
    }

    #[inline]
    fn deadline(&self, now: Nanos) -> Nanos {
        let within = self.within.map_or(Nanos::NEVER, |within| now + within);
        within.min(self.until.unwrap_or(Nanos::NEVER))
    }

    /// What the call says of idempotency, else what its policy says.
    #[inline]
    fn idempotent(&self, terms: &Terms) -> Idempotent {
        self.idempotent.or(terms.policy.idempotent)
    }
}

/// What an operation said of its attempt, besides what it returned.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Report {
    Facts(Completion),
    Outcome(Outcome),
}

/// What is known of an attempt that has ended: its facts, and what the classifier makes of them.
#[inline]
pub(crate) fn judge<T, E: 'static>(
    site: &Site,
    terms: &Terms,
    idempotent: Idempotent,
    attempt: AttemptId,
    result: &Result<T, E>,
    report: Option<Report>,
) -> (Outcome, Option<Completion>) {
    let facts = match (report, result) {
        (Some(Report::Outcome(outcome)), _) => return (outcome, None),
        (Some(Report::Facts(facts)), _) => facts,
        (None, Ok(_)) => Completion::ok(),
        (None, Err(error)) => Completion::from_any(error),
    };
    (judge_facts(site, terms, idempotent, attempt, &facts), Some(facts))
}

#[inline]
pub(crate) fn judge_facts(
    site: &Site,
    terms: &Terms,
    idempotent: Idempotent,
    attempt: AttemptId,
    facts: &Completion,
) -> Outcome {
    let context = Context::new(idempotent).attempt(attempt);
    let outcome = classify::judge(&terms.classifier, facts, &context);
    if outcome.reason == crate::outcome::Reason::PanicInClassifier {
        site.counters.add(crate::site::Counter::HookPanics, 1);
    }
    outcome
}

/// The notes of a call, told to the listener as they come.
pub(crate) struct Teller<'a> {
    listener: Option<&'a dyn Listener>,
    /// The number by which the listener knows the call.
    call: u64,
    told: usize,
}

impl Teller<'_> {
    /// Tells what was noted since the last time.
    #[inline]
    pub(crate) fn tell(&mut self, site: &Site, notes: &Notes) {
        if let Some(listener) = self.listener {
            for note in &notes.as_slice()[self.told..] {
                listener.noted(self.call, site.name(), note);
            }
            self.told = notes.as_slice().len();
        }
    }
}
