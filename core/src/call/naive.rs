//! The loop one would write by hand, without hedges: the machine's oracle.

use super::{Nanos, Verdict};
use crate::{
    backoff,
    outcome::{Class, Outcome, OutcomeKind, Reason},
    policy::Policy,
};

/// What the loop did: when each attempt started, how it ended, and whose result it returned.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) starts: Vec<Nanos>,
    pub(super) verdict: Verdict,
    pub(super) answer: Option<u8>,
}

/// Runs attempts in place, one after another. `attempts` says how long each takes and how it ends;
/// `tokens` is what the budget holds.
pub(super) fn run(
    policy: &Policy,
    seed: u64,
    start: Nanos,
    deadline: Nanos,
    mut tokens: u32,
    attempts: &[(Nanos, Outcome)],
) -> Run {
    let retry = &policy.retry;
    let deadline = deadline.min(start + retry.overall_timeout);
    let mut now = start;
    let mut run = Run { starts: Vec::new(), verdict: Verdict::DeadlineExceeded, answer: None };
    if now >= deadline {
        return run;
    }
    for (index, (took, outcome)) in (0u8..).zip(attempts) {
        run.starts.push(now);
        now = now + *took;
        // A timeout past the deadline is the deadline: what failed before says more.
        if !(outcome.class == Class::Timeout && now >= deadline && run.answer.is_some()) {
            run.answer = Some(index);
        }
        if outcome.kind == OutcomeKind::Success {
            run.verdict = Verdict::Success;
            return run;
        }
        if now >= deadline {
            return run;
        }
        run.verdict = match outcome.kind {
            OutcomeKind::Abort if outcome.reason == Reason::Panic => Verdict::Panicked,
            OutcomeKind::Abort => Verdict::Aborted,
            OutcomeKind::NonRetryable => Verdict::NonRetryable,
            _ => match wait(policy, seed, index, now, deadline, *outcome, &mut tokens) {
                Ok(wait) => {
                    now = now + wait;
                    continue;
                }
                Err(verdict) => verdict,
            },
        };
        return run;
    }
    unreachable!("the script has an outcome for every attempt")
}

fn wait(
    policy: &Policy,
    seed: u64,
    index: u8,
    now: Nanos,
    deadline: Nanos,
    outcome: Outcome,
    tokens: &mut u32,
) -> Result<Nanos, Verdict> {
    let retry = &policy.retry;
    let per_class = retry.per_class[outcome.class as usize];
    // The machine keeps 32 bits of the seed, and a wait that was asked for in units it can count.
    let seed = (seed ^ (seed >> 32)) & 0xffff_ffff;
    let wait = match outcome.backoff_override {
        None => backoff::delay(retry, outcome.class, index, seed),
        Some(asked) => {
            let nanos = asked.as_nanos().max(1);
            let counted = |unit: &u64| nanos.div_ceil(*unit) < 1 << 30;
            let unit = [1, 1_000, 1_000_000].into_iter().find(counted).unwrap_or(1_000_000_000);
            let asked = Nanos::from_nanos(nanos.div_ceil(unit) * unit);
            let wait = backoff::retry_after(asked, index, seed);
            if asked > retry.max_retry_after || now + wait >= deadline {
                return Err(Verdict::RetryAfterExceedsDeadline);
            }
            wait
        }
    };
    let class: Class = outcome.class;
    let most = retry.per_class[class as usize].max_attempts;
    if most > 0 && index + 1 >= most {
        return Err(Verdict::MaxAttemptsPerClass);
    }
    if index + 1 >= retry.max_attempts {
        return Err(Verdict::MaxAttempts);
    }
    if now + wait >= deadline {
        return Err(Verdict::DeadlineExceeded);
    }
    let cost = if per_class.cost > 0 { per_class.cost } else { retry.cost };
    *tokens = tokens.checked_sub(cost.into()).ok_or(Verdict::BudgetDenied)?;
    Ok(wait)
}
