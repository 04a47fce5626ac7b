//! `loom`: the real source of the shared rooms under the model checker.

use std::time::Instant;

use crate::{
    controls::{self, Control},
    shell::{Failure, Root, Run},
};

/// A target folder of its own, because everything is compiled differently.
const FOLDER: &str = "target/loom";

/// Explores the models; or, of source that is broken on purpose, those which must find it out.
pub(crate) fn run(root: &Root, arguments: &[&str]) -> Result<(), Failure> {
    match arguments {
        [] => explore(root, "2"),
        ["--full"] => explore(root, "3"),
        ["--controls"] => find_out(root),
        _ => Err(Failure::Usage("loom [--full|--controls]".to_owned())),
    }
}

fn explore(root: &Root, preemptions: &str) -> Result<(), Failure> {
    let mut explored = 0;
    let mut models = 0;
    let start = Instant::now();
    let result = test(root, &["--", "--nocapture"], preemptions).watched(|line| {
        if let Some(interleavings) = interleavings(line) {
            (explored, models) = (explored + interleavings, models + 1);
        }
    });
    let took = start.elapsed().as_secs();
    println!(
        "{models} models, {explored} interleavings with at most {preemptions} preemptions, {took} s"
    );
    result
}

/// The figure in what a model prints at its end.
fn interleavings(line: &str) -> Option<u64> {
    let (before, _) = line.split_once(" interleavings with at most ")?;
    before.rsplit(' ').next()?.parse().ok()
}

fn find_out(root: &Root) -> Result<(), Failure> {
    let mut missed = 0;
    for build in controls::BUILDS {
        let mut breaks: Vec<&str> = build.iter().map(|control| control.broken).collect();
        breaks.dedup();
        let broken = |arguments: &[&str]| {
            let test = test(root, arguments, "2").env("RUST_BACKTRACE", "0");
            controls::with_breaks(root, test, FOLDER, &breaks)
        };
        broken(&["-q", "--no-run"])?.go()?;
        for Control { broken: name, room, model } in *build {
            let (passed, _) = broken(&["-q", "--test", room, "--", "--exact", model])?.tried()?;
            let finding = if passed { "NOT FOUND" } else { "found" };
            println!("{name}: {finding} by {room}::{model}");
            missed += usize::from(passed);
        }
    }
    match missed {
        0 => Ok(()),
        _ => Err(Failure::Failed(format!("{missed} controls were not found"))),
    }
}

fn test(root: &Root, arguments: &[&str], preemptions: &str) -> Run {
    let test = ["test", "-p", "loom-tests", "--profile", "loom", "--target-dir", FOLDER];
    root.cargo(&[&test[..], arguments].concat())
        .env("RUSTFLAGS", "--cfg rego_loom")
        .env("LOOM_MAX_PREEMPTIONS", preemptions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figure_is_read_from_what_a_model_prints() {
        let line = ".slab: three threads, one slot: 5417 interleavings with at most 2 preemptions";
        assert_eq!(interleavings(line), Some(5_417));
        assert_eq!(interleavings("test result: ok. 3 passed"), None);
    }
}
