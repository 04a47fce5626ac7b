//! Threads that the host donates.

use std::{cell::Cell, fmt};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::executor::{Executor, Rejected, Task};
use crate::sync::{Arc, AtomicBool, AtomicUsize, Ordering, fence};

thread_local! {
    static WORKING: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is one of the donated ones: parking it to wait for attempts that need it
/// would be a deadlock.
pub(crate) fn on_worker_thread() -> bool {
    WORKING.try_with(Cell::get).unwrap_or(false)
}

/// An executor made of threads that the host donates to [`Worker::run`], as with an event loop that is run by
/// whoever calls it. Clones share one queue.
///
/// ```
/// use rego::{Engine, Workers};
/// use std::thread;
///
/// let workers = Workers::new(64);
/// let engine = Engine::builder().executor(workers.clone()).build()?;
/// thread::scope(|scope| {
///     let donated = workers.worker();
///     scope.spawn(move || donated.run());
///     assert_eq!(engine.race("svc.Get", |_| Ok::<_, std::io::Error>(7)).unwrap(), 7);
///     // The thread comes back when the workers are closed.
///     workers.close();
/// });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Workers {
    tasks: Sender<Message>,
    queue: Receiver<Message>,
    closed: Arc<AtomicBool>,
    running: Arc<AtomicUsize>,
}

enum Message {
    Run(Task),
    /// Handed on from one worker to the next.
    Close,
}

/// One donated thread's end of [`Workers`].
#[derive(Debug)]
pub struct Worker(Workers);

impl Workers {
    /// Workers whose queue holds `queue` tasks that wait for a thread, at least 1; more are
    /// refused.
    #[must_use]
    pub fn new(queue: usize) -> Self {
        let (tasks, queue) = bounded(queue.max(1));
        let closed = Arc::new(AtomicBool::new(false));
        Self { tasks, queue, closed, running: Arc::new(AtomicUsize::new(0)) }
    }

    /// What a donated thread [`run`](Worker::run)s.
    #[must_use]
    pub fn worker(&self) -> Worker {
        Worker(self.clone())
    }

    /// Gives the donated threads back once each is done with its task. Queued tasks still run, new
    /// ones are refused; waits while the queue is full.
    pub fn close(&self) {
        // SeqCst: see `execute`.
        self.closed.store(true, Ordering::SeqCst);
        let _ = self.tasks.send(Message::Close);
    }

    /// As [`close`](Self::close), where nobody is left who could queue anything.
    pub(crate) fn close_idle(&self) {
        let _ = self.tasks.try_send(Message::Close);
    }

    /// How many threads are donated now.
    #[must_use]
    pub fn running(&self) -> usize {
        // Relaxed: a gauge; a call that misses the first thread runs on its caller's.
        self.running.load(Ordering::Relaxed)
    }

    /// Closed meanwhile: the last worker may have left before the task was queued.
    #[cold]
    fn refuse_queued(&self) {
        loop {
            // A task that is dropped is refused.
            while self.queue.try_recv().is_ok() {}
            // The message that was among them, or one more.
            if self.tasks.try_send(Message::Close).is_ok() {
                return;
            }
        }
    }
}

impl Worker {
    /// Runs tasks on this thread until the workers are [closed](Workers::close).
    pub fn run(self) {
        WORKING.set(true);
        // Relaxed: a gauge.
        self.0.running.fetch_add(1, Ordering::Relaxed);
        while let Ok(Message::Run(task)) = self.0.queue.recv() {
            task.run();
        }
        // Relaxed: a gauge.
        self.0.running.fetch_sub(1, Ordering::Relaxed);
        self.hand_on_close();
        WORKING.set(false);
    }

    /// Tells the next worker. Where the queue is full of tasks, this one makes room.
    fn hand_on_close(&self) {
        while self.0.tasks.try_send(Message::Close).is_err() {
            if let Ok(Message::Run(task)) = self.0.queue.try_recv() {
                task.run();
            }
        }
    }
}

impl Executor for Workers {
    fn execute(&self, task: Task) -> Result<(), Rejected> {
        // Relaxed: only to be quick; what counts is looked at below.
        if self.closed.load(Ordering::Relaxed) {
            return Err(Rejected);
        }
        self.tasks.try_send(Message::Run(task)).map_err(|_| Rejected)?;
        // SeqCst: pairs with `close`. Either the load below finds them closed, or the task was
        // queued before the message that closes them, and is run before it.
        fence(Ordering::SeqCst);
        // SeqCst: as above.
        if self.closed.load(Ordering::SeqCst) {
            self.refuse_queued();
        }
        Ok(())
    }
}

impl fmt::Debug for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workers").field("queued", &self.queue.len()).finish_non_exhaustive()
    }
}
