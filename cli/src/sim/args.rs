//! The flags of `rego sim`.

use std::path::PathBuf;

use clap::Args;
use rego_sim::Span;

/// What is simulated, under which policies, and where the results go.
#[derive(Clone, Debug, Args)]
pub(crate) struct SimArgs {
    /// A scenario (TOML); without one, ten servers with queues at half their capacity
    #[arg(long, value_name = "FILE", help_heading = "Scenario")]
    pub(crate) scenario: Option<PathBuf>,

    /// Service times as in an HdrHistogram interval log (`rego run --hlog` writes one)
    #[arg(long, value_name = "FILE", conflicts_with = "samples", help_heading = "Scenario")]
    pub(crate) hlog: Option<PathBuf>,

    /// Service times as in a list, one number a line, in the --unit
    #[arg(long, value_name = "FILE", requires = "unit", help_heading = "Scenario")]
    pub(crate) samples: Option<PathBuf>,

    /// The unit of a recording: ns, us, ms or s; an interval log is in ns unless said
    #[arg(long, value_name = "UNIT", value_parser = unit, help_heading = "Scenario")]
    pub(crate) unit: Option<f64>,

    /// Only the intervals of an interval log that have this tag
    #[arg(long, value_name = "TAG", requires = "hlog", help_heading = "Scenario")]
    pub(crate) tag: Option<String>,

    /// The share of its time that a server is busy with first attempts, in place of the rate
    #[arg(long, value_name = "SHARE", value_parser = load, help_heading = "Scenario")]
    pub(crate) load: Option<f64>,

    /// How long calls arrive, warm-up included, such as 60s or 10m
    #[arg(long, value_name = "TIME", help_heading = "Scenario")]
    pub(crate) duration: Option<Span>,

    /// Every attempt takes its own time, whatever the load: flatters hedging
    #[arg(long, help_heading = "Scenario")]
    pub(crate) iid: bool,

    /// The same seed gives the same output, to the byte
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = "Scenario")]
    pub(crate) seed: u64,

    /// A policy document (TOML or JSON); may be given several times
    #[arg(long, value_name = "FILE", help_heading = "Policy")]
    pub(crate) policy: Vec<PathBuf>,

    /// Vary a field of the last policy, such as hedge.delay=1ms..50ms, or load=0.3..0.9
    #[arg(long, value_name = "FIELD=A..B", help_heading = "Policy")]
    pub(crate) sweep: Option<String>,

    /// How many values a sweep tries
    #[arg(long, value_name = "N", default_value_t = 8, help_heading = "Policy")]
    #[arg(value_parser = clap::value_parser!(u32).range(2..=100))]
    pub(crate) points: u32,

    /// Print one JSON object and nothing else
    #[arg(long, help_heading = "Results")]
    pub(crate) json: bool,

    /// Write a report with plots: one file, no network
    #[arg(long, value_name = "FILE", help_heading = "Results")]
    pub(crate) html: Option<PathBuf>,

    /// Write the slowest call of each policy, for rego explain
    #[arg(long, value_name = "FILE", help_heading = "Results")]
    pub(crate) timelines: Option<PathBuf>,
}

pub(crate) const AFTER: &str = "\
Examples:
  rego sim                                        the built-in policy against queues
  rego sim --policy a.toml --policy b.toml        two policies, on the same luck
  rego sim --hlog recorded.hlog --load 0.6        service times as recorded
  rego sim --samples times.txt --unit ms --iid    ten thousand numbers, without queues
  rego sim --sweep hedge.delay=1ms..50ms          where a fixed delay should be
  rego sim --sweep hedge.load=0.005..0.1 --html report.html
  rego sim --sweep load=0.3..0.9                  until which load a policy helps

Time is virtual: the engine that is simulated is the one that runs in production, on its event
loop; servers, queues and the network are models. Policies are asked for the scenario's key,
\"backend.get\" unless it says otherwise.";

fn unit(text: &str) -> Result<f64, String> {
    rego_sim::unit(text).ok_or_else(|| "use ns, us, ms or s".to_owned())
}

fn load(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if share > 0.0 && share <= 2.0 => Ok(share),
        _ => Err("a share of the servers' time, above 0 and at most 2".to_owned()),
    }
}
