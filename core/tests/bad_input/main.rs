//! What an engine is given that is wrong: keys, executors, operations, clocks, modes, builders. It
//! says so, or goes on; it never hangs and is never the outage.
#![expect(clippy::disallowed_types, reason = "counters of the test's own")]
#![expect(clippy::disallowed_methods, reason = "real threads are part of the test")]

mod builders;
mod clocks;
mod executors;
mod hooks;
mod keys;
mod modes;
mod operations;

use std::{
    env, io,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use rego::{
    Attempt, Budget, BudgetDecision, CallEnded, CallStarted, Class, Classifier, Completion,
    Context, Engine, EngineBuilder, Executor, ManualClock, Mode, Nanos, Observer, Outcome, Policy,
    Reason, Rejected, Task, Verdict, Workers,
    testing::{self, Script},
};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn policy() -> Policy {
    Policy::constant(ms(1)).retry_budget("unlimited").build().expect("a policy of a test")
}

fn build(builder: EngineBuilder) -> Engine {
    builder.ignore_environment().build().expect("nothing is missing")
}

fn works(attempt: &Attempt<'_>) -> Result<u32, io::Error> {
    Ok(attempt.number())
}

#[test]
fn a_denied_retry_returns_the_last_real_error() {
    let (builder, _clock) = testing::engine();
    // One token, which the first call's retry takes.
    let one = Budget::token_bucket(1, 1e-6);
    let engine = build(builder.budget("one", one).policy(
        "svc.Get",
        Policy::builder().retry_budget("one").build().expect("a policy of a test"),
    ));
    assert_eq!(engine.run("svc.Get", Script::new().fail("no").succeed_with(1).op()), Ok(1));
    let script = Script::<(), _>::new()
        .fail("the real error")
        .with_outcome(Outcome::retryable(Class::Transient));
    let (result, timeline) = engine.run_with_timeline("svc.Get", script.op());
    assert_eq!(result.expect_err("denied").last, Some("the real error"));
    testing::expect(&timeline).verdict(Verdict::BudgetDenied).attempts(1);
    assert!(timeline.to_string().contains(BudgetDecision::Denied.label()), "{timeline}");
}
