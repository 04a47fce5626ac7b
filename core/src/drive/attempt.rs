//! What an operation sees of the attempt it makes.

use std::{cell::Cell, fmt, time::Duration};

use super::{CancelGuard, Report, cancel::Signal};
use crate::{
    call::Launch,
    clock::{Clock, Nanos},
    completion::Completion,
    notes::AttemptKind,
    outcome::Outcome,
};

/// One execution of an operation: its numbers, its deadline, and a way to say how it ended.
///
/// ```
/// use rego::{Completion, Engine};
///
/// let engine = Engine::builder().build()?;
/// let body = engine.run("svc.Get", |attempt| {
///     // A timeout for a socket; an inner call gets the same deadline with `attempt.nested()`.
///     let _timeout = attempt.remaining();
///     if attempt.number() == 0 {
///         // The response is a value, and still worth another attempt.
///         attempt.report(Completion::http(503));
///         return Ok::<_, std::io::Error>("busy");
///     }
///     Ok("hello")
/// })?;
/// assert_eq!(body, "hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Attempt<'a> {
    launch: Launch,
    clock: &'a Clock,
    signal: Option<&'a Signal>,
    /// On its caller's thread.
    in_place: bool,
    retries_left: bool,
    report: Cell<Option<Report>>,
}

impl<'a> Attempt<'a> {
    /// An attempt on its caller's thread, which only the caller's token can ask to stop.
    #[inline]
    pub(crate) fn in_place(
        launch: Launch,
        clock: &'a Clock,
        signal: Option<&'a Signal>,
        retries_left: bool,
    ) -> Self {
        Self { launch, clock, signal, in_place: true, retries_left, report: Cell::new(None) }
    }

    /// An attempt on some other thread, which the engine asks to stop.
    pub(crate) fn elsewhere(
        launch: Launch,
        clock: &'a Clock,
        signal: &'a Signal,
        retries_left: bool,
    ) -> Self {
        let signal = Some(signal);
        Self { launch, clock, signal, in_place: false, retries_left, report: Cell::new(None) }
    }

    /// Its number in the call: in launch order from 0, never reused.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.launch.attempt.get().into()
    }

    /// Its retry group: 0 for the first.
    #[must_use]
    pub fn retry_index(&self) -> u32 {
        self.launch.retry_index.into()
    }

    /// Its place in its group: 0 for the primary, then the hedges.
    #[must_use]
    pub fn hedge_index(&self) -> u32 {
        self.launch.hedge_index.into()
    }

    /// First, retry or hedge.
    #[must_use]
    pub fn kind(&self) -> AttemptKind {
        AttemptKind::of(self.launch.retry_index, self.launch.hedge_index)
    }

    /// Whether it was launched because another one is slow.
    #[must_use]
    pub fn is_hedge(&self) -> bool {
        self.launch.hedge_index > 0
    }

    /// When it must be over, on the engine's clock: the soonest of the attempt timeout, the
    /// overall timeout and the caller's deadline; [`Nanos::NEVER`] without any of them.
    #[must_use]
    pub fn deadline(&self) -> Nanos {
        self.launch.deadline
    }

    /// The time left until its deadline: zero when it has passed, 584 years without one. Reads
    /// the clock.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        if self.launch.deadline.is_never() {
            return Nanos::NEVER.to_duration();
        }
        (self.launch.deadline - self.clock.now()).to_duration()
    }

    /// Whether it was asked to stop: another attempt won, the call's time is up, or the caller
    /// took the call back.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.signal.is_some_and(Signal::is_raised)
    }

    /// Runs `hook` when the attempt is asked to stop, on the thread that asks; at once if it has
    /// been asked already. Dropping the guard takes the hook back, and waits for it while it runs:
    /// so a hook may close a descriptor that will be used again.
    pub fn on_cancel(&self, hook: impl FnOnce() + Send + 'static) -> CancelGuard {
        match self.signal {
            Some(signal) => signal.on_raise(hook),
            None => CancelGuard::inert(),
        }
    }

    /// Says how the attempt ended, for the policy's classifier: for a value that is not the
    /// success it looks like, or an error that says little. The last report counts.
    pub fn report(&self, facts: Completion) {
        self.report.set(Some(Report::Facts(facts)));
    }

    /// Says what follows from the attempt, past any classifier.
    pub fn outcome(&self, outcome: Outcome) {
        self.report.set(Some(Report::Outcome(outcome)));
    }

    /// What an inner call should get: this attempt's deadline and, while this call still has
    /// retries of its own, none for the inner one. Three layers of three attempts are 27 times the
    /// load otherwise.
    #[must_use]
    pub fn nested(&self) -> Nested {
        Nested { until: self.launch.deadline, no_retries: self.retries_left }
    }

    pub(crate) fn clock(&self) -> &Clock {
        self.clock
    }

    pub(crate) fn is_in_place(&self) -> bool {
        self.in_place
    }

    pub(crate) fn can_be_stopped(&self) -> bool {
        self.signal.is_some()
    }

    #[inline]
    pub(crate) fn reported(&self) -> Option<Report> {
        self.report.get()
    }
}

impl fmt::Debug for Attempt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempt")
            .field("number", &self.number())
            .field("kind", &self.kind())
            .field("deadline", &self.deadline())
            .finish_non_exhaustive()
    }
}

/// What a call inside another one inherits: see [`Attempt::nested`].
#[derive(Clone, Copy, Debug)]
pub struct Nested {
    pub(crate) until: Nanos,
    pub(crate) no_retries: bool,
}
