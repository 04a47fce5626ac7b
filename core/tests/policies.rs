//! Which policy and which budget are in force, where the program and documents both have a say.
#![cfg(feature = "documents")]
#![expect(clippy::unwrap_used, reason = "a test says what it expects")]

use std::time::Duration;

use rego::{
    Budget, BuildError, Engine, Format, KeyError, Policy, PolicyErrorKind, PolicyErrors,
    PolicySource,
};

fn load(engine: &Engine, text: &str) -> Result<(), PolicyErrors> {
    engine.load_text(format!("schema = 1\n{text}"), Format::Toml, "p.toml")
}

fn times(max_attempts: u32) -> Policy {
    Policy::builder().max_attempts(max_attempts).build().unwrap()
}

fn attempts(engine: &Engine, key: &str) -> u8 {
    engine.site(key).policy().max_attempts()
}

#[test]
fn what_the_program_sets_goes_before_the_document_until_the_next_one() {
    const DOCUMENT: &str = "[policies]\n\"svc.Get\".retry.max_attempts = 5\n\
                            \"svc.*\".retry.max_attempts = 6\n\"svc.Put\".retry.max_attempts = 7\n";
    let engine = Engine::builder().policy("svc.Get", times(2)).build().unwrap();
    load(&engine, DOCUMENT).unwrap();
    let all = || ["svc.Get", "svc.New", "svc.Put"].map(|key| attempts(&engine, key));
    assert_eq!(all(), [5, 6, 7]);

    engine.set_policy("svc.Get", times(1)).unwrap();
    assert_eq!(all(), [1, 6, 7]);
    let (_, timeline) = engine.run_with_timeline("svc.Get", |_| Ok::<_, &str>(()));
    assert_eq!(timeline.call.policy_source, PolicySource::Static);
    engine.set_policy("svc.*", times(3)).unwrap();
    assert_eq!(all(), [1, 3, 7], "what has a policy of its own keeps it");

    load(&engine, "retries = 1\n").unwrap_err();
    assert_eq!(all(), [1, 3, 7], "a document that is refused changes nothing");
    load(&engine, DOCUMENT).unwrap();
    assert_eq!(all(), [5, 6, 7]);
    load(&engine, "").unwrap();
    assert_eq!(all(), [1, 3, 3], "as if the builder had been given them");
}

#[test]
fn a_budget_of_an_earlier_document_is_not_defined() {
    let engine = Engine::builder().build().unwrap();
    let uses = "[policies.\"svc.Get\".retry]\nbudget = \"users\"\n";
    let defines = "[budgets.users]\nkind = \"concurrency\"\nmax = 4\n";
    load(&engine, &format!("{defines}{uses}")).unwrap();
    assert_eq!(engine.site("svc.Get").budgets().retry.name, "users");
    let errors = load(&engine, uses).unwrap_err();
    assert_eq!(errors.iter().next().unwrap().kind, PolicyErrorKind::UnknownBudget);
    assert_eq!(engine.site("svc.Get").budgets().retry.name, "users", "it stays in force");
    load(&engine, "").unwrap();
    assert!(!engine.metrics().contains("budget=\"users\""));
}

#[test]
fn a_budget_that_a_document_redefined_is_the_programs_again_when_it_is_gone() {
    let policy = Policy::constant(Duration::from_micros(10)).max_attempts(3).retry_budget("users");
    let (builder, _clock) = rego::testing::engine();
    let engine = builder
        .budget("users", Budget::token_bucket(10, 0.0))
        .policy("svc.Get", policy.build().unwrap())
        .build()
        .unwrap();
    let site = engine.site("svc.Get");
    let left = || site.budgets().retry.available;
    site.run(|_| Err::<(), _>("no luck")).unwrap_err();
    assert_eq!(left(), 8.0);
    let redefined = |kind: &str| load(&engine, &format!("[budgets.users]\n{kind}\n")).unwrap();

    redefined("kind = \"token_bucket\"\ncapacity = 20\nrefill_per_sec = 0");
    assert_eq!(left(), 8.0, "what was spent stays spent");
    load(&engine, "").unwrap();
    assert_eq!(left(), 8.0);
    load(&engine, "").unwrap();
    assert_eq!(left(), 8.0);

    redefined("kind = \"concurrency\"\nmax = 500");
    assert_eq!(left(), 500.0);
    load(&engine, "").unwrap();
    assert_eq!(left(), 10.0, "of another kind than before: a new balance");
}

#[test]
fn a_name_that_nobody_defines_is_refused_when_the_engine_runs_too() {
    let engine = Engine::builder().budget("users", Budget::concurrency(1)).build().unwrap();
    let set = |policy: rego::PolicyBuilder| engine.set_policy("svc.Get", policy.build().unwrap());
    let (key, name) = ("svc.Get".to_owned(), "nobody".to_owned());
    let (unknown, hedges) = (Policy::builder().retry_budget("nobody"), Policy::builder());
    let budget = Err(BuildError::UnknownBudget { key: key.clone(), name: name.clone() });
    assert_eq!(set(unknown), budget);
    let hedges = hedges.idempotent(true).hedge_quantile(0.9).hedge_budget("nobody");
    assert_eq!(set(hedges), budget);
    let classified = set(Policy::builder().classifier("nobody"));
    assert_eq!(classified, Err(BuildError::UnknownClassifier { key, name }));
    assert_eq!(engine.site("svc.Get").budgets().retry.name, "svc.Get", "nothing has changed");

    set(Policy::builder().retry_budget("users").classifier("http")).unwrap();
    assert_eq!(engine.site("svc.Get").budgets().retry.name, "users");
    set(Policy::builder().retry_budget("unlimited")).unwrap();
    load(&engine, "[budgets.new]\nkind = \"concurrency\"\nmax = 4\n").unwrap();
    set(Policy::builder().retry_budget("new")).unwrap();
    load(&engine, "").unwrap();
    let report = engine.site("svc.Get").budgets();
    assert_eq!(report.retry.name, "svc.Get", "its own, where the one it names is gone");
}

#[test]
fn a_star_stands_for_the_names_of_a_namespace_everywhere() {
    for key in ["*", "svc.Get*", "*.Get", "s*.*", "svc.*.*", "*.*", "svc*"] {
        let star = BuildError::Key { key: key.to_owned(), source: KeyError::Star };
        let built = Engine::builder().policy(key, times(2)).build();
        assert_eq!(built.unwrap_err(), star);
        let engine = Engine::builder().build().unwrap();
        assert_eq!(engine.set_policy(key, times(2)), Err(star));
        let loaded = load(&engine, &format!("[policies.\"{key}\"]\n")).unwrap_err();
        assert_eq!(loaded.iter().next().unwrap().kind, PolicyErrorKind::InvalidKey);
        // A key that is only called is any text.
        assert_eq!(engine.site(key).key(), key);
    }
    let engine = Engine::builder().policy("svc.*", times(2)).build().unwrap();
    assert_eq!(attempts(&engine, "svc.Get"), 2);
}

#[test]
fn a_budgets_name_is_one_that_a_document_may_use() {
    for name in ["unlimited", "", "a\nb"] {
        let built = Engine::builder().budget(name, Budget::concurrency(1)).build();
        assert!(matches!(built, Err(BuildError::Budget { name: refused, .. }) if refused == name));
    }
    let built = Engine::builder().budget("unlimited", Budget::concurrency(1)).build();
    assert_eq!(
        built.unwrap_err().to_string(),
        "budget \"unlimited\": this budget is built in and allows all"
    );
}
