//! First attempts made before their calls begin: for hosts to which the way here is dear.
//!
//! A call whose first attempt works at once leaves a bucket and a deposit, and nothing else
//! ([`Site::won_alone`]). And its machine is told the time, so it can as well begin later, at the time
//! at which its attempt was started. So a host makes the first attempt on standing terms; where it
//! works, that is settled, with others; where it does not, the call begins in retrospect, and goes on
//! as any.

use super::Manual;
use crate::{clock::Nanos, policy::Mode, site::Site, sync::Shard};

/// On what terms the first attempts of a call site may be made before their calls begin: what
/// [`Manual::standing`] gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Standing {
    /// Which terms these are; never 0. They stand for as long as this is
    /// [`CallSite::edition`](crate::CallSite::edition).
    pub edition: u64,
    /// Whether they may. If not, every call is to be begun first: its policy hedges or stands aside,
    /// somebody listens, a budget counts calls as they begin, or a classifier of the host's judges
    /// successes, too.
    pub granted: bool,
    /// Whether calls of other keys may pay into the same budgets, or draw from them: it names some.
    pub shared: bool,
    /// How long an attempt may run; [`Nanos::NEVER`] if there is no limit.
    pub attempt_timeout: Nanos,
    /// How long a call may take, its first attempt included; [`Nanos::NEVER`] if there is no limit.
    pub overall_timeout: Nanos,
}

impl Manual {
    pub(crate) fn standing_at(&self, site: &Site, now: Nanos) -> Standing {
        // First: the terms are of this edition, or later ones, and then it is not for long.
        let edition = site.edition();
        let terms = site.shared_terms();
        // Trust comes back by time alone, of which no edition tells: ask again.
        let trusted = !site.trust.is_lost(now);
        let granted = terms.mode == Mode::Active
            && !terms.asks_to_hedge()
            && terms.classifier.is_built_in()
            && !terms.budgets().any(|budget| budget.counts_calls())
            && self.0.host.listener.is_none()
            && trusted;
        if granted {
            site.lend(edition, &terms);
        }
        Standing {
            edition: if trusted { edition } else { edition.wrapping_sub(1) },
            granted,
            shared: terms.budgets().any(|budget| !site.own().has(budget)),
            attempt_timeout: terms.attempt_timeout(),
            overall_timeout: terms.policy.retry.overall_timeout,
        }
    }

    pub(crate) fn settle_at(
        &self,
        site: &Site,
        lengths: impl IntoIterator<Item = Nanos>,
        in_flight: i32,
    ) {
        let (terms, shard) = (site.terms(), Shard::current());
        for length in lengths {
            terms.begin(shard);
            site.won_alone(&terms, shard, length);
        }
        site.more_in_flight(shard, in_flight);
    }
}
