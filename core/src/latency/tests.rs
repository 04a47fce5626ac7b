use super::*;
use crate::curve::Probability;
use proptest::prelude::*;
use std::{panic, thread};

mod studies;

const SHARD: Shard = Shard::new(0);

/// A planner that leaves everything as it is.
fn keep(reading: &Reading<'_>) -> Plan {
    reading.in_force
}

fn in_millis(delay: u64) -> Plan {
    let trigger = Trigger::new(Nanos::from_millis(delay), Probability::ALWAYS);
    Plan { trigger, tail: 0.01, share: 0.01 }
}

#[test]
fn before_the_first_refresh_it_is_cold() {
    let latency = Latency::new(Sharding::PerThread);
    latency.record(SHARD, Nanos::from_millis(1));
    assert_eq!(latency.trigger(), Trigger::UNPLANNED);
    assert_eq!(latency.totals(), Totals::default());
    assert!(latency.due(Nanos::ZERO));
}

#[test]
fn a_young_site_is_refreshed_when_it_is_a_quarter_older() {
    let latency = Latency::new(Sharding::One);
    let (mut now, mut pauses) = (Nanos::from_secs(1), Vec::new());
    for _ in 0..30 {
        _ = latency.refresh(now, &mut keep);
        let pause = (1..200).find(|&millis| latency.due(now + Nanos::from_millis(millis)));
        pauses.push(pause.expect("not longer than 100 ms"));
        now = now + Nanos::from_millis(pauses[pauses.len() - 1]);
    }
    assert_eq!(pauses[..9], [5, 5, 5, 5, 5, 7, 8, 10, 13]);
    assert_eq!(pauses[29], 100);
    assert!(now > Nanos::from_secs(2));
}

#[test]
fn a_refresh_publishes_what_was_planned() {
    let latency = Latency::new(Sharding::One);
    latency.record(SHARD, Nanos::from_millis(1));
    latency.censor(SHARD, Nanos::from_millis(2));
    let now = Nanos::from_secs(1);
    let totals = latency.refresh(now, &mut |reading| {
        assert_eq!(reading.curve.samples(), 1.0);
        assert_eq!(reading.in_force, Plan::NONE);
        in_millis(7)
    });
    assert_eq!(totals, Some(Totals { events: 1, censored: 1 }));
    assert_eq!(totals, Some(latency.totals()));
    assert_eq!(latency.trigger(), in_millis(7).trigger);
    assert_eq!(latency.published_at(), now);
    assert!(!latency.due(now + Nanos::from_micros(4_999)));
    assert!(latency.due(now + Nanos::from_millis(5)));
}

#[test]
fn a_reading_tells_how_many_outlasted_the_delay() {
    let latency = Latency::new(Sharding::One);
    latency.refresh(Nanos::ZERO, &mut |_| in_millis(10)).expect("nobody else refreshes");
    for millis in [1, 2, 9, 11, 12] {
        latency.record(SHARD, Nanos::from_millis(millis));
    }
    // Failed early: says nothing. Overtaken just after the delay, and much later.
    for micros in [3_000, 10_010, 90_000] {
        latency.censor(SHARD, Nanos::from_micros(micros));
    }
    let mut seen = None;
    latency
        .refresh(Nanos::from_secs(1), &mut |reading| {
            seen = Some((reading.legs, reading.outlasted));
            reading.in_force
        })
        .expect("nobody else refreshes");
    assert_eq!(seen, Some((7.0, 4.0)));
}

#[test]
fn a_histogram_has_every_event_in_its_bucket() {
    let latency = Latency::new(Sharding::One);
    let times = [Nanos::ZERO, Nanos::from_millis(3), Nanos::from_millis(3), Nanos::NEVER];
    for time in times {
        latency.record(SHARD, time);
    }
    assert_eq!(
        latency.histogram().expect("nobody refreshes").iter().map(|at| at.1).sum::<u64>(),
        0
    );
    latency.refresh(Nanos::ZERO, &mut keep).expect("nobody else refreshes");
    let histogram = latency.histogram().expect("nobody refreshes");
    let counted: Vec<_> = histogram.iter().filter(|at| at.1 > 0).collect();
    assert_eq!(counted.iter().map(|at| at.1).collect::<Vec<_>>(), [1, 2, 1]);
    assert!(counted[1].0 > times[1] && counted[1].0 < Nanos::from_micros(3_100));
    assert!(counted[2].0.is_never());
}

#[test]
fn counters_wrap_and_totals_do_not() {
    let latency = Latency::new(Sharding::PerThread);
    let time = Nanos::from_millis(1);
    let (fine, coarse) = (Scale::FINE.index(time), Scale::COARSE.index(time));
    for (shard, high) in latency.shards.iter().zip([u32::MAX - 1, 5, u32::MAX / 2]) {
        shard.events[fine].store(high, Ordering::Relaxed);
        shard.censored[coarse].store(high, Ordering::Relaxed);
    }
    // As if as many had been taken in before.
    let sum = (u32::MAX - 1).wrapping_add(5).wrapping_add(u32::MAX / 2);
    let before = latency.refresh(Nanos::ZERO, &mut keep).expect("nobody else refreshes");
    assert_eq!(before, Totals { events: u64::from(sum), censored: u64::from(sum) });
    let more = u32::MAX - sum;
    latency.shards[1].events[fine].fetch_add(more, Ordering::Relaxed);
    latency.shards[1].censored[coarse].fetch_add(more, Ordering::Relaxed);
    for nth in 0..3 {
        latency.record(Shard::new(nth), time);
        latency.censor(Shard::new(nth), time);
    }
    let after = latency.refresh(Nanos::ZERO, &mut keep).expect("nobody else refreshes");
    let all = u64::from(u32::MAX) + 3;
    assert_eq!(after, Totals { events: all, censored: all });
}

#[test]
fn there_is_one_refresher_at_a_time() {
    let latency = Latency::new(Sharding::One);
    let outer = latency.refresh(Nanos::ZERO, &mut |_| {
        for _ in 0..2 {
            assert_eq!(latency.refresh(Nanos::ZERO, &mut keep), None);
            assert!(latency.histogram().is_none());
        }
        in_millis(1)
    });
    assert!(outer.is_some());
    assert!(latency.refresh(Nanos::ZERO, &mut keep).is_some());
}

#[test]
fn a_planner_that_panics_loses_nothing() {
    let latency = Latency::new(Sharding::One);
    latency.refresh(Nanos::ZERO, &mut |_| in_millis(3)).expect("nobody else refreshes");
    latency.record(SHARD, Nanos::from_millis(1));
    let now = Nanos::from_secs(1);
    let unwound = panic::catch_unwind(panic::AssertUnwindSafe(|| {
        latency.refresh(now, &mut |_| panic!("on purpose"))
    }));
    assert!(unwound.is_err());
    assert_eq!(latency.trigger(), in_millis(3).trigger);
    assert!(!latency.due(now), "the next to wait does not fall into it at once");
    let mut samples = 0.0;
    let totals = latency.refresh(now, &mut |reading| {
        samples = reading.curve.samples();
        reading.in_force
    });
    assert_eq!(totals, Some(Totals { events: 1, censored: 0 }));
    assert_eq!(samples, 1.0);
}

#[test]
fn threads_record_and_refresh_and_every_leg_is_counted_once() {
    const THREADS: u64 = 4;
    const EACH: u64 = 50_000;
    let latency = Latency::new(Sharding::PerThread);
    let planning = AtomicBool::new(false);
    let refreshed = AtomicU64::new(0);
    let refresh = || {
        let mut alone = |reading: &Reading<'_>| {
            assert!(!planning.swap(true, Ordering::SeqCst), "two refreshers");
            refreshed.fetch_add(1, Ordering::Relaxed);
            // Let the others try.
            thread::yield_now();
            planning.store(false, Ordering::SeqCst);
            reading.in_force
        };
        latency.refresh(Nanos::ZERO, &mut alone)
    };
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (latency, refresh) = (&latency, &refresh);
            scope.spawn(move || {
                let mut last = Totals::default();
                for nth in 0..EACH {
                    let time = Nanos::from_micros(1 + nth % 5_000);
                    // Two threads to a shard.
                    let shard = Shard::new(thread as usize / 2);
                    if nth % 4 == 0 {
                        latency.censor(shard, time);
                    } else {
                        latency.record(shard, time);
                    }
                    if nth % 500 == 0
                        && let Some(totals) = refresh()
                    {
                        assert!(totals.events >= last.events && totals.censored >= last.censored);
                        assert!(totals.events + totals.censored <= THREADS * EACH);
                        last = totals;
                    }
                }
            });
        }
    });
    let all = Totals { events: THREADS * EACH * 3 / 4, censored: THREADS * EACH / 4 };
    assert_eq!(refresh(), Some(all));
    let histogram = latency.histogram().expect("nobody refreshes");
    assert_eq!(histogram.iter().map(|at| at.1).sum::<u64>(), all.events);
    assert!(refreshed.load(Ordering::Relaxed) > 1);
}

#[derive(Clone, Copy, Debug)]
enum Act {
    Record(usize, u64),
    Censor(usize, u64),
    Refresh,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let nanos = || prop_oneof![0u64..1 << 13, 1u64 << 20..1 << 24, any::<u64>()];
    prop::collection::vec(
        prop_oneof![
            8 => (0..SHARDS, nanos()).prop_map(|(shard, time)| Act::Record(shard, time)),
            4 => (0..SHARDS, nanos()).prop_map(|(shard, age)| Act::Censor(shard, age)),
            1 => Just(Act::Refresh),
        ],
        0..300,
    )
}

proptest! {
    #[test]
    fn it_counts_as_a_list_does(acts in acts(), one in any::<bool>()) {
        let latency = Latency::new(if one { Sharding::One } else { Sharding::PerThread });
        let (mut events, mut censored) = (Vec::new(), 0);
        for act in acts.iter().copied().chain([Act::Refresh]) {
            match act {
                Act::Record(shard, nanos) => {
                    latency.record(Shard::new(shard), Nanos::from_nanos(nanos));
                    events.push(nanos);
                }
                Act::Censor(shard, nanos) => {
                    latency.censor(Shard::new(shard), Nanos::from_nanos(nanos));
                    censored += 1;
                }
                Act::Refresh => {
                    let totals = latency.refresh(Nanos::ZERO, &mut keep);
                    prop_assert_eq!(totals, Some(Totals { events: events.len() as u64, censored }));
                }
            }
        }
        events.sort_unstable();
        let mut below = 0;
        for (upper, count) in latency.histogram().expect("nobody refreshes").iter() {
            below += count as usize;
            let sorted = events.partition_point(|&nanos| nanos < upper.as_nanos());
            prop_assert!(below == sorted || upper.is_never());
        }
        prop_assert_eq!(below, events.len());
    }
}
