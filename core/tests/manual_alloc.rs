//! Calls driven by their host allocate nothing once their slots are warm.
#![expect(clippy::unwrap_used, reason = "a test says what it expects")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    time::Duration,
};

use rego::{
    Completion, Engine, Nanos, Policy,
    manual::{Action, AttemptRef, Begin, Step},
};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    // A thread that is being torn down counts nothing.
    let _ = ALLOCATIONS.try_with(|allocations| allocations.set(allocations.get() + 1));
}

// SAFETY: because it hands everything on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: because the caller keeps the contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: because the caller keeps the contract.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: because the caller keeps the contract.
        unsafe { System.realloc(memory, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations(work: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.get();
    work();
    ALLOCATIONS.get() - before
}

fn started(step: &Step) -> AttemptRef {
    let started = step.actions().find_map(|action| match action {
        Action::Start { attempt, .. } => Some(attempt),
        _ => None,
    });
    started.unwrap()
}

fn engine() -> Engine {
    let policy = Policy::builder()
        .retry_budget("unlimited")
        .hedge_budget("unlimited")
        .idempotent(true)
        .hedge_after(Duration::from_millis(1))
        .build()
        .unwrap();
    Engine::builder()
        .policy("svc.Get", policy)
        .max_flights(64)
        .ignore_environment()
        .build()
        .unwrap()
}

#[test]
fn steps_allocate_nothing_once_warm() {
    let engine = engine();
    let (manual, site) = (engine.manual(), engine.site("svc.Get"));
    let mut now = Nanos::from_millis(1);
    let mut rounds = |rounds: u32| {
        for _ in 0..rounds {
            // Clean.
            let (_, step) = manual.begin(&site, Begin::new(now));
            let _ = manual.finish(started(&step), now, &Completion::ok(), 0).unwrap();

            // Hedged, failed, retried, won, and a loser that comes late.
            let (call, step) = manual.begin(&site, Begin::new(now));
            let primary = started(&step);
            now = step.wake_at;
            let hedge = started(&manual.poll(call, now).unwrap());
            let _ = manual.finish(primary, now, &Completion::http(503), 0).unwrap();
            let step = manual.finish(hedge, now, &Completion::http(503), 0).unwrap();
            now = step.wake_at;
            let step = manual.poll(call, now).unwrap();
            let primary = started(&step);
            now = step.wake_at;
            let hedge = started(&manual.poll(call, now).unwrap());
            let step = manual.finish(hedge, now, &Completion::ok(), 0).unwrap();
            assert!(step.verdict().unwrap().is_success());
            let _ = manual.finish(primary, now, &Completion::ok(), 0).unwrap();

            // Cancelled.
            let (call, step) = manual.begin(&site, Begin::new(now));
            manual.cancel(call).unwrap();
            let _ = manual.poll(call, now).unwrap();
            assert!(manual.is_cancelled(started(&step)));
            let _ = manual.finish(started(&step), now, &Completion::cancelled(), 0).unwrap();

            // Without room.
            let all: [_; 65] = std::array::from_fn(|_| manual.begin(&site, Begin::new(now)));
            assert!(all[64].0.is_pass_through());
            for (_, step) in all {
                let _ = manual.finish(started(&step), now, &Completion::ok(), 0).unwrap();
            }
        }
    };
    assert!(allocations(|| rounds(100)) > 0, "the counter counts");
    assert_eq!(allocations(|| rounds(1_000)), 0);
}

#[test]
fn a_loop_allocates_nothing_once_warm() {
    let engine = engine();
    let (manual, site) = (engine.manual(), engine.site("svc.Get"));
    let mut events = manual.event_loop(|| {});
    let mut now = Nanos::from_millis(1);
    let mut rounds = |rounds: u32| {
        for _ in 0..rounds {
            // Overtaken, failed, retried, won.
            let (_, step) = events.begin(&site, Begin::new(now));
            let mut attempts = [started(&step); 4];
            for nth in 1..4 {
                now = events.next_deadline();
                while let Some(action) = events.process(now) {
                    if let Action::Start { attempt, .. } = action {
                        attempts[nth] = attempt;
                    }
                }
                if nth == 1 {
                    for failed in &attempts[..2] {
                        let _ = manual.finish(*failed, now, &Completion::http(503), 0).unwrap();
                    }
                    assert!(events.process(now).is_none(), "backing off");
                }
            }
            let _ = manual.finish(attempts[3], now, &Completion::ok(), 0).unwrap();
            let mut done = false;
            while let Some(action) = events.process(now) {
                done |= matches!(action, Action::Done { .. });
            }
            assert!(done);
            let _ = manual.finish(attempts[2], now, &Completion::ok(), 0).unwrap();
        }
    };
    assert!(allocations(|| rounds(20_000)) > 0, "the counter counts");
    assert_eq!(allocations(|| rounds(2_000)), 0);
}
