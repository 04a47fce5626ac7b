//! `rego run`: one lane after another on the same schedule.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::Path,
    sync::Arc,
    thread,
    time::{Duration, Instant, SystemTime},
};

use crate::{
    args::RunArgs,
    backend::Backend,
    client::{Client, Target},
    lanes::{Hedged, Lane, Plain, Retried},
    load::{Measured, drive},
    policy::Plan,
    progress::Progress,
    report::{self, LaneReport, Report, Subject},
    scenario::Model,
    schedule::Schedule,
    stats::Summary,
    stop::Stop,
};

/// How long a lane runs before it is measured, unless the run is short.
const WARM_UP: Duration = Duration::from_millis(1_500);
/// How long to wait for cancelled attempts to end.
const QUIET: Duration = Duration::from_secs(2);

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Well,
    /// A promise was seen broken.
    Broken,
    Interrupted,
}

/// Runs all lanes and gives the report in the forms asked for.
///
/// # Errors
///
/// One line: what could not be reached, read or written.
pub(crate) fn run(args: &RunArgs) -> Result<Ended, String> {
    let plan = Plan::read(args.policy.as_deref())?;
    let outputs = Outputs::open(args)?;
    let stop = Stop::on_interrupt()?;
    let bench = Bench::set_up(args, plan)?;
    let report = bench.run(args, &stop)?;
    outputs.write(&report)?;
    let broken: Vec<_> = report::checks(&report).into_iter().filter(|one| !one.is_kept).collect();
    for check in &broken {
        eprintln!("rego: broken promise: {}", check.text);
    }
    Ok(match (report.is_interrupted, broken.is_empty()) {
        (true, _) => Ended::Interrupted,
        (false, true) => Ended::Well,
        (false, false) => Ended::Broken,
    })
}

/// How the calls of a lane are made.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Plain,
    Retried,
    Hedged,
}

impl Kind {
    const ALL: [(&'static str, Self); 4] = [
        ("no policy", Self::Plain),
        ("no policy again", Self::Plain),
        ("retries", Self::Retried),
        ("retries + hedging", Self::Hedged),
    ];
}

/// What every lane uses.
struct Bench {
    backend: Option<Backend>,
    client: Arc<Client>,
    plan: Plan,
    schedule: Arc<Schedule>,
    subject: Subject,
    warm_up: Duration,
}

impl Bench {
    fn set_up(args: &RunArgs, plan: Plan) -> Result<Self, String> {
        let warm_up = WARM_UP.min(args.duration / 4);
        let schedule = Schedule::new(args.rate, warm_up, args.duration, args.seed);
        let (backend, target, subject) = match &args.target {
            Some(url) => (None, Target::reach(url)?, Subject::Target(url.to_string())),
            None => {
                let model = Model::new(args.scenario, args.seed, args.duration);
                let backend = Backend::start(model)
                    .map_err(|error| format!("cannot start the embedded backend: {error}"))?;
                let target = Target::root(backend.address());
                let window = model.window();
                (Some(backend), target, Subject::Embedded { scenario: args.scenario, window })
            }
        };
        let client = Arc::new(Client::new(target));
        Ok(Self { backend, client, plan, schedule: Arc::new(schedule), subject, warm_up })
    }

    fn run(&self, args: &RunArgs, stop: &Stop) -> Result<Report, String> {
        let (began, run_begin) = (SystemTime::now(), Instant::now());
        let lanes = Kind::ALL;
        let mut reports = Vec::new();
        for (index, (name, kind)) in lanes.into_iter().enumerate() {
            let lane = self.lane(kind)?;
            let progress = Progress::new(index + 1, lanes.len(), name, self.schedule.len());
            let report = self.run_lane(name, &lane, run_begin, stop, &progress)?;
            if !report.samples.is_empty() {
                reports.push(report);
            }
            if stop.is_asked() {
                break;
            }
        }
        Ok(Report {
            subject: self.subject.clone(),
            seed: args.seed,
            rate: args.rate,
            warm_up: self.warm_up,
            length: args.duration,
            began,
            lanes: reports,
            is_interrupted: stop.is_asked(),
        })
    }

    fn lane(&self, kind: Kind) -> Result<Arc<dyn Lane>, String> {
        let client = Arc::clone(&self.client);
        Ok(match kind {
            Kind::Plain => Arc::new(Plain::new(client)),
            Kind::Retried => Arc::new(Retried::new(client, &self.plan)?),
            Kind::Hedged => Arc::new(Hedged::new(client, &self.plan)?),
        })
    }

    fn run_lane(
        &self,
        name: &'static str,
        lane: &Arc<dyn Lane>,
        run_begin: Instant,
        stop: &Stop,
        progress: &Progress,
    ) -> Result<LaneReport, String> {
        let begin = Instant::now();
        let measured_begin = begin + self.warm_up;
        if let Some(backend) = &self.backend {
            backend.begin_lane(measured_begin);
        }
        let look = |calls| progress.set(calls);
        let Measured { samples, starved } =
            drive(&self.schedule, begin, Arc::clone(lane), stop, look)
                .map_err(|error| format!("cannot start threads: {error}"))?;
        calm_down(&**lane);
        Ok(LaneReport {
            name,
            began: measured_begin - run_begin,
            summary: Summary::of(&samples),
            samples,
            starved,
            account: lane.account(),
            tally: self.backend.as_ref().map(Backend::tally),
        })
    }
}

/// Waits until the losers of a lane are off the wire.
fn calm_down(lane: &dyn Lane) {
    let begin = Instant::now();
    while !lane.is_quiet() && begin.elapsed() < QUIET {
        thread::sleep(Duration::from_millis(1));
    }
}

/// The files and the form asked for; files are opened before the run, so that a bad path is known
/// at once.
struct Outputs {
    json: bool,
    hlog: Option<(String, File)>,
    html: Option<(String, File)>,
    timelines: Option<(String, File)>,
    /// Of the first lane, and of the last.
    pictures: Option<[(String, File); 2]>,
}

impl Outputs {
    fn open(args: &RunArgs) -> Result<Self, String> {
        let open = |path: &Path| match File::create(path) {
            Ok(file) => Ok((path.display().to_string(), file)),
            Err(error) => Err(format!("cannot write {}: {error}", path.display())),
        };
        Ok(Self {
            json: args.json,
            hlog: args.hlog.as_deref().map(open).transpose()?,
            html: args.html.as_deref().map(open).transpose()?,
            timelines: args.timelines.as_deref().map(open).transpose()?,
            pictures: match &args.pictures {
                Some(folder) => {
                    Some([open(&folder.join("without.svg"))?, open(&folder.join("with.svg"))?])
                }
                None => None,
            },
        })
    }

    fn write(self, report: &Report) -> Result<(), String> {
        let text = if self.json { report::json(report) + "\n" } else { report::text(report) };
        report::print(&text).map_err(|error| format!("cannot write the report: {error}"))?;
        if let Some((path, file)) = self.hlog {
            report::write_hlog(report, BufWriter::new(file))
                .map_err(|error| format!("cannot write {path}: {error}"))?;
        }
        if let Some((path, mut file)) = self.html {
            file.write_all(report::page(report).as_bytes())
                .map_err(|error| format!("cannot write {path}: {error}"))?;
        }
        if let Some((path, mut file)) = self.timelines {
            let policies = report.lanes.iter().filter_map(|lane| lane.account.policy.as_ref());
            let lines = policies.filter_map(|policy| policy.timeline.as_deref());
            file.write_all(lines.map(|line| format!("{line}\n")).collect::<String>().as_bytes())
                .map_err(|error| format!("cannot write {path}: {error}"))?;
        }
        let lanes = [report.lanes.first(), report.lanes.last()];
        for ((path, mut file), lane) in self.pictures.into_iter().flatten().zip(lanes) {
            let picture = lane.map_or_else(String::new, |lane| report::dots(report, lane));
            file.write_all(picture.as_bytes())
                .map_err(|error| format!("cannot write {path}: {error}"))?;
        }
        Ok(())
    }
}
