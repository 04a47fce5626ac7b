//! `drive/pool/alarm`: a busy caller's call is rung at the newest time, and not once its alarm is down;
//! no timer keeps a count of it, and none is taken twice.
#![cfg(rego_loom)]
#![allow(clippy::unwrap_used, reason = "a model fails by panicking")]

use std::{
    mem::offset_of,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use loom::{
    sync::atomic::AtomicU64,
    thread::{self, JoinHandle},
};
use loom_tests::explore;
use rego::{
    Nanos,
    rooms::drive::{Alarm, Alarms, Ring},
};

const NEVER: u64 = Nanos::NEVER.as_nanos();

/// A call that counts how often it was rung, and says when it wants to be.
struct Rung {
    alarm: Alarm,
    at: AtomicU64,
    times: AtomicU32,
}

// SAFETY: because the alarm lies where `offset_of` says, is made for this type, and is the one
// returned.
unsafe impl Ring for Rung {
    const ALARM_AT: usize = offset_of!(Self, alarm);

    fn alarm(&self) -> &Alarm {
        &self.alarm
    }

    fn ring_at(&self) -> Nanos {
        Nanos::from_nanos(self.at.load(Ordering::Acquire))
    }

    fn ring(self: &Arc<Self>) {
        self.times.fetch_add(1, Ordering::Relaxed);
    }
}

impl Rung {
    fn at(at: u64) -> Arc<Self> {
        let at = AtomicU64::new(at);
        Arc::new(Self { alarm: Alarm::of::<Self>(), at, times: AtomicU32::new(0) })
    }

    fn set(self: &Arc<Self>, alarms: &Alarms, at: u64) {
        self.at.store(at, Ordering::Release);
        Alarm::set(alarms, self);
    }

    fn times(&self) -> u32 {
        self.times.load(Ordering::Relaxed)
    }

    /// Nobody but its maker has it any more: no timer has kept a count, none was taken twice.
    fn assert_alone(self: &Arc<Self>) {
        assert_eq!(Arc::strong_count(self), 1, "who has the call");
    }
}

/// The driver comes at this time.
fn pass(alarms: &Alarms, at: u64) {
    let _next = alarms.ring_due(Nanos::from_nanos(at));
}

/// Sets the time of a call from another thread.
fn setting(alarms: &Arc<Alarms>, call: &Arc<Rung>, at: u64) -> JoinHandle<()> {
    let (alarms, call) = (Arc::clone(alarms), Arc::clone(call));
    thread::spawn(move || call.set(&alarms, at))
}

#[test]
fn a_time_that_is_set_rings_the_call() {
    explore("alarm: an alarm is hung up while its time is set", || {
        let (alarms, call) = (Arc::new(Alarms::new()), Rung::at(NEVER));
        let driving = setting(&alarms, &call, 5);
        let hung_up = Alarm::hang_up(&alarms, &call);
        driving.join().unwrap();
        pass(&alarms, 4);
        assert_eq!(call.times(), 0, "nobody asked for it so early");
        pass(&alarms, 5);
        assert_eq!(call.times(), 1, "the time that was set");
        drop(hung_up);
        call.assert_alone();
    });
}

#[test]
fn nothing_is_left_of_an_alarm_that_is_taken_down() {
    explore("alarm: an alarm is taken down while its time is set", || {
        let (alarms, call) = (Arc::new(Alarms::new()), Rung::at(7));
        let hung_up = Alarm::hang_up(&alarms, &call);
        let driving = setting(&alarms, &call, 5);
        drop(hung_up);
        driving.join().unwrap();
        pass(&alarms, 7);
        assert_eq!(call.times(), 0, "its caller is its own timer again");
        call.assert_alone();
    });
}

#[test]
fn an_alarm_rings_or_is_taken_down() {
    explore("alarm: an alarm is taken down as its time comes", || {
        let (alarms, call) = (Arc::new(Alarms::new()), Rung::at(5));
        let hung_up = Alarm::hang_up(&alarms, &call);
        let theirs = Arc::clone(&alarms);
        let driving = thread::spawn(move || pass(&theirs, 5));
        drop(hung_up);
        driving.join().unwrap();
        let before = call.times();
        pass(&alarms, 6);
        assert_eq!(call.times(), before, "a timer fires once, or never");
        assert!(before <= 1, "{before} times");
        call.assert_alone();
    });
}

#[test]
fn the_newest_time_rings_the_call() {
    explore("alarm: two threads set the time of one call", || {
        let (alarms, call) = (Arc::new(Alarms::new()), Rung::at(NEVER));
        let hung_up = Alarm::hang_up(&alarms, &call);
        let driving = setting(&alarms, &call, 5);
        call.set(&alarms, 7);
        driving.join().unwrap();
        let newest = call.ring_at();
        let _next = alarms.ring_due(newest);
        assert!(call.times() > 0, "nobody comes at {newest}");
        drop(hung_up);
        call.assert_alone();
    });
}
