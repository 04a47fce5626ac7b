//! What a scrape tells of calls that were made.

use super::{checker::Exposition, *};
use crate::{
    budget::Deposits,
    call::{Call, Rules, With},
    classify::Named,
    notes::{AttemptId, AttemptSet, Notes},
    outcome::{CancelReason, Class, Outcome, Reason},
    policy::{Budget, Hedge, Idempotent, Policy},
    site::Own,
    sync::Shard,
};

/// Names and types are a contract.
const FAMILIES: [(&str, &str); 20] = [
    ("rego_calls", "counter"),
    ("rego_call_stops", "counter"),
    ("rego_call_duration_seconds", "histogram"),
    ("rego_calls_in_flight", "gauge"),
    ("rego_calls_passed_through", "counter"),
    ("rego_attempts", "counter"),
    ("rego_attempt_duration_seconds", "histogram"),
    ("rego_attempt_reasons", "counter"),
    ("rego_hedges", "counter"),
    ("rego_hedge_delay_seconds", "gauge"),
    ("rego_hedge_wasted_seconds", "counter"),
    ("rego_budget_decisions", "counter"),
    ("rego_budget_available", "gauge"),
    ("rego_policy", "info"),
    ("rego_policy_updates", "counter"),
    ("rego_policy_stale", "gauge"),
    ("rego_events_dropped", "counter"),
    ("rego_observer_panics", "counter"),
    ("rego_contained_panics", "counter"),
    ("rego_keys_refused", "counter"),
];

fn ms(millis: u64) -> Nanos {
    Nanos::from_millis(millis)
}

fn site(key: &str) -> Site {
    let mut policy = Policy { version: "7".into(), ..Policy::default() };
    policy.idempotent = Idempotent::Yes;
    policy.retry.jitter = crate::policy::Jitter::None;
    policy.hedge = Hedge { enabled: true, delay: ms(20), ..Hedge::default() };
    let budget = |name: &str, tokens| {
        let bucket = Budget::token_bucket(tokens, 1e-6);
        Arc::new(BudgetState::new(name, &bucket, Deposits::PerCall, Nanos::ZERO))
    };
    let own = Own { retry: budget(key, 1_000), hedge: budget(&format!("{key}/hedge"), 2) };
    let terms = Terms {
        mode: policy.mode,
        policy,
        source: PolicySource::Static,
        classifier: Named::default(),
        retry_budget: Some(own.retry.clone()),
        hedge_budget: Some(own.hedge.clone()),
        attributes: Vec::new(),
    };
    Site::new(key, own, Arc::new(terms))
}

/// What a scrape of these sites says, read and found well formed.
fn scrape(sites: &[&Site]) -> Exposition {
    let updates = [
        PolicyUpdates { source: PolicySource::File, result: UpdateResult::Applied, count: 2 },
        PolicyUpdates { source: PolicySource::File, result: UpdateResult::Rejected, count: 1 },
    ];
    for site in sites {
        site.refresh(&site.terms(), ms(1));
    }
    let snapshot = Snapshot {
        now: ms(1),
        sites,
        budgets: &[],
        updates: &updates,
        stale: true,
        events_dropped: 3,
        observer_panics: 4,
        clock_panics: 5,
        keys_refused: 6,
    };
    let mut text = String::new();
    write(&mut text, &snapshot);
    Exposition::read(&text).unwrap_or_else(|rule| panic!("{rule}\n{text}"))
}

/// What happens next in a call, at this time (ms).
#[derive(Clone, Copy)]
enum Happens {
    Ends(u8, Outcome, u64),
    Time(u64),
    Cancel(u64),
}
use Happens::{Cancel, Ends, Time};

/// Makes a call that starts at 0.
fn call(site: &Site, happens: &[Happens]) {
    let (terms, mut notes) = (site.shared_terms(), Notes::new());
    let mut with = With {
        site,
        terms: &terms,
        rules: Rules { idempotent: Idempotent::Yes, retries: true, no_hedging: None },
        started: Nanos::ZERO,
        shard: Shard::new(0),
        notes: &mut notes,
        facts: None,
        abandoned: AttemptSet::EMPTY,
    };
    let (mut call, _first) = Call::start(&mut with, Nanos::ZERO, ms(60_000), 1);
    for happens in happens {
        let _step = match *happens {
            Ends(attempt, outcome, at) => {
                call.on_outcome(&mut with, AttemptId::new(attempt), outcome, ms(at))
            }
            Time(at) => call.on_time(&mut with, ms(at)),
            Cancel(at) => call.on_cancel(&mut with, ms(at)),
        };
    }
    assert!(call.verdict().is_some(), "the script ends the call");
}

fn failed() -> Outcome {
    Outcome::retryable(Class::Transient).because(Reason::Http(503))
}

#[test]
fn the_names_and_types_are_those_of_the_contract() {
    let read = scrape(&[]);
    let families: Vec<_> =
        read.families.iter().map(|family| (family.name.as_str(), family.kind.as_str())).collect();
    assert_eq!(families, FAMILIES);
    for family in &read.families {
        assert_eq!(family.unit == "seconds", family.name.ends_with("_seconds"), "{}", family.name);
    }
    let common = [
        ("rego_policy_updates_total", &[("source", "file"), ("result", "applied")][..], 2.0),
        ("rego_policy_updates_total", &[("source", "file"), ("result", "rejected")], 1.0),
        ("rego_policy_stale", &[], 1.0),
        ("rego_events_dropped_total", &[], 3.0),
        ("rego_observer_panics_total", &[], 4.0),
        ("rego_contained_panics_total", &[("place", "hook")], 0.0),
        ("rego_contained_panics_total", &[("place", "clock")], 5.0),
        ("rego_contained_panics_total", &[("place", "engine")], 0.0),
        ("rego_keys_refused_total", &[], 6.0),
    ];
    for (name, labels, value) in common {
        assert_eq!(read.value(name, labels), Some(value), "{name}");
    }
    assert_eq!(read.samples.len(), common.len());
}

/// Clean successes are in the histogram alone, the rest in the counters: each call and each
/// attempt is told once.
#[test]
fn the_figures_add_up() {
    let site = site("svc.Get");
    call(&site, &[Ends(0, Outcome::success(), 3)]);
    call(&site, &[Ends(0, Outcome::success(), 10)]);
    // The retry answers.
    call(&site, &[Ends(0, failed(), 2), Time(12), Ends(1, Outcome::success(), 15)]);
    // The hedge answers; then, that it does not.
    call(&site, &[Time(20), Ends(1, Outcome::success(), 25)]);
    call(&site, &[Time(20), Ends(0, Outcome::success(), 30)]);
    // The third hedge is denied: its budget had two.
    call(&site, &[Time(20), Ends(0, Outcome::success(), 40)]);
    call(&site, &[Ends(0, Outcome::non_retryable(Class::Server), 1)]);
    call(&site, &[Cancel(7)]);
    let read = scrape(&[&site]);
    let key = ("key", "svc.Get");
    let calls = |outcome, via| {
        let labels = [key, ("outcome", outcome), ("via", via)];
        read.value("rego_calls_total", &labels).expect("told from zero")
    };
    assert_eq!(["first", "retry", "hedge"].map(|via| calls("success", via)), [4.0, 1.0, 1.0]);
    let failure = ["first", "retry", "hedge", "none"].map(|via| calls("failure", via));
    assert_eq!(failure, [1.0, 0.0, 0.0, 1.0]);
    let figures = [
        ("rego_call_stops_total", &[("stop", "non_retryable")][..], 1.0),
        ("rego_call_stops_total", &[("stop", "cancelled")], 1.0),
        ("rego_call_duration_seconds_count", &[("outcome", "success")], 6.0),
        ("rego_call_duration_seconds_count", &[("outcome", "failure")], 2.0),
        ("rego_call_duration_seconds_sum", &[("outcome", "failure")], 0.008),
        ("rego_calls_in_flight", &[], 0.0),
        ("rego_attempts_total", &[("kind", "first"), ("outcome", "success")], 4.0),
        ("rego_attempts_total", &[("kind", "first"), ("outcome", "retryable")], 1.0),
        ("rego_attempts_total", &[("kind", "first"), ("outcome", "non_retryable")], 1.0),
        ("rego_attempts_total", &[("kind", "first"), ("outcome", "cancelled")], 2.0),
        ("rego_attempts_total", &[("kind", "retry"), ("outcome", "success")], 1.0),
        ("rego_attempts_total", &[("kind", "hedge"), ("outcome", "success")], 1.0),
        ("rego_attempts_total", &[("kind", "hedge"), ("outcome", "cancelled")], 1.0),
        ("rego_attempt_duration_seconds_count", &[("kind", "first")], 8.0),
        ("rego_attempt_duration_seconds_count", &[("kind", "retry")], 1.0),
        ("rego_attempt_duration_seconds_sum", &[("kind", "retry")], 0.003),
        ("rego_attempt_duration_seconds_count", &[("kind", "hedge")], 2.0),
        ("rego_attempt_duration_seconds_sum", &[("kind", "hedge")], 0.015),
        ("rego_attempt_reasons_total", &[("reason", "http_503")], 1.0),
        ("rego_attempt_reasons_total", &[("reason", "cancelled_internal_lost_race")], 2.0),
        ("rego_hedges_total", &[("result", "won")], 1.0),
        ("rego_hedges_total", &[("result", "lost")], 1.0),
        ("rego_hedges_total", &[("result", "denied")], 1.0),
        ("rego_hedge_delay_seconds", &[], 0.02),
        // 25 ms of the first that a hedge beat, 10 ms of the hedge that lost.
        ("rego_hedge_wasted_seconds_total", &[], 0.035),
    ];
    for (name, labels, value) in figures {
        let labels: Vec<_> = [key].into_iter().chain(labels.iter().copied()).collect();
        let told = read.value(name, &labels).unwrap_or_else(|| panic!("no {name}{labels:?}"));
        // The start of a hedge is known to the microsecond.
        assert!((told - value).abs() < 3e-6, "{name}{labels:?}: {told}, not {value}");
    }
    let budget = |budget, kind, decision| {
        let labels = [("budget", budget), ("kind", kind), ("decision", decision)];
        read.value("rego_budget_decisions_total", &labels)
    };
    assert_eq!(budget("svc.Get", "retry", "allowed"), Some(1.0));
    assert_eq!(budget("svc.Get/hedge", "hedge", "allowed"), Some(2.0));
    assert_eq!(budget("svc.Get/hedge", "hedge", "denied"), Some(1.0));
    let available = |budget| read.value("rego_budget_available", &[("budget", budget)]);
    // The buckets fill up by a billionth in the time.
    assert_eq!(available("svc.Get").map(f64::round), Some(999.0));
    assert_eq!(available("svc.Get/hedge").map(f64::round), Some(0.0));
    let policy = [("version", "7"), ("source", "static")];
    assert_eq!(read.value("rego_policy_info", &policy), Some(1.0));
}

/// A first attempt that is timed out and answers while the call waits: the call succeeds, the
/// attempt stays what it was.
#[test]
fn a_late_answer_makes_a_call_and_no_second_attempt() {
    let site = site("svc.Get");
    let mut terms = Terms { policy: Policy::default(), ..unshared(&site) };
    terms.policy.retry.attempt_timeout = ms(5);
    site.install(Arc::new(terms));
    call(&site, &[Time(5), Ends(0, Outcome::success(), 6)]);
    let read = scrape(&[&site]);
    let value = |name, labels: &[_]| {
        let labels: Vec<_> =
            [("key", "svc.Get")].into_iter().chain(labels.iter().copied()).collect();
        read.value(name, &labels)
    };
    assert_eq!(value("rego_calls_total", &[("outcome", "success"), ("via", "first")]), Some(1.0));
    assert_eq!(value("rego_call_duration_seconds_sum", &[("outcome", "success")]), Some(0.006));
    let first = |outcome| value("rego_attempts_total", &[("kind", "first"), ("outcome", outcome)]);
    assert_eq!((first("retryable"), first("success")), (Some(1.0), None));
    assert_eq!(value("rego_attempt_duration_seconds_count", &[("kind", "first")]), Some(1.0));
}

fn unshared(site: &Site) -> Terms {
    let terms = site.shared_terms();
    Terms {
        policy: terms.policy.clone(),
        mode: terms.mode,
        source: terms.source,
        classifier: Named::default(),
        retry_budget: terms.retry_budget.clone(),
        hedge_budget: terms.hedge_budget.clone(),
        attributes: Vec::new(),
    }
}

/// Whatever happens to a key, it has at most 150 series, those of its own budgets among them.
#[test]
fn a_key_has_at_most_150_series() {
    let site = site("svc.Get");
    call(&site, &[Ends(0, Outcome::success(), 3)]);
    let counters = &site.counters;
    for kind in KINDS {
        for late in [false, true] {
            counters.win(kind, late, ms(1));
        }
        for outcome in [failed(), Outcome::non_retryable(Class::Server), Outcome::abort()] {
            counters.failure(kind, outcome, ms(1));
        }
        for reason in CancelReason::ALL {
            counters.cancelled(kind, reason, ms(1));
        }
    }
    for reason in Reason::EXAMPLES {
        counters.failure(AttemptKind::First, Outcome::abort().because(*reason), ms(1));
    }
    for status in 400..600 {
        let outcome = Outcome::abort().because(Reason::Http(status));
        counters.failure(AttemptKind::First, outcome, ms(1));
    }
    for verdict in Verdict::ALL {
        for via in KINDS.into_iter().map(Some).chain([None]) {
            counters.ended(verdict, via, ms(1));
        }
    }
    for reason in HedgeReason::ALL {
        counters.hedge_skipped(reason);
    }
    for decision in [BudgetDecision::Allowed, BudgetDecision::Denied] {
        counters.budget(AttemptKind::Retry, decision);
        counters.budget(AttemptKind::Hedge, decision);
    }
    counters.add(Counter::HedgesSuspended, 1);
    counters.add(Counter::PassThrough, 1);
    let read = scrape(&[&site]);
    let of_key = read.samples.iter().filter(|sample| {
        sample.labels.get("key").is_some_and(|key| key == "svc.Get")
            || sample.labels.get("budget").is_some_and(|budget| budget.starts_with("svc.Get"))
    });
    assert_eq!(of_key.count(), 148);
    // Nothing else is counted that the scrape leaves out.
    let by_key = FAMILIES[..13].iter();
    for (family, _) in by_key {
        assert!(read.samples.iter().any(|sample| sample.name.starts_with(family)), "{family}");
    }
}

#[test]
fn a_key_that_was_never_called_says_little_and_strange_ones_are_escaped() {
    let strange = "a\\b\"c{d}=,# €";
    let (quiet, strange_one) = (site("svc.Quiet"), site(strange));
    let read = scrape(&[&quiet, &strange_one]);
    let of = |key: &str| {
        read.samples.iter().filter(|s| s.labels.get("key").is_some_and(|k| k == key)).count()
    };
    // Calls by outcome and kind, calls in flight, the hedge delay.
    assert_eq!((of("svc.Quiet"), of(strange)), (7 + 1 + 1, 9));
}

/// Histogram and counters are not read at the same moment: the difference may come out lower for
/// once, what is told does not.
#[test]
fn counters_never_go_down() {
    let site = site("svc.Get");
    let calls = || {
        let labels = [("key", "svc.Get"), ("outcome", "success"), ("via", "first")];
        scrape(&[&site]).value("rego_calls_total", &labels).expect("told from zero")
    };
    call(&site, &[Ends(0, Outcome::success(), 3)]);
    assert_eq!(calls(), 1.0);
    // As if a retry had won of which the histogram does not know yet.
    site.counters.win(AttemptKind::Retry, false, ms(3));
    assert_eq!(calls(), 1.0);
    site.latency.record(Shard::new(0), ms(3));
    assert_eq!(calls(), 1.0);
    call(&site, &[Ends(0, Outcome::success(), 3)]);
    assert_eq!(calls(), 2.0);
}
