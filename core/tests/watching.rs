//! Whoever watches a call changes nothing of it: the same script of events gives the same results,
//! the same attempts at the same times, and the same balances, with and without.
#![expect(clippy::disallowed_types, reason = "a counter of the test's own")]

use std::{
    ops::Range,
    panic::resume_unwind,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use proptest::prelude::*;
use rego::{
    AttemptEnded, Budget, BudgetDecided, CallEnded, CallSite, CallStarted, Class, Completion,
    EngineBuilder, Error, ManualClock, Method, Nanos, Observer, Outcome, Policy, Timeline,
    testing::{self, Script, Seen},
};

/// How one attempt goes.
#[derive(Clone, Copy, Debug)]
enum Way {
    Succeed,
    Fail,
    Facts(Completion),
    Ready(Outcome),
}

#[derive(Clone, Copy, Debug)]
struct Step {
    way: Way,
    takes: Duration,
}

/// Everything a caller can see of its calls.
#[derive(Debug, PartialEq)]
struct Watched {
    results: Vec<Result<u32, Error<u32>>>,
    seen: Vec<Seen>,
    ended: Nanos,
    available: Option<f64>,
}

const CALLS: Range<u32> = 0..4;

/// Makes the same calls, each by `call`.
fn watch(
    seed: u64,
    steps: &[Step],
    call: impl FnMut(&CallSite, &Script<u32, u32>) -> Result<u32, Error<u32>>,
) -> Watched {
    watch_on(testing::engine(), seed, steps, call)
}

fn watch_on(
    (builder, clock): (EngineBuilder, ManualClock),
    seed: u64,
    steps: &[Step],
    mut call: impl FnMut(&CallSite, &Script<u32, u32>) -> Result<u32, Error<u32>>,
) -> Watched {
    let policy = Policy::builder()
        .max_attempts(5)
        .attempt_timeout(Duration::from_millis(30))
        .overall_timeout(Duration::from_millis(400))
        .retry_budget("shared")
        .build()
        .expect("a policy of a test");
    let engine = builder
        .seed(seed)
        .budget("shared", Budget::token_bucket(6, 10.0))
        .policy("svc.Get", policy)
        .build()
        .expect("nothing is missing");
    let site = engine.site("svc.Get");
    let script = steps.iter().zip(0..).fold(Script::new(), |script, (step, number)| {
        let script = match step.way {
            Way::Succeed => script.succeed_with(number),
            Way::Fail => script.fail(number),
            Way::Facts(facts) => script.fail(number).reporting(facts),
            Way::Ready(outcome) => script.succeed_with(number).with_outcome(outcome),
        };
        script.taking(step.takes)
    });
    Watched {
        results: CALLS.map(|_| call(&site, &script)).collect(),
        seen: script.seen(),
        ended: clock.now(),
        available: engine.budget_available("shared"),
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let ready = prop_oneof![
        Just(Outcome::retryable(Class::Throttled).backoff(Nanos::from_millis(20))),
        Just(Outcome::retryable(Class::Transient)),
        Just(Outcome::non_retryable(Class::Server)),
        Just(Outcome::abort()),
    ];
    let facts = prop_oneof![
        (400..600_u16).prop_map(Completion::http),
        Just(Completion::http(503).retry_after(Nanos::from_millis(40))),
        Just(Completion::http(503).retry_after(Nanos::from_secs(90))),
        Just(Completion::timeout().method(Method::Post)),
        Just(Completion::cancelled()),
    ];
    let way = prop_oneof![
        2 => Just(Way::Succeed),
        4 => Just(Way::Fail),
        4 => facts.prop_map(Way::Facts),
        1 => ready.prop_map(Way::Ready),
    ];
    let step = (way, 0..120_u64)
        .prop_map(|(way, millis)| Step { way, takes: Duration::from_millis(millis) });
    // As many as the calls can need.
    prop::collection::vec(step, 20)
}

/// The wrong twin: a watcher that reports what it thinks of an attempt.
fn meddling(site: &CallSite, script: &Script<u32, u32>) -> Result<u32, Error<u32>> {
    let op = script.op();
    site.run(|attempt| {
        attempt.report(Completion::http(404));
        op(attempt)
    })
}

proptest! {
    #[test]
    fn a_timeline_changes_no_result(seed in any::<u64>(), steps in steps()) {
        let plain = watch(seed, &steps, |site, script| site.run(script.op()));
        let mut timelines: Vec<Timeline> = Vec::new();
        let timed = watch(seed, &steps, |site, script| {
            let (result, timeline) = site.call().run_with_timeline(script.op());
            timelines.push(timeline);
            result
        });
        prop_assert_eq!(&plain, &timed);
        // And it tells the truth.
        let told: usize = timelines.iter().map(|timeline| timeline.attempts().len()).sum();
        prop_assert_eq!(told, plain.seen.len());
        for (timeline, result) in timelines.iter().zip(&plain.results) {
            if let Err(error) = result {
                prop_assert_eq!(timeline.call.verdict, error.verdict);
            }
        }
    }
}

/// An observer that is told everything, and panics at every third word.
#[derive(Default)]
struct Moody(AtomicU32);

impl Moody {
    fn hear(&self) {
        if self.0.fetch_add(1, Ordering::Relaxed) % 3 == 2 {
            resume_unwind(Box::new("a bad observer"));
        }
    }
}

impl Observer for Moody {
    fn on_start(&self, _: &CallStarted<'_>) {
        self.hear();
    }

    fn on_attempt(&self, _: &AttemptEnded<'_>) {
        self.hear();
    }

    fn on_budget_decision(&self, _: &BudgetDecided<'_>) {
        self.hear();
    }

    fn on_success(&self, _: &CallEnded<'_>) {
        self.hear();
    }

    fn on_failure(&self, _: &CallEnded<'_>) {
        self.hear();
    }
}

proptest! {
    #[test]
    fn observers_events_and_metrics_change_no_result(seed in any::<u64>(), steps in steps()) {
        let plain = watch(seed, &steps, |site, script| site.run(script.op()));
        let (builder, clock) = testing::engine();
        let moody = Arc::new(Moody::default());
        // A ring that is too small for what happens, too.
        let builder = builder.observer(Arc::clone(&moody)).event_ring(4);
        let observed =
            watch_on((builder, clock), seed, &steps, |site, script| site.run(script.op()));
        prop_assert_eq!(&plain, &observed);
        prop_assert!(moody.0.load(Ordering::Relaxed) >= 2 * CALLS.end, "it was told");
    }
}

/// The comparison sees a watcher that meddles.
#[test]
fn a_watcher_that_meddles_is_noticed() {
    let step = Step { way: Way::Fail, takes: Duration::ZERO };
    let steps = [step; 20];
    let plain = watch(1, &steps, |site, script| site.run(script.op()));
    assert_ne!(plain, watch(1, &steps, meddling));
}
