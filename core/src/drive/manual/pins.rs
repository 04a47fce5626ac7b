//! What keeps a slot from its next call after the end of a call that the host wants to read.
//!
//! # The word
//!
//! ```text
//!  63            32   31     30     29        0
//! ┌────────────────┬──────┬────────┬───────────┐
//! │ generation     │ KEPT │ WANTED │ pins      │   no bit and no pin: nothing is kept
//! └────────────────┴──────┴────────┴───────────┘
//! ```
//!
//! # Paths
//!
//! - *fast*, which is nearly every call: nothing is kept, and the last one out of the flight reads
//!   that the word has no pins.
//! - *kept*: WANTED from the beginning. The holder makes KEPT and two pins of it before it ends the
//!   flight, one for the flight and one for the host. A reader adds one; the host's takes KEPT away
//!   with its own. Whoever takes the last pin away gives the slot back, once, as that is one exchange.
//! - *let go before the end*: takes WANTED away, in one exchange, as the holder's is: one of them is
//!   first, so a call that was let go is not kept, and one that is kept is let go as it should be.
//! - *late*: every entry compares generation and KEPT in its exchange, so an old id pins nothing,
//!   and a call that was let go has no further readers.
//!
//! # Orderings
//!
//! - *machine*: the holder's writes → `keep` (Release) → a reader's `pin` (Acquire).
//! - *slot*: all that was read → `unpin`, `end` (Release) → the last of them (Acquire) → the
//!   slab. All but `want` are read-modify-writes, so a release is not cut off by later changes.
//!
//! Modelled in `loom-tests/tests/manual.rs`.

use crate::{
    flight::{Generation, Stale},
    sync::{AtomicU64, Ordering},
};

/// generation:32 | KEPT:1 | WANTED:1 | pins:30, see the module.
#[derive(Default)]
pub(super) struct Pins(AtomicU64);

const KEPT: u64 = 1 << 31;
const WANTED: u64 = 1 << 30;
const COUNT: u64 = WANTED - 1;

/// Whether the slot is still needed.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unpinned {
    /// It was the last pin: the slot is the caller's to give back.
    Last,
    Others,
}

impl Pins {
    /// The call that begins is to be kept. Only for the thread that begins it.
    pub(super) fn want(&self, generation: Generation) {
        // Relaxed: whoever has the call's id comes after this.
        self.0.store(of(generation) | WANTED, Ordering::Relaxed);
    }

    /// The call is over, and kept unless it was let go already. Only for the holder, before it ends
    /// the flight; it writes nothing of the machine afterwards.
    pub(super) fn keep(&self, generation: Generation) {
        let (wanted, kept) = (of(generation) | WANTED, of(generation) | KEPT | 2);
        // Release: what the holder did to the machine happens-before the reads of whoever pins.
        // Relaxed on failure: it was let go, and there is nothing to read.
        let _let_go = self.0.compare_exchange(wanted, kept, Ordering::Release, Ordering::Relaxed);
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

    /// The host has no more use for what is kept.
    pub(super) fn end(&self, generation: Generation) -> Result<Unpinned, Stale> {
        self.change(generation, |pins| (pins & !KEPT) - 1).map(left)
    }

    /// The host has no more use for it, or will have none when it is over.
    pub(super) fn let_go(&self, generation: Generation) -> Result<Unpinned, Stale> {
        let wanted = of(generation) | WANTED;
        // Relaxed, both: nothing was read. On failure it is over, or was let go.
        match self.0.compare_exchange(wanted, of(generation), Ordering::Relaxed, Ordering::Relaxed)
        {
            Ok(_) => Ok(Unpinned::Others),
            Err(_) => self.end(generation),
        }
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

const fn of(generation: Generation) -> u64 {
    (generation.get() as u64) << 32
}

fn is_kept(pins: u64, generation: Generation) -> bool {
    pins & KEPT != 0 && pins >> 32 == u64::from(generation.get())
}

fn left(pins: u64) -> Unpinned {
    if pins & COUNT == 0 { Unpinned::Last } else { Unpinned::Others }
}
