//! `timer`: fired or cancelled, never both; and no deadline is missed.
#![cfg(rego_loom)]
#![allow(clippy::unwrap_used, reason = "a model fails by panicking")]

use loom::{sync::Arc, thread};
use loom_tests::explore;
use rego::{
    Nanos,
    rooms::{
        sync::Shard,
        timer::{Armed, TICK, Timers},
    },
};

const HERE: Shard = Shard::new(0);
const THERE: Shard = Shard::new(1);

const SOON: Nanos = Nanos::from_nanos(5);
const LATER: Nanos = Nanos::from_nanos(10);

/// Timers whose first shard has slots at hand, so that making them is not explored every time.
fn timers() -> Arc<Timers> {
    let timers = Timers::new(4);
    let _ = arm(&timers, HERE, Nanos::ZERO, 0);
    assert_eq!(fired(&timers, Nanos::ZERO).0, [0]);
    Arc::new(timers)
}

fn arm(timers: &Timers, shard: Shard, deadline: Nanos, user: u64) -> Armed {
    timers.arm(shard, deadline, user).unwrap()
}

fn fired(timers: &Timers, now: Nanos) -> (Vec<u64>, Nanos) {
    let mut users = Vec::new();
    let next = timers.advance(now, &mut |user| users.push(user));
    (users, next)
}

fn spawn<R: 'static>(
    timers: &Arc<Timers>,
    f: impl FnOnce(&Timers) -> R + 'static,
) -> thread::JoinHandle<R> {
    let timers = Arc::clone(timers);
    thread::spawn(move || f(&timers))
}

#[test]
fn a_timer_is_fired_or_cancelled() {
    explore("timer: one cancels, one drives", || {
        let timers = timers();
        let id = arm(&timers, HERE, SOON, 1).id;
        let cancelling = spawn(&timers, move |timers| timers.cancel(id));
        let driving = spawn(&timers, |timers| fired(timers, SOON).0);
        let (cancelled, mut users) = (cancelling.join().unwrap(), driving.join().unwrap());
        assert_eq!(users, if cancelled { vec![] } else { vec![1] });
        users.extend(fired(&timers, LATER).0);
        assert_eq!(users.len(), usize::from(!cancelled), "and not again");
        timers.check();
    });
}

#[test]
fn two_cancels_and_a_reuse() {
    explore("timer: two cancel, one drives and arms the slot again", || {
        let timers = timers();
        let id = arm(&timers, HERE, SOON, 1).id;
        let cancels: Vec<_> =
            (0..2).map(|_| spawn(&timers, move |timers| timers.cancel(id))).collect();
        let driving = spawn(&timers, |timers| {
            let users = fired(timers, SOON).0;
            let _ = arm(timers, HERE, LATER, 2);
            users
        });
        let cancelled =
            cancels.into_iter().filter_map(|thread| thread.join().unwrap().then_some(()));
        assert_eq!(cancelled.count() + driving.join().unwrap().len(), 1, "one of the three had it");
        assert_eq!(fired(&timers, LATER).0, [2], "an old id does not reach the new timer");
    });
}

/// The driver is at work on timers of this shard while another arms one in `shard`: either it says
/// that it comes in time, or it is woken.
fn no_deadline_is_missed(shard: Shard) {
    let timers = timers();
    let _ = arm(&timers, HERE, SOON, 1);
    // The driver has said that it comes for the first, before it would for the second.
    assert_eq!(fired(&timers, Nanos::ZERO), (vec![], SOON));
    let arming = spawn(&timers, move |timers| arm(timers, shard, LATER, 2));
    let driving = spawn(&timers, |timers| fired(timers, SOON));
    let (armed, (mut users, next)) = (arming.join().unwrap(), driving.join().unwrap());
    assert!(next <= LATER || armed.wake, "the driver would sleep past it");
    assert!(timers.next_deadline() <= LATER);
    assert_eq!(users, [1]);
    users.extend(fired(&timers, LATER).0);
    assert_eq!(users, [1, 2]);
    timers.check();
}

#[test]
fn no_deadline_is_missed_in_the_shard_that_is_drained() {
    explore("timer: one arms, one drains the same shard", || no_deadline_is_missed(HERE));
}

#[test]
fn no_deadline_is_missed_in_a_shard_that_is_not() {
    explore("timer: one arms, one drains another shard", || no_deadline_is_missed(THERE));
}

#[test]
fn two_arm_and_one_drives() {
    explore("timer: two arm in one shard, one drives", || {
        let timers = timers();
        let arming: Vec<_> = [SOON, LATER]
            .into_iter()
            .enumerate()
            .map(|(user, deadline)| {
                spawn(&timers, move |timers| arm(timers, HERE, deadline, user as u64))
            })
            .collect();
        let driving = spawn(&timers, |timers| fired(timers, SOON));
        let wake =
            arming.into_iter().map(|thread| thread.join().unwrap().wake).fold(false, |a, b| a | b);
        let (mut users, next) = driving.join().unwrap();
        assert!(wake || next <= LATER);
        assert!(!users.contains(&1), "never early");
        users.extend(fired(&timers, LATER).0);
        users.sort_unstable();
        assert_eq!(users, [0, 1]);
    });
}

#[test]
fn the_next_deadline_is_never_late() {
    explore("timer: one asks when, while one moves timers to the wheel", || {
        let timers = timers();
        let _ = arm(&timers, HERE, SOON, 1);
        let _ = arm(&timers, HERE, LATER, 2);
        let driving = spawn(&timers, |timers| fired(timers, SOON));
        let asking = spawn(&timers, |timers| timers.next_deadline());
        assert!(asking.join().unwrap() <= LATER);
        assert_eq!(driving.join().unwrap(), (vec![1], LATER));
    });
}

#[test]
fn one_drives_at_a_time() {
    explore("timer: two drive", || {
        let timers = timers();
        let _ = arm(&timers, HERE, SOON, 1);
        let _ = arm(&timers, THERE, LATER, 2);
        let driving: Vec<_> = [SOON, LATER]
            .into_iter()
            .map(|now| spawn(&timers, move |timers| (now, fired(timers, now))))
            .collect();
        let mut users = Vec::new();
        for thread in driving {
            let (now, (fired, next)) = thread.join().unwrap();
            users.extend(fired);
            assert!(next.is_never() || next <= now + TICK, "the loser looks again");
        }
        users.extend(fired(&timers, LATER).0);
        users.sort_unstable();
        assert_eq!(users, [1, 2]);
        timers.check();
    });
}

#[test]
fn a_shard_is_cleared_while_its_driver_comes() {
    explore("timer: one clears a shard, one drains it", || {
        let timers = timers();
        let _ = arm(&timers, HERE, SOON, 1);
        assert!(timers.cancel(arm(&timers, HERE, LATER, 2).id));
        let driving = spawn(&timers, |timers| fired(timers, SOON));
        let woken = timers.clear_anyhow(HERE);
        let (mut users, next) = driving.join().unwrap();
        assert!(!users.is_empty() || woken || next <= SOON, "somebody knows that there is more");
        if users.is_empty() {
            assert!(timers.next_deadline() <= SOON, "nobody would come");
        }
        users.extend(fired(&timers, LATER).0);
        assert_eq!(users, [1], "fired once");
        timers.check();
    });
}

#[test]
fn two_clear_a_shard_in_which_one_arms() {
    explore("timer: two clear a shard, one of them arms in it", || {
        let timers = timers();
        let _ = arm(&timers, HERE, SOON, 1);
        assert!(timers.cancel(arm(&timers, HERE, SOON, 2).id));
        let arming = spawn(&timers, |timers| {
            let _ = arm(timers, HERE, SOON, 3);
            timers.clear_anyhow(HERE)
        });
        let woken = timers.clear_anyhow(HERE);
        assert!(!woken && !arming.join().unwrap(), "nobody drove");
        assert!(timers.next_deadline() <= SOON);
        let mut users = fired(&timers, SOON).0;
        users.sort_unstable();
        assert_eq!(users, [1, 3], "nothing is lost");
        timers.check();
    });
}
