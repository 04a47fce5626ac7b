//! Measuring lanes side by side: all of them in one process, in turn, many times over, so that
//! whatever else the machine does falls on all alike. What is compared are ratios within a turn.
//!
//! One module for each benchmark: its lanes, and what they are measured against. A benchmark is run
//! as criterion's report, or with `--json` as one table for which all lanes of a group are
//! measured in turn.

pub mod budgets;
pub mod call_path;
pub mod contention;
pub mod race;
pub mod record;
mod row;
pub mod timers;
mod two;

pub use row::{Row, met, to_json};

use std::time::{Duration, Instant};

use criterion::Criterion;

/// How long one lane runs in one turn.
const TURN: Duration = Duration::from_micros(500);

/// How often the lanes of a table are run in turn, unless a group says otherwise.
pub const TURNS: usize = 201;

/// Something to measure: does its thing as often as it is told, and says how long that took.
pub struct Lane {
    name: &'static str,
    work: Box<dyn FnMut(u64) -> Duration>,
    /// How often it does its thing in one turn.
    times: u64,
}

impl Lane {
    /// A lane whose `work` does its thing as often as the argument says.
    pub fn new(name: &'static str, mut work: impl FnMut(u64) + 'static) -> Self {
        Self::timed(name, move |times| {
            let started = Instant::now();
            work(times);
            started.elapsed()
        })
    }

    /// A lane whose `work` says for itself how long it took: what else it does is not measured.
    pub fn timed(name: &'static str, work: impl FnMut(u64) -> Duration + 'static) -> Self {
        Self { name, work: Box::new(work), times: 1 }
    }

    /// A lane whose `work` is done by two threads at once, as often by each as the argument says;
    /// what counts is the slower one's time.
    pub fn two(name: &'static str, work: impl Fn(u64) + Send + Sync + 'static) -> Self {
        Self::timed(name, two::on_two_threads(work))
    }

    /// Finds out how often fits a turn; warms it up. A slow first time is not believed.
    fn calibrate(&mut self) {
        let fills = |took: Duration| took * 2 > TURN;
        let _ = (self.work)(1);
        while !(fills((self.work)(self.times)) && fills((self.work)(self.times))) {
            self.times *= 2;
        }
    }

    /// ns each.
    fn turn(&mut self) -> f64 {
        (self.work)(self.times).as_secs_f64() * 1e9 / self.times as f64
    }
}

impl std::fmt::Debug for Lane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Lane").field(&self.name).finish()
    }
}

/// Lanes that are measured in turn, and the figures that follow from them.
pub struct Group {
    /// What they have in common.
    pub name: &'static str,
    /// The lanes, the baseline first.
    pub lanes: Vec<Lane>,
    /// What is made of them besides what each took.
    pub rows: fn(&Measured) -> Vec<Row>,
    /// How often they are run in turn.
    pub turns: usize,
}

impl std::fmt::Debug for Group {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Group").field("name", &self.name).field("lanes", &self.lanes).finish()
    }
}

/// A benchmark's `main`: its groups one after the other, as criterion's report or as a table. A
/// group is made when its turn comes, so that nothing of the others is about.
pub fn run(bench: &str, groups: &[fn() -> Group]) {
    if std::env::args().any(|argument| argument == "--json") {
        let rows: Vec<Row> = groups.iter().flat_map(|group| table(group())).collect();
        println!("{}", to_json(&rows));
        return;
    }
    let mut criterion = Criterion::default().configure_from_args();
    for group in groups {
        let Group { name, lanes, .. } = group();
        let mut report = criterion.benchmark_group(format!("{bench}: {name}"));
        for Lane { name, mut work, .. } in lanes {
            report.bench_function(name, |bencher| bencher.iter_custom(&mut work));
        }
        report.finish();
    }
    criterion.final_summary();
}

/// The rows of a group: its goals, then its lanes.
#[must_use]
pub fn table(group: Group) -> Vec<Row> {
    let measured = measure(group.lanes, group.turns);
    let mut rows = (group.rows)(&measured);
    rows.extend(measured.rows());
    rows
}

/// What lanes took: ns each, turn by turn.
#[derive(Clone, Debug)]
pub struct Measured {
    names: Vec<&'static str>,
    /// By lane, by turn.
    took: Vec<Vec<f64>>,
}

/// Runs the lanes in turn, `turns` times.
#[must_use]
pub fn measure(mut lanes: Vec<Lane>, turns: usize) -> Measured {
    lanes.iter_mut().for_each(Lane::calibrate);
    let mut took = vec![Vec::with_capacity(turns); lanes.len()];
    for _ in 0..turns {
        for (lane, took) in lanes.iter_mut().zip(&mut took) {
            took.push(lane.turn());
        }
    }
    Measured { names: lanes.iter().map(|lane| lane.name).collect(), took }
}

impl Measured {
    /// The median of a lane, in ns.
    #[must_use]
    pub fn nanos(&self, lane: &str) -> f64 {
        median(self.of(lane).to_vec())
    }

    /// The median over the turns of how many times as long one lane took as another.
    #[must_use]
    pub fn ratio(&self, lane: &str, beside: &str) -> f64 {
        let pairs = self.of(lane).iter().zip(self.of(beside));
        median(pairs.map(|(lane, beside)| lane / beside).collect())
    }

    /// A row for every lane: what it took.
    pub fn rows(&self) -> impl Iterator<Item = Row> + '_ {
        self.names.iter().map(|name| Row {
            id: "lane",
            what: format!("{name}, ns"),
            value: self.nanos(name),
            bound: None,
        })
    }

    fn of(&self, lane: &str) -> &[f64] {
        let at = self.names.iter().position(|name| *name == lane);
        &self.took[at.expect("a lane that was measured")]
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_taken_turn_by_turn() {
        // The machine was half as fast in the second turn, for both.
        let took = vec![vec![10.0, 20.0, 10.0], vec![5.0, 10.0, 4.0]];
        let measured = Measured { names: vec!["a", "b"], took };
        assert_eq!(measured.ratio("a", "b"), 2.0);
        assert_eq!(measured.nanos("b"), 5.0);
    }
}
