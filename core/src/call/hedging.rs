//! When a hedge is launched, skipped, or armed again.

use super::{
    AttemptKind, Call, Counter, Event, HedgeReason, Mode, Nanos, Reserved, State, Step, With,
};
use crate::{
    backoff::{self, Stream},
    curve::{Probability, Trigger},
    policy::Idempotent,
    verdict::BudgetDecision,
};

impl Call {
    /// The group's primary has just been launched: when is its first hedge due?
    #[inline]
    pub(super) fn arm_hedge(&mut self, with: &mut With<'_>) {
        self.wake = Nanos::NEVER;
        if with.terms.asks_to_hedge() {
            self.arm_hedge_asked_for(with);
        }
    }

    #[inline(never)]
    fn arm_hedge_asked_for(&mut self, with: &mut With<'_>) {
        if with.rules.no_hedging.is_some() || with.terms.mode == Mode::Off {
            return;
        }
        // The call's own word outranks its policy's, but what was refused stays off.
        let refused = !with.terms.policy.hedge.enabled;
        if refused || with.rules.idempotent != Idempotent::Yes {
            // It holds for the whole call, and is told once.
            if self.legs.retry_index() == 0 {
                self.skip_hedge(with, HedgeReason::NotIdempotent);
            }
            return;
        }
        self.wake = self.now + self.hedge_delay(with);
    }

    pub(super) fn hedge_delay(&self, with: &With<'_>) -> Nanos {
        self.trigger(with).delay()
    }

    /// The delay of now, and how often it is used: one load.
    fn trigger(&self, with: &With<'_>) -> Trigger {
        let published = with.site.latency.trigger();
        if published.is_cold() {
            return Trigger::new(with.terms.policy.hedge.delay, Probability::ALWAYS);
        }
        published
    }

    /// Whether the group is among those that the trigger hedges: decided when the hedge is due, for
    /// few groups get that far.
    fn is_drawn(&self, with: &mut With<'_>) -> bool {
        let trigger = self.trigger(with);
        let random = backoff::draw(self.seed.into(), Stream::Hedge, self.legs.retry_index().into());
        let drawn = trigger.probability().draw(random);
        if !drawn && trigger.is_suspended() {
            with.site.counters.add(Counter::HedgesSuspended, 1);
            self.skip_hedge(with, HedgeReason::SuspendedOverload);
        }
        drawn
    }

    /// The last thing time can bring: one hedge, if it is due.
    pub(super) fn hedge_if_due(&mut self, with: &mut With<'_>) -> Step {
        debug_assert_eq!(self.state, State::Running);
        if self.now >= self.wake
            && !self.legs.any_queued()
            && let Some(step) = self.hedge(with)
        {
            return step;
        }
        self.rest(with)
    }

    #[cold]
    fn hedge(&mut self, with: &mut With<'_>) -> Option<Step> {
        let settings = &with.terms.policy.hedge;
        let again = self.now + self.trigger(with).delay();
        self.wake = Nanos::NEVER;
        if self.group.is_terminal() || self.legs.hedges() >= settings.max_hedges {
            return None;
        }
        if self.deadline - self.now < settings.min_delay {
            self.skip_hedge(with, HedgeReason::DeadlineNear);
            return None;
        }
        if !self.is_drawn(with) {
            return None;
        }
        if with.terms.mode == Mode::Observe {
            with.notes.push(self.now, Event::WouldHave { kind: AttemptKind::Hedge });
            return None;
        }
        if with.site.too_many_abandoned(with.abandoned.len()) {
            self.wake = again;
            self.skip_hedge(with, HedgeReason::AbandonedLimit);
            return None;
        }
        let Some(reserved) = self.pay_for_hedge(with) else {
            // Denied, not dead: the slot is kept and armed again.
            self.wake = again;
            self.skip_hedge(with, HedgeReason::Denied);
            return None;
        };
        let attempt = self.deal_id();
        self.legs.add_hedge(self.now);
        let hedge_index = self.legs.hedges();
        if hedge_index < settings.max_hedges {
            self.wake = again;
        }
        with.site.counters.add(Counter::HedgesLaunched, 1);
        let retry_index = self.legs.retry_index();
        with.notes.push(self.now, Event::Launched { attempt, retry_index, hedge_index });
        Some(Step::Launch(self.launch(with, attempt, hedge_index, reserved)))
    }

    fn pay_for_hedge(&self, with: &mut With<'_>) -> Option<Reserved> {
        let cost = with.terms.policy.hedge.cost;
        let (decision, reserved) = match &with.terms.hedge_budget {
            None => (BudgetDecision::NoBudget, Reserved::Nothing),
            Some(budget) => {
                let condition = || with.site.condition();
                let paid = budget.withdraw(with.shard, cost.into(), self.now, condition);
                let placed = if paid.is_allowed() { budget.reserve(with.shard) } else { paid };
                (placed, Reserved::Hedge)
            }
        };
        self.note_budget(with, AttemptKind::Hedge, cost, decision);
        decision.is_allowed().then_some(reserved)
    }

    pub(super) fn skip_hedge(&self, with: &mut With<'_>, reason: HedgeReason) {
        with.site.counters.hedge_skipped(reason);
        with.notes.push(self.now, Event::HedgeSkipped { reason });
    }
}
