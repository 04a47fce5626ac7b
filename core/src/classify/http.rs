//! What an HTTP status means for another attempt.

use super::{
    Classifier, Context,
    built_in::{common, mismatch},
    io, retryable_under_rule,
};
use crate::{
    completion::{Completion, CompletionKind, Pushback},
    outcome::{Class, Outcome, OutcomeKind, Reason},
};

/// The `http` classifier, to be registered under a name of one's own where the default does not
/// fit.
///
/// | status | outcome | class |
/// |---|---|---|
/// | 100–399 | success | |
/// | 425 | retryable for any call | not sent |
/// | 429 | retryable for any call | throttled |
/// | 408, 504 | retryable under the rule | timeout |
/// | 500 (configurable), 502, 503 | retryable under the rule | server; 503 with `Retry-After` throttled |
/// | 400–499 else | not retryable | unknown |
/// | 501, 505, 500–599 else | not retryable | server |
///
/// Below HTTP, timeouts and passing I/O errors are retryable under the rule, too: the one that
/// [`BuiltInClassifier`](crate::BuiltInClassifier) tells.
///
/// ```
/// use rego::{Classifier, Completion, Context, HttpClassifier, OutcomeKind};
///
/// let strict = HttpClassifier::new().retry_500(false);
/// let outcome = strict.classify(&Completion::http(500), &Context::default());
/// assert_eq!(outcome.kind, OutcomeKind::NonRetryable);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpClassifier {
    retry_500: bool,
}

impl HttpClassifier {
    /// The one named `http`.
    #[must_use]
    pub const fn new() -> Self {
        Self { retry_500: true }
    }

    /// Whether 500 is worth another attempt: by default it is. Servers that answer 500 to what
    /// they can never do are better off without.
    #[must_use]
    pub const fn retry_500(mut self, retry: bool) -> Self {
        self.retry_500 = retry;
        self
    }

    fn status(self, status: u16, facts: &Completion, context: &Context) -> Outcome {
        let reason = Reason::Http(status);
        let under_rule = |class| retryable_under_rule(facts, context, class, reason);
        let refused = |class| Outcome::non_retryable(class).because(Reason::HttpNonRetryableStatus);
        match status {
            100..=399 => Outcome::success(),
            // The server says that it has not touched the request.
            425 => Outcome::retryable(Class::NotSent).because(reason),
            429 => Outcome::retryable(Class::Throttled).because(reason),
            408 | 504 => under_rule(Class::Timeout),
            503 if matches!(facts.pushback, Pushback::RetryAfter(_)) => {
                under_rule(Class::Throttled)
            }
            500 if !self.retry_500 => refused(Class::Server),
            500 | 502 | 503 => under_rule(Class::Server),
            400..=499 => refused(Class::Unknown),
            500..=599 => refused(Class::Server),
            _ => mismatch(),
        }
    }
}

impl Default for HttpClassifier {
    fn default() -> Self {
        Self::new()
    }
}

impl Classifier for HttpClassifier {
    fn classify(&self, facts: &Completion, context: &Context) -> Outcome {
        match facts.kind {
            CompletionKind::Http { status } => self.status(status, facts, context),
            CompletionKind::Io(_) | CompletionKind::Errno(_) => {
                let outcome = io::classify(facts, context);
                match outcome.kind {
                    OutcomeKind::Retryable => outcome.because(Reason::HttpTransportError),
                    _ => outcome,
                }
            }
            _ => common(facts, context),
        }
    }
}
