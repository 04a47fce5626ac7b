//! What a call costs that succeeds at once on its caller's thread, beside what it cannot be cheaper
//! than: the operation itself, a pair of clock readings around it.

use std::{
    hint::black_box,
    io,
    time::{Duration, Instant},
};

use rego::{
    Budget, CallEnded, CallSite, Clock, Engine, EngineBuilder, Observer, Policy, PolicyBuilder,
    manual::{Action, Begin, Manual},
};

use crate::{Group, Lane, Measured, Row, TURNS};

/// The benchmark.
pub const GROUPS: &[fn() -> Group] = &[in_place];

/// The key that calls are made with.
pub const KEY: &str = "user-service.GetUser";

/// The operation alone.
pub const BARE: &str = "bare closure";
/// Two readings of the operating system's clock around it.
pub const INSTANT_PAIR: &str = "instant pair";
/// Two readings of the time-stamp counter around it.
pub const TSC_PAIR: &str = "tsc pair";
/// The full success path, with the time-stamp counter.
pub const RUN_TSC: &str = "site.run tsc";
/// The same with the operating system's clock.
pub const RUN_INSTANT: &str = "site.run instant";
/// The same with an observer attached.
pub const RUN_OBSERVED: &str = "site.run observed tsc";
/// The same by key, with the time-stamp counter.
pub const BY_KEY: &str = "engine.run by key tsc";
/// Begin and finish of a call that its host drives, with the host's clock read twice.
pub const MANUAL: &str = "manual begin + finish tsc";

fn in_place() -> Group {
    Group { name: "in place", lanes: lanes(), rows: goals, turns: TURNS }
}

/// The goals that these lanes answer.
#[must_use]
pub fn goals(measured: &Measured) -> Vec<Row> {
    let beside_a_pair = |id, lane: &str, bound| {
        let what = format!("{lane} / instant pair");
        Row::goal(id, &what, measured.ratio(lane, INSTANT_PAIR), bound)
    };
    vec![
        beside_a_pair("G1", RUN_TSC, 0.80),
        beside_a_pair("G1", RUN_INSTANT, 1.40),
        beside_a_pair("G2", BY_KEY, 1.00),
    ]
}

/// Calls on their caller's thread.
#[must_use]
pub fn lanes() -> Vec<Lane> {
    let (tsc, instant) = (engine(Clock::tsc()), engine(Clock::instant()));
    let (site_tsc, site_instant) = (tsc.site(KEY), instant.site(KEY));
    let observed = builder(Clock::tsc(), &policy()).observer(Seen).build().expect(GOOD).site(KEY);
    let (clock, manual, driven) = (Clock::tsc(), tsc.manual(), tsc.site(KEY));
    vec![
        Lane::new(BARE, |times| {
            for request in 0..times {
                let _ = black_box(operation(request));
            }
        }),
        Lane::new(INSTANT_PAIR, |times| {
            for request in 0..times {
                let started = Instant::now();
                let _ = black_box(operation(request));
                black_box(started.elapsed());
            }
        }),
        Lane::new(TSC_PAIR, {
            let clock = clock.clone();
            move |times| {
                for request in 0..times {
                    let started = clock.now();
                    let _ = black_box(operation(request));
                    black_box(clock.now() - started);
                }
            }
        }),
        Lane::new(RUN_TSC, move |times| calls(&site_tsc, times)),
        Lane::new(RUN_INSTANT, move |times| calls(&site_instant, times)),
        Lane::new(RUN_OBSERVED, move |times| calls(&observed, times)),
        Lane::new(BY_KEY, move |times| calls_by_key(&tsc, times)),
        Lane::new(MANUAL, move |times| {
            for request in 0..times {
                driven_call(&manual, &driven, &clock, request);
            }
        }),
    ]
}

/// The operation: too cheap to hide anything behind.
///
/// # Errors
///
/// Never: it has the type of an operation that may fail.
#[inline(never)]
pub fn operation(request: u64) -> Result<u64, io::Error> {
    Ok(black_box(request) ^ 1)
}

/// This many calls of a site.
pub fn calls(site: &CallSite, times: u64) {
    for request in 0..times {
        let _ = black_box(site.run(|_| operation(request)));
    }
}

/// This many calls by key.
pub fn calls_by_key(engine: &Engine, times: u64) {
    for request in 0..times {
        let _ = black_box(engine.run(black_box(KEY), |_| operation(request)));
    }
}

/// One call, driven by its host.
pub fn driven_call(manual: &Manual, site: &CallSite, clock: &Clock, request: u64) {
    let (_, step) = manual.begin(site, Begin::new(clock.now()));
    let Some(Action::Start { attempt, .. }) = step.actions().next() else {
        unreachable!("a call begins with its first attempt")
    };
    let result = black_box(operation(request)).unwrap_or_default();
    let done = manual.finish(attempt, clock.now(), &rego::Completion::ok(), result);
    let _ = black_box(done.expect("it was just begun"));
}

pub(crate) const GOOD: &str = "the engine of a benchmark is put together well";

/// An engine with everything a call can have.
///
/// # Panics
///
/// Never.
#[must_use]
pub fn engine(clock: Clock) -> Engine {
    builder(clock, &policy()).build().expect(GOOD)
}

pub(crate) fn builder(clock: Clock, policy: &PolicyBuilder) -> EngineBuilder {
    Engine::builder()
        .ignore_environment()
        .clock(clock)
        .budget("users", Budget::ratio(0.1))
        .policy(KEY, policy.build().expect(GOOD))
}

/// Everything a call can have: a shared budget, timeouts, a classifier.
pub fn policy() -> PolicyBuilder {
    Policy::builder()
        .max_attempts(4)
        .attempt_timeout(Duration::from_millis(300))
        .overall_timeout(Duration::from_secs(1))
        .retry_budget("users")
}

/// An observer that looks and does nothing.
struct Seen;

impl Observer for Seen {
    fn on_success(&self, event: &CallEnded<'_>) {
        black_box(event.verdict);
    }
}
