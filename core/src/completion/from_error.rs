//! Facts from Rust errors.

use std::{any::Any, error::Error, io};

use super::Completion;

impl Completion {
    /// The facts of an error of which nothing but its type is known: an `io::Error` gives its
    /// kind, anything else [`Completion::app`] with code 0. One type comparison; no allocation.
    #[must_use]
    pub fn from_any(error: &dyn Any) -> Self {
        error.downcast_ref::<io::Error>().map_or(Self::app(0), Self::from_io)
    }

    /// The facts of the first error in the chain of [`source`](Error::source)s that says
    /// something: an `io::Error` gives its kind.
    ///
    /// ```
    /// use std::io;
    /// use rego::{Completion, CompletionKind, IoKind};
    ///
    /// let reset = io::Error::from(io::ErrorKind::ConnectionReset);
    /// let facts = Completion::from_error(&reset);
    /// assert_eq!(facts.kind, CompletionKind::Io(IoKind::ConnectionReset));
    /// ```
    #[must_use]
    pub fn from_error(error: &(dyn Error + 'static)) -> Self {
        let mut next = Some(error);
        // A chain that runs in a circle must not hold up the call.
        for _ in 0..32 {
            let Some(error) = next else { break };
            if let Some(error) = error.downcast_ref::<io::Error>() {
                return Self::from_io(error);
            }
            next = error.source();
        }
        Self::app(0)
    }

    fn from_io(error: &io::Error) -> Self {
        Self::io(error.kind()).code(error.raw_os_error().unwrap_or(0))
    }
}
