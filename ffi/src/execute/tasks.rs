//! What the host's threads and timers are given to run: numbers.
//!
//! A task is in the table from the moment it is handed out until it is run, taken back or its call
//! is over. Its number names the place and which use of it, so a number that comes twice, late or
//! from nowhere finds nothing. The table is the process's: a host hands back a number and no more.
//!
//! A place's word is generation:31 | state:8, above one spare bit. Whoever moves it from `FULL` has
//! the place to itself:
//!
//! - *take*: `FULL → EMPTY`'s maker takes the task out, raises the generation, frees the place.
//! - *lend*: `FULL → LENT → FULL`. A take that comes meanwhile leaves `LEFT`, and the lender does
//!   what the taker would have done.
//!
//! # Orderings
//!
//! The task is written before `FULL` is stored (Release) and read after `FULL` has been seen by the
//! exchange (Acquire). Places pass from one user to the next by the list of free ones: pushed
//! (Release), popped (Acquire), with a tag against a head that comes back.

use std::{
    cell::UnsafeCell,
    sync::{
        OnceLock,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
};

use super::{share::Share, state::Start};

/// Set in every number of this table and of attempts that the library runs, and in none of those
/// that a host drives by itself.
pub(crate) const OURS: u64 = 1 << 31;

/// Set in numbers that name calls, so that none of them is run as a task.
pub(super) const CALL: u64 = 1 << 63;

/// What there is to do.
pub(super) enum Task {
    /// Run an attempt.
    Attempt(Share, Start),
    /// Look at the call: time has come.
    Timer(Share),
    /// Tell that the call is done.
    Deliver(Share),
    /// Nothing: it names the call for as long as it goes on.
    Call(Share),
}

impl Task {
    pub(super) const fn share(&self) -> &Share {
        match self {
            Self::Attempt(share, _) | Self::Timer(share) => share,
            Self::Deliver(share) | Self::Call(share) => share,
        }
    }
}

/// Those of the process.
pub(super) static TASKS: Tasks<Task> = Tasks::new();

pub(super) struct Tasks<T> {
    chunks: [OnceLock<Box<[Place<T>]>>; CHUNKS],
    /// How many places there are.
    made: AtomicU32,
    /// tag:32 | index + 1 of the first free place, or 0.
    free: AtomicU64,
}

const CHUNKS: usize = 4_096;
const CHUNK: usize = 256;
const INDEX: u64 = 0xffff_ffff;
const TAG: u64 = 1 << 32;

struct Place<T> {
    word: AtomicU64,
    next: AtomicU32,
    task: UnsafeCell<Option<T>>,
}

// SAFETY: because the task belongs to whoever has moved the word from `FULL`, or has taken the
// place from the list of free ones; it may go from thread to thread.
unsafe impl<T: Send> Sync for Place<T> {}

const EMPTY: u64 = 0;
const FULL: u64 = 1;
const LENT: u64 = 2;
const LEFT: u64 = 3;

const FIRST_GENERATION: u64 = 1;
const GENERATIONS: u64 = OURS - 1;

impl<T> Tasks<T> {
    const fn new() -> Self {
        Self {
            chunks: [const { OnceLock::new() }; CHUNKS],
            made: AtomicU32::new(0),
            free: AtomicU64::new(0),
        }
    }

    /// Puts a task in; `None` if there are a million already.
    pub(super) fn insert(&self, task: T) -> Option<u64> {
        let (index, place) = self.pop().or_else(|| self.grow())?;
        // SAFETY: because the place was taken out of the free ones.
        unsafe { *place.task.get() = Some(task) };
        // Relaxed: the place is this thread's.
        let generation = place.word.load(Ordering::Relaxed) >> 8;
        // Release: the task happens-before its taking.
        place.word.store(word(generation, FULL), Ordering::Release);
        Some(u64::from(index) << 32 | OURS | generation)
    }

    /// Takes a task out, if it is there still.
    pub(super) fn take(&self, id: u64) -> Option<T> {
        let (index, place, generation) = self.find(id)?;
        let full = word(generation, FULL);
        // Acquire: pairs with `insert`. Relaxed on failure: nothing is read.
        match place.word.compare_exchange(
            full,
            word(generation, EMPTY),
            Ordering::Acquire,
            Ordering::Relaxed,
        ) {
            Ok(_) => self.empty(index, place, generation),
            Err(_) => {
                let (lent, left) = (word(generation, LENT), word(generation, LEFT));
                // Relaxed: the lender does the rest, and has the task already.
                match place.word.compare_exchange(lent, left, Ordering::Relaxed, Ordering::Relaxed)
                {
                    Ok(_) => None,
                    // The lender has just given it back, or it is gone.
                    Err(now) if now == full => self.take(id),
                    Err(_) => None,
                }
            }
        }
    }

    /// Looks at a task, which stays. `None` if there is none, or another thread looks at it.
    pub(super) fn lend<R>(&self, id: u64, look: impl FnOnce(&T) -> R) -> Option<R> {
        let (index, place, generation) = self.find(id)?;
        let (full, lent) = (word(generation, FULL), word(generation, LENT));
        // Acquire: pairs with `insert`. Relaxed on failure: nothing is read.
        place.word.compare_exchange(full, lent, Ordering::Acquire, Ordering::Relaxed).ok()?;
        // SAFETY: because a task that is lent is this thread's until it is given back.
        let answer = unsafe { &*place.task.get() }.as_ref().map(look);
        // Release: the look happens-before the next one's. Relaxed on failure: the place is this
        // thread's then.
        if place.word.compare_exchange(lent, full, Ordering::Release, Ordering::Relaxed).is_err() {
            drop(self.empty(index, place, generation));
        }
        answer
    }

    /// Forgets those that are meant, without dropping them. For a process with one thread, in which
    /// nobody looks at one.
    pub(super) fn forget(&self, is_meant: impl Fn(&T) -> bool) {
        // Relaxed: there is one thread.
        for index in 0..self.made.load(Ordering::Relaxed) {
            let Some(place) = self.place(index) else { continue };
            // Relaxed: as above.
            let generation = place.word.load(Ordering::Relaxed) >> 8;
            let id = u64::from(index) << 32 | OURS | generation;
            if self.lend(id, &is_meant) == Some(true) {
                std::mem::forget(self.take(id));
            }
        }
    }

    fn empty(&self, index: u32, place: &Place<T>, generation: u64) -> Option<T> {
        // SAFETY: because this thread has moved the word from `FULL`, or was left the place.
        let task = unsafe { (*place.task.get()).take() };
        let next = if generation == GENERATIONS { FIRST_GENERATION } else { generation + 1 };
        // Relaxed: published by the push.
        place.word.store(word(next, EMPTY), Ordering::Relaxed);
        self.push(index, place);
        task
    }

    fn find(&self, id: u64) -> Option<(u32, &Place<T>, u64)> {
        if id & OURS == 0 {
            return None;
        }
        let index = u32::try_from(id >> 32).ok()?;
        Some((index, self.place(index)?, id & GENERATIONS))
    }

    fn place(&self, index: u32) -> Option<&Place<T>> {
        let index = usize::try_from(index).ok()?;
        self.chunks.get(index / CHUNK)?.get()?.get(index % CHUNK)
    }

    fn pop(&self) -> Option<(u32, &Place<T>)> {
        // Acquire: what the place's last user did happens-before its next use.
        let mut seen = self.free.load(Ordering::Acquire);
        loop {
            let index = u32::try_from(seen & INDEX).ok()?.checked_sub(1)?;
            let place = self.place(index)?;
            // Relaxed: if the place was taken since, the exchange fails by the tag.
            let next = u64::from(place.next.load(Ordering::Relaxed));
            let rest = (seen & !INDEX).wrapping_add(TAG) | next;
            // Acquire: as the load, also on failure.
            match self.free.compare_exchange_weak(seen, rest, Ordering::Acquire, Ordering::Acquire)
            {
                Ok(_) => return Some((index, place)),
                Err(newer) => seen = newer,
            }
        }
    }

    fn push(&self, index: u32, place: &Place<T>) {
        // Relaxed: only compared and copied; the exchange confirms it.
        let mut seen = self.free.load(Ordering::Relaxed);
        loop {
            // Relaxed: published by the exchange.
            place.next.store((seen & INDEX) as u32, Ordering::Relaxed);
            let first = (seen & !INDEX).wrapping_add(TAG) | (u64::from(index) + 1);
            // Release: what this user did happens-before the place's next use. Relaxed on failure:
            // as the load.
            match self.free.compare_exchange_weak(seen, first, Ordering::Release, Ordering::Relaxed)
            {
                Ok(_) => return,
                Err(newer) => seen = newer,
            }
        }
    }

    fn grow(&self) -> Option<(u32, &Place<T>)> {
        // Relaxed: only the number matters.
        let index = self.made.fetch_add(1, Ordering::Relaxed);
        let number = usize::try_from(index).ok()?;
        let Some(chunk) = self.chunks.get(number / CHUNK) else {
            // Relaxed: as above.
            self.made.fetch_sub(1, Ordering::Relaxed);
            return None;
        };
        let places = chunk.get_or_init(|| (0..CHUNK).map(|_| Place::new()).collect());
        Some((index, places.get(number % CHUNK)?))
    }
}

impl<T> Place<T> {
    const fn new() -> Self {
        Self {
            word: AtomicU64::new(word(FIRST_GENERATION, EMPTY)),
            next: AtomicU32::new(0),
            task: UnsafeCell::new(None),
        }
    }
}

const fn word(generation: u64, state: u64) -> u64 {
    generation << 8 | state
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{Arc, Barrier},
        thread,
    };

    use super::*;

    #[test]
    fn a_task_is_taken_once() {
        static TABLE: Tasks<&str> = Tasks::new();
        let id = TABLE.insert("one").expect("there is room");
        assert_eq!(TABLE.lend(id, |task| *task), Some("one"));
        assert_eq!(TABLE.take(id), Some("one"));
        assert_eq!(TABLE.take(id), None);
        assert_eq!(TABLE.lend(id, |task| *task), None);
        // The place is used again, under another number.
        let other = TABLE.insert("other").expect("there is room");
        assert_eq!(other >> 32, id >> 32);
        assert_eq!(TABLE.take(id), None);
        for forged in [0, 1, u64::MAX, other ^ OURS, other + 1, other | CALL, other ^ 1 << 40] {
            assert_eq!(TABLE.take(forged), None, "{forged:x}");
        }
        assert_eq!(TABLE.take(other), Some("other"));
    }

    #[test]
    fn a_task_that_is_taken_while_it_is_lent_goes_afterwards() {
        static TABLE: Tasks<Arc<()>> = Tasks::new();
        let task = Arc::new(());
        let id = TABLE.insert(Arc::clone(&task)).expect("there is room");
        let looked = TABLE.lend(id, |_| {
            assert!(TABLE.lend(id, |_| ()).is_none(), "one at a time");
            assert!(TABLE.take(id).is_none());
            Arc::strong_count(&task)
        });
        assert_eq!(looked, Some(2));
        assert_eq!(Arc::strong_count(&task), 1);
        assert_eq!(TABLE.take(id), None);
    }

    #[test]
    fn what_is_forgotten_is_not_dropped_and_its_number_is_none() {
        static TABLE: Tasks<Arc<u32>> = Tasks::new();
        let [mine, other] = [Arc::new(1), Arc::new(2)];
        let insert = |task: &Arc<u32>| TABLE.insert(Arc::clone(task)).expect("there is room");
        let [first, theirs, second] = [&mine, &other, &mine].map(insert);
        let gone = insert(&mine);
        assert!(TABLE.take(gone).is_some());
        TABLE.forget(|task| **task == 1);
        assert_eq!((Arc::strong_count(&mine), Arc::strong_count(&other)), (3, 2));
        for id in [first, second, gone] {
            assert!(TABLE.lend(id, |_| ()).is_none() && TABLE.take(id).is_none());
        }
        assert!(insert(&mine) >> 32 < 4, "their places are free");
        assert!(TABLE.take(theirs).is_some());
    }

    #[test]
    fn threads_share_the_places() {
        static TABLE: Tasks<u64> = Tasks::new();
        let start = Arc::new(Barrier::new(4));
        let threads: Vec<_> = (0..4_u64)
            .map(|number| {
                let start = Arc::clone(&start);
                thread::spawn(move || {
                    start.wait();
                    for turn in 0..20_000 {
                        let value = number << 32 | turn;
                        let id = TABLE.insert(value).expect("there is room");
                        assert_eq!(TABLE.lend(id, |task| *task), Some(value));
                        assert_eq!(TABLE.take(id), Some(value));
                        assert_eq!(TABLE.take(id), None);
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
        assert!(TABLE.made.load(Ordering::Relaxed) <= 4, "places are used again");
    }
}
