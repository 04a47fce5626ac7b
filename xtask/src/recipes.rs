//! Thin recipes: one long command each.

use std::fs;

use crate::shell::{Failure, Root};

/// The stress test at full length.
pub(crate) fn stress(root: &Root, arguments: &[&str]) -> Result<(), Failure> {
    flag(arguments, None)?;
    let test = ["test", "--release", "-p", "rego-engine", "--test", "stress", "--", "--nocapture"];
    root.cargo(&test).env("REGO_STRESS", "full").go()
}

/// One benchmark, as criterion's report or as a plain table in JSON.
pub(crate) fn bench(root: &Root, arguments: &[&str]) -> Result<(), Failure> {
    let manifest = fs::read_to_string(root.join("benches/Cargo.toml"))
        .map_err(|error| Failure::Failed(format!("cannot read benches/Cargo.toml: {error}")))?;
    let known = bench_names(&manifest);
    let list = format!("benchmarks: {}", known.join(", "));
    let (name, rest) = arguments
        .split_first()
        .ok_or_else(|| Failure::Usage(format!("bench NAME [--json]\n{list}")))?;
    if !known.contains(name) {
        return Err(Failure::Usage(format!("there is no benchmark `{name}`\n{list}")));
    }
    let mut command = vec!["bench", "-p", "rego-benches", "--bench", name];
    if flag(rest, Some("--json"))? {
        command.extend(["--", "--json"]);
    }
    root.cargo(&command).go()
}

/// The goals, measured in one run.
pub(crate) fn goals(root: &Root, arguments: &[&str]) -> Result<(), Failure> {
    let mut command = vec!["run", "--release", "-q", "-p", "rego-benches", "--bin", "goals"];
    if flag(arguments, Some("--json"))? {
        command.extend(["--", "--json"]);
    }
    root.cargo(&command).go()
}

/// Whether `flag` was given; nothing else may be.
fn flag(arguments: &[&str], flag: Option<&str>) -> Result<bool, Failure> {
    match arguments {
        [] => Ok(false),
        [given] if Some(*given) == flag => Ok(true),
        [unknown, ..] => Err(Failure::Usage(format!("`{unknown}` is not understood"))),
    }
}

/// The `[[bench]]` sections of a manifest. Benchmarks without libtest must have one each.
fn bench_names(manifest: &str) -> Vec<&str> {
    let sections = manifest.split("[[bench]]").skip(1);
    sections
        .filter_map(|section| {
            let line = section.lines().skip(1).take_while(|line| !line.starts_with('['));
            let name = line.filter_map(|line| line.strip_prefix("name")).next()?;
            name.split('"').nth(1)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn benchmarks_are_read_from_the_manifest() {
        let manifest = "[package]\nname = \"rego-benches\"\n\n[[bench]]\nname = \"timers\"\n\
                        harness = false\n\n[[bench]]\nharness = false\nname = \"record\"\n\n\
                        [[bench]]\nharness = false\n[lib]\nname = \"not_this\"\n";
        assert_eq!(bench_names(manifest), ["timers", "record"]);
        assert_eq!(bench_names("[package]\nname = \"rego-benches\"\n"), [""; 0]);
    }

    #[test]
    fn only_the_known_flag_is_taken() {
        assert!(matches!(flag(&["--full"], Some("--full")), Ok(true)));
        assert!(matches!(flag(&[], Some("--full")), Ok(false)));
        assert!(matches!(flag(&["--ful"], Some("--full")), Err(Failure::Usage(_))));
        assert!(matches!(flag(&["--full", "x"], Some("--full")), Err(Failure::Usage(_))));
        assert!(matches!(flag(&["x"], None), Err(Failure::Usage(_))));
    }
}
