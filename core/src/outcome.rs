//! What a classifier makes of a completion.

use std::{borrow::Cow, fmt};

use crate::{clock::Nanos, completion::IoKind};

/// What a classifier makes of a completion: is it good, may it be tried again, how soon.
///
/// ```
/// use rego::{Class, Outcome, OutcomeKind};
///
/// let outcome = Outcome::retryable(Class::Throttled).backoff(rego::Nanos::from_millis(40));
/// assert_eq!(outcome.kind, OutcomeKind::Retryable);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outcome {
    /// What follows from it.
    pub kind: OutcomeKind,
    /// What sort of failure it was; policies may have rules per class.
    pub class: Class,
    /// Why: one of a closed list.
    pub reason: Reason,
    /// The server's or the classifier's own wait before the next attempt, instead of the
    /// policy's backoff. Never shortened.
    pub backoff_override: Option<Nanos>,
}

/// What follows from an attempt's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum OutcomeKind {
    /// The call is answered.
    Success = 0,
    /// Another attempt may help.
    Retryable = 1,
    /// Another attempt would not help, or might do harm.
    NonRetryable = 2,
    /// The whole call must end now.
    Abort = 3,
}

/// What sort of failure an attempt met.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Class {
    /// Nothing is known.
    #[default]
    Unknown = 0,
    /// A passing fault of the network or the peer.
    Transient = 1,
    /// The peer asks for less.
    Throttled = 2,
    /// Time was up.
    Timeout = 3,
    /// The request was not processed.
    NotSent = 4,
    /// A fault of the server's.
    Server = 5,
}

/// Why an attempt's outcome is what it is: a closed list, written down in
/// `docs/reference/reasons.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each is explained in its `describe`")]
pub enum Reason {
    Success,
    Retryable,
    NonRetryable,
    Abort,
    Timeout,
    CancelledInternal(CancelReason),
    CancelledExternal,
    Panic,
    PanicInClassifier,
    ClassifierTypeMismatch,
    NonIdempotent,
    Http(u16),
    HttpNonIdempotent,
    HttpTransportError,
    HttpNonRetryableStatus,
    Grpc(u8),
    Io(IoKind),
    Errno(i32),
    UnknownError,
}

/// Why the engine asked an attempt to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum CancelReason {
    /// Another attempt of its group won.
    LostRace = 0,
    /// Another attempt of its group ended the call.
    Terminal = 1,
    /// The call's or the attempt's time was up.
    Deadline = 2,
    /// The caller cancelled the call.
    Caller = 3,
    /// The engine is shutting down.
    Shutdown = 4,
}

impl Outcome {
    /// The call is answered.
    #[must_use]
    pub const fn success() -> Self {
        Self::new(OutcomeKind::Success, Class::Unknown, Reason::Success)
    }

    /// Another attempt may help.
    #[must_use]
    pub const fn retryable(class: Class) -> Self {
        Self::new(OutcomeKind::Retryable, class, Reason::Retryable)
    }

    /// Another attempt would not help.
    #[must_use]
    pub const fn non_retryable(class: Class) -> Self {
        Self::new(OutcomeKind::NonRetryable, class, Reason::NonRetryable)
    }

    /// The whole call must end now.
    #[must_use]
    pub const fn abort() -> Self {
        Self::new(OutcomeKind::Abort, Class::Unknown, Reason::Abort)
    }

    pub(crate) const fn new(kind: OutcomeKind, class: Class, reason: Reason) -> Self {
        Self { kind, class, reason, backoff_override: None }
    }

    /// With this reason.
    #[must_use]
    pub const fn because(mut self, reason: Reason) -> Self {
        self.reason = reason;
        self
    }

    /// With a wait of its own before the next attempt.
    #[must_use]
    pub const fn backoff(mut self, wait: Nanos) -> Self {
        self.backoff_override = Some(wait);
        self
    }

    /// Whether the server answered: a success, or a failure that is not overload. What funds
    /// budgets: a server that answers is a server that can take a retry.
    #[must_use]
    pub(crate) const fn is_answer(&self) -> bool {
        match self.kind {
            OutcomeKind::Success => true,
            OutcomeKind::NonRetryable => {
                !matches!(self.class, Class::Throttled | Class::Timeout | Class::NotSent)
                    && !matches!(
                        self.reason,
                        // Nobody answered, or only idempotency forbids another attempt.
                        Reason::Panic
                            | Reason::PanicInClassifier
                            | Reason::Io(_)
                            | Reason::Errno(_)
                            | Reason::NonIdempotent
                            | Reason::HttpNonIdempotent
                    )
            }
            OutcomeKind::Retryable | OutcomeKind::Abort => false,
        }
    }
}

impl OutcomeKind {
    /// The name used in records and metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Retryable => "retryable",
            Self::NonRetryable => "non_retryable",
            Self::Abort => "abort",
        }
    }
}

impl Class {
    /// Every class there is.
    pub const ALL: [Self; 6] = [
        Self::Unknown,
        Self::Transient,
        Self::Throttled,
        Self::Timeout,
        Self::NotSent,
        Self::Server,
    ];

    /// The name used in policies, records and metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Transient => "transient",
            Self::Throttled => "throttled",
            Self::Timeout => "timeout",
            Self::NotSent => "not_sent",
            Self::Server => "server",
        }
    }
}

impl CancelReason {
    /// Every reason there is.
    pub const ALL: [Self; 5] =
        [Self::LostRace, Self::Terminal, Self::Deadline, Self::Caller, Self::Shutdown];

    /// The name used in records and metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::LostRace => "lost_race",
            Self::Terminal => "terminal",
            Self::Deadline => "deadline",
            Self::Caller => "caller",
            Self::Shutdown => "shutdown",
        }
    }
}

impl Reason {
    /// One of each, for references and tests.
    #[doc(hidden)]
    pub const EXAMPLES: &[Self] = &[
        Self::Success,
        Self::Retryable,
        Self::NonRetryable,
        Self::Abort,
        Self::Timeout,
        Self::CancelledInternal(CancelReason::LostRace),
        Self::CancelledInternal(CancelReason::Terminal),
        Self::CancelledInternal(CancelReason::Deadline),
        Self::CancelledInternal(CancelReason::Caller),
        Self::CancelledInternal(CancelReason::Shutdown),
        Self::CancelledExternal,
        Self::Panic,
        Self::PanicInClassifier,
        Self::ClassifierTypeMismatch,
        Self::NonIdempotent,
        Self::Http(503),
        Self::HttpNonIdempotent,
        Self::HttpTransportError,
        Self::HttpNonRetryableStatus,
        Self::Grpc(14),
        Self::Io(IoKind::ConnectionReset),
        Self::Errno(104),
        Self::UnknownError,
    ];

    /// The name used in records and metrics: `http_503`, `io_connection_reset`, …
    #[must_use]
    pub fn label(self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Success => "success",
            Self::Retryable => "retryable",
            Self::NonRetryable => "non_retryable",
            Self::Abort => "abort",
            Self::Timeout => "timeout",
            Self::CancelledInternal(why) => match why {
                CancelReason::LostRace => "cancelled_internal_lost_race",
                CancelReason::Terminal => "cancelled_internal_terminal",
                CancelReason::Deadline => "cancelled_internal_deadline",
                CancelReason::Caller => "cancelled_internal_caller",
                CancelReason::Shutdown => "cancelled_internal_shutdown",
            },
            Self::CancelledExternal => "cancelled_external",
            Self::Panic => "panic",
            Self::PanicInClassifier => "panic_in_classifier",
            Self::ClassifierTypeMismatch => "classifier_type_mismatch",
            Self::NonIdempotent => "non_idempotent",
            Self::HttpNonIdempotent => "http_non_idempotent",
            Self::HttpTransportError => "http_transport_error",
            Self::HttpNonRetryableStatus => "http_non_retryable_status",
            Self::UnknownError => "unknown_error",
            Self::Http(status) => return Cow::Owned(format!("http_{status}")),
            Self::Grpc(code) => return Cow::Owned(format!("grpc_{code}")),
            Self::Io(kind) => return Cow::Owned(format!("io_{}", kind.label())),
            Self::Errno(number) => return Cow::Owned(format!("errno_{number}")),
        })
    }

    /// One sentence for people.
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Success => "The attempt worked.",
            Self::Retryable => "The classifier or the operation calls it worth another attempt.",
            Self::NonRetryable => {
                "The classifier or the operation says another attempt would not help."
            }
            Self::Abort => "The classifier or the operation ends the whole call.",
            Self::Timeout => "The attempt's own time was up.",
            Self::CancelledInternal(CancelReason::LostRace) => "Another attempt of its group won.",
            Self::CancelledInternal(CancelReason::Terminal) => {
                "Another attempt of its group ended the call."
            }
            Self::CancelledInternal(CancelReason::Deadline) => {
                "The call's time was up while the attempt ran."
            }
            Self::CancelledInternal(CancelReason::Caller) => {
                "The caller cancelled the call while the attempt ran."
            }
            Self::CancelledInternal(CancelReason::Shutdown) => {
                "The engine was shut down while the attempt ran."
            }
            Self::CancelledExternal => "The operation says it was cancelled by somebody else.",
            Self::Panic => "The operation panicked.",
            Self::PanicInClassifier => {
                "The classifier panicked; the attempt counts as not retryable."
            }
            Self::ClassifierTypeMismatch => {
                "The classifier does not understand facts of this kind."
            }
            Self::NonIdempotent => {
                "The request may have been processed, and the call is not idempotent."
            }
            Self::Http(_) => "The HTTP status of a response that is worth another attempt.",
            Self::HttpNonIdempotent => {
                "The HTTP request may have been processed, and its method must not be repeated."
            }
            Self::HttpTransportError => "The HTTP exchange failed below HTTP.",
            Self::HttpNonRetryableStatus => "The HTTP status says another attempt would not help.",
            Self::Grpc(_) => "The gRPC status code.",
            Self::Io(_) => "The kind of the I/O error.",
            Self::Errno(_) => "The number of the operating-system error.",
            Self::UnknownError => "An error of which nothing is known.",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.label())
    }
}
