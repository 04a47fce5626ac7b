//! `tidy`: the rules of the house that no compiler knows.
//!
//! Each rule looks at the repository as a map from path to text and answers with findings, so that
//! its tests are a few lines of source each.

mod imports;
mod leftovers;
mod lengths;
mod modules;
mod orderings;
mod rooms;
mod source;

use std::{collections::BTreeMap, fmt, fs};

use crate::shell::{Failure, Root};
use source::Source;

/// A place where a rule is broken.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    path: String,
    line: usize,
    rule: &'static str,
    message: String,
}

impl Finding {
    fn new(path: &str, line: usize, rule: &'static str, message: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, rule, message: message.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}: {}", self.path, self.line, self.rule, self.message)
    }
}

/// The repository's files of text, by their path from the root.
type Files = BTreeMap<String, String>;

/// Checks every rule and prints `path:line: rule: message` for each place that breaks one.
pub(crate) fn run(root: &Root, arguments: &[&str]) -> Result<(), Failure> {
    if !arguments.is_empty() {
        return Err(Failure::Usage("tidy takes no arguments".to_owned()));
    }
    let files = read(root)?;
    let findings = check(&files);
    for finding in &findings {
        println!("{finding}");
    }
    match findings.len() {
        0 => {
            println!("tidy: {} files in order", files.len());
            Ok(())
        }
        count => Err(Failure::Failed(format!("tidy: {count} findings"))),
    }
}

/// The files git knows, and those it would add.
fn read(root: &Root) -> Result<Files, Failure> {
    let list = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let paths = root.program("git", &list).capture()?;
    let paths = paths.split_terminator('\0');
    // What cannot be read as text (a picture, a file deleted but still tracked) has no rules.
    let text = |path: &str| Some((path.to_owned(), fs::read_to_string(root.join(path)).ok()?));
    Ok(paths.filter_map(text).collect())
}

fn check(files: &Files) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut sources = BTreeMap::new();
    for (path, text) in files {
        leftovers::check_text(path, text, &mut findings);
        if !path.ends_with(".rs") {
            continue;
        }
        match Source::parse(path, text) {
            Ok(source) => {
                leftovers::check_ignored(&source, &mut findings);
                lengths::check(&source, &mut findings);
                sources.insert(path.as_str(), source);
            }
            Err(finding) => findings.push(finding),
        }
    }
    let modules = modules::walk("core/src", &sources, &mut findings);
    rooms::check(&modules, &mut findings);
    orderings::check(&modules, &mut findings);
    rooms::check_models(files, &mut findings);
    findings.sort();
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_come_in_order_and_name_path_line_and_rule() {
        let files = Files::from([
            ("core/src/lib.rs".to_owned(), "mod budget;\nmod key;\n".to_owned()),
            ("core/src/budget.rs".to_owned(), "use crate::engine::Engine;\n".to_owned()),
            ("core/src/key.rs".to_owned(), "fn broken( {\n".to_owned()),
        ]);
        let lines: Vec<String> = check(&files).iter().map(Finding::to_string).collect();
        let expected = "core/src/budget.rs:1: rooms: budget (floor 3) may not import engine \
                        (floor 6)";
        assert_eq!(lines[0], expected);
        assert!(lines[1].starts_with("core/src/key.rs:1: syntax: "), "{lines:?}");
        assert_eq!(lines.len(), 2);
    }
}
