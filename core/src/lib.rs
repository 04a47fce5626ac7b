//! rego: a resilience engine.

#![allow(dead_code, unused_imports, reason = "rooms are being moved in")]
#![cfg_attr(
    test,
    allow(
        clippy::disallowed_types,
        clippy::disallowed_methods,
        reason = "tests may use what they like"
    )
)]

mod backoff;
mod budget;
mod call;
mod classify;
mod clock;
mod completion;
mod control;
mod curve;
mod drive;
mod engine;
#[allow(unreachable_pub, reason = "reached through `rooms` by the loom models")]
mod flight;
mod hedge;
mod key;
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
mod sync;
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
    AlreadyInitialised, BuildError, CallBuilder, CallSite, Engine, EngineBuilder, OTHER, init, run,
};
pub use key::{Key, KeyError, MAX_KEY_BYTES};
pub use notes::{
    AttemptId, AttemptKind, AttemptRecord, AttemptSet, Attribute, CallFacts, Event, MAX_NOTES,
    Note, Notes, Timeline,
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
        Action, AttemptRef, Begin, CallId, Loop, MAX_ACTIONS, Manual, Stale, Step,
    };
}

/// The shared rooms, for the models of the `loom-tests` crate and nobody else.
#[cfg(rego_loom)]
#[doc(hidden)]
pub mod rooms {
    pub mod flight {
        pub use crate::flight::*;
    }
    pub mod registry {
        pub use crate::registry::*;
    }
    pub mod slab {
        pub use crate::slab::*;
    }
    pub mod sync {
        pub use crate::sync::{Cell, SHARDS, Shard};
    }
    pub mod timer {
        pub use crate::timer::*;
    }
}
