//! `Slab<T>`: generation-stamped slots.
//!
//! A bounded store of values that are made once and used again and again: flights, timers. Taking
//! a slot and giving it back are lock-free and touch one shard. Memory comes in chunks, is never
//! returned before the slab itself goes, and so any index anybody kept leads to a valid `T` or to
//! nothing.
//!
//! # What is the slab's and what is the value's
//!
//! The slab knows which slots are free, and that is all. The *generation* that makes an old id
//! stale is in the value's own state word, because only there can it be compared in the same
//! exchange as the state: a generation beside the state would be a check before the act. The
//! *link* of the free list is the value's too ([`Linked`]), because a slot that is in use needs no
//! place on it: a timer's link strings it to its shard's intake in the meantime.
//!
//! # The words
//!
//! ```text
//! head of a shard's free list     63           24 23         0
//!                                ┌───────────────┬────────────┐
//!                                │ tag           │ index + 1  │   0: the list is empty
//!                                └───────────────┴────────────┘
//! link of a free slot: index + 1 of the next, or 0
//! ```
//!
//! The *tag* counts what was taken. Between a thread's reading of the head with the link behind it
//! and its exchange, others may take that slot, and the next, and put the first back: the index
//! is the same and the link is not. For the same head to come back something must have been
//! taken, so the tag differs (until 2⁴⁰ have been taken in that moment).
//!
//! # Paths
//!
//! - *fast*: take the first of the shard's list, by one exchange.
//! - *the list is empty*: make the next chunk, which belongs to this shard from then on. Its number
//!   comes from one `fetch_add`, so two threads make two chunks and nobody waits.
//! - *all chunks are made*: take from another shard's list; if all are empty, the slab is full.
//! - *giving back*: always to the shard of the slot's chunk, so that a shard needs no more slots
//!   than it has had in use at one time, whoever gives them back.
//!
//! # Orderings
//!
//! - *slot*: what the last user did → `release` (Release on the head) → `acquire` (Acquire on it).
//!   Every change of a head is a read-modify-write, so the edge holds however many slots were
//!   taken and put back in between.
//! - *chunk*: the chunk's values → the pointer (Release) → `get` (Acquire).
//!
//! Modelled in `loom-tests/tests/slab.rs`.

use std::{
    fmt,
    ops::Range,
    ptr::{self, NonNull},
};

use crate::sync::{
    AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, CachePadded, Ordering, SHARDS, Shard,
};

/// Values that can be strung together while they are free.
pub trait Linked {
    /// The slab's to write while the slot is free, and the user's while it is taken.
    fn link(&self) -> &AtomicU32;
}

/// How many slots a chunk has; the last one of a slab may have fewer.
pub const CHUNK: usize = if cfg!(rego_loom) { 2 } else { 256 };

/// How many slots a slab may have: what 24 bits count.
pub const SLOTS: usize = (1 << 24) - 1;

const INDEX_BITS: u32 = 24;
const INDEX_MASK: u64 = (1 << INDEX_BITS) - 1;
const ONE_TAG: u64 = if cfg!(rego_break = "slab_untagged") { 0 } else { 1 << INDEX_BITS };

/// A bounded store of `T`s that are taken, given back and taken again. Thread-safe.
pub struct Slab<T> {
    free: [CachePadded<AtomicU64>; SHARDS],
    /// How many chunks were asked for: may be more than there are.
    asked: AtomicUsize,
    chunks: Box<[Chunk<T>]>,
    max: usize,
}

/// The place of [`CHUNK`] slots, or of as many as are left of the slab's bound.
struct Chunk<T> {
    /// The first of the slots, from a boxed slice; null until they are made.
    slots: AtomicPtr<T>,
    /// The index of the shard it belongs to, once it is made.
    home: AtomicU32,
}

impl<T: Default + Linked + Send + Sync> Slab<T> {
    /// A slab of at most `max` slots, rounded to 1 to [`SLOTS`], without any memory for them yet.
    #[must_use]
    pub fn new(max: usize) -> Self {
        let max = max.clamp(1, SLOTS);
        Self {
            free: std::array::from_fn(|_| CachePadded::new(AtomicU64::new(0))),
            asked: AtomicUsize::new(0),
            chunks: (0..max.div_ceil(CHUNK)).map(|_| Chunk::default()).collect(),
            max,
        }
    }

    /// A slot, the caller's alone until it gives it back; `None` if all are taken.
    #[inline]
    pub fn acquire(&self, shard: Shard) -> Option<(u32, &T)> {
        match self.reuse(shard) {
            Some((index, slot, _)) => Some((index, slot)),
            None => self.grow(shard).or_else(|| self.take_from_others(shard)),
        }
    }

    /// A slot that the shard has at hand, and how many have been taken from it so far.
    #[inline]
    pub fn reuse(&self, shard: Shard) -> Option<(u32, &T, u64)> {
        let head = &self.free[shard.index()];
        // Acquire: the link of the first slot was written before it was put there.
        let mut seen = head.load(Ordering::Acquire);
        loop {
            let index = first(seen)?;
            let slot = self.get(index)?;
            // Relaxed: the head's Acquire covers it. If the slot was taken since, this reads
            // whatever its user wrote, and the exchange fails by the tag.
            let next = slot.link().load(Ordering::Relaxed);
            let rest = (seen & !INDEX_MASK).wrapping_add(ONE_TAG) | u64::from(next);
            // Acquire: what the slot's last user did happens-before what this one does; on
            // failure, as the load above.
            match head.compare_exchange_weak(seen, rest, Ordering::Acquire, Ordering::Acquire) {
                Ok(_) => return Some((index, slot, seen >> INDEX_BITS)),
                Err(newer) => seen = newer,
            }
        }
    }

    /// Gives back a slot that the caller has to itself. Old ids of it may be around: the value's
    /// own state says that they are stale.
    #[inline]
    pub fn release(&self, index: u32) {
        let Some((chunk, slot)) = self.find(index) else {
            debug_assert!(false, "slot {index} was never taken");
            return;
        };
        self.put(chunk.home(), index, slot);
    }

    /// As [`release`](Self::release), for slots of one shard that are strung together by their links, the
    /// first to the last, by one exchange.
    #[inline]
    pub fn release_all(&self, home: Shard, first: u32, last: &T) {
        debug_assert_eq!(self.home(first), Some(home), "each goes back to its own shard");
        self.put(home, first, last);
    }

    /// The value in this slot, taken or not; `None` if there has never been such a slot.
    #[inline]
    #[must_use]
    pub fn get(&self, index: u32) -> Option<&T> {
        self.find(index).map(|(_, slot)| slot)
    }

    /// The shard a slot goes back to.
    #[inline]
    #[must_use]
    pub fn home(&self, index: u32) -> Option<Shard> {
        self.find(index).map(|(chunk, _)| chunk.home())
    }

    /// The slots there is memory for, never more than [`max`](Self::max).
    #[must_use]
    pub fn allocated(&self) -> usize {
        // Relaxed: a figure; nothing is read on the strength of it.
        self.asked.load(Ordering::Relaxed).saturating_mul(CHUNK).min(self.max)
    }

    /// The most slots there can be.
    #[must_use]
    pub const fn max(&self) -> usize {
        self.max
    }

    #[inline]
    fn find(&self, index: u32) -> Option<(&Chunk<T>, &T)> {
        let index = index as usize;
        if index >= self.max {
            return None;
        }
        let chunk = self.chunks.get(index / CHUNK)?;
        // Acquire: the slots were made before the pointer to them was published.
        let slots = NonNull::new(chunk.slots.load(Ordering::Acquire))?;
        // SAFETY: because `index` is less than `max`, and so within this chunk's slots.
        let slot = unsafe { slots.add(index % CHUNK) };
        // SAFETY: because slots that were made stay until `drop`, which has the slab to itself.
        Some((chunk, unsafe { slot.as_ref() }))
    }

    /// Makes the next chunk for this shard, and takes its first slot.
    #[cold]
    fn grow(&self, shard: Shard) -> Option<(u32, &T)> {
        let number = self.next_chunk()?;
        let indices = self.indices(number);
        let slots: Box<[T]> = indices.clone().map(|_| T::default()).collect();
        let chunk = &self.chunks[number];
        // Relaxed: published by the pointer.
        chunk.home.store(shard.index() as u32, Ordering::Relaxed);
        // Release: the values, and the home, happen-before whatever `find` finds by this pointer.
        chunk.slots.store(Box::into_raw(slots).cast(), Ordering::Release);
        for index in indices.clone().skip(1).rev() {
            self.put(shard, index, self.get(index)?);
        }
        Some((indices.start, self.get(indices.start)?))
    }

    /// A chunk number that is the caller's to fill, unless all are taken.
    fn next_chunk(&self) -> Option<usize> {
        // Relaxed: the number is all there is to know, and each is given out once.
        self.asked
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |asked| {
                (asked < self.chunks.len()).then_some(asked + 1)
            })
            .ok()
    }

    #[cold]
    fn take_from_others(&self, shard: Shard) -> Option<(u32, &T)> {
        let mut others = (1..SHARDS).map(|step| Shard::new(shard.index() + step));
        others.find_map(|other| self.reuse(other)).map(|(index, slot, _)| (index, slot))
    }

    /// Puts slots on a shard's list: the index of the first, and the last, which may be the same.
    #[inline]
    fn put(&self, home: Shard, index: u32, slot: &T) {
        let head = &self.free[home.index()];
        // Relaxed: only compared and copied; the exchange confirms it.
        let mut seen = head.load(Ordering::Relaxed);
        loop {
            // Relaxed: published by the exchange.
            slot.link().store((seen & INDEX_MASK) as u32, Ordering::Relaxed);
            let mine = (seen & !INDEX_MASK) | u64::from(index + 1);
            // Release: what this slot's user did, and the link, happen-before the next user's
            // `acquire`. Relaxed on failure: as the load.
            match head.compare_exchange_weak(seen, mine, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(newer) => seen = newer,
            }
        }
    }
}

impl<T> Slab<T> {
    /// The slots of a chunk.
    fn indices(&self, chunk: usize) -> Range<u32> {
        let first = chunk * CHUNK;
        first as u32..self.max.min(first + CHUNK) as u32
    }
}

impl<T> Chunk<T> {
    #[inline]
    fn home(&self) -> Shard {
        // Relaxed: `find` has seen the pointer that published it.
        Shard::new(self.home.load(Ordering::Relaxed) as usize)
    }
}

impl<T> Default for Chunk<T> {
    fn default() -> Self {
        Self { slots: AtomicPtr::default(), home: AtomicU32::new(0) }
    }
}

impl<T> Drop for Slab<T> {
    fn drop(&mut self) {
        for (number, chunk) in self.chunks.iter().enumerate() {
            // Relaxed: the slab is the caller's alone.
            let first = chunk.slots.load(Ordering::Relaxed);
            if !first.is_null() {
                let slots = ptr::slice_from_raw_parts_mut(first, self.indices(number).len());
                // SAFETY: because `grow` made a boxed slice of this length into this pointer, and
                // nobody else has the slab any more.
                drop(unsafe { Box::from_raw(slots) });
            }
        }
    }
}

/// The index of the first slot on a list.
#[inline]
fn first(head: u64) -> Option<u32> {
    ((head & INDEX_MASK) as u32).checked_sub(1)
}

// SAFETY: because the pointers are owned boxes of `Send` values.
unsafe impl<T: Send> Send for Slab<T> {}
// SAFETY: because threads share the values by reference only, and chunks are published whole.
unsafe impl<T: Send + Sync> Sync for Slab<T> {}

impl<T> fmt::Debug for Slab<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slab").field("max", &self.max).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, thread};

    use super::*;

    #[derive(Default)]
    struct Slot {
        link: AtomicU32,
        owner: AtomicU32,
    }

    impl Linked for Slot {
        fn link(&self) -> &AtomicU32 {
            &self.link
        }
    }

    const HERE: Shard = Shard::new(0);
    const THERE: Shard = Shard::new(1);

    #[test]
    fn every_slot_is_given_out_once_and_then_no_more() {
        for max in [1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 7] {
            let slab = Slab::<Slot>::new(max);
            assert_eq!(slab.allocated(), 0);
            let taken: HashSet<u32> = (0..max).map(|_| slab.acquire(HERE).unwrap().0).collect();
            assert_eq!(taken, (0..max as u32).collect());
            assert!(slab.acquire(HERE).is_none());
            assert!(slab.acquire(THERE).is_none());
            assert_eq!(slab.allocated(), max);
            slab.release(0);
            assert_eq!(slab.acquire(THERE).unwrap().0, 0, "another shard's slot, in need");
        }
    }

    #[test]
    fn a_slot_given_back_elsewhere_comes_home() {
        let slab = Slab::<Slot>::new(100 * CHUNK);
        // One thread takes, another gives back: the memory of one chunk is enough.
        for _ in 0..10 * CHUNK {
            let (index, _) = slab.acquire(THERE).unwrap();
            assert_eq!(slab.home(index), Some(THERE));
            slab.release(index);
        }
        assert_eq!(slab.allocated(), CHUNK);
    }

    #[test]
    fn an_index_that_never_was_leads_nowhere() {
        let slab = Slab::<Slot>::new(CHUNK + 1);
        assert!(slab.get(0).is_none(), "no memory yet");
        let (index, _) = slab.acquire(HERE).unwrap();
        assert!(slab.get(index).is_some());
        for index in [CHUNK as u32, CHUNK as u32 + 1, 1 << 24, u32::MAX] {
            assert!(slab.get(index).is_none());
        }
    }

    #[test]
    fn a_link_is_its_users_while_the_slot_is_taken() {
        let slab = Slab::<Slot>::new(2);
        let (first, slot) = slab.acquire(HERE).unwrap();
        slot.link().store(u32::MAX, Ordering::Relaxed);
        slab.release(first);
        assert_eq!(slab.acquire(HERE).unwrap().0, first);
        assert_eq!(slab.acquire(HERE).unwrap().0, 1);
        assert!(slab.acquire(HERE).is_none());
    }

    #[test]
    fn tags_come_round_and_nothing_is_lost() {
        let slab = Slab::<Slot>::new(2);
        let taken = [slab.acquire(HERE).unwrap().0, slab.acquire(HERE).unwrap().0];
        taken.into_iter().for_each(|index| slab.release(index));
        // As if a slot of this shard had been taken 2⁴⁰ − 2 times.
        let first = slab.free[HERE.index()].load(Ordering::Relaxed) & INDEX_MASK;
        slab.free[HERE.index()]
            .store(u64::MAX << INDEX_BITS & !(1 << INDEX_BITS) | first, Ordering::Relaxed);
        let tags: Vec<u64> = (0..4)
            .map(|_| {
                let (index, _, tag) = slab.reuse(HERE).expect("both are there");
                slab.release(index);
                tag
            })
            .collect();
        assert_eq!(tags, [(1 << 40) - 2, (1 << 40) - 1, 0, 1]);
        let mut all = [slab.acquire(HERE).unwrap().0, slab.acquire(HERE).unwrap().0];
        all.sort_unstable();
        assert_eq!((all, slab.acquire(HERE).is_none()), ([0, 1], true));
    }

    #[test]
    fn threads_never_share_a_slot() {
        const THREADS: u32 = 3;
        let slab = Slab::<Slot>::new(64);
        thread::scope(|scope| {
            for me in 1..=THREADS {
                let slab = &slab;
                scope.spawn(move || {
                    let mut mine = Vec::new();
                    for round in 0..200_000_u32 {
                        // All on one shard, so that they meet on its list.
                        if let Some((index, slot)) = slab.acquire(HERE) {
                            assert_eq!(slot.owner.swap(me, Ordering::Relaxed), 0);
                            slot.link().store(round.wrapping_mul(me), Ordering::Relaxed);
                            mine.push(index);
                        }
                        if mine.len() > 20 || round % 3 == me {
                            for index in mine.drain(..) {
                                let slot = slab.get(index).unwrap();
                                assert_eq!(slot.owner.swap(0, Ordering::Relaxed), me);
                                slab.release(index);
                            }
                        }
                    }
                    mine.into_iter().for_each(|index| {
                        slab.get(index).unwrap().owner.store(0, Ordering::Relaxed);
                        slab.release(index);
                    });
                });
            }
        });
        let all: HashSet<u32> = std::iter::from_fn(|| slab.acquire(HERE)).map(|s| s.0).collect();
        assert_eq!(all.len(), 64, "none is lost");
    }
}
