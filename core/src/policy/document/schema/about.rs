//! What each field of a document is for, in one line.

/// By the full name within a policy, the name within a budget, the kind of a budget, or the section.
const ABOUT: &[(&str, &str)] = &[
    ("schema", "The version of this format."),
    (
        "defaults",
        "What holds for every key, unless its namespace's table or its own says otherwise.",
    ),
    ("budgets", "Budgets by name: what pays for attempts after the first."),
    (
        "policies",
        "Policies by key, \"service.Method\", or for all keys of a namespace, \"service.*\".",
    ),
    ("id", "The policy's name in records and metrics; at most 256 bytes."),
    ("version", "The policy's version in records and metrics; at most 256 bytes."),
    ("mode", "active; observe: one attempt, and what would have been done is recorded; off."),
    ("idempotent", "Whether repeating a request is safe. Hedging needs yes."),
    ("retry", "Attempts after one that failed."),
    ("retry.max_attempts", "The most retry groups of a call, the first included: 1 to 10."),
    ("retry.initial_backoff", "The wait before the second group, before jitter: 10us to 30s."),
    ("retry.max_backoff", "The longest wait: from the initial backoff to 30s."),
    ("retry.multiplier", "By how much each wait is longer than the last: 1 to 10."),
    (
        "retry.jitter",
        "How waits are spread: none; full: from 0; equal: from the half; decorrelated.",
    ),
    ("retry.attempt_timeout", "How long one attempt may take: 100us or more, or off."),
    ("retry.overall_timeout", "How long a call may take, all of it: 100us or more, or off."),
    ("retry.max_retry_after", "The longest Retry-After that is waited for."),
    (
        "retry.classifier",
        "Who decides what is a failure: auto, always, http, grpc, io, errno, or the program's own.",
    ),
    (
        "retry.budget",
        "What pays for retries: a budget's name, or its name and the cost. The site's own, if not said.",
    ),
    ("retry.budget.name", "The budget's name; unlimited allows all."),
    ("retry.budget.cost", "What one retry costs: 1 to 1000."),
    ("retry.per_class", "Other numbers for failures of one class."),
    ("retry.per_class.unknown", "Failures of which nothing more is known."),
    ("retry.per_class.transient", "Failures that pass: resets, broken pipes."),
    ("retry.per_class.throttled", "The server asks for less."),
    ("retry.per_class.timeout", "Attempts that took too long."),
    ("retry.per_class.not_sent", "Requests that never reached the server."),
    ("retry.per_class.server", "The server's own failures."),
    (
        "retry.per_class.*.max_attempts",
        "The most retry groups of a call with such a failure: 1 to 10.",
    ),
    ("retry.per_class.*.initial_backoff", "The first wait after such a failure."),
    ("retry.per_class.*.cost", "What a retry after such a failure costs: 1 to 1000."),
    ("hedge", "Attempts beside one that is slow."),
    ("hedge.enabled", "Whether there are any."),
    ("hedge.max_hedges", "The most hedges of a retry group: 1 to 3; with a load trigger 1."),
    (
        "hedge.trigger",
        "When a hedge is due: fixed: after the delay; at a quantile of what was seen; within a load.",
    ),
    (
        "hedge.trigger.quantile",
        "The share of attempts that are faster, such as 0.95: above 0, below 1.",
    ),
    (
        "hedge.trigger.load",
        "The most hedges per call, such as 0.02; delay and probability are found: above 0, at most 1.",
    ),
    (
        "hedge.delay",
        "How long a primary may take before it is hedged; where a trigger is cold, too: 100us or more.",
    ),
    ("hedge.min_delay", "The least a trigger may choose: 100us or more."),
    ("hedge.max_delay", "The most a trigger may choose."),
    ("hedge.objective", "The percentile that a load trigger shortens: 0.5 to 0.99999."),
    ("hedge.fan_out", "How many calls make one request, whose percentile is meant: 1 to 10000."),
    (
        "hedge.cancel_on_first_terminal",
        "Whether the first failure that another attempt would not mend ends the group.",
    ),
    (
        "hedge.budget",
        "What pays for hedges: a budget's name, or its name and the cost. The site's own, if not said.",
    ),
    ("hedge.budget.name", "The budget's name; unlimited allows all."),
    ("hedge.budget.cost", "What one hedge costs: 1 to 1000."),
    (
        "ratio",
        "Extra attempts per call that was answered: 0 to 1. Of in_flight: per call in flight.",
    ),
    ("window", "How long an answer counts towards the ceiling: 1s to 10m."),
    ("cap", "The highest balance: 1 to 1000000."),
    (
        "min_per_sec",
        "Granted per second where the balance is spent, while the site is well: 0 to 1000000.",
    ),
    ("start", "What it starts with."),
    ("funding", "What deposits: successes, or requests whatever becomes of them."),
    ("token_bucket", "A burst and a rate."),
    ("capacity", "The largest burst: 1 to 1000000."),
    ("refill_per_sec", "Attempts per second: 0 to 1000000."),
    ("in_flight", "A share of the calls in flight."),
    ("min", "Always allowed at once: at most 1000000."),
    ("concurrency", "So many extra attempts at once."),
    ("max", "How many: 1 to 1000000."),
    (
        "throttle",
        "One less per failure, some more per success; extra attempts only above the half.",
    ),
    ("max_tokens", "The full balance: 1 to 1000."),
    ("token_ratio", "What a success puts back: above 0, at most 1000."),
    ("unlimited", "Allows all."),
];

/// What a name is about.
pub(super) fn of(name: &str) -> &'static str {
    find(name).unwrap_or_default()
}

pub(super) fn find(name: &str) -> Option<&'static str> {
    let name = Name(name);
    ABOUT.iter().find(|(known, _)| name.is(known)).map(|(_, about)| *about)
}

/// Every name there is; the fields of a class under one of the classes.
#[cfg(test)]
pub(super) fn names() -> impl Iterator<Item = String> {
    ABOUT.iter().map(|(name, _)| name.replace('*', "server"))
}

struct Name<'a>(&'a str);

impl Name<'_> {
    /// A star stands for one word.
    fn is(&self, known: &str) -> bool {
        let Some((before, after)) = known.split_once('*') else { return self.0 == known };
        let word = self.0.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
        word.is_some_and(|word| !word.is_empty() && !word.contains('.'))
    }
}
