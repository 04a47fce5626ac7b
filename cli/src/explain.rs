//! `rego explain`: what happened in a call, from its timeline as JSON.

mod chrome;
#[cfg(test)]
mod tests;

use std::{
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use clap::Args;
use rego::TimelineRecord;

use crate::{report::print, run::Ended};

/// Whose timelines, and in which form.
#[derive(Clone, Debug, Args)]
pub(crate) struct ExplainArgs {
    /// Timelines as JSON, one after another or in a list; - for standard input
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,

    /// Print Chrome trace-event JSON, for Perfetto and chrome://tracing
    #[arg(long)]
    chrome: bool,
}

pub(crate) const AFTER: &str = "\
Examples:
  rego run --timelines slow.jsonl && rego explain slow.jsonl
  rego explain --chrome slow.jsonl > slow.trace.json     open it at https://ui.perfetto.dev
  my-program | rego explain

A timeline's JSON is what Timeline::to_json gives in Rust, rego_call_timeline_json in C, and
Timeline.JSON in Go. In the waterfall █ is the attempt that answered, ▒ one that ended, ░ one that
was given up, and · the wait for a thread.

Exit codes: 0 done, 1 no timeline or not one, 2 bad usage.";

/// Prints the timelines of the file.
///
/// # Errors
///
/// One line: what cannot be read, or where it is no timeline.
pub(crate) fn run(args: &ExplainArgs) -> Result<Ended, String> {
    let (name, text) = read(&args.file)?;
    let timelines =
        TimelineRecord::all_from_json(&text).map_err(|error| format!("{name}: {error}"))?;
    let text = if args.chrome { chrome::json(&timelines) + "\n" } else { waterfalls(&timelines) };
    print(&text).map_err(|error| format!("cannot write: {error}"))?;
    Ok(Ended::Well)
}

fn read(file: &Path) -> Result<(String, String), String> {
    let (name, bytes) = if file == Path::new("-") {
        let mut bytes = Vec::new();
        let read = io::stdin().read_to_end(&mut bytes);
        ("standard input".to_owned(), read.map(|_| bytes))
    } else {
        (file.display().to_string(), fs::read(file))
    };
    let bytes = bytes.map_err(|error| format!("cannot read {name}: {error}"))?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok((name, text)),
        Err(_) => Err(format!("{name}: it is no UTF-8")),
    }
}

/// All of them, a blank line between two.
fn waterfalls(timelines: &[TimelineRecord]) -> String {
    let texts: Vec<_> = timelines.iter().map(TimelineRecord::to_string).collect();
    // A text from elsewhere is not to steer the terminal.
    texts.join("\n").replace(|c: char| c.is_control() && c != '\n', "\u{fffd}")
}
