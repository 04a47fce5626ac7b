//! The timer of an engine, for a thread that the host donates.

use std::{fmt, sync::Arc};

use crate::{clock::Clock, drive::Alarms};

/// The timer of an engine whose races run [inline-first](crate::EngineBuilder::inline_first).
///
/// ```
/// use rego::{Engine, TimerThread, Workers};
///
/// let engine = Engine::builder()
///     .executor(Workers::new(64))
///     .inline_first(TimerThread::Donated)
///     .build()?;
/// let timer = engine.timer().expect("it runs inline-first");
/// let donated = std::thread::spawn(move || timer.run());
/// assert_eq!(engine.race("svc.Get", |_| Ok::<_, std::io::Error>(7))?, 7);
/// // The thread comes back when the engine is gone.
/// drop(engine);
/// donated.join().expect("no panic");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Timer {
    alarms: Arc<Alarms>,
    clock: Clock,
}

impl Timer {
    pub(super) fn new(alarms: Arc<Alarms>, clock: Clock) -> Self {
        Self { alarms, clock }
    }

    /// Fires hedges on this thread until the last clone of the engine and of its call sites is
    /// gone; returns at once if another thread does so already.
    pub fn run(self) {
        self.alarms.run(&self.clock);
    }
}

impl fmt::Debug for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timer").finish_non_exhaustive()
    }
}
