//! Thin recipes: one long command each.

use std::fs;

use crate::shell::{Failure, Root};

/// The stress test at full length.
pub(crate) fn stress(root: &Root, arguments: &[&str]) -> Result<(), Failure> {
    flag(arguments, None)?;
    let test = ["test", "--release", "-p", "rego-engine", "--test", "stress", "--", "--nocapture"];
    root.cargo(&test).env("REGO_STRESS", "full").go()
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
        // Where cargo puts what is built like a benchmark: target/release.
        let library = ["build", "-q", "-p", "rego-ffi", "--profile", "bench"];
        root.cargo(&[&library[..], &["--target-dir", "target"]].concat()).go()?;
        let soname = format!("target/release/librego.so.{}", crate::install::SOVERSION);
        root.program("ln", &["-sf", "librego.so", &soname]).go()?;
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

fn peers(root: &Root, arguments: &[&str]) -> Result<(), Failure> {
    let manifest = ["--manifest-path", "benches/peers/Cargo.toml", "--target-dir", "target/peers"];
    let run = [&["run", "--release", "-q"], &manifest[..], &["--"], arguments].concat();
    root.cargo(&run).quietly(arguments.contains(&"--json")).go()
}

/// The real source under the model checker, with a target folder of its own because everything is
/// compiled differently; or source that is broken on purpose, which the models must find out.
pub(crate) fn loom(root: &Root, arguments: &[&str]) -> Result<(), Failure> {
    let preemptions = match arguments {
        [] => "2",
        ["--full"] => "3",
        ["--controls"] => return root.program("sh", &["loom-tests/controls.sh"]).go(),
        _ => return Err(Failure::Usage("loom [--full|--controls]".to_owned())),
    };
    let test = ["test", "-p", "loom-tests", "--profile", "loom", "--target-dir", "target/loom"];
    root.cargo(&[&test[..], &["--", "--nocapture"]].concat())
        .env("RUSTFLAGS", "--cfg rego_loom")
        .env("LOOM_MAX_PREEMPTIONS", preemptions)
        .go()
}

/// The engine's tests under ThreadSanitizer and AddressSanitizer.
pub(crate) fn sanitize(root: &Root, arguments: &[&str]) -> Result<(), Failure> {
    let sanitizers = match arguments {
        [] => &["thread", "address"][..],
        ["thread" | "address"] => arguments,
        _ => return Err(Failure::Usage("sanitize [thread|address]".to_owned())),
    };
    let target = host(&root.program("rustc", &["-vV"]).capture()?)?;
    let suppressions = root.join("xtask/tsan.suppressions");
    let suppressions = format!("suppressions={}", suppressions.display());
    for sanitizer in sanitizers {
        let folder = format!("target/sanitize-{sanitizer}");
        let flags = format!("-Zsanitizer={sanitizer} -Cunsafe-allow-abi-mismatch=sanitizer");
        // A target of its own, so that build scripts and macros stay as they are.
        let test = ["test", "-p", "rego-engine", "--lib", "--tests", "--target", &target];
        root.cargo(&[&test[..], &["--target-dir", &folder]].concat())
            .env("TSAN_OPTIONS", &suppressions)
            .env("RUSTC_BOOTSTRAP", "1")
            .env("RUSTFLAGS", &flags)
            .go()?;
    }
    Ok(())
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
