use std::time::Duration;

use super::*;

fn args(extra: &[&str]) -> CheckArgs {
    use clap::Parser;
    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: CheckArgs,
    }
    Line::parse_from([&["check", "p.toml"], extra].concat()).args
}

fn of(text: &str, extra: &[&str]) -> Checked {
    checked("p.toml".into(), Format::Toml, text.into(), &args(extra))
}

const GOOD: &str = r#"schema = 1
[budgets.users]
kind = "ratio"
ratio = 0.2
min_per_sec = 0
[policies."user-service.GetUser"]
idempotent = true
retry = { max_attempts = 4, attempt_timeout = "300ms", overall_timeout = "2s", budget = "users" }
hedge = { enabled = true, trigger = { quantile = 0.95 } }
[policies."jobs.*"]
retry = { max_attempts = 2, attempt_timeout = "1s", overall_timeout = "off", max_retry_after = "1s" }
[policies."wild.Cat"]
retry.budget = "unlimited"
"#;

#[test]
fn the_worst_case_is_reckoned_from_the_numbers() {
    let checked = of(GOOD, &[]);
    assert_eq!(checked.errors, []);
    let worst = |key: Option<&str>| {
        let found = checked.worst.iter().find(|(known, _)| known.as_deref() == key);
        &found.expect("every policy has one").1
    };
    let get_user = worst(Some("user-service.GetUser"));
    assert_eq!((get_user.attempts, get_user.wall), (8, Some(Duration::from_secs(2))));
    assert_eq!(get_user.load.to_string(), "× 1.25");
    let jobs = worst(Some("jobs.*"));
    assert_eq!((jobs.attempts, jobs.wall), (2, Some(Duration::from_millis(3_100))));
    assert_eq!(jobs.load.to_string(), "× 1.10 + 1/s");
    assert_eq!(worst(Some("wild.Cat")).load.to_string(), "× 3.00");
    assert_eq!((worst(None).attempts, worst(None).wall), (3, Some(Duration::from_secs(30))));
}

#[test]
fn a_finding_is_shown_with_its_line() {
    let checked = of(GOOD, &[]);
    let text = report::text(&[checked]);
    let shown = "warning: p.toml:13:16: policies.\"wild.Cat\".retry.budget: nothing limits retries: \
                 where all attempts fail, the backend gets 3 times the load\n   |\n\
                 13 | retry.budget = \"unlimited\"\n   |                ^\n";
    assert!(text.contains(shown), "{text}");
    assert!(text.contains("p.toml: 0 errors, 2 warnings\n"), "{text}");
}

#[test]
fn names_of_the_program_may_be_used() {
    let text = "schema = 1\n[defaults.retry]\nbudget = \"mine\"\nclassifier = \"own\"\n";
    assert_eq!(of(text, &[]).errors.len(), 2);
    assert_eq!(of(text, &["--budget", "mine", "--classifier", "own"]).errors, []);
}

#[test]
fn json_has_every_finding_and_every_policy() {
    let broken = of("schema = 1\n[defaults.retry]\nmax_atempts = 4\n", &[]);
    let json: serde_json::Value =
        serde_json::from_str(&report::json(&[of(GOOD, &[]), broken])).expect("well formed");
    assert_eq!(json["ok"], false);
    assert_eq!(json["files"][0]["findings"][0]["level"], "warning");
    assert_eq!(json["files"][0]["policies"].as_array().map(Vec::len), Some(4));
    let error = &json["files"][1]["findings"][0];
    assert_eq!((&error["kind"], &error["line"]), (&"unknown_field".into(), &3.into()));
    assert_eq!(error["suggestion"], "max_attempts");
}

#[test]
fn a_line_that_is_far_too_long_is_shown_around_its_fault() {
    let text = format!("schema = 1\ndefaults = {{ id = \"{}\", nonsense = 1 }}\n", "x".repeat(200));
    let text = report::text(&[of(&text, &[])]);
    assert!(
        text.contains("nonsense") && text.lines().all(|line| line.chars().count() < 130),
        "{text}"
    );
}
