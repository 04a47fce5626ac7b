mod properties;

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::{
    clock::Nanos,
    outcome::Class,
    policy::{ClassRule, Jitter, Mode, Trigger},
};

/// Every field there is.
const FULL_TOML: &str = r#"
schema = 1

[defaults]
version = "7"

[budgets]
a = { kind = "unlimited" }
b = { kind = "token_bucket", capacity = 20, refill_per_sec = 2.5 }
c = { kind = "ratio", ratio = 0.2, window = "30s", cap = 50, min_per_sec = 2, funding = "requests" }
d = { kind = "in_flight", ratio = 0.5, min = 3 }
e = { kind = "concurrency", max = 4 }
f = { kind = "throttle", max_tokens = 10, token_ratio = 0.1 }

[policies."svc.Get"]
id = "x"
mode = "observe"
idempotent = true

[policies."svc.Get".retry]
max_attempts = 5
initial_backoff = "250us"
max_backoff = "0.009s"
multiplier = 3
jitter = "equal"
attempt_timeout = "70ms"
overall_timeout = "off"
max_retry_after = "2m"
classifier = "http"
budget = { name = "b", cost = 2 }

[policies."svc.Get".retry.per_class.throttled]
max_attempts = 2
initial_backoff = "4ms"
cost = 9

[policies."svc.Get".hedge]
enabled = true
max_hedges = 2
trigger = { quantile = 0.9 }
delay = "30ms"
min_delay = "2ms"
max_delay = "1h"
objective = 0.95
fan_out = 7
cancel_on_first_terminal = false
budget = "c"
"#;

const FULL_JSON: &str = r#"{
  "schema": 1,
  "defaults": {"version": "7"},
  "budgets": {
    "a": {"kind": "unlimited"},
    "b": {"kind": "token_bucket", "capacity": 20, "refill_per_sec": 2.5},
    "c": {"kind": "ratio", "ratio": 0.2, "window": "30s", "cap": 50, "min_per_sec": 2,
          "funding": "requests"},
    "d": {"kind": "in_flight", "ratio": 0.5, "min": 3},
    "e": {"kind": "concurrency", "max": 4},
    "f": {"kind": "throttle", "max_tokens": 10, "token_ratio": 0.1}
  },
  "policies": {
    "svc.Get": {
      "id": "x", "mode": "observe", "idempotent": "yes",
      "retry": {
        "max_attempts": 5, "initial_backoff": "250µs", "max_backoff": "9ms", "multiplier": 3.0,
        "jitter": "equal", "attempt_timeout": "70ms", "overall_timeout": "0s",
        "max_retry_after": "120s", "classifier": "http", "budget": {"name": "b", "cost": 2},
        "per_class": {"throttled": {"max_attempts": 2, "initial_backoff": "4ms", "cost": 9}}
      },
      "hedge": {
        "enabled": true, "max_hedges": 2, "trigger": {"quantile": 0.9}, "delay": "30ms",
        "min_delay": "2ms", "max_delay": "60m", "objective": 0.95,
        "fan_out": 7, "cancel_on_first_terminal": false,
        "budget": {"name": "\u0063"}
      }
    }
  }
}"#;

fn key(text: &str) -> Key {
    Key::parse(text).expect("a good key")
}

fn parse(text: &str) -> Document {
    Document::parse(text, Format::Toml, "p.toml").expect("a good document")
}

fn errors(text: &str) -> String {
    Document::parse(text, Format::Toml, "p.toml").expect_err("a bad document").to_string()
}

#[test]
fn every_field_can_be_written_in_either_format() {
    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }
    let rule = ClassRule::default().max_attempts(2).initial_backoff(ms(4)).cost(9);
    let want = Policy::builder()
        .id("x")
        .version("7")
        .mode(Mode::Observe)
        .idempotent(true)
        .max_attempts(5)
        .initial_backoff(Duration::from_micros(250))
        .max_backoff(ms(9))
        .multiplier(3.0)
        .jitter(Jitter::Equal)
        .attempt_timeout(ms(70))
        .no_overall_timeout()
        .max_retry_after(ms(120_000))
        .classifier("http")
        .retry_budget("b")
        .retry_cost(2)
        .per_class(Class::Throttled, rule)
        .hedge_quantile(0.9)
        .max_hedges(2)
        .hedge_delay(ms(30))
        .hedge_min_delay(ms(2))
        .hedge_max_delay(ms(3_600_000))
        .hedge_objective(0.95)
        .hedge_fan_out(7)
        .cancel_on_first_terminal(false)
        .hedge_budget("c")
        .build()
        .expect("a good policy");
    let ratio = Budget::ratio(0.2).window(ms(30_000)).cap(50).min_per_sec(2.0);
    let budgets = [
        ("a", Budget::unlimited()),
        ("b", Budget::token_bucket(20, 2.5)),
        ("c", ratio.funded_by_requests().into()),
        ("d", Budget::in_flight(0.5, 3)),
        ("e", Budget::concurrency(4)),
        ("f", Budget::throttle(10, 0.1)),
    ];
    for (text, format) in [(FULL_TOML, Format::Toml), (FULL_JSON, Format::Json)] {
        let document = Document::check(text, format, "full").expect("a good document");
        let (policy, matched) = document.resolve(&key("svc.Get"));
        assert_eq!((&**policy, matched), (&want, Matched::Exact));
        let found: Vec<_> = document.budgets().map(|(name, kind)| (name, kind.clone())).collect();
        assert_eq!(found, budgets);
        let doubts: Vec<_> = document.warnings().iter().map(|doubt| &*doubt.field).collect();
        assert_eq!(doubts, ["policies.\"svc.Get\".retry.overall_timeout"], "it is off");
        assert_eq!(document.validate_names(&[], &["http"]), Ok(()));
    }
}

#[test]
fn a_more_specific_table_overrides_field_by_field() {
    let document = parse(
        r#"
        schema = 1
        [defaults.retry]
        max_attempts = 2
        jitter = "none"
        classifier = "io"
        [policies."a.*".retry]
        max_attempts = 4
        jitter = "equal"
        [policies."a.B".retry]
        max_attempts = 5
        [policies."plain".retry]
        max_attempts = 6
        "#,
    );
    let at = |text| {
        let (policy, matched) = document.resolve(&key(text));
        (policy.max_attempts(), policy.jitter(), policy.classifier().to_owned(), matched)
    };
    assert_eq!(at("a.B"), (5, Jitter::Equal, "io".to_owned(), Matched::Exact));
    assert_eq!(at("a.C"), (4, Jitter::Equal, "io".to_owned(), Matched::Namespace));
    assert_eq!(at("a.b.c"), (4, Jitter::Equal, "io".to_owned(), Matched::Namespace));
    assert_eq!(at("b.B"), (2, Jitter::None, "io".to_owned(), Matched::Defaults));
    assert_eq!(at("plain"), (6, Jitter::None, "io".to_owned(), Matched::Exact));
    assert_eq!(at("a"), (2, Jitter::None, "io".to_owned(), Matched::Defaults));
    let patterns: Vec<&str> = document.policies().map(|(pattern, _)| pattern).collect();
    assert_eq!(patterns, ["a.*", "a.B", "plain"]);
}

#[test]
fn without_defaults_a_key_gets_the_built_in_policy() {
    let document = parse("schema = 1\n");
    let (policy, matched) = document.resolve(&key("a.B"));
    assert_eq!((&**policy, matched), (&Policy::default(), Matched::Nothing));
    assert_eq!(**document.defaults(), Policy::default());
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_text() {
    assert_eq!(parse("\u{feff}schema = 1\n").policies().count(), 0);
    let text = "\u{feff}{\"schema\": 1}";
    assert!(Document::parse(text, Format::Json, "p.json").is_ok());
}

/// Older programs meet newer documents.
#[test]
fn an_unknown_field_of_a_remote_document_is_a_warning() {
    let text = "schema = 1\n[defaults.retry]\nmax_attempts = 2\nmagic = true\n[later]\nx = 1\n";
    assert!(errors(text).contains("p.toml:4:1: defaults.retry.magic: unknown field"));
    let origin = Origin::Remote("https://policies".to_owned());
    let document = Document::parse(text, Format::Toml, origin).expect("a newer document");
    assert_eq!(document.defaults().max_attempts(), 2);
    let warnings: Vec<String> = document.warnings().iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "https://policies:4:1: defaults.retry.magic: unknown field",
            "https://policies:5:2: later: unknown field",
        ]
    );
    let text = "schema = 1\n[defaults.retry]\nmax_attempts = \"two\"\n";
    let origin = Origin::Remote("https://policies".to_owned());
    assert!(Document::parse(text, Format::Toml, origin).is_err(), "a wrong value stays an error");
}

/// One bad key must not freeze a fleet's configuration.
#[test]
fn what_check_refuses_is_corrected_on_load_with_a_warning() {
    let text = "schema = 1\n[policies.\"a.B\"]\nhedge.enabled = true\nretry.max_attempts = 99\n";
    let document = parse(text);
    let (policy, _) = document.resolve(&key("a.B"));
    assert!(policy.hedging_refused() && !policy.hedging());
    assert_eq!(policy.max_attempts(), 10);
    let kinds: Vec<_> = document.warnings().iter().map(|warning| warning.kind).collect();
    assert_eq!(kinds, [PolicyErrorKind::NotIdempotent, PolicyErrorKind::OutOfRange]);
    let errors = Document::check(text, Format::Toml, "p.toml").expect_err("with a person there");
    let told: Vec<_> = errors.iter().cloned().collect();
    assert_eq!(told, document.warnings());
}

#[test]
fn names_are_checked_against_all_that_are_known() {
    let text = "schema = 1\n[budgets.own]\nkind = \"unlimited\"\n[defaults]\nretry.budget = \
                \"own\"\nhedge.budget = \"given\"\n[policies.\"a.B\"]\nretry.budget = \
                \"unlimited\"\nretry.classifier = \"mine\"\n";
    let document = parse(text);
    assert_eq!(document.validate_names(&["given"], &["mine"]), Ok(()));
    let errors = document.validate_names(&[], &[]).expect_err("two are unknown");
    let kinds: Vec<_> = errors.iter().map(|error| error.kind).collect();
    assert_eq!(kinds, [PolicyErrorKind::UnknownBudget, PolicyErrorKind::UnknownClassifier]);
}

#[test]
fn a_huge_document_is_refused_before_it_is_read() {
    let text = format!("schema = 1\n# {}\n", "x".repeat(MAX_BYTES));
    let told = Document::parse(&text, Format::Toml, "p.toml").expect_err("too long");
    assert_eq!(told.iter().next().map(|error| error.kind), Some(PolicyErrorKind::TooLarge));
}

/// Each is legal to a parser that bounds brackets and dots one by one, and thousands deep.
#[test]
fn nesting_is_bounded_whatever_it_is_made_of() {
    let dots = ["a"; 70].join(".");
    let mixed = format!("{dots} = {{ ").repeat(70);
    let unmatched = "x = [ } [ } ".repeat(10_000);
    let headers = format!("[{dots}]\n").repeat(1_000);
    for text in [mixed, unmatched, headers, "[".repeat(100_000), "a.".repeat(100_000)] {
        let text = format!("schema = 1\n{text}");
        let told = Document::parse(&text, Format::Toml, "p.toml").expect_err("too deep");
        assert_eq!(told.iter().next().map(|error| error.kind), Some(PolicyErrorKind::TooLarge));
    }
    for open in ["[", "{\"a\":"] {
        let text = format!("{{\"schema\": 1, \"defaults\": {}", open.repeat(100_000));
        assert!(Document::parse(&text, Format::Json, "p.json").is_err());
    }
    let text = format!(
        "{{\"schema\": 1, \"defaults\": {}1{}}}",
        "{\"a\":".repeat(100_000),
        "}".repeat(100_000)
    );
    let told = Document::parse(&text, Format::Json, "p.json").expect_err("too deep");
    assert_eq!(told.iter().next().map(|error| error.kind), Some(PolicyErrorKind::TooLarge));
}

#[test]
fn errors_and_warnings_are_bounded() {
    let mut text = "schema = 1\n[defaults]\n".to_owned();
    (0..5_000).for_each(|i| text.push_str(&format!("f{i} = {i}\n")));
    let told = Document::parse(&text, Format::Toml, "p.toml").expect_err("unknown fields");
    assert_eq!((told.iter().count(), told.len()), (100, 5_000));
    let origin = Origin::Remote("r".to_owned());
    let document = Document::parse(&text, Format::Toml, origin).expect("warnings only");
    assert_eq!(document.warnings().len(), 100);
}

#[test]
fn durations_are_exact() {
    let read = |text: &str| {
        let text = format!("schema = 1\n[defaults.retry]\nmax_retry_after = \"{text}\"\n");
        Document::parse(&text, Format::Toml, "p")
            .map(|document| document.defaults().max_retry_after().as_nanos())
    };
    for (text, nanos) in [
        ("0s", 0),
        ("1ns", 1),
        ("250us", 250_000),
        ("250µs", 250_000),
        ("10ms", 10_000_000),
        ("1.5s", 1_500_000_000),
        ("0.000000001s", 1),
        ("1.50000000000000000000000s", 1_500_000_000),
        ("0000000000000000000000000001s", 1_000_000_000),
        ("2m", 120_000_000_000),
        ("0.5h", 1_800_000_000_000),
        ("18446744073709551614ns", u128::from(u64::MAX) - 1),
    ] {
        assert_eq!(read(text), Ok(nanos), "{text}");
    }
    for text in ["", "s", "1", "1.s", ".1s", "1..1s", "1.1.1s", "1 s", "1S", "+1s", "1e3s", "١s"] {
        assert!(read(text).is_err(), "{text}");
    }
    for text in ["0.1ns", "1.0000000001s", "18446744073709551615ns", "5124096h"] {
        assert!(read(text).is_err(), "{text}");
    }
}

#[test]
fn triggers_and_budgets_have_a_short_form() {
    let document = parse(
        "schema = 1\n[defaults.hedge]\ntrigger = \"fixed\"\nbudget = \"x\"\n\
         [policies.\"a.B\".hedge]\ntrigger = { load = 0.02 }\nbudget = { cost = 3 }\n",
    );
    assert_eq!(document.defaults().hedge_trigger(), Trigger::Fixed);
    let (policy, _) = document.resolve(&key("a.B"));
    assert_eq!(policy.hedge_trigger(), Trigger::Load(0.02));
    assert_eq!((policy.hedge_budget(), policy.hedge_cost()), (Some("x"), 3));
}
