//! The trait through which drivers tell whoever listens.

use crate::{
    clock::Nanos,
    notes::{AttemptId, Note, Notes},
    verdict::{PolicySource, Verdict},
};

/// Told by the drivers what happens, after the machine is done with the event and never under a
/// lock. Nothing it does changes a result.
pub(crate) trait Listener: Send + Sync + std::fmt::Debug {
    /// A call starts. Answers the number by which the listener will know it.
    fn started(&self, key: &str, at: Nanos) -> u64;

    /// Something happened in a call.
    fn noted(&self, call: u64, key: &str, note: &Note);

    /// A call ended. Every one of its notes that was kept has been told before.
    fn ended(&self, call: &CallEnded<'_>, notes: &Notes);
}

/// A call has ended: what [`Observer::on_success`](crate::Observer::on_success) and
/// [`Observer::on_failure`](crate::Observer::on_failure) are told.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct CallEnded<'a> {
    /// Which call: the number its [`CallStarted`](crate::CallStarted) had.
    pub call: u64,
    /// The call site.
    pub key: &'a str,
    /// The policy's id.
    pub policy_id: &'a str,
    /// The policy's version.
    pub policy_version: &'a str,
    /// Where the policy came from.
    pub policy_source: PolicySource,
    /// When the call started.
    pub started: Nanos,
    /// When the first attempt's operation started to run; later than `started` by its time in the
    /// executor's queue.
    pub first_started: Nanos,
    /// When the call ended.
    pub at: Nanos,
    /// How it ended.
    pub verdict: Verdict,
    /// Which attempt's result was returned, if any.
    pub answer: Option<AttemptId>,
    /// How many attempts were launched.
    pub attempts: u8,
}
