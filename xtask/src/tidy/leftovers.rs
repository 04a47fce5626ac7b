//! What must not be left behind: notes to oneself, tests that are off, paths of one machine.

use super::{Finding, source::Source};

/// Notes to oneself, spelt so that this file is in order.
const NOTES: &[&str] = &[concat!("FIX", "ME"), concat!("XX", "X"), concat!("TO", "DO")];
/// Code that is not there.
const HOLES: &[&str] = &[concat!("to", "do!("), concat!("unimple", "mented!(")];
/// The beginnings of paths that exist on one machine alone.
const PLACES: &[&str] = &["home", "root", "work", "Users"];

const CODE: &[&str] = &[".rs", ".go", ".c", ".h", ".cpp", ".hpp"];

/// Checks any file of text.
pub(super) fn check_text(path: &str, text: &str, findings: &mut Vec<Finding>) {
    let code = CODE.iter().any(|extension| path.ends_with(extension));
    for (line, text) in (1..).zip(text.lines()) {
        if code {
            let note = NOTES.iter().find(|note| has_word(text, note));
            let hole = HOLES.iter().find(|hole| text.contains(**hole));
            for left in note.into_iter().chain(hole) {
                let left = left.trim_end_matches('(');
                findings.push(Finding::new(path, line, "left-over", format!("`{left}`")));
            }
        }
        // Lock files are written by machines and name sources, not places.
        if !path.ends_with(".lock") && has_place(text) {
            let message = "an absolute path of one machine";
            findings.push(Finding::new(path, line, "machine-path", message));
        }
    }
}

/// Checks that a test which does not run says why.
pub(super) fn check_ignored(source: &Source, findings: &mut Vec<Finding>) {
    for index in 0..source.tokens.len() {
        if !source.starts_with(index, &["#", "["]) {
            continue;
        }
        let attribute = index + 2..source.tokens[index + 1].pair;
        let may = matches!(source.text_at(attribute.start), "ignore" | "cfg_attr");
        let bare = attribute
            .clone()
            .find(|&at| source.text_at(at) == "ignore" && source.text_at(at + 1) != "=" && may);
        if let Some(at) = bare {
            let message = "a test that does not run needs a reason: `#[ignore = \"…\"]`";
            findings.push(Finding::new(&source.path, source.tokens[at].line, "ignored", message));
        }
    }
}

fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        ![before, after].into_iter().flatten().any(is_word)
    })
}

/// Whether a line has an absolute path into somebody's folders or the one for temporary files.
fn has_place(line: &str) -> bool {
    line.match_indices('/').any(|(at, _)| {
        let before = line[..at].chars().next_back();
        if before.is_some_and(|c| is_word(c) || ".~-)}*>".contains(c)) {
            return false;
        }
        let Some((folder, rest)) = line[at + 1..].split_once('/') else { return false };
        let named = rest.starts_with(|c: char| c.is_ascii_alphanumeric());
        PLACES.contains(&folder) || (folder == "tmp" && named)
    })
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        let mut findings = Vec::new();
        check_text(path, text, &mut findings);
        if path.ends_with(".rs") {
            let source = Source::parse(path, text).expect("a snippet of Rust");
            check_ignored(&source, &mut findings);
        }
        findings.iter().map(Finding::to_string).collect()
    }

    #[test]
    fn notes_and_holes_are_found_in_every_language() {
        for word in NOTES {
            for path in ["a.rs", "a.go", "a.c", "a.h", "a.cpp", "a.hpp"] {
                let text = format!("\n// {word}: later\n");
                assert_eq!(found(path, &text), [format!("{path}:2: left-over: `{word}`")]);
            }
            assert_eq!(found("a.md", word), [""; 0]);
            assert_eq!(found("a.c", &format!("// mk{word}X")), [""; 0]);
        }
        for hole in HOLES {
            assert_eq!(found("a.rs", &format!("fn f() {{ {hole}) }}")).len(), 1, "{hole}");
        }
        assert_eq!(found("a.rs", "fn to_do() { done() } // nothing to do!"), [""; 0]);
    }

    #[test]
    fn a_test_that_is_off_needs_a_reason() {
        let message = "a test that does not run needs a reason: `#[ignore = \"…\"]`";
        let expected = [format!("a.rs:2: ignored: {message}")];
        assert_eq!(found("a.rs", "#[test]\n#[ignore]\nfn f() {}"), expected);
        assert_eq!(found("a.rs", "#[test]\n#[cfg_attr(miri, ignore)]\nfn f() {}"), expected);
        for fine in [
            "#[test] #[ignore = \"needs a GPU\"] fn f() {}",
            "#[cfg_attr(miri, ignore = \"slow\")] fn f() {}",
            "#[rustfmt::skip] fn ignore() {}",
            "// #[ignore]\n",
        ] {
            assert_eq!(found("a.rs", fine), [""; 0], "{fine}");
        }
    }

    #[test]
    fn paths_of_one_machine_are_found_in_every_file() {
        for place in PLACES {
            for text in [format!("cd /{place}/x"), format!("\"/{place}/\""), format!("//{place}/x")]
            {
                let message = "a.md:1: machine-path: an absolute path of one machine";
                assert_eq!(found("a.md", &text), [message], "{text}");
            }
            for text in
                [format!("docs/{place}/x"), format!("./{place}/x"), format!("${{HOME}}/{place}/x")]
            {
                assert_eq!(found("a.md", &text), [""; 0], "{text}");
            }
            assert_eq!(found("Cargo.lock", &format!("/{place}/x")), [""; 0]);
        }
        assert_eq!(found("a.sh", concat!("/t", "mp/x")).len(), 1);
        assert_eq!(found("a.sh", concat!("/t", "mp/ is the folder")), [""; 0]);
        assert_eq!(found("a.md", "/usr/bin/env, GET /working/x"), [""; 0]);
    }
}
