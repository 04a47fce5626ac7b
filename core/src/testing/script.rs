//! Operations that do what they are told.

use std::{
    collections::VecDeque,
    fmt,
    panic::{RefUnwindSafe, UnwindSafe},
    time::Duration,
};

use crate::{
    clock::Nanos,
    completion::Completion,
    drive::Attempt,
    notes::AttemptKind,
    outcome::Outcome,
    sync::{Arc, Mutex, Parker},
};

/// An operation that does what it is told, and remembers who asked and when.
///
/// Attempts take its steps in the order in which they start, over any number of calls. An attempt
/// that finds no step left panics, which reaches the caller of the engine and so the test.
/// Cheap to clone; every clone is the same script. Thread-safe.
///
/// ```
/// use rego::{AttemptKind, Completion, testing};
/// use std::time::Duration;
///
/// let (builder, _clock) = testing::engine();
/// let engine = builder.build()?;
/// let script = testing::Script::new()
///     .succeed_with("busy")
///     .taking(Duration::from_millis(3))
///     .reporting(Completion::http(503)) // A value, and still worth another attempt.
///     .fail(std::io::Error::from(std::io::ErrorKind::ConnectionReset))
///     .succeed_with("hello");
///
/// assert_eq!(engine.run("svc.Get", script.op())?, "hello");
/// let seen = script.seen();
/// assert_eq!(seen.len(), 3);
/// assert_eq!(seen[2].kind, AttemptKind::Retry);
/// assert_eq!(seen[0].took(), Some(Duration::from_millis(3)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Script<T, E>(Arc<Mutex<State<T, E>>>);

struct State<T, E> {
    steps: VecDeque<Step<T, E>>,
    seen: Vec<Seen>,
}

struct Step<T, E> {
    end: End<T, E>,
    takes: Takes,
    report: Report,
}

enum End<T, E> {
    Return(Result<T, E>),
    Panic(String),
}

#[derive(Clone, Copy)]
enum Takes {
    Time(Nanos),
    UntilStopped,
}

#[derive(Clone, Copy)]
enum Report {
    Nothing,
    Facts(Completion),
    Outcome(Outcome),
}

/// An attempt as its [`Script`] saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Seen {
    /// Its number within its call.
    pub number: u32,
    /// First, retry or hedge.
    pub kind: AttemptKind,
    /// When it started, on the engine's clock.
    pub started: Nanos,
    /// By when it had to be over; [`Nanos::NEVER`] without any limit.
    pub deadline: Nanos,
    /// When it ended; `None` while it runs.
    pub ended: Option<Nanos>,
    /// Whether it was asked to stop before it ended.
    pub stopped: bool,
}

impl Seen {
    /// How long it took; `None` while it runs.
    #[must_use]
    pub fn took(&self) -> Option<Duration> {
        self.ended.map(|ended| (ended - self.started).to_duration())
    }
}

impl<T, E> Script<T, E> {
    /// A script without steps.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(State { steps: VecDeque::new(), seen: Vec::new() })))
    }

    /// Then an attempt that succeeds.
    #[must_use]
    pub fn succeed_with(self, value: T) -> Self {
        self.then(End::Return(Ok(value)), Takes::Time(Nanos::ZERO))
    }

    /// Then an attempt that fails.
    #[must_use]
    pub fn fail(self, error: E) -> Self {
        self.then(End::Return(Err(error)), Takes::Time(Nanos::ZERO))
    }

    /// Then `times` attempts that fail alike.
    #[must_use]
    pub fn fail_times(self, times: usize, error: E) -> Self
    where
        E: Clone,
    {
        (0..times).fold(self, |script, _| script.fail(error.clone()))
    }

    /// Then an attempt that does not come back before it is asked to stop, and then fails. On its
    /// caller's thread, where only the caller's token could ask, it lasts until its deadline.
    #[must_use]
    pub fn hang(self, error: E) -> Self {
        self.then(End::Return(Err(error)), Takes::UntilStopped)
    }

    /// Then an attempt that panics.
    #[must_use]
    pub fn panic(self, message: &str) -> Self {
        self.then(End::Panic(message.to_owned()), Takes::Time(Nanos::ZERO))
    }

    /// The last step takes so long on the engine's clock, or until it is asked to stop.
    ///
    /// # Panics
    ///
    /// Without a step before it.
    #[must_use]
    #[track_caller]
    pub fn taking(self, time: Duration) -> Self {
        self.change("taking", |step| step.takes = Takes::Time(time.into()))
    }

    /// The attempt of the last step [reports](Attempt::report) these facts.
    ///
    /// # Panics
    ///
    /// Without a step before it.
    #[must_use]
    #[track_caller]
    pub fn reporting(self, facts: Completion) -> Self {
        self.change("reporting", |step| step.report = Report::Facts(facts))
    }

    /// The attempt of the last step hands over a [ready outcome](Attempt::outcome).
    ///
    /// # Panics
    ///
    /// Without a step before it.
    #[must_use]
    #[track_caller]
    pub fn with_outcome(self, outcome: Outcome) -> Self {
        self.change("with_outcome", |step| step.report = Report::Outcome(outcome))
    }

    /// The operation, for `run` and `race`. Every one made of a script takes steps of the same.
    pub fn op(&self) -> impl Fn(&Attempt<'_>) -> Result<T, E> + Clone + use<T, E> {
        let script = self.clone();
        move |attempt| script.play(attempt)
    }

    /// The attempts so far, in the order in which they started.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.0.lock().seen.clone()
    }

    /// How many steps nobody has taken.
    #[must_use]
    pub fn left(&self) -> usize {
        self.0.lock().steps.len()
    }

    fn then(self, end: End<T, E>, takes: Takes) -> Self {
        self.0.lock().steps.push_back(Step { end, takes, report: Report::Nothing });
        self
    }

    #[track_caller]
    fn change(self, what: &str, change: impl FnOnce(&mut Step<T, E>)) -> Self {
        match self.0.lock().steps.back_mut() {
            Some(step) => change(step),
            None => panic!("`{what}` is about the step before it, and there is none"),
        }
        self
    }

    fn play(&self, attempt: &Attempt<'_>) -> Result<T, E> {
        let (step, place) = self.enter(attempt);
        let stopped = wait(attempt, step.takes);
        self.leave(place, attempt.clock().now(), stopped);
        match step.report {
            Report::Nothing => {}
            Report::Facts(facts) => attempt.report(facts),
            Report::Outcome(outcome) => attempt.outcome(outcome),
        }
        match step.end {
            End::Return(result) => result,
            End::Panic(message) => panic!("{message}"),
        }
    }

    /// The step of an attempt that starts, and the attempt's place among those seen.
    fn enter(&self, attempt: &Attempt<'_>) -> (Step<T, E>, usize) {
        let mut state = self.0.lock();
        let place = state.seen.len();
        state.seen.push(Seen {
            number: attempt.number(),
            kind: attempt.kind(),
            started: attempt.clock().now(),
            deadline: attempt.deadline(),
            ended: None,
            stopped: false,
        });
        let Some(step) = state.steps.pop_front() else {
            drop(state);
            let (kind, number) = (attempt.kind().label(), attempt.number());
            panic!(
                "no step of the script is left for this attempt: number {number} of its call, a \
                 {kind}"
            );
        };
        (step, place)
    }

    fn leave(&self, place: usize, now: Nanos, stopped: bool) {
        let seen = &mut self.0.lock().seen[place];
        seen.ended = Some(now);
        seen.stopped = stopped;
    }
}

/// Lets the time of a step pass. Whether the attempt was asked to stop.
fn wait(attempt: &Attempt<'_>, takes: Takes) -> bool {
    let clock = attempt.clock();
    let until = match takes {
        Takes::Time(Nanos::ZERO) => return attempt.is_cancelled(),
        Takes::Time(time) => clock.now() + time,
        Takes::UntilStopped if attempt.is_in_place() => attempt.deadline(),
        Takes::UntilStopped => Nanos::NEVER,
    };
    assert!(
        !until.is_never() || attempt.can_be_stopped(),
        "the attempt hangs for ever: it has no deadline, and nobody can ask it to stop"
    );
    let parker = Parker::new();
    let sleeper = parker.unparker();
    let _woken_by_cancel = attempt.on_cancel(move || sleeper.unpark());
    while !attempt.is_cancelled() && clock.now() < until {
        clock.park_until(&parker, until);
    }
    attempt.is_cancelled()
}

// A scripted panic leaves nothing half done: the step is taken and the attempt noted before it.
impl<T, E> UnwindSafe for Script<T, E> {}
impl<T, E> RefUnwindSafe for Script<T, E> {}

impl<T, E> Clone for Script<T, E> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T, E> Default for Script<T, E> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T, E> fmt::Debug for Script<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.0.lock();
        f.debug_struct("Script")
            .field("left", &state.steps.len())
            .field("seen", &state.seen)
            .finish()
    }
}
