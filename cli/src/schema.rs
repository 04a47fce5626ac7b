//! `rego schema`: the JSON Schema of policy documents.

use rego::Document;

use crate::{report::print, run::Ended};

pub(crate) const AFTER: &str = "\
Examples:
  rego schema > policy.schema.json

JSON Schema, draft 2020-12, of JSON documents and of TOML ones. An editor that is pointed to it
completes fields and marks what is wrong: in VS Code with \"json.schemas\", in TOML with the first
line `#:schema ./policy.schema.json`. It says what a document looks like; rego check knows the rest:
ranges that depend on other fields, names that nobody defines, what a policy can cost.";

/// Prints it.
///
/// # Errors
///
/// One line: standard output is shut.
pub(crate) fn run() -> Result<Ended, String> {
    print(&Document::json_schema()).map_err(|error| format!("cannot write: {error}"))?;
    Ok(Ended::Well)
}
