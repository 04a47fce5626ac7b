//! The built-in classifiers by name, and what they have in common.

use super::{Classifier, Context, HttpClassifier, grpc, io, retryable_under_rule};
use crate::{
    completion::{Completion, CompletionKind},
    outcome::{Class, Outcome, OutcomeKind, Reason},
};

/// A classifier that is always there, under the name a policy picks it by.
///
/// All but `always` keep the idempotency rule: after a failure that says that the request was not
/// processed ([`not_sent`](Completion::not_sent), connection refused, host unreachable, HTTP 425
/// and 429, gRPC UNAVAILABLE and RESOURCE_EXHAUSTED) another attempt is made for any call. After one
/// that does not (a reset, a timeout, HTTP 5xx, gRPC DEADLINE_EXCEEDED) none is made for a call
/// declared not idempotent, nor, whatever was declared, for a POST or PATCH without an idempotency
/// key. Facts that a classifier does not understand are not retryable, for the reason
/// [`Reason::ClassifierTypeMismatch`].
///
/// ```
/// use rego::{BuiltInClassifier, Classifier, Completion, Context, Method, OutcomeKind};
///
/// let auto = BuiltInClassifier::Auto;
/// let reset = Completion::io(std::io::ErrorKind::ConnectionReset);
/// let kind = |facts| auto.classify(&facts, &Context::default()).kind;
/// assert_eq!(kind(reset), OutcomeKind::Retryable);
/// assert_eq!(kind(reset.method(Method::Post)), OutcomeKind::NonRetryable);
/// assert_eq!(kind(reset.method(Method::Post).with_idempotency_key()), OutcomeKind::Retryable);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum BuiltInClassifier {
    /// `auto`: the one that understands facts of this kind. Of the application's own errors it
    /// knows nothing: they are retryable under the rule.
    #[default]
    Auto,
    /// `always`: every failure is retryable, whatever it is and whatever was declared.
    Always,
    /// `http`: [`HttpClassifier`] as it is by default.
    Http,
    /// `grpc`: UNAVAILABLE and RESOURCE_EXHAUSTED are retryable, whatever was declared;
    /// DEADLINE_EXCEEDED is under the rule, CANCELLED ends the call.
    Grpc,
    /// `io`: passing faults of the network and the system are retryable under the rule. It
    /// understands error kinds and numbers.
    Io,
    /// `errno`: the same as `io`.
    Errno,
}

impl BuiltInClassifier {
    /// Every one there is.
    pub const ALL: [Self; 6] =
        [Self::Auto, Self::Always, Self::Http, Self::Grpc, Self::Io, Self::Errno];

    /// The name a policy picks it by.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Always => "always",
            Self::Http => "http",
            Self::Grpc => "grpc",
            Self::Io => "io",
            Self::Errno => "errno",
        }
    }
}

impl Classifier for BuiltInClassifier {
    fn classify(&self, facts: &Completion, context: &Context) -> Outcome {
        match self {
            Self::Auto => auto(facts, context),
            Self::Always => always(facts, context),
            Self::Http => HttpClassifier::default().classify(facts, context),
            Self::Grpc => grpc::classify(facts, context),
            Self::Io | Self::Errno => io::classify(facts, context),
        }
    }
}

/// What every built-in classifier makes of facts that are not its own.
pub(super) fn common(facts: &Completion, context: &Context) -> Outcome {
    match facts.kind {
        CompletionKind::Ok => Outcome::success(),
        CompletionKind::Timeout => {
            retryable_under_rule(facts, context, Class::Timeout, Reason::Timeout)
        }
        CompletionKind::Cancelled => Outcome::abort().because(Reason::CancelledExternal),
        CompletionKind::Panic => Outcome::abort().because(Reason::Panic),
        CompletionKind::Http { .. }
        | CompletionKind::Grpc(_)
        | CompletionKind::Io(_)
        | CompletionKind::Errno(_)
        | CompletionKind::App(_) => mismatch(),
    }
}

/// Facts the classifier does not understand.
pub(super) fn mismatch() -> Outcome {
    Outcome::non_retryable(Class::Unknown).because(Reason::ClassifierTypeMismatch)
}

fn auto(facts: &Completion, context: &Context) -> Outcome {
    match facts.kind {
        CompletionKind::Http { .. } => HttpClassifier::default().classify(facts, context),
        CompletionKind::Grpc(_) => grpc::classify(facts, context),
        CompletionKind::Io(_) | CompletionKind::Errno(_) => io::classify(facts, context),
        CompletionKind::App(_) => {
            retryable_under_rule(facts, context, Class::Unknown, Reason::UnknownError)
        }
        CompletionKind::Ok
        | CompletionKind::Timeout
        | CompletionKind::Cancelled
        | CompletionKind::Panic => common(facts, context),
    }
}

/// Success is what `auto` calls so: "always" is about failures, and a response is none.
fn always(facts: &Completion, context: &Context) -> Outcome {
    let outcome = auto(facts, context);
    match facts.kind {
        CompletionKind::Cancelled | CompletionKind::Panic => outcome,
        _ if outcome.kind == OutcomeKind::Success => outcome,
        _ => Outcome::retryable(outcome.class),
    }
}
