//! Timers: rego's beside tokio's, `DelayQueue`, nexus-timer, and a heap behind a mutex.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashSet},
    future::Future,
    hint::black_box,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use nexus_timer::Wheel;
use rego_benches::{Group, Lane, Measured, Row, timers};
use tokio::{runtime::Runtime, time::Sleep};
use tokio_util::time::DelayQueue;

use crate::poll;

const TURNS: usize = 61;
const TIMEOUT: Duration = Duration::from_secs(10);

const TOKIO: &str = "tokio sleep: arm + cancel";
const TOKIO_MULTI: &str = "tokio sleep, multi-threaded runtime: arm + cancel";
const QUEUE: &str = "tokio_util DelayQueue in a mutex: arm + cancel";
const QUEUE_BARE: &str = "tokio_util DelayQueue: arm + cancel";
const NEXUS: &str = "nexus-timer: arm + cancel, one thread only";
const HEAP: &str = "mutex of a binary heap: arm + cancel, lazily";
const TOKIO_1M: &str = "tokio sleep: cancel the oldest of 1,000,000 + arm";
const QUEUE_1M: &str = "tokio_util DelayQueue in a mutex: cancel the oldest of 1,000,000 + arm";
const NEXUS_1M: &str = "nexus-timer: cancel the oldest of 1,000,000 + arm";
const TOKIO_EXPIRE: &str = "tokio sleep: arm and fire, each of 100,000";

/// Arm and cancel.
pub(crate) fn hot() -> Group {
    let lanes = vec![
        timers::fetch_add(),
        timers::hot_lane(),
        timers::hot_on_two_threads(),
        tokio_hot(TOKIO, poll::runtime()),
        tokio_hot(TOKIO_MULTI, poll::multi_threaded()),
        queue_hot(),
        queue_bare_hot(),
        nexus_hot(),
        heap_hot(),
    ];
    let rows = |measured: &Measured| {
        let beside = |peer: &str, bound| {
            let what = format!("{} / {peer}", timers::HOT);
            Row::goal("G7", &what, measured.ratio(timers::HOT, peer), bound)
        };
        vec![beside(QUEUE_BARE, 0.3), beside(QUEUE, 0.3), beside(TOKIO, 0.06)]
    };
    Group { name: "timers, hot", lanes, rows, turns: TURNS }
}

/// A million outstanding.
pub(crate) fn a_million() -> Group {
    let lanes = vec![timers::among_1m(), tokio_1m(), queue_1m(), nexus_1m()];
    let rows = |measured: &Measured| {
        let what = format!("{} / {QUEUE_1M}", timers::AMONG_1M);
        vec![Row::goal("G7", &what, measured.ratio(timers::AMONG_1M, QUEUE_1M), 0.4)]
    };
    Group { name: "timers, 1,000,000 out", lanes, rows, turns: 21 }
}

/// Nobody cancels.
pub(crate) fn expiry() -> Group {
    let lanes = vec![timers::expire(), tokio_expire()];
    let rows = |measured: &Measured| {
        let what = format!("{} / tokio", timers::EXPIRE);
        vec![Row::goal("G7", &what, measured.ratio(timers::EXPIRE, TOKIO_EXPIRE), 0.6)]
    };
    Group { name: "timers, expiry", lanes, rows, turns: 5 }
}

/// Armed by the first poll, cancelled by being dropped.
fn tokio_hot(name: &'static str, runtime: &'static Runtime) -> Lane {
    Lane::new(name, move |times| {
        let _context = runtime.enter();
        for _ in 0..times {
            drop(black_box(asleep()));
        }
    })
}

fn tokio_1m() -> Lane {
    let runtime = poll::runtime();
    let context = runtime.enter();
    let mut out: Vec<_> = (0..1_000_000).map(|_| asleep()).collect();
    drop(context);
    let mut oldest = 0;
    Lane::new(TOKIO_1M, move |times| {
        let _context = runtime.enter();
        for _ in 0..times {
            out[oldest] = asleep();
            oldest = if oldest + 1 == out.len() { 0 } else { oldest + 1 };
        }
    })
}

fn asleep() -> Pin<Box<Sleep>> {
    let mut sleep = Box::pin(tokio::time::sleep(TIMEOUT));
    let pending = sleep.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    debug_assert!(pending.is_pending());
    sleep
}

/// As many sleeps, all due at the driver's next turn. In real time: tokio has no other without its
/// test clock, so the time for which nobody is due is not counted.
fn tokio_expire() -> Lane {
    const MANY: u64 = 100_000;
    let runtime = poll::runtime();
    Lane::timed(TOKIO_EXPIRE, move |times| {
        let mut took = Duration::ZERO;
        for _ in 0..times.div_ceil(MANY) {
            let _context = runtime.enter();
            let start = Instant::now();
            let mut sleeps: Vec<_> = (0..MANY)
                .map(|timer| {
                    let after = Duration::from_nanos(timer.wrapping_mul(0x9E37_79B9) % 50_000_000);
                    let until =
                        tokio::time::Instant::from_std(start + Duration::from_millis(200) + after);
                    let mut sleep = Box::pin(tokio::time::sleep_until(until));
                    let _ = sleep.as_mut().poll(&mut Context::from_waker(Waker::noop()));
                    sleep
                })
                .collect();
            let armed = start.elapsed();
            std::thread::sleep(Duration::from_millis(300).saturating_sub(armed));
            // All are due: one turn of the driver fires them.
            let due = Instant::now();
            runtime.block_on(async { tokio::time::sleep(Duration::from_millis(1)).await });
            let fired = due.elapsed().saturating_sub(Duration::from_millis(1));
            for sleep in &mut sleeps {
                let ready = sleep.as_mut().poll(&mut Context::from_waker(Waker::noop()));
                assert_eq!(ready, Poll::Ready(()), "it was due");
            }
            took += armed + fired;
        }
        took.mul_f64(times as f64 / (times.div_ceil(MANY) * MANY) as f64)
    })
}

fn queue_hot() -> Lane {
    let runtime = poll::runtime();
    let _context = runtime.enter();
    let queue = Mutex::new(DelayQueue::new());
    Lane::new(QUEUE, move |times| {
        let _context = runtime.enter();
        for call in 0..times {
            let key = lock(&queue).insert(call, TIMEOUT);
            black_box(lock(&queue).remove(&key));
        }
    })
}

fn queue_bare_hot() -> Lane {
    let runtime = poll::runtime();
    let _context = runtime.enter();
    let mut queue = DelayQueue::new();
    Lane::new(QUEUE_BARE, move |times| {
        let _context = runtime.enter();
        for call in 0..times {
            let key = queue.insert(call, TIMEOUT);
            black_box(queue.remove(&key));
        }
    })
}

fn queue_1m() -> Lane {
    let runtime = poll::runtime();
    let context = runtime.enter();
    let queue = Mutex::new(DelayQueue::new());
    let mut out: Vec<_> =
        (0..1_000_000_u64).map(|call| lock(&queue).insert(call, TIMEOUT)).collect();
    drop(context);
    let mut oldest = 0;
    Lane::new(QUEUE_1M, move |times| {
        let _context = runtime.enter();
        for call in 0..times {
            black_box(lock(&queue).remove(&out[oldest]));
            out[oldest] = lock(&queue).insert(call, TIMEOUT);
            oldest = if oldest + 1 == out.len() { 0 } else { oldest + 1 };
        }
    })
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().expect("nobody panics")
}

fn nexus_hot() -> Lane {
    let start = Instant::now();
    let mut wheel: Wheel<u64> = Wheel::unbounded(4_096, start);
    Lane::new(NEXUS, move |times| {
        for call in 0..times {
            let handle = wheel.schedule(start + TIMEOUT, call);
            black_box(wheel.cancel(handle));
        }
    })
}

fn nexus_1m() -> Lane {
    let start = Instant::now();
    let mut wheel: Wheel<u64> = Wheel::unbounded(1 << 20, start);
    let mut made = 0_u64;
    let mut next = move |wheel: &mut Wheel<u64>| {
        made += 1;
        wheel.schedule(start + TIMEOUT + Duration::from_micros(made), made)
    };
    let mut out: Vec<_> = (0..1_000_000).map(|_| Some(next(&mut wheel))).collect();
    let mut oldest = 0;
    Lane::new(NEXUS_1M, move |times| {
        for _ in 0..times {
            black_box(out[oldest].take().and_then(|handle| wheel.cancel(handle)));
            out[oldest] = Some(next(&mut wheel));
            oldest = if oldest + 1 == out.len() { 0 } else { oldest + 1 };
        }
    })
}

/// What many write for themselves: a cancelled timer stays in the heap until it is due.
struct Heap {
    timers: BinaryHeap<Reverse<(u64, u64)>>,
    alive: HashSet<u64>,
}

fn heap_hot() -> Lane {
    let heap = Arc::new(Mutex::new(Heap { timers: BinaryHeap::new(), alive: HashSet::new() }));
    let mut number = 0;
    Lane::new(HEAP, move |times| {
        for _ in 0..times {
            number += 1;
            {
                let mut heap = lock(&heap);
                heap.timers.push(Reverse((number + 10_000_000, number)));
                heap.alive.insert(number);
            }
            let mut heap = lock(&heap);
            heap.alive.remove(&number);
            // The driver, ten million calls later: here at once, so that memory stays what it is.
            while heap.timers.len() > 4_096 {
                heap.timers.pop();
            }
        }
    })
}
