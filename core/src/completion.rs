//! The facts of how one attempt ended.
//!
//! Facts in, outcome out: the operation reports these, a named classifier makes an
//! [`Outcome`](crate::Outcome) of them. So classification is data: it works across a C boundary
//! and changes without a deploy.

mod from_error;
mod io_kind;
mod pushback;

pub use io_kind::IoKind;
pub use pushback::Pushback;

use std::time::SystemTime;

use crate::clock::Nanos;

/// The facts of how one attempt ended.
///
/// ```
/// use rego::{Completion, Method, Nanos};
///
/// let facts = Completion::http(503).method(Method::Get).retry_after(Nanos::from_secs(2));
/// assert_eq!(facts.pushback, rego::Pushback::RetryAfter(Nanos::from_secs(2)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Completion {
    /// What kind of end it was.
    pub kind: CompletionKind,
    /// The method of the HTTP request, where there was one: of an exchange that failed below HTTP,
    /// too.
    pub method: Option<Method>,
    /// What the server said about trying again.
    pub pushback: Pushback,
    /// The request is known not to have been processed: it never left, or was turned away.
    pub not_sent: bool,
    /// The request carried an idempotency key, so repeating it is safe whatever its method.
    pub idempotency_key: bool,
    /// A code of the operation's own, carried into the record.
    pub code: i32,
}

/// What kind of end an attempt came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CompletionKind {
    /// It worked.
    Ok,
    /// An HTTP response.
    Http {
        /// The status code.
        status: u16,
    },
    /// A gRPC status code.
    Grpc(u8),
    /// An I/O error.
    Io(IoKind),
    /// An operating-system error number.
    Errno(i32),
    /// An error of the application's own.
    App(i32),
    /// The attempt's time was up.
    Timeout,
    /// The attempt was cancelled.
    Cancelled,
    /// The operation panicked.
    Panic,
}

/// An HTTP method, as far as repeating the request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the names are the methods")]
pub enum Method {
    Get,
    Head,
    Options,
    Trace,
    Put,
    Delete,
    Post,
    Patch,
    /// Any other.
    Other,
}

impl Completion {
    /// Facts of this kind and no more.
    #[must_use]
    pub const fn new(kind: CompletionKind) -> Self {
        Self {
            kind,
            method: None,
            pushback: Pushback::None,
            not_sent: false,
            idempotency_key: false,
            code: 0,
        }
    }

    /// It worked.
    #[must_use]
    pub const fn ok() -> Self {
        Self::new(CompletionKind::Ok)
    }

    /// An HTTP response with this status.
    #[must_use]
    pub const fn http(status: u16) -> Self {
        Self::new(CompletionKind::Http { status })
    }

    /// An HTTP response with this status to a request with this method, and its `Retry-After` and
    /// `Date` headers where it had them. `wall_now` is the wall clock's time: what a date in
    /// `Retry-After` is measured from when the response has no `Date` of its own.
    ///
    /// ```
    /// use std::time::SystemTime;
    /// use rego::{Completion, Nanos, Pushback};
    ///
    /// let until = Some("Wed, 21 Oct 2015 07:28:07 GMT");
    /// let date = Some("Wed, 21 Oct 2015 07:28:00 GMT");
    /// let facts = Completion::http_with_headers(503, "GET", until, date, SystemTime::now());
    /// assert_eq!(facts.pushback, Pushback::RetryAfter(Nanos::from_secs(7)));
    /// ```
    #[must_use]
    pub fn http_with_headers(
        status: u16,
        method: &str,
        retry_after: Option<&str>,
        date: Option<&str>,
        wall_now: SystemTime,
    ) -> Self {
        let pushback = retry_after
            .map_or(Pushback::None, |value| Pushback::from_retry_after(value, date, wall_now));
        Self::http(status).method(Method::parse(method)).pushback(pushback)
    }

    /// A gRPC status code; values over 16 count as unknown to a classifier.
    #[must_use]
    pub const fn grpc(code: u8) -> Self {
        Self::new(CompletionKind::Grpc(code))
    }

    /// An I/O error.
    #[must_use]
    pub fn io(kind: std::io::ErrorKind) -> Self {
        Self::new(CompletionKind::Io(kind.into()))
    }

    /// An operating-system error number.
    #[must_use]
    pub const fn errno(number: i32) -> Self {
        Self::new(CompletionKind::Errno(number))
    }

    /// An error of the application's own.
    #[must_use]
    pub const fn app(code: i32) -> Self {
        Self::new(CompletionKind::App(code))
    }

    /// The attempt's time was up.
    #[must_use]
    pub const fn timeout() -> Self {
        Self::new(CompletionKind::Timeout)
    }

    /// The attempt was cancelled.
    #[must_use]
    pub const fn cancelled() -> Self {
        Self::new(CompletionKind::Cancelled)
    }

    /// The operation panicked.
    #[must_use]
    pub const fn panic() -> Self {
        Self::new(CompletionKind::Panic)
    }

    /// With the method of the HTTP request. Say it of timeouts and I/O errors, too: a POST that
    /// may have been processed is not repeated.
    #[must_use]
    pub const fn method(mut self, method: Method) -> Self {
        self.method = Some(method);
        self
    }

    /// With what the server said about trying again.
    #[must_use]
    pub const fn pushback(mut self, pushback: Pushback) -> Self {
        self.pushback = pushback;
        self
    }

    /// With the server's word that it wants to be left alone for this long.
    #[must_use]
    pub const fn retry_after(mut self, wait: Nanos) -> Self {
        self.pushback = Pushback::RetryAfter(wait);
        self
    }

    /// With the server's word that this must not be tried again.
    #[must_use]
    pub const fn do_not_retry(mut self) -> Self {
        self.pushback = Pushback::DoNotRetry;
        self
    }

    /// With the knowledge that the request was not processed.
    #[must_use]
    pub const fn not_sent(mut self) -> Self {
        self.not_sent = true;
        self
    }

    /// With the knowledge that the request carried an idempotency key.
    #[must_use]
    pub const fn with_idempotency_key(mut self) -> Self {
        self.idempotency_key = true;
        self
    }

    /// With a code of the operation's own.
    #[must_use]
    pub const fn code(mut self, code: i32) -> Self {
        self.code = code;
        self
    }
}

impl Method {
    /// The method of this name, in whatever case.
    ///
    /// ```
    /// use rego::Method;
    ///
    /// assert_eq!(Method::parse("POST"), Method::Post);
    /// assert_eq!(Method::parse("PURGE"), Method::Other);
    /// ```
    #[must_use]
    pub fn parse(name: &str) -> Self {
        const NAMED: [(&str, Method); 8] = [
            ("GET", Method::Get),
            ("HEAD", Method::Head),
            ("OPTIONS", Method::Options),
            ("TRACE", Method::Trace),
            ("PUT", Method::Put),
            ("DELETE", Method::Delete),
            ("POST", Method::Post),
            ("PATCH", Method::Patch),
        ];
        let found = NAMED.iter().find(|(known, _)| name.eq_ignore_ascii_case(known));
        found.map_or(Self::Other, |&(_, method)| method)
    }
}
