//! Completion → outcome: the built-in classifiers and the registry of named ones.
//!
//! Which failures are worth another attempt is data: a policy names a [`Classifier`], drivers ask
//! it through [`judge`]. Two things outrank every classifier: a panic of the operation ends the
//! call, and a server that says "do not retry" is not asked again.

mod built_in;
mod grpc;
mod http;
mod io;
mod registry;

pub use built_in::BuiltInClassifier;
pub use http::HttpClassifier;
pub use registry::{ClassifierError, Classifiers};

pub(crate) use registry::Named;

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::{
    completion::{Completion, CompletionKind, Method, Pushback},
    notes::AttemptId,
    outcome::{Class, Outcome, OutcomeKind, Reason},
    policy::Idempotent,
    sync::drop_quietly,
};

/// Makes an outcome of the facts of how an attempt ended.
///
/// Register one by name with [`Classifiers::add`]; a policy's `retry.classifier` picks it. It is
/// asked once per attempt, on the thread the attempt ended on, by many threads at once, and should
/// be quick. A panic in it is contained: that attempt counts as not retryable, for the reason
/// [`Reason::PanicInClassifier`].
///
/// What it says is final, the idempotency rule included, but for two things the engine sees to:
/// a wait the server asked for is never shortened, and its "do not retry" stands. Facts of a kind
/// it has no view of it can hand to a [`BuiltInClassifier`].
///
/// ```
/// use rego::{BuiltInClassifier, Class, Classifier, Completion, CompletionKind, Context, Outcome};
///
/// const LOCK_TIMEOUT: i32 = 1205;
///
/// let database = |facts: &Completion, context: &Context| match facts.kind {
///     CompletionKind::App(LOCK_TIMEOUT) => Outcome::retryable(Class::Transient),
///     CompletionKind::App(_) => Outcome::non_retryable(Class::Server),
///     _ => BuiltInClassifier::Auto.classify(facts, context),
/// };
/// let outcome = database.classify(&Completion::app(7), &Context::default());
/// assert_eq!(outcome, Outcome::non_retryable(Class::Server));
/// ```
pub trait Classifier: Send + Sync {
    /// Makes an outcome of the facts.
    fn classify(&self, facts: &Completion, context: &Context) -> Outcome;
}

/// What a classifier knows besides the facts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Context {
    /// Whether repeating the request is safe, as declared for the call, else by its policy.
    pub idempotent: Idempotent,
    /// The number of the attempt that ended.
    pub attempt: AttemptId,
}

impl Context {
    /// The first attempt of a call.
    #[must_use]
    pub const fn new(idempotent: Idempotent) -> Self {
        Self { idempotent, attempt: AttemptId::FIRST }
    }

    /// With the number of the attempt.
    #[must_use]
    pub const fn attempt(mut self, attempt: AttemptId) -> Self {
        self.attempt = attempt;
        self
    }
}

impl<F> Classifier for F
where
    F: Fn(&Completion, &Context) -> Outcome + Send + Sync,
{
    fn classify(&self, facts: &Completion, context: &Context) -> Outcome {
        self(facts, context)
    }
}

/// What a policy's classifier makes of the facts, and what no classifier can change. Never panics.
///
/// A plain success under a built-in classifier costs a branch.
#[inline]
pub(crate) fn judge(classifier: &Named, facts: &Completion, context: &Context) -> Outcome {
    if is_plain_success(classifier, facts) {
        return Outcome::success();
    }
    judge_closely(classifier, facts, context)
}

/// Whether there is nothing to judge.
#[inline]
pub(crate) fn is_plain_success(classifier: &Named, facts: &Completion) -> bool {
    facts.kind == CompletionKind::Ok && classifier.is_built_in()
}

/// What the machine itself makes of an attempt it gave up when the attempt's own time was up: it
/// may have been processed, and there are no facts. Under `always`, which knows no rule,
/// `idempotent` is to be [`Idempotent::Unset`].
pub(crate) const fn timeout(idempotent: Idempotent) -> Outcome {
    retryable_under_rule(
        &Completion::timeout(),
        &Context::new(idempotent),
        Class::Timeout,
        Reason::Timeout,
    )
}

#[inline(never)]
fn judge_closely(classifier: &Named, facts: &Completion, context: &Context) -> Outcome {
    let outcome = match classifier {
        _ if facts.kind == CompletionKind::Panic => return Outcome::abort().because(Reason::Panic),
        Named::BuiltIn(classifier) => classifier.classify(facts, context),
        Named::Custom(classifier) => contained(&**classifier, facts, context),
    };
    heed_pushback(outcome, facts)
}

fn contained(classifier: &dyn Classifier, facts: &Completion, context: &Context) -> Outcome {
    // Whatever the panic left half done in the classifier is the classifier's own: the engine
    // reads nothing of it but the outcome, and there is none.
    catch_unwind(AssertUnwindSafe(|| classifier.classify(facts, context))).unwrap_or_else(|what| {
        drop_quietly(what);
        Outcome::non_retryable(Class::Unknown).because(Reason::PanicInClassifier)
    })
}

/// The server's word on trying again: never shortened, and a "no" stands.
fn heed_pushback(outcome: Outcome, facts: &Completion) -> Outcome {
    if outcome.kind != OutcomeKind::Retryable {
        return outcome;
    }
    match (facts.pushback, facts.kind) {
        // A server that wants no more of this is not one that funds a retry of something else.
        (Pushback::DoNotRetry, _) => Outcome {
            kind: OutcomeKind::NonRetryable,
            class: Class::Throttled,
            backoff_override: None,
            ..outcome
        },
        // `Retry-After` is read where it is about load: on 429 and 503.
        (Pushback::RetryAfter(_), CompletionKind::Http { status })
            if !matches!(status, 429 | 503) =>
        {
            outcome
        }
        (Pushback::RetryAfter(wait), _) => {
            outcome.backoff(outcome.backoff_override.map_or(wait, |own| own.max(wait)))
        }
        (Pushback::None, _) => outcome,
    }
}

/// The idempotency rule: a failure after which the request may have been processed is worth
/// another attempt only if repeating it is not known to be unsafe.
const fn retryable_under_rule(
    facts: &Completion,
    context: &Context,
    class: Class,
    reason: Reason,
) -> Outcome {
    if facts.not_sent || matches!(class, Class::NotSent) {
        // That the server asks for less is worth more to know than that it did nothing.
        let class = if matches!(class, Class::Throttled) { class } else { Class::NotSent };
        return Outcome::retryable(class).because(reason);
    }
    if matches!(facts.method, Some(Method::Post | Method::Patch)) && !facts.idempotency_key {
        return Outcome::non_retryable(class).because(Reason::HttpNonIdempotent);
    }
    if matches!(context.idempotent, Idempotent::No) {
        return Outcome::non_retryable(class).because(Reason::NonIdempotent);
    }
    Outcome::retryable(class).because(reason)
}

#[cfg(test)]
mod tests;
