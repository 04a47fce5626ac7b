//! Who pays into a budget that policies name, seen from the outside.
#![expect(clippy::unwrap_used, reason = "a test says what it expects")]

use std::time::Duration;

use rego::{Budget, Engine, Policy, PolicyBuilder};

fn quick() -> PolicyBuilder {
    Policy::constant(Duration::from_micros(10)).idempotent(true)
}

/// An engine with a budget of half an attempt for every answer, emptied by the retries of one key.
fn emptied(key: &str, policy: &PolicyBuilder) -> Engine {
    let engine = Engine::builder()
        .budget("halves", Budget::ratio(0.5).min_per_sec(0.0))
        .policy("svc.Spend", quick().max_attempts(10).retry_budget("halves").build().unwrap())
        .policy(key, policy.build().unwrap())
        .build()
        .unwrap();
    let failed = engine.run("svc.Spend", |_| Err::<(), _>("no luck"));
    assert_eq!(failed.unwrap_err().attempts, 6, "it starts with 5 extra attempts");
    assert_eq!(engine.site("svc.Spend").budgets().retry.available, 0.0);
    engine
}

#[test]
fn answers_fund_a_budget_that_pays_for_hedges_alone() {
    let policy = quick().hedge_after(Duration::from_secs(1)).hedge_budget("halves");
    let engine = emptied("svc.Get", &policy);
    let get = engine.site("svc.Get");
    for _ in 0..4 {
        get.run(|_| Ok::<_, &str>(())).unwrap();
    }
    let report = get.budgets();
    assert!(!report.shared);
    assert_eq!(report.retry.name, "svc.Get");
    assert_eq!(report.hedge.unwrap().available, 2.0);
}

#[test]
fn a_budget_that_pays_for_retries_and_hedges_is_funded_once_a_call() {
    for funding in [Budget::ratio(0.5), Budget::ratio(0.5).funded_by_requests()] {
        let policy = quick()
            .retry_budget("halves")
            .hedge_after(Duration::from_secs(1))
            .hedge_budget("halves")
            .build()
            .unwrap();
        let engine = Engine::builder()
            .budget("halves", funding.min_per_sec(0.0))
            .policy("svc.Get", policy)
            .build()
            .unwrap();
        let get = engine.site("svc.Get");
        // Takes the 5 that are there at first, and what failing calls pay in themselves.
        while get.run(|_| Err::<(), _>("no luck")).unwrap_err().attempts > 1 {}
        let before = get.budgets().retry.available;
        for _ in 0..4 {
            get.run(|_| Ok::<_, &str>(())).unwrap();
        }
        let report = get.budgets();
        assert!(report.shared);
        assert_eq!(report.hedge, Some(report.retry.clone()));
        assert_eq!(report.retry.available, before + 2.0);
    }
}

#[test]
fn unlimited_is_a_budget_without_a_bound() {
    let engine = Engine::builder()
        .policy("svc.Get", Policy::builder().retry_budget("unlimited").build().unwrap())
        .build()
        .unwrap();
    let report = engine.site("svc.Get").budgets();
    assert_eq!((report.retry.name.as_str(), report.retry.granted), ("unlimited", 0));
    assert!(report.retry.bound.is_infinite() && report.retry.available.is_infinite());
    assert_eq!(report.hedge, None);
}

/// Calls that fail once a second, until a retry is refused; how many were retried.
fn retried_until_silent(between: impl Fn(&rego::CallSite)) -> usize {
    let (builder, clock) = rego::testing::engine();
    let policy = quick().max_attempts(2).retry_budget("saved");
    let engine = builder
        .budget("saved", Budget::ratio(0.1).min_per_sec(0.0).start(8))
        .policy("svc.Get", policy.build().unwrap())
        .build()
        .unwrap();
    let site = engine.site("svc.Get");
    site.run(|_| Ok::<_, &str>(())).unwrap();
    (0..8)
        .take_while(|_| {
            clock.advance(rego::Nanos::from_millis(1_100));
            between(&site);
            site.run(|_| Err::<(), _>("no answer")).unwrap_err().attempts == 2
        })
        .count()
}

#[test]
fn what_is_saved_up_is_kept_while_nothing_is_answered() {
    assert_eq!(retried_until_silent(|_| {}), 2);
}

#[test]
fn an_answer_is_no_silence_whatever_it_says() {
    use rego::Completion;
    let not_found = |site: &rego::CallSite| {
        let answer = site.run(|attempt| {
            attempt.report(Completion::http(404));
            Err::<(), _>("not found")
        });
        assert_eq!(answer.unwrap_err().attempts, 1);
    };
    assert_eq!(retried_until_silent(not_found), 8);
    let found = |site: &rego::CallSite| site.run(|_| Ok::<_, &str>(())).unwrap();
    assert_eq!(retried_until_silent(found), 8);
}

/// When a site hedges that has seen all of what its policy says it may.
fn planned(policy: PolicyBuilder) -> rego::Nanos {
    let (builder, clock) = rego::testing::engine();
    let engine = builder.policy("svc.Get", policy.build().unwrap()).build().unwrap();
    let site = engine.site("svc.Get");
    for nth in 0..3_000 {
        site.run(|_| {
            clock.advance(rego::Nanos::from_micros(1_000 + nth * 617 % 1_000));
            Ok::<_, &str>(())
        })
        .unwrap();
        if nth % 100 == 0 {
            // Looks at the site, as whoever waits does.
            _ = engine.metrics();
        }
    }
    site.hedge_plan().unwrap().delay
}

#[test]
fn a_hedge_budget_that_is_not_spent_is_planned_for() {
    let own = planned(quick().hedge_quantile(0.9));
    let unlimited = planned(quick().hedge_quantile(0.9).hedge_budget("unlimited"));
    assert!(own < unlimited, "{own} is earlier than {unlimited}: more hedges can be paid for");
    let observed = planned(quick().hedge_quantile(0.9).mode(rego::Mode::Observe));
    assert_eq!(observed, unlimited, "what is not carried out says nothing of the budget");
}
