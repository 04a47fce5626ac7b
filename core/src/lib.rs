//! A resilience engine: retries with bounded backoff and timeouts, hedging against tail latency,
//! budgets against retry storms, classifiers by name, policies by key that change without a deploy,
//! and a timeline for every call.
//!
//! Synchronous, and lock-free where calls meet. All threads are the caller's: [`Engine::run`] works
//! on the calling one, [`Engine::race`] on those behind an [`Executor`].
//!
//! ```
//! use rego::{Engine, Policy};
//!
//! let engine = Engine::builder()
//!     .policy("user-service.GetUser", Policy::builder().max_attempts(4).build()?)
//!     .build()?;
//! let user = engine.run("user-service.GetUser", |_attempt| Ok::<_, std::io::Error>("ada"))?;
//! assert_eq!(user, "ada");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Where to go from here: [`Policy`] says what can be configured, [`Budget`] what pays for extra
//! attempts, [`Classifier`] what counts as a failure, [`Timeline`] what a call tells,
//! [`Error`] how it fails, [`testing`] how to test code that calls it.

#![cfg_attr(
    test,
    allow(
        clippy::disallowed_types,
        clippy::disallowed_methods,
        reason = "tests may use what they like"
    )
)]

mod backoff;
#[allow(unreachable_pub, reason = "reached through `rooms` by the loom models")]
mod budget;
mod call;
mod classify;
mod clock;
mod completion;
mod control;
#[allow(unreachable_pub, reason = "reached through `rooms` by the loom models")]
mod curve;
mod drive;
mod engine;
#[allow(unreachable_pub, reason = "reached through `rooms` by the loom models")]
mod flight;
mod hedge;
mod key;
#[allow(unreachable_pub, reason = "reached through `rooms` by the loom models")]
mod latency;
mod listener;
mod notes;
mod observe;
mod outcome;
mod policy;
#[allow(unreachable_pub, reason = "reached through `rooms` by the loom models")]
mod registry;
mod site;
#[allow(unreachable_pub, reason = "reached through `rooms` by the loom models")]
mod slab;
#[allow(unreachable_pub, reason = "reached through `rooms` by the loom models")]
mod sync;
pub mod testing;
#[allow(unreachable_pub, reason = "reached through `rooms` by the loom models")]
mod timer;
mod verdict;

pub use classify::{
    BuiltInClassifier, Classifier, ClassifierError, Classifiers, Context, HttpClassifier,
};
pub use clock::{Clock, ManualClock, Nanos};
pub use completion::{Completion, CompletionKind, IoKind, Method, Pushback};
pub use drive::{
    Attempt, CancelGuard, CancelToken, Error, Executor, Nested, Rejected, Task, Worker, Workers,
};
pub use engine::{
    AlreadyInitialised, BudgetReport, BudgetSnapshot, BuildError, CallBuilder, CallSite, Engine,
    EngineBuilder, HedgePlan, OTHER, Timer, TimerThread, init, run,
};
pub use key::{Key, KeyError, MAX_KEY_BYTES};
pub use listener::{CallEnded, Warning};
#[cfg(feature = "documents")]
pub use notes::TimelineError;
pub use notes::{
    AttemptId, AttemptKind, AttemptLine, AttemptRecord, AttemptSet, Attribute, CallFacts, Event,
    MAX_NOTES, NotDone, Note, Notes, Paid, PolicyRecord, Remark, Timeline, TimelineRecord,
};
#[doc(hidden)]
pub use observe::metrics_reference;
pub use observe::{
    AttemptCancelled, AttemptEnded, BudgetDecided, CallStarted, EventRecord, HedgeSpawned,
    Observer, Told, Warned,
};
pub use outcome::{CancelReason, Class, Outcome, OutcomeKind, Reason};
pub use policy::{
    Budget, Clamp, ClassRule, Funding, HedgeDraft, Idempotent, Jitter, Mode, Policy, PolicyBuilder,
    PolicyDraft, PolicyError, PolicyErrorKind, PolicyErrors, RatioBudget, RetryDraft, Strictness,
    Trigger, UnknownMode,
};
#[cfg(feature = "documents")]
pub use policy::{Document, Format, Matched, Origin};
pub use verdict::{BudgetDecision, HedgeReason, PolicySource, Verdict};

/// Calls driven by their host: an event loop, another language. No thread, no clock, no callback.
pub mod manual {
    pub use crate::drive::manual::{
        Action, AttemptRef, Begin, CallId, Loop, LoopWatch, MAX_ACTIONS, Manual, Stale, Standing,
        Step,
    };
}

/// The shared rooms, for the models of the `loom-tests` crate, for the benchmarks, and nobody else.
#[cfg(any(rego_loom, feature = "rooms"))]
#[doc(hidden)]
pub mod rooms {
    pub mod budget {
        pub use crate::{budget::*, sync::Shard};
    }
    #[cfg(rego_loom)]
    pub mod cancel {
        pub use crate::drive::{Raised, Signal};
    }
    #[cfg(rego_loom)]
    pub mod drive {
        pub use crate::drive::{
            pool::{Alarm, Alarms, Ring},
            stage::Stage,
        };
    }
    pub mod flight {
        pub use crate::flight::*;
    }
    pub mod latency {
        pub use crate::{
            curve::{Plan, Probability, Reading, Trigger},
            latency::*,
        };
    }
    #[cfg(rego_loom)]
    pub mod registry {
        pub use crate::registry::*;
    }
    #[cfg(rego_loom)]
    pub mod ring {
        pub use crate::observe::ring::*;
    }
    pub mod slab {
        pub use crate::slab::*;
    }
    pub mod sync {
        pub use crate::sync::Shard;
        #[cfg(all(feature = "counted", not(rego_loom)))]
        pub use crate::sync::changes;
    }
    pub mod timer {
        pub use crate::timer::*;
    }
}

/// The snippets of the README are compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
