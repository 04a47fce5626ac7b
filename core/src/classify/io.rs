//! What an I/O error, by kind or by number, means for another attempt.

use super::{Context, built_in::common, retryable_under_rule};
use crate::{
    completion::{Completion, CompletionKind, IoKind},
    outcome::{Class, Outcome, Reason},
};

pub(super) fn classify(facts: &Completion, context: &Context) -> Outcome {
    let (class, reason) = match facts.kind {
        CompletionKind::Io(kind) => (of_kind(kind), Reason::Io(kind)),
        CompletionKind::Errno(number) => (of_errno(number), Reason::Errno(number)),
        _ => return common(facts, context),
    };
    match class {
        Some(Class::Unknown) => {
            retryable_under_rule(facts, context, Class::Unknown, Reason::UnknownError)
        }
        Some(class) => retryable_under_rule(facts, context, class, reason),
        None => Outcome::non_retryable(Class::Unknown).because(reason),
    }
}

/// The class of a kind that another attempt may mend.
const fn of_kind(kind: IoKind) -> Option<Class> {
    match kind {
        IoKind::ConnectionRefused | IoKind::HostUnreachable | IoKind::NetworkUnreachable => {
            Some(Class::NotSent)
        }
        IoKind::ConnectionReset
        | IoKind::ConnectionAborted
        | IoKind::NotConnected
        | IoKind::NetworkDown
        | IoKind::BrokenPipe
        | IoKind::UnexpectedEof
        | IoKind::WouldBlock
        | IoKind::Interrupted
        | IoKind::ResourceBusy
        | IoKind::Deadlock => Some(Class::Transient),
        IoKind::TimedOut => Some(Class::Timeout),
        // Among others a name that could not be resolved, for which there is no kind.
        IoKind::Other => Some(Class::Unknown),
        IoKind::NotFound
        | IoKind::PermissionDenied
        | IoKind::AddrInUse
        | IoKind::AddrNotAvailable
        | IoKind::AlreadyExists
        | IoKind::InvalidInput
        | IoKind::InvalidData
        | IoKind::WriteZero
        | IoKind::StorageFull
        | IoKind::Unsupported
        | IoKind::OutOfMemory => None,
    }
}

/// The class of an error number that another attempt may mend.
const fn of_errno(number: i32) -> Option<Class> {
    // On most systems the same number as EAGAIN, so it cannot stand beside it below.
    if number == libc::EWOULDBLOCK {
        return Some(Class::Transient);
    }
    match number {
        libc::ECONNREFUSED | libc::EHOSTUNREACH | libc::ENETUNREACH => Some(Class::NotSent),
        #[cfg(unix)]
        libc::EHOSTDOWN => Some(Class::NotSent),
        libc::ECONNRESET
        | libc::ECONNABORTED
        | libc::ENOTCONN
        | libc::ENETDOWN
        | libc::ENETRESET
        | libc::ENOBUFS
        | libc::EPIPE
        | libc::EAGAIN
        | libc::EINTR
        | libc::EBUSY
        | libc::EDEADLK => Some(Class::Transient),
        libc::ETIMEDOUT => Some(Class::Timeout),
        // Not an error number at all.
        ..=0 => Some(Class::Unknown),
        _ => None,
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::io;

    use super::*;

    /// Where the standard library has a kind for a number, both are judged alike.
    #[test]
    fn kinds_and_numbers_agree() {
        let mut compared = 0;
        for number in 1..200 {
            let kind = IoKind::from(io::Error::from_raw_os_error(number).kind());
            // What has no stable kind of its own.
            if kind == IoKind::Other {
                continue;
            }
            assert_eq!(of_errno(number), of_kind(kind), "{number} is {kind:?}");
            compared += 1;
        }
        assert!(compared >= 20, "only {compared} numbers have a kind");
    }
}
