//! What keeps a slot from its next call after the end of a call that the host wants to read.

use crate::{
    flight::{Generation, Stale},
    sync::{AtomicU64, Ordering},
};

/// generation:32 | KEPT:1 | pins:31.
///
/// The holder of a call that is kept sets it before it ends the flight: one pin for the flight,
/// one for the host. Each reader adds one. Whoever takes the last pin away gives the slot back.
/// Every entry compares the generation in its exchange, so an old id pins nothing.
#[derive(Default)]
pub(super) struct Pins(AtomicU64);

const KEPT: u64 = 1 << 31;
const COUNT: u64 = KEPT - 1;

/// Whether the slot is still needed.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unpinned {
    /// It was the last pin: the slot is the caller's to give back.
    Last,
    Others,
}

impl Pins {
    /// The call is over and kept. Only for the holder, before it ends the flight; it writes nothing
    /// of the machine afterwards.
    pub(super) fn keep(&self, generation: Generation) {
        // Release: what the holder did to the machine happens-before the reads of whoever pins.
        self.0.store(u64::from(generation.get()) << 32 | KEPT | 2, Ordering::Release);
    }

    pub(super) fn is_kept(&self, generation: Generation) -> bool {
        // Relaxed: the answer may be old as soon as it is given.
        let pins = self.0.load(Ordering::Relaxed);
        is_kept(pins, generation)
    }

    /// One more reader of what is kept.
    pub(super) fn pin(&self, generation: Generation) -> Result<(), Stale> {
        self.change(generation, |pins| pins + 1).map(drop)
    }

    /// The host has no more use for it.
    pub(super) fn let_go(&self, generation: Generation) -> Result<Unpinned, Stale> {
        self.change(generation, |pins| (pins & !KEPT) - 1).map(left)
    }

    /// The host has no more use for whatever is kept.
    pub(super) fn forget(&self) -> Result<Unpinned, Stale> {
        let change = |pins: u64| (pins & !KEPT) - 1;
        // AcqRel and Relaxed: as `change`.
        self.0
            .fetch_update(Ordering::AcqRel, Ordering::Relaxed, |pins| {
                (pins & KEPT != 0).then(|| change(pins))
            })
            .map(|pins| left(change(pins)))
            .map_err(|_| Stale)
    }

    /// A pin goes: a reader's, or the flight's when the last of it is gone.
    pub(super) fn unpin(&self) -> Unpinned {
        // Relaxed: the flight's last one out has seen, by its exit, whether the call is kept, and a
        // reader has its own pin.
        if self.0.load(Ordering::Relaxed) & COUNT == 0 {
            return Unpinned::Last;
        }
        // AcqRel: what this one read or did happens-before the slot's next use.
        left(self.0.fetch_sub(1, Ordering::AcqRel) - 1)
    }

    fn change(&self, generation: Generation, change: impl Fn(u64) -> u64) -> Result<u64, Stale> {
        if cfg!(rego_break = "manual_pins_check_then_act") {
            // Acquire: as below.
            let pins = self.0.load(Ordering::Acquire);
            if !is_kept(pins, generation) {
                return Err(Stale);
            }
            // Release: as below.
            self.0.store(change(pins), Ordering::Release);
            return Ok(change(pins));
        }
        // AcqRel: Acquire pairs with `keep`; Release as `unpin`. Relaxed on failure: a guess.
        self.0
            .fetch_update(Ordering::AcqRel, Ordering::Relaxed, |pins| {
                is_kept(pins, generation).then(|| change(pins))
            })
            .map(change)
            .map_err(|_| Stale)
    }
}

fn is_kept(pins: u64, generation: Generation) -> bool {
    pins & KEPT != 0 && pins >> 32 == u64::from(generation.get())
}

fn left(pins: u64) -> Unpinned {
    if pins & COUNT == 0 { Unpinned::Last } else { Unpinned::Others }
}
