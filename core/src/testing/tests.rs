use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use super::*;
use crate::{
    clock::Nanos,
    drive::CancelToken,
    engine::CallSite,
    notes::AttemptKind,
    outcome::{CancelReason, Class, Outcome, Reason},
    policy::{Policy, PolicyBuilder},
    verdict::Verdict,
};

fn site(policy: PolicyBuilder) -> CallSite {
    let (builder, _clock) = engine();
    let policy = policy.build().expect("a policy of a test");
    builder.policy("svc.Get", policy).build().expect("nothing is missing").site("svc.Get")
}

fn message(broken: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(broken)).expect_err("it panics");
    *panic.downcast::<String>().expect("its message is formatted")
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[test]
fn a_script_sees_attempts_as_they_were() {
    let site = site(Policy::constant(ms(10)).attempt_timeout(ms(500)));
    let script = Script::new().fail("no").taking(ms(3)).succeed_with(1);
    assert_eq!(script.left(), 2);
    assert_eq!(site.run(script.op()).expect("the second works"), 1);
    assert_eq!(script.left(), 0);
    let [first, second] = script.seen()[..] else { panic!("two attempts: {script:?}") };
    assert_eq!((first.number, first.kind), (0, AttemptKind::First));
    assert_eq!((first.took(), first.stopped), (Some(ms(3)), false));
    assert_eq!((second.number, second.kind), (1, AttemptKind::Retry));
    assert_eq!(second.started - first.started, Nanos::from_millis(13));
    assert_eq!(second.deadline - second.started, Nanos::from_millis(500));
}

#[test]
fn an_attempt_too_many_is_told_with_its_number() {
    let site = site(Policy::constant(ms(10)));
    let script = Script::<(), _>::new().fail("no");
    let message = message(|| drop(site.run(script.op())));
    let expected = "no step of the script is left for this attempt: number 1 of its call, a retry";
    assert_eq!(message, expected);
}

#[test]
fn a_scripted_panic_reaches_the_caller() {
    let site = site(Policy::builder());
    let script = Script::<(), &str>::new().panic("as told");
    assert_eq!(message(|| drop(site.run(script.op()))), "as told");
}

#[test]
fn what_is_hung_lasts_until_the_deadline() {
    let site = site(Policy::builder().overall_timeout(ms(70)));
    let script = Script::<(), _>::new().hang("the socket's timeout");
    let (result, timeline) = site.call().run_with_timeline(script.op());
    let error = result.expect_err("it hangs");
    assert_eq!(error.last, Some("the socket's timeout"));
    expect(&timeline).verdict(Verdict::DeadlineExceeded).attempts(1).took(ms(70));
}

#[test]
fn what_could_hang_for_ever_does_not() {
    let site = site(Policy::builder().no_overall_timeout());
    let script = Script::<(), _>::new().hang("never");
    let panic = catch_unwind(AssertUnwindSafe(|| drop(site.run(script.op()))));
    let message = panic.expect_err("it panics").downcast::<&str>().expect("a plain message");
    assert!(message.contains("nobody can ask it to stop"), "{message}");
}

#[test]
fn a_token_ends_a_step_early() {
    let site = site(Policy::builder());
    let token = CancelToken::new();
    let canceller = token.clone();
    let script = Script::<(), _>::new().hang("stopped");
    let op = script.op();
    let result = site.call().cancel(&token).run(|attempt| {
        canceller.cancel();
        op(attempt)
    });
    assert_eq!(result.expect_err("taken back").verdict, Verdict::Cancelled);
    assert!(script.seen()[0].stopped);
    assert_eq!(script.seen()[0].took(), Some(Duration::ZERO));
}

#[test]
fn a_modifier_without_a_step_is_told() {
    let told = message(|| drop(Script::<(), ()>::new().taking(ms(1))));
    assert_eq!(told, "`taking` is about the step before it, and there is none");
}

#[test]
fn every_expectation_can_be_broken() {
    let site = site(Policy::constant(ms(10)));
    let throttled = Outcome::retryable(Class::Throttled);
    let script = Script::new().fail("no").with_outcome(throttled).succeed_with(1);
    let (_, timeline) = site.call().run_with_timeline(script.op());
    let met = expect(&timeline)
        .verdict(Verdict::Success)
        .attempts(2)
        .retries(1)
        .hedges(0)
        .answered_by(1)
        .reasons(&[Some(Reason::Retryable), Some(Reason::Success)])
        .backoffs(&[ms(10)])
        .hedges_skipped(&[])
        .took(ms(10));
    type Claim<'a> = (&'a str, &'a dyn Fn(Expectations<'_>));
    let broken: [Claim<'_>; 9] = [
        ("the verdict cancelled, it was success", &|e| drop(e.verdict(Verdict::Cancelled))),
        ("expected 3 attempts, there were 2", &|e| drop(e.attempts(3))),
        ("expected 0 retries, there were 1", &|e| drop(e.retries(0))),
        ("expected 1 hedges, there were 0", &|e| drop(e.hedges(1))),
        ("the answer of attempt 0, it was 1's", &|e| drop(e.answered_by(0))),
        ("expected the reasons [], they were", &|e| drop(e.reasons(&[]))),
        ("the backoffs [], they were [10ms]", &|e| drop(e.backoffs(&[]))),
        ("because of lost_race, it was not", &|e| drop(e.cancelled(0, CancelReason::LostRace))),
        ("expected the call to take 0ns, it took 10ms", &|e| drop(e.took(Duration::ZERO))),
    ];
    for (expected, broken) in broken {
        let told = message(|| broken(met.clone()));
        assert!(told.contains(expected), "{told}");
        assert!(told.contains("svc.Get  success"), "the timeline is shown: {told}");
    }
}

#[test]
fn the_engine_repeats_itself() {
    let run = || {
        let site = site(Policy::exponential(ms(10), ms(1_000)).max_attempts(10));
        let script = Script::<(), _>::new().fail_times(10, "no");
        let (_, timeline) = site.call().run_with_timeline(script.op());
        timeline.notes
    };
    assert_eq!(run(), run());
}
