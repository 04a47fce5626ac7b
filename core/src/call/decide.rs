//! What follows when a group has ended without an answer: the next group, or the end.

use super::{
    Asked, Call, Class, Counter, Event, Group, Launch, Mode, Nanos, Reserved, State, Step,
    Unfinished, Verdict, With,
};
use crate::{
    backoff,
    notes::{AttemptId, AttemptKind},
    verdict::BudgetDecision,
};

impl Call {
    /// The group is over: the rules of precedence, from the top.
    #[cold]
    pub(super) fn decide(&mut self, with: &mut With<'_>) -> Step {
        debug_assert!(!self.legs.any_alive(), "a group ends when its last leg has");
        // The call is about to wait or to fail: time to look after what its budget rests on.
        with.site.refresh_if_due(with.terms, self.now);
        let class = match self.group {
            Group::NonRetryable => return self.finish(with, Verdict::NonRetryable),
            Group::Aborted => return self.finish(with, Verdict::Aborted),
            Group::Panicked => return self.finish(with, Verdict::Panicked),
            Group::Retryable(class) => class,
            Group::Open => Class::Unknown,
        };
        match self.plan_retry(with, class) {
            Ok(wait) => self.back_off(with, wait),
            Err(verdict) => self.finish(with, verdict),
        }
    }

    /// Whether this call retries at all.
    #[inline]
    pub(super) fn may_retry(&self, with: &With<'_>) -> bool {
        with.rules.retries && with.terms.mode == Mode::Active
    }

    /// How long to wait before the next group, or why there is none. Pays for it.
    fn plan_retry(&self, with: &mut With<'_>, class: Class) -> Result<Nanos, Verdict> {
        let retry = &with.terms.policy.retry;
        let per_class = retry.per_class[class as usize];
        let done = self.legs.retry_index() + 1;
        let wait = match self.asked.wait() {
            Some(asked) => {
                let wait = backoff::retry_after(asked, self.legs.retry_index(), self.seed.into());
                if asked > retry.max_retry_after || self.now + wait >= self.deadline {
                    return Err(Verdict::RetryAfterExceedsDeadline);
                }
                wait
            }
            None => backoff::delay(retry, class, self.legs.retry_index(), u64::from(self.seed)),
        };
        if per_class.max_attempts > 0 && done >= per_class.max_attempts {
            return Err(Verdict::MaxAttemptsPerClass);
        }
        if done >= retry.max_attempts {
            return Err(Verdict::MaxAttempts);
        }
        if !self.may_retry(with) {
            if with.terms.mode == Mode::Observe {
                with.notes.push(self.now, Event::WouldHave { kind: AttemptKind::Retry });
            }
            return Err(Verdict::MaxAttempts);
        }
        if self.now + wait >= self.deadline {
            with.notes.push(self.now, Event::WouldNotFit { wait });
            return Err(Verdict::DeadlineExceeded);
        }
        if with.site.too_many_abandoned(with.abandoned.len()) {
            return Err(Verdict::AbandonedLimit);
        }
        let cost = if per_class.cost > 0 { per_class.cost } else { retry.cost };
        self.pay_for_retry(with, cost)?;
        Ok(wait)
    }

    fn pay_for_retry(&self, with: &mut With<'_>, cost: u16) -> Result<(), Verdict> {
        let decision = match &with.terms.retry_budget {
            None => BudgetDecision::NoBudget,
            Some(budget) => {
                budget.withdraw(with.shard, cost.into(), self.now, || with.site.condition())
            }
        };
        self.note_budget(with, AttemptKind::Retry, cost, decision);
        if decision.is_allowed() {
            return Ok(());
        }
        with.site.counters.add(Counter::RetriesDenied, 1);
        Err(Verdict::BudgetDenied)
    }

    pub(super) fn note_budget(
        &self,
        with: &mut With<'_>,
        kind: AttemptKind,
        cost: u16,
        decision: BudgetDecision,
    ) {
        with.site.counters.budget(kind, decision);
        with.notes.push(self.now, Event::Budget { kind, cost, decision });
    }

    fn back_off(&mut self, with: &mut With<'_>, wait: Nanos) -> Step {
        self.group = Group::Open;
        self.asked_before = std::mem::replace(&mut self.asked, Asked::NOTHING);
        self.wake = self.now + wait;
        self.state = State::Waiting;
        if wait == Nanos::ZERO {
            return self.launch_retry(with);
        }
        with.notes.push(self.now, Event::BackingOff { until: self.wake });
        Step::Wait(self.wake)
    }

    /// Starts the next group.
    pub(super) fn launch_retry(&mut self, with: &mut With<'_>) -> Step {
        debug_assert_eq!(self.state, State::Waiting);
        let mut reserved = Reserved::Nothing;
        if let Some(budget) = &with.terms.retry_budget {
            let decision = budget.reserve(with.shard);
            if !decision.is_allowed() {
                with.site.counters.add(Counter::RetriesDenied, 1);
                let cost = with.terms.policy.retry.cost;
                self.note_budget(with, AttemptKind::Retry, cost, decision);
                return self.finish(with, Verdict::BudgetDenied);
            }
            reserved = Reserved::Retry;
        }
        self.state = State::Running;
        self.launch_primary(with, self.legs.retry_index() + 1, reserved)
    }

    /// Launches the call's first attempt and arms its hedge: as below, with all that is known.
    #[inline(always)]
    pub(super) fn launch_first(&mut self, with: &mut With<'_>) -> Step {
        debug_assert_eq!(self.attempts(), 0, "it is the first");
        self.unfinished = Unfinished::FIRST;
        self.legs.start_group(0, AttemptId::FIRST, self.now);
        self.arm_hedge(with);
        Step::Launch(self.launch(with, AttemptId::FIRST, 0, Reserved::Nothing))
    }

    /// Launches the primary of a group and arms its hedge.
    #[inline(always)]
    pub(super) fn launch_primary(
        &mut self,
        with: &mut With<'_>,
        retry_index: u8,
        reserved: Reserved,
    ) -> Step {
        let attempt = self.deal_id();
        self.legs.start_group(retry_index, attempt, self.now);
        self.arm_hedge(with);
        if retry_index > 0 {
            with.site.counters.add(Counter::RetriesLaunched, 1);
            with.notes.push(self.now, Event::Launched { attempt, retry_index, hedge_index: 0 });
        }
        Step::Launch(self.launch(with, attempt, 0, reserved))
    }

    /// The next id. It is taken by the leg that is added for it.
    #[inline(always)]
    pub(super) fn deal_id(&mut self) -> AttemptId {
        let attempt = AttemptId::new(self.attempts());
        self.unfinished.insert(attempt);
        attempt
    }

    #[inline(always)]
    pub(super) fn launch(
        &self,
        with: &With<'_>,
        attempt: AttemptId,
        hedge_index: u8,
        reserved: Reserved,
    ) -> Launch {
        let timeout = with.terms.attempt_timeout();
        Launch {
            attempt,
            retry_index: self.legs.retry_index(),
            hedge_index,
            deadline: self.deadline.min(self.now + timeout),
            call_deadline: self.deadline,
            reserved,
        }
    }

    /// The server answered the first attempt: what funds budgets.
    #[inline(always)]
    pub(super) fn deposit(&self, with: &With<'_>) {
        with.terms.deposit(with.shard);
    }
}
