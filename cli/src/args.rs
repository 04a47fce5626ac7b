//! The command line.

use std::{path::PathBuf, time::Duration};

use clap::{Args, CommandFactory, Parser, Subcommand, error::ErrorKind};

use crate::{
    check::{self, CheckArgs},
    client::Url,
    explain::{self, ExplainArgs},
    scenario::Scenario,
    schema,
    sim::args::{self as sim, SimArgs},
};

/// See a resilience engine make a bad backend good, with the price beside the gain
#[derive(Debug, Parser)]
#[command(name = "rego", version, args_conflicts_with_subcommands = true)]
#[command(disable_help_subcommand = true, after_help = AFTER)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) run: RunArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Load a bad backend, with and without a policy, and compare (the default)
    #[command(after_help = AFTER)]
    Run(RunArgs),
    /// Simulate policies in virtual time, with queues, outages or a recording of your own
    #[command(after_help = sim::AFTER)]
    Sim(SimArgs),
    /// Check policy documents: errors, doubts, and what each policy can cost at worst
    #[command(after_help = check::AFTER)]
    Check(CheckArgs),
    /// Draw what happened in a call, from its timeline as JSON
    #[command(after_help = explain::AFTER)]
    Explain(ExplainArgs),
    /// Print the JSON Schema of policy documents
    #[command(after_help = schema::AFTER)]
    Schema,
}

/// What to load, how hard, and where the results go.
#[derive(Clone, Debug, Args)]
pub(crate) struct RunArgs {
    /// How the embedded backend misbehaves
    #[arg(long, value_name = "NAME", default_value = "stragglers", value_enum)]
    #[arg(hide_possible_values = true)]
    #[arg(help_heading = "Load")]
    pub(crate) scenario: Scenario,

    /// Load this HTTP server of yours instead of the embedded backend
    #[arg(long, value_name = "URL", conflicts_with = "scenario", help_heading = "Load")]
    pub(crate) target: Option<Url>,

    /// Calls per second
    #[arg(long, value_name = "N", default_value_t = 1_000, help_heading = "Load")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=20_000))]
    pub(crate) rate: u32,

    /// How long each lane is measured, such as 500ms, 11s or 2m
    #[arg(long, value_name = "TIME", default_value = "11s", help_heading = "Load")]
    #[arg(value_parser = duration)]
    pub(crate) duration: Duration,

    /// The same seed gives the same calls and the same faults
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = "Load")]
    pub(crate) seed: u64,

    /// A policy document (TOML or JSON) in place of the built-in policy
    #[arg(long, value_name = "FILE", help_heading = "Policy")]
    pub(crate) policy: Option<PathBuf>,

    /// Print one JSON object and nothing else
    #[arg(long, help_heading = "Results")]
    pub(crate) json: bool,

    /// Write every lane's latencies as an HdrHistogram interval log
    #[arg(long, value_name = "FILE", help_heading = "Results")]
    pub(crate) hlog: Option<PathBuf>,

    /// Write a report with a percentile plot: one file, no network
    #[arg(long, value_name = "FILE", help_heading = "Results")]
    pub(crate) html: Option<PathBuf>,

    /// Write the slowest call of each lane with a policy, for rego explain
    #[arg(long, value_name = "FILE", help_heading = "Results")]
    pub(crate) timelines: Option<PathBuf>,

    /// Draw the first lane's calls and the last's: without.svg, with.svg
    #[arg(long, value_name = "FOLDER", help_heading = "Results")]
    pub(crate) pictures: Option<PathBuf>,
}

const AFTER: &str = "\
Scenarios:
  stragglers  10 ms at the median, one attempt in a hundred takes 500 ms
  brownout    the middle fifth of the run is ten times slower
  outage      for five seconds in the middle every attempt fails: 503, or a reset connection
  pushback    one call in 25 is told 429 or 503 with Retry-After
  correlated  two calls in a hundred are slow wherever they are sent
  slow        25 ms at the median, one attempt in twenty takes four times as long
  instant     answers at once: what a call costs besides the service

Examples:
  rego                                       the default: stragglers, about a minute
  rego --scenario outage --html report.html  five seconds of failures, with a plot
  rego --target http://localhost:8080/users  a server of your own, at 1,000 calls/s
  rego --policy policies.toml                the default scenario under a policy of your own
  rego --json | jq '.lanes[] | {name, p999_ms, load}'

Four lanes run one after another on the same schedule: no policy, no policy again (the two
show how much the machine varies), retries, retries + hedging. The built-in policy makes up to
three attempts, heeds Retry-After, and hedges the slowest twentieth; retries may cost a tenth of
what succeeds, hedges a twentieth of the calls. A policy document is asked for \"backend.get\".
Ctrl-C prints what there is. Exit codes: 0 done, 1 failed, 2 bad usage, 130 interrupted.";

const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(3_600);
const MOST_CALLS: u128 = 5_000_000;

impl Cli {
    /// Reads the program's command line.
    ///
    /// # Errors
    ///
    /// What clap has to say, which may be the help that was asked for.
    pub(crate) fn read() -> Result<Command, clap::Error> {
        let cli = Self::try_parse()?;
        let command = cli.command.unwrap_or(Command::Run(cli.run));
        let checked = match &command {
            Command::Run(args) => args.check(),
            _ => Ok(()),
        };
        match checked {
            Ok(()) => Ok(command),
            Err(message) => Err(Self::command().error(ErrorKind::ValueValidation, message)),
        }
    }
}

impl RunArgs {
    /// What single flags cannot know.
    ///
    /// # Errors
    ///
    /// One line that says which flags do not go together.
    fn check(&self) -> Result<(), String> {
        let calls = u128::from(self.rate) * self.duration.as_millis() / 1_000;
        if calls > MOST_CALLS {
            return Err(format!(
                "--rate and --duration make {calls} calls per lane; the most is {MOST_CALLS}"
            ));
        }
        Ok(())
    }
}

/// A usage error in one line.
pub(crate) fn in_one_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let lines = text.lines().take_while(|line| {
        !line.starts_with("Usage:") && !line.starts_with("For more information")
    });
    let parts: Vec<_> = lines.map(str::trim).filter(|line| !line.is_empty()).collect();
    let line = parts.join(" ").replace(" tip: ", "; ");
    line.strip_prefix("error: ").unwrap_or(&line).to_owned()
}

/// Reads a length of time: a number and a unit.
fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let seconds = match unit {
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        "" => return Err(format!("a time needs a unit; did you mean \"{text}s\"?")),
        _ => return Err(format!("unknown unit {unit:?}: use ms, s or m")),
    };
    let number: f64 = number.parse().map_err(|_| "want a number and a unit, such as 11s")?;
    match Duration::try_from_secs_f64(number * seconds) {
        Ok(time) if (SHORTEST..=LONGEST).contains(&time) => Ok(time),
        _ => Err("must be from 100ms to 60m".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn run_is_the_default_and_takes_the_same_flags() {
        let bare = Cli::try_parse_from(["rego", "--seed", "9"]).expect("good flags");
        assert!(bare.command.is_none());
        assert_eq!(bare.run.seed, 9);
        let named = Cli::try_parse_from(["rego", "run", "--seed", "9"]).expect("good flags");
        let Some(Command::Run(args)) = named.command else { panic!("run was asked for") };
        assert_eq!(args.seed, 9);
        assert_eq!(args.duration, Duration::from_secs(11));
    }

    #[test]
    fn reads_times() {
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("1.5s"), Ok(Duration::from_millis(1_500)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        assert!(duration("10").expect_err("no unit").contains("did you mean \"10s\"?"));
        for bad in ["", "s", "-1s", "1h", "1..5s", "NaNs", "1e9s", "0s", "99m", "5 s"] {
            assert!(duration(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn refuses_more_calls_than_fit() {
        let parse = |rate, duration| {
            let args = ["rego", "--rate", rate, "--duration", duration];
            Cli::try_parse_from(args).expect("good flags").run.check()
        };
        assert_eq!(parse("20000", "100s"), Ok(()));
        assert!(parse("20000", "60m").is_err());
    }
}
