//! What time brings.

use super::{Call, State, Step, With};
use crate::{clock::Nanos, site::Terms, verdict::Verdict};

impl Call {
    /// Time has passed. Never launches more than one attempt: ask again until it says `Wait`.
    pub(crate) fn on_time(&mut self, with: &mut With<'_>, now: Nanos) -> Step {
        if let Some(next) = self.nothing_until(with.terms, now) {
            return Step::Wait(next);
        }
        if let State::Over(_) = self.state {
            return Step::Over;
        }
        if self.now >= self.deadline {
            return self.finish(with, Verdict::DeadlineExceeded);
        }
        match self.state {
            State::Over(_) => Step::Over,
            State::Waiting => self.launch_retry(with),
            State::Running => {
                if let Some(step) = self.expire(with) {
                    return step;
                }
                self.hedge_if_due(with)
            }
        }
    }

    /// Time has passed. When it will bring something, if it has not yet: then there is no need to
    /// [say so](Self::on_time).
    #[inline]
    pub(crate) fn nothing_until(&mut self, terms: &Terms, now: Nanos) -> Option<Nanos> {
        self.see(now);
        let next = match self.state {
            State::Over(_) => return None,
            State::Waiting => self.wake.min(self.deadline),
            State::Running => self.next_event(terms),
        };
        (self.now < next).then_some(next)
    }

    /// Nothing to do for this event but to wait on, or to notice that the deadline has passed.
    pub(super) fn rest(&mut self, with: &mut With<'_>) -> Step {
        match self.state {
            State::Over(_) => Step::Over,
            _ if self.now >= self.deadline => self.finish(with, Verdict::DeadlineExceeded),
            State::Waiting => Step::Wait(self.wake),
            State::Running => Step::Wait(self.next_event(with.terms)),
        }
    }

    /// The first time at which something must happen while legs are alive.
    #[inline]
    fn next_event(&self, terms: &Terms) -> Nanos {
        let hedge = if self.legs.any_queued() { Nanos::NEVER } else { self.wake };
        let timeout = self.legs.first_timeout(terms.attempt_timeout());
        self.deadline.min(hedge).min(timeout)
    }
}
