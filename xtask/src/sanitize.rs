//! `sanitize`: the engine's tests under ThreadSanitizer and AddressSanitizer, and a control each.

use crate::{
    controls,
    recipes::host,
    shell::{Failure, Root, Run},
};

/// A share of a registry's value is not counted, so its memory is freed too early.
pub(crate) const FREED: &str = "registry_uncounted_share";

/// A sanitizer, and source that is broken so that it must say so.
struct Sanitizer {
    name: &'static str,
    broken: &'static str,
    /// The test that comes across it.
    test: &'static str,
    says: &'static str,
}

const SANITIZERS: &[Sanitizer] = &[
    Sanitizer {
        name: "thread",
        broken: "flight_ready_relaxed",
        test: "flight::tests::toy::every_completion_is_driven_once_whatever_the_interleaving",
        says: "ThreadSanitizer: data race",
    },
    Sanitizer {
        name: "address",
        broken: FREED,
        test: "registry::tests::a_share_outlives_the_registry_and_nothing_else_does",
        says: "AddressSanitizer: heap-use-after-free",
    },
];

/// Properties of one thread and tens of thousands of cases: hours under a sanitizer, for nothing
/// that it looks for. And a test that forgets something on purpose, which is a leak.
const SKIPPED: &[&str] = &[
    "backoff::tests",
    "call::tests",
    "classify::tests",
    "drive::manual::tests::twin",
    "hedge::tests",
    "latency::tests::studies",
    "policy::",
    "sync::payload::tests",
];

/// Runs the tests, then the control, of one sanitizer or of both.
pub(crate) fn run(root: &Root, arguments: &[&str]) -> Result<(), Failure> {
    let known = |name: &str| SANITIZERS.iter().any(|sanitizer| sanitizer.name == name);
    let wanted = |sanitizer: &&Sanitizer| match arguments {
        [name] => sanitizer.name == *name,
        _ => true,
    };
    if arguments.len() > 1 || arguments.iter().any(|name| !known(name)) {
        return Err(Failure::Usage("sanitize [thread|address]".to_owned()));
    }
    let target = host(&root.program("rustc", &["-vV"]).capture()?)?;
    have_source_of_std(root)?;
    for sanitizer in SANITIZERS.iter().filter(wanted) {
        let skip = SKIPPED.iter().flat_map(|name| ["--skip", name]);
        let tests: Vec<&str> =
            ["--lib", "--tests", "--no-fail-fast", "--"].into_iter().chain(skip).collect();
        test(root, sanitizer, &target, &tests).go()?;
        find_out(root, sanitizer, &target)?;
    }
    Ok(())
}

/// std is built anew: in one that is not instrumented ThreadSanitizer sees no edges, and so takes
/// every channel, every `Arc` and every join for a race.
pub(crate) fn have_source_of_std(root: &Root) -> Result<(), Failure> {
    let sysroot = root.program("rustc", &["--print", "sysroot"]).capture()?;
    let source = std::path::Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library");
    match source.exists() {
        true => Ok(()),
        false => root.program("rustup", &["component", "add", "rust-src"]).go(),
    }
}

fn find_out(root: &Root, sanitizer: &Sanitizer, target: &str) -> Result<(), Failure> {
    let Sanitizer { name, broken, test: which, says } = sanitizer;
    let test = test(root, sanitizer, target, &["-q", "--lib", "--", "--exact", which]);
    let (passed, said) =
        controls::with_breaks(root, test, &folder(sanitizer), &[broken])?.tried()?;
    if passed || !said.contains(says) {
        return Err(Failure::Failed(format!("{broken}: NOT FOUND by {name}\n{said}")));
    }
    println!("{broken}: found by {name}: {says}");
    Ok(())
}

fn test(root: &Root, sanitizer: &Sanitizer, target: &str, arguments: &[&str]) -> Run {
    let folder = folder(sanitizer);
    let flags = format!("-Zsanitizer={} -Cunsafe-allow-abi-mismatch=sanitizer", sanitizer.name);
    // A target of its own, so that build scripts and macros stay as they are.
    let test =
        ["test", "-Zbuild-std", "-p", "rego-engine", "--target", target, "--target-dir", &folder];
    root.cargo(&[&test[..], arguments].concat())
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", &flags)
}

fn folder(sanitizer: &Sanitizer) -> String {
    format!("target/sanitize-{}", sanitizer.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_sanitizer_is_a_usage_error() {
        for arguments in [&["memory"][..], &["thread", "address"]] {
            assert!(matches!(run(&Root::find(), arguments), Err(Failure::Usage(_))));
        }
    }
}
