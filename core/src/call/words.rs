//! What goes into the machine and what comes out of it.

use crate::{
    classify::{BuiltInClassifier, Named},
    clock::Nanos,
    completion::Completion,
    notes::{AttemptId, AttemptSet, Notes},
    policy::Idempotent,
    site::{Site, Terms},
    sync::Shard,
    verdict::{HedgeReason, Verdict},
};

/// What the driver does next.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Run this attempt, then report its outcome.
    Launch(Launch),
    /// Nothing until this time, or until an attempt ends.
    Wait(Nanos),
    /// The call has ended.
    Done(Verdict),
    /// The call had ended before; the event changed no result.
    Over,
}

/// An attempt to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Launch {
    pub(crate) attempt: AttemptId,
    pub(crate) retry_index: u8,
    /// 0 for the group's primary.
    pub(crate) hedge_index: u8,
    /// The attempt must be over by then, if it starts now.
    pub(crate) deadline: Nanos,
    /// The call must be over by then: for drivers whose attempts start later than now.
    pub(crate) call_deadline: Nanos,
    /// What must be given back when the attempt ends.
    pub(crate) reserved: Reserved,
}

/// A place in a budget that an attempt holds while it runs. The driver gives it back exactly once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Reserved {
    #[default]
    Nothing,
    Retry,
    Hedge,
}

/// What comes in with every event besides the event itself.
#[derive(Debug)]
pub(crate) struct With<'a> {
    pub(crate) site: &'a Site,
    pub(crate) terms: &'a Terms,
    pub(crate) rules: Rules,
    /// When the call started.
    pub(crate) started: Nanos,
    pub(crate) shard: Shard,
    pub(crate) notes: &'a mut Notes,
    /// The facts behind the outcome, for the record.
    pub(crate) facts: Option<Completion>,
    /// Out: attempts to cancel now. An attempt is named once in a call's life.
    pub(crate) abandoned: AttemptSet,
}

/// What holds for one call besides its policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rules {
    pub(crate) idempotent: Idempotent,
    /// False for a call inside another that retries.
    pub(crate) retries: bool,
    /// Why the driver cannot hedge, if it cannot.
    pub(crate) no_hedging: Option<HedgeReason>,
}

impl With<'_> {
    /// What rule of idempotency an attempt timeout falls under: none where the policy's classifier
    /// knows none.
    pub(super) fn timeout_rule(&self) -> Idempotent {
        match self.terms.classifier {
            Named::BuiltIn(BuiltInClassifier::Always) => Idempotent::Unset,
            _ => self.rules.idempotent,
        }
    }
}
