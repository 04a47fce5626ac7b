//! `test`: every test there is, language by language, and one closing line.

mod mixed;
mod newer;
mod tally;

use std::fs;

use crate::{
    abi, go, instructions,
    shell::{Failure, Root, Run},
};
use tally::Tally;

/// How the tests of one language are run.
struct Language {
    name: &'static str,
    /// Where its tests are: without it the language is not ours yet, and nothing is said.
    tests: &'static str,
    /// A command that works where the toolchain is.
    probe: &'static [&'static str],
    /// The packages of a Debian-like system that bring the toolchain.
    packages: &'static [&'static str],
    /// What else is missing, if anything, and what would help.
    missing: fn(&Root) -> Option<String>,
    run: fn(&Root, &mut Tally) -> Result<(), Failure>,
}

const LANGUAGES: &[Language] = &[
    Language {
        name: "Rust",
        tests: "Cargo.toml",
        probe: &["cargo", "--version"],
        packages: &["rustup"],
        missing: |_| None,
        run: rust,
    },
    Language {
        name: "Instruction counts",
        tests: "core/examples/instructions.txt",
        probe: &["valgrind", "--version"],
        packages: &["valgrind"],
        missing: |_| None,
        run: instruction_counts,
    },
    Language {
        name: "C",
        tests: "ffi/tests/c",
        probe: &["cc", "--version"],
        packages: &["gcc", "libc6-dev"],
        missing: |_| None,
        run: c,
    },
    Language {
        name: "C++",
        tests: "bindings/cpp/tests",
        probe: &["c++", "--version"],
        packages: &["g++"],
        missing: |_| None,
        run: cpp,
    },
    Language {
        name: "Go",
        tests: go::MODULE,
        probe: &["cc", "--version"],
        packages: &["gcc", "libc6-dev"],
        missing: go::missing,
        run: go,
    },
];

impl Language {
    fn works(&self, root: &Root) -> bool {
        root.program(self.probe[0], &self.probe[1..]).works()
    }

    /// Why it cannot be tested here, if so, and what would help.
    fn missing(&self, root: &Root) -> Option<String> {
        if self.works(root) {
            return (self.missing)(root);
        }
        let (probe, packages) = (self.probe.join(" "), self.packages.join(" "));
        Some(format!("`{probe}` does not work here; as root: apt-get install -y {packages}"))
    }
}

/// Runs every test, of every language whose toolchain is there. A toolchain that is missing is a
/// skip, or a failure where `CI=true`.
pub(crate) fn run(root: &Root, arguments: &[&str]) -> Result<(), Failure> {
    if !arguments.is_empty() {
        let why = "test takes no arguments; for some of the tests: cargo test -p rego-engine NAME";
        return Err(Failure::Usage(why.to_owned()));
    }
    let strict = std::env::var("CI").is_ok_and(|ci| ci == "true");
    let total = run_all(root, LANGUAGES, strict);
    println!("{total}");
    if total.failed == 0 { Ok(()) } else { Err(Failure::Reported) }
}

fn run_all(root: &Root, languages: &[Language], strict: bool) -> Tally {
    let mut total = Tally::default();
    for language in languages.iter().filter(|language| root.has(language.tests)) {
        println!("== {}", language.name);
        if let Some(why) = language.missing(root) {
            println!("SKIPPED {}: {why}", language.name);
            if strict {
                println!("CI=true makes that a failure");
                total.failed += 1;
            } else {
                total.skipped += 1;
            }
            continue;
        }
        let mut tally = Tally::default();
        let result = (language.run)(root, &mut tally);
        if let Err(Failure::Failed(message) | Failure::Usage(message)) = &result {
            println!("{message}");
        }
        // A runner that fails without naming a test (it did not compile, it crashed) is one.
        if result.is_err() && tally.failed == 0 {
            tally.failed = 1;
        }
        total += tally;
    }
    total
}

/// Installs the toolchains that [`run`] would miss, on a Debian-like system.
pub(crate) fn setup(root: &Root, arguments: &[&str]) -> Result<(), Failure> {
    if !arguments.is_empty() {
        return Err(Failure::Usage("setup takes no arguments".to_owned()));
    }
    let ours = LANGUAGES.iter().filter(|language| root.has(language.tests));
    let missing = ours.filter(|language| !language.works(root));
    let mut packages: Vec<_> = missing.flat_map(|language| language.packages).copied().collect();
    if root.has("ffi/Cargo.toml") {
        packages.extend(abi::missing(root));
    }
    let go = root.has(go::MODULE) && go::missing(root).is_some();
    if packages.is_empty() && !go {
        println!("every toolchain that the tests need is here");
        return Ok(());
    }
    let is_root = root.program("id", &["-u"]).capture()?.trim() == "0";
    let admin = |command: &[&str]| match is_root {
        true => root.program(command[0], &command[1..]).go(),
        false => root.program("sudo", command).go(),
    };
    admin(&["apt-get", "update"])?;
    if !packages.is_empty() {
        let install = ["apt-get", "install", "-y", "--no-install-recommends"];
        admin(&[&install, &packages[..]].concat())?;
    }
    if go { go::install(root, &admin) } else { Ok(()) }
}

fn rust(root: &Root, tally: &mut Tally) -> Result<(), Failure> {
    let test = root.cargo(&["test", "--workspace", "--no-fail-fast"]);
    test.watched(|line| *tally += Tally::of_cargo(line))?;
    // Counting costs time, so it is a build of its own; of the whole workspace, because a package
    // alone wants other features of what it depends on, and all of that would be built anew.
    let counted = ["--features", "rego-engine/counted", "--test", "shared_writes"];
    let test = root.cargo(&[&["test", "--workspace"], &counted[..]].concat());
    test.watched(|line| *tally += Tally::of_cargo(line))
}

/// One test: no hot path takes more instructions than was agreed to.
fn instruction_counts(root: &Root, tally: &mut Tally) -> Result<(), Failure> {
    instructions::run(root, &[])?;
    tally.passed += 1;
    Ok(())
}

fn go(root: &Root, tally: &mut Tally) -> Result<(), Failure> {
    // The archive that the module links: see bindings/go/link.go.
    root.cargo(&["build", "--release", "-p", "rego-ffi", "--target-dir", "target"]).go()?;
    let go = |module: &str, arguments: &[&str]| -> Run {
        root.program("go", arguments).folder(&root.join(module))
    };
    const MODULE: &str = "bindings/go";
    const EXAMPLE: &str = "examples/go-http-hedging";
    for module in [MODULE, "bindings/go/bench", EXAMPLE] {
        go(module, &["vet", "./..."]).go()?;
    }
    // Go does not see that the archive has changed: no result of an earlier run holds.
    let test = ["test", "-count=1", "-v", "./..."];
    let runs = [
        go(MODULE, &test),
        go(MODULE, &[&test[..], &["-race"]].concat()),
        // Whether no pointer of Go's is left behind in C, checked at every write.
        go(MODULE, &test).env("GOEXPERIMENT", "cgocheck2"),
        go(EXAMPLE, &test),
    ];
    for run in runs {
        run.watched(|line| *tally += Tally::of_go(line))?;
    }
    Ok(())
}

fn c(root: &Root, tally: &mut Tally) -> Result<(), Failure> {
    let compiler = ["cc", "-std=c11", "-Wpedantic", "-Wconversion", "-pthread"];
    let ran = programs(root, "ffi/tests/c", "c", &compiler, tally);
    let [passed, failed, skipped] = abi::quick(root);
    *tally += Tally { passed, failed, skipped };
    if failed == 0 { ran } else { Err(Failure::Reported) }
}

fn cpp(root: &Root, tally: &mut Tally) -> Result<(), Failure> {
    let ran = CPP_DIALECTS.iter().map(|dialect| {
        let compiler = [&["c++"], *dialect, CPP_STRICT, &["-pthread"]].concat();
        programs(root, "bindings/cpp/tests", "cpp", &compiler, tally)
    });
    // All of them, and then what became of them.
    let ran: Vec<_> = ran.collect();
    let more = [mixed::dialects(root), newer::header(root)];
    for one in &more {
        *tally += Tally { passed: one.is_ok().into(), failed: one.is_err().into(), skipped: 0 };
    }
    ran.into_iter().chain(more).collect()
}

/// Both ends of what `rego.hpp` is for, and what is in between.
const CPP_DIALECTS: &[&[&str]] = &[
    &["-std=c++17"],
    // What is inline only then is warned of only then.
    &["-std=c++20", "-O3"],
    &["-std=c++23"],
    &["-std=c++17", "-fno-exceptions", "-fno-rtti"],
];

/// What those may want to know who include the header by `-I`.
const CPP_STRICT: &[&str] = &[
    "-Wpedantic",
    "-Wconversion",
    "-Wshadow",
    "-Wold-style-cast",
    "-Wzero-as-null-pointer-constant",
    "-Wuseless-cast",
    // Not every compiler has all of them.
    "-Wno-unknown-warning-option",
];

/// How a program is linked to the library.
const LINKS: &[(&str, &[&str])] = &[
    ("static", &["target/debug/librego.a", "-lpthread", "-ldl", "-lm"]),
    ("shared", &["-Ltarget/debug", "-lrego", "-Wl,-rpath,$ORIGIN"]),
];

/// Compiles every source file of a folder into programs, against the header and the library,
/// static and shared, and runs them. Each is one test: it passes by returning 0.
fn programs(
    root: &Root,
    folder: &str,
    extension: &str,
    compiler: &[&str],
    tally: &mut Tally,
) -> Result<(), Failure> {
    build_library(root)?;
    let unreadable = |error| Failure::Failed(format!("cannot read {folder}: {error}"));
    let mut names: Vec<String> = fs::read_dir(root.join(folder))
        .map_err(unreadable)?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter_map(|name| name.strip_suffix(&format!(".{extension}")).map(str::to_owned))
        .collect();
    names.sort();
    for (name, (link, library)) in
        names.iter().flat_map(|name| LINKS.iter().map(move |link| (name, link)))
    {
        let source = format!("{folder}/{name}.{extension}");
        let program = format!("target/debug/{extension}-test-{name}-{link}");
        let flags = ["-Wall", "-Wextra", "-Werror", "-Iinclude", "-o", &program, &source];
        let compile = root.program(compiler[0], &[&compiler[1..], &flags, library].concat());
        match compile.go().and_then(|()| root.program(&format!("./{program}"), &[]).go()) {
            Ok(()) => tally.passed += 1,
            Err(Failure::Failed(message) | Failure::Usage(message)) => {
                println!("{message}");
                tally.failed += 1;
            }
            Err(Failure::Reported) => tally.failed += 1,
        }
    }
    if tally.failed == 0 { Ok(()) } else { Err(Failure::Reported) }
}

/// The C library, for the languages that link it, with the name that programs look for it by.
pub(crate) fn build_library(root: &Root) -> Result<(), Failure> {
    if !root.has("ffi/Cargo.toml") {
        return Ok(());
    }
    root.cargo(&["build", "-p", "rego-ffi", "--target-dir", "target"]).go()?;
    let soname = concat!(
        "target/debug/librego.so.",
        env!("CARGO_PKG_VERSION_MAJOR"),
        ".",
        env!("CARGO_PKG_VERSION_MINOR")
    );
    root.program("ln", &["-sf", "librego.so", soname]).go()
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn language(
        probe: &'static [&'static str],
        run: fn(&Root, &mut Tally) -> Result<(), Failure>,
    ) -> Language {
        let (tests, packages) = ("Cargo.toml", &["package"]);
        Language { name: "test", tests, probe, packages, missing: |_| None, run }
    }

    fn three_pass(_: &Root, tally: &mut Tally) -> Result<(), Failure> {
        tally.passed = 3;
        Ok(())
    }

    #[test]
    fn a_missing_toolchain_is_a_skip_and_in_ci_a_failure() {
        let there = language(&["true"], three_pass);
        let missing = language(&["no-such-program"], |_, _| panic!("ran without its toolchain"));
        let old = language(&["true"], |_, _| panic!("ran with one that is too old"));
        let old = Language { missing: |_| Some("it is too old".to_owned()), ..old };
        let languages = [there, missing, old];
        let root = Root::find();
        let tally = run_all(&root, &languages, false);
        assert_eq!(tally, Tally { passed: 3, failed: 0, skipped: 2 });
        let tally = run_all(&root, &languages, true);
        assert_eq!(tally, Tally { passed: 3, failed: 2, skipped: 0 });
    }

    #[test]
    fn a_language_without_tests_is_not_mentioned() {
        let elsewhere = Language { tests: "no/such/folder", ..language(&["true"], three_pass) };
        assert_eq!(run_all(&Root::find(), &[elsewhere], true), Tally::default());
    }

    #[test]
    fn a_runner_that_fails_without_a_count_is_one_failure() {
        let broken = language(&["true"], |_, _| Err(Failure::Reported));
        let counted = language(&["true"], |_, tally| {
            tally.failed = 2;
            Err(Failure::Reported)
        });
        assert_eq!(run_all(&Root::find(), &[broken, counted], false).failed, 3);
    }
}
