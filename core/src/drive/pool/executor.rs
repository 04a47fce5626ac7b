//! What runs attempts: the caller's threads, behind one method.

use std::{fmt, sync::Arc};

use crossbeam_channel::Sender;

use crate::flight::Ticket;

/// The caller's threads.
///
/// Implemented for closures, for the sending end of a channel of [`Task`]s, and for
/// [`Workers`](super::Workers).
///
/// ```
/// use rego::{Engine, Executor, Rejected, Task};
///
/// // Any way to get a closure run on another thread will do.
/// let spawn = |task: Task| {
///     std::thread::Builder::new()
///         .spawn(move || task.run())
///         .map(drop)
///         .map_err(|_| Rejected)
/// };
/// let engine = Engine::builder().executor(spawn).build()?;
/// let answer = engine.race("svc.Get", |_| Ok::<_, std::io::Error>(7))?;
/// assert_eq!(answer, 7);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Executor: Send + Sync {
    /// Gets the task run, soon, on some other thread, without waiting for room: where there is
    /// none, refuse. A task that is dropped reports itself refused, so nothing is lost by dropping
    /// one, now or later.
    ///
    /// # Errors
    ///
    /// [`Rejected`] if there is no room. A refused first or retried attempt then runs on the
    /// caller's thread; a refused hedge is skipped.
    fn execute(&self, task: Task) -> Result<(), Rejected>;
}

/// An executor takes no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rejected;

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the executor takes no more tasks")
    }
}

impl std::error::Error for Rejected {}

/// One attempt, ready to run on whatever thread [`run`](Self::run)s it. Dropped unrun it reports
/// itself refused.
#[must_use = "a task that is dropped unrun counts as refused"]
pub struct Task(Option<(Arc<dyn Runs>, Ticket)>);

/// What a task belongs to.
pub(super) trait Runs: Send + Sync {
    /// Runs the attempt on this thread.
    fn run_attempt(self: Arc<Self>, ticket: Ticket);

    /// Nobody runs the attempt.
    fn refuse(self: Arc<Self>, ticket: Ticket);
}

impl Task {
    pub(super) fn new(call: Arc<dyn Runs>, ticket: Ticket) -> Self {
        Self(Some((call, ticket)))
    }

    /// Runs the attempt on this thread. A panic of the operation does not get out.
    pub fn run(mut self) {
        if let Some((call, ticket)) = self.0.take() {
            call.run_attempt(ticket);
        }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        if let Some((call, ticket)) = self.0.take() {
            call.refuse(ticket);
        }
    }
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task").finish_non_exhaustive()
    }
}

impl<F> Executor for F
where
    F: Fn(Task) -> Result<(), Rejected> + Send + Sync,
{
    fn execute(&self, task: Task) -> Result<(), Rejected> {
        self(task)
    }
}

impl Executor for Sender<Task> {
    /// Sends it; a full or closed channel refuses.
    fn execute(&self, task: Task) -> Result<(), Rejected> {
        self.try_send(task).map_err(|_| Rejected)
    }
}
