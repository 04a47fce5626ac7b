//! `drive/pool`, end to end: a call has one winner, what the others produced is dropped once, what
//! they held is given back once, and nobody sleeps through its end.
//!
//! The clock moves when the model says so, and a caller that waits for a time which does not come
//! waits for ever: a wake-up that is lost is a deadlock, which loom reports.
#![cfg(rego_loom)]
#![allow(clippy::unwrap_used, reason = "a model fails by panicking")]

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use loom::{
    sync::atomic::AtomicU64,
    thread::{self, JoinHandle},
};
use loom_tests::{Explored, explore, explore_large};
use rego::{
    Attempt, CancelToken, Error, Executor, ManualClock, Nanos, Policy, Rejected, Task, Verdict,
    rooms::drive::{Alarm, Alarms, Ring, Stage},
};

const HEDGE_AFTER: Nanos = Nanos::from_millis(20);
const ROOM: u32 = 2;

/// Who answered, or that nobody did; and how many attempts ran.
type Ending = (Result<u32, Verdict>, u32);

/// Explores the model, and asserts that it ends in each of these ways in some interleaving, and in
/// no other: a race in which one side always wins is none.
fn explore_all(name: &str, endings: &[Ending], model: impl Fn() -> Ending + Send + Sync + 'static) {
    note_endings(endings, |noting| explore(name, move || noting(model())));
}

/// As `explore_all`, for a model of many steps.
fn explore_all_large(
    name: &str,
    endings: &[Ending],
    model: impl Fn() -> Ending + Send + Sync + 'static,
) {
    note_endings(endings, |noting| explore_large(name, move || noting(model())));
}

fn note_endings(
    endings: &[Ending],
    explore: impl FnOnce(Box<dyn Fn(Ending) + Send + Sync>) -> Explored,
) {
    let seen = Arc::new(Mutex::new(HashSet::new()));
    let noting = Arc::clone(&seen);
    let explored = explore(Box::new(move |ending| {
        noting.lock().unwrap().insert(ending);
    }));
    let (seen, known) = (seen.lock().unwrap(), endings.iter().copied().collect());
    match explored {
        Explored::All => assert_eq!(*seen, known, "how it ended"),
        Explored::InPart => assert!(seen.is_subset(&known), "{seen:?} of {known:?}"),
    }
}

/// What an attempt produces: counted as it is made and as it is dropped. Not loom's atomics, which
/// would be edges of their own.
struct Made {
    by: u32,
    tally: Arc<Tally>,
}

#[derive(Default)]
struct Tally {
    made: AtomicU32,
    dropped: AtomicU32,
    ran: AtomicU32,
}

impl Made {
    fn new(by: u32, tally: &Arc<Tally>) -> Self {
        tally.made.fetch_add(1, Ordering::Relaxed);
        Self { by, tally: Arc::clone(tally) }
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        self.tally.dropped.fetch_add(1, Ordering::Relaxed);
    }
}

/// A call's world: the stage, the threads that run its attempts, what they made.
struct World {
    stage: Stage,
    threads: Arc<Mutex<Vec<JoinHandle<()>>>>,
    executor: Arc<dyn Executor>,
    tally: Arc<Tally>,
}

/// Gets each task its own thread.
fn spawn_each(threads: &Arc<Mutex<Vec<JoinHandle<()>>>>, run: fn(Task)) -> Arc<dyn Executor> {
    let threads = Arc::clone(threads);
    Arc::new(move |task: Task| -> Result<(), Rejected> {
        let thread = thread::spawn(move || run(task));
        threads.lock().unwrap().push(thread);
        Ok(())
    })
}

impl World {
    fn new(policy: Policy, run: fn(Task)) -> Arc<Self> {
        Self::on(Stage::new(policy, ROOM, clock()), run)
    }

    fn on(stage: Stage, run: fn(Task)) -> Arc<Self> {
        let threads = Arc::default();
        let executor = spawn_each(&threads, run);
        Arc::new(Self { stage, threads, executor, tally: Arc::default() })
    }

    /// Makes the call on a thread of its own: the attempt that answered it, or the verdict.
    fn call(
        self: &Arc<Self>,
        token: Option<&CancelToken>,
        op: impl Fn(&Self, u32) -> Result<(), ()> + Send + Sync + 'static,
    ) -> JoinHandle<Result<u32, Verdict>> {
        let (world, token) = (Arc::clone(self), token.cloned());
        thread::spawn(move || {
            while !world.stage.is_staffed() {
                thread::yield_now();
            }
            let theirs = Arc::clone(&world);
            let op = move |attempt: &Attempt<'_>| {
                theirs.tally.ran.fetch_add(1, Ordering::Relaxed);
                let by = attempt.number();
                let made = || Made::new(by, &theirs.tally);
                op(&theirs, by).map(|()| made()).map_err(|()| made())
            };
            match world.stage.race(&world.executor, token.as_ref(), op) {
                Ok(made) => Ok(made.by),
                Err(Error { verdict, .. }) => Err(verdict),
            }
        })
    }

    /// Waits for everybody, and looks at what is left.
    fn settle(self: Arc<Self>, calling: JoinHandle<Result<u32, Verdict>>) -> Ending {
        let answer = calling.join().unwrap();
        loop {
            let thread = self.threads.lock().unwrap().pop();
            let Some(thread) = thread else { break };
            thread.join().unwrap();
        }
        self.stage.assert_quiet();
        let count = |count: &AtomicU32| count.load(Ordering::Relaxed);
        assert_eq!(count(&self.tally.made), count(&self.tally.ran), "each attempt makes one");
        assert_eq!(count(&self.tally.dropped), count(&self.tally.made), "each is dropped once");
        (answer, count(&self.tally.ran))
    }
}

/// Not at zero: an attempt that starts then counts as started a nanosecond later.
fn clock() -> ManualClock {
    let clock = ManualClock::new();
    clock.advance(HEDGE_AFTER);
    clock
}

fn hedged() -> Policy {
    Policy::builder()
        .idempotent(true)
        .max_attempts(1)
        .no_overall_timeout()
        .hedge_after(Duration::from_nanos(HEDGE_AFTER.as_nanos()))
        .cancel_on_first_terminal(false)
        .build()
        .unwrap()
}

fn plain() -> Policy {
    Policy::builder().max_attempts(1).no_overall_timeout().build().unwrap()
}

/// The first attempt is slow: when it ends, the time for a hedge has just come.
fn slowly(world: &World, attempt: u32) {
    if attempt == 0 {
        world.stage.clock.advance(HEDGE_AFTER);
    }
}

#[test]
fn one_wins_and_what_the_other_made_is_dropped() {
    let endings: [Ending; 3] = [(Ok(0), 1), (Ok(0), 2), (Ok(1), 2)];
    explore_all("pool: an attempt and its hedge succeed", &endings, || {
        let world = World::new(hedged(), Task::run);
        let calling = world.call(None, |world, attempt| {
            slowly(world, attempt);
            Ok(())
        });
        world.settle(calling)
    });
}

#[test]
fn a_call_ends_when_all_attempts_have_failed() {
    let endings: [Ending; 2] = [(Err(Verdict::MaxAttempts), 1), (Err(Verdict::MaxAttempts), 2)];
    explore_all("pool: an attempt and its hedge fail", &endings, || {
        let world = World::new(hedged(), Task::run);
        let calling = world.call(None, |world, attempt| {
            slowly(world, attempt);
            Err(())
        });
        world.settle(calling)
    });
}

#[test]
fn a_hedge_saves_a_call() {
    let endings: [Ending; 2] = [(Err(Verdict::MaxAttempts), 1), (Ok(1), 2)];
    explore_all("pool: an attempt fails, its hedge succeeds", &endings, || {
        let world = World::new(hedged(), Task::run);
        let calling = world.call(None, |world, attempt| {
            slowly(world, attempt);
            if attempt == 0 { Err(()) } else { Ok(()) }
        });
        world.settle(calling)
    });
}

#[test]
fn a_cancel_meets_a_result() {
    let cancelled = Err(Verdict::Cancelled);
    let endings: [Ending; 3] = [(Ok(0), 1), (cancelled, 0), (cancelled, 1)];
    explore_all("pool: an attempt succeeds while its call is taken back", &endings, || {
        let world = World::new(plain(), Task::run);
        let token = CancelToken::new();
        let calling = world.call(Some(&token), |_, _| Ok(()));
        let cancelling = thread::spawn(move || token.cancel());
        let ending = world.settle(calling);
        cancelling.join().unwrap();
        ending
    });
}

#[test]
fn the_deadline_meets_a_result() {
    const DEADLINE: Nanos = Nanos::from_millis(5);
    let late = Err(Verdict::DeadlineExceeded);
    let endings: [Ending; 3] = [(Ok(0), 1), (late, 0), (late, 1)];
    explore_all("pool: an attempt succeeds as its call's time is up", &endings, || {
        let deadline = Duration::from_nanos(DEADLINE.as_nanos());
        let policy = Policy::builder().max_attempts(1).overall_timeout(deadline).build().unwrap();
        let world = World::new(policy, Task::run);
        let calling = world.call(None, |_, _| Ok(()));
        let clock = world.stage.clock.clone();
        let time = thread::spawn(move || clock.advance(DEADLINE));
        let ending = world.settle(calling);
        time.join().unwrap();
        ending
    });
}

#[test]
fn an_attempt_that_nobody_runs_is_its_callers() {
    let cancelled = Err(Verdict::Cancelled);
    let endings: [Ending; 3] = [(Ok(0), 1), (cancelled, 0), (cancelled, 1)];
    let name = "pool: a task is dropped elsewhere while its call is taken back";
    explore_all_large(name, &endings, || {
        let world = World::new(plain(), drop);
        let token = CancelToken::new();
        let calling = world.call(Some(&token), |_, _| Ok(()));
        let cancelling = thread::spawn(move || token.cancel());
        let ending = world.settle(calling);
        cancelling.join().unwrap();
        ending
    });
}

#[test]
fn a_busy_caller_is_overtaken_by_a_hedge() {
    let endings: [Ending; 3] = [(Ok(0), 1), (Ok(0), 2), (Ok(1), 2)];
    let name = "pool: the caller runs its attempt, an alarm brings the hedge";
    explore_all_large(name, &endings, || {
        let world = World::on(Stage::inline_first(hedged(), ROOM, clock()), Task::run);
        let theirs = Arc::clone(&world);
        let alarms = thread::spawn(move || theirs.stage.run_alarms());
        let calling = world.call(None, |world, attempt| {
            slowly(world, attempt);
            Ok(())
        });
        let closing = Arc::clone(&world);
        let ending = world.settle(calling);
        closing.stage.close();
        alarms.join().unwrap();
        ending
    });
}

/// A call that counts how often it was rung, and says when it wants to be.
struct Rung {
    alarm: Alarm,
    at: AtomicU64,
    times: AtomicU32,
}

impl Ring for Rung {
    fn ring(self: Arc<Self>) {
        self.times.fetch_add(1, Ordering::Relaxed);
    }
}

impl Rung {
    fn new() -> Arc<Self> {
        let at = AtomicU64::new(Nanos::NEVER.as_nanos());
        Arc::new(Self { alarm: Alarm::default(), at, times: AtomicU32::new(0) })
    }

    fn at(&self) -> Nanos {
        Nanos::from_nanos(self.at.load(Ordering::Acquire))
    }

    fn hang_up(self: &Arc<Self>, alarms: &Alarms) {
        self.alarm.hang_up(alarms, Arc::clone(self) as Arc<dyn Ring>, || self.at());
    }

    fn set(self: &Arc<Self>, alarms: &Alarms, at: u64) {
        self.at.store(at, Ordering::Release);
        self.alarm.set(alarms, Arc::as_ptr(self).cast(), || self.at());
    }

    fn times(&self) -> u32 {
        self.times.load(Ordering::Relaxed)
    }
}

#[test]
fn a_time_that_is_set_rings_the_bell() {
    explore("pool: a bell is hung up while its time is set", || {
        let (alarms, call) = (Arc::new(Alarms::new()), Rung::new());
        let (theirs, driver) = (Arc::clone(&alarms), Arc::clone(&call));
        let driving = thread::spawn(move || driver.set(&theirs, 5));
        call.hang_up(&alarms);
        driving.join().unwrap();
        let _ = alarms.ring_due(Nanos::from_nanos(4));
        assert_eq!(call.times(), 0, "nobody asked for it so early");
        let _ = alarms.ring_due(Nanos::from_nanos(5));
        assert_eq!(call.times(), 1, "the time that was set");
        call.alarm.take_down(&alarms);
    });
}

#[test]
fn a_bell_is_set_by_its_own_call_alone() {
    explore("pool: a call's time is set while its bell becomes another's", || {
        let alarms = Arc::new(Alarms::new());
        let (first, second) = (Rung::new(), Rung::new());
        first.hang_up(&alarms);
        second.at.store(7, Ordering::Release);
        let (theirs, driver) = (Arc::clone(&alarms), Arc::clone(&first));
        let driving = thread::spawn(move || driver.set(&theirs, 5));
        first.alarm.take_down(&alarms);
        second.hang_up(&alarms);
        // The caller of `second` is told of no other time, so nobody may touch its timer.
        second.at.store(9, Ordering::Release);
        driving.join().unwrap();
        let _ = alarms.ring_due(Nanos::from_nanos(5));
        assert_eq!((first.times(), second.times()), (0, 0), "the bell of the first is down");
        let _ = alarms.ring_due(Nanos::from_nanos(7));
        assert_eq!(second.times(), 1, "as its call has set it");
        second.alarm.take_down(&alarms);
    });
}
