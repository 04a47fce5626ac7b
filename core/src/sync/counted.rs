//! Atomics that count, on each thread, how often it changes one by a read-modify-write: only in
//! builds whose tests ask for it.

#![allow(dead_code, reason = "an atomic has all of this, whoever uses it")]

use std::{cell::Cell, sync::atomic as real};

use super::Ordering;

thread_local! {
    static CHANGES: Cell<u64> = const { Cell::new(0) };
}

/// How many read-modify-writes of shared words this thread has made so far, failed exchanges among
/// them.
pub fn changes() -> u64 {
    CHANGES.get()
}

fn count() {
    CHANGES.set(CHANGES.get() + 1);
}

macro_rules! counted {
    ($($(#[$about:meta])* $name:ident of $value:ty { $($method:ident)* })*) => {$(
        $(#[$about])*
        #[derive(Debug, Default)]
        #[repr(transparent)]
        pub struct $name(real::$name);

        impl $name {
            pub(crate) const fn new(value: $value) -> Self {
                Self(real::$name::new(value))
            }

            counted!(@changes $value, swap $($method)*);

            pub(crate) fn load(&self, order: Ordering) -> $value {
                self.0.load(order)
            }

            pub(crate) fn store(&self, value: $value, order: Ordering) {
                self.0.store(value, order);
            }

            pub(crate) fn compare_exchange(
                &self,
                current: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                count();
                self.0.compare_exchange(current, new, success, failure)
            }

            pub(crate) fn compare_exchange_weak(
                &self,
                current: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                count();
                self.0.compare_exchange_weak(current, new, success, failure)
            }

            pub(crate) fn fetch_update(
                &self,
                set: Ordering,
                fetch: Ordering,
                f: impl FnMut($value) -> Option<$value>,
            ) -> Result<$value, $value> {
                count();
                self.0.fetch_update(set, fetch, f)
            }
        }
    )*};
    (@changes $value:ty, $($method:ident)*) => {$(
        pub(crate) fn $method(&self, value: $value, order: Ordering) -> $value {
            count();
            self.0.$method(value, order)
        }
    )*};
}

counted! {
    /// A flag.
    AtomicBool of bool { }
    /// 8 bits.
    AtomicU8 of u8 { fetch_add fetch_sub fetch_or fetch_and fetch_max fetch_min }
    /// 32 bits.
    AtomicU32 of u32 { fetch_add fetch_sub fetch_or fetch_and fetch_max fetch_min }
    /// 64 bits.
    AtomicU64 of u64 { fetch_add fetch_sub fetch_or fetch_and fetch_max fetch_min }
    /// A word.
    AtomicUsize of usize { fetch_add fetch_sub fetch_or fetch_and fetch_max fetch_min }
}

impl AtomicU64 {
    pub(crate) const fn as_ptr(&self) -> *mut u64 {
        self.0.as_ptr()
    }
}
