//! What a call that was not answered gives its caller.

use std::{error, fmt, time::Duration};

use crate::verdict::Verdict;

/// How a call failed: the verdict, and the last real error.
///
/// ```
/// use rego::{Engine, Policy, Verdict};
///
/// let engine = Engine::builder()
///     .policy("svc.Get", Policy::builder().max_attempts(1).build()?)
///     .build()?;
/// let error = engine.run("svc.Get", |_| Err::<(), _>("no luck")).unwrap_err();
/// assert_eq!(error.verdict, Verdict::MaxAttempts);
/// assert_eq!((error.attempts, error.last), (1, Some("no luck")));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Error<E> {
    /// How the call ended and why.
    pub verdict: Verdict,
    /// How many attempts were launched.
    pub attempts: u32,
    /// The last real error; `None` if no attempt came back with one.
    pub last: Option<E>,
    /// How long the server wants to be left alone, if it said so last.
    pub retry_after: Option<Duration>,
}

impl<E> Error<E> {
    /// The last real error.
    pub fn into_last(self) -> Option<E> {
        self.last
    }
}

impl<E: fmt::Display> fmt::Display for Error<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.attempts == 1 { "" } else { "s" };
        write!(f, "{} after {} attempt{plural}", self.verdict, self.attempts)?;
        if let Some(wait) = self.retry_after {
            write!(f, " (retry after {wait:?})")?;
        }
        match &self.last {
            Some(last) => write!(f, ": {last}"),
            None => Ok(()),
        }
    }
}

impl<E: error::Error + 'static> error::Error for Error<E> {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.last.as_ref().map(|last| last as _)
    }
}
