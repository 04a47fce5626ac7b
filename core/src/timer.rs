//! The wheel: who wakes when.
//!
//! Most timers of a resilience engine are armed and cancelled and never fire: a deadline, a hedge
//! that was not needed. So arming and cancelling are a few exchanges on the caller's own lines,
//! and the rest, sorting timers by time, is put off until one of them is due, by which time nearly
//! all are dead. One thread at a time, the *driver*, does that; nobody waits for it.
//!
//! # The words
//!
//! - a timer (32 bytes in a slab): deadline, user, link, and the *state*, generation:30 |
//!   {FREE, ARMED, CANCELLED}:2. ARMED → CANCELLED is the caller's one exchange, ARMED → FREE the
//!   driver's, when it fires: one of the two succeeds. Freeing is for whoever has taken the timer out
//!   of an intake: the driver, or a clearing, which frees the dead alone.
//! - an intake per shard: *head*, the last timer pushed (index + 1, or 0), and *min*, no later than
//!   the earliest deadline in it.
//! - *coming*: when a driver looks again at the latest, if nobody wakes it.
//! - *turns*: odd while a driver is at work, and so the lock as well.
//!
//! # Paths
//!
//! - *arm*: take a slot, fill it in, push it, **then** lower the shard's *min*. Only if that made it
//!   the shard's earliest is *coming* read, and only if it is earlier than that, too, must the
//!   driver be woken.
//! - *cancel*: one exchange on the timer, and a count. The dead stay where they are.
//! - *advance*: become the driver, or be told to look again in a tick. For each shard whose *min*
//!   has come: *min* := never, **then** take the whole intake. The other way round, a timer pushed
//!   in between would lose its *min*, and nobody would come for it. The dead are dropped, the
//!   survivors set aside for the wheel, and whatever is due fires. A shard whose time has not come
//!   is left alone.
//! - *clear*: every 256th arming of a shard looks through its intake and, if nothing there lives, frees
//!   it: the dead need not travel to the driver and back. `timer/clear.rs` has the proof.
//! - *too many dead*: when more slots are dead than not, and 4 096 more, the driver takes every
//!   intake and sweeps the wheel. Every 1 024th arming of a shard looks whether that is so and has
//!   the driver woken, and so does one that makes the slab grow; one that finds it full sweeps.
//!
//! Nothing fires early, to the nanosecond. What is due at one advance fires in no particular order.
//!
//! # Orderings
//!
//! - *intake*: the timer's fields → the push (Release) → taking the intake (Acquire).
//! - *min*: the push → lowering *min* (Release) → the driver's swap (Acquire) → taking the intake.
//!   All three are read-modify-writes of one word, so a *min* that the swap did not see comes after
//!   it, and stays.
//! - *who sees whom*: the arming thread writes *min*, fence, reads *coming*; the driver writes
//!   *coming*, fence, reads every *min*. Of two such fences (`SeqCst`) one comes first, so either
//!   the driver sees the new *min*, or the arming thread the new *coming*; both miss never.
//! - *put back*: a driver takes an intake (Release) → the clearing that had borrowed it puts timers
//!   back (Acquire) → it sees that driver's turn.
//! - *driver*: a driver's writes → *turns* even (Release) → *turns* odd (Acquire).
//!
//! Modelled in `loom-tests/tests/timer.rs`.

mod clear;
mod entry;
mod intake;
mod wheel;

use std::{fmt, mem::ManuallyDrop};

use crate::{
    clock::Nanos,
    slab::Slab,
    sync::{AtomicU64, CachePadded, Cell, Ordering, SHARDS, Shard, fence},
};
use entry::Entry;
use intake::Intake;
use wheel::Wheel;

const TICK_BITS: u32 = 16;

/// 65.5 µs: what the wheel sorts by, and when to look again while another thread drives.
pub const TICK: Nanos = Nanos::from_nanos(1 << TICK_BITS);

/// Later than any deadline, and earlier than the *min* of an intake that has none.
const LAST: Nanos = Nanos::from_nanos(u64::MAX - 1);

/// How many dead timers are nothing to worry about.
const FEW: usize = if cfg!(rego_loom) { 0 } else { 4_096 };

/// How many armings of a shard go by before one of them sees to it.
const OFTEN: u64 = 256;

/// Timers for many threads: armed, cancelled and advanced by any of them, without locks.
pub struct Timers {
    slab: Slab<Entry>,
    intakes: [CachePadded<Intake>; SHARDS],
    coming: AtomicU64,
    turns: AtomicU64,
    wheel: Cell<Wheel>,
    /// The wheel's figures as of the last turn.
    buried: AtomicU64,
    filed: AtomicU64,
}

/// Names one arming of a timer. Of a timer that has fired or been cancelled it names nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimerId {
    index: u32,
    generation: u32,
}

/// A timer was armed.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Armed {
    /// To cancel it by.
    pub id: TimerId,
    /// The driver should be woken: this timer is earlier than it would come by itself, or there is
    /// more dead than alive to carry about.
    pub wake: bool,
}

/// As many timers are out as there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl TimerId {
    /// For a word of its own: never below 2³².
    pub(crate) const fn to_bits(self) -> u64 {
        (self.index as u64 + 1) << 32 | self.generation as u64
    }

    /// The timer that has these bits, unless none has.
    pub(crate) const fn from_bits(bits: u64) -> Option<Self> {
        match (bits >> 32).checked_sub(1) {
            Some(index) => Some(Self { index: index as u32, generation: bits as u32 }),
            None => None,
        }
    }
}

impl Timers {
    /// Room for `max` timers, armed or not yet cleared away; memory comes as it is needed.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self {
            slab: Slab::new(max),
            intakes: std::array::from_fn(|_| CachePadded::new(Intake::new())),
            coming: AtomicU64::new(Nanos::NEVER.as_nanos()),
            turns: AtomicU64::new(0),
            wheel: Cell::new(Wheel::new()),
            buried: AtomicU64::new(0),
            filed: AtomicU64::new(0),
        }
    }

    /// Has `user` handed to whoever [`advance`](Self::advance)s to `deadline`, unless cancelled.
    /// A deadline that is past fires at the next advance. About 10 ns.
    ///
    /// # Errors
    ///
    /// [`Full`] if there is no room.
    #[inline]
    pub fn arm(&self, shard: Shard, deadline: Nanos, user: u64) -> Result<Armed, Full> {
        let (index, entry, crowded) = match self.slab.reuse(shard) {
            Some((index, entry, nth)) => {
                (index, entry, nth % OFTEN == 0 && self.tend(shard, nth / OFTEN))
            }
            None => self.make_room(shard)?,
        };
        let id = TimerId { index, generation: entry.arm(deadline, user) };
        let first = self.intakes[shard.index()].push(index, entry, deadline);
        Ok(Armed { id, wake: first && self.is_early(deadline) || crowded })
    }

    /// Keeps a timer from firing. `false` if it has fired already, or was cancelled before.
    #[inline]
    pub fn cancel(&self, id: TimerId) -> bool {
        let Some(entry) = self.slab.get(id.index) else { return false };
        let cancelled = entry.cancel(id.generation);
        if cancelled && let Some(home) = self.slab.home(id.index) {
            // Relaxed: a count, by which the driver judges whether to sweep.
            self.intakes[home.index()].cancelled.fetch_add(1, Ordering::Relaxed);
        }
        cancelled
    }

    /// Fires what is due at `now`, and says when to come again: no later than the next deadline,
    /// as long as nobody is told to [wake](Armed::wake) the driver. While another thread is doing
    /// this, that is a tick from `now`. Time that goes back changes nothing: what is due at the latest
    /// time that any thread has come with fires.
    ///
    /// `fire` may arm and cancel. If it panics, the timers that were left come with the next call.
    pub fn advance(&self, now: Nanos, fire: &mut impl FnMut(u64)) -> Nanos {
        self.advance_by(now, self.is_crowded().then_some(Nanos::NEVER), fire)
    }

    /// As [`advance`](Self::advance), without the dead, wherever they lie: what is to come is alive, or
    /// was just now. For whoever knows that hardly any are.
    pub fn advance_and_sweep(&self, now: Nanos, fire: &mut impl FnMut(u64)) -> Nanos {
        self.advance_by(now, Some(LAST), fire)
    }

    fn advance_by(&self, now: Nanos, sweeps: Option<Nanos>, fire: &mut impl FnMut(u64)) -> Nanos {
        let Some(mut turn) = Turn::take(self) else { return now + TICK };
        turn.collect(now, sweeps);
        while let Some(user) = turn.wheel(|wheel| wheel.next_due(&self.slab)) {
            fire(user);
        }
        turn.end()
    }

    /// When to call [`advance`](Self::advance): no later than the next deadline.
    /// [`Nanos::ZERO`], which is at once, while another thread is doing so.
    #[must_use]
    #[cfg_attr(not(any(test, rego_loom)), allow(dead_code, reason = "for tests and models"))]
    pub fn next_deadline(&self) -> Nanos {
        // Acquire: if this turn's end is seen, so is what it published.
        let turns = self.turns.load(Ordering::Acquire);
        // Acquire: whoever sees what a later turn wrote sees below that it has begun.
        let coming = Nanos::from_nanos(self.coming.load(Ordering::Acquire));
        let next = self.intakes.iter().map(|intake| intake.min(Ordering::Acquire)).min();
        // Relaxed: the loads above come first, since they acquire.
        if turns % 2 == 1 || self.turns.load(Ordering::Relaxed) != turns {
            return Nanos::ZERO;
        }
        next.map_or(coming, |next| next.min(coming))
    }

    /// How many timers there is memory for, never more than the `max` of [`new`](Self::new).
    #[must_use]
    pub fn allocated(&self) -> usize {
        self.slab.allocated()
    }

    /// How many timers ever lived long enough to be sorted, as of the last turn.
    #[must_use]
    #[cfg_attr(not(any(test, rego_loom)), allow(dead_code, reason = "for tests and models"))]
    pub fn filed(&self) -> u64 {
        // Relaxed: a figure.
        self.filed.load(Ordering::Relaxed)
    }

    /// Asserts the wheel's invariants; costs a look at every timer in it. For tests and simulation.
    ///
    /// # Panics
    ///
    /// If one does not hold, or while another thread drives.
    #[cfg_attr(not(any(test, rego_loom)), allow(dead_code, reason = "for tests and models"))]
    pub fn check(&self) {
        let mut turn = Turn::take(self).expect("checked while nobody drives");
        turn.wheel(|wheel| wheel.check(&self.slab));
        turn.end();
    }

    /// A slot for a shard that has none at hand, and whether there are too many dead.
    #[cold]
    fn make_room(&self, shard: Shard) -> Result<(u32, &Entry, bool), Full> {
        let crowded = self.is_crowded();
        if let Some((index, entry)) = self.slab.acquire(shard) {
            return Ok((index, entry, crowded));
        }
        if let Some(mut turn) = Turn::take(self) {
            turn.collect(Nanos::ZERO, Some(Nanos::NEVER));
            turn.end();
        }
        self.slab.acquire(shard).map(|(index, entry)| (index, entry, true)).ok_or(Full)
    }

    /// Whether no driver would come by `deadline` on its own. Asked when *min* has been lowered.
    #[cold]
    fn is_early(&self, deadline: Nanos) -> bool {
        if !cfg!(rego_break = "timer_unfenced") {
            // SeqCst: the new *min* before the reading of *coming*; pairs with `publish`.
            fence(Ordering::SeqCst);
        }
        // Relaxed: the fence orders it.
        deadline.as_nanos() < self.coming.load(Ordering::Relaxed)
    }

    /// Whether the dead are more than all else, by enough to be worth a sweep.
    fn is_crowded(&self) -> bool {
        // Relaxed, both: figures.
        let cancelled = self.intakes.iter().map(|intake| intake.cancelled.load(Ordering::Relaxed));
        let cleared = self.intakes.iter().map(|intake| intake.cleared.load(Ordering::Relaxed));
        let buried = self.buried.load(Ordering::Relaxed) + cleared.sum::<u64>();
        // A timer may be buried before its cancel has been counted.
        let dead = usize::try_from(cancelled.sum::<u64>().saturating_sub(buried)).unwrap_or(0);
        dead > self.slab.allocated().saturating_sub(dead) + FEW
    }
}

// SAFETY: because the wheel is touched by whoever has the one `Turn` there can be, and everything
// else is atomic.
unsafe impl Sync for Timers {}

impl fmt::Debug for Timers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timers").field("allocated", &self.allocated()).finish_non_exhaustive()
    }
}

/// Being the driver: there is one at a time.
struct Turn<'a> {
    timers: &'a Timers,
}

impl<'a> Turn<'a> {
    /// Becomes the driver, unless somebody is.
    fn take(timers: &'a Timers) -> Option<Self> {
        // Relaxed: a guess, which the exchange confirms.
        let turns = timers.turns.load(Ordering::Relaxed);
        if turns % 2 == 1 {
            return None;
        }
        // Acquire: the last driver's writes happen-before this one's reads.
        timers
            .turns
            .compare_exchange(turns, turns + 1, Ordering::Acquire, Ordering::Relaxed)
            .ok()
            .map(|_| Self { timers })
    }

    fn wheel<R>(&mut self, f: impl FnOnce(&mut Wheel) -> R) -> R {
        // SAFETY: because `turns` is odd by this turn's doing, so nobody else touches the wheel,
        // and `&mut self` keeps this thread from doing it twice.
        self.timers.wheel.with_mut(|wheel| f(unsafe { &mut *wheel }))
    }

    /// Turns the wheel to `now` and takes in what has come to the intakes whose time it is; or to those
    /// whose time comes until then, and sweeps.
    fn collect(&mut self, now: Nanos, sweeps: Option<Nanos>) {
        let timers = self.timers;
        self.wheel(|wheel| {
            let now = wheel.turn_to(&timers.slab, now);
            // Relaxed: one that is lowered just now is seen by `publish`, at the latest.
            let until = sweeps.unwrap_or(now);
            let is_due = |intake: &Intake| intake.min(Ordering::Relaxed) <= until;
            let mut due = timers.intakes.iter().filter(|intake| is_due(intake)).peekable();
            if due.peek().is_some() {
                wheel.file_young(&timers.slab);
            }
            for intake in due {
                wheel.take_in(&timers.slab, intake.take());
            }
            if sweeps.is_some() {
                wheel.sweep(&timers.slab);
            }
        });
    }

    /// Ceases to be the driver; when one is to come again.
    fn end(self) -> Nanos {
        let mut turn = ManuallyDrop::new(self);
        let next = turn.publish();
        turn.unlock();
        next
    }

    fn publish(&mut self) -> Nanos {
        let timers = self.timers;
        let (held_next, buried, filed) =
            self.wheel(|wheel| (wheel.next(), wheel.buried(), wheel.filed()));
        // Relaxed, both: figures.
        timers.buried.store(buried, Ordering::Relaxed);
        timers.filed.store(filed, Ordering::Relaxed);
        // Release: whoever reads it sees that this turn has begun.
        timers.coming.store(held_next.as_nanos(), Ordering::Release);
        if !cfg!(rego_break = "timer_unfenced") {
            // SeqCst: the new *coming* before the reading of every *min*; pairs with `is_early`.
            fence(Ordering::SeqCst);
        }
        // Relaxed: the fence orders it.
        let mins = timers.intakes.iter().map(|intake| intake.min(Ordering::Relaxed));
        let next = mins.fold(held_next, Nanos::min);
        // Release: as above. That a driver comes even earlier may be known late.
        timers.coming.store(next.as_nanos(), Ordering::Release);
        next
    }

    fn unlock(&mut self) {
        // Relaxed: nobody else changes an odd value.
        let turns = self.timers.turns.load(Ordering::Relaxed);
        // Release: this driver's writes happen-before the next one's reads.
        self.timers.turns.store(turns + 1, Ordering::Release);
    }
}

impl Drop for Turn<'_> {
    /// The end of a turn in which `fire` panicked.
    fn drop(&mut self) {
        self.publish();
        self.unlock();
    }
}

#[cfg(test)]
mod tests;
