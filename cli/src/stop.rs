//! Ctrl-C: the first one ends the run early, the second one ends the program.

use std::{
    process,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// The exit code of a program that was interrupted.
pub(crate) const INTERRUPTED: u8 = 130;

/// Whether the run has been asked to end early. Clones share the answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// A stop that Ctrl-C asks for.
    ///
    /// # Errors
    ///
    /// One line, when the system does not let signals be handled.
    pub(crate) fn on_interrupt() -> Result<Self, String> {
        let stop = Self::default();
        let asked = stop.clone();
        ctrlc::set_handler(move || {
            if asked.ask() {
                process::exit(i32::from(INTERRUPTED));
            }
        })
        .map_err(|error| format!("cannot listen for Ctrl-C: {error}"))?;
        Ok(stop)
    }

    /// Asks; whether it had been asked before.
    pub(crate) fn ask(&self) -> bool {
        // Relaxed: a flag that hands over nothing.
        self.0.swap(true, Ordering::Relaxed)
    }

    pub(crate) fn is_asked(&self) -> bool {
        // Relaxed: see `ask`.
        self.0.load(Ordering::Relaxed)
    }
}
