//! Failing hedged calls on real threads, with slow releases: none outlives its deadline, and
//! nothing is left of them.
//!
//! 20,000 calls; a million with `REGO_STRESS=full` (`cargo xtask stress`).
#![expect(clippy::disallowed_types, reason = "counters of the test's own")]
#![expect(clippy::disallowed_methods, reason = "real threads and real time are the test")]

use std::{
    collections::BTreeMap,
    env, hint,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    process,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rego::{Attempt, Budget, CallSite, Engine, Policy, Rejected, Task, Verdict, Workers};

const CALLERS: u64 = 8;
const WORKERS: usize = 6;
/// Fewer places than attempts: some are refused.
const QUEUE: usize = 8;

/// The most a call may be late on a machine that does nothing else.
const SLACK: Duration = Duration::from_secs(1);
/// Without any call ending for so long, something hangs.
const STALL: Duration = Duration::from_secs(60);

#[test]
fn failing_calls_end_by_their_deadline_and_leave_nothing() {
    let calls =
        if env::var("REGO_STRESS").is_ok_and(|value| value == "full") { 1_000_000 } else { 20_000 };
    let stress = Stress::new();
    let started = Instant::now();
    let reports = stress.make_calls(calls);
    let took = started.elapsed();
    let mut total = Report::default();
    reports.into_iter().for_each(|report| total.add(report));
    total.print(calls, took, &stress);
    assert_eq!(total.ended(), calls);
    let slack = SLACK + 4 * stress.noise();
    assert!(total.latest <= slack, "a call was {:?} late; allowed {slack:?}", total.latest);
    assert_eq!(stress.site.in_flight(), 0, "flights");
    assert_eq!(stress.site.abandoned(), 0, "abandoned attempts");
    assert_eq!(stress.engine.budget_available("retries"), Some(4.0), "retries' reservations");
    assert_eq!(stress.engine.budget_available("hedges"), Some(4.0), "hedges' reservations");
    assert_eq!(Arc::strong_count(&stress.operation), 1, "operations, and the calls around them");
    assert_eq!(get(&stress.operation.failures), 0, "errors that nobody dropped");
    assert_eq!(get(&stress.operation.running), 0, "attempts that still run");
}

/// An engine under stress, and what watches it.
struct Stress {
    engine: Engine,
    site: CallSite,
    workers: Workers,
    operation: Arc<Operation>,
    refused: Arc<AtomicU64>,
    ended: AtomicU64,
    done: AtomicBool,
    /// How late a thread is that only sleeps (ns): the machine's own lateness.
    noise: AtomicU64,
}

impl Stress {
    fn new() -> Self {
        let workers = Workers::new(QUEUE);
        let refused = Arc::new(AtomicU64::new(0));
        let (queue, count) = (workers.clone(), Arc::clone(&refused));
        let executor = move |task: Task| -> Result<(), Rejected> {
            rego::Executor::execute(&queue, task).inspect_err(|_| add(&count, 1))
        };
        let policy = Policy::builder()
            .idempotent(true)
            .max_attempts(3)
            .initial_backoff(Duration::from_micros(10))
            .max_backoff(Duration::from_micros(50))
            .overall_timeout(Duration::from_millis(20))
            .retry_budget("retries")
            .hedge_after(Duration::from_micros(100))
            .max_hedges(3)
            .hedge_budget("hedges")
            .cancel_on_first_terminal(false)
            .build()
            .expect("a policy of a test");
        let engine = Engine::builder()
            .ignore_environment()
            .budget("retries", Budget::concurrency(4))
            .budget("hedges", Budget::in_flight(0.1, 4))
            .policy("svc.Stress", policy)
            .executor(executor)
            .build()
            .expect("nothing is missing");
        Self {
            site: engine.site("svc.Stress"),
            engine,
            workers,
            operation: Arc::default(),
            refused,
            ended: AtomicU64::new(0),
            done: AtomicBool::new(false),
            noise: AtomicU64::new(0),
        }
    }

    fn make_calls(&self, calls: u64) -> Vec<Report> {
        thread::scope(|scope| {
            for _ in 0..WORKERS {
                let donated = self.workers.worker();
                scope.spawn(move || donated.run());
            }
            scope.spawn(|| self.watch());
            scope.spawn(|| self.listen_to_noise());
            let callers: Vec<_> = (0..CALLERS)
                .map(|caller| {
                    scope.spawn(move || {
                        let mine = (caller..calls).step_by(CALLERS as usize);
                        mine.fold(Report::default(), |report, call| report.after(self.call(call)))
                    })
                })
                .collect();
            let reports = callers.into_iter().map(|caller| caller.join().expect("it ends well"));
            let reports = reports.collect();
            self.workers.close();
            self.done.store(true, Ordering::SeqCst);
            reports
        })
    }

    /// One call: how it ended, and how late.
    fn call(&self, call: u64) -> (Verdict, u32, Duration) {
        let operation = Arc::clone(&self.operation);
        let within = Duration::from_millis(1 + call % 8);
        let started = Instant::now();
        let raced = catch_unwind(AssertUnwindSafe(|| {
            let options = self.site.call().deadline(within);
            options.race(move |attempt| Operation::run(&operation, call, attempt))
        }));
        let late = started.elapsed().saturating_sub(within);
        add(&self.ended, 1);
        match raced {
            Ok(Ok(())) => (Verdict::Success, 0, late),
            Ok(Err(error)) => (error.verdict, error.attempts, late),
            Err(_) => (Verdict::Panicked, 0, late),
        }
    }

    /// Ends the process if no call ends any more.
    fn watch(&self) {
        let mut last = (0, Instant::now());
        while !self.done.load(Ordering::SeqCst) {
            thread::sleep(Duration::from_millis(50));
            let ended = get(&self.ended);
            if ended != last.0 {
                last = (ended, Instant::now());
            } else if last.1.elapsed() > STALL {
                eprintln!("no call has ended for {STALL:?}; {ended} had: a call hangs");
                process::exit(101);
            }
        }
    }

    fn listen_to_noise(&self) {
        while !self.done.load(Ordering::SeqCst) {
            let until = Instant::now() + Duration::from_millis(2);
            thread::sleep(Duration::from_millis(2));
            let late = u64::try_from(until.elapsed().as_nanos()).unwrap_or(u64::MAX);
            self.noise.fetch_max(late, Ordering::SeqCst);
        }
    }

    fn noise(&self) -> Duration {
        Duration::from_nanos(get(&self.noise))
    }
}

/// What all attempts run, each call in a way of its own: all of them fail.
#[derive(Default)]
struct Operation {
    failures: AtomicU64,
    running: AtomicU64,
    attempts: AtomicU64,
}

impl Operation {
    fn run(self: &Arc<Self>, call: u64, attempt: &Attempt<'_>) -> Result<(), Failure> {
        add(&self.attempts, 1);
        add(&self.running, 1);
        let _running = Leaving(self);
        // A mix that differs from attempt to attempt and repeats from run to run.
        let way = (call ^ u64::from(attempt.number()) << 40).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        match way >> 60 {
            0..=8 => {}
            9..=11 => spin(Duration::from_micros(20)),
            // Slow enough for a hedge, and it stops when it is asked to.
            12 => stall(Duration::from_millis(2), || attempt.is_cancelled()),
            // Slow enough for a hedge, and deaf.
            13 => stall(Duration::from_micros(300), || false),
            // The end comes through a hook.
            14 => {
                let told = Arc::new(AtomicBool::new(false));
                let hook = Arc::clone(&told);
                let _guard = attempt.on_cancel(move || hook.store(true, Ordering::SeqCst));
                stall(Duration::from_millis(1), || told.load(Ordering::SeqCst));
            }
            // Without a message on standard error.
            _ if call.is_multiple_of(16) => resume_unwind(Box::new("a panic of the operation")),
            _ => {}
        }
        add(&self.failures, 1);
        Err(Failure { operation: Arc::clone(self), slow: way & 3 == 0 })
    }
}

struct Leaving<'a>(&'a Operation);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        sub(&self.0.running, 1);
    }
}

/// An error whose release may be slow: whoever drops it is held up between the end of an attempt
/// and what follows from it.
struct Failure {
    operation: Arc<Operation>,
    slow: bool,
}

impl Drop for Failure {
    fn drop(&mut self) {
        if self.slow {
            stall(Duration::from_micros(50), || false);
        }
        sub(&self.operation.failures, 1);
    }
}

/// What became of calls.
#[derive(Default)]
struct Report {
    verdicts: BTreeMap<&'static str, u64>,
    attempts: u64,
    /// How late each call was, in µs, by power of two.
    late: BTreeMap<u32, u64>,
    latest: Duration,
}

impl Report {
    fn after(mut self, (verdict, attempts, late): (Verdict, u32, Duration)) -> Self {
        *self.verdicts.entry(verdict.label()).or_default() += 1;
        self.attempts += u64::from(attempts);
        let micros = late.as_micros();
        *self.late.entry(u128::BITS - micros.leading_zeros()).or_default() += 1;
        self.latest = self.latest.max(late);
        self
    }

    fn add(&mut self, other: Self) {
        for (verdict, count) in other.verdicts {
            *self.verdicts.entry(verdict).or_default() += count;
        }
        for (bucket, count) in other.late {
            *self.late.entry(bucket).or_default() += count;
        }
        self.attempts += other.attempts;
        self.latest = self.latest.max(other.latest);
    }

    fn ended(&self) -> u64 {
        self.verdicts.values().sum()
    }

    /// The time that all but one in `n` calls were not later than.
    fn late_at(&self, n: u64) -> Duration {
        let mut beyond = self.ended() / n;
        for (bucket, count) in self.late.iter().rev() {
            if *count > beyond {
                return Duration::from_micros((1 << bucket) - 1);
            }
            beyond -= count;
        }
        Duration::ZERO
    }

    fn print(&self, calls: u64, took: Duration, stress: &Stress) {
        let rate = calls as f64 / took.as_secs_f64();
        println!("{calls} calls in {took:.1?}, {rate:.0} a second: {:?}", self.verdicts);
        let (ran, refused) = (get(&stress.operation.attempts), get(&stress.refused));
        println!("{} attempts launched, {ran} ran, {refused} refused", self.attempts);
        println!(
            "past the deadline: p50 ≤ {:?}, p99 ≤ {:?}, p99.9 ≤ {:?}, latest {:?}; a thread that \
             only sleeps: latest {:?}",
            self.late_at(2),
            self.late_at(100),
            self.late_at(1_000),
            self.latest,
            stress.noise(),
        );
    }
}

/// Waits, and lets others run.
fn stall(most: Duration, enough: impl Fn() -> bool) {
    let started = Instant::now();
    while started.elapsed() < most && !enough() {
        thread::yield_now();
    }
}

fn spin(time: Duration) {
    let started = Instant::now();
    while started.elapsed() < time {
        hint::spin_loop();
    }
}

fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::SeqCst);
}

fn sub(counter: &AtomicU64, count: u64) {
    counter.fetch_sub(count, Ordering::SeqCst);
}

fn get(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::SeqCst)
}
