//! The project's recipes: `cargo xtask check | test | tidy | gen | …`.
//!
//! What CI runs is here, so that anybody can run it. Every command works from any folder of the
//! repository, exits with 1 when what it checks is broken, and with 2 when it was called wrongly.

mod abi;
mod boundary;
mod check;
mod controls;
mod generate;
mod go;
mod install;
mod instructions;
mod models;
mod recipes;
mod sanitize;
mod shell;
mod test;
mod tidy;

use std::process::ExitCode;

use shell::{Failure, Root};

/// One `cargo xtask NAME`.
struct Task {
    name: &'static str,
    usage: &'static str,
    about: &'static str,
    /// A path without which there is nothing to run: the task is then left out of the help.
    needs: Option<&'static str>,
    run: fn(&Root, &[&str]) -> Result<(), Failure>,
}

/// Every command, in the order of the help.
const TASKS: &[Task] = &[
    Task {
        name: "check",
        usage: "",
        about: "format, lints, tidy, generated files, documentation",
        needs: None,
        run: check::run,
    },
    Task {
        name: "test",
        usage: "",
        about: "every test there is, in every language",
        needs: None,
        run: test::run,
    },
    Task {
        name: "setup",
        usage: "",
        about: "install the toolchains that `test` would miss",
        needs: None,
        run: test::setup,
    },
    Task {
        name: "tidy",
        usage: "",
        about: "the rules of the house that no compiler knows",
        needs: None,
        run: tidy::run,
    },
    Task {
        name: "gen",
        usage: "[--check]",
        about: "rewrite generated files, or fail where they have drifted",
        needs: None,
        run: generate::run,
    },
    Task {
        name: "stress",
        usage: "",
        about: "a million failing calls on real threads",
        needs: Some("core/tests/stress.rs"),
        run: recipes::stress,
    },
    Task {
        name: "agreement",
        usage: "",
        about: "`rego run` on real sockets beside `rego sim` of the same: about three minutes",
        needs: Some("cli/tests/agreement.rs"),
        run: recipes::agreement,
    },
    Task {
        name: "bench",
        usage: "NAME [--json]",
        about: "one benchmark; without a name, their list",
        needs: Some("benches/Cargo.toml"),
        run: recipes::bench,
    },
    Task {
        name: "goals",
        usage: "[--json]",
        about: "the performance goals as rows, met or not",
        needs: Some("benches/peers/Cargo.toml"),
        run: recipes::goals,
    },
    Task {
        name: "headline",
        usage: "[ID…] [--json]",
        about: "the headline studies: published, twin, rego, goal; --short, --write",
        needs: Some("sim/src/bin/headline.rs"),
        run: recipes::headline,
    },
    Task {
        name: "instructions",
        usage: "[--bless]",
        about: "what the hot paths take, counted and compared",
        needs: Some("core/examples/instructions.rs"),
        run: instructions::run,
    },
    Task {
        name: "loom",
        usage: "[--full [SECONDS]|--controls]",
        about: "the shared rooms under the model checker",
        needs: Some("loom-tests/Cargo.toml"),
        run: models::run,
    },
    Task {
        name: "abi",
        usage: "[CHECK…]",
        about: "what docs/abi.md promises, checked from outside",
        needs: Some("ffi/Cargo.toml"),
        run: abi::run,
    },
    Task {
        name: "install",
        usage: "--prefix DIR [--dev]",
        about: "the C library, its headers and what finds them",
        needs: Some("ffi/Cargo.toml"),
        run: install::run,
    },
    Task {
        name: "sanitize",
        usage: "[thread|address]",
        about: "the engine's tests under sanitizers, and what they must find",
        needs: Some("core/Cargo.toml"),
        run: sanitize::run,
    },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match dispatch(&Root::find(), &arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Reported) => ExitCode::FAILURE,
        Err(Failure::Failed(message)) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
        Err(Failure::Usage(message)) => {
            eprintln!("xtask: {message}");
            ExitCode::from(2)
        }
    }
}

fn dispatch(root: &Root, arguments: &[&str]) -> Result<(), Failure> {
    let Some((&name, rest)) = arguments.split_first() else {
        return Err(Failure::Usage(format!("which recipe?\n\n{}", help(root))));
    };
    if matches!(name, "help" | "--help" | "-h") {
        print!("{}", help(root));
        return Ok(());
    }
    let Some(task) = TASKS.iter().find(|task| task.name == name) else {
        return Err(Failure::Usage(format!("there is no recipe `{name}`\n\n{}", help(root))));
    };
    match task.needs {
        Some(path) if !root.has(path) => {
            Err(Failure::Failed(format!("`{name}` has nothing to run: there is no {path} yet")))
        }
        _ => (task.run)(root, rest),
    }
}

fn help(root: &Root) -> String {
    let mut help = String::from("cargo xtask RECIPE\n\n");
    for task in TASKS.iter().filter(|task| task.needs.is_none_or(|path| root.has(path))) {
        let call = format!("{} {}", task.name, task.usage);
        help += &format!("  {call:<26}{}\n", task.about);
    }
    help + &format!("  {:<26}this list\n", "help")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_recipe_is_a_usage_error_with_the_list() {
        for arguments in [&["nonsense"][..], &[]] {
            let Err(Failure::Usage(message)) = dispatch(&Root::find(), arguments) else {
                panic!("{arguments:?} was accepted");
            };
            assert!(message.contains("  check "), "{message}");
        }
    }

    #[test]
    fn a_recipe_without_its_package_says_so_and_is_not_in_the_help() {
        let nowhere = Root::at("no-such-folder");
        let Err(Failure::Failed(message)) = dispatch(&nowhere, &["loom"]) else {
            panic!("ran loom without its tests");
        };
        assert_eq!(message, "`loom` has nothing to run: there is no loom-tests/Cargo.toml yet");
        assert!(!help(&nowhere).contains("loom"));
        assert!(help(&nowhere).contains("tidy"));
    }
}
