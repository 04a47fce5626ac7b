//! The scenarios that come with the simulator are well-formed and can be run.
#![expect(clippy::unwrap_used, reason = "a test says what it expects")]

use std::{fs, path::Path};

use rego_sim::{Lane, Scenario, Span};

const POLICY: &str = "schema = 1\n[defaults]\nidempotent = true\n[defaults.retry]\n\
    attempt_timeout = \"1s\"\n[defaults.hedge]\nenabled = true\ntrigger = { load = 0.05 }\n";

#[test]
fn every_scenario_runs_and_repeats() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut seen = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let mut scenario =
            Scenario::parse(&text).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        assert!(!scenario.about.is_empty(), "{path:?} says what it shows");
        // A part of it is enough here.
        let most: Span = "60s".parse().unwrap();
        scenario.duration = scenario.duration.min(most);
        scenario.warm_up = scenario.warm_up.min("5s".parse().unwrap());
        let lane = Lane::toml("policy", POLICY).unwrap();
        let run = || format!("{:?}", lane.run(&scenario, 3).unwrap());
        assert_eq!(run(), run(), "{path:?}");
        seen += 1;
    }
    assert!(seen >= 5);
}
