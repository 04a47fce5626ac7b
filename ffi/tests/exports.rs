//! The shared library exports what the header declares, and is linked as it must be.
#![cfg(target_os = "linux")]

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Command,
};

const HEADER: &str = include_str!("../../include/rego.h");

/// The library of this source, built as `cargo build` builds it.
fn library() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("it is below the target");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let build = ["build", "-q", "-p", "rego-ffi", "--target-dir"];
    let built = Command::new(cargo).args(build).arg(target).status().expect("cargo runs");
    assert!(built.success());
    target.join("debug/librego.so")
}

fn output(program: &str, arguments: &[&str]) -> String {
    let library = library();
    let output = Command::new(program).args(arguments).arg(&library).output();
    let output = output.unwrap_or_else(|error| panic!("`{program}` cannot be run: {error}"));
    assert!(output.status.success(), "{program} {arguments:?} {}", library.display());
    String::from_utf8(output.stdout).expect("names are ASCII")
}

/// The functions that the header declares.
fn declared() -> BTreeSet<&'static str> {
    let mut declared = BTreeSet::new();
    for after in HEADER.split("\nREGO_API").skip(1) {
        let before = after.split('(').next().unwrap_or_default();
        // `REGO_NODISCARD` stands on a line of its own, or there is none.
        let name = before.rsplit([' ', '*', '\n']).next().unwrap_or_default();
        declared.insert(name);
    }
    declared
}

#[test]
fn what_is_exported_is_what_is_declared() {
    let symbols = output("nm", &["-D", "--defined-only"]);
    let exported: BTreeSet<&str> =
        symbols.lines().filter_map(|line| line.split_whitespace().nth(2)).collect();
    assert!(exported.contains("rego_call_begin"), "{symbols}");
    assert_eq!(exported, declared());
}

#[test]
fn the_evil_host_calls_what_is_declared() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/c");
    let files =
        std::fs::read_dir(tests).expect("it is there").map(|file| file.expect("as is this"));
    let evil = files.filter(|file| file.file_name().to_string_lossy().starts_with("evil"));
    let text: String =
        evil.map(|file| std::fs::read_to_string(file.path()).expect("it is text")).collect();
    let left_out: Vec<_> =
        declared().into_iter().filter(|name| !text.contains(&format!("{name}("))).collect();
    // It does not fork.
    assert_eq!(left_out, ["rego_engine_after_fork_child"]);
}

#[test]
fn it_has_its_name_and_stays_in_memory() {
    let dynamic = output("readelf", &["-d"]);
    let soname = concat!(
        "[librego.so.",
        env!("CARGO_PKG_VERSION_MAJOR"),
        ".",
        env!("CARGO_PKG_VERSION_MINOR"),
        "]"
    );
    let line = |tag: &str| dynamic.lines().find(|line| line.contains(tag)).unwrap_or_default();
    assert!(line("(SONAME)").contains(soname), "{dynamic}");
    assert!(line("(FLAGS_1)").contains("NODELETE"), "{dynamic}");
}

#[test]
fn its_stack_is_not_executable() {
    let headers = output("readelf", &["-lW"]);
    let stack = headers.lines().find(|line| line.contains("GNU_STACK")).unwrap_or_default();
    assert!(stack.contains("RW ") && !stack.contains('E'), "{headers}");
}
