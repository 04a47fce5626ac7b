//! The way to the calls that their host drives.

use super::{CallSite, Engine};
use crate::{
    clock::Nanos,
    drive::manual::{Begin, CallId, Loop, Manual, Standing, Step},
    policy::Idempotent,
};

impl Engine {
    /// The engine's calls that are driven by their host. Every one of an engine is the same: ids
    /// from one hold for all.
    #[must_use]
    pub fn manual(&self) -> Manual {
        self.0.manual.clone()
    }
}

impl Manual {
    /// Begins a call at a site of this engine: its first attempt is in the step, or its end, if its
    /// deadline has passed already. Together with its [`finish`](Self::finish) it costs a few
    /// times a [`run`](CallSite::run), and allocates nothing once the slot is warm. Hosts that count
    /// nanoseconds keep a step, and [begin into it](Self::begin_into).
    ///
    /// Where all slots are taken, the call [passes through](CallId::is_pass_through): it is one
    /// plain attempt, which has until the call's deadline, counted.
    pub fn begin(&self, site: &CallSite, begin: Begin) -> (CallId, Step) {
        self.begin_at(&site.site, begin)
    }

    /// As [`begin`](Self::begin), into a step of the host's; whatever was there before is gone.
    #[inline]
    pub fn begin_into(&self, site: &CallSite, begin: &Begin, step: &mut Step) -> CallId {
        self.begin_at_into(&site.site, begin, step)
    }

    /// On what terms first attempts of a call site may be made before their calls begin: for hosts
    /// to which the way here is dear, as from another language. They hold for as long as the site's
    /// [`edition`](CallSite::edition) is the same, which is one load; ask again when it is not.
    ///
    /// A host that makes such an attempt keeps its [`attempt_timeout`](Standing::attempt_timeout), the
    /// [`overall_timeout`](Standing::overall_timeout), and the caller's own deadline. Where the
    /// attempt worked in the call's time, without facts of its own ([`Completion::ok`](crate::Completion::ok)), the call is
    /// over, and is to be [settled](Self::settle). In any other case it begins now, with
    /// [`Begin::now`] the time at which its attempt was started and the [edition](Begin::edition) of its
    /// terms, and the attempt is finished at once: nothing is different from a call that was begun
    /// before, but that nobody could see it in the air, cancel it by its id, or shut it down. Terms are
    /// remembered for eight editions; after as many reloads, the call has the terms that are in force
    /// when it begins.
    ///
    /// Thread-safe. Once for each edition: it takes a lock, for a moment, as does a call that begins on
    /// an edition that is not in force any more.
    ///
    /// ```
    /// use rego::{Completion, Engine, Nanos, manual::{Action, Begin}};
    ///
    /// let engine = Engine::builder().build()?;
    /// let (manual, site) = (engine.manual(), engine.site("svc.Get"));
    /// let terms = manual.standing(&site, Nanos::from_millis(1));
    /// assert!(terms.granted);
    ///
    /// // Before each call:
    /// assert_eq!(site.edition(), terms.edition);
    /// let (started, ended) = (Nanos::from_millis(1), Nanos::from_millis(3));
    ///
    /// // One works, and is settled: by itself, or with others.
    /// manual.settle(&site, [ended - started], 0);
    ///
    /// // Another does not, and begins in retrospect.
    /// let (call, step) = manual.begin(&site, Begin::new(started).edition(terms.edition));
    /// let Some(Action::Start { attempt, .. }) = step.actions().next() else { unreachable!() };
    /// let step = manual.finish(attempt, ended, &Completion::http(503), 0)?;
    /// assert!(step.wake_at > ended, "a retry waits");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn standing(&self, site: &CallSite, now: Nanos) -> Standing {
        self.standing_at(&site.site, now)
    }

    /// Takes in calls that were made on [standing](Self::standing) terms and whose first attempt
    /// worked: how long each of them took. What such calls leave (latencies, metrics, deposits in
    /// budgets) is not there before. So settle those of a site, and of all sites whose budgets are
    /// [shared](Standing::shared), before an attempt of the site is finished otherwise than by
    /// [`Completion::ok`](crate::Completion::ok), and before one of its calls is polled; and those of all
    /// sites before policies are put in force and [metrics](Engine::metrics) are read.
    ///
    /// `in_flight` is by how many the calls in the air that were made on standing terms are more than
    /// when this was told last. How many attempts that were given up may run on hangs on it.
    ///
    /// Thread-safe; some nanoseconds for each, no allocation.
    pub fn settle(
        &self,
        site: &CallSite,
        lengths: impl IntoIterator<Item = Nanos>,
        in_flight: i32,
    ) {
        self.settle_at(&site.site, lengths, in_flight);
    }

    /// Begins a call whose host cannot hedge it. If its policy would, that is counted, and told once
    /// for its key, as of [`CallSite::run`].
    #[doc(hidden)]
    pub fn begin_unhedged(&self, site: &CallSite, begin: &Begin) -> (CallId, Step) {
        self.begin_unhedged_at(&site.site, begin)
    }

    /// The host's timer refuses, so nobody fires the hedges of a call that said this of idempotency.
    /// If there would be any, that is counted, and told once for its key.
    #[doc(hidden)]
    pub fn miss_timer(&self, (call, site): (CallId, &CallSite), said: Idempotent, now: Nanos) {
        self.miss_timer_at((call, &site.site), said, now);
    }
}

impl Loop {
    /// Begins a call that belongs to this loop, as [`Manual::begin`]. What is to be done at once is
    /// in the step, what follows comes out of [`process`](Self::process), whoever brings it about.
    /// Nobody is notified: the host is here, and asks for the [next
    /// deadline](Self::next_deadline) before it sleeps.
    pub fn begin(&mut self, site: &CallSite, begin: Begin) -> (CallId, Step) {
        self.begin_on(&site.site, begin)
    }

    /// As [`begin`](Self::begin), for hosts that have one place where they do what there is to do: all
    /// of it comes out of [`process`](Self::process), the first attempt as well. Allocates where more
    /// of it waits than ever before.
    ///
    /// ```
    /// use rego::{Engine, Nanos, manual::{Action, Begin}};
    ///
    /// let engine = Engine::builder().build()?;
    /// let (manual, site) = (engine.manual(), engine.site("svc.Get"));
    /// let (mut events, now) = (manual.event_loop(|| {}), Nanos::from_millis(1));
    /// let begun = events.begin_later(&site, Begin::new(now));
    /// assert_eq!(events.next_deadline(), Nanos::ZERO, "there is something to do");
    /// assert!(matches!(events.process(now), Some(Action::Start { call, .. }) if call == begun));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn begin_later(&mut self, site: &CallSite, begin: Begin) -> CallId {
        self.begin_later_on(&site.site, begin)
    }
}
