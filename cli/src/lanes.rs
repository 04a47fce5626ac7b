//! How one call is made: plainly, or through the engine. Everything that knows the engine is here.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use crate::{
    client::{Answer, Cancel, Client, Label},
    load::Request,
};

/// The longest a call may take, in every lane.
const OVERALL_TIMEOUT: Duration = Duration::from_secs(5);

/// A way to make calls, used by many threads at once.
pub(crate) trait Lane: Send + Sync {
    /// Makes one call; whether it succeeded.
    fn call(&self, request: Request) -> bool;

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
    /// Extra attempts the budgets could have granted at most.
    pub(crate) bound: u64,
    /// One slow call, attempt by attempt.
    pub(crate) waterfall: Option<String>,
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

    fn account(&self) -> Account {
        self.0.account()
    }
}

/// Sends attempts and counts those of measured calls.
struct Wire {
    client: Arc<Client>,
    attempts: AtomicU64,
    good: AtomicU64,
    cancelled: AtomicU64,
}

/// What the attempts of one call share.
struct Trip {
    request: Request,
    attempts: AtomicU32,
    told: AtomicU32,
}

impl Wire {
    fn new(client: Arc<Client>) -> Self {
        let zero = || AtomicU64::new(0);
        Self { client, attempts: zero(), good: zero(), cancelled: zero() }
    }

    fn attempt(&self, trip: &Trip, deadline: Instant, cancel: &Cancel) -> io::Result<Answer> {
        // Relaxed, here and below: numbers and counts; the lane is read after its calls ended.
        let label = Label {
            call: trip.request.call,
            attempt: trip.attempts.fetch_add(1, Ordering::Relaxed),
            told: trip.told.load(Ordering::Relaxed),
        };
        let answer = self.client.fetch(label, deadline, cancel);
        let is_pushback = matches!(&answer, Ok(Answer { retry_after: Some(_), .. }));
        trip.told.fetch_add(u32::from(is_pushback), Ordering::Relaxed);
        if trip.request.is_measured {
            self.attempts.fetch_add(1, Ordering::Relaxed);
            match &answer {
                Ok(answer) if is_good(answer) => self.good.fetch_add(1, Ordering::Relaxed),
                Err(_) if cancel.is_cancelled() => self.cancelled.fetch_add(1, Ordering::Relaxed),
                _ => 0,
            };
        }
        answer
    }

    fn account(&self) -> Account {
        Account {
            attempts: self.attempts.load(Ordering::Relaxed),
            good: self.good.load(Ordering::Relaxed),
            cancelled: self.cancelled.load(Ordering::Relaxed),
            policy: None,
        }
    }
}

impl Trip {
    fn new(request: Request) -> Self {
        Self { request, attempts: AtomicU32::new(0), told: AtomicU32::new(0) }
    }
}

fn is_good(answer: &Answer) -> bool {
    (200..400).contains(&answer.status)
}
