//! The only door to atomics, cells, locks, parking and swapping; and what is left of a panic.
//!
//! Every other room takes these from here, so that under `--cfg rego_loom` the model checker sees
//! the real source. Three things have twins because loom cannot look into the crates behind them:
//! [`Mutex`] (parking_lot), [`Swap`] (arc-swap) and [`Parker`] (std's thread parking).

#![expect(clippy::disallowed_types, clippy::disallowed_methods, reason = "this room is the door")]

mod cell;
#[cfg(all(feature = "counted", not(rego_loom)))]
mod counted;
mod mutex;
mod parker;
mod payload;
mod shard;
mod swap;

pub use cell::Cell;
pub(crate) use mutex::Mutex;
pub(crate) use parker::{Parker, Unparker};
pub(crate) use payload::drop_quietly;
pub use shard::{SHARDS, Shard};
pub(crate) use swap::{Swap, SwapGuard};

pub(crate) use crossbeam_utils::{Backoff, CachePadded};

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

#[cfg(all(feature = "counted", not(rego_loom)))]
pub use counted::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, changes};

/// The atomics as they are. Aliases, because `clippy::disallowed_types` looks through a re-export
/// and would find every user.
#[cfg(any(not(feature = "counted"), rego_loom))]
mod plain {
    use super::real::atomic;

    pub(crate) type AtomicBool = atomic::AtomicBool;
    pub(crate) type AtomicU8 = atomic::AtomicU8;
    pub(crate) type AtomicU32 = atomic::AtomicU32;
    pub(crate) type AtomicU64 = atomic::AtomicU64;
    pub(crate) type AtomicUsize = atomic::AtomicUsize;
}
#[cfg(any(not(feature = "counted"), rego_loom))]
pub(crate) use plain::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize};

pub(crate) type AtomicPtr<T> = real::atomic::AtomicPtr<T>;

/// A store into a word that others change by read-modify-writes.
///
/// A read-modify-write comes right after what it has read, so a store that is not read by it comes
/// before or after the pair of them. The model checker knows no such order: it lets a thread read
/// the exchange that its own store came after. So there, the store is an exchange itself.
pub(crate) trait Overwrite<T> {
    fn overwrite(&self, value: T, order: Ordering);
}

macro_rules! overwrite {
    ($atomic:ty, $value:ty) => {
        impl Overwrite<$value> for $atomic {
            #[inline]
            fn overwrite(&self, value: $value, order: Ordering) {
                #[cfg(not(rego_loom))]
                self.store(value, order);
                #[cfg(rego_loom)]
                self.swap(value, order);
            }
        }
    };
}

overwrite!(AtomicBool, bool);
overwrite!(AtomicU8, u8);
overwrite!(AtomicU64, u64);
