//! What an engine tells of its calls, seen from outside: observers, events and metrics agree.
#![allow(clippy::disallowed_types, reason = "tests may use what they like")]

use std::{
    collections::BTreeSet,
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use rego::{
    AttemptEnded, CallEnded, Engine, Event, EventRecord, ManualClock, Observer, Policy, Told,
};

#[derive(Default)]
struct Counts {
    attempts: AtomicU64,
    successes: AtomicU64,
    failures: AtomicU64,
}

impl Observer for Counts {
    fn on_attempt(&self, _: &AttemptEnded<'_>) {
        self.attempts.fetch_add(1, Ordering::Relaxed);
    }

    fn on_success(&self, _: &CallEnded<'_>) {
        self.successes.fetch_add(1, Ordering::Relaxed);
    }

    fn on_failure(&self, _: &CallEnded<'_>) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }
}

/// The sum over all series of a metric whose text has this in it.
fn sum(metrics: &str, name: &str, part: &str) -> u64 {
    let lines = metrics.lines().filter(|line| line.starts_with(name) && line.contains(part));
    let values = lines.map(|line| line.rsplit_once(' ').expect("a value").1.parse::<u64>());
    values.map(|value| value.expect("a whole number")).sum()
}

#[test]
fn observers_events_and_metrics_tell_the_same() {
    let counts = Arc::new(Counts::default());
    let engine = Engine::builder()
        .clock(ManualClock::auto_advance())
        .ignore_environment()
        .policy("svc.Get", Policy::builder().max_attempts(3).build().expect("a policy"))
        .observer(Arc::clone(&counts))
        .event_ring(1_024)
        .build()
        .expect("an engine");
    for call in 0..30_u32 {
        let _result = engine.run("svc.Get", |attempt| match call % 3 {
            0 => Ok(()),
            1 if attempt.number() == 1 => Ok(()),
            _ => Err(io::Error::from(io::ErrorKind::ConnectionReset)),
        });
    }
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let told = (count(&counts.attempts), count(&counts.successes), count(&counts.failures));
    assert_eq!(told.1 + told.2, 30);
    assert!(told.0 > 30 && told.1 >= 10 && told.2 >= 10, "{told:?}");

    let mut events = vec![EventRecord::default(); 1_024];
    let (drained, dropped) = engine.drain_events(&mut events);
    assert_eq!(dropped, 0);
    events.truncate(drained);
    let attempts = events.iter().filter(|e| matches!(e.what, Told::Noted(Event::Ended { .. })));
    let successes = events
        .iter()
        .filter(|e| matches!(e.what, Told::CallEnded { verdict, .. } if verdict.is_success()));
    assert_eq!((attempts.count() as u64, successes.count() as u64), (told.0, told.1));

    let metrics = engine.metrics();
    assert_eq!(sum(&metrics, "rego_attempts_total", "svc.Get"), told.0);
    assert_eq!(sum(&metrics, "rego_attempt_duration_seconds_count", "svc.Get"), told.0);
    assert_eq!(sum(&metrics, "rego_calls_total", "success"), told.1);
    assert_eq!(sum(&metrics, "rego_calls_total", "failure"), told.2);
    assert_eq!(sum(&metrics, "rego_call_stops_total", "svc.Get"), told.2);
    assert_eq!(sum(&metrics, "rego_call_duration_seconds_count", "svc.Get"), 30);
}

/// The key that stands for all others is one key, also when somebody calls it by its name.
#[test]
fn no_series_is_told_twice() {
    let engine = Engine::builder().max_keys(2).ignore_environment().build().expect("an engine");
    for key in ["svc.Get", "other", "svc.Put", "svc.TooMany", "", "\0"] {
        engine.run(key, |_| Ok::<_, io::Error>(())).expect("a value");
    }
    assert_eq!(engine.site("other").key(), "other");
    let metrics = engine.metrics();
    let series = metrics.lines().filter(|line| !line.starts_with('#'));
    let series: Vec<_> = series.map(|line| line.rsplit_once(' ').expect("a value").0).collect();
    assert_eq!(series.iter().collect::<BTreeSet<_>>().len(), series.len(), "{metrics}");
    let other = r#"rego_calls_total{key="other",outcome="success",via="first"}"#;
    assert_eq!(sum(&metrics, other, ""), 4);
}
