//! `drive/cancel`: a hook runs or is taken back, once; when its guard is gone, so is the hook.
#![cfg(rego_loom)]
#![allow(clippy::unwrap_used, reason = "a model fails by panicking")]

use loom::{cell::UnsafeCell, sync::Arc, thread};
use loom_tests::explore;
use rego::{CancelGuard, rooms::cancel::Signal};

/// What a hook closes and the guard's owner uses again. loom notices if there is no edge between
/// them.
#[derive(Default)]
struct Descriptor {
    closed: UnsafeCell<u32>,
}

// SAFETY: because `closed` is touched by the hook while there is one, and by the guard's owner
// afterwards, which the models check.
unsafe impl Sync for Descriptor {}
// SAFETY: because it is a number.
unsafe impl Send for Descriptor {}

fn close(descriptor: &Descriptor) {
    descriptor.closed.with_mut(|closed| {
        // SAFETY: because the descriptor is this thread's; loom tells if it is not.
        unsafe { *closed += 1 }
    });
}

/// A hook and what it closes. Not loom's `Arc`: giving one up would be an edge of its own.
fn hook(signal: &Signal) -> (CancelGuard, std::sync::Arc<Descriptor>) {
    let descriptor = std::sync::Arc::new(Descriptor::default());
    let theirs = std::sync::Arc::clone(&descriptor);
    (signal.on_raise(move || close(&theirs)), descriptor)
}

/// How often the hook ran, once its guard is gone.
fn ran(descriptor: std::sync::Arc<Descriptor>) -> u32 {
    close(&descriptor);
    let descriptor = std::sync::Arc::into_inner(descriptor).expect("nothing is left of the hook");
    descriptor.closed.into_inner() - 1
}

/// A panic in a hook would be contained, one of loom's too.
fn raise(signal: &Arc<Signal>) -> thread::JoinHandle<()> {
    let signal = Arc::clone(signal);
    thread::spawn(move || assert_eq!(signal.raise().run(), 0, "a hook panicked"))
}

#[test]
fn when_the_guard_is_gone_so_is_the_hook() {
    explore("cancel: two raise, one drops its guard", || {
        let signal = Arc::new(Signal::default());
        let (guard, descriptor) = hook(&signal);
        let dropping = thread::spawn(move || {
            drop(guard);
            assert!(ran(descriptor) <= 1);
        });
        let raising = [(); 2].map(|()| raise(&signal));
        dropping.join().unwrap();
        raising.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn a_hook_that_comes_while_the_signal_is_raised_runs_once() {
    explore("cancel: two raise, two hang hooks", || {
        let signal = Arc::new(Signal::default());
        let hanging = [(); 2].map(|()| {
            let signal = Arc::clone(&signal);
            thread::spawn(move || hook(&signal))
        });
        let raising = [(); 2].map(|()| raise(&signal));
        let hung = hanging.map(|thread| thread.join().unwrap());
        raising.into_iter().for_each(|thread| thread.join().unwrap());
        for (guard, descriptor) in hung {
            drop(guard);
            assert_eq!(ran(descriptor), 1);
        }
    });
}

#[test]
fn what_came_before_a_cancel_is_seen_with_it() {
    explore("cancel: one raises, one asks", || {
        let signal = Arc::new(Signal::default());
        let descriptor = Arc::new(Descriptor::default());
        let raising = {
            let (signal, descriptor) = (Arc::clone(&signal), Arc::clone(&descriptor));
            thread::spawn(move || {
                close(&descriptor);
                assert_eq!(signal.raise().run(), 0);
            })
        };
        let asking = thread::spawn(move || {
            if signal.is_raised() {
                close(&descriptor);
            }
        });
        raising.join().unwrap();
        asking.join().unwrap();
    });
}

#[test]
fn a_hook_may_drop_its_own_guard_while_another_waits() {
    explore("cancel: one raises, its hook and another thread drop guards", || {
        let signal = Arc::new(Signal::default());
        let (guard, descriptor) = hook(&signal);
        let own = Arc::new(loom::sync::Mutex::new(None));
        let mine = Arc::clone(&own);
        let last = signal.on_raise(move || drop(mine.lock().unwrap().take()));
        *own.lock().unwrap() = Some(last);
        let raising = raise(&signal);
        let dropping = thread::spawn(move || {
            drop(guard);
            assert!(ran(descriptor) <= 1);
        });
        raising.join().unwrap();
        dropping.join().unwrap();
        assert!(own.lock().unwrap().is_none());
    });
}
