//! What an observer is told.

use std::sync::Arc;

use crate::{
    clock::Nanos,
    completion::Completion,
    listener::{CallEnded, Warning},
    notes::{AttemptId, AttemptKind},
    outcome::{CancelReason, Outcome},
    verdict::BudgetDecision,
};

/// Told what happens in an engine's calls, as it happens.
///
/// Every method does nothing unless it is given. They are called from the threads that drive the
/// calls, from several at once, after the decision and never under a lock: what an observer does
/// changes no result, and how long it takes is added to the call. One that panics is contained and
/// counted (`rego_observer_panics_total`); the others are still told.
///
/// The events of one call come in order, and carry the same `call` number. A call starts once and
/// ends once, with [`on_success`](Self::on_success) or [`on_failure`](Self::on_failure).
///
/// ```
/// use std::sync::{
///     Arc,
///     atomic::{AtomicU32, Ordering},
/// };
///
/// use rego::{AttemptEnded, Engine, Observer};
///
/// #[derive(Default)]
/// struct Attempts(AtomicU32);
///
/// impl Observer for Attempts {
///     fn on_attempt(&self, event: &AttemptEnded<'_>) {
///         println!("{}: attempt {} ended: {}", event.key, event.attempt, event.outcome.reason);
///         self.0.fetch_add(1, Ordering::Relaxed);
///     }
/// }
///
/// let attempts = Arc::new(Attempts::default());
/// let engine = Engine::builder().observer(attempts.clone()).build()?;
/// engine.run("svc.Get", |_| Ok::<_, std::io::Error>(7))?;
/// assert_eq!(attempts.0.load(Ordering::Relaxed), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Observer: Send + Sync {
    /// A call starts.
    fn on_start(&self, event: &CallStarted<'_>) {
        let _ = event;
    }

    /// An attempt ended. Those that are asked to stop are told by
    /// [`on_hedge_cancel`](Self::on_hedge_cancel) instead.
    fn on_attempt(&self, event: &AttemptEnded<'_>) {
        let _ = event;
    }

    /// A hedge was launched.
    fn on_hedge_spawn(&self, event: &HedgeSpawned<'_>) {
        let _ = event;
    }

    /// An attempt was asked to stop: the losers of a race, be they hedges or the attempt they
    /// hedged, and whatever ran when the call ended.
    fn on_hedge_cancel(&self, event: &AttemptCancelled<'_>) {
        let _ = event;
    }

    /// A budget was asked to pay for an extra attempt.
    fn on_budget_decision(&self, event: &BudgetDecided<'_>) {
        let _ = event;
    }

    /// Something about the engine is not as its owner may think: once for a key.
    fn on_warning(&self, event: &Warned<'_>) {
        let _ = event;
    }

    /// A call ended with an answer.
    fn on_success(&self, event: &CallEnded<'_>) {
        let _ = event;
    }

    /// A call ended in any other way.
    fn on_failure(&self, event: &CallEnded<'_>) {
        let _ = event;
    }
}

/// An observer that the program keeps a hand on.
impl<O: Observer + ?Sized> Observer for Arc<O> {
    fn on_start(&self, event: &CallStarted<'_>) {
        (**self).on_start(event);
    }

    fn on_attempt(&self, event: &AttemptEnded<'_>) {
        (**self).on_attempt(event);
    }

    fn on_hedge_spawn(&self, event: &HedgeSpawned<'_>) {
        (**self).on_hedge_spawn(event);
    }

    fn on_hedge_cancel(&self, event: &AttemptCancelled<'_>) {
        (**self).on_hedge_cancel(event);
    }

    fn on_budget_decision(&self, event: &BudgetDecided<'_>) {
        (**self).on_budget_decision(event);
    }

    fn on_warning(&self, event: &Warned<'_>) {
        (**self).on_warning(event);
    }

    fn on_success(&self, event: &CallEnded<'_>) {
        (**self).on_success(event);
    }

    fn on_failure(&self, event: &CallEnded<'_>) {
        (**self).on_failure(event);
    }
}

/// A call starts: what [`Observer::on_start`] is told.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct CallStarted<'a> {
    /// Which call: the engine's calls are numbered from 0.
    pub call: u64,
    /// The call site.
    pub key: &'a str,
    /// When, on the engine's clock.
    pub at: Nanos,
}

/// Something about the engine is not as its owner may think: what [`Observer::on_warning`] is told.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Warned<'a> {
    /// The call site.
    pub key: &'a str,
    /// When it was noticed, on the engine's clock.
    pub at: Nanos,
    /// What.
    pub warning: Warning,
}

/// An attempt ended: what [`Observer::on_attempt`] is told.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct AttemptEnded<'a> {
    /// Which call.
    pub call: u64,
    /// The call site.
    pub key: &'a str,
    /// When it ended.
    pub at: Nanos,
    /// Which attempt.
    pub attempt: AttemptId,
    /// When its operation started to run.
    pub started: Nanos,
    /// What the classifier made of it.
    pub outcome: Outcome,
    /// The facts of its end, where they were kept: not for a call's first attempt that answers it
    /// at once.
    pub facts: Option<Completion>,
    /// It had been given up before, or the call's deadline had passed.
    pub late: bool,
}

/// A hedge was launched: what [`Observer::on_hedge_spawn`] is told.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct HedgeSpawned<'a> {
    /// Which call.
    pub call: u64,
    /// The call site.
    pub key: &'a str,
    /// When.
    pub at: Nanos,
    /// Which attempt.
    pub attempt: AttemptId,
    /// Its retry group.
    pub retry_index: u8,
    /// Which hedge of its group: 1 for the first.
    pub hedge_index: u8,
}

/// An attempt was asked to stop: what [`Observer::on_hedge_cancel`] is told.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct AttemptCancelled<'a> {
    /// Which call.
    pub call: u64,
    /// The call site.
    pub key: &'a str,
    /// When.
    pub at: Nanos,
    /// Which attempt.
    pub attempt: AttemptId,
    /// When its operation started to run; `at` if it never did.
    pub started: Nanos,
    /// Why.
    pub reason: CancelReason,
}

/// A budget was asked to pay: what [`Observer::on_budget_decision`] is told.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct BudgetDecided<'a> {
    /// Which call.
    pub call: u64,
    /// The call site.
    pub key: &'a str,
    /// When.
    pub at: Nanos,
    /// For a retry or for a hedge: which of the two budgets.
    pub kind: AttemptKind,
    /// How much it was asked for.
    pub cost: u16,
    /// What it said.
    pub decision: BudgetDecision,
}
