//! What an engine's owner should know and no call fails by: told once, and counted.
#![expect(clippy::disallowed_types, reason = "a list of the test's own")]

use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use rego::{
    CancelToken, Clock, Engine, EngineBuilder, EventRecord, Nanos, Observer, Policy, PolicyBuilder,
    TimerThread, Told, Verdict, Warned, Warning, Workers,
};

#[derive(Default)]
struct Heard(Mutex<Vec<(String, Warning)>>);

impl Observer for Heard {
    fn on_warning(&self, event: &Warned<'_>) {
        self.0.lock().expect("no panic").push((event.key.to_owned(), event.warning));
    }
}

fn watched(builder: EngineBuilder) -> (Engine, Arc<Heard>) {
    let heard = Arc::new(Heard::default());
    let engine = builder.ignore_environment().observer(Arc::clone(&heard)).event_ring(1_024);
    (engine.build().expect("nothing is missing"), heard)
}

fn hedging() -> PolicyBuilder {
    Policy::builder().idempotent(true).hedge_after(Duration::from_millis(20))
}

/// What was heard, by the observer and out of the ring alike.
fn heard(engine: &Engine, heard: &Heard) -> Vec<(String, Warning)> {
    let mut events = [EventRecord::default(); 1_024];
    let (count, dropped) = engine.drain_events(&mut events);
    assert_eq!(dropped, 0);
    let in_ring: Vec<_> = events[..count]
        .iter()
        .filter_map(|event| match event.what {
            Told::Warned(warning) => {
                assert_eq!(event.call, EventRecord::NO_CALL);
                Some((event.key().to_owned(), warning))
            }
            _ => None,
        })
        .collect();
    let by_observer = std::mem::take(&mut *heard.0.lock().expect("no panic"));
    assert_eq!(by_observer, in_ring);
    by_observer
}

fn metric(engine: &Engine, series: &str) -> Option<f64> {
    let text = engine.metrics();
    let line = text.lines().find(|line| line.starts_with(series))?;
    line.rsplit(' ').next()?.parse().ok()
}

#[test]
fn the_first_key_without_room_is_told_and_the_others_are_counted() {
    let (engine, told) = watched(Engine::builder().max_keys(2));
    for key in ["svc.A", "svc.B", "svc.C", "svc.D", "svc.C"] {
        engine.run(key, |_| Ok::<_, io::Error>(())).expect("it works all the same");
    }
    assert_eq!(heard(&engine, &told), [("svc.C".to_owned(), Warning::KeysFull)]);
    assert_eq!(metric(&engine, "rego_keys_refused_total"), Some(3.0));
    assert!(
        engine
            .metrics()
            .contains(r#"rego_calls_total{key="other",outcome="success",via="first"} 3"#)
    );
}

#[test]
fn a_hedging_key_that_is_run_in_place_is_told_once() {
    let policy = hedging().build().expect("valid");
    let (engine, told) = watched(Engine::builder().policy("svc.*", policy));
    for key in ["svc.A", "svc.A", "svc.B"] {
        engine.run(key, |_| Ok::<_, io::Error>(())).expect("it works all the same");
    }
    let expected = ["svc.A", "svc.B"].map(|key| (key.to_owned(), Warning::NoExecutor));
    assert_eq!(heard(&engine, &told), expected);
    let series = r#"rego_hedges_total{key="svc.A",result="impossible"}"#;
    assert_eq!(metric(&engine, series), Some(2.0));
}

#[test]
fn inline_first_without_a_timer_is_told_once() {
    let policy = hedging().build().expect("valid");
    let builder = Engine::builder().executor(Workers::new(1)).inline_first(TimerThread::Donated);
    let (engine, told) = watched(builder.policy("svc.Get", policy));
    for _ in 0..3 {
        engine.race("svc.Get", |_| Ok::<_, io::Error>(())).expect("it works all the same");
    }
    assert_eq!(heard(&engine, &told), [("svc.Get".to_owned(), Warning::NoTimer)]);
    let series = r#"rego_hedges_total{key="svc.Get",result="impossible"}"#;
    assert_eq!(metric(&engine, series), Some(3.0));
}

/// Its thread may have yet to start: it is there from the first race on all the same.
#[test]
fn a_timer_of_the_engines_own_is_never_missing() {
    for _ in 0..50 {
        let policy = hedging().build().expect("valid");
        let builder = Engine::builder().executor(Workers::new(1)).inline_first(TimerThread::Own);
        let (engine, told) = watched(builder.policy("svc.Get", policy));
        engine.race("svc.Get", |_| Ok::<_, io::Error>(())).expect("it works");
        assert_eq!(heard(&engine, &told), []);
        let series = r#"rego_hedges_total{key="svc.Get",result="impossible"}"#;
        assert_eq!(metric(&engine, series).unwrap_or(0.0), 0.0);
    }
}

#[test]
fn a_race_that_was_taken_back_before_it_began_misses_no_executor() {
    let policy = hedging().build().expect("valid");
    let (engine, told) =
        watched(Engine::builder().executor(Workers::new(1)).policy("svc.Get", policy));
    let token = CancelToken::new();
    token.cancel();
    let site = engine.site("svc.Get");
    let result = site.call().cancel(&token).race(|_| Ok::<_, io::Error>(()));
    assert_eq!(result.expect_err("taken back").verdict, Verdict::Cancelled);
    assert_eq!(heard(&engine, &told), []);
    let series = r#"rego_hedges_total{key="svc.Get",result="impossible"}"#;
    assert_eq!(metric(&engine, series).unwrap_or(0.0), 0.0);
}

#[test]
fn a_clock_that_panics_costs_no_call_and_is_counted() {
    let mut readings = 0_u64;
    let clock = Mutex::new(move || {
        readings += 1;
        assert!(!readings.is_multiple_of(3), "no time");
        Nanos::from_millis(readings)
    });
    let clock = Clock::host(move || {
        let mut clock = clock.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        clock()
    });
    let (engine, _) = watched(Engine::builder().clock(clock));
    for _ in 0..10 {
        engine.run("svc.Get", |_| Ok::<_, io::Error>(())).expect("it works all the same");
    }
    let panics = metric(&engine, r#"rego_contained_panics_total{place="clock"}"#);
    assert!(panics.is_some_and(|panics| panics >= 5.0), "{panics:?}");
}

/// What is in force otherwise than a document has it is told of every key it is in force for, once;
/// and again where another document does so.
#[cfg(feature = "documents")]
#[test]
fn a_policy_that_is_in_force_otherwise_than_it_was_written_is_told() {
    fn load(engine: &Engine, text: &str) {
        let text = format!("schema = 1\n[policies]\n{text}");
        engine.load_text(text, rego::Format::Toml, "p.toml").expect("valid");
    }
    const REFUSED: &str = "\"svc.*\".hedge = { enabled = true, delay = \"5ms\" }\n";
    let (engine, told) = watched(Engine::builder().executor(rego::testing::threads));
    let race = |key: &str| engine.race(key, |_| Ok::<_, io::Error>(())).expect("it works");
    let refused = |key: &str| (key.to_owned(), Warning::NotIdempotent);
    race("svc.Old");
    assert_eq!(heard(&engine, &told), []);
    load(&engine, REFUSED);
    assert_eq!(heard(&engine, &told), [refused("svc.Old")]);
    for key in ["svc.New", "svc.Old", "svc.New"] {
        race(key);
    }
    engine.run("svc.New", |_| Ok::<_, io::Error>(())).expect("it works");
    let (_, timeline) = engine
        .site("svc.New")
        .call()
        .idempotent(true)
        .race_with_timeline(|_| Ok::<_, io::Error>(()));
    assert_eq!(timeline.attempts().len(), 1);
    assert_eq!(timeline.hedges_skipped().collect::<Vec<_>>(), [rego::HedgeReason::NotIdempotent]);
    let impossible =
        |key| metric(&engine, &format!(r#"rego_hedges_total{{key="{key}",result="impossible"}}"#));
    assert_eq!((impossible("svc.Old"), impossible("svc.New")), (Some(1.0), Some(4.0)));
    load(&engine, REFUSED);
    engine.set_mode(rego::Mode::Observe);
    assert_eq!(heard(&engine, &told), [refused("svc.New")], "the same policy is told once");

    let clamped = "\"svc.New\".retry.max_attempts = 12\n";
    load(&engine, &format!("{REFUSED}{clamped}"));
    let expected = [refused("svc.New"), ("svc.New".to_owned(), Warning::PolicyClamped)];
    assert_eq!(heard(&engine, &told), expected);
    load(&engine, clamped);
    assert_eq!(heard(&engine, &told), [("svc.New".to_owned(), Warning::PolicyClamped)]);
}
