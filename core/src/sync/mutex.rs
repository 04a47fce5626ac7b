//! A mutex that is never poisoned; loom's under the model checker. Cold paths only.

/// A mutual exclusion lock for cold paths.
#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(Inner<T>);

#[cfg(not(rego_loom))]
type Inner<T> = parking_lot::Mutex<T>;
#[cfg(rego_loom)]
type Inner<T> = loom::sync::Mutex<T>;

#[cfg(not(rego_loom))]
pub(crate) type Guard<'a, T> = parking_lot::MutexGuard<'a, T>;
#[cfg(rego_loom)]
pub(crate) type Guard<'a, T> = loom::sync::MutexGuard<'a, T>;

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Inner::new(value))
    }

    /// Waits for the lock.
    pub(crate) fn lock(&self) -> Guard<'_, T> {
        #[cfg(not(rego_loom))]
        let guard = self.0.lock();
        #[cfg(rego_loom)]
        let guard = self.0.lock().expect("loom ends the model when a thread panics");
        guard
    }
}
