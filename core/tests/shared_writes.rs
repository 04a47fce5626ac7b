//! How many shared words a success changes, counted where the engine gets its atomics from.

use rego::{Budget, CallSite, Engine, Policy, PolicyBuilder, rooms::sync::changes};

/// How many read-modify-writes this thread makes meanwhile.
fn counted(work: impl FnOnce()) -> u64 {
    let before = changes();
    work();
    changes() - before
}

fn site(policy: PolicyBuilder, budget: impl Into<Budget>) -> CallSite {
    let policy = policy.retry_budget("users").build().expect("a good policy");
    let engine = Engine::builder().ignore_environment().budget("users", budget);
    let engine = engine.policy("svc.Get", policy).build().expect("a good engine");
    engine.site("svc.Get")
}

fn succeed(site: &CallSite) {
    site.run(|_| Ok::<_, std::io::Error>(())).expect("it works");
}

#[test]
fn a_success_changes_one_word() {
    let full = || Policy::http().idempotent(true).hedge_quantile(0.95);
    for policy in [Policy::builder(), full()] {
        let site = site(policy, Budget::ratio(0.1));
        succeed(&site);
        // Hedging that its driver cannot do is counted, which is one more.
        let hedged = u64::from(site.policy().hedging());
        for _ in 0..100 {
            assert_eq!(counted(|| succeed(&site)), 1 + hedged, "its bucket in the histogram");
        }
    }
}

#[test]
fn by_key_it_is_the_same_one() {
    let engine = Engine::builder().ignore_environment().build().expect("a good engine");
    let call = || {
        engine.run("svc.Get", |_| Ok::<_, std::io::Error>(())).expect("it works");
    };
    call();
    assert_eq!(counted(call), 1);
}

/// The control: what does change more than one is seen to.
#[test]
fn a_budget_that_is_below_its_ceiling_is_one_more() {
    let site = site(Policy::builder(), Budget::ratio(0.1).min_per_sec(0.0));
    for _ in 0..8 {
        let refused = std::io::ErrorKind::ConnectionRefused;
        assert!(site.run(|_| Err::<(), _>(std::io::Error::from(refused))).is_err());
    }
    succeed(&site);
    let changes = counted(|| succeed(&site));
    assert_eq!(changes, 2, "the histogram's and the budget's own");
    let in_flight = self::site(Policy::builder(), Budget::InFlight { ratio: 0.1, min: 1 });
    succeed(&in_flight);
    assert_eq!(counted(|| succeed(&in_flight)), 3, "the histogram, begin and end");
}
