//! `rego sim`: policies against a scenario in virtual time, by the engine itself.

pub(crate) mod args;
mod policies;
mod recording;
mod report;
mod sweep;
#[cfg(test)]
mod tests;

use std::{fs, fs::File, io::Write as _, path::Path};

use rego_sim::{Lane, Outcome, Queue, Scenario};

use crate::{report::print, run::Ended};
use args::SimArgs;
use report::{LaneResult, Report};
use sweep::Sweep;

/// Where there is no scenario of the user's own.
const DEFAULT_SCENARIO: &str = include_str!("../../sim/scenarios/queues.toml");

/// What independent draws are good for.
const IID: &str = "independent draws flatter hedging: attempts do not queue here, so a hedge costs \
    nobody anything; leave --iid out to see what it costs";

/// Runs all lanes, and the sweep if one is asked for, and gives the report in the forms asked for.
///
/// # Errors
///
/// One line: what could not be read or written, or what is wrong in it.
pub(crate) fn run(args: &SimArgs) -> Result<Ended, String> {
    let scenario = scenario(args)?;
    let policies = policies::read(&args.policy)?;
    let html = args.html.as_deref().map(create).transpose()?;
    let timelines = args.timelines.as_deref().map(create).transpose()?;
    let sweep = args.sweep.as_deref().map(str::parse::<Sweep>).transpose()?;
    let mut lanes = vec![lane(&Lane::no_policy(), &scenario, args.seed)?];
    let mut slowest = String::new();
    for written in &policies {
        let guard = written.lane()?;
        if timelines.is_some() {
            let (outcome, timeline) =
                guard.run_telling(&scenario, args.seed).map_err(|error| error.to_string())?;
            lanes.push(LaneResult { name: guard.name, outcome });
            slowest.extend(timeline.map(|timeline| timeline.to_json() + "\n"));
        } else {
            lanes.push(lane(&guard, &scenario, args.seed)?);
        }
    }
    let mut points = Vec::new();
    if let Some(sweep) = &sweep {
        points = sweep.run(&policies, &scenario, args.points, args.seed)?;
    }
    // The frontier belongs to the page; it costs some more runs.
    let frontier = match (&html, policies.last()) {
        (Some(_), Some(last)) => sweep::frontier(last, &scenario, args.seed)?,
        _ => Vec::new(),
    };
    let report = Report {
        source: source(args),
        about: scenario.about.clone(),
        seed: args.seed,
        utilisation: scenario.utilisation(),
        lanes,
        sweep: sweep.map(|sweep| (sweep.field, points)),
        frontier,
        notes: notes(args),
    };
    let text = if args.json { report.json() + "\n" } else { report.text() };
    print(&text).map_err(|error| format!("cannot write the report: {error}"))?;
    let html = html.map(|file| (file, report.page()));
    for ((path, mut file), text) in html.into_iter().chain(timelines.map(|file| (file, slowest))) {
        file.write_all(text.as_bytes()).map_err(|error| format!("cannot write {path}: {error}"))?;
    }
    Ok(Ended::Well)
}

fn create(path: &Path) -> Result<(String, File), String> {
    match File::create(path) {
        Ok(file) => Ok((path.display().to_string(), file)),
        Err(error) => Err(format!("cannot write {}: {error}", path.display())),
    }
}

fn lane(lane: &Lane, scenario: &Scenario, seed: u64) -> Result<LaneResult, String> {
    let outcome = run_lane(lane, scenario, seed)?;
    Ok(LaneResult { name: lane.name.clone(), outcome })
}

fn run_lane(lane: &Lane, scenario: &Scenario, seed: u64) -> Result<Outcome, String> {
    lane.run(scenario, seed).map_err(|error| error.to_string())
}

/// The scenario that the flags describe.
fn scenario(args: &SimArgs) -> Result<Scenario, String> {
    let (name, text) = match &args.scenario {
        None => ("the built-in scenario".to_owned(), DEFAULT_SCENARIO.to_owned()),
        Some(path) => (path.display().to_string(), read(path)?),
    };
    let mut scenario = Scenario::parse(&text).map_err(|error| format!("{name}: {error}"))?;
    if let Some(times) = recording::times(args)? {
        scenario.service.times = times;
        if args.scenario.is_none() {
            // What was recorded has its own stragglers.
            scenario.service.stragglers.clear();
            scenario.about = "as recorded, at ten servers with queues of their own".to_owned();
            scenario.load(0.5).map_err(|error| error.to_string())?;
        }
    }
    if let Some(duration) = args.duration {
        scenario.duration = duration;
        scenario.warm_up.0 = scenario.warm_up.0.min(duration.0.mul_f64(0.2));
    }
    if let Some(load) = args.load {
        scenario.load(load).map_err(|error| error.to_string())?;
    }
    if args.iid {
        scenario.service.queue = Queue::None;
    }
    scenario.check().map_err(|error| format!("{name}: {error}"))?;
    Ok(scenario)
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))
}

/// Where the scenario comes from, in a word.
fn source(args: &SimArgs) -> String {
    let path = args.scenario.as_ref().or(args.hlog.as_ref()).or(args.samples.as_ref());
    let stem = path.and_then(|path| path.file_stem());
    stem.map_or_else(|| "queues".to_owned(), |stem| stem.to_string_lossy().into_owned())
}

fn notes(args: &SimArgs) -> Vec<String> {
    let mut notes = Vec::new();
    if args.iid {
        notes.push(IID.to_owned());
    }
    if args.hlog.is_some() || args.samples.is_some() {
        notes.push(
            "a recording is taken for the time servers work; where it holds waiting as well, queues \
             are counted twice: lower --load, or compare with --iid"
                .to_owned(),
        );
    }
    notes
}
