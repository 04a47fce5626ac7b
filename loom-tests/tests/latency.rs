//! `latency`: one refresher at a time, and every observation in exactly one delta.
#![cfg(rego_loom)]
#![allow(clippy::unwrap_used, reason = "a model fails by panicking")]

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use loom::{sync::Arc, thread};
use loom_tests::explore;
use rego::{
    Nanos,
    rooms::{
        latency::{Latency, Plan, Probability, Reading, Sharding, Totals, Trigger},
        sync::Shard,
    },
};

const HERE: Shard = Shard::new(0);

/// The first bucket's.
const SHORT: Nanos = Nanos::from_nanos(1);
/// The last bucket's, which says that a leg is still missing at every delay.
const LONG: Nanos = Nanos::NEVER;

const fn at(time: u64) -> Nanos {
    Nanos::from_nanos(time)
}

/// The plan of the nth turn. Its trigger says so twice, so that half of it would be noticed.
fn plan_of(turn: u64) -> Plan {
    let share = Probability::from_share(turn as f64 / 8.0);
    Plan { trigger: Trigger::new(Nanos::from_nanos(turn), share), tail: 0.0, share: 0.0 }
}

/// Which turn published this.
fn turn_of(trigger: Trigger) -> u64 {
    if trigger == Trigger::UNPLANNED {
        return 0;
    }
    let turn = trigger.delay().as_nanos();
    assert_eq!(trigger, plan_of(turn).trigger, "torn");
    turn
}

/// Refreshes with the next turn's plan; the totals, and how many legs are new.
fn refresh(latency: &Latency, now: Nanos) -> Option<(Totals, f64)> {
    let mut legs = 0.0;
    let totals = latency.refresh(now, &mut |reading: &Reading<'_>| {
        legs = reading.legs;
        plan_of(turn_of(reading.in_force.trigger) + 1)
    })?;
    Some((totals, legs))
}

fn spawn<R: 'static>(
    latency: &Arc<Latency>,
    f: impl FnOnce(&Latency) -> R + 'static,
) -> thread::JoinHandle<R> {
    let latency = Arc::clone(latency);
    thread::spawn(move || f(&latency))
}

#[test]
fn every_observation_is_in_one_delta() {
    explore("latency: two record, two refresh", || {
        let latency = Arc::new(Latency::new(Sharding::One));
        let recording = [
            spawn(&latency, |latency| latency.record(HERE, SHORT)),
            spawn(&latency, |latency| {
                latency.record(HERE, SHORT);
                latency.censor(HERE, LONG);
            }),
        ];
        let refreshing = [1, 2].map(|time| spawn(&latency, move |l| refresh(l, at(time))));
        recording.into_iter().for_each(|thread| thread.join().unwrap());
        let turns = refreshing.map(|thread| thread.join().unwrap());
        let last = refresh(&latency, at(3)).expect("nobody refreshes");
        assert_eq!(last.0, Totals { events: 2, censored: 1 });
        let turns = turns.into_iter().flatten().chain([last]);
        assert_eq!(turns.map(|(_, legs)| legs).sum::<f64>(), 3.0);
        assert_eq!(latency.totals(), last.0);
    });
}

#[test]
fn triggers_are_seen_whole_and_in_the_order_of_the_turns() {
    explore("latency: two refresh, one records and reads", || {
        let latency = Arc::new(Latency::new(Sharding::One));
        let refreshing = [1, 2].map(|time| spawn(&latency, move |l| refresh(l, at(time))));
        let reading = spawn(&latency, |latency| {
            let first = turn_of(latency.trigger());
            latency.record(HERE, SHORT);
            let second = turn_of(latency.trigger());
            assert!(first <= second);
        });
        reading.join().unwrap();
        let turns = refreshing.map(|thread| thread.join().unwrap());
        let turns = turns.into_iter().flatten().count() as u64;
        assert!(turns >= 1, "whoever goes away leaves somebody at work");
        assert_eq!(turn_of(latency.trigger()), turns);
        assert_eq!(refresh(&latency, at(3)).unwrap().0.events, 1);
    });
}

#[test]
fn a_turn_ends_when_its_planner_panics() {
    explore("latency: one planner panics, one refreshes, one records", || {
        let latency = Arc::new(Latency::new(Sharding::One));
        let recording = spawn(&latency, |latency| latency.record(HERE, SHORT));
        let panicking = spawn(&latency, |latency| {
            // Not `panic!`, which would print in every interleaving.
            let plan = &mut |_: &Reading<'_>| resume_unwind(Box::new("on purpose"));
            catch_unwind(AssertUnwindSafe(|| latency.refresh(at(1), plan))).is_err()
        });
        let refreshing = spawn(&latency, |latency| refresh(latency, at(2)));
        recording.join().unwrap();
        let panicked = panicking.join().unwrap();
        let refreshed = refreshing.join().unwrap().is_some();
        assert!(panicked || refreshed);
        assert_eq!(turn_of(latency.trigger()), u64::from(refreshed));
        let (totals, _) = refresh(&latency, at(3)).expect("the turn is over");
        assert_eq!(totals, Totals { events: 1, censored: 0 });
    });
}
