//! What the ended legs of a group amount to.

use crate::outcome::{Class, Outcome, OutcomeKind, Reason};

/// What the ended legs of the current group amount to: the class of the last failure of the
/// highest rank, and that rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Group {
    Open,
    Retryable(Class),
    Panicked,
    Aborted,
    NonRetryable,
}

impl Group {
    pub(super) fn of(outcome: Outcome) -> Self {
        match outcome.kind {
            OutcomeKind::Success => Self::Open,
            _ if outcome.reason == Reason::Panic => Self::Panicked,
            OutcomeKind::Retryable => Self::Retryable(outcome.class),
            OutcomeKind::Abort => Self::Aborted,
            OutcomeKind::NonRetryable => Self::NonRetryable,
        }
    }

    /// Failures by precedence: which one speaks for the group.
    pub(super) fn rank(self) -> u8 {
        match self {
            Self::Open => 0,
            Self::Retryable(_) => 1,
            Self::Panicked => 2,
            Self::Aborted => 3,
            Self::NonRetryable => 4,
        }
    }

    /// Another attempt of this group can do no good any more.
    pub(super) fn is_terminal(self) -> bool {
        matches!(self, Self::Panicked | Self::Aborted | Self::NonRetryable)
    }
}
