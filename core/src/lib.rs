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
#[allow(unreachable_pub, reason = "reached through `rooms` by the loom models")]
mod sync;
#[allow(unreachable_pub, reason = "reached through `rooms` by the loom models")]
mod timer;
mod verdict;

pub use clock::{Clock, ManualClock, Nanos};

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
        pub use crate::sync::Shard;
    }
    pub mod timer {
        pub use crate::timer::*;
    }
}
