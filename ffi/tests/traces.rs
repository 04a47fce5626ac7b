//! What every front must answer: the traces, replayed against the engine. `REGO_BLESS=1` records.

#[path = "support/front.rs"]
mod front;

use std::{fs, path::PathBuf};

use front::Front;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/traces");

/// A trace without its answers, played: with the answers.
fn play(script: &str) -> String {
    let mut front: Option<Front> = None;
    let mut played = String::new();
    for line in script.lines().filter(|line| !is_answer(line)) {
        played += line;
        played.push('\n');
        if let Some(seed) = line.strip_prefix("seed ") {
            front = Some(Front::new(seed.parse().expect("a seed is a number")));
        } else if !line.is_empty() && !line.starts_with('#') {
            for answer in front.as_mut().expect("a seed comes first").tell(line) {
                played += &answer;
                played.push('\n');
            }
        }
    }
    played
}

fn is_answer(line: &str) -> bool {
    line.starts_with(['=', '!', '+'])
}

fn traces() -> Vec<PathBuf> {
    let entries = fs::read_dir(FOLDER).expect("the traces are there");
    let paths = entries.map(|entry| entry.expect("a folder can be read").path());
    let mut traces: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|ending| ending == "trace")).collect();
    traces.sort();
    traces
}

#[test]
fn traces_are_answered_as_they_were() {
    if std::env::var_os("REGO_BLESS").is_some() {
        let random = format!("{FOLDER}/random.trace");
        fs::write(random, front::random(7, 139)).expect("the trace can be written");
        for path in traces() {
            let script = fs::read_to_string(&path).expect("a trace can be read");
            fs::write(&path, play(&script)).expect("a trace can be written");
        }
    }
    let traces = traces();
    assert!(traces.len() >= 6, "only {} traces", traces.len());
    for path in traces {
        let recorded = fs::read_to_string(&path).expect("a trace can be read");
        let played = play(&recorded);
        for (number, (was, is)) in recorded.lines().zip(played.lines()).enumerate() {
            assert_eq!(is, was, "{}:{}", path.display(), number + 1);
        }
        assert_eq!(played.lines().count(), recorded.lines().count(), "{}", path.display());
    }
}

#[test]
fn another_answer_is_noticed() {
    let script = "seed 7\nbegin 0 trace.Plain 1000000000 - 0\n";
    let right = play(script);
    assert_eq!(play(&right), right);
    let wrong = right.replace("+ start 0.0 0", "+ start 0.0 1");
    assert!(wrong != right && play(&wrong) != wrong);
}

#[test]
fn the_random_trace_has_everything_in_it() {
    let trace = play(&front::random(7, 139));
    for what in ["finish_as ", "cancel ", "+ cancel ", "+ done ", " 2 0 1 ", "poll ", "begin "] {
        assert!(trace.contains(what), "no {what:?}");
    }
}
