//! What a policy says that is valid and hardly meant: for a person who reads it before a fleet does.

use super::{Policy, PolicyErrorKind, Retry, Trigger, UNLIMITED, error::Fault};
use crate::{clock::Nanos, outcome::Class};

const ATTEMPT: &str = "retry.attempt_timeout";
const OVERALL: &str = "retry.overall_timeout";

/// Everything doubtful about a policy.
pub(super) fn lints(policy: &Policy) -> Vec<Fault> {
    [retries(policy), budgets(policy), hedges(policy)].concat()
}

fn doubt(field: &'static str, message: impl Into<String>) -> Fault {
    Fault::new(PolicyErrorKind::Doubtful, field, message.into())
}

fn retries(policy: &Policy) -> Vec<Fault> {
    let retry = &policy.retry;
    let mut doubts = Vec::new();
    let is_bounded = !retry.overall_timeout.is_never();
    let repeats = retry.max_attempts > 1;
    if !is_bounded {
        doubts.push(doubt(OVERALL, "without it nothing bounds how long a call takes"));
    }
    if is_bounded
        && retry.attempt_timeout >= retry.overall_timeout
        && !retry.attempt_timeout.is_never()
    {
        let message = "an attempt may take as long as the whole call, so none is ever cut short \
                       for another";
        doubts.push(doubt(ATTEMPT, message).against(OVERALL));
    }
    if is_bounded && repeats && retry.initial_backoff >= retry.overall_timeout {
        let message = "the first backoff alone may be as long as the whole call";
        doubts.push(doubt("retry.initial_backoff", message).against(OVERALL));
    }
    let is_asked_for = retry.max_retry_after != Retry::default().max_retry_after;
    if is_bounded && repeats && is_asked_for && retry.max_retry_after >= retry.overall_timeout {
        let message = "a Retry-After of this length can never be waited for within the call";
        doubts.push(doubt("retry.max_retry_after", message).against(OVERALL));
    }
    let fields = &super::normalize::PER_CLASS;
    for class in Class::ALL {
        let own = retry.per_class[class as usize];
        if own.max_attempts > retry.max_attempts {
            let message = format!(
                "has no effect: `retry.max_attempts` is {} for all classes",
                retry.max_attempts
            );
            let field = fields[class as usize].max_attempts;
            doubts.push(doubt(field, message).against("retry.max_attempts"));
        }
    }
    doubts
}

fn budgets(policy: &Policy) -> Vec<Fault> {
    let (retry, hedge) = (&policy.retry, &policy.hedge);
    let mut doubts = Vec::new();
    if retry.max_attempts > 1 && retry.budget.as_deref() == Some(UNLIMITED) {
        let message = format!(
            "nothing limits retries: where all attempts fail, the backend gets {} times the load",
            retry.max_attempts
        );
        doubts.push(doubt("retry.budget", message));
    }
    if !hedge.enabled {
        return doubts;
    }
    if hedge.budget.as_deref() == Some(UNLIMITED) {
        let message = format!(
            "nothing limits hedges: where all attempts are slow, the backend gets {} times the load",
            1 + hedge.max_hedges
        );
        doubts.push(doubt("hedge.budget", message));
    } else if hedge.budget.is_some() && hedge.budget == retry.budget {
        let message = "the same budget pays for retries: hedges will starve them";
        doubts.push(doubt("hedge.budget", message).against("retry.budget"));
    }
    doubts
}

fn hedges(policy: &Policy) -> Vec<Fault> {
    let (retry, hedge) = (&policy.retry, &policy.hedge);
    if !hedge.enabled {
        return Vec::new();
    }
    let (field, soonest) = match hedge.trigger {
        Trigger::Fixed => ("hedge.delay", hedge.delay),
        Trigger::Quantile(_) | Trigger::Load(_) => ("hedge.min_delay", hedge.min_delay),
    };
    let after = |limit: Nanos| !limit.is_never() && soonest >= limit;
    if after(retry.attempt_timeout) {
        let message = "an attempt is given up before its hedge is due: there will be none";
        return vec![doubt(field, message).against(ATTEMPT)];
    }
    if after(retry.overall_timeout) {
        let message = "the call is over before its hedge is due: there will be none";
        return vec![doubt(field, message).against(OVERALL)];
    }
    Vec::new()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::policy::{ClassRule, PolicyBuilder};

    fn found(policy: PolicyBuilder) -> Vec<&'static str> {
        lints(&policy.build().expect("valid, if doubtful")).iter().map(|it| it.field).collect()
    }

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn nothing_is_doubtful_about_the_presets() {
        let presets = [
            Policy::builder(),
            Policy::http(),
            Policy::database(),
            Policy::background_job(),
            Policy::low_latency(),
            Policy::constant(ms(50)),
            Policy::exponential(ms(50), ms(500)),
        ];
        for preset in presets {
            assert_eq!(found(preset), [""; 0]);
        }
    }

    #[test]
    fn every_lint_bites() {
        let hedged = || Policy::builder().idempotent(true).hedge_after(ms(100));
        let class = ClassRule::default().max_attempts(5);
        let cases = [
            (Policy::builder().attempt_timeout(ms(100)).overall_timeout(ms(100)), ATTEMPT),
            (
                Policy::builder().initial_backoff(ms(200)).overall_timeout(ms(200)),
                "retry.initial_backoff",
            ),
            (
                Policy::builder().overall_timeout(ms(500)).max_retry_after(ms(500)),
                "retry.max_retry_after",
            ),
            (
                Policy::builder().per_class(Class::Server, class),
                "retry.per_class.server.max_attempts",
            ),
            (Policy::builder().retry_budget(UNLIMITED), "retry.budget"),
            (hedged().hedge_budget(UNLIMITED), "hedge.budget"),
            (hedged().hedge_budget("b").retry_budget("b"), "hedge.budget"),
            (hedged().attempt_timeout(ms(100)), "hedge.delay"),
            (hedged().overall_timeout(ms(100)), "hedge.delay"),
            (
                hedged().hedge_quantile(0.95).hedge_min_delay(ms(60)).attempt_timeout(ms(60)),
                "hedge.min_delay",
            ),
        ];
        for (policy, field) in cases {
            assert_eq!(found(policy), [field]);
        }
        let once = Policy::builder().max_attempts(1).retry_budget(UNLIMITED);
        assert_eq!(found(once), [""; 0], "there is nothing to pay for");
    }
}
