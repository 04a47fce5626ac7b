//! How many tests passed, failed and were skipped, read from what the runners print.

use std::{fmt, ops::AddAssign};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) passed: u64,
    pub(super) failed: u64,
    pub(super) skipped: u64,
}

impl Tally {
    /// What one line of cargo's output adds: only libtest's closing lines count.
    pub(super) fn of_cargo(line: &str) -> Self {
        let mut tally = Self::default();
        let counts = line.strip_prefix("test result: ").and_then(|rest| rest.split_once(". "));
        let Some((_, counts)) = counts else { return tally };
        for count in counts.split(';') {
            let Some((number, what)) = count.trim().split_once(' ') else { continue };
            let Ok(number) = number.parse::<u64>() else { continue };
            match what {
                "passed" => tally.passed += number,
                "failed" => tally.failed += number,
                "ignored" => tally.skipped += number,
                _ => {}
            }
        }
        tally
    }

    /// What one line of `go test -v` adds: sub-tests, which are indented, belong to their test.
    pub(super) fn of_go(line: &str) -> Self {
        let is = |what: &str| u64::from(line.starts_with(what));
        Self { passed: is("--- PASS: "), failed: is("--- FAIL: "), skipped: is("--- SKIP: ") }
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargos_closing_lines_are_counted_and_nothing_else() {
        let ok = "test result: ok. 12 passed; 0 failed; 2 ignored; 0 measured; 3 filtered out; \
                  finished in 0.01s";
        assert_eq!(Tally::of_cargo(ok), Tally { passed: 12, failed: 0, skipped: 2 });
        let bad = "test result: FAILED. 1 passed; 4 failed; 0 ignored; 0 measured; 0 filtered out";
        assert_eq!(Tally::of_cargo(bad), Tally { passed: 1, failed: 4, skipped: 0 });
        for other in ["running 3 tests", "test a ... ok", "error: test failed", "", "3 passed"] {
            assert_eq!(Tally::of_cargo(other), Tally::default(), "{other}");
        }
    }

    #[test]
    fn gos_tests_are_counted_without_their_sub_tests() {
        let lines = "=== RUN   TestA\n--- PASS: TestA (0.00s)\n    --- PASS: TestA/x (0.00s)\n\
                     --- SKIP: TestB (0.00s)\n--- FAIL: TestC (0.00s)\nFAIL\nok  \trego\t0.1s";
        let mut tally = Tally::default();
        for line in lines.lines() {
            tally += Tally::of_go(line);
        }
        assert_eq!(tally, Tally { passed: 1, failed: 1, skipped: 1 });
    }

    #[test]
    fn the_closing_line_is_plain() {
        let tally = Tally { passed: 3, failed: 0, skipped: 1 };
        assert_eq!(tally.to_string(), "3 passed, 0 failed, 1 skipped");
    }
}
