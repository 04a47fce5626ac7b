//! What the models of the drivers stand on: one site, a clock moved by hand, no thread of its own.

use std::sync::Arc;

use super::{
    Alarms, CancelToken, Error, Executor, Host, Options, Seeds, Workers,
    manual::{Begin, CallId, Loop, Manual, Step},
    pool,
    yard::Yard,
};
use crate::{
    clock::{Clock, ManualClock, Nanos},
    drive::Attempt,
    notes::AttemptKind,
    outcome::{Class, Outcome, Reason},
    policy::Policy,
    site::Counter,
};

/// One site whose budgets have room for a few attempts, and a host of drivers.
#[derive(Debug)]
pub struct Stage {
    host: Arc<Host>,
    yard: Yard,
    /// The only clock there is.
    pub clock: ManualClock,
}

impl Stage {
    /// A site with this policy, whose retries and hedges each have room for `room` at a time.
    pub fn new(policy: Policy, room: u32, clock: ManualClock) -> Self {
        Self::with(policy, room, clock, None, None)
    }

    /// As [`new`](Self::new), with races whose attempts the executor runs.
    pub fn racing(
        policy: Policy,
        room: u32,
        clock: ManualClock,
        executor: Arc<dyn Executor>,
    ) -> Self {
        Self::with(policy, room, clock, Some(executor), None)
    }

    /// As [`racing`](Self::racing), with races that run their primaries on the caller's thread.
    pub fn inline_first(
        policy: Policy,
        room: u32,
        clock: ManualClock,
        executor: Arc<dyn Executor>,
    ) -> Self {
        Self::with(policy, room, clock, Some(executor), Some(Arc::new(Alarms::new())))
    }

    fn with(
        policy: Policy,
        room: u32,
        clock: ManualClock,
        executor: Option<Arc<dyn Executor>>,
        alarms: Option<Arc<Alarms>>,
    ) -> Self {
        let host = Arc::new(Host {
            clock: Clock::from(clock.clone()),
            seeds: Seeds::fixed(1),
            listener: None,
            executor,
            workers: Workers::new(1),
            alarms,
        });
        Self { host, yard: Yard::with_room(policy, room), clock }
    }

    /// As [`CallSite::race`](crate::CallSite::race).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn race<T, E, F>(&self, token: Option<&CancelToken>, op: F) -> Result<T, Error<E>>
    where
        T: Send + 'static,
        E: Send + 'static,
        F: Fn(&Attempt<'_>) -> Result<T, E> + Send + Sync + 'static,
    {
        let options = Options { cancel: token.cloned(), ..Options::default() };
        pool::race(&self.host, &self.yard.site, &options, op, None)
    }

    /// Drives the timers of calls whose callers are busy, until [`close`](Self::close).
    pub fn run_alarms(&self) {
        let alarms = self.host.alarms.as_ref().expect("it is inline-first");
        alarms.run(&self.host.clock);
    }

    /// Whether some thread is in [`run_alarms`](Self::run_alarms), where one has to be.
    pub fn is_staffed(&self) -> bool {
        self.host.alarms.as_ref().is_none_or(|alarms| alarms.is_running())
    }

    /// Lets whoever drives the timers go.
    pub fn close(&self) {
        if let Some(alarms) = &self.host.alarms {
            alarms.close();
        }
    }

    /// Calls of this site that are driven by hand, at most so many in the air.
    pub fn manual(&self, max_flights: usize) -> Manual {
        Manual::new(&self.host, max_flights)
    }

    /// As [`Manual::begin`].
    pub fn begin(&self, manual: &Manual, begin: Begin) -> (CallId, Step) {
        manual.begin_at(&self.yard.site, begin)
    }

    /// As [`Loop::begin`].
    pub fn begin_on(&self, events: &mut Loop, begin: Begin) -> (CallId, Step) {
        events.begin_on(&self.yard.site, begin)
    }

    /// A first attempt failed for this reason, as far as the site's counters go.
    pub fn count_failure(&self, reason: Reason) {
        let outcome = Outcome::retryable(Class::Server).because(reason);
        self.yard.site.counters.failure(AttemptKind::First, outcome, Nanos::ZERO);
    }

    /// How often each reason was met; `None` for those that found no place.
    pub fn reasons(&self) -> Vec<(Option<Reason>, u64)> {
        self.yard.site.counters.reasons().into_iter().map(|met| (met.reason, met.count)).collect()
    }

    /// How many attempts ended after their call.
    pub fn late(&self) -> u64 {
        self.yard.site.counters.get(Counter::Late)
    }

    /// Asserts that nothing is left of any call.
    ///
    /// # Panics
    ///
    /// If something is: a place in a budget, a count in a gauge; or if a panic was contained.
    pub fn assert_quiet(&self) {
        self.yard.assert_quiet();
        assert_eq!(self.yard.site.counters.get(Counter::HookPanics), 0, "panics in hooks");
    }
}
