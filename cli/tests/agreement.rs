//! `rego run` on real sockets and `rego sim` of the same scenario say the same.
//!
//! The simulator's times get the time of a call that costs its server nothing, as measured in the
//! same run. `cargo xtask agreement` measures for longer, takes the median of three runs and holds
//! to the tolerance that is promised; without it the bounds are such that a busy machine passes and
//! a broken model does not.

use std::{
    fs,
    path::PathBuf,
    process::Command,
    sync::{Mutex, PoisonError},
};

use serde_json::Value;

const POLICY: &str = r#"
schema = 1
[defaults]
idempotent = true
[defaults.retry]
overall_timeout = "5s"
classifier = "http"
[defaults.hedge]
enabled = true
trigger = { load = 0.05 }
delay = "60ms"
"#;

/// How much is measured, and how close it has to be.
struct Effort {
    runs: u64,
    seconds: u64,
    /// As parts of the simulator's figure.
    p50: f64,
    p99: f64,
    /// In attempts per call.
    load: f64,
}

const PROMISED: Effort = Effort { runs: 3, seconds: 10, p50: 0.10, p99: 0.25, load: 0.02 };
const LOOSE: Effort = Effort { runs: 1, seconds: 2, p50: 0.30, p99: 0.75, load: 0.06 };

/// How many calls a second, and how many seeds the simulator's figures are the median of.
const RATE: u64 = 300;
const SEEDS: u64 = 9;

/// Whoever measures on real sockets has the machine to itself, and the files.
static ALONE: Mutex<()> = Mutex::new(());

#[derive(Clone, Copy, Debug)]
struct Figures {
    p50: f64,
    p99: f64,
    load: f64,
}

fn rego(args: &[&str]) -> Value {
    let output =
        Command::new(env!("CARGO_BIN_EXE_rego")).args(args).output().expect("the program starts");
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("it is JSON")
}

fn lane(report: &Value, name: &str) -> Figures {
    let lanes = report["lanes"].as_array().expect("a list");
    let lane = lanes.iter().find(|lane| lane["name"] == name).expect("the lane is there");
    let figure = |field: &str| lane[field].as_f64().expect("a number");
    Figures { p50: figure("p50_ms"), p99: figure("p99_ms"), load: figure("load") }
}

fn median(all: &[Figures]) -> Figures {
    let of = |figure: fn(&Figures) -> f64| {
        let mut values: Vec<_> = all.iter().map(figure).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    Figures { p50: of(|it| it.p50), p99: of(|it| it.p99), load: of(|it| it.load) }
}

/// This test's own file.
fn file(name: &str, text: &str) -> String {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, text).expect("the folder can be written");
    path.to_str().expect("a plain path").to_owned()
}

/// The scenario, with so much on top of each attempt.
fn scenario(null_ms: f64) -> String {
    let text = include_str!("../../sim/scenarios/slow.toml");
    let extra = format!("{{ probability = 1.0, extra = \"{}ns\" }}", (null_ms * 1e6).round());
    let with = text.replace("factor = 4.0 }]", &format!("factor = 4.0 }}, {extra}]"));
    assert_ne!(with, text, "the scenario has its stragglers last");
    with
}

/// The simulator's figures, as long as a lane of that many seconds, warm-up included.
fn simulate(null_ms: f64, seconds: u64, policy: &str) -> Vec<Value> {
    let text = scenario(null_ms)
        .replace("duration = \"60s\"", &format!("duration = \"{}ms\"", 1_000 * seconds + 1_500))
        .replace("warm_up = \"10s\"", "warm_up = \"1500ms\"");
    let scenario = file(&format!("agreement-{null_ms:.3}-{seconds}.toml"), &text);
    let simulate = |seed: u64| {
        let of = ["--scenario", &scenario, "--policy", policy, "--seed", &seed.to_string()];
        rego(&[&["sim", "--json"], &of[..]].concat())
    };
    (1..=SEEDS).map(simulate).collect()
}

/// The median of what reports say of a lane.
fn of(reports: &[Value], name: &str) -> Figures {
    median(&reports.iter().map(|report| lane(report, name)).collect::<Vec<_>>())
}

/// What is further apart than it may be.
fn apart(name: &str, real: Figures, model: Figures, effort: &Effort) -> Vec<String> {
    let rows = [
        ("p50, ms", real.p50, model.p50, effort.p50 * model.p50),
        ("p99, ms", real.p99, model.p99, effort.p99 * model.p99),
        ("load", real.load, model.load, effort.load),
    ];
    let mut apart = Vec::new();
    for (what, real, model, bound) in rows {
        let off = (real - model).abs();
        let word = if off <= bound { "agree" } else { "APART" };
        let line = format!(
            "{word} {name}, {what}: real {real:.3}, simulated {model:.3}, apart by {off:.3}, at \
             most {bound:.3}"
        );
        println!("{line}");
        if off > bound {
            apart.push(line);
        }
    }
    apart
}

/// Names of a lane on real sockets and in the simulator.
const LANES: [(&str, &str); 2] =
    [("no policy", "no policy"), ("retries + hedging", "agreement-policy")];

#[test]
fn real_sockets_and_virtual_time_agree() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let full = std::env::var_os("REGO_AGREEMENT").is_some();
    let effort = if full { PROMISED } else { LOOSE };
    let policy = file("agreement-policy.toml", POLICY);
    let (rate, length) = (RATE.to_string(), format!("{}s", effort.seconds));
    let run = |name: &str, seed: u64| {
        let seed = seed.to_string();
        let load = ["run", "--json", "--scenario", name, "--rate", &rate, "--seed", &seed];
        rego(&[&load[..], &["--policy", &policy, "--duration", &length]].concat())
    };
    let null = lane(&run("instant", 1), "no policy again").p50;
    println!("a call that costs its server nothing: {null:.2} ms");
    let real: Vec<_> = (1..=effort.runs).map(|seed| run("slow", seed)).collect();
    let simulated = simulate(null, effort.seconds, &policy);
    let apart: Vec<_> = LANES
        .iter()
        .flat_map(|(name, model)| apart(name, of(&real, name), of(&simulated, model), &effort))
        .collect();
    assert!(apart.is_empty(), "{}", apart.join("\n"));
}

/// The negative control: what agrees with itself does not with a model whose calls take longer.
#[test]
fn a_model_that_is_off_is_found() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let policy = file("agreement-policy.toml", POLICY);
    for (effort, off_ms) in [(PROMISED, 5.0), (LOOSE, 20.0)] {
        let [right, wrong] = [0.2, 0.2 + off_ms].map(|null| simulate(null, 2, &policy));
        for (name, model) in LANES {
            let real = of(&right, model);
            assert_eq!(apart(name, real, of(&right, model), &effort), [""; 0]);
            assert_ne!(apart(name, real, of(&wrong, model), &effort), [""; 0], "{off_ms} ms off");
        }
    }
}
