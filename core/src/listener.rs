//! The trait through which drivers tell whoever listens.

use std::fmt;

use crate::{
    clock::Nanos,
    notes::{AttemptId, Note, Notes},
    verdict::{PolicySource, Verdict},
};

/// Told by the drivers what happens, after the machine is done with the event and never under a
/// lock. Nothing it does changes a result.
pub(crate) trait Listener: Send + Sync + fmt::Debug {
    /// A call starts. Answers the number by which the listener will know it.
    fn started(&self, key: &str, at: Nanos) -> u64;

    /// Something happened in a call.
    fn noted(&self, call: u64, key: &str, note: &Note);

    /// Something about the engine is not as its owner may think.
    fn warned(&self, key: &str, at: Nanos, warning: Warning);

    /// A call ended. Every one of its notes that was kept has been told before.
    fn ended(&self, call: &CallEnded<'_>, notes: &Notes);
}

/// Something about an engine that its owner should know and that fails no call. Each is told once
/// for a key, and what is said of a policy whenever the key gets another one: to
/// [`Observer::on_warning`](crate::Observer::on_warning) and into the event ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum Warning {
    /// There are as many keys as there may be: this one, and all that come after it, share the
    /// policy, the budgets and the latency of `other`. Told once for an engine, of the first such
    /// key; `rego_keys_refused_total` counts on.
    KeysFull = 0,
    /// The key's policy hedges, and its calls are made where no hedge is possible: on the calling
    /// thread alone.
    NoExecutor = 1,
    /// The key's policy hedges, and nobody fires the hedges of calls that run inline-first: no
    /// thread was donated to the timer.
    NoTimer = 2,
    /// As many calls driven by their host are in the air as there may be, this key's among those that
    /// found no room: each passes through as one plain attempt. `rego_calls_passed_through_total`
    /// counts these, and those for which the engine stands aside after a defect of its own.
    NoRoom = 3,
    /// The key's policy asks for hedges and does not declare that its requests are idempotent: it is
    /// in force without them. Told when it comes into force for a key that is known, and else when
    /// the key is first seen; so is the next.
    NotIdempotent = 4,
    /// Values of the key's policy are out of their range, and the nearest ones within it are in
    /// force: [`Policy::normalized`](crate::Policy::normalized).
    PolicyClamped = 5,
}

impl Warning {
    /// Every warning.
    pub const ALL: [Self; 6] = [
        Self::KeysFull,
        Self::NoExecutor,
        Self::NoTimer,
        Self::NoRoom,
        Self::NotIdempotent,
        Self::PolicyClamped,
    ];

    /// The name used in records.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::KeysFull => "keys_full",
            Self::NoExecutor => "no_executor",
            Self::NoTimer => "no_timer",
            Self::NoRoom => "no_room",
            Self::NotIdempotent => "not_idempotent",
            Self::PolicyClamped => "policy_clamped",
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.label())
    }
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
