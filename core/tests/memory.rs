//! What the engine takes of memory: for each site, for each call in the air, for each timer; and that
//! none of it grows when they come and go.
#![expect(clippy::disallowed_types, reason = "a counter of the test's own")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicUsize, Ordering},
};

use rego::{
    Completion, Engine, Nanos, Policy,
    manual::{Action, AttemptRef, Begin, CallId},
};

/// The system's allocator, which knows how much is out.
struct Weighing;

static OUT: AtomicUsize = AtomicUsize::new(0);

// SAFETY: because every method hands on to the system's allocator what it was given, unchanged.
unsafe impl GlobalAlloc for Weighing {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // Relaxed: a figure; one thread allocates here.
        OUT.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: because the caller keeps `alloc`'s contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // Relaxed: as in `alloc`.
        OUT.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: because the caller keeps `dealloc`'s contract.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static WEIGHING: Weighing = Weighing;

const KIB: usize = 1 << 10;

/// What `make` keeps of memory, and what it made.
fn weighed<R>(make: impl FnOnce() -> R) -> (usize, R) {
    // Relaxed, both: as in `alloc`.
    let before = OUT.load(Ordering::Relaxed);
    let made = make();
    (OUT.load(Ordering::Relaxed).saturating_sub(before), made)
}

/// One test, so that no other one allocates meanwhile.
#[test]
fn memory_is_bounded_and_does_not_grow() {
    sites();
    flights();
    #[cfg(feature = "rooms")]
    timers();
}

/// At most 6 KiB for each of the eight shards of its histogram, and 16 KiB once somebody has
/// planned for it.
fn sites() {
    const SITES: usize = 100;
    let policy = Policy::builder().idempotent(true).hedge_quantile(0.95).build();
    let policy = policy.expect("a good policy");
    let engine = Engine::builder().ignore_environment().policy("svc.*", policy);
    let engine = engine.build().expect("a good engine");
    let keys: Vec<String> = (0..SITES).map(|site| format!("svc.Get{site}")).collect();
    let call = || {
        for key in &keys {
            assert!(engine.run(key, |_| Ok::<_, std::io::Error>(())).is_ok());
        }
    };
    let (made, ()) = weighed(call);
    let (called, ()) = weighed(call);
    let (planned, _text) = weighed(|| engine.metrics().len());
    let (again, _text) = weighed(|| engine.metrics().len());
    println!(
        "a site: {} bytes, with what its planner remembers {}",
        made / SITES,
        (made + planned) / SITES
    );
    assert!(made / SITES <= 8 * 6 * KIB, "{}", made / SITES);
    assert_eq!(called, 0, "calls keep nothing");
    assert!(planned / SITES <= 16 * KIB, "{}", planned / SITES);
    assert_eq!(again, 0, "scrapes keep nothing");
}

/// 65,000 calls in the air, three times over: about 2 KiB each, once.
fn flights() {
    const CALLS: usize = 65_000;
    let engine = Engine::builder().ignore_environment().build().expect("a good engine");
    let (manual, site) = (engine.manual(), engine.site("svc.Get"));
    let mut aloft: Vec<AttemptRef> = Vec::with_capacity(CALLS);
    let mut ids: Vec<CallId> = Vec::with_capacity(CALLS);
    for round in 0..3 {
        let (kept, ()) = weighed(|| {
            for call in 0..CALLS {
                let (id, step) = manual.begin(&site, Begin::new(Nanos::from_micros(call as u64)));
                assert!(!id.is_pass_through(), "there is room for all");
                let Some(Action::Start { attempt, .. }) = step.actions().next() else {
                    panic!("a call begins with its first attempt")
                };
                aloft.push(attempt);
                ids.push(id);
            }
        });
        if round == 0 {
            println!("a call in the air: {} bytes", kept / CALLS);
            assert!(kept / CALLS <= 2 * KIB + 64, "{}", kept / CALLS);
        } else {
            assert_eq!(kept, 0, "round {round}: in the memory of those before");
        }
        let (kept, ()) = weighed(|| {
            for attempt in aloft.drain(..) {
                let step = manual.finish(attempt, Nanos::from_secs(1), &Completion::ok(), 0);
                assert!(step.expect("it is in the air").verdict().is_some());
            }
        });
        assert_eq!(kept, 0, "nothing is kept of calls that are over");
        assert!(ids.drain(..).all(|id| manual.poll(id, Nanos::from_secs(2)).is_err()));
    }
}

/// A million timers, three times over: 32 bytes each, and what it takes to sort those that live.
#[cfg(feature = "rooms")]
fn timers() {
    use rego::rooms::{sync::Shard, timer::Timers};
    const TIMERS: usize = 1_000_000;
    let timers = Timers::new(TIMERS);
    let mut ids = Vec::with_capacity(TIMERS);
    let mut most = 0;
    for round in 0..3_u64 {
        let start = Nanos::from_secs(100 * round);
        let (kept, ()) = weighed(|| {
            for timer in 0..TIMERS {
                let deadline = start + Nanos::from_micros(timer as u64);
                let armed = timers.arm(Shard::new(timer), deadline, timer as u64);
                ids.push(armed.expect("there is room").id);
            }
        });
        if round == 0 {
            println!("a timer: {} bytes", kept / TIMERS);
            assert!(kept / TIMERS <= 33, "{}", kept / TIMERS);
        } else {
            assert_eq!(kept, 0, "round {round}: in the memory of those before");
        }
        // One in a hundred is left to fire.
        for (timer, id) in ids.drain(..).enumerate() {
            assert!(timer % 100 == 0 || timers.cancel(id));
        }
        let mut fired = 0;
        let (kept, ()) = weighed(|| {
            let _ = timers.advance(start + Nanos::from_secs(50), &mut |_| fired += 1);
        });
        assert_eq!(fired, TIMERS / 100);
        // What the wheel keeps room for: the same after every round.
        most = kept.max(most);
        assert!(most <= 512 * KIB, "round {round}: {kept}");
    }
}
