//! `gen`: files that a program writes, kept in step with that program.

use std::fs;

use crate::shell::{Failure, Root};

/// A generated file and the cargo command that prints it.
struct Generated {
    path: &'static str,
    /// The generator's source: without it the file is skipped, loudly.
    source: &'static str,
    command: &'static [&'static str],
}

const FILES: &[Generated] = &[
    Generated {
        path: "docs/reference/metrics.md",
        source: "core/examples/gen_metrics.rs",
        command: &["run", "-q", "-p", "rego-engine", "--example", "gen_metrics"],
    },
    Generated {
        path: "docs/reference/reasons.md",
        source: "core/examples/gen_reasons.rs",
        command: &["run", "-q", "-p", "rego-engine", "--example", "gen_reasons"],
    },
];

/// Rewrites every generated file; with `--check` writes nothing and fails where one has drifted.
pub(crate) fn run(root: &Root, arguments: &[&str]) -> Result<(), Failure> {
    let check = match arguments {
        [] => false,
        ["--check"] => true,
        _ => return Err(Failure::Usage("gen takes `--check` or nothing".to_owned())),
    };
    let mut drifted = false;
    for file in FILES {
        if !root.has(file.source) {
            println!("SKIPPED {}: there is no {} yet", file.path, file.source);
            continue;
        }
        let fresh = root.cargo(file.command).capture()?;
        let path = root.join(file.path);
        let Some(line) = first_difference(fs::read_to_string(&path).ok().as_deref(), &fresh) else {
            println!("{} is up to date", file.path);
            continue;
        };
        if check {
            println!("{}:{line}: gen: has drifted; run `cargo xtask gen`", file.path);
            drifted = true;
            continue;
        }
        let written = path.parent().map_or(Ok(()), fs::create_dir_all);
        written
            .and_then(|()| fs::write(&path, fresh))
            .map_err(|error| Failure::Failed(format!("cannot write {}: {error}", file.path)))?;
        println!("{} rewritten", file.path);
    }
    if drifted { Err(Failure::Reported) } else { Ok(()) }
}

/// The first line that differs, from 1; `None` if the file on disk is what the generator prints.
fn first_difference(old: Option<&str>, fresh: &str) -> Option<usize> {
    let old = old.unwrap_or_default();
    if old == fresh {
        return None;
    }
    let same = old.split('\n').zip(fresh.split('\n')).take_while(|(old, fresh)| old == fresh);
    Some(same.count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_text_has_not_drifted() {
        assert_eq!(first_difference(Some("a\nb\n"), "a\nb\n"), None);
    }

    #[test]
    fn a_changed_line_a_missing_end_and_a_missing_file_have() {
        assert_eq!(first_difference(Some("a\nb\n"), "a\nc\n"), Some(2));
        assert_eq!(first_difference(Some("a\n"), "a\nb\n"), Some(2));
        assert_eq!(first_difference(Some("a"), "a\n"), Some(2));
        assert_eq!(first_difference(None, "a\n"), Some(1));
    }
}
