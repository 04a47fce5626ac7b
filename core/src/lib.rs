//! rego: a resilience engine.

#![allow(dead_code, unused_imports, reason = "rooms are being moved in")]

mod backoff;
#[allow(unreachable_pub, reason = "reached through `rooms` by the loom models")]
mod budget;
mod call;
mod classify;
mod clock;
mod completion;
mod control;
mod curve;
mod drive;
mod engine;
mod flight;
mod hedge;
mod key;
mod latency;
mod listener;
mod notes;
mod observe;
mod outcome;
mod policy;
mod registry;
mod site;
mod slab;
#[allow(unreachable_pub, reason = "reached through `rooms` by the loom models")]
mod sync;
mod timer;
mod verdict;

pub use clock::{Clock, ManualClock, Nanos};
pub use completion::{Completion, CompletionKind, IoKind, Method, Pushback};
pub use key::{Key, KeyError, MAX_KEY_BYTES};
pub use notes::{
    AttemptId, AttemptKind, AttemptRecord, AttemptSet, Attribute, CallFacts, Event, MAX_NOTES,
    Note, Notes, Timeline,
};
pub use outcome::{CancelReason, Class, Outcome, OutcomeKind, Reason};
pub use policy::{Budget, Clamp, Funding, Idempotent, Jitter, Mode, Policy, Trigger};
pub use verdict::{BudgetDecision, HedgeReason, PolicySource, Verdict};

/// The shared rooms, for the models of the `loom-tests` crate and nobody else.
#[cfg(rego_loom)]
#[doc(hidden)]
pub mod rooms {
    pub mod budget {
        pub use crate::{budget::*, sync::Shard};
    }
}
