//! How long attempts take: a censored histogram, and the trigger published from it.
//!
//! A primary leg is observed once: recorded when it succeeds, censored at its age when it fails,
//! times out or is asked to cancel. From time to time one thread that is about to wait refreshes:
//! it takes in what is new, lets a planner decide when to hedge, and publishes the answer as one
//! word, which is all a call reads.
//!
//! # Paths
//!
//! - *record, censor*: an index and one `fetch_add` in the thread's own shard. Counters only ever
//!   go up, and wrap: nothing is rotated or reset, so there is nothing to race with.
//! - *trigger, due, totals*: plain loads.
//! - *refresh*: whoever turns `busy` from false to true, until it turns it back, on unwinding too.
//!   Anybody else goes away. Electing a refresher by a CAS on the time of the last refresh would
//!   not do: one who is preempted in the middle meets the next one in the keeper.
//!
//! # Orderings
//!
//! The counters are independent and publish nothing: `Relaxed`. Each increment is in exactly one
//! delta, the first whose load comes after it in the counter's modification order. The one edge
//! is `busy`: Release at the end of a turn, Acquire at the beginning of the next. It hands over
//! the keeper, and it makes the loads of this turn see no less than those of the last did, without
//! which a wrapping difference could be negative, that is, huge.
//!
//! Modelled in `loom-tests/tests/latency.rs`.

mod keeper;
mod watch;
mod window;

use std::fmt;

use crate::{
    clock::Nanos,
    curve::{BUCKETS, CENSORED, Plan, Reading, Scale, Trigger},
    sync::{AtomicBool, AtomicU32, AtomicU64, CachePadded, Cell, Ordering, SHARDS, Shard},
};
use keeper::Keeper;

/// What the loom models' negative control weakens.
// Release: as the room's orderings say. Relaxed: a break that the models must find.
const HAND_OVER: Ordering =
    if cfg!(rego_break = "latency_relaxed") { Ordering::Relaxed } else { Ordering::Release };

/// How many shards a site's counters have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharding {
    /// One, for sites that are called from few threads: 4 KiB.
    #[cfg_attr(not(any(test, rego_loom)), allow(dead_code, reason = "for tests and models"))]
    One,
    /// One for each shard of the engine, for busy sites: 31 KiB.
    PerThread,
}

/// How long the primary legs of a site take, and the trigger that follows from it.
pub struct Latency {
    shards: Box<[CachePadded<Counters>]>,
    /// The published [`Trigger`].
    trigger: AtomicU64,
    /// When the last refresh began.
    refreshed: AtomicU64,
    /// When the next one is worth it.
    due_at: AtomicU64,
    /// The totals as of the last refresh.
    events: AtomicU64,
    censored: AtomicU64,
    /// Whether a refresher is at work.
    busy: AtomicBool,
    /// The refreshers' own memory, made by the first of them. Only the one who turned `busy` to
    /// true looks into it.
    keeper: Cell<Option<Box<Keeper>>>,
}

/// What one shard has counted; wraps.
struct Counters {
    events: [AtomicU32; BUCKETS],
    censored: [AtomicU32; CENSORED],
}

/// How many legs were recorded and how many censored, as of the last refresh.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// How many were recorded.
    pub events: u64,
    /// How many were censored.
    pub censored: u64,
}

/// Every event since the beginning by bucket, for exposition.
#[derive(Clone, Debug)]
pub struct Histogram {
    events: Box<[u64]>,
}

// SAFETY: because the keeper, the only part that is not an atomic, is reached through `Turn` alone,
// and there is one turn at a time; it is made of plain numbers, which any thread may own.
unsafe impl Sync for Latency {}

impl Latency {
    /// Nothing observed, nothing planned.
    pub fn new(sharding: Sharding) -> Self {
        let shards = match sharding {
            Sharding::One => 1,
            Sharding::PerThread => SHARDS,
        };
        Self {
            shards: (0..shards).map(|_| CachePadded::new(Counters::new())).collect(),
            trigger: AtomicU64::new(Trigger::UNPLANNED.to_word()),
            refreshed: AtomicU64::new(0),
            due_at: AtomicU64::new(0),
            events: AtomicU64::new(0),
            censored: AtomicU64::new(0),
            busy: AtomicBool::new(false),
            keeper: Cell::new(None),
        }
    }

    /// A primary leg succeeded after this long.
    #[inline]
    pub fn record(&self, shard: Shard, elapsed: Nanos) {
        let counters = &self.shards[shard.index() & (self.shards.len() - 1)];
        // Relaxed: the count is all there is, see the room's orderings.
        counters.events[Scale::FINE.index(elapsed)].fetch_add(1, Ordering::Relaxed);
    }

    /// A primary leg failed, timed out or was asked to cancel at this age: it would have taken
    /// longer, nobody knows how much.
    #[inline]
    pub fn censor(&self, shard: Shard, age: Nanos) {
        let counters = &self.shards[shard.index() & (self.shards.len() - 1)];
        // Relaxed: the count is all there is, see the room's orderings.
        counters.censored[Scale::COARSE.index(age)].fetch_add(1, Ordering::Relaxed);
    }

    /// The trigger in force.
    #[inline]
    pub fn trigger(&self) -> Trigger {
        // Relaxed: the word is complete in itself, no other memory is read on its account.
        Trigger::from_word(self.trigger.load(Ordering::Relaxed))
    }

    /// When the last refresh began; zero if there was none.
    pub fn published_at(&self) -> Nanos {
        // Relaxed: a time to compare with, nothing is read on its account.
        Nanos::from_nanos(self.refreshed.load(Ordering::Relaxed))
    }

    /// Whether a refresh is worth it: the last is a quarter of the time ago that has passed since
    /// the first, at least 5 ms and at most 100 ms.
    #[inline]
    pub fn due(&self, now: Nanos) -> bool {
        // Relaxed: a time to compare with, nothing is read on its account.
        now.as_nanos() >= self.due_at.load(Ordering::Relaxed)
    }

    /// How much was observed, as of the last refresh.
    pub fn totals(&self) -> Totals {
        Totals {
            // Relaxed: a figure for people; each of the two is right as of some refresh.
            events: self.events.load(Ordering::Relaxed),
            // Relaxed: as above.
            censored: self.censored.load(Ordering::Relaxed),
        }
    }

    /// Takes in what was observed since the last refresh, asks `plan` for a trigger and publishes
    /// it. `None` if another thread is refreshing.
    ///
    /// If `plan` panics, the trigger in force stays, and no observation is lost.
    pub fn refresh(
        &self,
        now: Nanos,
        plan: &mut dyn FnMut(&Reading<'_>) -> Plan,
    ) -> Option<Totals> {
        let turn = if cfg!(rego_break = "latency_elected_by_time") {
            Turn::by_time(self, now)?
        } else {
            Turn::take(self)?
        };
        // Relaxed: see `published_at`. Before the planning, so that a plan which panics is not
        // tried again by every thread that waits.
        self.refreshed.store(now.as_nanos(), Ordering::Relaxed);
        let pause = turn.with_keeper(|keeper| keeper.pause(now));
        // Relaxed: as above.
        self.due_at.store((now + pause).as_nanos(), Ordering::Relaxed);
        let (planned, totals) = turn.with_keeper(|keeper| {
            let fresh = keeper.take_in(&self.shards);
            let planned = keeper.plan(now, &fresh, plan);
            (planned, keeper.totals())
        });
        // Relaxed: see `totals`.
        self.events.store(totals.events, Ordering::Relaxed);
        // Relaxed: see `totals`.
        self.censored.store(totals.censored, Ordering::Relaxed);
        // Relaxed: see `trigger`.
        self.trigger.store(planned.trigger.to_word(), Ordering::Relaxed);
        Some(totals)
    }

    /// Every event by bucket as of the last refresh. `None` if another thread is refreshing.
    pub fn histogram(&self) -> Option<Histogram> {
        Some(Turn::take(self)?.with_keeper(|keeper| keeper.histogram()))
    }
}

impl fmt::Debug for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Latency")
            .field("shards", &self.shards.len())
            .field("trigger", &self.trigger())
            .field("totals", &self.totals())
            .finish_non_exhaustive()
    }
}

impl Counters {
    fn new() -> Self {
        Self {
            events: std::array::from_fn(|_| AtomicU32::new(0)),
            censored: std::array::from_fn(|_| AtomicU32::new(0)),
        }
    }
}

impl Histogram {
    /// Pairs of a bucket's upper bound, which is not in it, and its count; the last bound is
    /// [`Nanos::NEVER`].
    pub fn iter(&self) -> impl Iterator<Item = (Nanos, u64)> {
        self.events.iter().enumerate().map(|(bucket, &count)| (Scale::FINE.upper(bucket), count))
    }
}

/// One refresher's turn; ends when it is dropped.
struct Turn<'a>(&'a Latency);

impl<'a> Turn<'a> {
    /// `None` while it is somebody else's.
    fn take(latency: &'a Latency) -> Option<Self> {
        // Acquire: what the last turn did to the keeper, and what it read of the counters,
        // happens-before this one. Relaxed on failure: then nothing is touched.
        let free = latency.busy.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed);
        // Only the one who took the turn may make the guard: dropping one ends the turn.
        free.is_ok().then(|| Self(latency))
    }

    /// What `take` must not be: whoever moves the time of the last refresh on. One who is preempted
    /// in the middle meets the next one in the keeper.
    fn by_time(latency: &'a Latency, now: Nanos) -> Option<Self> {
        let (last, now) = (latency.published_at().as_nanos(), now.as_nanos());
        if now <= last {
            return None;
        }
        // AcqRel: as a turn's end and the next one's beginning. Relaxed on failure: as `take`.
        let elected =
            latency.refreshed.compare_exchange(last, now, Ordering::AcqRel, Ordering::Relaxed);
        elected.is_ok().then(|| Self(latency))
    }

    fn with_keeper<R>(&self, f: impl FnOnce(&mut Keeper) -> R) -> R {
        self.0.keeper.with_mut(|keeper| {
            // SAFETY: because a turn is exclusive and this one is not over, nobody else has a
            // reference into the cell; `f` cannot come back here, as it has no turn.
            let keeper = unsafe { &mut *keeper };
            f(keeper.get_or_insert_default())
        })
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        // Release: all of this turn happens-before the next one.
        self.0.busy.store(false, HAND_OVER);
    }
}

#[cfg(not(rego_loom))]
const _: () = assert!(size_of::<CachePadded<Counters>>() <= 6 << 10, "per site and shard");
#[cfg(not(rego_loom))]
const _: () = assert!(
    size_of::<CachePadded<Counters>>() + size_of::<Keeper>() + size_of::<Latency>() <= 20 << 10,
    "per site with one shard"
);
#[cfg(not(rego_loom))]
const _: () = assert!(size_of::<Keeper>() <= 16 << 10, "per site that is refreshed");

#[cfg(test)]
mod tests;
