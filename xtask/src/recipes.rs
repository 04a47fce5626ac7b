//! Thin recipes: one long command each.

use std::fs;

use crate::{
    boundary,
    shell::{Failure, Root},
};

/// The stress tests at full length: a million calls that fail, then budgets, flights and hosts'
/// threads that do what a seed says.
pub(crate) fn stress(root: &Root, arguments: &[&str]) -> Result<(), Failure> {
    flag(arguments, None)?;
    let test = ["test", "--release", "-p", "rego-engine"];
    let full = |which: &[&str]| root.cargo(&[&test[..], which].concat()).env("REGO_STRESS", "full");
    full(&["--test", "stress", "--", "--nocapture"]).go()?;
    let rooms =
        ["threads_never_draw_more", "whatever_the_hosts_threads_do", "whatever_the_interleaving"];
    full(&[&["--lib", "--"], &rooms[..]].concat()).go()
}

/// Real sockets and virtual time side by side, with the tolerance that is promised; the tests have
/// a looser one.
pub(crate) fn agreement(root: &Root, arguments: &[&str]) -> Result<(), Failure> {
    flag(arguments, None)?;
    let test = ["test", "--release", "-p", "rego-cli", "--test", "agreement", "--", "--nocapture"];
    root.cargo(&test).env("REGO_AGREEMENT", "full").go()
}

/// One benchmark, as criterion's report or as a plain table in JSON; `peers` is the table of other
/// libraries, which are no part of the workspace.
pub(crate) fn bench(root: &Root, arguments: &[&str]) -> Result<(), Failure> {
    let manifest = fs::read_to_string(root.join("benches/Cargo.toml"))
        .map_err(|error| Failure::Failed(format!("cannot read benches/Cargo.toml: {error}")))?;
    let mut known = bench_names(&manifest);
    known.push(PEERS);
    let list = format!("benchmarks: {}", known.join(", "));
    let (name, rest) = arguments
        .split_first()
        .ok_or_else(|| Failure::Usage(format!("bench NAME [--json]\n{list}")))?;
    if !known.contains(name) {
        return Err(Failure::Usage(format!("there is no benchmark `{name}`\n{list}")));
    }
    let json = flag(rest, Some("--json"))?;
    if *name == PEERS {
        return peers(root, if json { &["--json"] } else { &[] });
    }
    if *name == "boundary" {
        return boundary::run(root, json);
    }
    let mut command = vec!["bench", "-q", "-p", "rego-benches", "--bench", name];
    if json {
        command.extend(["--", "--json"]);
    }
    root.cargo(&command).quietly(json).go()
}

/// The goals, measured in one run. How many shared words a success changes is counted by another
/// build, for counting takes time.
pub(crate) fn goals(root: &Root, arguments: &[&str]) -> Result<(), Failure> {
    let json = flag(arguments, Some("--json"))?;
    let example = ["-p", "rego-engine", "--features", "counted", "--example", "shared_writes"];
    let writes = root.cargo(&[&["run", "-q"], &example[..]].concat()).capture()?;
    let mut command = vec!["goals", "--writes", writes.trim()];
    if json {
        command.push("--json");
    }
    peers(root, &command)
}

const PEERS: &str = "peers";

/// Other libraries are no part of the workspace, nor of what its builds leave behind.
pub(crate) const PEERS_MANIFEST: [&str; 4] =
    ["--manifest-path", "benches/peers/Cargo.toml", "--target-dir", "target/peers"];

fn peers(root: &Root, arguments: &[&str]) -> Result<(), Failure> {
    let run = [&["run", "--release", "-q"], &PEERS_MANIFEST[..], &["--"], arguments].concat();
    root.cargo(&run).quietly(arguments.contains(&"--json")).go()
}

/// The headline studies in virtual time; `--write` makes `docs/results.md` of all of them.
pub(crate) fn headline(root: &Root, arguments: &[&str]) -> Result<(), Failure> {
    let run = ["run", "--release", "-q", "-p", "rego-sim", "--bin", "headline", "--"];
    root.cargo(&[&run[..], arguments].concat()).go()
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

/// The triple of the machine, from `rustc -vV`.
pub(crate) fn host(version: &str) -> Result<String, Failure> {
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| Failure::Failed("`rustc -vV` names no host".to_owned()))
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

    #[test]
    fn the_host_is_read_from_rustc() {
        let host = host("rustc 1.95.0\nhost: x86_64-unknown-linux-gnu\nrelease: 1.95.0\n");
        assert_eq!(host.expect("there is a host line"), "x86_64-unknown-linux-gnu");
    }
}
