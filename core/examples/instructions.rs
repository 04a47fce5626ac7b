//! Does one thing as often as it is told, for a counter of instructions: `cargo xtask instructions`
//! runs this under valgrind, twice for each lane, and divides the difference.
//!
//! `instructions LANE TIMES`. The clock is moved by hand: reading it costs the same every time. One
//! lane, `run-tsc`, is for a profiler instead.

use std::{hint::black_box, thread, time::Duration};

use rego::{
    Budget, CallSite, Clock, Completion, Engine, ManualClock, Nanos, Policy, TimerThread,
    manual::{Action, Begin, Step},
    rooms::{
        budget::{BudgetState, Condition, Deposits},
        latency::{Latency, Sharding},
        sync::Shard,
        timer::Timers,
    },
};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [lane, times] = &arguments[..] else { panic!("instructions LANE TIMES") };
    let times: u64 = times.parse().expect("a number of times");
    match lane.as_str() {
        "run" => run(times, ManualClock::new().into()),
        "run-tsc" => run(times, Clock::tsc()),
        "run-by-key" => run_by_key(times),
        "begin-finish" => begin_finish(times),
        "race-armed" => race_armed(times),
        "arm-cancel" => arm_cancel(times),
        "record" => record(times),
        "record-twice" => record(2 * times),
        "deposit" => deposit(times),
        "deny" => deny(times, 0.0),
        "deny-with-floor" => deny(times, 1.0),
        "trigger" => trigger(times),
        other => panic!("there is no lane `{other}`"),
    }
}

fn engine(clock: Clock) -> Engine {
    let policy = Policy::builder().retry_budget("users").build().expect("a good policy");
    Engine::builder()
        .ignore_environment()
        .clock(clock)
        .budget("users", Budget::ratio(0.1))
        .policy("user-service.GetUser", policy)
        .build()
        .expect("a good engine")
}

fn run(times: u64, clock: Clock) {
    let site: CallSite = engine(clock).site("user-service.GetUser");
    for call in 0..times {
        if let Ok(value) = site.run(|_| Ok::<_, std::io::Error>(black_box(call))) {
            black_box(value);
        }
    }
}

fn run_by_key(times: u64) {
    let engine = engine(ManualClock::new().into());
    for call in 0..times {
        let key = black_box("user-service.GetUser");
        if let Ok(value) = engine.run(key, |_| Ok::<_, std::io::Error>(black_box(call))) {
            black_box(value);
        }
    }
}

fn begin_finish(times: u64) {
    let engine = engine(ManualClock::new().into());
    let (manual, site) = (engine.manual(), engine.site("user-service.GetUser"));
    let mut step = Step::new();
    for call in 0..times {
        manual.begin_into(&site, &Begin::new(Nanos::from_micros(call)), &mut step);
        let Some(Action::Start { attempt, .. }) = step.actions().next() else {
            panic!("a call begins with its first attempt")
        };
        let (now, facts) = (Nanos::from_micros(call), Completion::ok());
        manual.finish_into(attempt, now, &facts, call, &mut step).expect("it was just begun");
        black_box(step.verdict());
    }
}

/// Races on the caller's thread, each with a hedge armed that is not needed.
#[expect(clippy::disallowed_methods, reason = "a host's own threads")]
fn race_armed(times: u64) {
    let policy = Policy::builder().idempotent(true).hedge_after(Duration::from_millis(100));
    let engine = Engine::builder()
        .ignore_environment()
        .clock(ManualClock::new())
        .policy("user-service.GetUser", policy.build().expect("a good policy"))
        .inline_first(TimerThread::Donated)
        .build()
        .expect("a good engine");
    let (worker, timer) = (engine.worker(), engine.timer().expect("it runs inline-first"));
    thread::spawn(move || worker.run());
    thread::spawn(move || timer.run());
    thread::sleep(Duration::from_millis(20));
    let site = engine.site("user-service.GetUser");
    for call in 0..times {
        if let Ok(value) = site.race(move |_| Ok::<_, std::io::Error>(black_box(call))) {
            black_box(value);
        }
    }
}

fn arm_cancel(times: u64) {
    let timers = Timers::new(1 << 16);
    for call in 0..times {
        let now = Nanos::from_micros(call);
        let armed = timers.arm(Shard::new(0), now + Nanos::from_secs(10), call);
        let armed = armed.expect("the dead make room");
        if armed.wake {
            let _ = timers.advance(now, &mut |_| ());
        }
        black_box(timers.cancel(armed.id));
    }
}

fn record(times: u64) {
    let latency = Latency::new(Sharding::PerThread);
    for leg in 0..times {
        black_box(&latency).record(Shard::new(0), Nanos::from_micros(4_000 + (leg & 63) * 100));
    }
}

fn budget(min_per_sec: f64) -> BudgetState {
    let definition = Budget::ratio(0.1).min_per_sec(min_per_sec).into();
    BudgetState::new("users", &definition, Deposits::PerCall, Nanos::ZERO)
}

fn deposit(times: u64) {
    let budget = budget(0.0);
    for _ in 0..times {
        black_box(&budget).deposit(Shard::new(0));
    }
}

fn deny(times: u64, min_per_sec: f64) {
    let budget = budget(min_per_sec);
    let draw = || budget.withdraw(Shard::new(0), 1, Nanos::ZERO, || Condition::Well);
    while draw().is_allowed() {}
    for _ in 0..times {
        black_box(black_box(&budget).draw(Shard::new(0), 1, Nanos::ZERO, || Condition::Well));
    }
}

fn trigger(times: u64) {
    let latency = Latency::new(Sharding::PerThread);
    for _ in 0..times {
        black_box(black_box(&latency).trigger());
    }
}
