//! A cell whose exclusion is proved by the room that uses it; loom checks every access.

/// An `UnsafeCell` with loom's access tracking.
#[derive(Debug, Default)]
#[repr(transparent)]
pub struct Cell<T: ?Sized>(Inner<T>);

#[cfg(not(rego_loom))]
type Inner<T> = std::cell::UnsafeCell<T>;
#[cfg(rego_loom)]
type Inner<T> = loom::cell::UnsafeCell<T>;

impl<T> Cell<T> {
    pub fn new(value: T) -> Self {
        Self(Inner::new(value))
    }
}

impl<T> Cell<T> {
    /// Runs `f` on a pointer through which the value may be read.
    ///
    /// The pointer is valid for the length of `f`; reading through it is the caller's proof.
    #[inline]
    pub fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
        #[cfg(not(rego_loom))]
        let answer = f(self.0.get());
        #[cfg(rego_loom)]
        let answer = self.0.with(f);
        answer
    }

    /// Runs `f` on a pointer through which the value may be written.
    ///
    /// The pointer is valid for the length of `f`; being the only one there is the caller's proof.
    #[inline]
    pub fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        #[cfg(not(rego_loom))]
        let answer = f(self.0.get());
        #[cfg(rego_loom)]
        let answer = self.0.with_mut(f);
        answer
    }
}
