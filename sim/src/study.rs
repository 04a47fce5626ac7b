//! Named studies: published results, what peers do, and what the engine does, in one run.
//!
//! Each is a scenario file and a few lines that vary it. Figures are means over at least ten seeds,
//! with the 95 % interval of the mean; no seed is chosen. What another library would do is a twin
//! ([`crate::TwinRules`]) that meets the same luck.

mod fleet;
mod hedges;
mod jitter;
mod queues;
mod storms;
mod tail;

use std::{
    num::NonZero,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use crate::{Lane, Outcome, Scenario, ScenarioError};

/// How much is simulated.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// How many seeds.
    pub seeds: u64,
    /// The first of them.
    pub first_seed: u64,
    /// How long each is simulated, as a share of the full length.
    pub length: f64,
}

impl Effort {
    /// Ten seeds in full.
    pub const FULL: Self = Self { seeds: 10, first_seed: 1, length: 1.0 };
    /// Three seeds, a fifth of the length: to see in CI that nothing is broken.
    pub const SHORT: Self = Self { seeds: 3, first_seed: 1, length: 0.2 };

    /// Whether it is enough for a judgement.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.seeds >= Self::FULL.seeds && self.length >= 1.0
    }
}

/// A study.
#[derive(Clone, Copy, Debug)]
pub struct Study {
    /// `H1` and so on.
    pub id: &'static str,
    /// What it is about, in one line.
    pub title: &'static str,
    /// What was published, or what peers do.
    pub published: &'static str,
    /// Does it.
    pub run: fn(&Effort) -> Result<Findings, ScenarioError>,
}

/// Every study, in the order of their ids.
pub const STUDIES: &[Study] = &[
    tail::H1,
    hedges::H2,
    hedges::H3,
    hedges::H4,
    hedges::H5,
    queues::H6,
    storms::H7,
    fleet::H8,
    storms::H9,
    jitter::H10,
    queues::H14,
];

/// What a study found.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// Figures with a goal.
    pub rows: Vec<Row>,
    /// Figures without one: published, of twins, of interest.
    pub notes: Vec<String>,
    /// A plot.
    pub plot: Option<Plot>,
}

/// One figure and its goal.
#[derive(Clone, Debug)]
pub struct Row {
    /// What it is, with its unit.
    pub what: String,
    /// The figure.
    pub value: f64,
    /// Half of its 95 % interval, where it is a mean over seeds.
    pub noise: Option<f64>,
    /// The goal.
    pub bound: f64,
    /// Whether the figure is to be at least the goal; at most, if not.
    pub at_least: bool,
    /// The twin's figure, if there is one.
    pub twin: Option<f64>,
    /// Why the goal is missed where it is, and what would be tried next.
    pub why: Option<&'static str>,
}

impl Row {
    /// To be told if the goal is missed: the reason, and the next idea.
    fn or_because(&mut self, why: &'static str) -> &mut Self {
        self.why = Some(why);
        self
    }

    /// Whether the goal is met.
    #[must_use]
    pub fn ok(&self) -> bool {
        if self.at_least { self.value >= self.bound } else { self.value <= self.bound }
    }
}

/// Lines over a common axis.
#[derive(Clone, Debug)]
pub struct Plot {
    /// What is shown.
    pub title: String,
    /// The axes, with units.
    pub axes: (String, String),
    /// Whether an axis is logarithmic.
    pub log: (bool, bool),
    /// The lines.
    pub lines: Vec<(String, Vec<(f64, f64)>)>,
}

impl Findings {
    fn at_most(&mut self, what: impl Into<String>, value: Mean, bound: f64) -> &mut Row {
        self.row(what.into(), value, bound, false)
    }

    fn at_least(&mut self, what: impl Into<String>, value: Mean, bound: f64) -> &mut Row {
        self.row(what.into(), value, bound, true)
    }

    fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    fn row(&mut self, what: String, value: Mean, bound: f64, at_least: bool) -> &mut Row {
        let Mean { mean, noise } = value;
        self.rows.push(Row { what, value: mean, noise, bound, at_least, twin: None, why: None });
        let last = self.rows.len() - 1;
        &mut self.rows[last]
    }
}

/// A mean over seeds and half of its 95 % interval.
#[derive(Clone, Copy, Debug)]
struct Mean {
    mean: f64,
    noise: Option<f64>,
}

/// Student's t at 97.5 %, for 1 to 30 degrees of freedom.
const STUDENT: [f64; 30] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160,
    2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056,
    2.052, 2.048, 2.045, 2.042,
];

impl Mean {
    #[expect(clippy::cast_precision_loss, reason = "a few seeds")]
    fn of(values: &[f64]) -> Self {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let Some(freedom) = values.len().checked_sub(2) else {
            return Self { mean, noise: None };
        };
        let variance = values.iter().map(|one| (one - mean).powi(2)).sum::<f64>() / (n - 1.0);
        let t = STUDENT.get(freedom).copied().unwrap_or(1.96);
        Self { mean, noise: Some(t * (variance / n).sqrt()) }
    }

    /// A figure that is no mean.
    const fn exactly(value: f64) -> Self {
        Self { mean: value, noise: None }
    }

    /// The upper end of the interval.
    fn upper(self) -> f64 {
        self.mean + self.noise.unwrap_or(0.0)
    }
}

impl std::fmt::Display for Mean {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let digits = f.precision().unwrap_or(2);
        match self.noise {
            Some(noise) => write!(f, "{:.digits$} ± {:.digits$}", self.mean, noise),
            None => write!(f, "{:.digits$}", self.mean),
        }
    }
}

/// A scenario that comes with the simulator, its length cut to the effort.
fn scenario(text: &str, effort: &Effort) -> Scenario {
    let mut scenario = Scenario::parse(text).expect("it comes with the simulator and is tested");
    let measured = scenario.duration.0 - scenario.warm_up.0;
    scenario.duration.0 = scenario.warm_up.0 + measured.mul_f64(effort.length);
    if let Some(requests) = &mut scenario.arrivals.requests {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of a count"
        )]
        {
            *requests = (*requests as f64 * effort.length) as u64;
        }
    }
    scenario
}

/// A policy document that comes with a study.
fn policy(name: &str, text: &str) -> Lane {
    Lane::toml(name, &format!("schema = 1\n{text}")).expect("it comes with the simulator")
}

/// Hedging for at most this much extra load, on top of one attempt a call.
fn load(x: f64, more: &str) -> Lane {
    let text = format!(
        "[defaults]\nidempotent = true\n[defaults.retry]\nmax_attempts = 1\n\
         [defaults.hedge]\nenabled = true\ntrigger = {{ load = {x} }}\n{more}\n"
    );
    policy(&format!("load({x})"), &text)
}

/// One outcome for each seed, in order, on as many threads as there are processors.
fn outcomes(
    lane: &Lane,
    scenario: &Scenario,
    effort: &Effort,
) -> Result<Vec<Outcome>, ScenarioError> {
    per_seed(effort, |seed| lane.run(scenario, seed))
}

fn per_seed<T: Send>(
    effort: &Effort,
    run: impl Fn(u64) -> Result<T, ScenarioError> + Sync,
) -> Result<Vec<T>, ScenarioError> {
    let next = AtomicU64::new(0);
    let done = Mutex::new(Vec::new());
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    // Relaxed: it deals out numbers and publishes nothing.
                    let nth = next.fetch_add(1, Ordering::Relaxed);
                    if nth >= effort.seeds {
                        return;
                    }
                    let result = run(effort.first_seed + nth);
                    done.lock().expect("nobody panics with it").push((nth, result));
                }
            });
        }
    });
    let mut done = done.into_inner().expect("nobody panics with it");
    done.sort_by_key(|one| one.0);
    done.into_iter().map(|one| one.1).collect()
}

/// The mean of a figure over outcomes.
fn mean(outcomes: &[Outcome], figure: impl Fn(&Outcome) -> f64) -> Mean {
    let values: Vec<f64> = outcomes.iter().map(figure).collect();
    Mean::of(&values)
}

/// The mean of the ratio of a figure, seed by seed.
fn paired(ours: &[Outcome], theirs: &[Outcome], figure: impl Fn(&Outcome) -> f64) -> Mean {
    let ratios: Vec<f64> =
        ours.iter().zip(theirs).map(|(one, other)| figure(one) / figure(other)).collect();
    Mean::of(&ratios)
}

/// A percentile of calls, in milliseconds.
fn call_ms(p: f64) -> impl Fn(&Outcome) -> f64 {
    move |outcome| outcome.quantile(p).as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_students() {
        let mean = Mean::of(&[1.0, 2.0, 3.0]);
        assert_eq!(mean.mean, 2.0);
        assert!((mean.upper() - (2.0 + 4.303 / 3f64.sqrt())).abs() < 1e-9);
        assert!(Mean::of(&[1.0]).noise.is_none());
    }

    #[test]
    fn seeds_come_back_in_order() {
        let effort = Effort { seeds: 7, first_seed: 3, length: 1.0 };
        let seeds = per_seed(&effort, Ok).expect("nothing fails");
        assert_eq!(seeds, [3, 4, 5, 6, 7, 8, 9]);
    }

    #[test]
    fn a_goal_is_met_or_missed() {
        let mut findings = Findings::default();
        assert!(findings.at_most("a", Mean::exactly(1.0), 1.0).ok());
        assert!(!findings.at_most("a", Mean::exactly(1.1), 1.0).ok());
        assert!(findings.at_least("a", Mean::exactly(1.0), 1.0).ok());
        assert!(!findings.at_least("a", Mean::exactly(f64::NAN), 1.0).ok());
    }
}
