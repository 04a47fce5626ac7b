//! Putting a thread to sleep until somebody wakes it or a time comes.
//!
//! A wake-up is a token, of which there is one at most: `unpark` leaves it, `park` takes it or waits
//! for it. So whoever changes what a sleeper waits for and then unparks is not missed by a sleeper
//! that looks and then parks, whichever comes first. What was written before `unpark` happens-before
//! what follows the `park` that it ends; rooms rely on their own words all the same.

use std::time::Duration;

/// Sleeps on the thread that made it. A wake-up that comes first is kept.
#[derive(Debug)]
pub(crate) struct Parker(imp::Parker);

/// Wakes the thread of one [`Parker`], from any thread, any number of times.
#[derive(Clone, Debug)]
pub(crate) struct Unparker(imp::Unparker);

impl Parker {
    /// A parker for the calling thread.
    pub(crate) fn new() -> Self {
        Self(imp::Parker::new())
    }

    pub(crate) fn unparker(&self) -> Unparker {
        Unparker(self.0.unparker())
    }

    /// Sleeps until woken or until `timeout` is over; `None` waits for ever. May wake early: the
    /// caller looks at its condition again.
    pub(crate) fn park(&self, timeout: Option<Duration>) {
        self.0.park(timeout);
    }
}

impl Unparker {
    pub(crate) fn unpark(&self) {
        self.0.unpark();
    }
}

#[cfg(not(rego_loom))]
mod imp {
    use std::{marker::PhantomData, thread, time::Duration};

    /// Not `Send`: the thread that made it is the one that sleeps.
    #[derive(Debug)]
    pub(super) struct Parker(PhantomData<*const ()>);

    #[derive(Clone, Debug)]
    pub(super) struct Unparker(thread::Thread);

    impl Parker {
        pub(super) fn new() -> Self {
            Self(PhantomData)
        }

        pub(super) fn unparker(&self) -> Unparker {
            Unparker(thread::current())
        }

        pub(super) fn park(&self, timeout: Option<Duration>) {
            match timeout {
                None => thread::park(),
                Some(timeout) => {
                    fine_timer_slack();
                    thread::park_timeout(timeout);
                }
            }
        }
    }

    impl Unparker {
        pub(super) fn unpark(&self) {
            self.0.unpark();
        }
    }

    /// Linux rounds a sleeping thread's wake-up by its timer slack, 50 µs unless told otherwise:
    /// half of the lateness of a short wait. Once per thread that waits for rego.
    fn fine_timer_slack() {
        #[cfg(target_os = "linux")]
        {
            thread_local! {
                static SET: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
            }
            if SET.try_with(|set| set.replace(true)).unwrap_or(true) {
                return;
            }
            let one_nanosecond: libc::c_ulong = 1;
            // SAFETY: because PR_SET_TIMERSLACK takes one integer and touches no memory of ours.
            unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, one_nanosecond) };
        }
    }
}

/// loom has no parking with a timeout: a timed park is a yield, so the model explores it as a
/// wake-up that may come at any time.
#[cfg(rego_loom)]
mod imp {
    use std::time::Duration;

    use loom::sync::{Arc, Condvar, Mutex};

    #[derive(Debug)]
    pub(super) struct Parker(Unparker);

    #[derive(Clone, Debug)]
    pub(super) struct Unparker(Arc<(Mutex<bool>, Condvar)>);

    impl Parker {
        pub(super) fn new() -> Self {
            Self(Unparker(Arc::new((Mutex::new(false), Condvar::new()))))
        }

        pub(super) fn unparker(&self) -> Unparker {
            self.0.clone()
        }

        pub(super) fn park(&self, timeout: Option<Duration>) {
            const WHY: &str = "loom ends the model when a thread panics";
            if timeout.is_some() {
                loom::thread::yield_now();
                *self.0.0.0.lock().expect(WHY) = false;
                return;
            }
            let mut woken = self.0.0.0.lock().expect(WHY);
            while !*woken {
                woken = self.0.0.1.wait(woken).expect(WHY);
            }
            *woken = false;
        }
    }

    impl Unparker {
        pub(super) fn unpark(&self) {
            *self.0.0.lock().expect("loom ends the model when a thread panics") = true;
            self.0.1.notify_one();
        }
    }
}
