//! Key → site: insert-only, bounded.
//!
//! Every call by key comes through here, so looking up costs one hash and, as a rule, one load;
//! it never waits and writes nothing. Keys come from call sites and are few. Where somebody puts a
//! user's id into a key they are many, so there is a bound: what comes after it shares one
//! *overflow* value, and memory stays where it is.
//!
//! The room is generic over what is kept: anything that knows its own name.
//!
//! # The words
//!
//! - *table*: at least 2 × `max` pointers, a power of two of them. A place is null until a value is
//!   put there by an exchange, and never changes again. A key is looked for from the place its
//!   hash names, onwards, until it or a null is found; half of the places stay null, so that is
//!   soon, and certain.
//! - *len*: how many places are taken or about to be: raised before, and lowered by whoever found
//!   that another had put the same key there first.
//!
//! # Paths
//!
//! - *fast*: hash, load, compare the name.
//! - *new key*: make the value, count it, and exchange it for the first null. The exchange fails
//!   where somebody was quicker: if the value there has this name, ours is dropped and theirs
//!   returned; if not, on to the next place. Both look at the same places in the same order, and
//!   no place goes back to null, so a key is put into the table once.
//! - *full*: the overflow value. If the last place goes to a key just as another thread asks for
//!   that very key, the other may get the overflow value too, for that once.
//!
//! # Orderings
//!
//! - *value*: what `make` wrote → the exchange (Release) → the load, or the failed exchange
//!   (Acquire), that finds the pointer.
//!
//! Modelled in `loom-tests/tests/registry.rs`.

use std::{
    fmt,
    hash::{BuildHasher, Hasher},
    marker::PhantomData,
    ops::Deref,
    ptr::{self, NonNull},
};

use crate::sync::{Arc, AtomicPtr, AtomicUsize, Ordering};

/// What a registry can keep.
pub trait Named {
    /// The key it is found by. Never changes.
    fn name(&self) -> &str;
}

/// How many keys an engine knows unless told otherwise.
pub const DEFAULT_MAX: usize = 1_024;

/// Keyed anew in every process, so that whoever chooses the keys cannot choose the places.
#[cfg(not(rego_loom))]
type Hashing = foldhash::fast::RandomState;
/// A model must run the same way every time.
#[cfg(rego_loom)]
type Hashing = foldhash::fast::FixedState;

/// What the loom models' negative control weakens.
// Release: as `put` says. Relaxed: a break that the models must find.
const PUBLISH: Ordering =
    if cfg!(rego_break = "registry_relaxed") { Ordering::Relaxed } else { Ordering::Release };

/// A bounded map from names to shared values, to which values are added and never taken away.
/// Thread-safe.
pub struct Registry<T> {
    hashing: Hashing,
    /// Each from `Arc::into_raw`, or null.
    table: Box<[AtomicPtr<T>]>,
    len: AtomicUsize,
    max: usize,
    /// From `Arc::into_raw`.
    overflow: NonNull<T>,
    owns: PhantomData<Arc<T>>,
}

/// A value of the registry.
pub struct Entry<'a, T> {
    /// From `Arc::into_raw`; the registry keeps its count until it goes.
    value: NonNull<T>,
    overflowed: bool,
    registry: PhantomData<&'a Registry<T>>,
}

impl<T: Named> Registry<T> {
    /// A registry of at most `max` keys (at least 1), beside the value that all keys beyond that
    /// share.
    #[must_use]
    pub fn new(max: usize, overflow: Arc<T>) -> Self {
        let max = max.max(1);
        Self {
            hashing: Hashing::default(),
            table: (0..(2 * max).next_power_of_two()).map(|_| AtomicPtr::default()).collect(),
            len: AtomicUsize::new(0),
            max,
            overflow: into_raw(overflow),
            owns: PhantomData,
        }
    }

    /// The value of this key, if it has one of its own.
    #[inline]
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Entry<'_, T>> {
        self.places(key).map_while(load).find(|value| is(*value, key)).map(|value| self.own(value))
    }

    /// The value of this key: its own, made now if need be, or the overflow value. `make` may be
    /// called and its value dropped, if another thread is quicker.
    #[inline]
    pub fn get_or_insert_with(&self, key: &str, make: impl FnOnce() -> Arc<T>) -> Entry<'_, T> {
        self.get(key).unwrap_or_else(|| self.insert(key, make))
    }

    /// How many keys have a value of their own.
    #[must_use]
    pub fn count(&self) -> usize {
        // Relaxed: a figure; nothing is read on the strength of it.
        self.len.load(Ordering::Relaxed)
    }

    /// The most keys that can have a value of their own.
    #[must_use]
    #[cfg_attr(not(rego_loom), allow(dead_code, reason = "for models"))]
    pub const fn max(&self) -> usize {
        self.max
    }

    /// Every value that has a key of its own, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = Entry<'_, T>> {
        self.table.iter().filter_map(load).map(|value| self.own(value))
    }

    /// The value that all keys share which found no place.
    #[must_use]
    pub const fn overflow(&self) -> Entry<'_, T> {
        Entry { value: self.overflow, overflowed: true, registry: PhantomData }
    }

    #[cold]
    fn insert(&self, key: &str, make: impl FnOnce() -> Arc<T>) -> Entry<'_, T> {
        if self.count() >= self.max {
            return self.overflow();
        }
        let value = make();
        debug_assert_eq!(value.name(), key, "a value is found by its own name");
        if !self.count_one() {
            return self.overflow();
        }
        let mine = into_raw(value);
        for place in self.places(key) {
            let Some(theirs) = put(place, mine) else { return self.own(mine) };
            if is(theirs, key) {
                // Relaxed: a number.
                self.len.fetch_sub(1, Ordering::Relaxed);
                // SAFETY: because `mine` is from `into_raw` just now, and nobody else has seen it.
                drop(unsafe { Arc::from_raw(mine.as_ptr()) });
                return self.own(theirs);
            }
        }
        unreachable!("half of the table is null, whatever has been counted in")
    }

    /// Counts one more key in, unless there are `max`.
    fn count_one(&self) -> bool {
        // Relaxed: atomic is enough, since only the number is bounded by it.
        self.len
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |len| {
                (len < self.max).then_some(len + 1)
            })
            .is_ok()
    }

    /// The places where `key` may be, in order.
    #[inline]
    fn places(&self, key: &str) -> impl Iterator<Item = &AtomicPtr<T>> {
        let mut hasher = self.hashing.build_hasher();
        hasher.write(key.as_bytes());
        let start = hasher.finish() as usize;
        let mask = self.table.len() - 1;
        (0..self.table.len()).map(move |step| &self.table[start.wrapping_add(step) & mask])
    }

    const fn own(&self, value: NonNull<T>) -> Entry<'_, T> {
        Entry { value, overflowed: false, registry: PhantomData }
    }
}

/// What is in a place.
#[inline]
fn load<T>(place: &AtomicPtr<T>) -> Option<NonNull<T>> {
    // Acquire: what `make` wrote happens-before what is read through the pointer.
    NonNull::new(place.load(Ordering::Acquire))
}

/// Puts `mine` into a place that is null; otherwise returns what is there.
fn put<T>(place: &AtomicPtr<T>, mine: NonNull<T>) -> Option<NonNull<T>> {
    if cfg!(rego_break = "registry_check_then_act") {
        let theirs = load(place);
        if theirs.is_none() {
            // Release: as below.
            place.store(mine.as_ptr(), Ordering::Release);
        }
        return theirs;
    }
    // Release: what `make` wrote happens-before what is read by whoever loads the pointer. Acquire
    // on failure: as `load`.
    place
        .compare_exchange(ptr::null_mut(), mine.as_ptr(), PUBLISH, Ordering::Acquire)
        .err()
        .and_then(NonNull::new)
}

#[inline]
fn is<T: Named>(value: NonNull<T>, key: &str) -> bool {
    // SAFETY: because a pointer in the table is from `Arc::into_raw`, and the registry, which is
    // borrowed while it is looked through, keeps its count.
    unsafe { value.as_ref() }.name() == key
}

fn into_raw<T>(value: Arc<T>) -> NonNull<T> {
    NonNull::new(Arc::into_raw(value).cast_mut()).expect("an Arc's value has an address")
}

impl<T> Drop for Registry<T> {
    fn drop(&mut self) {
        let values = self.table.iter().filter_map(load);
        for value in values.chain([self.overflow]) {
            // SAFETY: because the pointer is from `Arc::into_raw`, and its count is given back
            // here, once.
            drop(unsafe { Arc::from_raw(value.as_ptr()) });
        }
    }
}

// SAFETY: because it owns `Arc<T>`s and hands out `&T` and clones of them.
unsafe impl<T: Send + Sync> Send for Registry<T> {}
// SAFETY: as for `Send`; the pointers themselves are published whole.
unsafe impl<T: Send + Sync> Sync for Registry<T> {}

impl<T> fmt::Debug for Registry<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("max", &self.max).finish_non_exhaustive()
    }
}

impl<'a, T> Entry<'a, T> {
    /// Whether this is the value that keys share which found no place.
    #[must_use]
    #[cfg_attr(not(any(test, rego_loom)), allow(dead_code, reason = "for tests and models"))]
    pub const fn overflowed(&self) -> bool {
        self.overflowed
    }

    /// The value, for as long as the registry is borrowed.
    #[inline]
    #[must_use]
    pub const fn value(&self) -> &'a T {
        // SAFETY: because the pointer is from `Arc::into_raw`, and the registry, which is borrowed
        // for 'a, keeps its count.
        unsafe { self.value.as_ref() }
    }

    /// A share of the value that outlives the registry.
    #[must_use]
    pub fn to_arc(&self) -> Arc<T> {
        let value = self.value.as_ptr();
        if cfg!(rego_break = "registry_uncounted_share") {
            // SAFETY: unsound, because nothing is counted: AddressSanitizer must find it.
            return unsafe { Arc::from_raw(value) };
        }
        // SAFETY: because the pointer is from `Arc::into_raw`, and the registry keeps its count.
        unsafe { Arc::increment_strong_count(value) };
        // SAFETY: because the count that this takes over was added just now.
        unsafe { Arc::from_raw(value) }
    }
}

impl<T> Deref for Entry<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        self.value()
    }
}

impl<T: fmt::Debug> fmt::Debug for Entry<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("value", self.value())
            .field("overflowed", &self.overflowed)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::{HashMap, HashSet},
        sync::{Barrier, atomic::AtomicU32},
        thread,
    };

    use proptest::prelude::*;

    use super::*;

    #[derive(Debug)]
    struct Site {
        name: String,
        made_by: usize,
    }

    impl Named for Site {
        fn name(&self) -> &str {
            &self.name
        }
    }

    fn site(name: &str, made_by: usize) -> Arc<Site> {
        Arc::new(Site { name: name.to_owned(), made_by })
    }

    fn registry(max: usize) -> Registry<Site> {
        Registry::new(max, site("other", 0))
    }

    #[test]
    fn a_key_is_made_once_and_found_again() {
        let registry = registry(8);
        assert!(registry.get("a").is_none());
        let first = registry.get_or_insert_with("a", || site("a", 1));
        let second = registry.get_or_insert_with("a", || unreachable!("it is there"));
        assert!(ptr::eq(first.value(), second.value()));
        assert!(ptr::eq(first.value(), registry.get("a").unwrap().value()));
        assert_eq!((registry.count(), first.overflowed()), (1, false));
    }

    #[test]
    fn a_share_outlives_the_registry_and_nothing_else_does() {
        let registry = registry(2);
        let kept = registry.get_or_insert_with("a", || site("a", 1)).to_arc();
        let left = Arc::downgrade(&registry.get_or_insert_with("b", || site("b", 1)).to_arc());
        let other = Arc::downgrade(&registry.overflow().to_arc());
        assert!(left.upgrade().is_some());
        drop(registry);
        assert_eq!((kept.name(), Arc::strong_count(&kept)), ("a", 1));
        assert!(left.upgrade().is_none());
        assert!(other.upgrade().is_none());
    }

    #[test]
    fn a_million_keys_take_the_room_of_the_bound() {
        let registry = registry(DEFAULT_MAX);
        let mut made = 0;
        for number in 0..1_000_000 {
            let key = format!("user-{number}");
            let entry = registry.get_or_insert_with(&key, || {
                made += 1;
                site(&key, 1)
            });
            assert_eq!(entry.overflowed(), number >= DEFAULT_MAX);
        }
        assert_eq!((registry.count(), made), (DEFAULT_MAX, DEFAULT_MAX));
        assert_eq!(registry.table.len(), 2 * DEFAULT_MAX);
        assert_eq!(registry.get("user-0").unwrap().name(), "user-0", "the first are still there");
        assert_eq!(registry.iter().count(), DEFAULT_MAX);
    }

    #[test]
    fn threads_that_race_for_a_key_get_the_same_value() {
        const THREADS: usize = 3;
        for round in 0..500 {
            let (registry, barrier) = (registry(64), Barrier::new(THREADS));
            let made = AtomicU32::new(0);
            let seen: Vec<HashMap<String, usize>> = thread::scope(|scope| {
                let threads: Vec<_> = (0..THREADS)
                    .map(|me| {
                        let (registry, barrier, made) = (&registry, &barrier, &made);
                        scope.spawn(move || {
                            barrier.wait();
                            let keys = (0..16).map(|i| (i * (me + 1) + round) % 16);
                            keys.map(|key| {
                                let key = key.to_string();
                                let entry = registry.get_or_insert_with(&key, || {
                                    made.fetch_add(1, Ordering::Relaxed);
                                    site(&key, me)
                                });
                                assert_eq!(entry.name(), key);
                                (key, entry.made_by)
                            })
                            .collect()
                        })
                    })
                    .collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            for (key, made_by) in seen.iter().flatten() {
                assert_eq!(registry.get(key).unwrap().made_by, *made_by, "one value for all");
            }
            let distinct: HashSet<&String> = seen.iter().flatten().map(|(key, _)| key).collect();
            assert_eq!(
                (registry.count(), registry.iter().count()),
                (distinct.len(), distinct.len())
            );
            assert!(made.load(Ordering::Relaxed) as usize >= distinct.len());
        }
    }

    proptest! {
        #[test]
        fn it_is_a_bounded_map(max in 1..20_usize, keys in prop::collection::vec("[a-e]{0,2}", 0..200)) {
            let registry = registry(max);
            let mut model = HashMap::new();
            for (round, key) in keys.iter().enumerate() {
                let entry = registry.get_or_insert_with(key, || site(key, round));
                let full = model.len() == max;
                if let Some(made_by) = model.get(key) {
                    prop_assert_eq!(entry.made_by, *made_by);
                } else if full {
                    prop_assert!(entry.overflowed() && entry.name() == "other");
                } else {
                    prop_assert_eq!(entry.made_by, round);
                    model.insert(key.clone(), round);
                }
                prop_assert_eq!(registry.count(), model.len());
            }
        }
    }
}
