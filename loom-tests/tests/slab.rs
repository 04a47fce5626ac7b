//! `slab`: a slot has one owner at a time, and sees what the last one did.
#![cfg(rego_loom)]
#![allow(clippy::unwrap_used, reason = "a model fails by panicking")]

use loom::{
    cell::UnsafeCell,
    sync::{Arc, atomic::AtomicU32},
    thread,
};
use loom_tests::explore;
use rego::rooms::{
    slab::{Linked, Slab},
    sync::Shard,
};

const HERE: Shard = Shard::new(0);
const THERE: Shard = Shard::new(1);

/// loom notices if two threads touch `owned` without an edge between them.
#[derive(Default)]
struct Slot {
    link: AtomicU32,
    owned: UnsafeCell<u32>,
}

// SAFETY: because `owned` is touched by the slot's owner alone, which the models check.
unsafe impl Sync for Slot {}

impl Linked for Slot {
    fn link(&self) -> &AtomicU32 {
        &self.link
    }
}

fn touch(slot: &Slot) {
    slot.owned.with_mut(|owned| {
        // SAFETY: because the slot is this thread's; loom tells if it is not.
        unsafe { *owned += 1 }
    });
}

/// Takes a slot if there is one, and uses it.
fn take(slab: &Slab<Slot>, shard: Shard) -> Option<u32> {
    let (index, slot) = slab.acquire(shard)?;
    touch(slot);
    Some(index)
}

/// A slab whose slots have all been in use and are on the list of `HERE`.
fn used(slots: usize) -> Arc<Slab<Slot>> {
    let slab = Arc::new(Slab::new(slots));
    let taken: Vec<u32> = std::iter::from_fn(|| take(&slab, HERE)).collect();
    taken.into_iter().for_each(|index| slab.release(index));
    slab
}

#[test]
fn a_slot_taken_and_put_back_in_between_is_not_mistaken() {
    explore("slab: two take, and one puts back the first of two", || {
        let slab = used(2);
        let other = Arc::clone(&slab);
        let one = thread::spawn(move || take(&other, HERE));
        let other = Arc::clone(&slab);
        let two = thread::spawn(move || {
            let (first, second) = (take(&other, HERE), take(&other, HERE));
            if let Some(first) = first {
                other.release(first);
            }
            second
        });
        let mut taken = vec![one.join().unwrap(), two.join().unwrap()];
        taken.extend([take(&slab, HERE), take(&slab, HERE)]);
        let mut taken: Vec<u32> = taken.into_iter().flatten().collect();
        taken.sort_unstable();
        assert_eq!(taken, [0, 1], "each slot has one owner");
    });
}

#[test]
fn slots_change_hands_with_all_that_was_done_to_them() {
    explore("slab: three threads, one slot", || {
        let slab = used(1);
        let threads: Vec<_> = [HERE, THERE, HERE]
            .into_iter()
            .map(|shard| {
                let slab = Arc::clone(&slab);
                thread::spawn(move || {
                    if let Some(index) = take(&slab, shard) {
                        slab.release(index);
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(take(&slab, HERE), Some(0), "it is not lost");
    });
}

#[test]
fn chunks_made_at_the_same_time_are_two() {
    explore("slab: two threads make the first chunk", || {
        let slab = Arc::new(Slab::<Slot>::new(4));
        let threads: Vec<_> = [HERE, THERE]
            .into_iter()
            .map(|shard| {
                let slab = Arc::clone(&slab);
                thread::spawn(move || [take(&slab, shard), take(&slab, shard)])
            })
            .collect();
        let mut taken: Vec<u32> =
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).flatten().collect();
        taken.sort_unstable();
        assert_eq!(taken, [0, 1, 2, 3]);
        assert_eq!(take(&slab, HERE), None);
    });
}

#[test]
fn an_index_leads_to_a_whole_value_or_to_nothing() {
    explore("slab: a look at a slot that is being made", || {
        let slab = Arc::new(Slab::<Slot>::new(2));
        let other = Arc::clone(&slab);
        let making = thread::spawn(move || other.acquire(HERE).unwrap().0);
        let other = Arc::clone(&slab);
        let looking = thread::spawn(move || other.get(1).map(touch));
        assert_eq!(making.join().unwrap(), 0);
        let _ = looking.join().unwrap();
    });
}
