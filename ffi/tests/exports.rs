//! The shared library exports what the header declares, and is linked as it must be.
//!
//! `REGO_LIBRARY` names another than the one that `cargo build` makes: `cargo xtask abi packages`
//! has the installed one looked at.
#![cfg(target_os = "linux")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

const HEADER: &str = include_str!("../../include/rego.h");

const SONAME: &str =
    concat!("librego.so.", env!("CARGO_PKG_VERSION_MAJOR"), ".", env!("CARGO_PKG_VERSION_MINOR"));

/// The library of this source, built as `cargo build` builds it, or the one that is named.
fn library() -> PathBuf {
    if let Some(named) = std::env::var_os("REGO_LIBRARY") {
        return named.into();
    }
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("it is below the target");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let build = ["build", "-q", "-p", "rego-ffi", "--target-dir"];
    let built = Command::new(cargo).args(build).arg(target).status().expect("cargo runs");
    assert!(built.success());
    target.join("debug/librego.so")
}

fn output(program: &str, arguments: &[&str], library: &Path) -> String {
    let output = Command::new(program).args(arguments).arg(library).output();
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

/// What is wrong with a library that has to export these, and no more.
fn faults(library: &Path, declared: &BTreeSet<&str>) -> Vec<String> {
    let symbols = output("nm", &["-D", "--defined-only"], library);
    let exported: BTreeSet<&str> =
        symbols.lines().filter_map(|line| line.split_whitespace().nth(2)).collect();
    let more = exported.difference(declared).map(|name| format!("{name} is not declared"));
    let fewer = declared.difference(&exported).map(|name| format!("{name} is not exported"));
    let mut faults: Vec<String> = more.chain(fewer).collect();
    let dynamic = output("readelf", &["-dW"], library);
    let line = |tag: &str| dynamic.lines().find(|line| line.contains(tag)).unwrap_or_default();
    let headers = output("readelf", &["-lW"], library);
    let stack = headers.lines().find(|line| line.contains("GNU_STACK")).unwrap_or_default();
    for (right, fault) in [
        (line("(SONAME)").contains(&format!("[{SONAME}]")), "its name is another"),
        (line("(FLAGS_1)").contains("NODELETE"), "it does not stay in memory"),
        (stack.contains("RW ") && !stack.contains('E'), "its stack is executable"),
    ] {
        if !right {
            faults.push(fault.to_owned());
        }
    }
    faults
}

#[test]
fn the_evil_host_calls_what_is_declared() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/c");
    let files = fs::read_dir(tests).expect("it is there").map(|file| file.expect("as is this"));
    let evil = files.filter(|file| file.file_name().to_string_lossy().starts_with("evil"));
    let text: String =
        evil.map(|file| fs::read_to_string(file.path()).expect("it is text")).collect();
    let left_out: Vec<_> =
        declared().into_iter().filter(|name| !text.contains(&format!("{name}("))).collect();
    // It does not fork.
    assert_eq!(left_out, ["rego_engine_after_fork_child"]);
}

#[test]
fn it_exports_what_is_declared_has_its_name_stays_and_runs_no_stack() {
    let declared = declared();
    assert!(declared.contains("rego_call_begin"), "{declared:?}");
    assert_eq!(faults(&library(), &declared), [""; 0]);
}

/// The controls: small libraries, one that is right and one for every way to be wrong.
#[test]
fn every_fault_is_noticed() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("exports");
    fs::create_dir_all(&folder).expect("it is below the target");
    let (named, stays, plain) =
        (format!("-Wl,-soname,{SONAME}"), "-Wl,-z,nodelete", "-Wl,-z,noexecstack");
    let faults_of = |name: &str, source: &str, flags: &[&str]| {
        let (file, library) = (folder.join(format!("{name}.c")), folder.join(format!("{name}.so")));
        fs::write(&file, source).expect("it is below the target");
        let mut cc = Command::new("cc");
        cc.args(["-shared", "-fPIC", "-nostdlib"]).args(flags).arg("-o").arg(&library).arg(&file);
        assert!(cc.status().is_ok_and(|status| status.success()), "{cc:?}");
        faults(&library, &BTreeSet::from(["rego_one", "rego_two"]))
    };
    let two = "void rego_one(void) {}\nvoid rego_two(void) {}\n";
    let right = [&named, stays, plain];
    assert_eq!(faults_of("right", two, &right), [""; 0]);
    let more = format!("{two}void rust_three(void) {{}}\n");
    assert_eq!(faults_of("more", &more, &right), ["rust_three is not declared"]);
    let fewer = "void rego_one(void) {}\nstatic void rego_two(void) {}\n";
    assert_eq!(faults_of("fewer", fewer, &right), ["rego_two is not exported"]);
    for other in ["-Wl,-soname,librego.so", "-DNONE"] {
        let flags = [other, stays, plain];
        assert_eq!(faults_of("named", two, &flags), ["its name is another"], "{other}");
    }
    let flags = [&named, "-Wl,-z,now", plain];
    assert_eq!(faults_of("goes", two, &flags), ["it does not stay in memory"]);
    let flags = [&named, stays, "-Wl,-z,execstack"];
    assert_eq!(faults_of("stack", two, &flags), ["its stack is executable"]);
}
