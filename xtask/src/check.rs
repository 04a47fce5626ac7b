//! `check`: everything that can be said about the source without running it.

use crate::{
    generate, recipes,
    shell::{Failure, Root},
    tidy,
};

/// One step, and how to run it alone.
struct Step {
    name: &'static str,
    alone: &'static str,
    run: fn(&Root) -> Result<(), Failure>,
}

const STEPS: &[Step] = &[
    Step {
        name: "format",
        alone: "cargo fmt --all --check",
        run: |root| root.cargo(&["fmt", "--all", "--check"]).go(),
    },
    Step { name: "tidy", alone: "cargo xtask tidy", run: |root| tidy::run(root, &[]) },
    Step {
        name: "clippy",
        alone: "cargo clippy --workspace --all-targets -- -D warnings",
        run: |root| {
            let arguments = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
            root.cargo(&arguments).go()
        },
    },
    Step {
        name: "the benchmarks beside other libraries",
        alone: "cargo check --manifest-path benches/peers/Cargo.toml --target-dir target/peers",
        run: |root| {
            root.cargo(&[&["check", "--locked"], &recipes::PEERS_MANIFEST[..]].concat()).go()
        },
    },
    Step {
        name: "documentation",
        alone: "RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps",
        run: |root| {
            let doc = root.cargo(&["doc", "--workspace", "--no-deps"]);
            doc.env("RUSTDOCFLAGS", "-D warnings").go()
        },
    },
    Step {
        name: "generated files",
        alone: "cargo xtask gen --check",
        run: |root| generate::run(root, &["--check"]),
    },
];

/// Runs every step, also after one has failed, and names those that failed at the end.
pub(crate) fn run(root: &Root, arguments: &[&str]) -> Result<(), Failure> {
    if !arguments.is_empty() {
        return Err(Failure::Usage("check takes no arguments".to_owned()));
    }
    let mut failed = Vec::new();
    for step in STEPS {
        println!("== {}", step.name);
        if let Err(failure) = (step.run)(root) {
            if let Failure::Failed(message) | Failure::Usage(message) = failure {
                println!("{message}");
            }
            failed.push(step);
        }
    }
    if failed.is_empty() {
        println!("== all {} checks passed", STEPS.len());
        return Ok(());
    }
    for step in failed {
        println!("== {} failed; alone: {}", step.name, step.alone);
    }
    Err(Failure::Reported)
}
