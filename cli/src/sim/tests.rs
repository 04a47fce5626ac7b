use clap::Parser;

use super::*;

#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    sim: SimArgs,
}

fn args(flags: &[&str]) -> SimArgs {
    let all = ["sim", "--duration", "12s"].iter().chain(flags);
    Flags::try_parse_from(all).expect("good flags").sim
}

fn report(flags: &[&str]) -> Report {
    let args = args(flags);
    let scenario = scenario(&args).expect("well-formed");
    let policies = policies::read(&args.policy).expect("built in");
    let mut lanes = vec![lane(&Lane::no_policy(), &scenario, args.seed).expect("it runs")];
    for written in &policies {
        let guard = written.lane().expect("well-formed");
        lanes.push(lane(&guard, &scenario, args.seed).expect("it runs"));
    }
    let sweep: Option<Sweep> = args.sweep.as_deref().map(|text| text.parse().expect("a range"));
    let sweep = sweep.map(|sweep| {
        let points = sweep.run(&policies, &scenario, 3, args.seed).expect("it runs");
        (sweep.field, points)
    });
    Report {
        source: source(&args),
        about: scenario.about.clone(),
        seed: args.seed,
        utilisation: scenario.utilisation(),
        lanes,
        sweep,
        frontier: Vec::new(),
        notes: notes(&args),
    }
}

#[test]
fn json_has_the_lanes_of_rego_run() {
    let text = report(&[]).json();
    assert_eq!(text, report(&[]).json(), "to the byte");
    let value: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
    assert_eq!((&value["scenario"], &value["seed"]), (&"queues".into(), &1.into()));
    assert_eq!(value["lanes"].as_array().map(Vec::len), Some(3));
    for field in [
        "name",
        "calls",
        "attempts",
        "hedges",
        "success",
        "p50_ms",
        "p90_ms",
        "p99_ms",
        "p999_ms",
        "load",
        "budget_bound",
    ] {
        assert!(value["lanes"][2].get(field).is_some(), "{field}");
    }
}

#[test]
fn independent_draws_come_with_a_warning() {
    assert!(report(&["--iid"]).text().contains("independent draws flatter hedging"));
    assert!(!report(&[]).text().contains("independent draws"));
}

#[test]
fn a_sweep_names_the_best_of_its_values() {
    let report = report(&["--sweep", "hedge.delay=5ms..80ms"]);
    let text = report.text();
    assert!(text.contains("hedge.delay=5000us") && text.contains("hedge.delay=80000us"), "{text}");
    assert!(text.contains("the shortest p99 is with hedge.delay="), "{text}");
    for line in text.lines().filter(|line| !line.contains(", seed ")) {
        assert!(line.trim_end() == line, "{line:?}");
    }
}

#[test]
fn the_page_is_small_safe_and_alone() {
    let mut report = report(&["--sweep", "hedge.load=0.01..0.1"]);
    report.about = "a < b".to_owned();
    let page = report.page();
    assert!(page.len() < 200 * 1024, "{} bytes", page.len());
    assert!(page.contains("a &lt; b"));
    for part in ["http://", "https://", "<script", "src=", "url(", "@import", "NaN", "inf"] {
        assert!(!page.contains(part), "{part:?} is in the page");
    }
    for part in ["Load over time", "p99 against extra load", "(chosen)", "<svg"] {
        assert!(page.contains(part), "{part:?} is not in the page");
    }
}
