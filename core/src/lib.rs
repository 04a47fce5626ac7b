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

pub use clock::{Clock, ManualClock, Nanos};
