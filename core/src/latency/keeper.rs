//! What a refresher remembers: everything since the beginning, and a window of it.

use super::{
    Counters, Histogram, Totals,
    window::{Weights, Window},
};
use crate::{
    clock::Nanos,
    curve::{BUCKETS, CENSORED, Plan, Reading},
    sync::{AtomicU32, CachePadded, Ordering},
};

/// A young site learns something new soon: its pauses between refreshes are a quarter of its age, …
const SHORTEST_PAUSE: Nanos = Nanos::from_millis(5);
/// … and as long as this from 400 ms on.
const LONGEST_PAUSE: Nanos = Nanos::from_millis(100);

/// The refreshers' own memory, handed from turn to turn.
pub(super) struct Keeper {
    /// Events since the beginning; the low half of each is what the counters add up to.
    events: [u64; BUCKETS],
    /// What the counters of the censored added up to; wraps as they do.
    censored: [u32; CENSORED],
    censored_total: u64,
    window: Window,
    /// The plan in force.
    plan: Plan,
    /// When the first refresh began.
    born: Option<Nanos>,
}

impl Keeper {
    /// What was observed since the last time.
    pub(super) fn take_in(&mut self, shards: &[CachePadded<Counters>]) -> Weights {
        let mut fresh = Weights::default();
        for (bucket, total) in self.events.iter_mut().enumerate() {
            #[expect(clippy::cast_possible_truncation, reason = "the low half is meant")]
            let new = sum(shards, |shard| &shard.events[bucket]).wrapping_sub(*total as u32);
            *total += u64::from(new);
            fresh.add_events(bucket, new);
        }
        for (bucket, seen) in self.censored.iter_mut().enumerate() {
            let sum = sum(shards, |shard| &shard.censored[bucket]);
            let new = sum.wrapping_sub(*seen);
            *seen = sum;
            self.censored_total += u64::from(new);
            fresh.add_censored(bucket, new);
        }
        fresh
    }

    /// Moves the window on and asks for a new plan.
    pub(super) fn plan(
        &mut self,
        now: Nanos,
        fresh: &Weights,
        plan: &mut dyn FnMut(&Reading<'_>) -> Plan,
    ) -> Plan {
        let in_force = self.plan;
        let (legs, outlasted) = fresh.beyond(in_force.trigger.delay());
        self.window.take_in(now, fresh, in_force, legs, outlasted);
        let curve = self.window.curve();
        self.plan = plan(&Reading {
            curve: &curve,
            in_force,
            legs,
            outlasted,
            dispersion: self.window.dispersion(),
        });
        self.plan
    }

    /// How long the next refresh is not worth it: a quarter of its age, within bounds.
    pub(super) fn pause(&mut self, now: Nanos) -> Nanos {
        let age = now - *self.born.get_or_insert(now);
        Nanos::from_nanos(age.as_nanos() / 4).clamp(SHORTEST_PAUSE, LONGEST_PAUSE)
    }

    pub(super) fn totals(&self) -> Totals {
        Totals { events: self.events.iter().sum(), censored: self.censored_total }
    }

    pub(super) fn histogram(&self) -> Histogram {
        Histogram { events: self.events.into() }
    }
}

impl Default for Keeper {
    fn default() -> Self {
        Self {
            events: [0; BUCKETS],
            censored: [0; CENSORED],
            censored_total: 0,
            window: Window::default(),
            plan: Plan::NONE,
            born: None,
        }
    }
}

/// One counter over all shards; wraps as each of them does.
fn sum(shards: &[CachePadded<Counters>], counter: impl Fn(&Counters) -> &AtomicU32) -> u32 {
    shards
        .iter()
        // Relaxed: see the room's orderings.
        .map(|shard| counter(shard).load(Ordering::Relaxed))
        .fold(0, u32::wrapping_add)
}
