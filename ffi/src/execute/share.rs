//! Who has a part in a call, and who waits for the last of them.

use std::{
    ops::Deref,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};

use super::run::Run;

/// A share in a call: the last one drops what the host handed in, and only then lets go a caller
/// that waits for that.
pub(super) struct Share {
    /// `None` only while it is dropped.
    run: Option<Arc<Run>>,
    gate: Option<Arc<Gate>>,
}

/// How many shares there are, where somebody waits for the last.
struct Gate {
    shares: Mutex<usize>,
    last: Condvar,
}

impl Share {
    pub(super) fn new(run: Run) -> Self {
        let gate = run.work.waits_for_losers().then(|| Arc::new(Gate::new()));
        Self { run: Some(Arc::new(run)), gate }
    }

    /// Gives up this share and, where the work asks for it, waits until all others are given up.
    pub(super) fn leave(self) {
        let gate = self.gate.clone();
        drop(self);
        if let Some(gate) = gate {
            gate.wait();
        }
    }
}

impl Deref for Share {
    type Target = Run;

    #[expect(clippy::expect_used, reason = "it is there until it is dropped")]
    fn deref(&self) -> &Run {
        self.run.as_deref().expect("it is there until it is dropped")
    }
}

impl Clone for Share {
    fn clone(&self) -> Self {
        if let Some(gate) = &self.gate {
            *gate.shares() += 1;
        }
        Self { run: self.run.clone(), gate: self.gate.clone() }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        drop(self.run.take());
        if let Some(gate) = &self.gate {
            gate.leave();
        }
    }
}

impl Gate {
    const fn new() -> Self {
        Self { shares: Mutex::new(1), last: Condvar::new() }
    }

    fn shares(&self) -> MutexGuard<'_, usize> {
        self.shares.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn leave(&self) {
        let mut shares = self.shares();
        *shares -= 1;
        if *shares == 0 {
            self.last.notify_all();
        }
    }

    fn wait(&self) {
        let mut shares = self.shares();
        while *shares > 0 {
            shares = self.last.wait(shares).unwrap_or_else(PoisonError::into_inner);
        }
    }
}
