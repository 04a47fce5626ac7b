//! What the models have in common. Empty unless built with `--cfg rego_loom`.

#![cfg(rego_loom)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

/// Explores every interleaving of `model` with at most `LOOM_MAX_PREEMPTIONS` preemptions (2 unless
/// told otherwise), for at most `LOOM_MAX_DURATION` seconds, and prints how many there were.
///
/// # Panics
///
/// If the model does in any of them, or if there is only one: then nothing raced.
pub fn explore(name: &str, model: impl Fn() + Sync + Send + 'static) -> Explored {
    explore_within(bound(), name, model)
}

/// As [`explore`], with one preemption less: for models of many steps.
///
/// # Panics
///
/// As [`explore`].
pub fn explore_large(name: &str, model: impl Fn() + Sync + Send + 'static) -> Explored {
    explore_within(bound() - 1, name, model)
}

fn bound() -> usize {
    loom::model::Builder::new().preemption_bound.unwrap_or(2)
}

fn explore_within(bound: usize, name: &str, model: impl Fn() + Sync + Send + 'static) -> Explored {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(bound);
    builder.max_branches = 10_000;
    // How often it looks whether `LOOM_MAX_DURATION` is over.
    builder.checkpoint_interval = 1_000;
    let explored = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&explored);
    let start = Instant::now();
    builder.check(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        model();
    });
    let took = start.elapsed();
    let explored = explored.load(Ordering::Relaxed);
    let cut = builder.max_duration.is_some_and(|most| took >= most);
    let end = if cut { format!("{NOT_ALL} {} s", took.as_secs()) } else { String::new() };
    println!("{name}: {explored} interleavings with at most {bound} preemptions{end}");
    assert!(explored > 1, "nothing raced in {name}");
    if cut { Explored::InPart } else { Explored::All }
}

/// How much of a model was explored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Explored {
    /// Every interleaving within the bound.
    All,
    /// `LOOM_MAX_DURATION` was over first.
    InPart,
}

/// How a model says that there was more to explore than time.
const NOT_ALL: &str = ", not all there are: stopped after";
