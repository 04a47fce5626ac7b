//! Which of the sharded cells a thread writes to.

/// How many shards a sharded room has: a power of two.
#[cfg(not(rego_loom))]
pub const SHARDS: usize = 8;
#[cfg(rego_loom)]
pub const SHARDS: usize = 2;

/// A thread's shard. Threads are dealt out in turn, so two threads that both work write to two
/// shards for as long as there are no more threads than shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard(u32);

impl Shard {
    /// The shard with this index, which wraps at [`SHARDS`].
    pub const fn new(index: usize) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "wrapped to less than SHARDS")]
        Self((index % SHARDS) as u32)
    }

    /// The calling thread's shard.
    #[cfg(not(rego_loom))]
    #[inline]
    pub fn current() -> Self {
        const UNKNOWN: u32 = u32::MAX;
        thread_local! {
            static MINE: std::cell::Cell<u32> = const { std::cell::Cell::new(UNKNOWN) };
        }
        #[cold]
        fn deal() -> u32 {
            use std::sync::atomic::{AtomicUsize, Ordering};
            static NEXT: AtomicUsize = AtomicUsize::new(0);
            // Relaxed: only the number matters, nothing is published by it.
            let mine = Shard::new(NEXT.fetch_add(1, Ordering::Relaxed)).0;
            MINE.set(mine);
            mine
        }
        match MINE.try_with(std::cell::Cell::get) {
            Ok(UNKNOWN) => Self(deal()),
            Ok(mine) => Self(mine),
            // The thread is being torn down: any shard is correct.
            Err(_) => Self(0),
        }
    }

    /// The models deal out shards themselves.
    #[cfg(rego_loom)]
    pub fn current() -> Self {
        Self(0)
    }

    /// Its index, less than [`SHARDS`].
    #[inline]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}
