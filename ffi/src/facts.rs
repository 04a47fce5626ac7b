//! What a host says of how an attempt ended.

use rego::{
    Class, Completion, CompletionKind, IoKind, Method, Nanos, Outcome, OutcomeKind, Pushback,
};

use crate::{
    constants::{rego_completion_flag, rego_completion_kind, rego_method, rego_outcome_kind},
    crossing::{Checked, Sized32, unused},
    status::rego_status::{REGO_STATUS_INVALID, REGO_STATUS_UNSUPPORTED},
};

/// The facts of how an attempt ended; the policy's classifier makes of them what follows. Begin
/// with `REGO_COMPLETION_INIT`, which says that it worked.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rego_completion {
    /// `sizeof(rego_completion)`.
    pub struct_size: u32,
    /// What kind of end it was: a `REGO_COMPLETION_*`.
    pub kind: u32,
    /// What the kind says of it; not looked at for kinds that say nothing.
    pub code: i32,
    /// Any of `REGO_COMPLETION_NOT_SENT`, `REGO_COMPLETION_IDEMPOTENCY_KEY`,
    /// `REGO_COMPLETION_DO_NOT_RETRY`.
    pub flags: u32,
    /// The method of the HTTP request: a `REGO_METHOD_*`. Say it of timeouts and I/O errors, too:
    /// a POST that may have been processed is not repeated.
    pub method: u32,
    /// Must be 0.
    pub reserved: u32,
    /// For how many nanoseconds the server wants to be left alone; 0 if it did not say. Where it
    /// says "at once", say 1.
    pub retry_after: u64,
    /// Comes back with `REGO_ACTION_DONE`, if this attempt answers the call.
    pub result: u64,
}

// SAFETY: because it is numbers without padding, of which the first is its size.
unsafe impl Sized32 for rego_completion {
    const FIRST: usize = 40;
}

/// What follows from an attempt's end, by the host's own judgement. Begin with `REGO_OUTCOME_INIT`,
/// which says that the call is answered.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct rego_outcome {
    /// `sizeof(rego_outcome)`.
    pub struct_size: u32,
    /// What follows: a `REGO_OUTCOME_*`.
    pub kind: u32,
    /// What sort of failure it was: a `REGO_FAILURE_*`. Policies may have rules for each.
    pub failure: u32,
    /// Must be 0.
    pub reserved: u32,
    /// How many nanoseconds to wait before the next attempt, in place of the policy's backoff: never
    /// less, and up to a tenth more. 0 for the policy's.
    pub backoff: u64,
    /// Comes back with `REGO_ACTION_DONE`, if this attempt answers the call.
    pub result: u64,
}

// SAFETY: because it is numbers without padding, of which the first is its size.
unsafe impl Sized32 for rego_outcome {
    const FIRST: usize = 32;
}

impl rego_completion {
    /// It worked.
    pub(crate) const OK: Self = Self {
        struct_size: size_of::<Self>() as u32,
        kind: rego_completion_kind::REGO_COMPLETION_OK as u32,
        code: 0,
        flags: 0,
        method: 0,
        reserved: 0,
        retry_after: 0,
        result: 0,
    };

    pub(crate) fn facts(&self) -> Checked<Completion> {
        const OK: u32 = rego_completion_kind::REGO_COMPLETION_OK as u32;
        const KNOWN: u32 = NOT_SENT | IDEMPOTENCY_KEY | DO_NOT_RETRY;
        let besides = u64::from(self.flags | self.method | self.reserved) | self.retry_after;
        if self.kind == OK && besides == 0 {
            return Ok(Completion::ok()); // As below, and most are.
        }
        unused(self.reserved | self.flags & !KNOWN)?;
        let mut facts = Completion::new(self.kind()?);
        facts.method = method(self.method)?;
        facts.not_sent = self.flags & NOT_SENT != 0;
        facts.idempotency_key = self.flags & IDEMPOTENCY_KEY != 0;
        facts.pushback = match self.retry_after {
            _ if self.flags & DO_NOT_RETRY != 0 => Pushback::DoNotRetry,
            0 => Pushback::None,
            wait => Pushback::RetryAfter(Nanos::from_nanos(wait)),
        };
        Ok(facts)
    }

    fn kind(&self) -> Checked<CompletionKind> {
        use rego_completion_kind::*;
        const OK: u32 = REGO_COMPLETION_OK as u32;
        const HTTP: u32 = REGO_COMPLETION_HTTP as u32;
        const GRPC: u32 = REGO_COMPLETION_GRPC as u32;
        const IO: u32 = REGO_COMPLETION_IO as u32;
        const ERRNO: u32 = REGO_COMPLETION_ERRNO as u32;
        const APP: u32 = REGO_COMPLETION_APP as u32;
        const TIMEOUT: u32 = REGO_COMPLETION_TIMEOUT as u32;
        const CANCELLED: u32 = REGO_COMPLETION_CANCELLED as u32;
        const PANIC: u32 = REGO_COMPLETION_PANIC as u32;
        let invalid = |_| REGO_STATUS_INVALID;
        Ok(match self.kind {
            OK => CompletionKind::Ok,
            HTTP => CompletionKind::Http { status: self.code.try_into().map_err(invalid)? },
            GRPC => CompletionKind::Grpc(self.code.try_into().map_err(invalid)?),
            IO => CompletionKind::Io(io(self.code)?),
            ERRNO => CompletionKind::Errno(self.code),
            APP => CompletionKind::App(self.code),
            TIMEOUT => CompletionKind::Timeout,
            CANCELLED => CompletionKind::Cancelled,
            PANIC => CompletionKind::Panic,
            _ => return Err(REGO_STATUS_UNSUPPORTED),
        })
    }
}

impl rego_outcome {
    pub(crate) fn outcome(&self) -> Checked<Outcome> {
        use rego_outcome_kind::*;
        const SUCCESS: u32 = REGO_OUTCOME_SUCCESS as u32;
        const RETRYABLE: u32 = REGO_OUTCOME_RETRYABLE as u32;
        const NON_RETRYABLE: u32 = REGO_OUTCOME_NON_RETRYABLE as u32;
        const ABORT: u32 = REGO_OUTCOME_ABORT as u32;
        unused(self.reserved)?;
        let class = class(self.failure)?;
        let mut outcome = match self.kind {
            SUCCESS => Outcome::success(),
            RETRYABLE => Outcome::retryable(class),
            NON_RETRYABLE => Outcome::non_retryable(class),
            ABORT => Outcome::abort(),
            _ => return Err(REGO_STATUS_UNSUPPORTED),
        };
        if outcome.kind != OutcomeKind::Success {
            outcome.class = class;
        }
        if self.backoff != 0 {
            outcome = outcome.backoff(Nanos::from_nanos(self.backoff));
        }
        Ok(outcome)
    }
}

const NOT_SENT: u32 = rego_completion_flag::REGO_COMPLETION_NOT_SENT as u32;
const IDEMPOTENCY_KEY: u32 = rego_completion_flag::REGO_COMPLETION_IDEMPOTENCY_KEY as u32;
const DO_NOT_RETRY: u32 = rego_completion_flag::REGO_COMPLETION_DO_NOT_RETRY as u32;

/// In the order of their numbers, which [`IoKind::ALL`] has.
fn io(code: i32) -> Checked<IoKind> {
    let number = usize::try_from(code).map_err(|_| REGO_STATUS_INVALID)?;
    IoKind::ALL.get(number).copied().ok_or(REGO_STATUS_UNSUPPORTED)
}

fn method(number: u32) -> Checked<Option<Method>> {
    use rego_method::*;
    const NONE: u32 = REGO_METHOD_NONE as u32;
    const GET: u32 = REGO_METHOD_GET as u32;
    const HEAD: u32 = REGO_METHOD_HEAD as u32;
    const OPTIONS: u32 = REGO_METHOD_OPTIONS as u32;
    const TRACE: u32 = REGO_METHOD_TRACE as u32;
    const PUT: u32 = REGO_METHOD_PUT as u32;
    const DELETE: u32 = REGO_METHOD_DELETE as u32;
    const POST: u32 = REGO_METHOD_POST as u32;
    const PATCH: u32 = REGO_METHOD_PATCH as u32;
    const OTHER: u32 = REGO_METHOD_OTHER as u32;
    Ok(Some(match number {
        NONE => return Ok(None),
        GET => Method::Get,
        HEAD => Method::Head,
        OPTIONS => Method::Options,
        TRACE => Method::Trace,
        PUT => Method::Put,
        DELETE => Method::Delete,
        POST => Method::Post,
        PATCH => Method::Patch,
        OTHER => Method::Other,
        _ => return Err(REGO_STATUS_UNSUPPORTED),
    }))
}

fn class(number: u32) -> Checked<Class> {
    const CLASSES: [Class; 6] = [
        Class::Unknown,
        Class::Transient,
        Class::Throttled,
        Class::Timeout,
        Class::NotSent,
        Class::Server,
    ];
    let found = CLASSES.into_iter().find(|class| *class as u32 == number);
    found.ok_or(REGO_STATUS_UNSUPPORTED)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OK: rego_completion = rego_completion::OK;

    const SUCCESS: rego_outcome =
        rego_outcome { struct_size: 32, kind: 0, failure: 0, reserved: 0, backoff: 0, result: 0 };

    #[test]
    fn facts_are_the_engines_own() {
        use rego_completion_kind::*;
        let of = |kind: rego_completion_kind, code| {
            rego_completion { kind: kind as u32, code, ..OK }.facts()
        };
        for (kind, code, facts) in [
            (REGO_COMPLETION_OK, 9, Completion::ok()),
            (REGO_COMPLETION_HTTP, 503, Completion::http(503)),
            (REGO_COMPLETION_GRPC, 14, Completion::grpc(14)),
            (REGO_COMPLETION_IO, 4, Completion::io(std::io::ErrorKind::ConnectionReset)),
            (REGO_COMPLETION_ERRNO, 104, Completion::errno(104)),
            (REGO_COMPLETION_APP, -7, Completion::app(-7)),
            (REGO_COMPLETION_TIMEOUT, 0, Completion::timeout()),
            (REGO_COMPLETION_CANCELLED, 0, Completion::cancelled()),
            (REGO_COMPLETION_PANIC, 0, Completion::panic()),
        ] {
            assert_eq!(of(kind, code), Ok(facts));
        }
        assert_eq!(of(REGO_COMPLETION_HTTP, 65_536), Err(REGO_STATUS_INVALID));
        assert_eq!(of(REGO_COMPLETION_HTTP, -1), Err(REGO_STATUS_INVALID));
        assert_eq!(of(REGO_COMPLETION_GRPC, 256), Err(REGO_STATUS_INVALID));
        assert_eq!(of(REGO_COMPLETION_IO, -1), Err(REGO_STATUS_INVALID));
        assert_eq!(of(REGO_COMPLETION_IO, 26), Err(REGO_STATUS_UNSUPPORTED));
        let unknown = rego_completion { kind: 9, ..OK }.facts();
        assert_eq!(unknown, Err(REGO_STATUS_UNSUPPORTED));
    }

    #[test]
    fn circumstances_come_through() {
        let facts = rego_completion { kind: 1, code: 429, retry_after: 5, method: 7, ..OK };
        let expected = Completion::http(429).method(Method::Post).retry_after(Nanos::from_nanos(5));
        assert_eq!(facts.facts(), Ok(expected));
        let facts = rego_completion { flags: 1 | 2 | 4, ..facts };
        let expected = expected.not_sent().with_idempotency_key().do_not_retry();
        assert_eq!(facts.facts(), Ok(expected));
        for wrong in [
            rego_completion { flags: 8, ..facts },
            rego_completion { method: 10, ..facts },
            rego_completion { reserved: 1, ..facts },
        ] {
            assert_eq!(wrong.facts(), Err(REGO_STATUS_UNSUPPORTED));
        }
    }

    #[test]
    fn outcomes_are_the_engines_own() {
        let throttled = rego_outcome { kind: 1, failure: 2, backoff: 40, ..SUCCESS };
        let expected = Outcome::retryable(Class::Throttled).backoff(Nanos::from_nanos(40));
        assert_eq!(throttled.outcome(), Ok(expected));
        assert_eq!(SUCCESS.outcome(), Ok(Outcome::success()));
        assert_eq!(rego_outcome { kind: 3, ..SUCCESS }.outcome(), Ok(Outcome::abort()));
        let server = rego_outcome { kind: 2, failure: 5, ..SUCCESS };
        assert_eq!(server.outcome(), Ok(Outcome::non_retryable(Class::Server)));
        for wrong in [
            rego_outcome { kind: 4, ..SUCCESS },
            rego_outcome { failure: 6, ..SUCCESS },
            rego_outcome { reserved: 1, ..SUCCESS },
        ] {
            assert_eq!(wrong.outcome(), Err(REGO_STATUS_UNSUPPORTED));
        }
    }
}
