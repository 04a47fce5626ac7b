//! What a run found out, and the forms it is given in.

mod checks;
mod dots;
mod hlog;
mod html;
mod json;
mod plot;
#[cfg(test)]
mod tests;
mod text;

use std::{
    io::{self, Write},
    time::{Duration, SystemTime},
};

use crate::{
    backend::Tally,
    lanes::Account,
    load::Sample,
    scenario::Scenario,
    stats::{Summary, share},
};

pub(crate) use checks::checks;
pub(crate) use dots::dots;
pub(crate) use hlog::write as write_hlog;
pub(crate) use html::{STYLE, escaped, page};
pub(crate) use json::{Lane, Quantiles, json};
pub(crate) use text::{grouped, text};

/// Everything a run found out.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) subject: Subject,
    pub(crate) seed: u64,
    pub(crate) rate: u32,
    pub(crate) warm_up: Duration,
    pub(crate) length: Duration,
    pub(crate) began: SystemTime,
    pub(crate) lanes: Vec<LaneReport>,
    pub(crate) is_interrupted: bool,
}

/// What was loaded.
#[derive(Clone, Debug)]
pub(crate) enum Subject {
    /// The embedded backend; the window is when its faults begin and end.
    Embedded { scenario: Scenario, window: Option<(Duration, Duration)> },
    /// A server of the user's own.
    Target(String),
}

/// One lane's results.
#[derive(Debug)]
pub(crate) struct LaneReport {
    pub(crate) name: &'static str,
    /// When its measured run began, counted from the beginning of the whole run.
    pub(crate) began: Duration,
    pub(crate) samples: Vec<Sample>,
    pub(crate) summary: Summary,
    pub(crate) starved: u64,
    pub(crate) account: Account,
    /// What the embedded backend saw, warm-up included.
    pub(crate) tally: Option<Tally>,
}

impl Report {
    /// The scenario's name, or `target`.
    pub(crate) fn scenario(&self) -> String {
        match &self.subject {
            Subject::Embedded { scenario, .. } => scenario.to_string(),
            Subject::Target(_) => "target".into(),
        }
    }

    /// A lane's slow call, of the last lane that has one.
    pub(crate) fn waterfall(&self) -> Option<(&'static str, &str)> {
        self.lanes.iter().rev().find_map(|lane| {
            let policy = lane.account.policy.as_ref()?;
            Some((lane.name, policy.waterfall.as_deref()?))
        })
    }
}

impl LaneReport {
    /// Attempts per call.
    pub(crate) fn load(&self) -> f64 {
        share(self.account.attempts, self.summary.calls)
    }

    /// The share of attempts that succeeded, those cancelled for a winner's sake left out.
    pub(crate) fn actual_success(&self) -> f64 {
        let Account { attempts, cancelled, good, .. } = self.account;
        share(good, attempts - cancelled)
    }

    /// Extra attempts the budgets could have granted at most; `None` if they do not limit that.
    pub(crate) fn bound(&self) -> Option<u64> {
        self.account.policy.as_ref().map_or(Some(0), |policy| policy.bound)
    }
}

/// Prints; whoever stopped reading has seen enough.
pub(crate) fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}
