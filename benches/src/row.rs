//! What a table is made of.

use std::fmt::Write as _;

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

/// # Errors
///
/// Names the goals that are missed.
pub fn met(rows: &[Row]) -> Result<(), String> {
    let missed = rows.iter().filter(|row| !row.ok());
    let missed: Vec<String> = missed.map(|row| format!("{}: {}", row.id, row.what)).collect();
    if missed.is_empty() { Ok(()) } else { Err(format!("missed: {}", missed.join("; "))) }
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
    fn a_goal_that_is_missed_is_named() {
        let met_row = Row::goal("G1", "run beside a pair", 0.8, 0.8);
        let lane = Row { id: "lane", what: "nothing, ns".to_owned(), value: 9.0, bound: None };
        assert_eq!(met(&[met_row.clone(), lane.clone()]), Ok(()));
        let missed = Row::goal("G2", "by key", 1.5, 1.0);
        assert_eq!(met(&[met_row, missed, lane]), Err("missed: G2: by key".to_owned()));
    }
}
