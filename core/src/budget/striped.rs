//! A balance that many threads pay into and draw from, and that never issues more than it got.
//!
//! # State
//!
//! `central` is what can be drawn; each cell is what the threads of one shard have paid in and not
//! yet moved there. All are millionths of an attempt ([`TOKEN`]). `filled` has a bit for each cell
//! that holds something, set by whoever finds the cell empty and pays in.
//!
//! # Paths
//!
//! * deposit, at the ceiling: two loads of one line, nothing is written.
//! * deposit, below it: one `fetch_add` on the shard's own line; every `batch` the cell is emptied
//!   into `central`, and the next deposit sets its bit again.
//! * withdraw: a CAS on `central`; if that is too little, the cells that hold something are
//!   emptied into it first. With nothing anywhere (an outage) that is two loads of one line, and
//!   none bounces between the threads that are being refused.
//!
//! # Why it is exact
//!
//! Every token is in exactly one place: a cell, the hand of the thread that emptied it, `central`,
//! spent, or discarded at the ceiling. It changes places by single read-modify-writes, so what is
//! issued never exceeds what was there at first plus what was paid in. The only error is a refusal
//! while the missing tokens are in another thread's hand, or its bit is.
//!
//! # Orderings
//!
//! The balance itself needs none: Relaxed would do. What they are for is the audit: whoever sees a
//! grant counted must see the deposit that paid for it in [`Striped::issued_at_most`]. The edges
//! are `credited` → `central` (Release) → the draw (Acquire) → the caller's count of it (Release).
//! `discarded` is read before `credited`, and both after the count. Besides, a bit is set with
//! Release and taken with Acquire, so that whoever takes it finds what it stands for.
//!
//! Modelled in `loom-tests/tests/budget.rs`.

use crate::sync::{AtomicU32, AtomicU64, CachePadded, Ordering, SHARDS, Shard};

use super::token::TOKEN;

/// See the module. `repr(C)`: what a deposit reads lies side by side.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Striped {
    central: AtomicU64,
    ceiling: AtomicU64,
    batch: AtomicU64,
    filled: AtomicU32,
    /// Empty where deposits come in bulk alone.
    cells: Box<[CachePadded<AtomicU64>]>,
    initial: u64,
    /// What was ever moved towards `central`, and what of it, or out of it, was thrown away.
    credited: AtomicU64,
    discarded: AtomicU64,
}

impl Striped {
    /// A balance of `initial`, with cells for [`Striped::deposit`] or without.
    pub(super) fn new(initial: u64, ceiling: u64, cells: bool) -> Self {
        let cells = if cells { SHARDS } else { 0 };
        Self {
            central: AtomicU64::new(initial),
            ceiling: AtomicU64::new(ceiling),
            batch: AtomicU64::new(batch(ceiling)),
            filled: AtomicU32::new(0),
            cells: (0..cells).map(|_| CachePadded::new(AtomicU64::new(0))).collect(),
            initial,
            credited: AtomicU64::new(0),
            discarded: AtomicU64::new(0),
        }
    }

    /// Pays in on the calling thread's own shard.
    #[inline]
    pub(super) fn deposit(&self, shard: Shard, tokens: u64) {
        // Relaxed, both: a hint. Where it is stale, a deposit is dropped that would have fitted, or
        // made and then discarded at the ceiling.
        if self.central.load(Ordering::Relaxed) >= self.ceiling.load(Ordering::Relaxed) {
            return;
        }
        let Some(cell) = self.cells.get(shard.index()) else { return };
        // Relaxed: moving tokens needs atomicity alone (see the module).
        let before = cell.fetch_add(tokens, Ordering::Relaxed);
        // Relaxed: any batch is correct.
        if before.saturating_add(tokens) >= self.batch.load(Ordering::Relaxed) {
            self.empty(cell);
        } else if before == 0 {
            // Release: what was paid in happens-before the sweep that takes the bit.
            self.filled.fetch_or(1 << shard.index(), Ordering::Release);
        }
    }

    /// Whether a withdrawal is worth trying: with nothing anywhere, two loads of one line.
    #[inline]
    pub(super) fn may_have(&self, tokens: u64) -> bool {
        // Relaxed, both: a hint, as for the withdrawal itself.
        self.central.load(Ordering::Relaxed) >= tokens || self.filled.load(Ordering::Relaxed) != 0
    }

    /// Takes `tokens`, all or nothing.
    #[inline]
    pub(super) fn withdraw(&self, tokens: u64) -> bool {
        self.draw(tokens) || (self.sweep() && self.draw(tokens))
    }

    /// Pays in straight away, as far as the ceiling allows.
    pub(super) fn credit(&self, tokens: u64) {
        // Relaxed: the Release on `central` below publishes it.
        self.credited.fetch_add(tokens, Ordering::Relaxed);
        // Relaxed: any ceiling is correct.
        let ceiling = self.ceiling.load(Ordering::Relaxed);
        // Relaxed: the CAS tells whether it still holds.
        let mut central = self.central.load(Ordering::Relaxed);
        loop {
            let next = central.max(ceiling.min(central.saturating_add(tokens)));
            // Release: what was credited happens-before any draw of it. Relaxed on failure: the
            // value is only tried again.
            match self.central.compare_exchange_weak(
                central,
                next,
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) => return self.discard(tokens - (next - central)),
                Err(now) => central = now,
            }
        }
    }

    /// Moves the ceiling; a balance above it is cut.
    pub(super) fn set_ceiling(&self, ceiling: u64) {
        // Relaxed, both: each value is correct alone.
        self.ceiling.store(ceiling, Ordering::Relaxed);
        self.batch.store(batch(ceiling), Ordering::Relaxed);
        // Relaxed: the CAS tells whether it still holds.
        let mut central = self.central.load(Ordering::Relaxed);
        while central > ceiling {
            // Acquire: the credits that are cut happen-before the Release in `discard`, so an audit
            // that sees the cut sees them. Relaxed on failure: only tried again.
            match self.central.compare_exchange_weak(
                central,
                ceiling,
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) => return self.discard(central - ceiling),
                Err(now) => central = now,
            }
        }
    }

    /// What could be drawn now, if nobody else did.
    pub(super) fn balance(&self) -> u64 {
        // Relaxed: a figure for people, true of no single moment.
        let held = |word: &AtomicU64| word.load(Ordering::Relaxed);
        self.cells.iter().fold(held(&self.central), |sum, cell| sum.saturating_add(held(cell)))
    }

    /// What the balance may rise to.
    pub(super) fn ceiling(&self) -> u64 {
        // Relaxed: any ceiling is correct.
        self.ceiling.load(Ordering::Relaxed)
    }

    /// All that was ever paid in and not discarded, the cells included: rather too much, as what a
    /// cell is emptied of meanwhile is counted twice; but for what other threads have in hand.
    pub(super) fn paid_in(&self) -> u64 {
        // Acquire: read before the rest, so what a cell has lost is found there.
        let held = |cell: &CachePadded<AtomicU64>| cell.load(Ordering::Acquire);
        let held = self.cells.iter().fold(0, |sum: u64, cell| sum.saturating_add(held(cell)));
        held.saturating_add(self.issued_at_most()).saturating_sub(self.initial)
    }

    /// An upper bound of all that was ever drawn and counted before this is read.
    pub(super) fn issued_at_most(&self) -> u64 {
        // Acquire: read first, so that every credit behind what was discarded is seen below.
        let discarded = self.discarded.load(Ordering::Acquire);
        // Relaxed: ordered after the count of grants, and after `discarded`, by their Acquire.
        let credited = self.credited.load(Ordering::Relaxed);
        self.initial.saturating_add(credited).saturating_sub(discarded)
    }

    #[cfg(not(rego_break = "budget_check_then_act"))]
    fn draw(&self, tokens: u64) -> bool {
        // Relaxed: the CAS tells whether it still holds.
        let mut central = self.central.load(Ordering::Relaxed);
        while central >= tokens {
            // Acquire: pairs with the Release in `credit`, so the credits that pay for this
            // happen-before the caller's count of it. Relaxed on failure: only tried again.
            match self.central.compare_exchange_weak(
                central,
                central - tokens,
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) => return true,
                Err(now) => central = now,
            }
        }
        false
    }

    /// The negative control: the check is not part of the write, so two can pass it on one token.
    #[cfg(rego_break = "budget_check_then_act")]
    fn draw(&self, tokens: u64) -> bool {
        let enough = self.central.load(Ordering::Acquire) >= tokens;
        if enough {
            self.central.fetch_sub(tokens, Ordering::AcqRel);
        }
        enough
    }

    /// Empties the cells that hold something into `central`; whether there were any.
    #[inline]
    fn sweep(&self) -> bool {
        // Relaxed: a hint; a cell filled just now is found the next time.
        if self.filled.load(Ordering::Relaxed) == 0 {
            return false;
        }
        self.sweep_filled();
        true
    }

    #[cold]
    fn sweep_filled(&self) {
        // Acquire: pairs with the Release in `deposit`; each cell is found filled, or was emptied
        // since.
        let filled = self.filled.swap(0, Ordering::Acquire);
        for (index, cell) in self.cells.iter().enumerate() {
            if filled & (1 << index) != 0 {
                self.empty(cell);
            }
        }
    }

    #[cold]
    fn empty(&self, cell: &AtomicU64) {
        // Relaxed: moving tokens needs atomicity alone (see the module).
        let tokens = cell.swap(0, Ordering::Relaxed);
        if tokens > 0 {
            self.credit(tokens);
        }
    }

    fn discard(&self, tokens: u64) {
        if tokens > 0 {
            // Release: the credit it came from happens-before an audit that sees it gone.
            self.discarded.fetch_add(tokens, Ordering::Release);
        }
    }
}

/// How much a cell gathers before it is moved: an eighth of the ceiling in all the cells together,
/// but never less than one attempt each.
fn batch(ceiling: u64) -> u64 {
    (ceiling / (8 * SHARDS as u64)).max(TOKEN)
}

const _: () = assert!(SHARDS <= 32, "a bit for each cell");

#[cfg(test)]
mod tests;
