//! One loop, and threads that finish, poll and cancel its calls: each is done once, whoever brings
//! it about, and a loop that goes leaves nothing.

use std::{
    sync::{
        atomic::{AtomicU32 as Count, AtomicU64 as Id},
        mpsc,
    },
    thread,
    time::Duration,
};

use super::*;

const CALLS: u64 = if cfg!(debug_assertions) { 20_000 } else { 300_000 };
const WORKERS: u64 = 3;

fn policy() -> Policy {
    let mut policy = hedging();
    policy.retry.initial_backoff = Nanos::from_micros(20);
    policy.retry.max_backoff = Nanos::from_micros(100);
    policy.retry.attempt_timeout = ms(2);
    policy.hedge.delay = Nanos::from_micros(200);
    policy
}

struct Work {
    manual: Manual,
    time: Id,
    /// A call somebody has seen lately.
    call: Id,
    finished: Id,
}

impl Work {
    fn now(&self) -> Nanos {
        Nanos::from_nanos(self.time.fetch_add(500, Ordering::Relaxed))
    }

    /// Finishes what it is given, and interferes with what it finds.
    fn run(&self, seed: u64, to_do: &mpsc::Receiver<AttemptRef>) {
        let mut state = seed << 32 | 0x9e37_79b9;
        let mut random = |below: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 20) % below
        };
        for attempt in to_do {
            for _ in 0..random(300) {
                std::hint::spin_loop();
            }
            let call = CallId::from_bits(self.call.load(Ordering::Relaxed));
            match random(12) {
                0 => {
                    let _ = self.manual.cancel(call);
                }
                1 => {
                    let _ = self.manual.cancel(attempt.call());
                    let _ = self.manual.poll(attempt.call(), self.now());
                }
                2 => {
                    let _ = self.manual.poll(call, self.now());
                }
                3 => {
                    let _ = self.manual.started(attempt, self.now());
                }
                _ => {}
            }
            let facts = if random(3) > 0 { Completion::ok() } else { Completion::http(503) };
            let step = self.manual.finish(attempt, self.now(), &facts, 0).expect("finished once");
            assert_eq!(step.actions().count(), 0, "the loop gets the actions");
            self.finished.fetch_add(1, Ordering::Relaxed);
            if random(4) == 0 {
                assert_eq!(self.manual.finish(attempt, self.now(), &facts, 0), Err(Stale));
            }
        }
    }
}

#[test]
fn each_call_of_a_busy_loop_is_done_once() {
    keep_busy(policy());
}

/// Nothing but the bell wakes the host, except from a backoff.
#[test]
fn no_ring_is_missed() {
    let mut policy = policy();
    policy.hedge.enabled = false;
    policy.retry.attempt_timeout = Nanos::NEVER;
    policy.retry.overall_timeout = Nanos::NEVER;
    keep_busy(policy);
}

fn keep_busy(policy: Policy) {
    let yard = Yard::new(policy);
    let work = Work {
        manual: manual(1_000),
        time: Id::new(1_000_000),
        call: Id::new(0),
        finished: Id::new(0),
    };
    let (bell, rung) = mpsc::channel();
    let mut events = work.manual.event_loop(move || {
        let _ = bell.send(());
    });
    let mut done = vec![0u8; CALLS as usize];
    thread::scope(|scope| {
        let (work, yard) = (&work, &yard);
        let lanes: Vec<_> = (1..=WORKERS)
            .map(|seed| {
                let (lane, to_do) = mpsc::channel();
                scope.spawn(move || work.run(seed, &to_do));
                lane
            })
            .collect();
        let (mut begun, mut over, mut started) = (0, 0, 0);
        let mut actions = Vec::new();
        while over < CALLS {
            // Losers keep their slots until they are finished.
            let busy = |begun: u64, over: u64, started: u64| {
                begun == CALLS
                    || begun - over >= 400
                    || started - work.finished.load(Ordering::Relaxed) >= 500
            };
            while actions.len() < 50 && !busy(begun, over, started) {
                let begin = Begin::new(work.now()).cookie(begun);
                let (call, step) = events.begin_on(&yard.site, begin);
                assert!(!call.is_pass_through());
                work.call.store(call.to_bits(), Ordering::Relaxed);
                actions.extend(step.actions());
                begun += 1;
            }
            for action in actions.drain(..) {
                match action {
                    Action::Start { attempt, .. } => {
                        started += 1;
                        let lane = &lanes[started as usize % lanes.len()];
                        lane.send(attempt).expect("the worker is there");
                    }
                    Action::Cancel { .. } => {}
                    Action::Done { cookie, .. } => {
                        done[cookie as usize] += 1;
                        over += 1;
                    }
                }
            }
            actions.extend(std::iter::from_fn(|| events.process(work.now())));
            // Without calls there is nothing to ring for, only losers to wait for.
            if begun == over {
                thread::yield_now();
            } else if actions.is_empty() && busy(begun, over, started) {
                sleep(work, &events, &rung);
            }
        }
    });
    assert!(done.iter().all(|times| *times == 1));
    assert_eq!(events.process(Nanos::from_millis(1 << 30)), None);
    assert!(events.next_deadline().is_never());
    drop(events);
    yard.assert_quiet();
    assert_empty(&work.manual);
}

/// Until the bell rings, or until the time of the next deadline: which comes at once.
fn sleep(work: &Work, events: &Loop, rung: &mpsc::Receiver<()>) {
    let next = events.next_deadline();
    if next.is_never() {
        // A bell that is not rung when it should be is a loop that hangs.
        rung.recv_timeout(Duration::from_secs(60)).expect("something is to come");
    } else if rung.recv_timeout(Duration::from_micros(50)).is_err() {
        work.time.fetch_max(next.as_nanos(), Ordering::Relaxed);
    }
    while rung.try_recv().is_ok() {}
}

#[test]
fn a_loop_that_goes_leaves_nothing() {
    let rounds = if cfg!(debug_assertions) { 60 } else { 600 };
    for round in 0..rounds {
        let yard = Yard::new(policy());
        let work = Work {
            manual: manual(500),
            time: Id::new(1_000_000),
            call: Id::new(0),
            finished: Id::new(0),
        };
        let rings = Arc::new(Count::new(0));
        let bell = Arc::clone(&rings);
        let mut events = work.manual.event_loop(move || {
            bell.fetch_add(1, Ordering::Relaxed);
        });
        thread::scope(|scope| {
            let (work, yard) = (&work, &yard);
            let lanes: Vec<_> = (1..=WORKERS)
                .map(|seed| {
                    let (lane, to_do) = mpsc::channel();
                    scope.spawn(move || work.run(seed + round, &to_do));
                    lane
                })
                .collect();
            let mut started = 0;
            let mut start = |action| {
                if let Action::Start { attempt, .. } = action {
                    started += 1;
                    lanes[started % lanes.len()].send(attempt).expect("the worker is there");
                }
            };
            for _ in 0..300 {
                let (_, step) = events.begin_on(&yard.site, Begin::new(work.now()));
                step.actions().for_each(&mut start);
                // Not all of them are heard.
                for _ in 0..round % 5 {
                    events.process(work.now()).into_iter().for_each(&mut start);
                }
            }
            // In the middle of everything.
            drop(events);
        });
        assert_eq!(Arc::strong_count(&rings), 1, "the bell is gone with the last of the calls");
        yard.assert_quiet();
        assert_empty(&work.manual);
    }
}

/// Once the host has been told the end of all calls there is no time to come at, whatever timers they
/// have left behind, in the intakes or in the wheel.
#[test]
fn a_loop_without_calls_waits_for_nothing() {
    let yard = Yard::new(hedging());
    let manual = manual(64);
    let mut events = manual.event_loop(|| {});
    let mut now = ms(1);
    for round in 0..300 {
        let begun: Vec<_> = (0..round % 7 + 1)
            .flat_map(|_| attempts(&events.begin_on(&yard.site, Begin::new(now)).1))
            .collect();
        if round % 3 == 0 {
            // The hedges come, and with them other timers.
            now = now.max(events.next_deadline());
        }
        let mut actions: Vec<_> = std::iter::from_fn(|| events.process(now)).collect();
        for attempt in begun {
            assert!(!events.next_deadline().is_never(), "there is a call");
            let _elsewhere = manual.finish(attempt, now, &Completion::ok(), 0).expect("in the air");
            actions.extend(std::iter::from_fn(|| events.process(now)));
        }
        for action in actions {
            if let Action::Start { attempt, .. } = action {
                let _late = manual.finish(attempt, now, &Completion::cancelled(), 0).expect("late");
            }
        }
        assert!(events.next_deadline().is_never(), "{:?}", events.next_deadline());
        now = now + ms(7);
    }
    drop(events);
    yard.assert_quiet();
    assert_empty(&manual);
}
