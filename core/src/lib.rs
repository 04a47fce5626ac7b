//! rego: a resilience engine.

#![allow(dead_code, unused_imports, reason = "rooms are being moved in")]

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
mod sync;
mod timer;
mod verdict;

pub use classify::{
    BuiltInClassifier, Classifier, ClassifierError, Classifiers, Context, HttpClassifier,
};
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
