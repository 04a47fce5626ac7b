//! A bounded ring that many threads push into and many pop from, without a lock.
//!
//! The queue is D. Vyukov's bounded MPMC queue (1024cores.net, 2010). What is pushed into a full
//! ring is dropped and counted: nobody ever waits for a reader.
//!
//! # The words
//!
//! Pushes and pops are numbered from 0. Push `n` and pop `n` use the place `n mod capacity`, whose
//! *turn* says what it is good for:
//!
//! | turn | the place |
//! |---|---|
//! | `n` | is free for push `n` |
//! | `n + 1` | holds the value of push `n`, for pop `n` |
//! | `n + capacity` | was emptied by pop `n`: it is free for the push one round later |
//!
//! `tail` is the number of the next push, `head` that of the next pop. Whoever moves one of them
//! from `n` to `n + 1` has place `n` to itself until it writes the next turn. In between, others
//! pass it by: a push takes another number, a pop finds nothing yet and leaves. With a capacity of
//! one, `n + 1` would say both "full" and "free": so there are two places at least.
//!
//! # Orderings
//!
//! - *value in*: the value → its turn (Release in `push`) → the pop that sees it (Acquire).
//! - *value out*: the reading → its turn (Release in `pop`) → the push that sees it (Acquire).
//! - `tail` and `head` are Relaxed: they give out numbers and publish nothing.
//!
//! Modelled in `loom-tests/tests/ring.rs`.

use std::{cmp, fmt, mem::MaybeUninit};

use crate::sync::{AtomicU64, CachePadded, Cell, Ordering};

/// The most places a ring can have.
const MAX_CAPACITY: usize = 1 << 24;

/// What the models' negative control weakens.
// Release, or the Relaxed that a model must find.
const PUBLISH: Ordering =
    if cfg!(rego_break = "ring_relaxed") { Ordering::Relaxed } else { Ordering::Release };

/// A bounded first-in-first-out store of copies. Thread-safe and lock-free.
pub struct Ring<T> {
    tail: CachePadded<AtomicU64>,
    head: CachePadded<AtomicU64>,
    dropped: CachePadded<AtomicU64>,
    /// A power of two of them.
    places: Box<[Place<T>]>,
}

struct Place<T> {
    turn: AtomicU64,
    value: Cell<MaybeUninit<T>>,
}

// SAFETY: because a place's value is touched only by the thread that has the place to itself: see
// "The words". Values move between threads, so they must be `Send`.
unsafe impl<T: Copy + Send> Sync for Ring<T> {}

impl<T: Copy + Send> Ring<T> {
    /// A ring with at least this many places: a power of two, 2 to 2²⁴.
    pub fn new(capacity: usize) -> Self {
        let capacity = capacity.clamp(2, MAX_CAPACITY).next_power_of_two();
        let place = |turn: usize| Place {
            turn: AtomicU64::new(turn as u64),
            value: Cell::new(MaybeUninit::uninit()),
        };
        Self {
            tail: CachePadded::new(AtomicU64::new(0)),
            head: CachePadded::new(AtomicU64::new(0)),
            dropped: CachePadded::new(AtomicU64::new(0)),
            places: (0..capacity).map(place).collect(),
        }
    }

    /// How many values it has room for.
    #[cfg_attr(not(any(test, rego_loom)), allow(dead_code, reason = "for tests and models"))]
    pub fn capacity(&self) -> usize {
        self.places.len()
    }

    /// Puts a value at the end; drops and counts it if there is no room. Whether there was.
    pub fn push(&self, value: T) -> bool {
        // Relaxed: a number to try; the exchange says whether it is ours.
        let mut number = self.tail.load(Ordering::Relaxed);
        loop {
            let place = self.place(number);
            // Acquire: whoever emptied the place had read it before (Release in `pop`).
            let turn = place.turn.load(Ordering::Acquire);
            match turn.cmp(&number) {
                cmp::Ordering::Less => {
                    // Relaxed: a count.
                    self.dropped.fetch_add(1, Ordering::Relaxed);
                    return false;
                }
                cmp::Ordering::Greater => {
                    // Relaxed: as above; another push took the number.
                    number = self.tail.load(Ordering::Relaxed);
                    continue;
                }
                cmp::Ordering::Equal => {}
            }
            // Relaxed: the number is all there is to know; turns publish the values.
            match self.tail.compare_exchange_weak(
                number,
                number + 1,
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => {
                    place.value.with_mut(|slot| {
                        // SAFETY: because the number is ours and its turn has come, so nobody else
                        // touches the place until the store below.
                        unsafe { slot.write(MaybeUninit::new(value)) };
                    });
                    // Release: the value happens-before the pop that sees this turn (Acquire).
                    place.turn.store(number + 1, PUBLISH);
                    return true;
                }
                Err(newer) => number = newer,
            }
        }
    }

    /// Takes the oldest value; `None` if there is none, or it is still being written.
    pub fn pop(&self) -> Option<T> {
        // Relaxed: a number to try; the exchange says whether it is ours.
        let mut number = self.head.load(Ordering::Relaxed);
        loop {
            let place = self.place(number);
            // Acquire: the value was written before its turn (Release in `push`).
            let turn = place.turn.load(Ordering::Acquire);
            match turn.cmp(&(number + 1)) {
                cmp::Ordering::Less => return None,
                cmp::Ordering::Greater => {
                    // Relaxed: as above; another pop took the number.
                    number = self.head.load(Ordering::Relaxed);
                    continue;
                }
                cmp::Ordering::Equal => {}
            }
            // Relaxed: the number is all there is to know; turns publish the values.
            match self.head.compare_exchange_weak(
                number,
                number + 1,
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => {
                    let value = place.value.with(|slot| {
                        // SAFETY: because the number is ours and its turn has come, so nobody else
                        // touches the place until the store below.
                        unsafe { slot.read() }
                    });
                    let next_round = number + self.places.len() as u64;
                    // Release: the reading happens-before the push that sees this turn (Acquire).
                    place.turn.store(next_round, PUBLISH);
                    // SAFETY: because this turn is only ever set by a push that has written.
                    return Some(unsafe { value.assume_init() });
                }
                Err(newer) => number = newer,
            }
        }
    }

    /// Takes the oldest values, as many as there are and `into` has room for; answers how many.
    pub fn drain(&self, into: &mut [T]) -> usize {
        let mut filled = 0;
        for (slot, value) in into.iter_mut().zip(std::iter::from_fn(|| self.pop())) {
            *slot = value;
            filled += 1;
        }
        filled
    }

    /// How many values found no room.
    pub fn dropped(&self) -> u64 {
        // Relaxed: a count.
        self.dropped.load(Ordering::Relaxed)
    }

    fn place(&self, number: u64) -> &Place<T> {
        #[expect(clippy::cast_possible_truncation, reason = "less than the number of places")]
        let index = (number & (self.places.len() as u64 - 1)) as usize;
        &self.places[index]
    }
}

impl<T> fmt::Debug for Ring<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring").field("capacity", &self.places.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::{BTreeSet, VecDeque},
        sync::atomic::AtomicUsize,
        thread,
    };

    use proptest::prelude::*;

    use super::*;

    /// What a thread of the stress pushes: who it is, and its own count.
    type Token = (u32, u32);

    #[test]
    fn capacities_are_powers_of_two_and_never_one() {
        let capacity = |asked| Ring::<u8>::new(asked).capacity();
        assert_eq!([0, 1, 2, 3, 100, 8_192].map(capacity), [2, 2, 2, 4, 128, 8_192]);
    }

    #[test]
    fn a_full_ring_drops_the_new_and_counts() {
        let ring = Ring::new(4);
        let accepted: Vec<_> = (0..6).map(|value| ring.push(value)).collect();
        assert_eq!(accepted, [true, true, true, true, false, false]);
        let mut drained = [0; 3];
        assert_eq!((ring.drain(&mut drained), ring.dropped()), (3, 2));
        assert_eq!(drained, [0, 1, 2]);
        assert!(ring.push(6));
        assert_eq!((ring.drain(&mut drained), drained[0], drained[1]), (2, 3, 6));
        assert_eq!(ring.pop(), None);
    }

    proptest! {
        #[test]
        fn it_is_a_bounded_queue(capacity in 0..20_usize, pushes: Vec<Option<u8>>) {
            let ring = Ring::new(capacity);
            let (mut model, mut dropped) = (VecDeque::new(), 0);
            for push in pushes {
                match push {
                    None => prop_assert_eq!(ring.pop(), model.pop_front()),
                    Some(value) if model.len() == ring.capacity() => {
                        prop_assert!(!ring.push(value));
                        dropped += 1;
                    }
                    Some(value) => {
                        prop_assert!(ring.push(value));
                        model.push_back(value);
                    }
                }
                prop_assert_eq!(ring.dropped(), dropped);
            }
        }
    }

    #[test]
    fn threads_lose_nothing_but_what_is_counted() {
        const PUSHES: u32 = if cfg!(miri) { 100 } else { 30_000 };
        let ring = Ring::<Token>::new(64);
        let pushing = AtomicUsize::new(3);
        let (accepted, popped) = thread::scope(|scope| {
            let producers: Vec<_> = (0..3)
                .map(|who| {
                    let (ring, pushing) = (&ring, &pushing);
                    scope.spawn(move || {
                        let tokens = (0..PUSHES).map(|count| (who, count));
                        let accepted: Vec<_> = tokens.filter(|token| ring.push(*token)).collect();
                        // Release: what was pushed happens-before the last look of a consumer.
                        pushing.fetch_sub(1, Ordering::Release);
                        accepted
                    })
                })
                .collect();
            let consumers: Vec<_> = (0..2)
                .map(|_| {
                    let (ring, pushing) = (&ring, &pushing);
                    scope.spawn(move || {
                        let mut popped = Vec::new();
                        loop {
                            // Acquire: see above.
                            let last = pushing.load(Ordering::Acquire) == 0;
                            popped.extend(std::iter::from_fn(|| ring.pop()));
                            if last {
                                return popped;
                            }
                        }
                    })
                })
                .collect();
            let join = |handles: Vec<thread::ScopedJoinHandle<'_, Vec<Token>>>| -> Vec<_> {
                handles.into_iter().map(|handle| handle.join().expect("no panic")).collect()
            };
            (join(producers), join(consumers))
        });
        assert_eq!(audit(&accepted, &popped), Ok(()));
        let kept: usize = accepted.iter().map(Vec::len).sum();
        assert_eq!(kept as u64 + ring.dropped(), 3 * u64::from(PUSHES));
    }

    /// Whether what came out is what went in: once each, and in order for each pair of threads.
    fn audit(accepted: &[Vec<Token>], popped: &[Vec<Token>]) -> Result<(), &'static str> {
        for tokens in popped {
            for who in 0..3 {
                let counts: Vec<_> = tokens.iter().filter(|token| token.0 == who).collect();
                if !counts.is_sorted() {
                    return Err("out of order");
                }
            }
        }
        let came: BTreeSet<_> = popped.iter().flatten().collect();
        if came.len() != popped.iter().map(Vec::len).sum::<usize>() {
            return Err("doubled");
        }
        match came == accepted.iter().flatten().collect() {
            true => Ok(()),
            false => Err("lost or made up"),
        }
    }

    #[test]
    fn the_audit_finds_what_it_looks_for() {
        let accepted = [vec![(0, 0), (0, 1)], vec![(1, 0)]];
        assert_eq!(audit(&accepted, &[vec![(0, 0), (1, 0)], vec![(0, 1)]]), Ok(()));
        assert_eq!(audit(&accepted, &[vec![(0, 1), (0, 0), (1, 0)]]), Err("out of order"));
        assert_eq!(audit(&accepted, &[vec![(0, 0), (0, 1)], vec![(1, 0), (0, 0)]]), Err("doubled"));
        assert_eq!(audit(&accepted, &[vec![(0, 0), (1, 0)]]), Err("lost or made up"));
    }
}
