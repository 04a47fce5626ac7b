//! What a race costs that its first attempt wins: handed to another thread, or begun on the
//! caller's with a hedge armed; beside a round trip through two channels, and a pair of clock
//! readings.

use std::{
    hint::black_box,
    thread,
    time::{Duration, Instant},
};

use crossbeam_channel::bounded;
use rego::{CallSite, Clock, Engine, TimerThread};

use crate::{
    Group, Lane, Measured, Row, TURNS,
    call_path::{self, GOOD, INSTANT_PAIR, KEY, operation},
};

/// The benchmark.
pub const GROUPS: &[fn() -> Group] = &[armed_group, handed_over];

/// A number to another thread and its answer back, through two channels.
pub const ROUND_TRIP: &str = "channel round trip";
/// A race whose attempts run on donated threads.
pub const DETACHED: &str = "site.race detached";
/// A race whose primary runs on its caller's thread, its hedge armed and not needed.
pub const ARMED: &str = "site.race inline-first, hedge armed";

fn armed_group() -> Group {
    let goals = |measured: &Measured| {
        let armed = measured.ratio(ARMED, INSTANT_PAIR);
        vec![Row::goal("G1b", &format!("{ARMED} / instant pair"), armed, 2.0)]
    };
    Group { name: "armed", lanes: vec![instant_pair(), armed()], rows: goals, turns: TURNS }
}

fn handed_over() -> Group {
    let goals = |measured: &Measured| {
        let detached = measured.ratio(DETACHED, ROUND_TRIP);
        vec![Row::goal("G1b", &format!("{DETACHED} / {ROUND_TRIP}"), detached, 1.3)]
    };
    Group { name: "handed over", lanes: vec![round_trip(), detached()], rows: goals, turns: TURNS }
}

fn instant_pair() -> Lane {
    Lane::new(INSTANT_PAIR, |times| {
        for request in 0..times {
            let started = Instant::now();
            let _ = black_box(operation(request));
            black_box(started.elapsed());
        }
    })
}

/// The floor of any hand-over.
#[must_use]
pub fn round_trip() -> Lane {
    let (requests, inbox) = bounded::<u64>(8);
    let (answers, outbox) = bounded(8);
    thread::spawn(move || {
        for request in inbox {
            if answers.send(operation(request)).is_err() {
                return;
            }
        }
    });
    Lane::new(ROUND_TRIP, move |times| {
        for request in 0..times {
            requests.send(request).expect("the thread is there");
            let _ = black_box(outbox.recv().expect("it answers"));
        }
    })
}

/// A race on one donated thread.
#[must_use]
pub fn detached() -> Lane {
    let site = site(detached_engine());
    Lane::new(DETACHED, move |times| races(&site, times))
}

/// A race on its caller's thread, with a donated thread for hedges and one for the timer.
#[must_use]
pub fn armed() -> Lane {
    let site = site(armed_engine());
    Lane::new(ARMED, move |times| races(&site, times))
}

/// An engine that races on one donated thread, which comes back with its last call site.
///
/// # Panics
///
/// Never.
#[must_use]
pub fn detached_engine() -> Engine {
    let engine = call_path::builder(Clock::tsc(), &hedged()).build().expect(GOOD);
    let worker = engine.worker();
    thread::spawn(move || worker.run());
    engine
}

/// An engine that races inline-first, with donated threads for hedges and for the timer.
///
/// # Panics
///
/// Never.
#[must_use]
pub fn armed_engine() -> Engine {
    let builder = call_path::builder(Clock::tsc(), &hedged()).inline_first(TimerThread::Donated);
    let engine = builder.build().expect(GOOD);
    let (worker, timer) = (engine.worker(), engine.timer().expect("it runs inline-first"));
    thread::spawn(move || worker.run());
    thread::spawn(move || timer.run());
    engine
}

fn hedged() -> rego::PolicyBuilder {
    call_path::policy().idempotent(true).hedge_after(Duration::from_millis(100))
}

/// The site, once the donated threads are at work.
fn site(engine: Engine) -> CallSite {
    thread::sleep(Duration::from_millis(20));
    engine.site(KEY)
}

/// This many races.
pub fn races(site: &CallSite, times: u64) {
    for request in 0..times {
        let _ = black_box(site.race(move |_| operation(request)));
    }
}
