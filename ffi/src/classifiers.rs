//! Classifiers of the host's own.

use std::{ffi::c_void, sync::Arc};

use rego::{
    BuiltInClassifier, Class, Classifier, Completion, Context, Method, Nanos, Outcome, Pushback,
    Reason,
};

use crate::{
    constants::rego_completion_flag,
    crossing::{Checked, Sized32, read_handed, rego_str, text, unused},
    events::parts,
    facts::{rego_completion, rego_outcome},
    status::rego_status::{REGO_STATUS_INVALID, REGO_STATUS_NULL},
    userdata::{Userdata, rego_drop_fn},
};

/// Makes an outcome of the facts of how an attempt ended. `outcome_out` already says what the
/// built-in classifier `auto` makes of them, so only what is seen otherwise has to be written. An
/// outcome that is none (an unknown kind, a wrong size, a reserved field that is not 0) counts as
/// one that is not to be repeated.
///
/// Called by the thread that finishes the attempt, and by several at once. Must not unwind. May
/// call every function; what waits keeps the attempt from being finished.
pub type rego_classify_fn = Option<
    unsafe extern "C" fn(
        userdata: *mut c_void,
        facts: *const rego_completion,
        context: *const rego_context,
        outcome_out: *mut rego_outcome,
    ),
>;

/// What a classifier knows besides the facts.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rego_context {
    /// `sizeof(rego_context)`, as the library knows it.
    pub struct_size: u32,
    /// Whether repeating the request is safe, as the call says, else its policy: a
    /// `REGO_IDEMPOTENT_*`.
    pub idempotent: u32,
    /// The number of the attempt in its call, in launch order from 0.
    pub attempt: u32,
    /// 0.
    pub reserved: u32,
}

/// A classifier of the host's own, which policies can name: `rego_options.classifiers`. Begin with
/// `REGO_CLASSIFIER_INIT`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rego_classifier {
    /// `sizeof(rego_classifier)`.
    pub struct_size: u32,
    /// Must be 0.
    pub reserved: u32,
    /// What policies call it: not the name of a built-in one, nor of another.
    pub name: rego_str,
    /// Handed to the callbacks.
    pub userdata: *mut c_void,
    /// What it does. Not NULL.
    pub classify: rego_classify_fn,
    /// Called once, when the engine is gone, or was not made; not if this struct cannot be read.
    pub drop: rego_drop_fn,
}

// SAFETY: because it is numbers and pointers without padding, of which the first is its size.
unsafe impl Sized32 for rego_classifier {
    const FIRST: usize = 8 + 5 * size_of::<usize>();
}

/// More classifiers than this are a mistake.
const MAX_CLASSIFIERS: usize = 1_024;

/// A host's classifier, which is the engine's from now on.
pub(crate) struct Custom {
    pub(crate) name: Checked<String>,
    pub(crate) classifier: Arc<Callback>,
}

/// Takes over all that can be taken over, so that each is dropped whatever comes.
///
/// # Safety
///
/// `at` is NULL, or there are `count` pointers, each NULL or to a classifier as its type says.
pub(crate) unsafe fn adopt(
    at: *const *const rego_classifier,
    count: usize,
) -> Checked<Vec<Checked<Custom>>> {
    if count == 0 {
        return Ok(Vec::new());
    }
    if at.is_null() {
        return Err(REGO_STATUS_NULL);
    }
    if count > MAX_CLASSIFIERS || !at.is_aligned() {
        return Err(REGO_STATUS_INVALID);
    }
    // SAFETY: because the caller promises as much.
    let all = unsafe { std::slice::from_raw_parts(at, count) };
    // SAFETY: because the caller promises as much of each.
    Ok(all.iter().map(|one| unsafe { Custom::adopt(*one) }).collect())
}

impl Custom {
    /// # Safety
    ///
    /// `at` is NULL, or points to a classifier as its type says.
    unsafe fn adopt(at: *const rego_classifier) -> Checked<Self> {
        // SAFETY: because the caller promises as much.
        let (given, tail) = unsafe { read_handed(at) }?;
        // SAFETY: because the host hands it over.
        let userdata = unsafe { Userdata::new(given.userdata, given.drop) };
        tail?;
        unused(given.reserved)?;
        let classify = given.classify.ok_or(REGO_STATUS_NULL)?;
        // SAFETY: because the caller promises as much.
        let name = unsafe { text(given.name) }.map(str::to_owned);
        Ok(Self { name, classifier: Arc::new(Callback { classify, userdata }) })
    }
}

/// A host's classifier as the engine knows it.
pub(crate) struct Callback {
    classify: unsafe extern "C" fn(
        *mut c_void,
        *const rego_completion,
        *const rego_context,
        *mut rego_outcome,
    ),
    userdata: Userdata,
}

impl Callback {
    pub(crate) fn classify(&self, facts: &Completion, context: &Context) -> Outcome {
        let usual = BuiltInClassifier::Auto.classify(facts, context);
        let (facts, context) = (rego_completion::of(facts), rego_context::of(context));
        let before = rego_outcome::of(&usual);
        let mut after = before;
        // SAFETY: because it is what the host registered for this, with its own userdata, and what
        // the pointers point to lives until it returns.
        unsafe { (self.classify)(self.userdata.get(), &facts, &context, &mut after) };
        // Unchanged, but for the result, which nobody reads.
        if after == (rego_outcome { result: after.result, ..before }) {
            return usual;
        }
        after.checked_outcome().unwrap_or_else(|_| {
            Outcome::non_retryable(Class::Unknown).because(Reason::ClassifierTypeMismatch)
        })
    }
}

impl rego_context {
    const fn of(context: &Context) -> Self {
        Self {
            struct_size: size_of::<Self>() as u32,
            idempotent: context.idempotent as u32,
            attempt: context.attempt.get() as u32,
            reserved: 0,
        }
    }
}

impl rego_completion {
    /// The facts, as a host would have told them.
    pub(crate) fn of(facts: &Completion) -> Self {
        use rego_completion_flag::*;
        let (kind, code) = parts(facts).map_or((u32::MAX, 0), |(kind, code)| (kind as u32, code));
        let flag = |set, flag: rego_completion_flag| if set { flag as u32 } else { 0 };
        let (do_not_retry, retry_after) = match facts.pushback {
            Pushback::None => (false, 0),
            Pushback::RetryAfter(wait) => (false, wait.as_nanos().max(1)),
            Pushback::DoNotRetry => (true, 0),
        };
        Self {
            struct_size: size_of::<Self>() as u32,
            kind,
            code,
            flags: flag(facts.not_sent, REGO_COMPLETION_NOT_SENT)
                | flag(facts.idempotency_key, REGO_COMPLETION_IDEMPOTENCY_KEY)
                | flag(do_not_retry, REGO_COMPLETION_DO_NOT_RETRY),
            method: facts.method.map_or(0, method),
            reserved: 0,
            retry_after,
            result: 0,
        }
    }
}

const fn method(method: Method) -> u32 {
    method as u32 + 1
}

impl rego_outcome {
    /// What a classifier has written, into a struct of this size.
    fn checked_outcome(&self) -> Checked<Outcome> {
        let size = self.struct_size as usize;
        if !(Self::FIRST..=size_of::<Self>()).contains(&size) {
            return Err(REGO_STATUS_INVALID);
        }
        self.outcome()
    }

    fn of(outcome: &Outcome) -> Self {
        Self {
            struct_size: size_of::<Self>() as u32,
            kind: outcome.kind as u32,
            failure: outcome.class as u32,
            reserved: 0,
            backoff: outcome.backoff_override.map_or(0, Nanos::as_nanos),
            result: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_come_back_as_they_were_told() {
        for facts in [
            Completion::ok(),
            Completion::http(429).method(Method::Post).retry_after(Nanos::from_nanos(5)),
            Completion::grpc(14).do_not_retry(),
            Completion::io(std::io::ErrorKind::ConnectionReset).not_sent(),
            Completion::errno(104).with_idempotency_key().method(Method::Other),
            Completion::app(-7).method(Method::Get),
            Completion::timeout(),
            Completion::cancelled(),
        ] {
            assert_eq!(rego_completion::of(&facts).facts(), Ok(facts));
        }
    }
}
