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

use loom::thread::{self, JoinHandle};
use loom_tests::{Explored, explore, explore_large};
use rego::{
    Attempt, CancelToken, Error, Executor, ManualClock, Nanos, Policy, Rejected, Task, Verdict,
    rooms::drive::Stage,
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

type Threads = Arc<Mutex<Vec<JoinHandle<()>>>>;

/// A call's world: the stage, the threads that run its attempts, what they made.
struct World {
    stage: Stage,
    threads: Threads,
    tally: Arc<Tally>,
    /// Whether calls wait until somebody drives the alarms.
    waits_for_alarms: bool,
}

/// Gets each task its own thread.
fn spawn_each(threads: &Threads, run: fn(Task)) -> Arc<dyn Executor> {
    let threads = Arc::clone(threads);
    Arc::new(move |task: Task| -> Result<(), Rejected> {
        let thread = thread::spawn(move || run(task));
        threads.lock().unwrap().push(thread);
        Ok(())
    })
}

impl World {
    fn new(policy: Policy, run: fn(Task)) -> Arc<Self> {
        Self::on(|executor| Stage::racing(policy, ROOM, clock(), executor), run)
    }

    fn on(stage: impl FnOnce(Arc<dyn Executor>) -> Stage, run: fn(Task)) -> Arc<Self> {
        Self::built(stage, run, true)
    }

    /// Nobody drives its alarms.
    fn unstaffed(stage: impl FnOnce(Arc<dyn Executor>) -> Stage, run: fn(Task)) -> Arc<Self> {
        Self::built(stage, run, false)
    }

    fn built(
        stage: impl FnOnce(Arc<dyn Executor>) -> Stage,
        run: fn(Task),
        waits_for_alarms: bool,
    ) -> Arc<Self> {
        let threads = Threads::default();
        let stage = stage(spawn_each(&threads, run));
        Arc::new(Self { stage, threads, tally: Arc::default(), waits_for_alarms })
    }

    /// Makes the call on a thread of its own: the attempt that answered it, or the verdict.
    fn call(
        self: &Arc<Self>,
        token: Option<&CancelToken>,
        op: impl Fn(&Self, u32) -> Result<(), ()> + Send + Sync + 'static,
    ) -> JoinHandle<Result<u32, Verdict>> {
        let (world, token) = (Arc::clone(self), token.cloned());
        thread::spawn(move || {
            while world.waits_for_alarms && !world.stage.is_staffed() {
                thread::yield_now();
            }
            let theirs = Arc::clone(&world);
            let op = move |attempt: &Attempt<'_>| {
                theirs.tally.ran.fetch_add(1, Ordering::Relaxed);
                let by = attempt.number();
                let made = || Made::new(by, &theirs.tally);
                op(&theirs, by).map(|()| made()).map_err(|()| made())
            };
            match world.stage.race(token.as_ref(), op) {
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
        let stage = |executor| Stage::inline_first(hedged(), ROOM, clock(), executor);
        let world = World::on(stage, Task::run);
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

#[test]
fn a_busy_callers_call_is_taken_back() {
    let cancelled = Err(Verdict::Cancelled);
    let endings: [Ending; 3] = [(Ok(0), 1), (cancelled, 0), (cancelled, 1)];
    explore_all("pool: the caller runs its attempt while its call is taken back", &endings, || {
        let stage = |executor| Stage::inline_first(plain(), ROOM, clock(), executor);
        let world = World::unstaffed(stage, Task::run);
        let token = CancelToken::new();
        let calling = world.call(Some(&token), |_, _| Ok(()));
        let cancelling = thread::spawn(move || token.cancel());
        let ending = world.settle(calling);
        cancelling.join().unwrap();
        ending
    });
}
