//! An allocator that counts while it is asked to, of all threads.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use rego::Clock;
use rego_benches::{Row, call_path, race};

struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

/// A load for each allocation while nobody counts: peers that allocate pay it in their lanes.
static ON: AtomicBool = AtomicBool::new(false);
static COUNT: AtomicU64 = AtomicU64::new(0);

fn count() {
    // Relaxed, both: a count, read when what is counted is over.
    if ON.load(Ordering::Relaxed) {
        COUNT.fetch_add(1, Ordering::Relaxed);
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

/// How many there are per call, once everything is as large as it gets.
pub(crate) fn rows() -> Vec<Row> {
    const CALLS: u64 = 1_000;
    // So many that the timers have all the slots they will need: dead ones are cleared away from
    // about 8,000 on.
    const WARM_UP: u64 = 32_000;
    let per_call = |calls: &dyn Fn(u64)| {
        calls(WARM_UP);
        ON.store(true, Ordering::Relaxed);
        let before = COUNT.load(Ordering::Relaxed);
        calls(CALLS);
        let count = COUNT.load(Ordering::Relaxed) - before;
        ON.store(false, Ordering::Relaxed);
        count as f64 / CALLS as f64
    };
    let engine = call_path::engine(Clock::tsc());
    let (armed, detached) = (race::armed_engine(), race::detached_engine());
    let site = engine.site(call_path::KEY);
    std::thread::sleep(std::time::Duration::from_millis(20));
    let (armed, detached) = (armed.site(call_path::KEY), detached.site(call_path::KEY));
    vec![
        Row::goal(
            "G1",
            "site.run, allocations",
            per_call(&|calls| call_path::calls(&site, calls)),
            0.0,
        ),
        Row::goal(
            "G2",
            "engine.run by key, allocations",
            per_call(&|calls| call_path::calls_by_key(&engine, calls)),
            0.0,
        ),
        Row::goal(
            "G1b",
            "site.race inline-first, hedge armed, allocations",
            per_call(&|calls| race::races(&armed, calls)),
            1.0,
        ),
        Row::goal(
            "G1b",
            "site.race detached, allocations",
            per_call(&|calls| race::races(&detached, calls)),
            2.0,
        ),
    ]
}
