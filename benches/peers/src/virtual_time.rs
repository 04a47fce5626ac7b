//! G9 and G10: what hedging adds to the load, in virtual time with the real engine driven by its
//! host.

use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

use rego::{
    Clock, Completion, Engine, ManualClock, Nanos, Policy, PolicyBuilder,
    manual::{Action, AttemptRef, Begin, CallId, Manual, Step},
};
use rego_benches::Row;

/// Calls a second, evenly spread.
const RATE: u64 = 1_000;
/// What a hedge may cost.
const SHARE: f64 = 0.05;

/// Every figure.
pub(crate) fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    let quantile = policy().hedge_quantile(1.0 - SHARE);
    let load = policy().hedge_load(SHARE);
    for (name, policy) in [("quantile(0.95)", quantile), ("load(0.05)", load)] {
        // The first seconds are cold.
        let steady = World::new(&policy).run(20..120, |_| 1);
        let nominal = steady.extra() / SHARE;
        let what = format!("{name}: |hedges delivered / configured − 1|");
        rows.push(Row::goal("G9", &what, (nominal - 1.0).abs(), 0.2));
        let slow = World::new(&policy)
            .run(60..90, |second| if (60..90).contains(&second) { 10 } else { 1 });
        // What the budget had saved up is part of what it may issue.
        let budget = SHARE + 20.0 / slow.calls as f64;
        rows.push(Row::goal(
            "G10",
            &format!("{name}: extra load of a brown-out, ×10 for 30 s"),
            slow.extra(),
            budget,
        ));
    }
    rows
}

fn policy() -> PolicyBuilder {
    Policy::builder().idempotent(true).hedge_min_delay(Duration::from_micros(100))
}

/// What happened while it counted.
struct Seen {
    calls: u64,
    hedges: u64,
}

impl Seen {
    fn extra(&self) -> f64 {
        self.hedges as f64 / self.calls as f64
    }
}

struct World {
    engine: Engine,
    clock: ManualClock,
    manual: Manual,
    /// What comes next: when, in which order, what.
    events: BinaryHeap<Reverse<(Nanos, u64, Event)>>,
    random: fastrand::Rng,
    seen: Seen,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Arrive,
    Wake(u64),
    End(u64),
    Scrape,
}

impl World {
    fn new(policy: &PolicyBuilder) -> Self {
        let clock = ManualClock::new();
        let engine = Engine::builder()
            .ignore_environment()
            .clock(Clock::from(clock.clone()))
            .policy("svc.Get", policy.build().expect("a good policy"))
            .seed(7)
            .build()
            .expect("a good engine");
        let manual = engine.manual();
        Self {
            engine,
            clock,
            manual,
            events: BinaryHeap::new(),
            random: fastrand::Rng::with_seed(7),
            seen: Seen { calls: 0, hedges: 0 },
        }
    }

    /// Runs until the end of `counted`, in seconds; a request takes `slower(second)` times as long.
    fn run(mut self, counted: std::ops::Range<u64>, slower: impl Fn(u64) -> u64) -> Seen {
        let site = self.engine.site("svc.Get");
        self.at(Nanos::from_millis(1), Event::Arrive);
        self.at(Nanos::from_millis(100), Event::Scrape);
        while let Some(Reverse((now, _, event))) = self.events.pop() {
            let second = now.as_nanos() / 1_000_000_000;
            if second >= counted.end {
                break;
            }
            self.clock.set(now);
            let counts = second >= counted.start;
            let step = match event {
                Event::Arrive => {
                    self.at(now + Nanos::from_nanos(1_000_000_000 / RATE), Event::Arrive);
                    self.seen.calls += u64::from(counts);
                    let (call, step) = self.manual.begin(&site, Begin::new(now));
                    self.wake(call, &step);
                    Ok(step)
                }
                // Whoever waits takes in what was recorded; nobody waits here.
                Event::Scrape => {
                    self.at(now + Nanos::from_millis(100), Event::Scrape);
                    drop(self.engine.metrics());
                    continue;
                }
                Event::Wake(call) => {
                    let call = CallId::from_bits(call);
                    let step = self.manual.poll(call, now);
                    if let Ok(step) = &step {
                        self.wake(call, step);
                    }
                    step
                }
                Event::End(attempt) => {
                    self.manual.finish(AttemptRef::from_bits(attempt), now, &Completion::ok(), 0)
                }
            };
            // Stale: it was cancelled before.
            let Ok(step) = step else { continue };
            self.follow(now, &step, counts, slower(second));
        }
        self.seen
    }

    fn follow(&mut self, now: Nanos, step: &Step, counts: bool, slower: u64) {
        for action in step.actions() {
            match action {
                Action::Start { attempt, hedge_index, .. } => {
                    self.seen.hedges += u64::from(counts && hedge_index > 0);
                    let takes = self.service(slower);
                    self.at(now + takes, Event::End(attempt.to_bits()));
                }
                Action::Cancel { attempt, .. } => {
                    let _ = self.manual.finish(attempt, now, &Completion::cancelled(), 0);
                }
                Action::Done { .. } => {}
            }
        }
    }

    fn wake(&mut self, call: CallId, step: &Step) {
        if !step.wake_at.is_never() {
            self.at(step.wake_at, Event::Wake(call.to_bits()));
        }
    }

    fn at(&mut self, when: Nanos, event: Event) {
        let number = self.random.u64(..);
        self.events.push(Reverse((when, number, event)));
    }

    /// Lognormal with a median of 5 ms, one in twenty ten times as long.
    fn service(&mut self, slower: u64) -> Nanos {
        let (u, v) = (self.random.f64().max(1e-12), self.random.f64());
        let normal = (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos();
        let straggler = if self.random.f64() < 0.05 { 10.0 } else { 1.0 };
        Nanos::from_millis(5 * slower).mul_f64((0.4 * normal).exp() * straggler)
    }
}
