//! Measuring lanes side by side: all of them in one process, in turn, many times over, so that
//! whatever else the machine does falls on all alike. What is compared are ratios within a turn.

use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

/// How long one lane runs in one turn.
const TURN: Duration = Duration::from_micros(500);

/// Something to measure: does its thing as often as it is told.
pub struct Lane<'a> {
    name: &'static str,
    work: Box<dyn FnMut(u64) + 'a>,
    /// How often it does its thing in one turn.
    times: u64,
}

impl<'a> Lane<'a> {
    /// A lane whose `work` does its thing as often as the argument says.
    pub fn new(name: &'static str, work: impl FnMut(u64) + 'a) -> Self {
        Self { name, work: Box::new(work), times: 1 }
    }

    /// Its name and its work.
    #[must_use]
    pub fn into_parts(self) -> (&'static str, Box<dyn FnMut(u64) + 'a>) {
        (self.name, self.work)
    }

    /// Finds out how often fits a turn; warms it up.
    fn calibrate(&mut self) {
        loop {
            let started = Instant::now();
            (self.work)(self.times);
            let took = started.elapsed();
            if took * 2 > TURN {
                return;
            }
            self.times *= 2;
        }
    }

    /// ns each.
    fn turn(&mut self) -> f64 {
        let started = Instant::now();
        (self.work)(self.times);
        started.elapsed().as_secs_f64() * 1e9 / self.times as f64
    }
}

impl std::fmt::Debug for Lane<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Lane").field(&self.name).finish()
    }
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
pub fn measure(mut lanes: Vec<Lane<'_>>, turns: usize) -> Measured {
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

/// One figure, and what it may be at most.
#[derive(Clone, Debug)]
pub struct Row {
    /// The goal it belongs to.
    pub id: &'static str,
    /// What was measured.
    pub what: String,
    /// What it came to.
    pub value: f64,
    /// What it may be at most, if that is a goal.
    pub bound: Option<f64>,
}

impl Row {
    /// A ratio and its bound.
    #[must_use]
    pub fn goal(id: &'static str, what: &str, value: f64, bound: f64) -> Self {
        Self { id, what: what.to_owned(), value, bound: Some(bound) }
    }

    /// Whether the goal is met; there may be none.
    #[must_use]
    pub fn ok(&self) -> bool {
        self.bound.is_none_or(|bound| self.value <= bound)
    }
}

/// The rows as a JSON array, a row a line.
#[must_use]
pub fn to_json(rows: &[Row]) -> String {
    let mut json = String::from("[");
    for (index, row) in rows.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        let bound = row.bound.map_or("null".to_owned(), |bound| format!("{bound:.2}"));
        let Row { id, what, value, .. } = row;
        let ok = row.ok();
        write!(
            json,
            "{comma}\n  {{\"id\": {id:?}, \"what\": {what:?}, \"value\": {value:.3}, \"bound\": \
             {bound}, \"ok\": {ok}}}"
        )
        .expect("writing to a string does not fail");
    }
    json + "\n]"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_json() {
        let rows = [
            Row::goal("G1", "run beside \"a pair\"", 0.5, 0.8),
            Row { id: "lane", what: "nothing, ns".to_owned(), value: 1.0, bound: None },
            Row::goal("G2", "by key", 1.5, 1.0),
        ];
        let expected = r#"[
  {"id": "G1", "what": "run beside \"a pair\"", "value": 0.500, "bound": 0.80, "ok": true},
  {"id": "lane", "what": "nothing, ns", "value": 1.000, "bound": null, "ok": true},
  {"id": "G2", "what": "by key", "value": 1.500, "bound": 1.00, "ok": false}
]"#;
        assert_eq!(to_json(&rows), expected);
    }

    #[test]
    fn ratios_are_taken_turn_by_turn() {
        // The machine was half as fast in the second turn, for both.
        let took = vec![vec![10.0, 20.0, 10.0], vec![5.0, 10.0, 4.0]];
        let measured = Measured { names: vec!["a", "b"], took };
        assert_eq!(measured.ratio("a", "b"), 2.0);
        assert_eq!(measured.nanos("b"), 5.0);
    }
}
