//! How often calls allocate: never where the first attempt succeeds on the caller's thread, and not
//! more than twice where it is raced.
#![expect(clippy::disallowed_types, reason = "a counter of the test's own")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Duration,
};

use rego::{
    Budget, CallEnded, CallSite, Clock, Engine, EventRecord, ManualClock, Observer, Policy, Workers,
};

/// The system's allocator, which counts: of the threads that take part, for what a race costs, it
/// costs on two. The harness's own thread may still be about its business.
struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static TAKES_PART: Cell<bool> = const { Cell::new(false) };
}

/// From now on what this thread allocates is counted.
fn take_part() {
    TAKES_PART.set(true);
}

fn count() {
    // A thread that is at its end takes no part.
    if TAKES_PART.try_with(Cell::get).unwrap_or(false) {
        // Relaxed: a count; the threads that are counted are joined or waited for.
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
    }
}

// SAFETY: because every method hands on to the system's allocator what it was given, unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: because the caller keeps `alloc`'s contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: because the caller keeps `realloc`'s contract.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: because the caller keeps `dealloc`'s contract.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

const CALLS: u64 = 1_000;

/// How many allocations `calls` make, once they have been made before.
fn allocations(mut calls: impl FnMut()) -> u64 {
    take_part();
    calls();
    // Relaxed, both: as in `count`.
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    calls();
    ALLOCATIONS.load(Ordering::Relaxed) - before
}

/// Everything a call can have: a budget of its own, timeouts, hedging, a classifier.
fn full() -> Policy {
    Policy::http()
        .attempt_timeout(Duration::from_millis(300))
        .overall_timeout(Duration::from_secs(10))
        .retry_budget("shared")
        .idempotent(true)
        .hedge_quantile(0.95)
        .hedge_delay(Duration::from_secs(5))
        .build()
        .expect("a policy of a test")
}

fn site(clock: impl Into<Clock>, policy: Policy) -> CallSite {
    let engine = Engine::builder()
        .ignore_environment()
        .clock(clock)
        .budget("shared", Budget::ratio(0.1))
        .policy("svc.Get", policy)
        .build()
        .expect("nothing is missing");
    engine.site("svc.Get")
}

/// One test, so that no other one allocates meanwhile.
#[test]
fn calls_that_succeed_do_not_allocate() {
    for clock in [Clock::tsc(), Clock::instant(), ManualClock::new().into()] {
        let site = site(clock.clone(), full());
        let count = allocations(|| {
            for call in 0..CALLS {
                assert_eq!(site.run(|_| Ok::<_, std::io::Error>(call)).expect("it works"), call);
            }
        });
        assert_eq!(count, 0, "`CallSite::run` on {clock:?}");
    }
    by_key();
    with_options();
    observed();
    raced();
    the_count_counts();
}

fn by_key() {
    let engine = Engine::builder()
        .ignore_environment()
        .budget("shared", Budget::ratio(0.1))
        .policy("svc.Get", full())
        .build()
        .expect("nothing is missing");
    let count = allocations(|| {
        for call in 0..CALLS {
            assert!(engine.run("svc.Get", |_| Ok::<_, std::io::Error>(call)).is_ok());
        }
    });
    assert_eq!(count, 0, "`Engine::run`");
}

fn with_options() {
    let site = site(Clock::instant(), full());
    let token = rego::CancelToken::new();
    let count = allocations(|| {
        for call in 0..CALLS {
            let options = site.call().deadline(Duration::from_secs(1)).idempotent(true);
            assert!(options.cancel(&token).run(|_| Ok::<_, std::io::Error>(call)).is_ok());
        }
    });
    assert_eq!(count, 0, "a call with options of its own");
}

struct Counts(AtomicU64);

impl Observer for Counts {
    fn on_success(&self, _: &CallEnded<'_>) {
        // Relaxed: a count.
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Whoever listens is told without an allocation, and so is the ring that is drained.
fn observed() {
    let told = std::sync::Arc::new(Counts(AtomicU64::new(0)));
    let engine = Engine::builder()
        .ignore_environment()
        .budget("shared", Budget::ratio(0.1))
        .policy("svc.Get", full())
        .observer(std::sync::Arc::clone(&told))
        .event_ring(64)
        .build()
        .expect("nothing is missing");
    let site = engine.site("svc.Get");
    let mut events = [EventRecord::default(); 16];
    let count = allocations(|| {
        for call in 0..CALLS {
            assert!(site.run(|_| Ok::<_, std::io::Error>(call)).is_ok());
            let (drained, _dropped) = engine.drain_events(&mut events);
            assert!(drained > 0, "the ring is told");
        }
    });
    assert_eq!(count, 0, "a call that is observed");
    // Relaxed: a count, of this thread.
    assert_eq!(told.0.load(Ordering::Relaxed), 2 * CALLS);
}

/// The flight with all that is in it is one allocation, made up front.
fn raced() {
    let workers = Workers::new(8);
    let engine = Engine::builder()
        .ignore_environment()
        .budget("shared", Budget::ratio(0.1))
        .policy("svc.Get", full())
        .executor(workers.clone())
        .build()
        .expect("nothing is missing");
    let site = engine.site("svc.Get");
    thread::scope(|scope| {
        let donated = workers.worker();
        scope.spawn(move || {
            take_part();
            donated.run();
        });
        let count = allocations(|| {
            for call in 0..CALLS {
                let answer = site.race(move |_| Ok::<_, std::io::Error>(call));
                assert_eq!(answer.expect("it works"), call);
            }
        });
        // A few for all of them: threads that wait for the first time.
        assert!(count <= 2 * CALLS + 20, "{count} allocations in {CALLS} races");
        println!("{:.3} allocations per race", count as f64 / CALLS as f64);
        workers.close();
    });
}

/// The negative control: a call that fails and is retried writes notes, which take memory.
fn the_count_counts() {
    let policy = Policy::builder().max_attempts(2).retry_budget("unlimited").build();
    let site = site(ManualClock::auto_advance(), policy.expect("a policy of a test"));
    let count = allocations(|| {
        let fails = site.run(|attempt| if attempt.number() == 0 { Err("no") } else { Ok(()) });
        assert!(fails.is_ok());
    });
    assert!(count > 0, "a retried call writes notes");
}
