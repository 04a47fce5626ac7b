//! Asking work to stop: signals, the hooks that hear them, and the caller's token.
//!
//! # The life of a hook
//!
//! `ARMED → RUNNING → DONE` when the signal comes, `ARMED → GONE` when its guard is dropped first.
//! Both leave `ARMED` by a compare-exchange, so exactly one of them happens. A guard that finds
//! its hook `RUNNING` on another thread waits for `DONE`: once the guard is gone, nothing of the
//! hook is, and a descriptor it closes may be used again.
//!
//! # Orderings
//!
//! - *hook*: all that it did → `DONE` (Release) → the guard that waits for it (Acquire).
//! - *cancel*: done before → `raise` (Release) → `is_raised` (Acquire) → what an operation does.
//! - *list*: hooks and the flag change under one lock: a hook is in the list that `raise` takes, or
//!   finds the signal raised.
//!
//! Modelled in `loom-tests/tests/cancel.rs`.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
};

use crate::sync::{
    Arc, AtomicBool, AtomicU8, Mutex, Ordering, Parker, ThreadId, Unparker, this_thread,
};

const ARMED: u8 = 0;
const RUNNING: u8 = 1;
const DONE: u8 = 2;
const GONE: u8 = 3;

/// What the loom models' negative control weakens.
// Release: as `run` says. Relaxed: a break that the models must find.
const LEAVE: Ordering =
    if cfg!(rego_break = "cancel_relaxed") { Ordering::Relaxed } else { Ordering::Release };

/// Something that is asked to stop once, and the hooks that want to hear of it.
#[derive(Default)]
pub struct Signal {
    raised: AtomicBool,
    hooks: Mutex<Vec<Arc<Hook>>>,
}

/// The hooks of signals that have been raised.
#[derive(Default)]
pub struct Raised(Vec<Arc<Hook>>);

impl Raised {
    /// Adds another signal's hooks.
    pub fn and(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Runs them on this thread. How many panicked.
    pub fn run(self) -> u64 {
        self.0.iter().map(|hook| u64::from(!hook.run())).sum()
    }
}

struct Hook {
    state: AtomicU8,
    action: Mutex<Option<Box<dyn FnOnce() + Send>>>,
    /// The thread that runs it, and the thread that waits for it to end.
    runner: Mutex<Option<ThreadId>>,
    waiter: Mutex<Option<Unparker>>,
}

impl Signal {
    /// Whether it was raised.
    pub fn is_raised(&self) -> bool {
        // Acquire: pairs with the Release in `raise`; what was done before a cancel happens-before
        // what an operation does on seeing it.
        self.raised.load(Ordering::Acquire)
    }

    /// Raises it; the hooks are the caller's to [run](Raised::run), once it holds nothing that
    /// others wait for. A second time there are none.
    #[must_use = "the hooks have not run yet"]
    pub fn raise(&self) -> Raised {
        let mut hooks = self.hooks.lock();
        // Release: pairs with `is_raised`. Under the lock, so that a hook is either in the list we
        // take or finds the signal raised.
        self.raised.store(true, Ordering::Release);
        Raised(std::mem::take(&mut *hooks))
    }

    /// Makes it as new, for an attempt that takes over the place of one that has ended.
    pub fn reset(&self) {
        let mut hooks = self.hooks.lock();
        hooks.clear();
        // Relaxed: whoever gets to see the attempt has it from the thread that does this.
        self.raised.store(false, Ordering::Relaxed);
    }

    /// Runs `action` when the signal is raised; at once, on this thread, if it has been.
    pub fn on_raise(&self, action: impl FnOnce() + Send + 'static) -> CancelGuard {
        let hook = Arc::new(Hook {
            state: AtomicU8::new(ARMED),
            action: Mutex::new(Some(Box::new(action))),
            runner: Mutex::new(None),
            waiter: Mutex::new(None),
        });
        let late = {
            let mut hooks = self.hooks.lock();
            let late = self.is_raised();
            if !late {
                hooks.retain(|hook| hook.is_armed());
                hooks.push(Arc::clone(&hook));
            }
            late
        };
        if late {
            hook.run();
        }
        CancelGuard(Some(hook))
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Signal").field(&self.is_raised()).finish()
    }
}

impl fmt::Debug for Raised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Raised").field(&self.0.len()).finish()
    }
}

impl Hook {
    fn is_armed(&self) -> bool {
        // Relaxed: only to sweep the list; whoever acts on it compares and exchanges.
        self.state.load(Ordering::Relaxed) == ARMED
    }

    /// False if it panicked.
    fn run(&self) -> bool {
        *self.runner.lock() = Some(this_thread());
        // AcqRel: takes the hook from its guard; Acquire pairs with nothing but keeps the action's
        // reads after it, Release publishes `runner`.
        let mine = self.state.compare_exchange(ARMED, RUNNING, Ordering::AcqRel, Ordering::Relaxed);
        if mine.is_err() {
            return true;
        }
        let action = self.action.lock().take();
        let ok = catch_unwind(AssertUnwindSafe(|| {
            if let Some(action) = action {
                action();
            }
        }));
        // Release: all that the hook did happens-before a guard's return.
        self.state.store(DONE, LEAVE);
        if let Some(waiter) = self.waiter.lock().take() {
            waiter.unpark();
        }
        ok.is_ok()
    }

    fn disarm(&self) {
        match self.leave() {
            Ok(_) => drop(self.action.lock().take()),
            Err(RUNNING) => self.wait_out(),
            Err(_) => {}
        }
    }

    /// Takes the hook from the signal; else the state it is in.
    fn leave(&self) -> Result<u8, u8> {
        if cfg!(rego_break = "cancel_check_then_act") {
            // Acquire: as below.
            let state = self.state.load(Ordering::Acquire);
            if state != ARMED {
                return Err(state);
            }
            // Release: as below.
            self.state.store(GONE, Ordering::Release);
            return Ok(state);
        }
        // AcqRel: takes the hook from the signal; Acquire pairs with the Release of `DONE`.
        self.state.compare_exchange(ARMED, GONE, Ordering::AcqRel, Ordering::Acquire)
    }

    #[cold]
    fn wait_out(&self) {
        // A hook that drops its own guard would wait for itself.
        if *self.runner.lock() == Some(this_thread()) {
            return;
        }
        let parker = Parker::new();
        *self.waiter.lock() = Some(parker.unparker());
        // Acquire: pairs with the Release of `DONE`. The waiter is registered before this look:
        // the runner either finds it or has stored `DONE` already.
        while self.state.load(Ordering::Acquire) == RUNNING {
            parker.park(None);
        }
    }
}

/// Keeps a hook alive that runs when its attempt is asked to stop.
///
/// Dropping it takes the hook back, and waits for it where it is running on another thread: when
/// the guard is gone, the hook is too.
#[must_use = "dropping the guard takes the hook back"]
pub struct CancelGuard(Option<Arc<Hook>>);

impl CancelGuard {
    /// A guard of a hook that can never run.
    pub(crate) fn inert() -> Self {
        Self(None)
    }
}

impl Drop for CancelGuard {
    fn drop(&mut self) {
        if let Some(hook) = self.0.take() {
            hook.disarm();
        }
    }
}

impl fmt::Debug for CancelGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelGuard").finish_non_exhaustive()
    }
}

/// With which a caller takes its calls back, from any thread. Clones are the same token.
///
/// ```
/// use rego::{CancelToken, Engine, Verdict};
///
/// let engine = Engine::builder().build()?;
/// let token = CancelToken::new();
/// token.cancel();
/// let call = engine.site("svc.Get").call().cancel(&token).run(|_| Ok::<_, std::io::Error>(1));
/// assert_eq!(call.unwrap_err().verdict, Verdict::Cancelled);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct CancelToken(Arc<Signal>);

impl CancelToken {
    /// A token nobody has cancelled.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancels every call that carries it, those to come too. Hooks run on this thread.
    pub fn cancel(&self) {
        let _panics = self.0.raise().run();
    }

    /// Whether it was cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.is_raised()
    }

    pub(crate) fn signal(&self) -> &Signal {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, thread};

    use super::*;

    #[test]
    fn hooks_run_once_and_late_ones_at_once() {
        let signal = Signal::default();
        let (tell, heard) = mpsc::channel();
        let early = tell.clone();
        let guard = signal.on_raise(move || early.send("early").expect("heard"));
        signal.raise().run();
        signal.raise().run();
        let late = signal.on_raise(move || tell.send("late").expect("heard"));
        assert_eq!(heard.try_iter().collect::<Vec<_>>(), ["early", "late"]);
        drop((guard, late));
    }

    #[test]
    fn a_dropped_guard_takes_its_hook_back() {
        let signal = Signal::default();
        let (tell, heard) = mpsc::channel();
        drop(signal.on_raise(move || tell.send(()).expect("heard")));
        signal.raise().run();
        assert!(heard.recv().is_err(), "the hook is gone, and what it held");
    }

    #[test]
    fn dropping_a_guard_waits_out_a_running_hook() {
        let signal = Signal::default();
        let (entered, enter) = mpsc::channel();
        let (release, wait) = mpsc::channel::<()>();
        let ended = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&ended);
        let guard = signal.on_raise(move || {
            entered.send(()).expect("heard");
            wait.recv().expect("released");
            flag.store(true, Ordering::SeqCst);
        });
        thread::scope(|scope| {
            scope.spawn(|| signal.raise().run());
            enter.recv().expect("the hook runs");
            scope.spawn(move || {
                release.send(()).expect("the hook waits");
            });
            drop(guard);
            assert!(ended.load(Ordering::SeqCst), "the hook had ended when the guard was gone");
        });
    }

    #[test]
    fn a_hook_may_drop_its_own_guard() {
        let signal = Signal::default();
        let slot = Arc::new(Mutex::new(None));
        let mine = Arc::clone(&slot);
        *slot.lock() = Some(signal.on_raise(move || drop(mine.lock().take())));
        assert_eq!(signal.raise().run(), 0);
        assert!(slot.lock().is_none());
    }

    #[test]
    fn a_panicking_hook_is_contained_and_counted() {
        let signal = Signal::default();
        let _bad = signal.on_raise(|| panic!("a bad hook"));
        let (tell, heard) = mpsc::channel();
        let _good = signal.on_raise(move || tell.send(()).expect("heard"));
        assert_eq!(signal.raise().run(), 1);
        assert!(heard.recv().is_ok(), "the next hook still runs");
    }
}
