//! Seeds: what decides all random draws of a call.

#![expect(clippy::disallowed_types, reason = "statics, which no model has a part in")]

use std::{
    cell::Cell,
    hash::{BuildHasher, RandomState},
    sync::{Once, atomic::AtomicU64 as ForkCount},
};

use crate::sync::{AtomicU64, Ordering};

/// Where an engine's calls take their seeds from.
#[derive(Debug)]
pub(crate) enum Seeds {
    /// A stream per thread or place, different in every process, forked ones too. Writes no shared
    /// memory.
    Random,
    /// A sequence: the same calls in the same order draw the same. For tests and simulation.
    Fixed { seed: u64, calls: AtomicU64 },
}

/// Steps of the additive sequence behind splitmix64 (Steele, Lea, Flood, OOPSLA 2014).
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// How often this process came out of a fork. A child inherits its parent's thread-local streams
/// to the bit; without this, both would draw the same jitter.
static FORKS: ForkCount = ForkCount::new(0);

impl Seeds {
    pub(crate) fn random() -> Self {
        watch_forks();
        Self::Random
    }

    pub(crate) fn fixed(seed: u64) -> Self {
        Self::Fixed { seed, calls: AtomicU64::new(0) }
    }

    /// The seed of the next call at a place with a stream of its own.
    #[inline]
    pub(crate) fn next_of(&self, stream: &mut Stream) -> u64 {
        match self {
            Self::Random => seed_of(stream.step()),
            Self::Fixed { .. } => self.next(),
        }
    }

    /// The seed of the next call.
    #[inline]
    pub(crate) fn next(&self) -> u64 {
        match self {
            Self::Random => seed_of(stream()),
            Self::Fixed { seed, calls } => {
                // Relaxed: only the number matters.
                let call = calls.fetch_add(1, Ordering::Relaxed);
                mix(seed.wrapping_add(call.wrapping_mul(STEP)))
            }
        }
    }
}

/// A stream of seeds, for a place where calls follow each other; whoever has the place has the
/// stream. Cheaper than a thread's own where that is to be looked for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stream(u64);

impl Stream {
    #[inline]
    fn step(&mut self) -> u64 {
        self.0 = match self.0 {
            0 => first(),
            now => now.wrapping_add(STEP),
        };
        self.0
    }
}

#[cold]
fn first() -> u64 {
    // Never 0, which stands for a stream that has not begun.
    RandomState::new().hash_one(STEP) | 1
}

#[inline]
fn stream() -> u64 {
    thread_local! {
        static STREAM: Cell<Stream> = const { Cell::new(Stream(0)) };
    }
    STREAM
        .try_with(|stream| {
            let mut mine = stream.get();
            let now = mine.step();
            stream.set(mine);
            now
        })
        // The thread is being torn down: its last calls share a seed.
        .unwrap_or(STEP)
}

#[inline]
fn seed_of(now: u64) -> u64 {
    // Relaxed: written in the child before it has a second thread.
    mix(now ^ FORKS.load(Ordering::Relaxed))
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

fn watch_forks() {
    #[cfg(unix)]
    {
        extern "C" fn in_child() {
            // Relaxed: a child has one thread when this runs.
            let parents = FORKS.load(Ordering::Relaxed);
            let child = u64::from(std::process::id()).wrapping_mul(STEP);
            // Relaxed: as above; the child has its own copy of this.
            FORKS.store(parents ^ child, Ordering::Relaxed);
        }
        static WATCH: Once = Once::new();
        WATCH.call_once(|| {
            // SAFETY: because the handler only touches an atomic, which is allowed in the child
            // of a fork, and lives as long as the process.
            unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_differ_within_and_between_threads() {
        let seeds = Seeds::random();
        let mut all: Vec<u64> = (0..1_000).map(|_| seeds.next()).collect();
        std::thread::scope(|scope| {
            let others = scope.spawn(|| (0..1_000).map(|_| seeds.next()).collect::<Vec<_>>());
            all.extend(others.join().expect("no panic"));
        });
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 2_000);
    }

    #[test]
    fn fixed_seeds_repeat() {
        let draw = || {
            let seeds = Seeds::fixed(7);
            [seeds.next(), seeds.next(), seeds.next()]
        };
        assert_eq!(draw(), draw());
        assert_ne!(draw()[0], draw()[1]);
    }

    /// A forked child draws other jitter than its parent.
    #[cfg(unix)]
    #[test]
    fn a_forked_child_draws_differently() {
        let seeds = Seeds::random();
        let _ = seeds.next();
        let mut pipe = [0; 2];
        // SAFETY: because `pipe` has room for the two descriptors.
        assert_eq!(unsafe { libc::pipe(pipe.as_mut_ptr()) }, 0);
        // SAFETY: because the child below only does what is allowed after a fork: arithmetic on
        // its own memory, write and _exit.
        let child = unsafe { libc::fork() };
        let next = seeds.next();
        if child == 0 {
            let bytes = next.to_ne_bytes();
            // SAFETY: because the buffer is valid for its length.
            unsafe { libc::write(pipe[1], bytes.as_ptr().cast(), bytes.len()) };
            // SAFETY: because it only ends the child.
            unsafe { libc::_exit(0) };
        }
        let mut bytes = [0u8; 8];
        // SAFETY: because the buffer is valid for its length.
        let read = unsafe { libc::read(pipe[0], bytes.as_mut_ptr().cast(), bytes.len()) };
        // SAFETY: because a null status is allowed, and the child is ours.
        unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
        assert_eq!(read, 8);
        assert_ne!(u64::from_ne_bytes(bytes), next);
    }
}
