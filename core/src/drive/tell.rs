//! How a call ended, for whoever asked: the frame, the notes, the timeline.

use super::{Host, Teller};
use crate::{
    call::Call,
    clock::Nanos,
    listener::{CallEnded, Listener},
    notes::{Attribute, CallFacts, Notes, Timeline},
    policy::Mode,
    site::{Site, Terms},
    verdict::Verdict,
};

/// A call that has ended, as its driver knows it.
#[derive(Debug)]
pub(crate) struct Ended<'a> {
    pub(crate) site: &'a Site,
    pub(crate) terms: &'a Terms,
    pub(crate) call: &'a Call,
    pub(crate) notes: &'a Notes,
    pub(crate) verdict: Verdict,
    pub(crate) started: Nanos,
    pub(crate) first_started: Nanos,
    pub(crate) ended: Nanos,
}

impl Ended<'_> {
    fn facts(&self) -> CallFacts {
        let policy = &self.terms.policy;
        CallFacts {
            policy_id: policy.id.to_string(),
            policy_version: policy.version.to_string(),
            policy_source: self.terms.source,
            answer: self.call.answer(),
            first_started: self.first_started,
            attempts: self.call.attempts().into(),
            ..CallFacts::new(self.site.name(), self.started, self.ended, self.verdict)
        }
    }

    /// Tells the notes that have not been told yet, and that the call has ended.
    #[cold]
    pub(crate) fn tell(&self, listener: &dyn Listener, call: u64, told: usize) {
        for note in &self.notes.as_slice()[told..] {
            listener.noted(call, self.site.name(), note);
        }
        let policy = &self.terms.policy;
        let ended = CallEnded {
            call,
            key: self.site.name(),
            policy_id: &policy.id,
            policy_version: &policy.version,
            policy_source: self.terms.source,
            started: self.started,
            first_started: self.first_started,
            at: self.ended,
            verdict: self.verdict,
            answer: self.call.answer(),
            attempts: self.call.attempts(),
        };
        listener.ended(&ended, self.notes);
    }

    #[cold]
    pub(crate) fn timeline(&self) -> Timeline {
        let mut attributes = self.terms.attributes.clone();
        match self.terms.mode {
            Mode::Active => {}
            Mode::Observe => attributes.push(Attribute::new("mode", "observe")),
            Mode::Off => attributes.push(Attribute::new("mode", "off")),
        }
        Timeline::new(self.facts(), attributes, self.notes)
    }
}

impl Host {
    /// Tells the listener, if there is one, that a call starts: the number it gives the call.
    #[inline]
    pub(crate) fn tell_start(&self, site: &Site, now: Nanos) -> u64 {
        self.listener.as_ref().map_or(0, |listener| listener.started(site.name(), now))
    }
}

impl<'a> Teller<'a> {
    /// Tells the listener, if there is one, that a call starts.
    #[inline]
    pub(crate) fn start(host: &'a Host, site: &Site, now: Nanos) -> Self {
        Self { listener: host.listener.as_deref(), call: host.tell_start(site, now), told: 0 }
    }

    /// Whether anybody listens.
    #[inline]
    pub(crate) fn listens(&self) -> bool {
        self.listener.is_some()
    }

    /// Tells the rest, and that the call has ended.
    #[inline]
    pub(crate) fn end(&mut self, ended: &Ended<'_>) {
        if let Some(listener) = self.listener {
            ended.tell(listener, self.call, self.told);
        }
    }
}
