//! The library as others get it: installed, moved, found, linked; and the examples.

use std::{
    fs,
    time::{SystemTime, UNIX_EPOCH},
};

use super::{links::scratch, noticed_as};
use crate::{
    go,
    install::{self, Profile, SOVERSION},
    shell::{Failure, Root, Run},
};

const MADE: &str = "target/abi/tree";
const MOVED: &str = "target/abi/installed";
const CONSUMER: &str = "bindings/cpp/consumer";
const PROGRAM: &str = "target/abi/consumer";
/// One that looks at the version, and one that makes a call.
const GO_TESTS: &str = "^(TestTheLibraryHasTheVersionOfTheHeader|Example)$";
/// Each that is there finds the static library beside the shared one.
const LINKERS: &[&str] = &["bfd", "gold", "lld", "mold"];
/// No version of ours.
const OTHER: &str = "0.999";

/// What the linker is told, what pkg-config is asked for, and where the program finds a shared library:
/// with the shared one; with it, and what it needs itself; with the static one; with nothing but static ones.
const WAYS: &[(&str, &str, &str)] = &[
    ("", "rego", "target/abi/installed/lib"),
    ("", "--static rego", "target/abi/installed/lib"),
    ("", "rego-static", ""),
    ("-static", "--static rego", ""),
    ("-static", "rego-static", ""),
];

/// Somebody else's program, against an installed tree that was moved since.
pub(super) fn consumers(root: &Root) -> Result<(), Failure> {
    install_moved(root)?;
    exports(root)?;
    for language in [("cc", "main.c"), ("c++ -std=c++17", "main.cpp")] {
        for (link, package, shared) in WAYS {
            build(root, language, link, package).go()?;
            program(root, shared).go()?;
        }
    }
    for linker in LINKERS.iter().filter(|linker| super::is_there(root, &format!("ld.{linker}"))) {
        build(root, ("cc", "main.c"), &format!("-fuse-ld={linker}"), "rego-static").go()?;
        program(root, "").go()?;
    }
    build(root, ("cc", "main.c"), "", "rego").go()?;
    let why = "error while loading shared libraries: librego.so";
    noticed_as("a shared library that is not found", program(root, ""), why)?;
    let nothing = build(root, ("cc", "main.c"), "", "rego-none");
    noticed_as("a package that does not exist", nothing, "Package rego-none was not found")?;
    cmake(root, CONSUMER, "target/abi/cmake")?.go()?;
    root.program("cmake", &["--build", "target/abi/cmake"]).go()?;
    let test = ["--output-on-failure", "--test-dir", "target/abi/cmake"];
    root.program("ctest", &test).go()?;
    let other = cmake(root, with_version(root, OTHER)?, "target/abi/cmake-none")?;
    let why = format!("requested version \"{OTHER}\"");
    noticed_as("another minor version", other, &why)?;
    in_go(root)
}

fn install_moved(root: &Root) -> Result<(), Failure> {
    for folder in [MADE, MOVED, "target/abi/cmake", "target/abi/cmake-none"] {
        let _none_before = fs::remove_dir_all(root.join(folder));
    }
    install::into(root, &root.join(MADE), Profile::RELEASE)?;
    fs::rename(root.join(MADE), root.join(MOVED))
        .map_err(|error| Failure::Failed(format!("cannot move {MADE}: {error}")))
}

/// The library that was installed, by the checks that the tests make of the one they link.
fn exports(root: &Root) -> Result<(), Failure> {
    // Of the whole workspace, as in `cargo xtask test`, which has built it then.
    let test = ["test", "-q", "--workspace", "--test", "exports"];
    let library = root.absolute(&format!("{MOVED}/lib/librego.so"))?;
    root.cargo(&test).env("REGO_LIBRARY", &library).go()?;
    let source = scratch(root, "other.c", "void rego_other(void) {}\n")?;
    let other = "target/abi/other.so";
    root.program("cc", &["-shared", "-fPIC", "-o", other, &source]).go()?;
    let wrong = root.cargo(&test).env("REGO_LIBRARY", &root.absolute(other)?);
    noticed_as("a library that exports something else", wrong, "rego_other is not declared")
}

/// By pkg-config.
fn build(root: &Root, (compiler, source): (&str, &str), link: &str, package: &str) -> Run {
    let flags = format!("$(pkg-config --cflags --libs {package})");
    let line = format!(
        "set -e; f={flags:?}; {compiler} {link} -Wall -Werror -o {PROGRAM} {CONSUMER}/{source} $f"
    );
    let path = root.join(MOVED).join("lib/pkgconfig");
    root.program("sh", &["-c", &line]).env("PKG_CONFIG_PATH", &path.to_string_lossy())
}

/// What was built, with a place to look for shared libraries.
fn program(root: &Root, shared: &str) -> Run {
    root.program(&format!("./{PROGRAM}"), &[]).env("LD_LIBRARY_PATH", shared)
}

fn cmake(root: &Root, project: &str, out: &str) -> Result<Run, Failure> {
    let prefix = format!("-DCMAKE_PREFIX_PATH={}", root.absolute(MOVED)?);
    Ok(root.program("cmake", &["-S", project, "-B", out, &prefix]))
}

/// The same project, asking for another version.
fn with_version(root: &Root, version: &str) -> Result<&'static str, Failure> {
    let folder = "target/abi/consumer-none";
    let write = || {
        fs::create_dir_all(root.join(folder))?;
        for source in ["main.c", "main.cpp"] {
            fs::copy(root.join(CONSUMER).join(source), root.join(folder).join(source))?;
        }
        let text = fs::read_to_string(root.join(CONSUMER).join("CMakeLists.txt"))?;
        let ours = format!("find_package(rego {SOVERSION} ");
        let text = text.replace(&ours, &format!("find_package(rego {version} "));
        fs::write(root.join(folder).join("CMakeLists.txt"), text)
    };
    write().map_err(|error| Failure::Failed(format!("cannot copy {CONSUMER}: {error}")))?;
    Ok(folder)
}

/// The Go module with `-tags rego_system`, where Go is there.
fn in_go(root: &Root) -> Result<(), Failure> {
    if let Some(why) = go::missing(root) {
        let why = format!("the Go module with the installed library: {why}");
        if std::env::var("CI").is_ok_and(|ci| ci == "true") {
            return Err(Failure::Failed(why));
        }
        println!("SKIPPED: {why}");
        return Ok(());
    }
    let (lib, packages) = (
        root.absolute(&format!("{MOVED}/lib"))?,
        root.absolute(&format!("{MOVED}/lib/pkgconfig"))?,
    );
    // Go asks pkg-config only where it compiles anew, which it does not see that it should: a flag
    // that it has not seen makes it.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let test = |packages: &str, lib: &str, turn: u8| {
        let test = ["test", "-count=1", "-v", "-tags", "rego_system", "-run", GO_TESTS, "."];
        let run = root.program("go", &test).folder(&root.join("bindings/go"));
        let run = run.env("CGO_CFLAGS", &format!("-O2 -g -DREGO_TURN={now}{turn}"));
        run.env("LD_LIBRARY_PATH", lib).env("PKG_CONFIG_PATH", packages)
    };
    let mut passed = 0;
    test(&packages, &lib, 0)
        .watched(|line| passed += usize::from(line.starts_with("--- PASS: ")))?;
    if passed != 2 {
        return Err(Failure::Failed(format!("{passed} of 2 tests in Go were run: {GO_TESTS}")));
    }
    // Were the archive of the tree linked, neither would be missed.
    let why = "error while loading shared libraries: librego.so";
    noticed_as("a shared library that Go's program does not find", test(&packages, "", 0), why)?;
    noticed_as("a package that Go does not find", test("", &lib, 1), "Package rego was not found")
}

/// Every example, against the tree as it is built.
pub(super) fn examples(root: &Root) -> Result<(), Failure> {
    crate::test::build_library(root)?;
    let strict = ["-O1", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-Iinclude", "-pthread"];
    let library = ["target/debug/librego.a", "-ldl", "-lm"];
    let made = root.join("target/abi");
    fs::create_dir_all(made).map_err(|error| Failure::Failed(format!("target/abi: {error}")))?;
    for (source, compiler, more) in [
        ("blocking.c", &["cc", "-std=c11"][..], &[][..]),
        ("epoll.c", &["cc", "-std=c11"], &[]),
        ("curl_multi.c", &["cc", "-std=c11"], &["-lcurl"]),
        ("thread_pool.cpp", &["c++", "-std=c++17"], &[]),
    ] {
        let (program, path) = (format!("target/abi/{source}.out"), format!("examples/{source}"));
        let own = ["-o", &program, &path];
        let all = [&compiler[1..], &strict, &own, &library, more].concat();
        root.program(compiler[0], &all).go()?;
        root.program(&format!("./{program}"), &[]).go()?;
    }
    Ok(())
}
