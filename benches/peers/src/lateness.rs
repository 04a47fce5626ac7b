//! G8 and H15: how late a thread that waits for rego wakes.

use std::{
    cell::Cell,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rego::{
    Clock, Engine, Jitter, Nanos, Policy,
    rooms::{sync::Shard, timer::Timers},
};
use rego_benches::Row;

use crate::poll;

const WAIT: Duration = Duration::from_millis(1);
const ROUNDS: usize = 600;

/// Waits of 1 ms, in turn: rego's backoff, a parked thread with a timer slack of 1 ns and with the
/// system's own, tokio's sleep.
pub(crate) fn of_waits() -> Vec<Row> {
    let (fine, coarse) = (Waiter::new(park, true), Waiter::new(park, false));
    let (tokio, rego) = (Waiter::new(sleep(), false), Waiter::new(backoff(), false));
    let mut all: [Vec<f64>; 4] = Default::default();
    for _ in 0..ROUNDS {
        for (waiter, lateness) in [&rego, &fine, &coarse, &tokio].into_iter().zip(&mut all) {
            lateness.push(waiter.wait());
        }
    }
    let [rego, fine, coarse, tokio] = all.map(Lateness::of);
    let figure = |what: &str, value| Row { id: "lane", what: what.to_owned(), value, bound: None };
    vec![
        Row::goal(
            "G8",
            "backoff of 1 ms, lateness p50 / park_timeout, slack 1 ns",
            rego.p50 / fine.p50,
            1.5,
        ),
        Row::goal("G8", "backoff of 1 ms, lateness p50 / tokio sleep", rego.p50 / tokio.p50, 0.1),
        Row::goal("G8", "backoffs of 1 ms that ended early", rego.early, 0.0),
        figure("rego backoff of 1 ms, lateness p50, us", rego.p50),
        figure("rego backoff of 1 ms, lateness p99, us", rego.p99),
        figure("park_timeout, slack 1 ns, lateness p50, us", fine.p50),
        figure("park_timeout, slack 1 ns, lateness p99, us", fine.p99),
        figure("park_timeout, slack 50 us, lateness p50, us", coarse.p50),
        figure("tokio sleep, lateness p50, us", tokio.p50),
        figure("tokio sleep, lateness p99, us", tokio.p99),
    ]
}

/// In µs.
struct Lateness {
    p50: f64,
    p99: f64,
    early: f64,
}

impl Lateness {
    fn of(mut all: Vec<f64>) -> Self {
        all.sort_by(f64::total_cmp);
        let at = |share: f64| all[((all.len() - 1) as f64 * share) as usize];
        let early = all.iter().filter(|late| **late < 0.0).count() as f64;
        Self { p50: at(0.50), p99: at(0.99), early }
    }
}

/// A thread of its own that waits when it is asked to: timer slack is a thread's.
struct Waiter {
    ask: std::sync::mpsc::Sender<()>,
    answers: Mutex<std::sync::mpsc::Receiver<f64>>,
}

impl Waiter {
    /// `wait` waits for a millisecond and says how late it came back, in µs.
    fn new<W: FnMut() -> f64 + Send + 'static>(mut wait: W, fine: bool) -> Self {
        let (ask, asked) = std::sync::mpsc::channel();
        let (answer, answers) = std::sync::mpsc::channel();
        thread::spawn(move || {
            if fine {
                fine_timer_slack();
            }
            for () in asked {
                if answer.send(wait()).is_err() {
                    return;
                }
            }
        });
        Self { ask, answers: Mutex::new(answers) }
    }

    fn wait(&self) -> f64 {
        self.ask.send(()).expect("the thread is there");
        self.answers.lock().expect("nobody panics").recv().expect("it answers")
    }
}

fn park() -> f64 {
    let until = Instant::now() + WAIT;
    loop {
        let now = Instant::now();
        if now >= until {
            return late(until, now);
        }
        thread::park_timeout(until - now);
    }
}

fn sleep() -> impl FnMut() -> f64 + Send {
    let runtime = poll::runtime();
    move || {
        runtime.block_on(async {
            let until = Instant::now() + WAIT;
            tokio::time::sleep_until(until.into()).await;
            late(until, Instant::now())
        })
    }
}

/// A call whose first attempt fails: its second begins when the backoff is over. A success between
/// two failures pays for it.
fn backoff() -> impl FnMut() -> f64 + Send {
    let policy = Policy::builder()
        .initial_backoff(WAIT)
        .max_backoff(WAIT)
        .jitter(Jitter::None)
        .retry_budget("unlimited")
        .build()
        .expect("a good policy");
    let engine = Engine::builder().ignore_environment().policy("svc.Get", policy).build();
    let site = engine.expect("a good engine").site("svc.Get");
    move || {
        let (failed, began) = (Cell::new(None), Cell::new(None));
        let answer = site.run(|attempt| {
            let now = Instant::now();
            if attempt.number() == 0 {
                failed.set(Some(now));
                return Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset));
            }
            began.set(Some(now));
            Ok(())
        });
        assert!(answer.is_ok(), "the second attempt works: {answer:?}");
        let (failed, began) = (failed.get().expect("it failed"), began.get().expect("it began"));
        late(failed + WAIT, began)
    }
}

fn late(until: Instant, now: Instant) -> f64 {
    let micros = |length: Duration| length.as_secs_f64() * 1e6;
    match now.checked_duration_since(until) {
        Some(late) => micros(late),
        None => -micros(until - now),
    }
}

/// As rego does for a thread that waits for it.
fn fine_timer_slack() {
    // SAFETY: because it changes a number of this thread's alone.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1_u64, 0_u64, 0_u64, 0_u64) };
}

/// Timers that a thread of its own drives, as the engine's does: 2,000 within two seconds.
pub(crate) fn of_timers() -> Vec<Row> {
    const TIMERS: u64 = 2_000;
    let (timers, clock) = (Arc::new(Timers::new(1 << 12)), Clock::tsc());
    let over = Arc::new(AtomicBool::new(false));
    let deadlines: Arc<Vec<AtomicU64>> = Arc::new((0..TIMERS).map(|_| AtomicU64::new(0)).collect());
    let driver = thread::spawn({
        let (timers, clock) = (Arc::clone(&timers), clock.clone());
        let (over, deadlines) = (Arc::clone(&over), Arc::clone(&deadlines));
        move || {
            fine_timer_slack();
            let mut lateness = Vec::new();
            // Acquire: pairs with the Release below.
            while !over.load(Ordering::Acquire) {
                let next = timers.advance(clock.now(), &mut |timer| {
                    let deadline = deadlines[timer as usize].load(Ordering::Relaxed);
                    lateness.push((clock.now().as_nanos() as f64 - deadline as f64) / 1e3);
                });
                let now = clock.now();
                if next > now {
                    let within = (next - now).min(Nanos::from_millis(100));
                    thread::park_timeout(within.into());
                }
            }
            lateness
        }
    });
    for timer in 0..TIMERS {
        let after = 1_000_000 + timer.wrapping_mul(0x9E37_79B9_7F4A_7C15) % 20_000_000;
        let deadline = clock.now() + Nanos::from_nanos(after);
        deadlines[timer as usize].store(deadline.as_nanos(), Ordering::Relaxed);
        if timers.arm(Shard::current(), deadline, timer).expect("there is room").wake {
            driver.thread().unpark();
        }
        thread::sleep(Duration::from_millis(1));
    }
    thread::sleep(Duration::from_millis(50));
    // Release: pairs with the Acquire above.
    over.store(true, Ordering::Release);
    driver.thread().unpark();
    let lateness = driver.join().expect("no panic");
    assert_eq!(lateness.len() as u64, TIMERS, "all fire");
    let Lateness { p50, p99, early } = Lateness::of(lateness);
    let tick = rego::rooms::timer::TICK.as_nanos() as f64 / 1e3;
    vec![
        Row::goal("H15", "real time: timers of 2,000 that fired early", early, 0.0),
        Row::goal("H15", "real time: timer lateness p99, us", p99, tick + 60.0),
        Row { id: "lane", what: "timer lateness p50, us".to_owned(), value: p50, bound: None },
    ]
}
