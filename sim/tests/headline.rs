//! The headline studies in short: they run, they find what they say, and their twins show that the
//! goals can be missed.
#![expect(clippy::unwrap_used, reason = "a test says what it expects")]

use rego_sim::study::{Effort, Findings, STUDIES};

/// A judgement takes ten seeds in full: `cargo xtask headline`.
const SHORT: Effort = Effort { seeds: 2, first_seed: 100, length: 0.1 };

fn find(id: &str) -> Findings {
    let study = STUDIES.iter().find(|study| study.id == id).unwrap();
    let findings = (study.run)(&SHORT).unwrap();
    assert!(!findings.rows.is_empty());
    findings
}

#[test]
fn there_are_eleven_studies() {
    let ids: Vec<_> = STUDIES.iter().map(|study| study.id).collect();
    assert_eq!(ids, ["H1", "H2", "H3", "H4", "H5", "H6", "H7", "H8", "H9", "H10", "H14"]);
}

#[test]
fn hedges_are_delivered_as_configured_and_a_twins_are_not() {
    for row in find("H2").rows {
        assert!(row.value < 0.25, "{row:?}");
    }
    let mut row = find("H3").rows.remove(0);
    assert!(row.ok() || row.value < 0.012, "{row:?}");
    row.value = row.twin.unwrap();
    assert!(!row.ok(), "what the twin does misses the goal");
}

#[test]
fn a_load_is_kept_and_shortens_the_tail() {
    for id in ["H4", "H5"] {
        let findings = find(id);
        for row in findings.rows.iter().filter(|row| row.what.contains("hedges per call")) {
            assert!(row.value <= 1.05 * row.bound, "{row:?}");
        }
        for row in findings.rows.iter().filter(|row| row.what.contains("how much shorter")) {
            assert!(row.value > 0.15, "{row:?}");
        }
    }
}

#[test]
fn storms_and_published_figures_are_reproduced() {
    for id in ["H7", "H9", "H10"] {
        for row in find(id).rows {
            // Two seeds: twice the goal's room.
            assert!(row.ok() || row.value <= 2.0 * row.bound, "{id}: {row:?}");
        }
    }
    for row in find("H7").rows {
        assert!(row.twin.unwrap() > row.bound, "without a budget the goal is missed: {row:?}");
    }
}
