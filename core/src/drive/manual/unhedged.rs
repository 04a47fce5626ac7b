//! Calls that their policies would hedge, driven by hosts that cannot.

use super::{Begin, CallId, Manual, Step};
use crate::{
    clock::Nanos,
    policy::Idempotent,
    site::Site,
    sync::{Arc as Shared, Shard},
    verdict::HedgeReason,
};

impl Manual {
    pub(crate) fn begin_unhedged_at(&self, site: &Shared<Site>, begin: &Begin) -> (CallId, Step) {
        let mut step = Step::NOTHING;
        let call = self.begin_for(site, begin, None, Some(HedgeReason::NoExecutor), &mut step);
        let terms = site.terms();
        if !call.is_pass_through() && terms.asks_to_hedge() {
            self.0.host.cannot_hedge(site, &terms, Shard::current(), begin.now);
        }
        (call, step)
    }

    pub(crate) fn miss_timer_at(
        &self,
        (call, site): (CallId, &Site),
        idempotent: Idempotent,
        now: Nanos,
    ) {
        let terms = site.terms();
        // One that is not to be hedged has been counted as such.
        let hedges =
            terms.policy.hedge.enabled && idempotent.or(terms.policy.idempotent) == Idempotent::Yes;
        if !call.is_pass_through() && hedges {
            self.0.host.nobody_fires_hedges(site, now);
        }
    }
}
