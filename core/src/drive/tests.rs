//! What tests of drivers share: a host without threads, and a listener that panics.

pub(super) use super::yard::Yard;
use super::*;
use crate::{
    listener::{CallEnded, Warning},
    notes::Note,
    policy::Policy,
    sync::{AtomicU64, Ordering},
};

pub(super) const ROOM: u32 = 1_000_000;

impl Yard {
    /// With room for whatever a test does.
    pub(super) fn new(policy: Policy) -> Self {
        Self::with_room(policy, ROOM)
    }
}

/// A host without threads, whom `listener` listens to.
pub(super) fn bare(clock: Clock, seed: u64, listener: Option<Arc<dyn Listener>>) -> Arc<Host> {
    let mut host = Host::bare(clock, seed);
    host.listener = listener;
    Arc::new(host)
}

/// A listener that panics once, at the n-th note from 0: unlike an observer it is not contained, so
/// it stands for a panic of the engine's own.
#[derive(Debug)]
pub(super) struct PanicsAt {
    note: u64,
    noted: AtomicU64,
}

impl PanicsAt {
    pub(super) fn note(note: u64) -> Arc<Self> {
        Arc::new(Self { note, noted: AtomicU64::new(0) })
    }

    /// Whether it has.
    pub(super) fn panicked(&self) -> bool {
        // Relaxed: a count.
        self.noted.load(Ordering::Relaxed) > self.note
    }
}

impl Listener for PanicsAt {
    fn started(&self, _: &str, _: Nanos) -> u64 {
        0
    }

    fn noted(&self, _: u64, _: &str, _: &Note) {
        // Relaxed: a count.
        assert!(self.noted.fetch_add(1, Ordering::Relaxed) != self.note, "an internal panic");
    }

    fn warned(&self, _: &str, _: Nanos, _: Warning) {}

    fn ended(&self, _: &CallEnded<'_>, _: &Notes) {}
}
