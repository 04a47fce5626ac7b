mod rules;

use std::{
    io::ErrorKind,
    panic::{panic_any, resume_unwind},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use proptest::prelude::*;

use super::*;
use crate::{clock::Nanos, completion::IoKind};

/// A row of a classifier's table.
#[derive(Clone, Copy, Debug)]
enum Row {
    Success,
    /// Retryable for any call.
    Any(Class, Reason),
    /// Retryable under the idempotency rule.
    Rule(Class, Reason),
    Refused(Class, Reason),
    Abort(Reason),
}

use BuiltInClassifier::{Always, Auto, Errno, Grpc, Http, Io};
use Row::{Abort, Any, Refused, Rule, Success};

const MISMATCH: Row = Refused(Class::Unknown, Reason::ClassifierTypeMismatch);
const TIMED_OUT: Row = Rule(Class::Timeout, Reason::Timeout);
const STOPPED: Row = Abort(Reason::CancelledExternal);

const DECLARED: [Idempotent; 3] = [Idempotent::Unset, Idempotent::Yes, Idempotent::No];

fn built_in(classifier: BuiltInClassifier) -> Named {
    Named::BuiltIn(classifier)
}

fn custom(classifier: impl Classifier + 'static) -> Named {
    Named::Custom(Arc::new(classifier))
}

/// What a policy that declares nothing gets.
fn ask(classifier: BuiltInClassifier, facts: Completion) -> Outcome {
    judge(&built_in(classifier), &facts, &Context::default())
}

fn kind(facts: Completion) -> OutcomeKind {
    ask(Auto, facts).kind
}

/// Checks a row for every declaration, for requests of every sort, sent or not.
fn check(classifier: &Named, facts: Completion, row: Row) {
    let requests = [
        (facts, false),
        (facts.method(Method::Get), false),
        (facts.method(Method::Put), false),
        (facts.method(Method::Post), true),
        (facts.method(Method::Patch), true),
        (facts.method(Method::Post).with_idempotency_key(), false),
        (facts.method(Method::Patch).with_idempotency_key(), false),
    ];
    for (facts, must_not_repeat) in requests {
        for declared in DECLARED {
            let context = Context::new(declared);
            let expected = match row {
                Success => Outcome::success(),
                Any(class, reason) => Outcome::retryable(class).because(reason),
                Refused(class, reason) => Outcome::non_retryable(class).because(reason),
                Abort(reason) => Outcome::abort().because(reason),
                Rule(class, _) if must_not_repeat => {
                    Outcome::non_retryable(class).because(Reason::HttpNonIdempotent)
                }
                Rule(class, _) if declared == Idempotent::No => {
                    Outcome::non_retryable(class).because(Reason::NonIdempotent)
                }
                Rule(class, reason) => Outcome::retryable(class).because(reason),
            };
            let mut found = judge(classifier, &facts, &context);
            found.backoff_override = None;
            assert_eq!(found, expected, "{classifier:?} of {facts:?}, {declared:?}");

            let expected = match row {
                Rule(Class::Throttled, reason) => {
                    Outcome::retryable(Class::Throttled).because(reason)
                }
                Rule(_, reason) => Outcome::retryable(Class::NotSent).because(reason),
                _ => expected,
            };
            let mut found = judge(classifier, &facts.not_sent(), &context);
            found.backoff_override = None;
            assert_eq!(found, expected, "{classifier:?} of {facts:?} not sent, {declared:?}");
        }
    }
}

fn check_all(classifiers: &[BuiltInClassifier], rows: impl IntoIterator<Item = (Completion, Row)>) {
    for (facts, row) in rows {
        for &classifier in classifiers {
            check(&built_in(classifier), facts, row);
        }
    }
}

fn status_row(status: u16) -> Row {
    let reason = Reason::Http(status);
    match status {
        100..=399 => Success,
        408 => Rule(Class::Timeout, reason),
        425 => Any(Class::NotSent, reason),
        429 => Any(Class::Throttled, reason),
        500 | 502 | 503 => Rule(Class::Server, reason),
        504 => Rule(Class::Timeout, reason),
        400..=499 => Refused(Class::Unknown, Reason::HttpNonRetryableStatus),
        501..=599 => Refused(Class::Server, Reason::HttpNonRetryableStatus),
        _ => MISMATCH,
    }
}

fn code_row(code: u8) -> Row {
    let reason = Reason::Grpc(code);
    match code {
        0 => Success,
        1 => Abort(reason),
        4 => Rule(Class::Timeout, reason),
        8 => Any(Class::Throttled, reason),
        14 => Any(Class::Transient, reason),
        2 | 12 | 13 | 15 => Refused(Class::Server, reason),
        3 | 5..=7 | 9..=11 | 16 => Refused(Class::Unknown, reason),
        17.. => Refused(Class::Server, Reason::Grpc(2)),
    }
}

fn io_row(kind: IoKind) -> Row {
    let reason = Reason::Io(kind);
    match kind {
        IoKind::ConnectionRefused | IoKind::HostUnreachable | IoKind::NetworkUnreachable => {
            Any(Class::NotSent, reason)
        }
        IoKind::ConnectionReset
        | IoKind::ConnectionAborted
        | IoKind::BrokenPipe
        | IoKind::NotConnected
        | IoKind::NetworkDown
        | IoKind::UnexpectedEof
        | IoKind::WouldBlock
        | IoKind::Interrupted
        | IoKind::ResourceBusy
        | IoKind::Deadlock => Rule(Class::Transient, reason),
        IoKind::TimedOut => Rule(Class::Timeout, reason),
        IoKind::Other => Rule(Class::Unknown, Reason::UnknownError),
        _ => Refused(Class::Unknown, reason),
    }
}

fn errno_rows() -> Vec<(i32, Row)> {
    let mut rows = Vec::new();
    let mut add = |numbers: &[i32], row: fn(Reason) -> Row| {
        rows.extend(numbers.iter().map(|&number| (number, row(Reason::Errno(number)))));
    };
    add(&[libc::ECONNREFUSED, libc::EHOSTUNREACH, libc::ENETUNREACH], |reason| {
        Any(Class::NotSent, reason)
    });
    #[cfg(unix)]
    add(&[libc::EHOSTDOWN], |reason| Any(Class::NotSent, reason));
    add(
        &[
            libc::ECONNRESET,
            libc::ECONNABORTED,
            libc::EPIPE,
            libc::ENOTCONN,
            libc::ENETDOWN,
            libc::ENETRESET,
            libc::ENOBUFS,
            libc::EAGAIN,
            libc::EWOULDBLOCK,
            libc::EINTR,
            libc::EBUSY,
            libc::EDEADLK,
        ],
        |reason| Rule(Class::Transient, reason),
    );
    add(&[libc::ETIMEDOUT], |reason| Rule(Class::Timeout, reason));
    add(
        &[
            libc::EACCES,
            libc::EPERM,
            libc::ENOENT,
            libc::EINVAL,
            libc::EBADF,
            libc::ENOMEM,
            libc::ENOSPC,
            libc::EEXIST,
            libc::EADDRINUSE,
            libc::EAFNOSUPPORT,
            libc::EMSGSIZE,
            i32::MAX,
        ],
        |reason| Refused(Class::Unknown, reason),
    );
    add(&[0, -1, -libc::ECONNRESET, i32::MIN], |_| Rule(Class::Unknown, Reason::UnknownError));
    rows
}

#[test]
fn http_by_status() {
    check_all(
        &[Http, Auto],
        (0..=700).map(|status| (Completion::http(status), status_row(status))),
    );
    check_all(&[Http, Auto], [(Completion::http(u16::MAX), MISMATCH)]);
    let throttled = Completion::http(503).retry_after(Nanos::from_secs(1));
    let row = Rule(Class::Throttled, Reason::Http(503));
    check_all(&[Http, Auto], [(throttled, row)]);
}

#[test]
fn http_below_http() {
    let below = |row| match row {
        Any(class, _) => Any(class, Reason::HttpTransportError),
        Rule(class, _) => Rule(class, Reason::HttpTransportError),
        other => other,
    };
    let io = |&kind| (Completion::new(CompletionKind::Io(kind)), below(io_row(kind)));
    check_all(&[Http], IoKind::ALL.iter().map(io));
    let errno = |(number, row)| (Completion::errno(number), below(row));
    check_all(&[Http], errno_rows().into_iter().map(errno));
}

#[test]
fn grpc_by_code() {
    check_all(&[Grpc, Auto], (0..=u8::MAX).map(|code| (Completion::grpc(code), code_row(code))));
}

#[test]
fn io_by_kind() {
    let row = |&kind| (Completion::new(CompletionKind::Io(kind)), io_row(kind));
    check_all(&[Io, Errno, Auto], IoKind::ALL.iter().map(row));
}

#[test]
fn errno_by_number() {
    let row = |(number, row)| (Completion::errno(number), row);
    check_all(&[Io, Errno, Auto], errno_rows().into_iter().map(row));
}

#[test]
fn auto_knows_nothing_of_the_applications_errors() {
    let unknown = Rule(Class::Unknown, Reason::UnknownError);
    check_all(&[Auto], [(Completion::app(0), unknown), (Completion::app(-7), unknown)]);
}

#[test]
fn all_agree_on_facts_of_no_protocol() {
    let rows = [
        (Completion::ok(), Success),
        (Completion::timeout(), TIMED_OUT),
        (Completion::cancelled(), STOPPED),
        (Completion::panic(), Abort(Reason::Panic)),
    ];
    check_all(&[Http, Grpc, Io, Errno, Auto], rows);
}

#[test]
fn facts_of_another_protocol_are_a_mismatch() {
    let (http, grpc, app) = (Completion::http(503), Completion::grpc(14), Completion::app(1));
    let (io, errno) = (Completion::io(ErrorKind::ConnectionRefused), Completion::errno(1));
    check_all(&[Http], [(grpc, MISMATCH), (app, MISMATCH)]);
    check_all(&[Grpc], [http, io, errno, app].map(|facts| (facts, MISMATCH)));
    check_all(&[Io, Errno], [http, grpc, app].map(|facts| (facts, MISMATCH)));
}

#[test]
fn always_retries_every_failure() {
    let retried = |class| Any(class, Reason::Retryable);
    let rows = [
        (Completion::http(404), retried(Class::Unknown)),
        (Completion::http(501), retried(Class::Server)),
        (Completion::http(429), retried(Class::Throttled)),
        (Completion::grpc(1), retried(Class::Unknown)),
        (Completion::grpc(13), retried(Class::Server)),
        (Completion::io(ErrorKind::PermissionDenied), retried(Class::Unknown)),
        (Completion::io(ErrorKind::ConnectionRefused), retried(Class::NotSent)),
        (Completion::errno(libc::EINVAL), retried(Class::Unknown)),
        (Completion::http(0), retried(Class::Unknown)),
    ];
    check_all(&[Always], rows);
    for facts in [Completion::timeout(), Completion::http(503), Completion::app(3)] {
        for declared in DECLARED {
            let facts = facts.method(Method::Post);
            let outcome = judge(&built_in(Always), &facts, &Context::new(declared));
            assert_eq!(outcome.kind, OutcomeKind::Retryable, "{facts:?} {declared:?}");
        }
    }
    let rows = [
        (Completion::ok(), Success),
        (Completion::http(204), Success),
        (Completion::grpc(0), Success),
        (Completion::cancelled(), STOPPED),
        (Completion::panic(), Abort(Reason::Panic)),
    ];
    check_all(&[Always], rows);
}
