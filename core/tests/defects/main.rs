//! Defects seen in libraries of this kind, each as a test that fails on the defective behaviour.
//! Those whose home is a room are tested there; what a user would notice is tested here.
//!
//! | defect | here | in the rooms |
//! |---|---|---|
//! | a lost wake-up hangs a failing call | `tests/stress.rs` | `flight/tests.rs`, `loom-tests/tests/flight.rs` |
//! | losers are not recorded, so a percentile hedges everything | – | `latency/tests/studies.rs`: `delivered_load_equals_configured_load`; `call/tests/invariants.rs`: each leg is observed once |
//! | one sample is enough to hedge | [`cold`] | `hedge/tests.rs`: `one_sample_is_not_enough` |
//! | three hedges at once | [`spacing`] | `call/tests/hedging.rs`: `a_hedge_fires_one_delay_after_the_last_attempt_and_one_at_a_time` |
//! | a denied hedge kills a healthy call | [`denied_hedge`] | `call/tests/hedging.rs`: `a_denied_hedge_is_armed_again_and_never_fails_the_call` |
//! | attaching an observer changes the error | `tests/watching.rs` | – |
//! | requests that are not idempotent are retried | [`post`] | `classify/tests.rs` |
//! | Retry-After is ignored, cut or unread | [`retry_after`] | `classify/tests.rs`, `call/tests/precedence.rs` |
//! | clamps leave no trace | [`clamps`] | `policy/tests.rs`: `every_clamp_leaves_a_trace`, `limits_hold_for_features_that_are_off` |
//! | maps keyed by call site grow for ever | `tests/bad_input`: `a_million_keys_share_the_room_of_a_thousand` | `registry.rs` |
//! | budgets: truncation, over-issue, refunds above the cap | [`budgets`] | `budget/tests.rs`, `budget/token.rs`: `every_per_cent_is_kept` |
//! | the first failed completion wins | [`first_failure`] | `call/tests/hedging.rs`: `the_first_failed_completion_does_not_win_over_a_healthy_one_in_flight` |
//! | losers run on, winners are cancelled | [`losers`] | `call/tests/hedging.rs` |
//! | a cold percentile is 0, an idle one goes back to it | [`cold`] | `hedge/tests.rs`: `cold_never_zero`; `latency/tests/studies.rs`: `idle_keeps_the_last_estimate` |
//! | backoff sleeps past the deadline, passes its maximum, overflows | [`backoff`] | `backoff/tests.rs` |
//! | a panic in a callback goes too far | [`panics`], `tests/bad_input` | `classify/tests.rs`, `drive/cancel.rs` |
//! | cancelled timers keep memory until due | – | `timer/tests.rs`: `the_dead_do_not_pile_up_until_they_are_due` |
//! | latency is measured with a clock that goes back | [`clock`] | `budget/health.rs`, `timer/tests.rs` |
//!
//! Identical jitter in forked children is tested in `drive/seed.rs`.
#![expect(clippy::disallowed_types, reason = "counters of the test's own")]
#![expect(clippy::disallowed_methods, reason = "real threads are part of the test")]

mod backoff;
mod budgets;
mod clamps;
mod clock;
mod cold;
mod denied_hedge;
mod first_failure;
mod losers;
mod panics;
mod post;
mod retry_after;
mod spacing;

use std::{
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, SystemTime},
};

use rego::{
    Budget, CallSite, CancelReason, Class, Completion, Engine, EngineBuilder, HedgeReason, Jitter,
    ManualClock, Method, Nanos, Outcome, Policy, PolicyBuilder, Reason, Timeline, Verdict,
    testing::{self, Script, expect},
};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn hedged(after: Duration) -> PolicyBuilder {
    Policy::builder().idempotent(true).hedge_after(after).hedge_budget("unlimited")
}

/// A site of an engine that does not sleep.
fn site(policy: PolicyBuilder) -> CallSite {
    build(testing::engine().0, policy)
}

/// A site of an engine that races on real threads.
fn racing(policy: PolicyBuilder) -> CallSite {
    build(Engine::builder().executor(testing::threads), policy)
}

fn build(builder: EngineBuilder, policy: PolicyBuilder) -> CallSite {
    let policy = policy.build().expect("a policy of a test");
    let builder = builder.ignore_environment().policy("svc.Get", policy);
    builder.build().expect("nothing is missing").site("svc.Get")
}

/// Moves the clock on by `step` whenever somebody waits for it, until the call ends.
fn drive<T>(clock: &ManualClock, step: Duration, call: thread::JoinHandle<T>) -> T {
    while !call.is_finished() {
        if clock.waiting() > 0 {
            clock.advance(step.into());
        }
        thread::yield_now();
    }
    call.join().expect("no panic")
}
