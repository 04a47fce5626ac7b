//! The only door to atomics, cells, locks, parking and swapping.
//!
//! Every other room takes these from here, so that under `--cfg rego_loom` the model checker sees
//! the real source. Three things have twins because loom cannot look into the crates behind them:
//! [`Mutex`] (parking_lot), [`Swap`] (arc-swap) and [`Parker`] (std's thread parking).

#![expect(clippy::disallowed_types, clippy::disallowed_methods, reason = "this room is the door")]

mod cell;
mod mutex;
mod parker;
mod shard;
mod swap;

pub use cell::Cell;
pub(crate) use mutex::Mutex;
pub(crate) use parker::{Parker, Unparker};
pub use shard::{SHARDS, Shard};
pub(crate) use swap::{Swap, SwapGuard};

pub(crate) use crossbeam_utils::CachePadded;

#[cfg(rego_loom)]
use loom::{sync as real, thread};
#[cfg(not(rego_loom))]
use std::{sync as real, thread};

pub(crate) use real::{
    Arc,
    atomic::{Ordering, fence},
};

pub(crate) use thread::ThreadId;

/// Which thread this is.
pub(crate) fn this_thread() -> ThreadId {
    thread::current().id()
}

// Aliases, because `clippy::disallowed_types` looks through a re-export and would find every user.
pub(crate) type AtomicBool = real::atomic::AtomicBool;
pub(crate) type AtomicPtr<T> = real::atomic::AtomicPtr<T>;
pub(crate) type AtomicU8 = real::atomic::AtomicU8;
pub(crate) type AtomicU32 = real::atomic::AtomicU32;
pub(crate) type AtomicU64 = real::atomic::AtomicU64;
pub(crate) type AtomicUsize = real::atomic::AtomicUsize;
