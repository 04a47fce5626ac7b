//! First attempts made before their calls begin.

use super::{T0, engine, hedging, ms, of_ms, policy};
use proptest::prelude::*;
use rego::{
    Budget, BuiltInClassifier, Classifier, Completion, Context, Engine, EngineBuilder, Mode, Nanos,
    Policy,
    manual::{Action, Begin, Standing},
};

fn standing(engine: &Engine) -> Standing {
    engine.manual().standing(&engine.site("svc.Get"), T0)
}

fn with(change: impl FnOnce(EngineBuilder) -> EngineBuilder) -> Standing {
    let builder = Engine::builder().ignore_environment();
    standing(&change(builder).build().unwrap())
}

#[test]
fn the_terms_are_those_of_the_policy() {
    let timed = policy().attempt_timeout(of_ms(300)).overall_timeout(of_ms(700));
    let terms = standing(&engine(timed));
    assert!(terms.granted);
    assert_eq!((terms.attempt_timeout, terms.overall_timeout), (ms(300), ms(700)));
    assert!(!terms.shared, "nobody else pays into it");
    let named = Policy::builder().retry_budget("extra").build().unwrap();
    let shares = |builder: EngineBuilder| builder.budget("extra", Budget::ratio(0.1));
    assert!(with(|builder| shares(builder).policy("svc.Get", named)).shared);
}

#[test]
fn nothing_stands_where_somebody_would_see_a_difference() {
    assert!(with(|builder| builder).granted);
    assert!(!standing(&engine(hedging())).granted, "hedges");
    #[cfg(feature = "documents")]
    assert!(!hedging_refused().granted, "it would hedge, were it idempotent");
    for mode in [Mode::Observe, Mode::Off] {
        assert!(!with(|builder| builder.mode(mode)).granted, "{mode:?}");
    }
    let judged =
        |facts: &Completion, context: &Context| BuiltInClassifier::Always.classify(facts, context);
    let own = Policy::builder().classifier("own").build().unwrap();
    assert!(
        !with(|builder| builder.classifier("own", judged).policy("svc.Get", own)).granted,
        "its host judges"
    );
    let pays = |budget: Budget| {
        let policy = Policy::builder().retry_budget("extra").build().unwrap();
        with(|builder| builder.budget("extra", budget).policy("svc.Get", policy)).granted
    };
    assert!(!pays(Budget::in_flight(0.2, 3)), "it counts calls in flight");
    assert!(pays(Budget::concurrency(4)) && pays(Budget::ratio(0.1).into()));
    assert!(pays(Budget::token_bucket(4, 1.0)) && pays(Budget::throttle(10, 0.1)));
}

#[cfg(feature = "documents")]
fn hedging_refused() -> Standing {
    let engine = engine(policy());
    let hedges = "schema = 1\n[defaults.hedge]\nenabled = true\n";
    engine.load_text(hedges, rego::Format::Toml, "a test").unwrap();
    engine.manual().standing(&engine.site("svc.Other"), T0)
}

#[test]
fn terms_stand_until_others_are_in_force() {
    let engine = engine(policy());
    let site = engine.site("svc.Get");
    let terms = standing(&engine);
    assert_eq!(terms.edition, site.edition());
    engine.set_policy("svc.Get", hedging().build().unwrap()).unwrap();
    assert_ne!(terms.edition, site.edition());
    let terms = standing(&engine);
    assert!(!terms.granted && terms.edition == site.edition());
}

/// How many attempts a call makes that begins now, on the terms of an edition, and never works.
fn attempts(engine: &Engine, edition: u64) -> u32 {
    let (manual, site) = (engine.manual(), engine.site("svc.Get"));
    let (call, mut step) = manual.begin(&site, Begin::new(T0).edition(edition));
    let mut now = T0;
    loop {
        match step.actions().last() {
            Some(Action::Start { attempt, .. }) => {
                step = manual.finish(attempt, now, &Completion::http(503), 0).unwrap();
            }
            Some(Action::Done { attempts, .. }) => return attempts,
            Some(Action::Cancel { .. }) => unreachable!("nobody says that its time is up"),
            None => {
                now = step.wake_at;
                step = manual.poll(call, now).unwrap();
            }
        }
    }
}

#[test]
fn a_call_that_begins_in_retrospect_keeps_the_policy_on_which_it_was_made() {
    let engine = engine(policy().max_attempts(5));
    let lent = standing(&engine).edition;
    for nth in 1..=9 {
        engine.set_policy("svc.Get", policy().max_attempts(2).build().unwrap()).unwrap();
        let now = standing(&engine).edition;
        for edition in [0, now, now + 1, lent + 1_000, u64::MAX] {
            assert_eq!(attempts(&engine, edition), 2, "those of now, for {edition}");
        }
        // Eight are remembered, that of now among them.
        assert_eq!(attempts(&engine, lent), if nth < 8 { 5 } else { 2 }, "after {nth}");
        assert_eq!(attempts(&engine, 0), 2, "a slot takes nothing over");
    }
}

#[test]
fn calls_in_the_air_are_counted_as_the_host_says() {
    let engine = engine(policy());
    let (manual, site) = (engine.manual(), engine.site("svc.Get"));
    manual.settle(&site, [], 5);
    assert_eq!(site.in_flight(), 5);
    let _ = manual.begin(&site, Begin::new(T0));
    manual.settle(&site, [ms(1), ms(2)], -2);
    assert_eq!(site.in_flight(), 4);
}

/// One of many calls, one after the other.
#[derive(Clone, Copy, Debug)]
struct Made {
    took: u64,
    works: bool,
    deadline: u64,
}

fn made() -> impl Strategy<Value = Made> {
    (0..400_000_000_u64, prop::bool::weighted(0.8), 1..1_000_000_000_u64)
        .prop_map(|(took, works, deadline)| Made { took, works, deadline })
}

/// Makes calls, each of them on standing terms where it can be, or none of them. What there is to
/// see afterwards.
fn played(calls: &[Made], budget: &Budget, stands: bool, batch: usize) -> (String, Vec<String>) {
    let get = policy().retry_budget("extra").build().unwrap();
    let engine = Engine::builder()
        .ignore_environment()
        .seed(7)
        .clock(rego::Clock::host(|| T0))
        .budget("extra", budget.clone())
        .policy("svc.Get", get)
        .build()
        .unwrap();
    let (manual, site) = (engine.manual(), engine.site("svc.Get"));
    let terms = standing(&engine);
    assert!(terms.granted);
    let (mut now, mut unsettled, mut answers) = (T0, Vec::new(), Vec::new());
    for call in calls {
        let (began, took) = (now, Nanos::from_nanos(call.took));
        let begin = Begin::new(began).deadline(began + Nanos::from_nanos(call.deadline));
        let until = begin.deadline.min(began + terms.overall_timeout);
        now = now + took;
        if stands && call.works && now < until {
            unsettled.push(took);
            if unsettled.len() == batch {
                manual.settle(&site, unsettled.drain(..), 0);
            }
            answers.push(format!("success after 1 at {now:?}"));
            continue;
        }
        manual.settle(&site, unsettled.drain(..), 0);
        let (id, mut step) = manual.begin(&site, begin);
        let mut facts = if call.works { Completion::ok() } else { Completion::http(503) };
        loop {
            let Some(action) = step.actions().last() else {
                now = now.max(step.wake_at);
                step = manual.poll(id, now).unwrap();
                continue;
            };
            match action {
                Action::Start { attempt, .. } => {
                    step = manual.finish(attempt, now, &facts, 0).unwrap();
                    facts = Completion::ok();
                }
                Action::Done { verdict, attempts, .. } => {
                    answers.push(format!("{verdict} after {attempts} at {now:?}"));
                    break;
                }
                Action::Cancel { .. } => unreachable!("nobody says that its time is up"),
            }
        }
    }
    manual.settle(&site, unsettled, 0);
    (engine.metrics(), answers)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whether calls begin before their first attempts or not is to be seen nowhere.
    #[test]
    fn what_stands_leaves_what_begins(
        calls in prop::collection::vec(made(), 1..60),
        batch in 1..9_usize,
        kind in 0..5_usize,
    ) {
        let budgets = [
            Budget::ratio(0.2).into(),
            Budget::ratio(0.3).funded_by_requests().into(),
            Budget::token_bucket(3, 2.0),
            Budget::throttle(6, 0.5),
            Budget::concurrency(1),
        ];
        let one = played(&calls, &budgets[kind], false, batch);
        let other = played(&calls, &budgets[kind], true, batch);
        prop_assert_eq!(one.1, other.1);
        prop_assert_eq!(one.0, other.0);
    }
}
