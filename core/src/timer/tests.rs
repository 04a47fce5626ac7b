mod twin;

use std::{
    collections::HashSet,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicBool, AtomicU8},
    thread,
};

use super::*;

const HERE: Shard = Shard::new(0);
const SECOND: Nanos = Nanos::from_secs(1);

fn nanos(nanos: u64) -> Nanos {
    Nanos::from_nanos(nanos)
}

fn fired(timers: &Timers, now: Nanos) -> (Vec<u64>, Nanos) {
    let mut users = Vec::new();
    let next = timers.advance(now, &mut |user| users.push(user));
    (users, next)
}

#[test]
fn a_timer_fires_at_its_deadline_and_not_before() {
    let timers = Timers::new(8);
    assert!(timers.arm(HERE, SECOND, 7).unwrap().wake);
    assert_eq!(timers.next_deadline(), SECOND);
    assert_eq!(fired(&timers, SECOND - nanos(1)), (vec![], SECOND));
    assert_eq!(fired(&timers, SECOND), (vec![7], Nanos::NEVER));
    assert_eq!(fired(&timers, SECOND + SECOND), (vec![], Nanos::NEVER));
}

#[test]
fn a_cancelled_timer_does_not_fire_and_its_id_names_nothing() {
    let timers = Timers::new(8);
    let first = timers.arm(HERE, SECOND, 1).unwrap().id;
    assert!(timers.cancel(first));
    assert!(!timers.cancel(first));
    assert_eq!(fired(&timers, SECOND).0, [0u64; 0]);
    let second = timers.arm(HERE, SECOND + SECOND, 2).unwrap().id;
    assert_eq!(second.index, first.index, "the same slot");
    assert!(!timers.cancel(first));
    assert_eq!(fired(&timers, SECOND + SECOND).0, [2]);
    assert!(!timers.cancel(second), "it has fired");
    assert!(!timers.cancel(TimerId { index: u32::MAX, generation: 0 }), "there is no such slot");
}

#[test]
fn only_an_earlier_timer_wakes_the_driver() {
    let timers = Timers::new(8);
    assert!(timers.arm(HERE, nanos(100), 1).unwrap().wake, "nobody was coming");
    assert!(!timers.arm(HERE, nanos(100), 2).unwrap().wake);
    assert!(timers.arm(HERE, nanos(50), 3).unwrap().wake);
    assert_eq!(timers.advance(nanos(60), &mut |_| {}), nanos(100));
    assert!(!timers.arm(Shard::new(1), nanos(101), 4).unwrap().wake, "the driver comes before");
    assert!(timers.arm(Shard::new(1), nanos(99), 5).unwrap().wake);
    assert!(!timers.arm(HERE, Nanos::NEVER, 6).unwrap().wake);
}

#[test]
fn a_past_deadline_fires_at_the_next_advance() {
    let timers = Timers::new(8);
    assert_eq!(fired(&timers, SECOND), (vec![], Nanos::NEVER));
    assert!(timers.arm(HERE, nanos(5), 1).unwrap().wake);
    assert_eq!(timers.next_deadline(), nanos(5));
    assert_eq!(fired(&timers, SECOND).0, [1]);
}

#[test]
fn time_that_goes_back_changes_nothing() {
    let timers = Timers::new(8);
    let _ = timers.arm(HERE, SECOND + nanos(10), 1).unwrap();
    assert_eq!(fired(&timers, SECOND).0, [0u64; 0]);
    assert_eq!(fired(&timers, nanos(3)), (vec![], SECOND + nanos(10)));
    timers.check();
    assert_eq!(fired(&timers, SECOND + nanos(10)).0, [1]);
}

#[test]
fn the_far_ends_of_time() {
    const DAY: Nanos = Nanos::from_secs(86_400);
    // 49 days is where 32 bits of milliseconds end; 52 where six levels of ticks would.
    let days = [1, 48, 49, 50, 51, 52, 53, 60, 365, 36_500];
    let mut deadlines: Vec<Nanos> = days.iter().map(|&n| nanos(DAY.as_nanos() * n + n)).collect();
    for bit in TICK_BITS..u64::BITS {
        deadlines.extend([(1 << bit) - 1, 1 << bit, (1 << bit) + 1].map(nanos));
    }
    deadlines.push(nanos(u64::MAX - 1));
    deadlines.push(Nanos::NEVER);
    deadlines.sort_unstable();
    deadlines.dedup();
    for start in [0, 1, 49] {
        let timers = Timers::new(1_000);
        let start = nanos(DAY.as_nanos() * start);
        let _ = fired(&timers, start);
        deadlines.retain(|&deadline| deadline > start);
        for (user, &deadline) in deadlines.iter().enumerate() {
            let _ = timers.arm(HERE, deadline, user as u64).unwrap();
        }
        for (user, &deadline) in deadlines.iter().enumerate() {
            assert!(timers.next_deadline() <= deadline);
            assert_eq!(
                fired(&timers, deadline - nanos(1)).0,
                [0u64; 0],
                "early by one: {deadline}"
            );
            timers.check();
            let next = deadlines.get(user + 1).copied().unwrap_or(Nanos::NEVER);
            assert_eq!(fired(&timers, deadline), (vec![user as u64], next));
        }
    }
}

#[test]
fn generations_come_round_and_ids_stay_apart() {
    const LAST: u32 = (1 << 30) - 1;
    let timers = Timers::new(1);
    let first = timers.arm(HERE, SECOND, 1).unwrap().id;
    assert_eq!(fired(&timers, SECOND).0, [1]);
    timers.slab.get(first.index).unwrap().be_of_generation(LAST);
    let last = timers.arm(HERE, SECOND, 2).unwrap().id;
    assert_eq!(last.generation, LAST);
    assert!(!timers.cancel(first));
    assert!(timers.cancel(last) && !timers.cancel(last));
    assert_eq!(fired(&timers, SECOND).0, [0u64; 0]);
    let again = timers.arm(HERE, SECOND, 3).unwrap().id;
    assert_eq!(again.generation, 0, "the first of the next round");
    assert!(!timers.cancel(last));
    assert_eq!(fired(&timers, SECOND).0, [3]);
    timers.check();
}

#[test]
fn a_panic_of_the_host_loses_no_timer() {
    let timers = Timers::new(8);
    for user in 0..4 {
        let _ = timers.arm(HERE, nanos(10), user).unwrap();
    }
    let mut seen = HashSet::new();
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        timers.advance(nanos(10), &mut |user| {
            seen.insert(user);
            assert!(seen.len() < 2, "the host's fault");
        })
    }));
    assert!(outcome.is_err());
    assert_eq!(timers.next_deadline(), Nanos::ZERO, "there is something left");
    let (rest, next) = fired(&timers, nanos(10));
    assert_eq!((rest.len(), next), (2, Nanos::NEVER));
    seen.extend(rest);
    assert_eq!(seen.len(), 4);
}

#[test]
fn a_host_may_arm_cancel_and_advance_while_timers_fire() {
    let timers = Timers::new(8);
    let ids: Vec<TimerId> =
        (0..2).map(|user| timers.arm(HERE, nanos(10), user).unwrap().id).collect();
    let mut seen = Vec::new();
    let next = timers.advance(nanos(10), &mut |user| {
        seen.push(user);
        assert!(timers.cancel(ids[1 - user as usize]), "the other one is not fired yet");
        let _ = timers.arm(HERE, nanos(15), 9).unwrap();
        assert_eq!(timers.advance(nanos(20), &mut |_| unreachable!()), nanos(20) + TICK);
        assert_eq!(timers.next_deadline(), Nanos::ZERO);
    });
    assert_eq!((seen.len(), next), (1, nanos(15)));
    assert_eq!(fired(&timers, nanos(15)).0, [9]);
}

#[test]
fn a_full_house_is_refused_until_the_dead_are_cleared_away() {
    let timers = Timers::new(10_000);
    let ids: Vec<TimerId> =
        (0..10_000).map(|user| timers.arm(HERE, SECOND, user).unwrap().id).collect();
    assert_eq!(timers.arm(HERE, SECOND, 0), Err(Full));
    ids[..9_000].iter().for_each(|&id| assert!(timers.cancel(id)));
    for user in 0..9_000 {
        let _ = timers.arm(HERE, SECOND, user).expect("the dead make room");
    }
    assert_eq!(fired(&timers, SECOND).0.len(), 10_000);
}

#[test]
fn the_dead_do_not_pile_up_until_they_are_due() {
    let timers = Timers::new(1 << 20);
    // A hundred calls at a time, each with a deadline that is far and not reached.
    let mut alive = std::collections::VecDeque::new();
    for call in 0..1_000_000_u64 {
        let now = nanos(call * 10_000);
        let armed = timers.arm(HERE, now + Nanos::from_secs(30), call).unwrap();
        if armed.wake {
            let _ = timers.advance(now, &mut |_| unreachable!("nothing is due"));
        }
        alive.push_back(armed.id);
        if alive.len() > 100 {
            assert!(timers.cancel(alive.pop_front().unwrap()));
        }
    }
    assert!(timers.allocated() < 2 * (FEW + 100) + 1_024, "{}", timers.allocated());
    timers.check();
}

#[test]
fn a_million_outstanding_come_and_go_in_the_same_memory() {
    const MANY: usize = 1 << 20;
    let timers = Timers::new(MANY);
    let mut ids = Vec::with_capacity(MANY);
    for round in 0..3 {
        let start = nanos(SECOND.as_nanos() * 100 * round);
        for user in 0..MANY as u64 {
            let deadline = start + nanos(user * 30_000);
            ids.push(timers.arm(Shard::new(user as usize), deadline, user).unwrap().id);
        }
        assert_eq!(timers.arm(HERE, start, 0), Err(Full));
        // One in a hundred is left to fire.
        for (user, id) in ids.drain(..).enumerate() {
            assert!(user % 100 == 0 || timers.cancel(id));
        }
        let mut count = 0;
        let _ = timers.advance(start + nanos(MANY as u64 * 30_000), &mut |_| count += 1);
        assert_eq!(count, MANY.div_ceil(100));
        assert_eq!(timers.allocated(), MANY);
        timers.check();
    }
}

#[test]
fn a_thread_frees_its_own_dead() {
    let timers = Timers::new(1 << 20);
    let mut woken = 0;
    for call in 0..1_000_000_u64 {
        let armed = timers.arm(HERE, nanos(call) + Nanos::from_secs(10), call).unwrap();
        woken += u32::from(armed.wake);
        assert!(timers.cancel(armed.id));
    }
    assert_eq!(woken, 1, "the first is the earliest, and nobody need come for the others");
    assert!(timers.allocated() <= 1_024, "{} for one at a time", timers.allocated());
    // Where one lives nothing is taken away, and it fires.
    let living = timers.arm(HERE, Nanos::from_secs(20), 1).unwrap();
    for call in 0..10_000 {
        assert!(timers.cancel(timers.arm(HERE, Nanos::from_secs(30), call).unwrap().id));
    }
    assert_eq!(fired(&timers, Nanos::from_secs(20)).0, [1]);
    assert!(!timers.cancel(living.id));
    timers.check();
}

#[test]
fn few_timers_ever_touch_the_wheel() {
    let timers = Timers::new(1 << 20);
    // 100 000 calls a second of 5 ms each with a deadline of 100 ms; one in a hundred hangs, and has
    // ten seconds.
    let mut alive = std::collections::VecDeque::new();
    let mut armed = 0;
    for call in 0..200_000_u64 {
        let now = nanos(call * 10_000);
        if timers.next_deadline() <= now {
            let _ = timers.advance(now, &mut |_| unreachable!("all are cancelled in time"));
        }
        armed += 1;
        if call % 100 == 0 {
            let _ = timers.arm(HERE, now + Nanos::from_secs(10), call).unwrap();
            continue;
        }
        alive.push_back(timers.arm(HERE, now + Nanos::from_millis(100), call).unwrap().id);
        if alive.len() > 500 {
            assert!(timers.cancel(alive.pop_front().unwrap()));
        }
    }
    timers.check();
    // Those that hang, and of the others none.
    assert!(timers.filed() * 100 <= armed, "{} of {armed}", timers.filed());
    assert!(timers.filed() > 0);
}

#[test]
fn on_real_threads_each_timer_is_fired_or_cancelled() {
    const EACH: u64 = 100_000;
    const THREADS: u64 = 2;
    let timers = Timers::new(1 << 16);
    let outcome: Vec<AtomicU8> = (0..EACH * THREADS).map(|_| AtomicU8::new(0)).collect();
    let (time, over) = (AtomicU64::new(0), AtomicBool::new(false));
    // Whoever drives fires what is due at the latest time that any of them has come with.
    let fire = |user: u64| {
        let latest = time.load(Ordering::Relaxed);
        assert!((user & 0xffff_ffff) <= latest, "never early");
        assert_eq!(outcome[(user >> 32) as usize].fetch_add(1, Ordering::Relaxed), 0);
    };
    thread::scope(|scope| {
        let arming: Vec<_> = (0..THREADS)
            .map(|me| {
                let (timers, time, outcome, fire) = (&timers, &time, &outcome, &fire);
                scope.spawn(move || {
                    let mut last = None;
                    for round in 0..EACH {
                        let user = me * EACH + round;
                        let now = time.fetch_add(300, Ordering::Relaxed);
                        let deadline = now + round % 17 * 10_000;
                        let tag = user << 32 | deadline;
                        let armed = loop {
                            match timers.arm(Shard::new(me as usize), nanos(deadline), tag) {
                                Ok(armed) => break armed,
                                Err(Full) => {
                                    let now = time.load(Ordering::Relaxed);
                                    let _ = timers.advance(nanos(now), &mut |user| fire(user));
                                }
                            }
                        };
                        if let Some((user, id)) = last.replace((user, armed.id))
                            && round % 3 != 0
                            && timers.cancel(id)
                        {
                            assert_eq!(outcome[user as usize].fetch_add(1, Ordering::Relaxed), 0);
                        }
                    }
                })
            })
            .collect();
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let now = time.load(Ordering::Relaxed);
                let _ = timers.advance(nanos(now), &mut |user| fire(user));
            }
        });
        arming.into_iter().for_each(|thread| thread.join().unwrap());
        over.store(true, Ordering::Relaxed);
    });
    time.fetch_add(1_000_000, Ordering::Relaxed);
    let end = time.load(Ordering::Relaxed);
    let _ = timers.advance(nanos(end), &mut |user| fire(user));
    assert!(outcome.iter().all(|outcome| outcome.load(Ordering::Relaxed) == 1));
    timers.check();
}
