//! How a call ended and why: the closed list of reasons.

use std::fmt;

/// How a call ended and why. A closed list, in the order of precedence: where several hold at
/// once, the first is told.
///
/// ```
/// use rego::Verdict;
///
/// assert!(Verdict::Success.is_success());
/// assert_eq!(Verdict::BudgetDenied.label(), "budget_denied");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Verdict {
    /// An attempt answered.
    Success = 0,
    /// The caller cancelled the call.
    Cancelled = 1,
    /// The engine was shut down.
    Shutdown = 2,
    /// The deadline passed, or the next backoff would not have fitted before it.
    DeadlineExceeded = 3,
    /// An attempt failed in a way that another would not mend.
    NonRetryable = 4,
    /// An attempt ended the whole call.
    Aborted = 5,
    /// The operation panicked, and nothing else answered.
    Panicked = 6,
    /// The server wants to be left alone for longer than the policy or the deadline allows.
    RetryAfterExceedsDeadline = 7,
    /// The policy allows no more attempts for failures of this class.
    MaxAttemptsPerClass = 8,
    /// The policy allows no more attempts.
    MaxAttempts = 9,
    /// The retry budget does not pay for another attempt.
    BudgetDenied = 10,
    /// Too many abandoned attempts of this key still run.
    AbandonedLimit = 11,
    /// The executor took no attempt.
    ExecutorRejected = 12,
    /// The engine stood aside, and the last attempt there was failed: one plain attempt, as a rule.
    PassThrough = 13,
}

impl Verdict {
    /// Every verdict, in the order of precedence.
    pub const ALL: [Self; 14] = [
        Self::Success,
        Self::Cancelled,
        Self::Shutdown,
        Self::DeadlineExceeded,
        Self::NonRetryable,
        Self::Aborted,
        Self::Panicked,
        Self::RetryAfterExceedsDeadline,
        Self::MaxAttemptsPerClass,
        Self::MaxAttempts,
        Self::BudgetDenied,
        Self::AbandonedLimit,
        Self::ExecutorRejected,
        Self::PassThrough,
    ];

    /// Whether an attempt answered.
    #[must_use]
    pub const fn is_success(self) -> bool {
        matches!(self, Self::Success)
    }

    /// The name used in records and metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Cancelled => "cancelled",
            Self::Shutdown => "shutdown",
            Self::DeadlineExceeded => "deadline_exceeded",
            Self::NonRetryable => "non_retryable",
            Self::Aborted => "aborted",
            Self::Panicked => "panicked",
            Self::RetryAfterExceedsDeadline => "retry_after_exceeds_deadline",
            Self::MaxAttemptsPerClass => "max_attempts_per_class",
            Self::MaxAttempts => "max_attempts",
            Self::BudgetDenied => "budget_denied",
            Self::AbandonedLimit => "abandoned_limit",
            Self::ExecutorRejected => "executor_rejected",
            Self::PassThrough => "pass_through",
        }
    }

    /// One sentence for people.
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Success => "An attempt answered.",
            Self::Cancelled => "The caller cancelled the call.",
            Self::Shutdown => "The engine was shut down.",
            Self::DeadlineExceeded => {
                "The deadline passed, or the next backoff would not have fitted before it."
            }
            Self::NonRetryable => "An attempt failed in a way that another would not mend.",
            Self::Aborted => "An attempt ended the whole call.",
            Self::Panicked => "The operation panicked, and nothing else answered.",
            Self::RetryAfterExceedsDeadline => {
                "The server wants to be left alone for longer than the policy or the deadline allows."
            }
            Self::MaxAttemptsPerClass => {
                "The policy allows no more attempts for this class of failure."
            }
            Self::MaxAttempts => "The policy allows no more attempts.",
            Self::BudgetDenied => "The retry budget does not pay for another attempt.",
            Self::AbandonedLimit => "Too many abandoned attempts of this key still run.",
            Self::ExecutorRejected => "The executor took no attempt.",
            Self::PassThrough => "The engine stood aside: one plain attempt, which failed.",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.label())
    }
}

/// What a budget said of one extra attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum BudgetDecision {
    /// It paid.
    Allowed = 0,
    /// The policy wants none.
    NoBudget = 1,
    /// It does not pay: it is spent, or kept while nothing is answered.
    Denied = 2,
    /// The policy names one that is not defined.
    NotFound = 3,
    /// It panicked, which counts as a denial.
    PanicInBudget = 4,
}

impl BudgetDecision {
    /// Every decision there is.
    pub const ALL: [Self; 5] =
        [Self::Allowed, Self::NoBudget, Self::Denied, Self::NotFound, Self::PanicInBudget];

    /// Whether the attempt may be made.
    #[must_use]
    pub const fn is_allowed(self) -> bool {
        matches!(self, Self::Allowed | Self::NoBudget)
    }

    /// The name used in records and metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::NoBudget => "no_budget",
            Self::Denied => "denied",
            Self::NotFound => "not_found",
            Self::PanicInBudget => "panic_in_budget",
        }
    }

    /// One sentence for people.
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Allowed => "The budget paid for the attempt.",
            Self::NoBudget => "The policy wants no budget: the attempt is allowed.",
            Self::Denied => {
                "The budget does not pay: it is spent, or kept while nothing is answered."
            }
            Self::NotFound => "The policy names a budget that is not defined.",
            Self::PanicInBudget => "The budget panicked, which counts as a denial.",
        }
    }
}

/// Why a hedge was not launched, or not the way the policy asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[expect(missing_docs, reason = "each is explained in its `describe`")]
pub enum HedgeReason {
    TriggerCold = 0,
    TriggerNotFound = 1,
    SuspendedOverload = 2,
    NotIdempotent = 3,
    NoExecutor = 4,
    NoTimer = 5,
    Denied = 6,
    DeadlineNear = 7,
    ExecutorRejected = 8,
    AbandonedLimit = 9,
}

impl HedgeReason {
    /// Every reason there is.
    pub const ALL: [Self; 10] = [
        Self::TriggerCold,
        Self::TriggerNotFound,
        Self::SuspendedOverload,
        Self::NotIdempotent,
        Self::NoExecutor,
        Self::NoTimer,
        Self::Denied,
        Self::DeadlineNear,
        Self::ExecutorRejected,
        Self::AbandonedLimit,
    ];

    /// The name used in records and metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::TriggerCold => "trigger_cold",
            Self::TriggerNotFound => "trigger_not_found",
            Self::SuspendedOverload => "suspended_overload",
            Self::NotIdempotent => "not_idempotent",
            Self::NoExecutor => "no_executor",
            Self::NoTimer => "no_timer",
            Self::Denied => "denied",
            Self::DeadlineNear => "deadline_near",
            Self::ExecutorRejected => "executor_rejected",
            Self::AbandonedLimit => "abandoned_limit",
        }
    }

    /// One sentence for people.
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Self::TriggerCold => {
                "Too few samples yet: the fixed delay is used. Not recorded: hedges are launched."
            }
            Self::TriggerNotFound => {
                "The trigger does not exist: the fixed delay is used. Not recorded: a document that \
                 names one is refused."
            }
            Self::SuspendedOverload => "Hedging is suspended: the backend is overloaded.",
            Self::NotIdempotent => "The key is not declared idempotent: hedging is off.",
            Self::NoExecutor => {
                "There is no executor, or the call runs on its caller's thread alone."
            }
            Self::NoTimer => "There is no timer to fire the hedge while the caller is busy.",
            Self::Denied => "The hedge budget does not pay: tried again after the same delay.",
            Self::DeadlineNear => "Too little time is left for a hedge to answer.",
            Self::ExecutorRejected => "The executor took no hedge.",
            Self::AbandonedLimit => "Too many abandoned attempts of this key still run.",
        }
    }
}

/// Where the policy of a call came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum PolicySource {
    /// Nobody gave one: the built-in default.
    #[default]
    Default = 0,
    /// The builder.
    Static = 1,
    /// A file.
    File = 2,
    /// A policy server.
    Remote = 3,
    /// The last good document, kept from before.
    LastKnownGood = 4,
}

impl PolicySource {
    /// Every source there is.
    pub const ALL: [Self; 5] =
        [Self::Default, Self::Static, Self::File, Self::Remote, Self::LastKnownGood];

    /// The name used in records and metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Static => "static",
            Self::File => "file",
            Self::Remote => "remote",
            Self::LastKnownGood => "last_known_good",
        }
    }

    /// One sentence for people.
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Default => "Nobody gave one: the built-in default.",
            Self::Static => "The program, as it built its engine.",
            Self::File => "A file.",
            Self::Remote => "A policy server.",
            Self::LastKnownGood => "The last good document, kept from before.",
        }
    }
}
