//! The C tests where every misuse of memory and threads is seen.

use std::fs;

use super::noticed;
use crate::{
    recipes::host,
    sanitize::have_source_of_std,
    shell::{Failure, Root},
    test::build_library,
};

const TESTS: &[&str] = &["l1", "l2", "l3", "standing", "told"];
const LIBRARIES: &[&str] = &["-lpthread", "-ldl", "-lm"];
const ADDRESS: &[&str] = &["-fsanitize=address,undefined", "-fno-sanitize-recover=all"];

/// Misuses on purpose: a leak, a write past the end, a race.
const CONTROL: &str = "ffi/tests/abi/control.c";

pub(super) fn evil(root: &Root) -> Result<(), Failure> {
    const SOURCE: &str = "ffi/tests/c/evil.c";
    let library = address_library(root)?;
    let program = build(root, SOURCE, "evil", ADDRESS, &library)?;
    root.program(&program, &["2500000"]).go()?;
    for (control, what) in [
        ("-DEVIL_CONTROL=1", "a cookie of another call"),
        ("-DEVIL_CONTROL=2", "a drop that does not come"),
    ] {
        let flags = [ADDRESS, &[control]].concat();
        let program = build(root, SOURCE, "evil-control", &flags, &library)?;
        noticed(what, root.program(&program, &[]).go())?;
    }
    misuse(root, &library)
}

pub(super) fn address(root: &Root) -> Result<(), Failure> {
    let library = address_library(root)?;
    for test in TESTS {
        let program = build(root, &format!("ffi/tests/c/{test}.c"), test, ADDRESS, &library)?;
        root.program(&program, &[]).go()?;
    }
    misuse(root, &library)
}

/// The controls of the two above.
fn misuse(root: &Root, library: &str) -> Result<(), Failure> {
    let program = build(root, CONTROL, "control", ADDRESS, library)?;
    noticed("a leak", root.program(&program, &["leak"]).go())?;
    noticed("a write past the end", root.program(&program, &["overrun"]).go())?;
    noticed("an overflow", root.program(&program, &["overflow"]).go())
}

pub(super) fn thread(root: &Root) -> Result<(), Failure> {
    let library = instrumented(root, "thread")?;
    let flags = ["-fsanitize=thread"];
    let suppressions = format!(
        "suppressions={} halt_on_error=1",
        root.absolute("ffi/tests/abi/tsan.suppressions")?
    );
    let tests = TESTS.iter().filter(|test| **test != "told").chain(&["evil", "forged"]);
    for test in tests {
        let program = build(root, &format!("ffi/tests/c/{test}.c"), test, &flags, &library)?;
        root.program(&program, &[]).env("TSAN_OPTIONS", &suppressions).go()?;
    }
    let program = build(root, CONTROL, "control", &flags, &library)?;
    let race = root.program(&program, &["race"]).env("TSAN_OPTIONS", &suppressions).go();
    noticed("a race", race)
}

pub(super) fn memcheck(root: &Root) -> Result<(), Failure> {
    let library = plain(root)?;
    let valgrind =
        ["-q", "--error-exitcode=9", "--leak-check=full", "--errors-for-leak-kinds=definite"];
    for test in TESTS {
        let program = build(root, &format!("ffi/tests/c/{test}.c"), test, &[], &library)?;
        root.program("valgrind", &[&valgrind[..], &[&program]].concat()).go()?;
    }
    let program = build(root, CONTROL, "control", &[], &library)?;
    for what in ["leak", "overrun"] {
        let control = root.program("valgrind", &[&valgrind[..], &[&program, what]].concat()).go();
        noticed(what, control)?;
    }
    Ok(())
}

/// It takes atomic operations for plain ones, so what it says of the library itself says nothing,
/// and of what is handed from thread to thread by it alone: that is for ThreadSanitizer. What a
/// host of two threads and one loop does with its own locks, it sees.
pub(super) fn helgrind(root: &Root) -> Result<(), Failure> {
    let library = plain(root)?;
    let suppressions = "--suppressions=ffi/tests/abi/helgrind.suppressions";
    let valgrind =
        ["-q", "--tool=helgrind", "--error-exitcode=9", "--num-callers=40", suppressions];
    for test in ["l1", "l2"] {
        let program = build(root, &format!("ffi/tests/c/{test}.c"), test, &[], &library)?;
        root.program("valgrind", &[&valgrind[..], &[&program]].concat()).go()?;
    }
    let program = build(root, CONTROL, "control", &[], &library)?;
    let control = root.program("valgrind", &[&valgrind[..], &[&program, "race"]].concat()).go();
    noticed("a race", control)
}

fn plain(root: &Root) -> Result<String, Failure> {
    build_library(root)?;
    Ok("target/debug/librego.a".to_owned())
}

/// Rust's memory comes from `malloc`, which the sanitizer's replaces: leaks, frees and overruns of
/// blocks are seen, in the library as well.
fn address_library(root: &Root) -> Result<String, Failure> {
    instrumented(root, "address")
}

/// The library, compiled for a sanitizer, without the runtime: the compiler of C brings its own.
fn instrumented(root: &Root, sanitizer: &str) -> Result<String, Failure> {
    let target = host(&root.program("rustc", &["-vV"]).capture()?)?;
    let folder = format!("target/abi-{sanitizer}");
    // GCC's runtime has no `__tsan_memcpy` and its like: it sees the plain ones, too.
    let plain =
        if sanitizer == "thread" { " -Cllvm-args=-tsan-instrument-memintrinsics=0" } else { "" };
    let flags = format!(
        "-Zsanitizer={sanitizer} -Zexternal-clangrt -Cunsafe-allow-abi-mismatch=sanitizer \
         -Cforce-frame-pointers=yes{plain}"
    );
    let mut build = vec!["rustc", "-p", "rego-ffi", "--lib", "--crate-type", "staticlib"];
    build.extend(["--target", &target, "--target-dir", &folder]);
    if sanitizer == "thread" {
        // std as well: in one that is not instrumented no edge of a lock is seen.
        have_source_of_std(root)?;
        build.push("-Zbuild-std");
    }
    root.cargo(&build).env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", &flags).go()?;
    Ok(format!("{folder}/{target}/debug/librego.a"))
}

fn build(
    root: &Root,
    source: &str,
    name: &str,
    flags: &[&str],
    library: &str,
) -> Result<String, Failure> {
    let made = fs::create_dir_all(root.join("target/abi"));
    made.map_err(|error| Failure::Failed(format!("target/abi: {error}")))?;
    let program = format!("target/abi/memory-{name}");
    let plain = ["-std=c11", "-g", "-O1", "-pthread", "-Iinclude", "-o", &program, source, library];
    root.program("cc", &[flags, &plain, LIBRARIES].concat()).go()?;
    Ok(format!("./{program}"))
}
