use super::*;

#[derive(Debug)]
struct Panics;

impl Classifier for Panics {
    fn classify(&self, _: &Completion, _: &Context) -> Outcome {
        resume_unwind(Box::new("a bad classifier"))
    }
}

#[test]
fn a_classifier_that_panics_costs_one_decision() {
    let (builder, _clock) = testing::engine();
    let bad = Policy::builder().classifier("bad").build().expect("a policy of a test");
    let engine = build(builder.classifier("bad", Panics).policy("svc.Get", bad));
    for _ in 0..3 {
        let script = Script::<(), _>::new().fail("the real error");
        let (result, timeline) = engine.run_with_timeline("svc.Get", script.op());
        assert_eq!(result.expect_err("it failed").last, Some("the real error"));
        testing::expect(&timeline)
            .verdict(Verdict::NonRetryable)
            .reasons(&[Some(Reason::PanicInClassifier)]);
    }
}

struct Deaf;

impl Observer for Deaf {
    fn on_start(&self, _: &CallStarted<'_>) {
        resume_unwind(Box::new("a bad observer"));
    }

    fn on_failure(&self, _: &CallEnded<'_>) {
        resume_unwind(Box::new("a bad observer"));
    }
}

#[test]
fn an_observer_that_panics_is_counted_and_no_call_notices() {
    let engine = build(
        Engine::builder().policy("svc.Get", policy()).executor(testing::threads).observer(Deaf),
    );
    for _ in 0..5 {
        let error = engine.race("svc.Get", |_| Err::<(), _>("down")).expect_err("it fails");
        assert_eq!((error.verdict, error.attempts), (Verdict::MaxAttempts, 3));
        assert!(engine.run("svc.Get", works).is_ok());
    }
    let metrics = engine.metrics();
    assert!(metrics.contains("rego_observer_panics_total 15"), "{metrics}");
}

#[test]
fn a_cancel_hook_that_panics_is_not_the_calls_affair() {
    let engine = build(
        Engine::builder()
            .policy("svc.Get", Policy::builder().overall_timeout(ms(10)).build().expect("good"))
            .executor(testing::threads),
    );
    let error = engine
        .race("svc.Get", |attempt| {
            let _bad = attempt.on_cancel(|| resume_unwind(Box::new("a bad hook")));
            while !attempt.is_cancelled() {
                thread::yield_now();
            }
            Err::<(), _>("stopped")
        })
        .expect_err("it runs out of time");
    assert_eq!(error.verdict, Verdict::DeadlineExceeded);
}
