//! The numbers are the engine's own, where there is an engine's own.

use rego::{
    AttemptKind, BudgetDecision, CancelReason, Class, HedgeReason, IoKind, OutcomeKind,
    PolicySource, Verdict, Warning, manual::MAX_ACTIONS,
};

use super::*;

/// Checks that each variant has the number of the engine's own.
macro_rules! agree {
    ($($ours:ident :: { $($our:ident = $their:expr),* $(,)? })*) => {
        $($(const _: () = assert!($ours::$our as u32 == $their as u32);)*)*
    };
}

const _: () = assert!(REGO_MAX_ACTIONS == MAX_ACTIONS);

agree! {
    rego_attempt_kind::{
        REGO_ATTEMPT_FIRST = AttemptKind::First,
        REGO_ATTEMPT_RETRY = AttemptKind::Retry,
        REGO_ATTEMPT_HEDGE = AttemptKind::Hedge,
    }
    rego_cancel_reason::{
        REGO_CANCEL_LOST_RACE = CancelReason::LostRace,
        REGO_CANCEL_TERMINAL = CancelReason::Terminal,
        REGO_CANCEL_DEADLINE = CancelReason::Deadline,
        REGO_CANCEL_CALLER = CancelReason::Caller,
        REGO_CANCEL_SHUTDOWN = CancelReason::Shutdown,
    }
    rego_verdict::{
        REGO_VERDICT_SUCCESS = Verdict::Success,
        REGO_VERDICT_CANCELLED = Verdict::Cancelled,
        REGO_VERDICT_SHUTDOWN = Verdict::Shutdown,
        REGO_VERDICT_DEADLINE_EXCEEDED = Verdict::DeadlineExceeded,
        REGO_VERDICT_NON_RETRYABLE = Verdict::NonRetryable,
        REGO_VERDICT_ABORTED = Verdict::Aborted,
        REGO_VERDICT_PANICKED = Verdict::Panicked,
        REGO_VERDICT_RETRY_AFTER_EXCEEDS_DEADLINE = Verdict::RetryAfterExceedsDeadline,
        REGO_VERDICT_MAX_ATTEMPTS_PER_CLASS = Verdict::MaxAttemptsPerClass,
        REGO_VERDICT_MAX_ATTEMPTS = Verdict::MaxAttempts,
        REGO_VERDICT_BUDGET_DENIED = Verdict::BudgetDenied,
        REGO_VERDICT_ABANDONED_LIMIT = Verdict::AbandonedLimit,
        REGO_VERDICT_EXECUTOR_REJECTED = Verdict::ExecutorRejected,
        REGO_VERDICT_PASS_THROUGH = Verdict::PassThrough,
    }
    rego_io::{
        REGO_IO_OTHER = IoKind::Other,
        REGO_IO_NOT_FOUND = IoKind::NotFound,
        REGO_IO_PERMISSION_DENIED = IoKind::PermissionDenied,
        REGO_IO_CONNECTION_REFUSED = IoKind::ConnectionRefused,
        REGO_IO_CONNECTION_RESET = IoKind::ConnectionReset,
        REGO_IO_HOST_UNREACHABLE = IoKind::HostUnreachable,
        REGO_IO_NETWORK_UNREACHABLE = IoKind::NetworkUnreachable,
        REGO_IO_CONNECTION_ABORTED = IoKind::ConnectionAborted,
        REGO_IO_NOT_CONNECTED = IoKind::NotConnected,
        REGO_IO_ADDR_IN_USE = IoKind::AddrInUse,
        REGO_IO_ADDR_NOT_AVAILABLE = IoKind::AddrNotAvailable,
        REGO_IO_NETWORK_DOWN = IoKind::NetworkDown,
        REGO_IO_BROKEN_PIPE = IoKind::BrokenPipe,
        REGO_IO_ALREADY_EXISTS = IoKind::AlreadyExists,
        REGO_IO_WOULD_BLOCK = IoKind::WouldBlock,
        REGO_IO_INVALID_INPUT = IoKind::InvalidInput,
        REGO_IO_INVALID_DATA = IoKind::InvalidData,
        REGO_IO_TIMED_OUT = IoKind::TimedOut,
        REGO_IO_WRITE_ZERO = IoKind::WriteZero,
        REGO_IO_STORAGE_FULL = IoKind::StorageFull,
        REGO_IO_RESOURCE_BUSY = IoKind::ResourceBusy,
        REGO_IO_DEADLOCK = IoKind::Deadlock,
        REGO_IO_UNSUPPORTED = IoKind::Unsupported,
        REGO_IO_UNEXPECTED_EOF = IoKind::UnexpectedEof,
        REGO_IO_OUT_OF_MEMORY = IoKind::OutOfMemory,
        REGO_IO_INTERRUPTED = IoKind::Interrupted,
    }
    rego_outcome_kind::{
        REGO_OUTCOME_SUCCESS = OutcomeKind::Success,
        REGO_OUTCOME_RETRYABLE = OutcomeKind::Retryable,
        REGO_OUTCOME_NON_RETRYABLE = OutcomeKind::NonRetryable,
        REGO_OUTCOME_ABORT = OutcomeKind::Abort,
    }
    rego_failure::{
        REGO_FAILURE_UNKNOWN = Class::Unknown,
        REGO_FAILURE_TRANSIENT = Class::Transient,
        REGO_FAILURE_THROTTLED = Class::Throttled,
        REGO_FAILURE_TIMEOUT = Class::Timeout,
        REGO_FAILURE_NOT_SENT = Class::NotSent,
        REGO_FAILURE_SERVER = Class::Server,
    }
    rego_budget::{
        REGO_BUDGET_ALLOWED = BudgetDecision::Allowed,
        REGO_BUDGET_NONE = BudgetDecision::NoBudget,
        REGO_BUDGET_DENIED = BudgetDecision::Denied,
        REGO_BUDGET_NOT_FOUND = BudgetDecision::NotFound,
        REGO_BUDGET_PANIC = BudgetDecision::PanicInBudget,
    }
    rego_policy_source::{
        REGO_POLICY_DEFAULT = PolicySource::Default,
        REGO_POLICY_STATIC = PolicySource::Static,
        REGO_POLICY_FILE = PolicySource::File,
        REGO_POLICY_REMOTE = PolicySource::Remote,
        REGO_POLICY_LAST_KNOWN_GOOD = PolicySource::LastKnownGood,
    }
    rego_warning::{
        REGO_WARNING_KEYS_FULL = Warning::KeysFull,
        REGO_WARNING_NO_EXECUTOR = Warning::NoExecutor,
        REGO_WARNING_NO_TIMER = Warning::NoTimer,
        REGO_WARNING_NO_ROOM = Warning::NoRoom,
        REGO_WARNING_NOT_IDEMPOTENT = Warning::NotIdempotent,
        REGO_WARNING_POLICY_CLAMPED = Warning::PolicyClamped,
    }
    rego_hedge::{
        REGO_HEDGE_TRIGGER_COLD = HedgeReason::TriggerCold,
        REGO_HEDGE_TRIGGER_NOT_FOUND = HedgeReason::TriggerNotFound,
        REGO_HEDGE_SUSPENDED_OVERLOAD = HedgeReason::SuspendedOverload,
        REGO_HEDGE_NOT_IDEMPOTENT = HedgeReason::NotIdempotent,
        REGO_HEDGE_NO_EXECUTOR = HedgeReason::NoExecutor,
        REGO_HEDGE_NO_TIMER = HedgeReason::NoTimer,
        REGO_HEDGE_DENIED = HedgeReason::Denied,
        REGO_HEDGE_DEADLINE_NEAR = HedgeReason::DeadlineNear,
        REGO_HEDGE_EXECUTOR_REJECTED = HedgeReason::ExecutorRejected,
        REGO_HEDGE_ABANDONED_LIMIT = HedgeReason::AbandonedLimit,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the engine has and C does not: nothing.
    #[test]
    fn every_number_of_the_engines_has_a_name() {
        assert_eq!(rego_verdict::REGO_VERDICT_PASS_THROUGH as usize + 1, Verdict::ALL.len());
        assert_eq!(rego_budget::REGO_BUDGET_PANIC as usize + 1, BudgetDecision::ALL.len());
        assert_eq!(rego_hedge::REGO_HEDGE_ABANDONED_LIMIT as usize + 1, HedgeReason::ALL.len());
        assert_eq!(rego_warning::REGO_WARNING_POLICY_CLAMPED as usize + 1, Warning::ALL.len());
        assert_eq!(rego_io::REGO_IO_INTERRUPTED as usize + 1, IoKind::ALL.len());
        assert!(IoKind::ALL.iter().enumerate().all(|(at, kind)| *kind as usize == at));
    }
}
