//! `abi`: what `docs/abi.md` promises, checked from outside, each check with its negative control:
//! the same check on something that is wrong on purpose, which it has to notice.

mod links;
mod memory;
mod packages;

use crate::shell::{Failure, Root, Run};

/// One check of the promise.
struct Check {
    name: &'static str,
    about: &'static str,
    /// Short enough for every run of the tests.
    quick: bool,
    /// A program that it needs, and the package of a Debian-like system that brings it.
    needs: &'static [(&'static str, &'static str)],
    run: fn(&Root) -> Result<(), Failure>,
}

const CC: (&str, &str) = ("cc", "gcc");
const CXX: (&str, &str) = ("c++", "g++");
const VALGRIND: (&str, &str) = ("valgrind", "valgrind");

const CHECKS: &[Check] = &[
    Check {
        name: "links",
        about: "every function that is declared links, static and shared, and no other",
        quick: true,
        needs: &[CC],
        run: links::every_symbol,
    },
    Check {
        name: "baseline",
        about: "nothing that was there has changed, by libabigail",
        quick: true,
        needs: &[CC, ("abidiff", "abigail-tools")],
        run: links::baseline,
    },
    Check {
        name: "unload",
        about: "dlopen, a thread, dlclose, the thread's end",
        quick: true,
        needs: &[CC],
        run: links::unload,
    },
    Check {
        name: "packages",
        about: "the installed tree, moved, with pkg-config and CMake, C and C++",
        quick: true,
        needs: &[CC, CXX, ("cmake", "cmake"), ("pkg-config", "pkg-config")],
        run: packages::consumers,
    },
    Check {
        name: "examples",
        about: "every example builds and does what it says",
        quick: true,
        needs: &[CC, CXX, ("curl-config", "libcurl4-openssl-dev")],
        run: packages::examples,
    },
    Check {
        name: "evil",
        about: "ten million random operations under AddressSanitizer and UBSan",
        quick: false,
        needs: &[CC],
        run: memory::evil,
    },
    Check {
        name: "address",
        about: "the C tests under AddressSanitizer, LeakSanitizer and UBSan",
        quick: false,
        needs: &[CC],
        run: memory::address,
    },
    Check {
        name: "thread",
        about: "the C tests under ThreadSanitizer, the library instrumented too",
        quick: false,
        needs: &[CC],
        run: memory::thread,
    },
    Check {
        name: "memcheck",
        about: "the C tests under valgrind's memcheck",
        quick: false,
        needs: &[CC, VALGRIND],
        run: memory::memcheck,
    },
    Check {
        name: "helgrind",
        about: "the C tests' own threads under valgrind's helgrind",
        quick: false,
        needs: &[CC, VALGRIND],
        run: memory::helgrind,
    },
];

/// Runs the checks that are named, or all.
pub(crate) fn run(root: &Root, arguments: &[&str]) -> Result<(), Failure> {
    let known: Vec<&str> = CHECKS.iter().map(|check| check.name).collect();
    if let Some(unknown) = arguments.iter().find(|name| !known.contains(name)) {
        let list: String =
            CHECKS.iter().map(|check| format!("\n  {:<10}{}", check.name, check.about)).collect();
        return Err(Failure::Usage(format!("there is no check `{unknown}`{list}")));
    }
    let wanted = |check: &&Check| arguments.is_empty() || arguments.contains(&check.name);
    let outcome = run_all(root, CHECKS.iter().filter(wanted));
    println!("{} passed, {} failed, {} skipped", outcome[0], outcome[1], outcome[2]);
    if outcome[1] == 0 { Ok(()) } else { Err(Failure::Reported) }
}

/// Runs the short ones: how many passed, failed and were skipped.
pub(crate) fn quick(root: &Root) -> [u64; 3] {
    run_all(root, CHECKS.iter().filter(|check| check.quick))
}

/// The packages of a Debian-like system that a short check would miss.
pub(crate) fn missing(root: &Root) -> Vec<&'static str> {
    let quick = CHECKS.iter().filter(|check| check.quick);
    let needs = quick.flat_map(|check| check.needs);
    let mut packages: Vec<_> = needs
        .filter(|(program, _)| !is_there(root, program))
        .map(|(_, package)| *package)
        .collect();
    packages.sort_unstable();
    packages.dedup();
    packages
}

fn run_all<'a>(root: &Root, checks: impl Iterator<Item = &'a Check>) -> [u64; 3] {
    let mut outcome = [0; 3];
    for check in checks {
        println!("== {}: {}", check.name, check.about);
        let missing = check.needs.iter().find(|(program, _)| !is_there(root, program));
        if let Some((program, package)) = missing {
            println!(
                "SKIPPED: `{program}` does not work here; as root: apt-get install -y {package}"
            );
            let strict = std::env::var("CI").is_ok_and(|ci| ci == "true");
            outcome[if strict { 1 } else { 2 }] += 1;
            continue;
        }
        match (check.run)(root) {
            Ok(()) => outcome[0] += 1,
            Err(failure) => {
                if let Failure::Failed(message) | Failure::Usage(message) = failure {
                    println!("FAILED {}: {message}", check.name);
                }
                outcome[1] += 1;
            }
        }
    }
    outcome
}

fn is_there(root: &Root, program: &str) -> bool {
    root.program(program, &["--version"]).works()
}

/// That a check notices what is wrong on purpose.
pub(crate) fn noticed(what: &str, control: Result<(), Failure>) -> Result<(), Failure> {
    match control {
        Err(_) => {
            println!("noticed, as it must be: {what}");
            Ok(())
        }
        Ok(()) => Err(Failure::Failed(format!("the control went unnoticed: {what}"))),
    }
}

/// The same, and that what it says tells why.
fn noticed_as(what: &str, control: Run, why: &str) -> Result<(), Failure> {
    println!("$ {control}");
    let (succeeded, said) = control.tried()?;
    if !succeeded && !said.contains(why) {
        let other = format!("the control failed for another reason than `{why}`: {what}\n{said}");
        return Err(Failure::Failed(other));
    }
    noticed(what, if succeeded { Ok(()) } else { Err(Failure::Reported) })
}
