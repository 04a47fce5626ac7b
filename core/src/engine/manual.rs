//! The way to the calls that their host drives.

use super::{CallSite, Engine};
use crate::{
    clock::Nanos,
    drive::manual::{Begin, CallId, Loop, Manual, Step},
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
