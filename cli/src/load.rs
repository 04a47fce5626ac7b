//! The open-loop load generator: calls start when the schedule says, whatever became of earlier
//! ones, and latency counts from the intended start.

use std::{
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use crate::{lanes::Lane, schedule::Schedule, stop::Stop};

/// At most this many calls are in the air; further ones start late, which is counted.
pub(crate) const MAX_WORKERS: usize = 512;
const FIRST_WORKERS: usize = 16;
/// How often the waiting thread looks up.
const LOOK: Duration = Duration::from_millis(50);
/// How long calls in the air may go on after an interruption.
const PATIENCE: Duration = Duration::from_secs(1);

/// One logical call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    pub(crate) call: u64,
    /// Not part of the warm-up.
    pub(crate) is_measured: bool,
}

/// How one measured call went.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    /// When it was meant to start, counted from the start of the measured run.
    pub(crate) start: Duration,
    /// From its intended start to its end.
    pub(crate) latency: Duration,
    /// How much later than intended it really started.
    pub(crate) lag: Duration,
    pub(crate) is_ok: bool,
}

/// What a lane's run gave.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) samples: Vec<Sample>,
    /// Calls, warm-up included, for which no worker was free at their time.
    pub(crate) starved: u64,
}

struct Shared {
    schedule: Arc<Schedule>,
    lane: Arc<dyn Lane>,
    stop: Stop,
    begin: Instant,
    /// The next call to start. Whoever holds it waits for that call's time; the others queue up
    /// behind, so one thread sleeps on the clock and every hand-over is a single wake-up.
    turn: Mutex<usize>,
    /// Workers that hold the turn or queue for it.
    ready: AtomicUsize,
    workers: AtomicUsize,
    finished: AtomicUsize,
    starved: AtomicU64,
    samples: Mutex<Vec<Sample>>,
}

/// Runs `lane` through `schedule`, which begins at `begin`; `look` hears now and then how many
/// calls have ended. After an interruption the calls that have ended are returned.
///
/// # Errors
///
/// No thread could be started.
pub(crate) fn drive(
    schedule: &Arc<Schedule>,
    begin: Instant,
    lane: Arc<dyn Lane>,
    stop: &Stop,
    mut look: impl FnMut(usize),
) -> io::Result<Measured> {
    let shared = Arc::new(Shared {
        schedule: Arc::clone(schedule),
        lane,
        stop: stop.clone(),
        begin,
        turn: Mutex::new(0),
        ready: AtomicUsize::new(0),
        workers: AtomicUsize::new(0),
        finished: AtomicUsize::new(0),
        starved: AtomicU64::new(0),
        samples: Mutex::new(Vec::with_capacity(schedule.len())),
    });
    for _ in 0..FIRST_WORKERS {
        hire(&shared)?;
    }
    let mut patience = PATIENCE;
    loop {
        // Acquire: pairs with the release in `work`; the samples of the finished are there.
        let finished = shared.finished.load(Ordering::Acquire);
        look(finished);
        if finished == schedule.len() || patience.is_zero() {
            break;
        }
        if stop.is_asked() {
            let started = shared.started();
            if finished == started {
                break;
            }
            patience = patience.saturating_sub(LOOK);
        }
        thread::sleep(LOOK);
    }
    let samples = std::mem::take(&mut *shared.samples());
    // Relaxed: the workers are done with it, or nobody minds the last few.
    Ok(Measured { samples, starved: shared.starved.load(Ordering::Relaxed) })
}

impl Shared {
    /// Waits for the next call's turn and time; the call's number, or `None` after the last.
    fn take_turn(&self) -> Option<usize> {
        let mut turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let call = *turn;
        let due = self.begin + self.schedule.start(call)?;
        loop {
            if self.stop.is_asked() {
                return None;
            }
            match due.checked_duration_since(Instant::now()) {
                Some(left) if !left.is_zero() => thread::sleep(left.min(LOOK)),
                _ => break,
            }
        }
        *turn += 1;
        Some(call)
    }

    fn started(&self) -> usize {
        *self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn samples(&self) -> MutexGuard<'_, Vec<Sample>> {
        self.samples.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn call(&self, call: usize) {
        let began = Instant::now();
        let is_measured = self.schedule.is_measured(call);
        let is_ok = self.lane.call(Request { call: call as u64, is_measured });
        if let (true, Some(intended)) = (is_measured, self.schedule.start(call)) {
            let due = self.begin + intended;
            let sample = Sample {
                start: intended - self.schedule.warm_up(),
                latency: due.elapsed(),
                lag: began - due,
                is_ok,
            };
            self.samples().push(sample);
        }
        // Release: the sample happens-before whoever counts the call as finished.
        self.finished.fetch_add(1, Ordering::Release);
    }
}

fn hire(shared: &Arc<Shared>) -> io::Result<()> {
    // Relaxed, here and below: counts that decide how many threads there are, and nothing else.
    shared.workers.fetch_add(1, Ordering::Relaxed);
    shared.ready.fetch_add(1, Ordering::Relaxed);
    let worker = Arc::clone(shared);
    let spawned = thread::Builder::new().name("rego-load".into()).spawn(move || work(&worker));
    if let Err(error) = spawned {
        shared.workers.fetch_sub(1, Ordering::Relaxed);
        shared.ready.fetch_sub(1, Ordering::Relaxed);
        return Err(error);
    }
    Ok(())
}

fn work(shared: &Arc<Shared>) {
    while let Some(call) = shared.take_turn() {
        let others = shared.ready.fetch_sub(1, Ordering::Relaxed) - 1;
        if others == 0 {
            let may_hire = shared.workers.load(Ordering::Relaxed) < MAX_WORKERS;
            if !may_hire || hire(shared).is_err() {
                shared.starved.fetch_add(1, Ordering::Relaxed);
            }
        }
        shared.call(call);
        shared.ready.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lanes::Account;

    /// A lane whose calls take a while.
    struct Sleeps(Duration);

    impl Lane for Sleeps {
        fn call(&self, request: Request) -> bool {
            thread::sleep(self.0);
            request.call.is_multiple_of(2)
        }

        fn is_quiet(&self) -> bool {
            true
        }

        fn account(&self) -> Account {
            Account::default()
        }
    }

    fn schedule(rate: u32, length: u64) -> Arc<Schedule> {
        let length = Duration::from_millis(length);
        Arc::new(Schedule::new(rate, Duration::from_millis(50), length, 1))
    }

    #[test]
    fn slow_calls_do_not_hold_up_later_ones() {
        let schedule = schedule(500, 400);
        let lane = Arc::new(Sleeps(Duration::from_millis(100)));
        let mut seen = 0;
        let measured = drive(&schedule, Instant::now(), lane, &Stop::default(), |n| seen = n)
            .expect("threads can be started");
        assert_eq!(seen, schedule.len());
        assert_eq!(measured.samples.len(), 200);
        assert_eq!(measured.starved, 0);
        assert!(measured.samples.iter().all(|one| one.latency >= one.lag + lane_time()));
        assert!(measured.samples.iter().any(|one| one.is_ok));
        assert!(measured.samples.iter().any(|one| !one.is_ok));
    }

    fn lane_time() -> Duration {
        Duration::from_millis(100)
    }

    #[test]
    fn an_interruption_keeps_what_has_ended() {
        let schedule = schedule(500, 60_000);
        let stop = Stop::default();
        let lane = Arc::new(Sleeps(Duration::from_millis(1)));
        let began = Instant::now();
        let measured = drive(&schedule, began, lane, &stop, |n| {
            if n > 100 {
                stop.ask();
            }
        })
        .expect("threads can be started");
        assert!(measured.samples.len() > 50);
        assert!(measured.samples.len() < 10_000);
        assert!(began.elapsed() < Duration::from_secs(20));
    }
}
