//! `loom`: the real source of the shared rooms under the model checker.

use std::{fs, num::NonZero, sync::Mutex, time::Instant};

use crate::{
    controls::{self, Control},
    shell::{Failure, Root, Run},
};

/// A target folder of its own, because everything is compiled differently.
const FOLDER: &str = "target/loom";

/// How long one model is explored with 3 preemptions, in seconds: some would take days.
const LONGEST: &str = "600";

/// What a model says that was stopped.
const NOT_ALL: &str = ", not all there are";

/// Explores the models; or, of source that is broken on purpose, those which must find it out.
pub(crate) fn run(root: &Root, arguments: &[&str]) -> Result<(), Failure> {
    match arguments {
        [] => explore(root, "2", None),
        ["--full"] => explore(root, "3", Some(LONGEST)),
        ["--full", seconds] if seconds.parse::<u32>().is_ok() => explore(root, "3", Some(seconds)),
        ["--controls"] => find_out(root),
        _ => Err(Failure::Usage("loom [--full [SECONDS]|--controls]".to_owned())),
    }
}

/// What the models of one or more rooms said.
#[derive(Debug, Default)]
struct Explored {
    models: u32,
    interleavings: u64,
    /// Models that were stopped before their end.
    stopped: u32,
    failures: Vec<Failure>,
}

/// Explores every model, each for at most `seconds`. A room is a process of one thread, as models
/// make and drop so many stacks that two in one process wait for each other's memory; as many rooms
/// are explored at a time as there are processors.
fn explore(root: &Root, preemptions: &str, seconds: Option<&str>) -> Result<(), Failure> {
    test(root, &["--no-run"], preemptions).go()?;
    let start = Instant::now();
    let rooms = Mutex::new(rooms(root)?.into_iter());
    let next = || rooms.lock().expect("nobody panics with it").next();
    let worker = || {
        let mut explored = Explored::default();
        while let Some(room) = next() {
            let result = explore_room(root, &room, preemptions, seconds, &mut explored);
            explored.failures.extend(result.err());
        }
        explored
    };
    let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
    let mut of_all = Explored::default();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..processors).map(|_| scope.spawn(worker)).collect();
        for worker in workers {
            let mut more = worker.join().expect("it does not panic");
            of_all.models += more.models;
            of_all.interleavings += more.interleavings;
            of_all.stopped += more.stopped;
            of_all.failures.append(&mut more.failures);
        }
    });
    let Explored { models, interleavings, stopped, failures } = of_all;
    println!(
        "{models} models, {interleavings} interleavings with at most {preemptions} preemptions, \
         {} s",
        start.elapsed().as_secs()
    );
    if stopped > 0 {
        println!("{stopped} of the models were stopped before their end");
    }
    failures.into_iter().next().map_or(Ok(()), Err)
}

fn explore_room(
    root: &Root,
    room: &str,
    preemptions: &str,
    seconds: Option<&str>,
    explored: &mut Explored,
) -> Result<(), Failure> {
    let arguments = ["-q", "--test", room, "--", "--nocapture", "--test-threads=1"];
    let mut test = test(root, &arguments, preemptions);
    if let Some(seconds) = seconds {
        test = test.env("LOOM_MAX_DURATION", seconds);
    }
    test.watched(|line| {
        if let Some(interleavings) = interleavings(line) {
            explored.interleavings += interleavings;
            explored.models += 1;
            explored.stopped += u32::from(line.contains(NOT_ALL));
        }
    })
}

/// The files of models, the longest first: what takes longest should not begin last.
fn rooms(root: &Root) -> Result<Vec<String>, Failure> {
    let folder = root.join("loom-tests/tests");
    let unread = |error| Failure::Failed(format!("cannot read {}: {error}", folder.display()));
    let mut rooms = Vec::new();
    for entry in fs::read_dir(&folder).map_err(unread)? {
        let path = entry.map_err(unread)?.path();
        if let Some(name) = path.file_stem()
            && path.extension().is_some_and(|extension| extension == "rs")
        {
            let length = fs::metadata(&path).map_err(unread)?.len();
            rooms.push((length, name.to_string_lossy().into_owned()));
        }
    }
    rooms.sort_by(|one, other| other.cmp(one));
    Ok(rooms.into_iter().map(|(_, name)| name).collect())
}

/// The figure in what a model prints at its end.
fn interleavings(line: &str) -> Option<u64> {
    let (before, _) = line.split_once(" interleavings with at most ")?;
    before.rsplit(' ').next()?.parse().ok()
}

fn find_out(root: &Root) -> Result<(), Failure> {
    let mut missed = 0;
    for build in controls::BUILDS {
        let mut breaks: Vec<&str> = build.iter().map(|control| control.broken).collect();
        breaks.dedup();
        let broken = |arguments: &[&str]| {
            let test = test(root, arguments, "2").env("RUST_BACKTRACE", "0");
            controls::with_breaks(root, test, FOLDER, &breaks)
        };
        broken(&["-q", "--no-run"])?.go()?;
        for Control { broken: name, room, model } in *build {
            let (passed, _) = broken(&["-q", "--test", room, "--", "--exact", model])?.tried()?;
            let finding = if passed { "NOT FOUND" } else { "found" };
            println!("{name}: {finding} by {room}::{model}");
            missed += usize::from(passed);
        }
    }
    match missed {
        0 => Ok(()),
        _ => Err(Failure::Failed(format!("{missed} controls were not found"))),
    }
}

fn test(root: &Root, arguments: &[&str], preemptions: &str) -> Run {
    let test = ["test", "-p", "loom-tests", "--profile", "loom", "--target-dir", FOLDER];
    root.cargo(&[&test[..], arguments].concat())
        .env("RUSTFLAGS", "--cfg rego_loom")
        .env("LOOM_MAX_PREEMPTIONS", preemptions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figure_is_read_from_what_a_model_prints() {
        let line = ".slab: three threads, one slot: 5417 interleavings with at most 2 preemptions";
        assert_eq!(interleavings(line), Some(5_417));
        assert_eq!(interleavings("test result: ok. 3 passed"), None);
    }
}
