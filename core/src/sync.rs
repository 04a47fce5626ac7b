//! The only door to atomics, cells, locks, parking and swapping.
//!
//! Every other room takes these from here, so that under `--cfg rego_loom` the model checker sees
//! the real source. Three things have twins because loom cannot look into the crates behind them:
//! [`Mutex`] (parking_lot), [`Swap`] (arc-swap) and [`Parker`] (std's thread parking).

mod cell;
mod mutex;
mod parker;
mod shard;
mod swap;

pub(crate) use cell::Cell;
pub(crate) use mutex::Mutex;
pub(crate) use parker::{Parker, Unparker};
pub(crate) use shard::SHARDS;
pub use shard::Shard;
pub(crate) use swap::Swap;

pub(crate) use crossbeam_utils::CachePadded;

#[cfg(not(rego_loom))]
pub(crate) use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence},
};

#[cfg(rego_loom)]
pub(crate) use loom::sync::{
    Arc,
    atomic::{AtomicBool, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence},
};
