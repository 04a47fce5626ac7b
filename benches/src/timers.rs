//! What timers cost to arm, to cancel and to fire, and how late they are.

use std::{
    hint::black_box,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use rego::{
    Nanos,
    rooms::{
        sync::Shard,
        timer::{TimerId, Timers},
    },
};

use crate::{Group, Lane, Measured, Row, budgets::FETCH_ADD};

/// The benchmark.
pub const GROUPS: &[fn() -> Group] = &[hot, ten_thousand, a_million, expiry, virtual_lateness];

/// A timer is armed and cancelled at once.
pub const HOT: &str = "arm + cancel, hot";
/// Two threads do so.
pub const HOT_TWO: &str = "arm + cancel, hot, two threads";
/// The oldest of ten thousand is cancelled, and one armed.
pub const AMONG_10K: &str = "cancel the oldest of 10,000 + arm";
/// The oldest of a million.
pub const AMONG_1M: &str = "cancel the oldest of 1,000,000 + arm";
/// A million are armed and fire, each.
pub const EXPIRE: &str = "arm and fire, each of 100,000";
/// As many, the driver coming a thousand times.
pub const EXPIRE_BY_TICKS: &str = "arm and fire tick by tick, each of 100,000";

const TURNS: usize = 61;
/// When a call is given up that is not answered: far longer than it takes.
const TIMEOUT: Nanos = Nanos::from_secs(10);

fn hot() -> Group {
    let lanes = vec![fetch_add(), hot_lane(), hot_on_two_threads()];
    let rows = |measured: &Measured| {
        let two = measured.ratio(HOT_TWO, HOT);
        vec![Row { id: "lane", what: format!("{HOT}: two threads / one"), value: two, bound: None }]
    };
    Group { name: "hot", lanes, rows, turns: crate::TURNS }
}

fn ten_thousand() -> Group {
    Group { name: "10,000 out", lanes: vec![fetch_add(), among_10k()], rows: none, turns: TURNS }
}

fn a_million() -> Group {
    Group { name: "1,000,000 out", lanes: vec![fetch_add(), among_1m()], rows: none, turns: TURNS }
}

fn expiry() -> Group {
    let lanes = vec![fetch_add(), expire(), expire_tick_by_tick()];
    Group { name: "expiry", lanes, rows: none, turns: TURNS }
}

fn virtual_lateness() -> Group {
    Group { name: "lateness, virtual", lanes: Vec::new(), rows: |_| lateness(), turns: 0 }
}

fn none(_: &Measured) -> Vec<Row> {
    Vec::new()
}

/// The baseline.
#[must_use]
pub fn fetch_add() -> Lane {
    let word = AtomicU64::new(0);
    Lane::new(FETCH_ADD, move |times| {
        for _ in 0..times {
            // Relaxed: a baseline.
            black_box(&word).fetch_add(1, Ordering::Relaxed);
        }
    })
}

/// As a call whose hedge is never needed. The driver comes when it is told to.
#[must_use]
pub fn hot_lane() -> Lane {
    let wheel = Arc::new(Turning::new(1 << 16));
    Lane::new(HOT, move |times| wheel.arm_and_cancel(times))
}

/// As [`hot_lane`], on two threads.
#[must_use]
pub fn hot_on_two_threads() -> Lane {
    let wheel = Arc::new(Turning::new(1 << 16));
    Lane::two(HOT_TWO, move |times| wheel.arm_and_cancel(times))
}

/// Ten thousand calls in the air.
#[must_use]
pub fn among_10k() -> Lane {
    among(AMONG_10K, 10_000)
}

/// A million calls in the air.
#[must_use]
pub fn among_1m() -> Lane {
    among(AMONG_1M, 1_000_000)
}

fn among(name: &'static str, many: usize) -> Lane {
    let wheel = Arc::new(Turning::new(1 << 23));
    let now = wheel.pass(many as u64);
    let mut out: Vec<TimerId> = (0..many as u64).map(|call| wheel.arm(now, call)).collect();
    let mut oldest = 0;
    Lane::new(name, move |times| {
        let now = wheel.pass(times);
        for call in 0..times {
            black_box(wheel.timers.cancel(out[oldest]));
            out[oldest] = wheel.arm(now, call);
            oldest = if oldest + 1 == many { 0 } else { oldest + 1 };
        }
    })
}

/// Timers that nobody cancels, all due at the driver's next turn.
#[must_use]
pub fn expire() -> Lane {
    expire_in(EXPIRE, 1)
}

fn expire_tick_by_tick() -> Lane {
    expire_in(EXPIRE_BY_TICKS, 1_000)
}

/// A hundred thousand, due within 50 ms; the driver comes after that, or so many times meanwhile.
fn expire_in(name: &'static str, turns: u64) -> Lane {
    const MANY: u64 = 100_000;
    const WITHIN: u64 = 50_000_000;
    let timers = Timers::new(1 << 17);
    let mut now = Nanos::ZERO;
    Lane::timed(name, move |times| {
        let started = Instant::now();
        for _ in 0..times.div_ceil(MANY) {
            for call in 0..MANY {
                // In no order.
                let after =
                    Nanos::from_nanos(200_000_000 + call.wrapping_mul(0x9E37_79B9) % WITHIN);
                let armed = timers.arm(Shard::current(), now + after, call);
                debug_assert!(armed.is_ok(), "there is room for all");
            }
            now = now + Nanos::from_millis(200);
            let mut fired = 0;
            for _ in 0..turns {
                now = now + Nanos::from_nanos(WITHIN / turns);
                let _ = timers.advance(now, &mut |_| fired += 1);
            }
            assert_eq!(black_box(fired), MANY);
        }
        per(started.elapsed(), times.div_ceil(MANY) * MANY, times)
    })
}

/// `took` was for `done`, and `times` were asked for.
fn per(took: Duration, done: u64, times: u64) -> Duration {
    took.mul_f64(times as f64 / done as f64)
}

/// Timers, and a clock that goes on a microsecond with every call.
struct Turning {
    timers: Timers,
    now: AtomicU64,
    driver: Mutex<()>,
}

impl Turning {
    fn new(max: usize) -> Self {
        Self { timers: Timers::new(max), now: AtomicU64::new(0), driver: Mutex::new(()) }
    }

    /// The time at which this many calls begin.
    fn pass(&self, calls: u64) -> Nanos {
        // Relaxed: a time of the bench's own.
        Nanos::from_micros(self.now.fetch_add(calls, Ordering::Relaxed))
    }

    #[inline]
    fn arm(&self, start: Nanos, call: u64) -> TimerId {
        let now = start + Nanos::from_micros(call);
        let armed = self.timers.arm(Shard::current(), now + TIMEOUT, call);
        let armed = armed.expect("the dead make room");
        if armed.wake {
            self.drive(now);
        }
        armed.id
    }

    fn arm_and_cancel(&self, times: u64) {
        let start = self.pass(times);
        for call in 0..times {
            black_box(self.timers.cancel(self.arm(start, call)));
        }
    }

    /// What a driver's thread does when it is woken, at the expense of who wakes it.
    #[cold]
    fn drive(&self, now: Nanos) {
        if let Ok(_driver) = self.driver.try_lock() {
            let _ = self.timers.advance(now, &mut |_| ());
        }
    }
}

/// How late timers fire in virtual time, the driver coming when [`Timers::next_deadline`] says.
///
/// # Panics
///
/// If one fires early, or never.
#[must_use]
pub fn lateness() -> Vec<Row> {
    let timers = Timers::new(1 << 16);
    let mut deadlines = Vec::new();
    for timer in 0..50_000_u64 {
        let deadline = 1 + timer.wrapping_mul(0x9E37_79B9_7F4A_7C15) % 5_000_000_000;
        let armed = timers.arm(Shard::new(timer as usize), Nanos::from_nanos(deadline), timer);
        assert!(armed.is_ok(), "there is room");
        deadlines.push(deadline);
    }
    let (mut early, mut latest, mut fired) = (0_u64, 0_u64, 0_usize);
    let mut now = Nanos::ZERO;
    while fired < deadlines.len() {
        now = timers.advance(now, &mut |timer| {
            let deadline = deadlines[usize::try_from(timer).expect("an index")];
            early += u64::from(now.as_nanos() < deadline);
            latest = latest.max(now.as_nanos().saturating_sub(deadline));
            fired += 1;
        });
        assert!(!now.is_never() || fired == deadlines.len(), "all fire in the end");
    }
    let tick = rego::rooms::timer::TICK.as_nanos() as f64;
    vec![
        Row::goal("H15", "virtual time: timers of 50,000 that fired early", early as f64, 0.0),
        Row::goal("H15", "virtual time: latest / one tick", latest as f64 / tick, 1.0),
    ]
}
