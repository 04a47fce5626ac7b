//! How attempts and calls end in every driver: what is kept, what is given back, what is returned.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
};

use super::Error;
use crate::{
    call::{Call, Reserved},
    clock::Nanos,
    outcome::{Outcome, Reason},
    site::{Counter, Site, Terms},
    sync::drop_quietly,
    verdict::Verdict,
};

/// What is kept of the attempt whose result is the call's.
pub(crate) enum Kept<T, E> {
    Nothing,
    Result(Result<T, E>),
    Panic(Box<dyn Any + Send>),
}

impl<T, E> Kept<T, E> {
    /// What came of running the operation.
    pub(crate) fn of(result: std::thread::Result<Result<T, E>>) -> Self {
        match result {
            Ok(result) => Self::Result(result),
            Err(payload) => Self::Panic(payload),
        }
    }
}

/// What the machine is told of an operation that panicked: past any classifier.
pub(crate) fn panicked() -> Outcome {
    Outcome::abort().because(Reason::Panic)
}

/// Gives back what an attempt held while it ran.
#[inline]
pub(crate) fn release(terms: &Terms, reserved: Reserved) {
    let budget = match reserved {
        Reserved::Nothing => return,
        Reserved::Retry => &terms.retry_budget,
        Reserved::Hedge => &terms.hedge_budget,
    };
    if let Some(budget) = budget {
        budget.release();
    }
}

/// Runs what belongs to the host, whose panic must not get into the engine: it is counted. False if
/// there was one.
pub(crate) fn contain(site: &Site, hosts: impl FnOnce()) -> bool {
    let Err(payload) = catch_unwind(AssertUnwindSafe(hosts)) else { return true };
    drop_quietly(payload);
    site.counters.add(Counter::HookPanics, 1);
    false
}

/// The result of a call: what the last attempt produced, if it is a value, else the verdict. A panic
/// that nothing outranked goes on here, also where time or the caller ended the call: none is hidden.
#[inline]
pub(crate) fn conclude<T, E>(
    verdict: Verdict,
    call: &Call,
    kept: Kept<T, E>,
) -> Result<T, Error<E>> {
    let last = match kept {
        Kept::Result(Ok(value)) => return Ok(value),
        Kept::Panic(payload) => resume_unwind(payload),
        Kept::Result(Err(error)) => Some(error),
        Kept::Nothing => None,
    };
    Err(Error {
        verdict,
        attempts: call.attempts().into(),
        last,
        retry_after: call.retry_after().map(Nanos::to_duration),
    })
}
