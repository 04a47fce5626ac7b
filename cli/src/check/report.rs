//! What a check found, for people and for programs.

use std::{
    fmt::{self, Write},
    time::Duration,
};

use rego::PolicyError;
use serde::Serialize;

use super::{Checked, worst::Worst};

/// The longest piece of a line that is shown, in characters.
const SHOWN: usize = 100;

pub(super) fn text(checked: &[Checked]) -> String {
    let mut out = String::new();
    for (nth, document) in checked.iter().enumerate() {
        if nth > 0 {
            out.push('\n');
        }
        write(&mut out, document).expect("a string takes all that is written to it");
    }
    out
}

fn write(out: &mut String, document: &Checked) -> fmt::Result {
    for error in &document.errors {
        finding(out, "error", error, &document.text)?;
    }
    for warning in &document.warnings {
        finding(out, "warning", warning, &document.text)?;
    }
    let (errors, warnings) = (document.errors.len() + document.more, document.warnings.len());
    if document.more > 0 {
        writeln!(out, "… and {} more\n", document.more)?;
    }
    writeln!(
        out,
        "{}: {}, {}",
        document.name,
        counted(errors, "error"),
        counted(warnings, "warning")
    )?;
    if !document.worst.is_empty() {
        table(out, &document.worst)?;
    }
    Ok(())
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// A finding, and its place in the text.
fn finding(out: &mut String, level: &str, found: &PolicyError, text: &str) -> fmt::Result {
    writeln!(out, "{level}: {found}")?;
    let line =
        usize::try_from(found.line).ok().and_then(|line| text.lines().nth(line.checked_sub(1)?));
    let Some(line) = line.filter(|line| !line.trim().is_empty()) else { return writeln!(out) };
    let column = found.column.saturating_sub(1) as usize;
    // Of a long line, what stands around the place.
    let from = column.saturating_sub(SHOWN / 2);
    let shown: String = line.chars().skip(from).take(SHOWN).map(plain).collect();
    let number = found.line.to_string();
    let margin = " ".repeat(number.len());
    writeln!(out, "{margin} |\n{number} | {shown}\n{margin} | {}^\n", " ".repeat(column - from))
}

/// What a terminal would not show as one character is shown as a blank.
fn plain(character: char) -> char {
    if character.is_control() { ' ' } else { character }
}

fn table(out: &mut String, worst: &[(Option<String>, Worst)]) -> fmt::Result {
    let name = |key: &Option<String>| key.as_deref().unwrap_or("all other keys").to_owned();
    let width = worst.iter().map(|(key, _)| name(key).chars().count()).max().unwrap_or(0).max(22);
    writeln!(
        out,
        "\n{:width$}  attempts  wall time  load in the long run",
        "worst case of one call"
    )?;
    for (key, Worst { attempts, wall, load }) in worst {
        let wall = wall.map_or("unbounded".to_owned(), length);
        writeln!(out, "{:width$}  {attempts:8}  {wall:>9}  {load}", name(key))?;
    }
    Ok(())
}

fn length(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 1.0 { format!("{:.4} ms", seconds * 1e3) } else { format!("{seconds:.2} s") }
        .replace(".0000 ms", " ms")
}

#[derive(Serialize)]
struct Object<'a> {
    ok: bool,
    files: Vec<File<'a>>,
}

#[derive(Serialize)]
struct File<'a> {
    file: &'a str,
    findings: Vec<Finding<'a>>,
    /// Errors beyond those that are listed.
    more_errors: usize,
    policies: Vec<WorstCase<'a>>,
}

#[derive(Serialize)]
struct Finding<'a> {
    level: &'static str,
    kind: &'static str,
    line: u32,
    column: u32,
    field: &'a str,
    message: &'a str,
    suggestion: Option<&'a str>,
}

#[derive(Serialize)]
struct WorstCase<'a> {
    /// `null`: all keys that are not named.
    key: Option<&'a str>,
    attempts: u32,
    /// `null`: nothing bounds it.
    wall_ms: Option<f64>,
    /// `null`: only the number of extra attempts at one time is limited.
    load: Option<f64>,
    load_per_sec: f64,
}

pub(super) fn json(checked: &[Checked]) -> String {
    let object = Object {
        ok: checked.iter().all(|document| document.errors.is_empty()),
        files: checked.iter().map(file).collect(),
    };
    serde_json::to_string_pretty(&object).expect("numbers and texts")
}

fn file(document: &Checked) -> File<'_> {
    let errors = document.errors.iter().map(|error| Finding::of("error", error));
    let warnings = document.warnings.iter().map(|warning| Finding::of("warning", warning));
    let policies = document.worst.iter().map(|(key, worst)| WorstCase {
        key: key.as_deref(),
        attempts: worst.attempts,
        wall_ms: worst.wall.map(|wall| wall.as_secs_f64() * 1e3),
        load: worst.load.factor,
        load_per_sec: worst.load.per_sec,
    });
    File {
        file: &document.name,
        findings: errors.chain(warnings).collect(),
        more_errors: document.more,
        policies: policies.collect(),
    }
}

impl<'a> Finding<'a> {
    fn of(level: &'static str, found: &'a PolicyError) -> Self {
        Self {
            level,
            kind: found.kind.label(),
            line: found.line,
            column: found.column,
            field: &found.field,
            message: &found.message,
            suggestion: found.suggestion.as_deref(),
        }
    }
}
