//! `drive/manual`: whoever comes with what, the host is told each thing once; old ids reach nothing;
//! a slot is free again once; and an event loop that rests is woken.
#![cfg(rego_loom)]
#![allow(clippy::unwrap_used, reason = "a model fails by panicking")]

use std::time::Duration;

use loom::{
    sync::{Arc, Condvar, Mutex},
    thread::{self, JoinHandle},
};
use loom_tests::explore;
use rego::{
    Completion, ManualClock, Nanos, Policy,
    manual::{Action, AttemptRef, Begin, CallId, Loop, Manual, Stale, Step},
    rooms::drive::Stage,
};

const BEGUN: Nanos = Nanos::from_millis(1);
const HEDGE_AT: Nanos = Nanos::from_millis(21);
const LATER: Nanos = Nanos::from_millis(22);

/// Calls that are hedged after 20 ms and never time out; slots for so many of them.
struct World {
    stage: Stage,
    manual: Manual,
}

impl World {
    fn new(slots: usize) -> Arc<Self> {
        let policy = Policy::builder()
            .idempotent(true)
            .max_attempts(1)
            .no_overall_timeout()
            .hedge_after(Duration::from_millis(20))
            .cancel_on_first_terminal(false)
            .build()
            .unwrap();
        let stage = Stage::new(policy, 2, ManualClock::new());
        Arc::new(Self { manual: stage.manual(slots), stage })
    }

    /// A call, and its first attempt.
    fn begin(&self, begin: Begin) -> (CallId, AttemptRef) {
        let (call, step) = self.stage.begin(&self.manual, begin);
        (call, started(step).unwrap())
    }

    /// A call with an attempt and a hedge in the air.
    fn begin_hedged(&self, begin: Begin) -> (CallId, [AttemptRef; 2]) {
        let (call, first) = self.begin(begin);
        let hedge = started(self.manual.poll(call, HEDGE_AT).unwrap()).unwrap();
        (call, [first, hedge])
    }

    /// A call in the only slot there is, and one that passes through: their attempts.
    fn begin_plain(&self, begin: Begin) -> (AttemptRef, CallId, AttemptRef) {
        let (_, there) = self.begin(Begin::new(BEGUN));
        let (call, attempt) = self.begin(begin);
        assert!(call.is_pass_through());
        (there, call, attempt)
    }

    fn finish(&self, attempt: AttemptRef, result: u64) -> Result<Step, Stale> {
        self.manual.finish(attempt, LATER, &Completion::ok(), result)
    }

    /// Asserts that all slots, and no more, can be had, and that nothing is left of any call.
    fn settle(&self, slots: usize) {
        let mut calls: Vec<_> = (0..=slots).map(|_| self.begin(Begin::new(LATER))).collect();
        let (over, _) = calls.pop().unwrap();
        assert!(over.is_pass_through(), "a slot is free twice");
        // Two plain calls are known at a time, in two slots; a model may have left one open.
        let more = [0, 1].map(|_| self.begin(Begin::new(LATER)).0);
        let slots = [over, more[0], more[1]].map(|call| call.to_bits() >> 40);
        assert_ne!(slots[0], slots[1], "a plain slot is free twice");
        assert_eq!(slots[2], (1 << 24) - 1, "a plain slot too many");
        for (call, attempt) in calls {
            assert!(!call.is_pass_through(), "a slot is lost");
            assert!(done(&[self.finish(attempt, 9).unwrap()]).eq([9]));
        }
        self.stage.assert_quiet();
    }
}

fn started(step: Step) -> Option<AttemptRef> {
    step.actions().find_map(|action| match action {
        Action::Start { attempt, .. } => Some(attempt),
        _ => None,
    })
}

/// The results of the calls that are done.
fn done(steps: &[Step]) -> impl Iterator<Item = u64> {
    steps.iter().flat_map(Step::actions).filter_map(|action| match action {
        Action::Done { result, .. } => Some(result),
        _ => None,
    })
}

fn spawn<R: 'static>(world: &Arc<World>, run: impl FnOnce(&World) -> R + 'static) -> JoinHandle<R> {
    let world = Arc::clone(world);
    thread::spawn(move || run(&world))
}

#[test]
fn one_of_two_results_is_the_calls() {
    explore("manual: an attempt and its hedge succeed, one polls", || {
        let world = World::new(1);
        let (call, attempts) = world.begin_hedged(Begin::new(BEGUN));
        let finishing = [0, 1].map(|nth| {
            let attempt = attempts[nth];
            spawn(&world, move |world| world.finish(attempt, nth as u64).unwrap())
        });
        let polling = spawn(&world, move |world| world.manual.poll(call, LATER));
        let mut steps: Vec<_> = finishing.into_iter().map(|it| it.join().unwrap()).collect();
        steps.extend(polling.join().unwrap());
        assert_eq!(done(&steps).count(), 1, "the host is told once");
        let cancels = steps.iter().flat_map(Step::actions);
        assert!(cancels.filter(|action| matches!(action, Action::Cancel { .. })).count() <= 1);
        world.settle(1);
    });
}

#[test]
fn an_attempt_is_finished_once() {
    explore("manual: two finish one attempt, one cancels and polls", || {
        let world = World::new(1);
        let (call, attempt) = world.begin(Begin::new(BEGUN));
        let finishing =
            [1, 2].map(|result| spawn(&world, move |world| world.finish(attempt, result)));
        let cancelling = spawn(&world, move |world| {
            let asked = world.manual.cancel(call);
            (asked, world.manual.poll(call, LATER))
        });
        let finished = finishing.map(|thread| thread.join().unwrap());
        assert_eq!(finished.iter().filter(|finished| finished.is_ok()).count(), 1);
        let (_asked, polled) = cancelling.join().unwrap();
        let steps: Vec<_> = finished.into_iter().chain([polled]).flatten().collect();
        assert_eq!(done(&steps).count(), 1);
        world.settle(1);
    });
}

#[test]
fn a_plain_attempt_is_finished_once() {
    explore("manual: two finish one plain attempt, one begins and finishes another", || {
        let world = World::new(1);
        let (there, call, attempt) = world.begin_plain(Begin::new(BEGUN).cookie(1));
        let finishing =
            [1, 2].map(|result| spawn(&world, move |world| world.finish(attempt, result)));
        let (other, second) = world.begin(Begin::new(BEGUN).cookie(2));
        assert!(other.is_pass_through() && other != call);
        let cookie = |step: Step| match step.actions().next() {
            Some(Action::Done { cookie, .. }) => cookie,
            it => panic!("done, not {it:?}"),
        };
        assert_eq!(cookie(world.finish(second, 3).unwrap()), 2);
        let finished = finishing.map(|thread| thread.join().unwrap());
        assert_eq!(finished.into_iter().flatten().map(cookie).collect::<Vec<_>>(), [1]);
        assert!(done(&[world.finish(there, 9).unwrap()]).eq([9]));
        world.settle(1);
    });
}

#[test]
fn a_plain_call_is_done_once() {
    explore("manual: a plain attempt is finished, its call cancelled and polled", || {
        let world = World::new(1);
        let (there, call, attempt) = world.begin_plain(Begin::new(BEGUN).cookie(1));
        let finishing = spawn(&world, move |world| world.finish(attempt, 1).unwrap());
        let polling = spawn(&world, move |world| world.manual.poll(call, LATER));
        let cancelled = world.manual.cancel(call);
        let polled = world.manual.poll(call, LATER);
        let steps: Vec<_> = [Ok(finishing.join().unwrap()), polling.join().unwrap(), polled]
            .into_iter()
            .flatten()
            .collect();
        assert_eq!(done(&steps).count(), 1, "the host is told once: {cancelled:?}");
        assert_eq!(world.finish(attempt, 2).err(), Some(Stale));
        assert!(done(&[world.finish(there, 9).unwrap()]).eq([9]));
        world.settle(1);
    });
}

#[test]
fn an_old_id_marks_nothing() {
    explore("manual: a call ends and its slot begins another, one tells of a queue", || {
        let world = World::new(1);
        let (call, attempt) = world.begin(Begin::new(BEGUN));
        let going_on = spawn(&world, move |world| {
            // The other thread may hold the flight, and be told that the call is done.
            let told = done(&[world.finish(attempt, 1).unwrap()]).count();
            let (next, step) = world.stage.begin(&world.manual, Begin::new(BEGUN));
            (told, next, started(step).unwrap())
        });
        let telling = spawn(&world, move |world| {
            let said = world.manual.started(attempt, BEGUN);
            let _ = world.manual.cancel(call);
            done(&said.into_iter().collect::<Vec<_>>()).count()
        });
        let (told, next, first) = going_on.join().unwrap();
        assert_eq!(told + telling.join().unwrap(), 1);
        if !next.is_pass_through() {
            assert!(!world.manual.is_cancelled(first));
            // Queued and not started, whatever was said of the attempt before: it is not hedged.
            let _nothing = world.manual.queued(first, BEGUN).unwrap();
            assert_eq!(started(world.manual.poll(next, HEDGE_AT).unwrap()), None);
            assert!(done(&[world.finish(first, 2).unwrap()]).eq([2]));
        }
        world.settle(1);
    });
}

#[test]
fn who_lets_go_early_leaves_nothing() {
    explore("manual: a call that is kept ends, one lets it go, one reads", || {
        let world = World::new(1);
        let (call, attempt) = world.begin(Begin::new(BEGUN).keep());
        let ending = spawn(&world, move |world| {
            assert_eq!(world.manual.let_go(call), Ok(()));
            assert_eq!(world.manual.let_go(call), Err(Stale));
        });
        let reading = spawn(&world, move |world| world.manual.timeline(call));
        assert!(done(&[world.finish(attempt, 1).unwrap()]).eq([1]));
        ending.join().unwrap();
        assert!(reading.join().unwrap().is_none_or(|timeline| timeline.attempts().len() == 1));
        world.settle(1);
    });
}

#[test]
fn what_is_kept_is_there_while_it_is_read() {
    explore("manual: one reads a call that is kept, one lets it go, its hedge ends", || {
        let world = World::new(1);
        let (call, [first, hedge]) = world.begin_hedged(Begin::new(BEGUN).keep());
        assert!(done(&[world.finish(first, 1).unwrap()]).eq([1]));
        let reading = spawn(&world, move |world| world.manual.timeline(call));
        let ending = spawn(&world, move |world| {
            assert_eq!(world.manual.end(call), Ok(()));
            // The slot's next call, if it is free already.
            let (next, step) = world.stage.begin(&world.manual, Begin::new(LATER));
            let attempt = started(step).unwrap();
            assert!(next.is_pass_through() || world.finish(attempt, 2).is_ok());
        });
        let finishing = spawn(&world, move |world| world.finish(hedge, 3).unwrap());
        let timeline = reading.join().unwrap();
        ending.join().unwrap();
        assert_eq!(done(&[finishing.join().unwrap()]).count(), 0);
        assert!(timeline.is_none_or(|timeline| timeline.attempts().len() == 2));
        world.settle(1);
    });
}

/// What wakes the loop's thread.
#[derive(Default)]
struct Bell {
    rung: Mutex<bool>,
    waiting: Condvar,
}

impl Bell {
    fn ring(&self) {
        *self.rung.lock().unwrap() = true;
        self.waiting.notify_one();
    }

    fn wait(&self) {
        let mut rung = self.rung.lock().unwrap();
        while !*rung {
            rung = self.waiting.wait(rung).unwrap();
        }
        *rung = false;
    }
}

/// An event loop with one call, hedged, of which both attempts run.
fn looped(world: &Arc<World>) -> (Loop, Arc<Bell>, [AttemptRef; 2]) {
    let bell = Arc::new(Bell::default());
    let theirs = Arc::clone(&bell);
    let mut events = world.manual.event_loop(move || theirs.ring());
    let (_, step) = world.stage.begin_on(&mut events, Begin::new(BEGUN));
    let first = started(step).unwrap();
    let Some(Action::Start { attempt: hedge, .. }) = events.process(HEDGE_AT) else {
        panic!("it is hedged when its time has come")
    };
    assert_eq!(events.process(HEDGE_AT), None);
    (events, bell, [first, hedge])
}

#[test]
fn a_loop_that_rests_is_woken() {
    explore("manual: two finish, a loop sleeps until it is notified", || {
        let world = World::new(1);
        let (mut events, bell, attempts) = looped(&world);
        let looping = thread::spawn(move || {
            let mut told = 0;
            while told == 0 {
                bell.wait();
                while let Some(action) = events.process(LATER) {
                    told += u32::from(matches!(action, Action::Done { .. }));
                }
            }
            (told, events)
        });
        let finishing = [0, 1].map(|nth| {
            let attempt = attempts[nth];
            spawn(&world, move |world| {
                let failed = Completion::http(503);
                let facts = if nth == 0 { failed } else { Completion::ok() };
                world.manual.finish(attempt, LATER, &facts, 0).unwrap()
            })
        });
        let steps = finishing.map(|thread| thread.join().unwrap());
        assert_eq!(done(&steps).count(), 0, "that is the loop's to hear");
        let (told, mut events) = looping.join().unwrap();
        assert_eq!((told, events.process(LATER)), (1, None));
        drop(events);
        world.settle(1);
    });
}

#[test]
fn a_loop_that_goes_leaves_nothing_behind() {
    explore("manual: an attempt succeeds, its hedge is out, their loop is dropped", || {
        let world = World::new(1);
        let (events, _bell, [first, hedge]) = looped(&world);
        let dropping = thread::spawn(move || drop(events));
        let finishing = spawn(&world, move |world| world.finish(first, 0).unwrap());
        assert_eq!(finishing.join().unwrap().actions().count(), 0);
        dropping.join().unwrap();
        assert_eq!(world.finish(hedge, 0).unwrap().actions().count(), 0);
        world.settle(1);
    });
}
