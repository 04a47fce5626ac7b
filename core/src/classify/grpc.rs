//! What a gRPC status code means for another attempt.

use super::{Context, built_in::common, retryable_under_rule};
use crate::{
    completion::{Completion, CompletionKind},
    outcome::{Class, Outcome, Reason},
};

const OK: u8 = 0;
const CANCELLED: u8 = 1;
const UNKNOWN: u8 = 2;
const DEADLINE_EXCEEDED: u8 = 4;
const RESOURCE_EXHAUSTED: u8 = 8;
const UNIMPLEMENTED: u8 = 12;
const INTERNAL: u8 = 13;
const UNAVAILABLE: u8 = 14;
const DATA_LOSS: u8 = 15;
const UNAUTHENTICATED: u8 = 16;

pub(super) fn classify(facts: &Completion, context: &Context) -> Outcome {
    let CompletionKind::Grpc(code) = facts.kind else { return common(facts, context) };
    // Codes to come count as UNKNOWN, as the protocol has it.
    let code = if code > UNAUTHENTICATED { UNKNOWN } else { code };
    let reason = Reason::Grpc(code);
    match code {
        OK => Outcome::success(),
        CANCELLED => Outcome::abort().because(reason),
        // The protocol's own words for "try again": servers that turn a request away say so, and
        // transparent retries of gRPC rest on it.
        UNAVAILABLE => Outcome::retryable(Class::Transient).because(reason),
        RESOURCE_EXHAUSTED => Outcome::retryable(Class::Throttled).because(reason),
        DEADLINE_EXCEEDED => retryable_under_rule(facts, context, Class::Timeout, reason),
        UNKNOWN | UNIMPLEMENTED | INTERNAL | DATA_LOSS => {
            Outcome::non_retryable(Class::Server).because(reason)
        }
        _ => Outcome::non_retryable(Class::Unknown).because(reason),
    }
}
