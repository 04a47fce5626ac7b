//! How many calls a second one core simulates, in the simplest scenario and in one with queues and
//! hedges: `cargo run --release -p rego-sim --example speed`.

use std::time::Instant;

use rego_sim::{Lane, Scenario};

const SIMPLEST: &str = r#"
    duration = "200s"
    arrivals = { rate = 20000.0, even = true }
    [service]
    queue = "none"
    times = { dist = "constant", value = "1ms" }
"#;

const QUEUES: &str = r#"
    duration = "400s"
    arrivals = { rate = 5000.0 }
    [service]
    servers = 100
    times = { dist = "lognormal", mean = "5ms", sd = "2ms" }
    stragglers = [{ probability = 0.05, factor = 10.0 }]
"#;

const HEDGED: &str = "schema = 1\n[defaults]\nidempotent = true\n[defaults.hedge]\n\
    enabled = true\ntrigger = { load = 0.05 }\n";

fn main() -> Result<(), rego_sim::ScenarioError> {
    let hedged = Lane::toml("hedged", HEDGED)?;
    for (name, text, lane) in [
        ("simplest", SIMPLEST, Lane::no_policy()),
        ("queues", QUEUES, Lane::no_policy()),
        ("queues, hedged", QUEUES, hedged),
    ] {
        let scenario = Scenario::parse(text)?;
        let begin = Instant::now();
        let outcome = lane.run(&scenario, 1)?;
        let seconds = begin.elapsed().as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
        let rate = outcome.calls as f64 / seconds / 1e6;
        println!("{name:<16}{:>10} calls in {seconds:.2} s: {rate:.2} M/s", outcome.calls);
    }
    Ok(())
}
