//! `rego check`: what is wrong with a policy document, what is doubtful, and what it can cost.

mod report;
#[cfg(test)]
mod tests;
mod worst;

use std::{
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use clap::{Args, ValueEnum};
use rego::{Classifiers, Document, Format, PolicyError};

use crate::run::Ended;
use worst::Worst;

/// What to check, and against which names.
#[derive(Clone, Debug, Args)]
pub(crate) struct CheckArgs {
    /// Policy documents, in TOML or JSON by their names' endings; - for TOML from standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// How to say what was found
    #[arg(long, value_enum, default_value_t, value_name = "FORM")]
    format: Form,

    /// Fail where there are warnings, too
    #[arg(long)]
    strict: bool,

    /// A budget that the program defines, and documents may name; may be repeated
    #[arg(long = "budget", value_name = "NAME")]
    budgets: Vec<String>,

    /// A classifier that the program defines, and documents may name; may be repeated
    #[arg(long = "classifier", value_name = "NAME")]
    classifiers: Vec<String>,
}

/// How findings are told.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Form {
    /// For people: every finding with its line of the document, then the worst case of each policy.
    #[default]
    Text,
    /// For programs: one JSON object.
    Json,
}

pub(crate) const AFTER: &str = "\
Errors are what the engine would refuse to put in force, and what it would put in force otherwise
than it is written: values out of their range by more than a factor of 2, hedging of a key that is
not declared idempotent, names that nobody defines. Warnings are what is valid and hardly meant:
timeouts that undo each other, hedges that never come, budgets that limit nothing.

The worst case of a policy is reckoned from its numbers alone: how many attempts one call can make,
how long it can take, and how much load its budgets let through in the long run.

Exit codes: 0 good, 1 errors (with --strict: or warnings), 2 bad usage.";

/// One document and what was found in it.
struct Checked {
    name: String,
    text: String,
    errors: Vec<PolicyError>,
    /// Errors beyond those that are listed.
    more: usize,
    warnings: Vec<PolicyError>,
    /// By the key, the namespace's pattern, or `None` for all other keys.
    worst: Vec<(Option<String>, Worst)>,
}

/// Checks the documents and prints what was found.
///
/// # Errors
///
/// One line: a file that cannot be read.
pub(crate) fn run(args: &CheckArgs) -> Result<Ended, String> {
    let checked = args.files.iter().map(|file| check(file, args)).collect::<Result<Vec<_>, _>>()?;
    let text = match args.format {
        Form::Text => report::text(&checked),
        Form::Json => report::json(&checked) + "\n",
    };
    crate::report::print(&text).map_err(|error| format!("cannot write the report: {error}"))?;
    let is_good = |it: &Checked| it.errors.is_empty() && !(args.strict && !it.warnings.is_empty());
    Ok(if checked.iter().all(is_good) { Ended::Well } else { Ended::Broken })
}

fn check(file: &Path, args: &CheckArgs) -> Result<Checked, String> {
    let (name, format, text) = read(file)?;
    Ok(checked(name, format, text, args))
}

fn checked(name: String, format: Format, text: String, args: &CheckArgs) -> Checked {
    let mut checked =
        Checked { name, text, errors: vec![], more: 0, warnings: vec![], worst: vec![] };
    let found = Document::check(&checked.text, format, checked.name.as_str()).and_then(|found| {
        let built_in = Classifiers::default();
        let classifiers: Vec<&str> =
            built_in.names().chain(args.classifiers.iter().map(String::as_str)).collect();
        let budgets: Vec<&str> = args.budgets.iter().map(String::as_str).collect();
        found.validate_names(&budgets, &classifiers)?;
        Ok(found)
    });
    match found {
        Ok(document) => {
            checked.warnings = document.warnings().to_vec();
            let named = document.policies().map(|(key, policy)| (Some(key.to_owned()), policy));
            let all = named.chain([(None, document.defaults())]);
            checked.worst = all.map(|(key, policy)| (key, Worst::of(policy, &document))).collect();
        }
        Err(errors) => {
            checked.errors = errors.iter().cloned().collect();
            checked.more = errors.len() - checked.errors.len();
        }
    }
    checked
}

fn read(file: &Path) -> Result<(String, Format, String), String> {
    if file == Path::new("-") {
        let mut text = String::new();
        io::stdin()
            .read_to_string(&mut text)
            .map_err(|error| format!("cannot read standard input: {error}"))?;
        return Ok(("<stdin>".into(), Format::Toml, text));
    }
    let name = file.display().to_string();
    let format = Format::of(file)
        .ok_or_else(|| format!("{name}: a policy document's name ends in .toml or .json"))?;
    let text = fs::read_to_string(file).map_err(|error| format!("cannot read {name}: {error}"))?;
    Ok((name, format, text))
}
