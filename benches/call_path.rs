//! What a call costs that succeeds at once, beside what it cannot be cheaper than: the operation
//! itself, a pair of clock readings around it, a hand-over to another thread and back.
//!
//! Criterion's report; with `--json` one table, for which all lanes are measured in turn.

use std::{
    hint::black_box,
    io, thread,
    time::{Duration, Instant},
};

use criterion::{Bencher, Criterion};
use crossbeam_channel::bounded;
use rego::{Budget, CallSite, Clock, Engine, EngineBuilder, Policy, PolicyBuilder, Workers};
use rego_benches::{Lane, Row, measure, to_json};

const KEY: &str = "user-service.GetUser";
/// How often the lanes of a table are run in turn.
const TURNS: usize = 401;

fn main() {
    if std::env::args().any(|argument| argument == "--json") {
        println!("{}", to_json(&table()));
    } else {
        let mut criterion = Criterion::default().configure_from_args();
        report(&mut criterion);
        criterion.final_summary();
    }
}

/// The goals of the call path, and the lanes they come from.
fn table() -> Vec<Row> {
    let here = in_place(|lanes| measure(lanes, TURNS));
    let away = on_another_thread(|lanes| measure(lanes, TURNS));
    let mut rows = vec![
        Row::goal(
            "G1",
            "site.run beside an Instant pair, TSC clock",
            here.ratio(RUN_TSC, INSTANT_PAIR),
            0.80,
        ),
        Row::goal(
            "G1",
            "site.run beside an Instant pair, Instant clock",
            here.ratio(RUN_INSTANT, INSTANT_PAIR),
            1.40,
        ),
        Row::goal(
            "G1b",
            "site.race, detached, beside a channel round trip",
            away.ratio(RACE, ROUND_TRIP),
            1.30,
        ),
        Row::goal(
            "G2",
            "engine.run by key beside an Instant pair, TSC clock",
            here.ratio(BY_KEY, INSTANT_PAIR),
            1.00,
        ),
    ];
    rows.extend(here.rows());
    rows.extend(away.rows());
    rows
}

fn report(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("call_path");
    in_place(|lanes| {
        for (name, mut work) in lanes.into_iter().map(Lane::into_parts) {
            group.bench_function(name, |bencher| time(bencher, &mut work));
        }
    });
    on_another_thread(|lanes| {
        for (name, mut work) in lanes.into_iter().map(Lane::into_parts) {
            group.bench_function(name, |bencher| time(bencher, &mut work));
        }
    });
    group.finish();
}

fn time(bencher: &mut Bencher<'_>, work: &mut dyn FnMut(u64)) {
    bencher.iter_custom(|times| {
        let started = Instant::now();
        work(times);
        started.elapsed()
    });
}

const BARE: &str = "bare closure";
const INSTANT_PAIR: &str = "instant pair";
const TSC_PAIR: &str = "tsc pair";
const RUN_TSC: &str = "site.run tsc";
const RUN_INSTANT: &str = "site.run instant";
const BY_KEY: &str = "engine.run by key tsc";
const ROUND_TRIP: &str = "channel round trip";
const RACE: &str = "site.race detached";

/// The operation: too cheap to hide anything behind.
#[inline(never)]
fn operation(request: u64) -> Result<u64, io::Error> {
    Ok(black_box(request) ^ 1)
}

/// The lanes of calls on their caller's thread.
fn in_place<R>(then: impl FnOnce(Vec<Lane<'_>>) -> R) -> R {
    let (tsc, instant) = (engine(Clock::tsc()), engine(Clock::instant()));
    let (site_tsc, site_instant) = (tsc.site(KEY), instant.site(KEY));
    let clock = Clock::tsc();
    then(vec![
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
        Lane::new(TSC_PAIR, |times| {
            for request in 0..times {
                let started = clock.now();
                let _ = black_box(operation(request));
                black_box(clock.now() - started);
            }
        }),
        Lane::new(RUN_TSC, |times| run(&site_tsc, times)),
        Lane::new(RUN_INSTANT, |times| run(&site_instant, times)),
        Lane::new(BY_KEY, |times| {
            for request in 0..times {
                let _ = black_box(tsc.run(black_box(KEY), |_| operation(request)));
            }
        }),
    ])
}

fn run(site: &CallSite, times: u64) {
    for request in 0..times {
        let _ = black_box(site.run(|_| operation(request)));
    }
}

/// The lanes of calls whose attempts run on another thread.
fn on_another_thread<R>(then: impl FnOnce(Vec<Lane<'_>>) -> R) -> R {
    let (requests, inbox) = bounded::<u64>(8);
    let (answers, outbox) = bounded(8);
    let workers = Workers::new(8);
    let hedged = policy().idempotent(true).hedge_after(Duration::from_millis(100));
    let builder = builder(Clock::tsc(), &hedged).executor(workers.clone());
    let site = builder.build().expect(GOOD).site(KEY);
    thread::scope(|scope| {
        scope.spawn(move || {
            for request in inbox {
                answers.send(operation(request)).expect("the other side waits for it");
            }
        });
        let donated = workers.worker();
        scope.spawn(move || donated.run());
        let result = then(vec![
            Lane::new(ROUND_TRIP, |times| {
                for request in 0..times {
                    requests.send(request).expect("the thread is there");
                    let _ = black_box(outbox.recv().expect("it answers"));
                }
            }),
            Lane::new(RACE, |times| {
                for request in 0..times {
                    let _ = black_box(site.race(move |_| operation(request)));
                }
            }),
        ]);
        workers.close();
        drop(requests);
        result
    })
}

const GOOD: &str = "the engine of a benchmark is put together well";

fn engine(clock: Clock) -> Engine {
    builder(clock, &policy()).build().expect(GOOD)
}

fn builder(clock: Clock, policy: &PolicyBuilder) -> EngineBuilder {
    Engine::builder()
        .ignore_environment()
        .clock(clock)
        .budget("users", Budget::ratio(0.1))
        .policy(KEY, policy.build().expect(GOOD))
}

/// Everything a call can have: a shared budget, timeouts, a classifier.
fn policy() -> PolicyBuilder {
    Policy::builder()
        .max_attempts(4)
        .attempt_timeout(Duration::from_millis(300))
        .overall_timeout(Duration::from_secs(1))
        .retry_budget("users")
}
