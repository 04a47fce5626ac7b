//! H13: a million timers out, two threads that arm and cancel, one in a hundred left to fire.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap, VecDeque},
    future::Future,
    hint::black_box,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Waker},
};

use rego::{
    Nanos,
    rooms::{
        sync::Shard,
        timer::{TimerId, Timers},
    },
};
use rego_benches::{Group, Lane, Measured, Row};
use tokio::time::Sleep;

use crate::poll;

const MANY: u64 = 1_000_000;
const TIMEOUT: Nanos = Nanos::from_secs(10);

const REGO: &str = "rego, 1,000,000 out, two threads";
const TOKIO: &str = "tokio sleep, 1,000,000 out, two threads";
const HEAP: &str = "mutex of a binary heap, lazily, 1,000,000 out, two threads";
const TREE: &str = "mutex of a B-tree, 1,000,000 out, two threads";

pub(crate) fn group() -> Group {
    let rows = |measured: &Measured| {
        let beside = |peer: &str| {
            let what = format!("{REGO} / {peer}");
            Row::goal("H13", &what, measured.ratio(REGO, peer), 0.2)
        };
        vec![beside(TOKIO), beside(HEAP), beside(TREE), touched()]
    };
    Group { name: "1,000,000 out", lanes: vec![rego(), tokio(), heap(), tree()], rows, turns: 21 }
}

fn rego() -> Lane {
    let timers = Timers::new(1 << 23);
    let clock = AtomicU64::new(0);
    for timer in 0..MANY {
        let far = Nanos::from_secs(3_600) + Nanos::from_micros(timer);
        assert!(timers.arm(Shard::new(timer as usize), far, timer).is_ok(), "there is room");
    }
    let driver = Mutex::new(());
    Lane::two(REGO, move |times| {
        // Relaxed: a time of the bench's own.
        let start = Nanos::from_micros(clock.fetch_add(times, Ordering::Relaxed));
        for call in 0..times {
            let now = start + Nanos::from_micros(call);
            let armed = timers.arm(Shard::current(), now + TIMEOUT, call).expect("there is room");
            if armed.wake
                && let Ok(_driver) = driver.try_lock()
            {
                let _ = timers.advance(now, &mut |_| ());
            }
            if call % 100 != 0 {
                black_box(timers.cancel(armed.id));
            }
        }
    })
}

/// Tokio's timers want to be dropped, all of them: the hundredth is dropped too.
fn tokio() -> Lane {
    let runtime = poll::runtime();
    let context = runtime.enter();
    let out: Vec<_> = (0..MANY).map(|_| asleep()).collect();
    drop(context);
    let out = Mutex::new(out);
    Lane::two(TOKIO, move |times| {
        let _keep = &out;
        let _context = runtime.enter();
        for _ in 0..times {
            drop(black_box(asleep()));
        }
    })
}

fn asleep() -> Pin<Box<Sleep>> {
    let mut sleep = Box::pin(tokio::time::sleep(TIMEOUT.into()));
    let pending = sleep.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    debug_assert!(pending.is_pending());
    sleep
}

/// A cancelled timer is marked, and stays in the heap until it is due.
fn heap() -> Lane {
    let far =
        (0..MANY).map(|timer| Reverse((u64::MAX - timer, Arc::new(AtomicU64::new(0)).into())));
    let heap: Mutex<BinaryHeap<Reverse<(u64, Mark)>>> = Mutex::new(far.collect());
    let clock = AtomicU64::new(0);
    Lane::two(HEAP, move |times| {
        let start = clock.fetch_add(times, Ordering::Relaxed);
        for call in 0..times {
            let now = start + call;
            let mark = Mark(Arc::new(AtomicU64::new(0)));
            {
                let mut heap = heap.lock().expect("nobody panics");
                heap.push(Reverse((now + 1_000_000, mark.clone())));
                while heap.peek().is_some_and(|Reverse((due, _))| *due <= now) {
                    heap.pop();
                }
            }
            // Relaxed: a mark.
            mark.0.store(1, Ordering::Relaxed);
        }
    })
}

/// Whether a timer of the heap was cancelled.
#[derive(Clone)]
struct Mark(Arc<AtomicU64>);

impl From<Arc<AtomicU64>> for Mark {
    fn from(mark: Arc<AtomicU64>) -> Self {
        Self(mark)
    }
}

// Marks are all alike: what is sorted is the time beside them.
impl PartialEq for Mark {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}
impl Eq for Mark {}
impl PartialOrd for Mark {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Mark {
    fn cmp(&self, _: &Self) -> std::cmp::Ordering {
        std::cmp::Ordering::Equal
    }
}

/// A cancelled timer is taken out.
fn tree() -> Lane {
    let far = (0..MANY).map(|timer| ((u64::MAX - timer, timer), ()));
    let tree: Mutex<BTreeMap<(u64, u64), ()>> = Mutex::new(far.collect());
    let numbers = AtomicU64::new(0);
    Lane::two(TREE, move |times| {
        // Relaxed: a number.
        let first = numbers.fetch_add(times, Ordering::Relaxed);
        for call in 0..times {
            // Deadlines all over the tree, as those of calls with different timeouts are.
            let due = (first + call).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            tree.lock().expect("nobody panics").insert((due, call), ());
            black_box(tree.lock().expect("nobody panics").remove(&(due, call)));
        }
    })
}

/// How many of a million timers touch the wheel: 100,000 calls a second of 5 ms each, whose
/// deadline is 100 ms, one in a hundred left to fire. In virtual time; the driver comes when it is
/// told to.
fn touched() -> Row {
    let timers = Timers::new(1 << 20);
    let mut alive: VecDeque<TimerId> = VecDeque::new();
    for call in 0..MANY {
        let now = Nanos::from_micros(call * 10);
        if timers.next_deadline() <= now {
            let _ = timers.advance(now, &mut |_| ());
        }
        let armed = timers.arm(Shard::current(), now + Nanos::from_millis(100), call);
        let armed = armed.expect("there is room");
        if armed.wake {
            let _ = timers.advance(now, &mut |_| ());
        }
        alive.push_back(armed.id);
        if alive.len() > 500
            && let Some(ended) = alive.pop_front()
            && call % 100 != 0
        {
            timers.cancel(ended);
        }
    }
    let share = timers.filed() as f64 / MANY as f64;
    Row::goal("H13", "share of timers that touch the wheel, 99 % cancelled", share, 0.05)
}
