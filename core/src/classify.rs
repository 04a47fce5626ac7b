//! Completion → outcome: the built-in classifiers and the registry of named ones.
use crate::{completion::*, notes::AttemptId, outcome::*, policy::Idempotent};
#[derive(Debug, Clone)]
pub(crate) enum Named {
    Auto,
}
pub struct Context {
    pub idempotent: Idempotent,
    pub attempt: AttemptId,
}
pub(crate) fn judge(_: &Named, facts: &Completion, context: &Context) -> Outcome {
    match facts.kind {
        CompletionKind::Ok => Outcome::success(),
        CompletionKind::Panic => Outcome::abort().because(Reason::Panic),
        _ if context.idempotent == Idempotent::No => {
            Outcome::non_retryable(Class::Unknown).because(Reason::NonIdempotent)
        }
        _ => Outcome::retryable(Class::Unknown).because(Reason::UnknownError),
    }
}
pub(crate) fn timeout(idempotent: Idempotent) -> Outcome {
    match idempotent {
        Idempotent::No => Outcome::non_retryable(Class::Timeout).because(Reason::NonIdempotent),
        _ => Outcome::retryable(Class::Timeout).because(Reason::Timeout),
    }
}

pub trait Classifier: Send + Sync {}
#[derive(Debug, Default, Clone)]
pub(crate) struct Classifiers;
impl Classifiers {
    pub(crate) fn get(&self, _: &str) -> Option<Named> {
        Some(Named::Auto)
    }
    pub(crate) fn register(&mut self, _: &str, _: impl Classifier) -> Result<(), ClassifierError> {
        Ok(())
    }
}
#[derive(Debug, Clone, PartialEq)]
pub struct ClassifierError;
impl std::fmt::Display for ClassifierError {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Ok(())
    }
}
impl std::error::Error for ClassifierError {}
