//! `bench boundary`: what it costs to come from C and from Go, beside Rust and beside what Go has.
//!
//! Two programs, each of which compares within one run: `benches/boundary.rs` (G11) and the goals of
//! `bindings/go/bench` (G12). Both print rows alike, a line each.

use crate::{
    go,
    shell::{Failure, Root},
};

/// What a line of JSON has to begin with to be a row.
const ROW: &str = "{\"id\":";

pub(crate) fn run(root: &Root, json: bool) -> Result<(), Failure> {
    // What is installed, and what Go links.
    let library = ["build", "-q", "--release", "-p", "rego-ffi", "--target-dir", "target"];
    root.cargo(&library).quietly(json).go()?;
    let soname = format!("target/release/librego.so.{}", crate::install::SOVERSION);
    root.program("ln", &["-sf", "librego.so", &soname]).quietly(json).go()?;
    let c = ["bench", "-q", "-p", "rego-benches", "--bench", "boundary"];
    if !json {
        // Go is measured also where C has missed its goal.
        let c = root.cargo(&c).go();
        return in_go(root, false).and(c);
    }
    let mut rows = rows(&root.cargo(&[&c[..], &["--", "--json"]].concat()).capture()?);
    rows.extend(in_go(root, true)?);
    println!("[\n  {}\n]", rows.join(",\n  "));
    Ok(())
}

/// The rows of Go; without Go a notice, which in CI is a failure.
fn in_go(root: &Root, json: bool) -> Result<Vec<String>, Failure> {
    if let Some(why) = go::missing(root) {
        let why = format!("G12 is not measured: {why}");
        if std::env::var("CI").is_ok_and(|ci| ci == "true") {
            return Err(Failure::Failed(why));
        }
        eprintln!("SKIPPED: {why}");
        return Ok(Vec::new());
    }
    let test = ["test", "-count=1", "-run", "^TestGoals$", "-goals", "-v"];
    let test = match json {
        true => [&test[..], &["-json-rows"]].concat(),
        false => test.to_vec(),
    };
    let run = root.program("go", &test).folder(&root.join("bindings/go/bench"));
    if !json {
        return run.go().map(|()| Vec::new());
    }
    Ok(rows(&run.capture()?))
}

/// The rows among what a program printed.
fn rows(printed: &str) -> Vec<String> {
    let lines = printed.lines().map(|line| line.trim().trim_end_matches(','));
    lines.filter(|line| line.starts_with(ROW)).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_found_in_an_array_and_in_a_test_report() {
        let row = r#"{"id": "G11", "what": "it", "value": 1.0, "bound": 2.0, "ok": true}"#;
        assert_eq!(rows(&format!("[\n  {row},\n  {row}\n]\n")), [row, row]);
        assert_eq!(rows(&format!("=== RUN TestGoals\n{row}\n--- PASS: TestGoals\nok\n")), [row]);
        assert!(rows("[\n]").is_empty());
    }
}
