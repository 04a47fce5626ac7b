//! What the models have in common. Empty unless built with `--cfg rego_loom`.

#![cfg(rego_loom)]

use std::sync::atomic::{AtomicUsize, Ordering};

/// Explores every interleaving of `model` with at most `LOOM_MAX_PREEMPTIONS` preemptions (2 unless
/// told otherwise), and prints how many there were.
///
/// # Panics
///
/// If the model does in any of them, or if there is only one: then nothing raced.
pub fn explore(name: &str, model: impl Fn() + Sync + Send + 'static) {
    explore_within(bound(), name, model);
}

/// As [`explore`], with one preemption less: for models of many steps.
///
/// # Panics
///
/// As [`explore`].
pub fn explore_large(name: &str, model: impl Fn() + Sync + Send + 'static) {
    explore_within(bound() - 1, name, model);
}

fn bound() -> usize {
    loom::model::Builder::new().preemption_bound.unwrap_or(2)
}

fn explore_within(bound: usize, name: &str, model: impl Fn() + Sync + Send + 'static) {
    static EXPLORED: AtomicUsize = AtomicUsize::new(0);
    static ONE_AT_A_TIME: std::sync::Mutex<()> = std::sync::Mutex::new(());

    // A model that fails leaves the lock poisoned; the others are still worth exploring.
    let alone = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(bound);
    builder.max_branches = 10_000;
    EXPLORED.store(0, Ordering::Relaxed);
    builder.check(move || {
        EXPLORED.fetch_add(1, Ordering::Relaxed);
        model();
    });
    let explored = EXPLORED.load(Ordering::Relaxed);
    println!("{name}: {explored} interleavings with at most {bound} preemptions");
    assert!(explored > 1, "nothing raced in {name}");
    drop(alone);
}
