//! `registry`: a key has one value, and whoever finds it finds it whole.
#![cfg(rego_loom)]
#![allow(clippy::unwrap_used, reason = "a model fails by panicking")]

use loom::{cell::UnsafeCell, sync::Arc, thread};
use loom_tests::explore;
use rego::rooms::registry::{Named, Registry};

/// loom notices if `made_by` is read without an edge from its writing.
struct Site {
    name: &'static str,
    made_by: UnsafeCell<u32>,
}

// SAFETY: because `made_by` is written before the value is shared, which the models check.
unsafe impl Sync for Site {}

impl Named for Site {
    fn name(&self) -> &str {
        self.name
    }
}

fn site(name: &'static str, made_by: u32) -> Arc<Site> {
    let site = Site { name, made_by: UnsafeCell::new(0) };
    site.made_by.with_mut(|by| {
        // SAFETY: because nobody else has the value yet.
        unsafe { *by = made_by }
    });
    Arc::new(site)
}

fn made_by(site: &Site) -> u32 {
    site.made_by.with(|by| {
        // SAFETY: because it was written before the value was shared; loom tells if not.
        unsafe { *by }
    })
}

fn registry(max: usize) -> Arc<Registry<Site>> {
    Arc::new(Registry::new(max, site("other", 0)))
}

#[test]
fn threads_that_race_for_a_key_get_one_value() {
    explore("registry: two insert the same key, one looks", || {
        let registry = registry(2);
        let threads: Vec<_> = [1, 2]
            .into_iter()
            .map(|me| {
                let registry = Arc::clone(&registry);
                thread::spawn(move || made_by(&registry.get_or_insert_with("a", || site("a", me))))
            })
            .collect();
        let other = Arc::clone(&registry);
        let looking = thread::spawn(move || other.get("a").map(|site| made_by(&site)));
        let seen: Vec<u32> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        assert_eq!(seen[0], seen[1], "one key, two values");
        assert!(looking.join().unwrap().is_none_or(|by| by == seen[0]));
        assert_eq!((registry.count(), registry.iter().count()), (1, 1));
    });
}

#[test]
fn the_bound_holds_whoever_races_for_the_last_place() {
    explore("registry: two keys, room for one", || {
        let registry = registry(1);
        let threads: Vec<_> = ["a", "b"]
            .into_iter()
            .map(|key| {
                let registry = Arc::clone(&registry);
                thread::spawn(move || {
                    let entry = registry.get_or_insert_with(key, || site(key, 1));
                    assert_eq!(entry.name(), if entry.overflowed() { "other" } else { key });
                    entry.overflowed()
                })
            })
            .collect();
        let overflowed = threads.into_iter().map(|thread| thread.join().unwrap());
        assert_eq!(overflowed.filter(|&over| over).count(), 1);
        assert_eq!((registry.count(), registry.iter().count()), (1, 1));
    });
}

#[test]
fn a_share_outlives_the_registry() {
    explore("registry: a value is shared while the registry goes", || {
        let registry = registry(2);
        let other = Arc::clone(&registry);
        let one = thread::spawn(move || {
            let kept = other.get_or_insert_with("a", || site("a", 1)).to_arc();
            drop(other);
            made_by(&kept)
        });
        let two = thread::spawn(move || registry.get("a").map(|site| made_by(&site)));
        assert_eq!(one.join().unwrap(), 1);
        assert!(two.join().unwrap().is_none_or(|by| by == 1));
    });
}
