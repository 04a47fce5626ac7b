//! How one call is made: plainly, or through the engine.

mod guarded;
mod wire;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

pub(crate) use guarded::{Hedged, Retried};

use crate::{
    client::{Cancel, Client},
    load::Request,
};
use wire::{Trip, Wire, is_good};

/// The longest a call may take, in every lane.
pub(crate) const OVERALL_TIMEOUT: Duration = Duration::from_secs(5);

/// A way to make calls, used by many threads at once.
pub(crate) trait Lane: Send + Sync {
    /// Makes one call; whether it succeeded.
    fn call(&self, request: Request) -> bool;

    /// Whether none of its attempts is on its way.
    fn is_quiet(&self) -> bool;

    /// What the lane's measured calls took.
    fn account(&self) -> Account;
}

/// What the measured calls of a lane took.
#[derive(Clone, Debug, Default)]
pub(crate) struct Account {
    pub(crate) attempts: u64,
    /// Attempts that succeeded.
    pub(crate) good: u64,
    /// Attempts that were cancelled because another one had won.
    pub(crate) cancelled: u64,
    pub(crate) policy: Option<PolicyAccount>,
}

/// What a policy did, and what it could have done.
#[derive(Clone, Debug, Default)]
pub(crate) struct PolicyAccount {
    pub(crate) hedges: u64,
    pub(crate) hedges_won: u64,
    /// Extra attempts the budgets refused.
    pub(crate) denied: u64,
    /// Extra attempts the budgets could have granted at most; `None` if they do not limit that.
    pub(crate) bound: Option<u64>,
    /// The slowest call, attempt by attempt.
    pub(crate) waterfall: Option<String>,
    /// The same as JSON.
    pub(crate) timeline: Option<String>,
}

/// A call without a policy: one attempt.
pub(crate) struct Plain(Wire);

impl Plain {
    pub(crate) fn new(client: Arc<Client>) -> Self {
        Self(Wire::new(client))
    }
}

impl Lane for Plain {
    fn call(&self, request: Request) -> bool {
        let trip = Trip::new(request);
        let deadline = Instant::now() + OVERALL_TIMEOUT;
        let answer = self.0.attempt(&trip, deadline, &Cancel::default());
        answer.is_ok_and(|answer| is_good(&answer))
    }

    fn is_quiet(&self) -> bool {
        self.0.is_quiet()
    }

    fn account(&self) -> Account {
        self.0.account()
    }
}
