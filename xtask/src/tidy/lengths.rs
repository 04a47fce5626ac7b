//! Files and functions stay short.

use super::{Finding, source::Source};

const FILE: usize = 400;
const FUNCTION: usize = 70;

const RULE: &str = "length";

/// Checks the length of a file without its tests, and of every function, tests among them.
pub(super) fn check(source: &Source, findings: &mut Vec<Finding>) {
    let lines = source.text.lines().count() - test_lines(source);
    if lines > FILE && !is_tests(&source.path) {
        let message = format!("{lines} lines without tests, more than {FILE}");
        findings.push(Finding::new(&source.path, FILE + 1, RULE, message));
    }
    for index in 0..source.tokens.len() {
        // `fn name`, not the type `fn(…)`.
        if source.text_at(index) != "fn" || !source.is_name(index + 1) {
            continue;
        }
        let line = source.tokens[index].line;
        let length = last_line(source, index) + 1 - line;
        if length > FUNCTION {
            let name = source.text_at(index + 1);
            let message = format!("`{name}` has {length} lines, more than {FUNCTION}");
            findings.push(Finding::new(&source.path, line, RULE, message));
        }
    }
}

/// Whether the whole file is tests: `tests.rs` of a room, or anything in a `tests` folder.
fn is_tests(path: &str) -> bool {
    path.trim_end_matches(".rs").split('/').any(|part| part == "tests")
}

/// How many lines test code covers.
fn test_lines(source: &Source) -> usize {
    let (mut lines, mut end) = (0, 0);
    for run in source.tokens.chunk_by(|a, b| a.test == b.test).filter(|run| run[0].test) {
        let first = run[0].line.max(end + 1);
        let last = run[run.len() - 1].line;
        lines += (last + 1).saturating_sub(first);
        end = end.max(last);
    }
    lines
}

/// The line of the body's closing brace, or of the semicolon where there is no body.
fn last_line(source: &Source, function: usize) -> usize {
    let mut index = function + 2;
    while let Some(token) = source.tokens.get(index) {
        match token.text.as_str() {
            "{" => return source.tokens[token.pair].line,
            ";" => return token.line,
            // The end of what it stands in: a fragment in a macro.
            _ if token.pair < index => break,
            _ => index = token.pair + 1,
        }
    }
    source.tokens[function].line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        let source = Source::parse(path, text).expect("a snippet of Rust");
        let mut findings = Vec::new();
        check(&source, &mut findings);
        findings.iter().map(Finding::to_string).collect()
    }

    /// A function of so many lines.
    fn function(lines: usize) -> String {
        format!("fn long(\n) {{\n{}}}\n", "// a line\n".repeat(lines - 3))
    }

    #[test]
    fn a_file_is_measured_without_its_tests() {
        let code = |lines: usize| "// a line\n".repeat(lines);
        let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", code(300));
        assert_eq!(found("a.rs", &code(400)), [""; 0]);
        assert_eq!(found("a.rs", &(code(400) + &tests)), [""; 0]);
        let message = "a.rs:401: length: 401 lines without tests, more than 400";
        assert_eq!(found("a.rs", &code(401)), [message]);
        assert_eq!(found("a.rs", &(code(401) + &tests)), [message]);
    }

    #[test]
    fn a_test_at_the_top_hides_nothing() {
        let text = format!("#[cfg(test)]\nuse x;\n{}", "// a line\n".repeat(401));
        assert_eq!(found("a.rs", &text).len(), 1);
    }

    #[test]
    fn files_of_tests_alone_may_be_long() {
        let text = "// a line\n".repeat(401);
        for path in ["core/src/call/tests.rs", "core/tests/stress.rs", "core/src/call/tests/x.rs"] {
            assert_eq!(found(path, &text), [""; 0], "{path}");
        }
        for path in ["core/src/contests.rs", "core/src/tests_of_time.rs"] {
            assert_eq!(found(path, &text).len(), 1, "{path}");
        }
    }

    #[test]
    fn a_function_has_at_most_70_lines_wherever_it_stands() {
        assert_eq!(found("a.rs", &function(70)), [""; 0]);
        let message = "a.rs:1: length: `long` has 71 lines, more than 70";
        assert_eq!(found("a.rs", &function(71)), [message]);
        for outside in ["impl X {", "#[cfg(test)] mod tests {", "macro_rules! m { () => {{"] {
            let end = "}".repeat(outside.matches('{').count());
            let text = format!("{outside} {} {end}", function(71));
            assert_eq!(found("a.rs", &text).len(), 1, "{outside}");
        }
    }

    #[test]
    fn signatures_and_function_types_have_no_body() {
        let far = "// a line\n".repeat(90);
        for text in [
            format!("trait X {{ fn a(&self) -> [u8; 3];\n{far} }}"),
            format!("struct X {{ run: fn(u8) -> u8,\n{far} }}"),
            format!("type X = fn();\n{far} struct Y {{}}"),
        ] {
            assert_eq!(found("a.rs", &text), [""; 0], "{text}");
        }
    }
}
