//! Every atomic operation says above it which ordering it has and why.

use super::{Finding, modules::Module, source::Source};

const ORDERINGS: &[&str] = &["Relaxed", "Acquire", "Release", "AcqRel", "SeqCst"];

/// How far above the operation its comment may end: room for a chain of calls.
const REACH: usize = 4;

const RULE: &str = "orderings";

/// Checks every operation with an `Ordering::…`, outside tests.
pub(super) fn check(modules: &[Module<'_>], findings: &mut Vec<Finding>) {
    for module in modules.iter().filter(|module| !module.test) {
        check_source(module.source, findings);
    }
}

fn check_source(source: &Source, findings: &mut Vec<Finding>) {
    let lines: Vec<&str> = source.text.lines().map(str::trim).collect();
    for operation in operations(source) {
        let (line, orderings) = (operation.line, operation.orderings.join(", "));
        if !is_explained(&lines, &operation) {
            let message = format!("no comment above that begins with its ordering ({orderings})");
            findings.push(Finding::new(&source.path, line, RULE, message));
        }
    }
    for index in 0..source.tokens.len() {
        let hidden = source.starts_with(index, &["Ordering", ":", ":"])
            && matches!(source.text_at(index + 3), "*" | "{");
        if hidden && !source.tokens[index].test {
            let message = "import `Ordering`, so that every operation shows its ordering in full";
            findings.push(Finding::new(&source.path, source.tokens[index].line, RULE, message));
        }
    }
}

/// A call with orderings among its arguments, or an ordering that stands alone.
struct Operation<'a> {
    line: usize,
    orderings: Vec<&'a str>,
}

fn operations(source: &Source) -> Vec<Operation<'_>> {
    let mut operations = Vec::new();
    let mut call = None;
    for (index, token) in source.tokens.iter().enumerate() {
        let ordering = source.text_at(index + 3);
        let named = source.starts_with(index, &["Ordering", ":", ":"]);
        if token.test || !named || !ORDERINGS.contains(&ordering) {
            continue;
        }
        let open = arguments_around(source, index);
        match operations.last_mut() {
            Some(Operation { orderings, .. }) if open.is_some() && open == call => {
                orderings.push(ordering);
            }
            _ => {
                let line = open.map_or(token.line, |open| source.tokens[open - 1].line);
                operations.push(Operation { line, orderings: vec![ordering] });
            }
        }
        call = open;
    }
    operations
}

/// Where the argument list opens that has the token at `index` directly in it.
fn arguments_around(source: &Source, index: usize) -> Option<usize> {
    let around = |&open: &usize| source.tokens[open].pair > index;
    let open = (1..index).rev().find(around)?;
    (source.text_at(open) == "(" && source.is_name(open - 1)).then_some(open)
}

/// Whether a comment that begins with an ordering, and names one of the operation's, ends on the
/// operation's line or not far above it.
fn is_explained(lines: &[&str], operation: &Operation<'_>) -> bool {
    if lines[operation.line - 1].split_once("// ").is_some_and(|(_, text)| begins(text)) {
        return true;
    }
    let above = &lines[..operation.line - 1];
    let near = above.iter().rev().take(REACH).position(|line| line.starts_with("//"));
    let Some(distance) = near else { return false };
    let end = above.len() - distance;
    let start =
        above[..end].iter().rposition(|line| !line.starts_with("//")).map_or(0, |at| at + 1);
    let comment = &above[start..end];
    let text = |line: &&str| line.trim_start_matches('/').trim().to_owned();
    let Some(first) = comment.iter().position(|line| begins(&text(line))) else { return false };
    let text = comment[first..].iter().map(text).collect::<Vec<_>>().join(" ");
    text.starts_with("Orderings") || operation.orderings.iter().any(|name| names(&text, name))
}

/// Whether a comment names an ordering; `AcqRel` may be told as its two halves.
fn names(text: &str, ordering: &str) -> bool {
    let halves = ordering == "AcqRel";
    words(text).any(|word| word == ordering || halves && matches!(word, "Acquire" | "Release"))
}

/// Whether a comment begins with the name of an ordering, or speaks of several.
fn begins(text: &str) -> bool {
    words(text).next().is_some_and(|word| word == "Orderings" || ORDERINGS.contains(&word))
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        let source = Source::parse("a.rs", text).expect("a snippet of Rust");
        let mut findings = Vec::new();
        check_source(&source, &mut findings);
        findings.iter().map(Finding::to_string).collect()
    }

    #[test]
    fn an_operation_with_its_ordering_above_is_fine() {
        for text in [
            "fn f() {\n// Release: what happened happens-before …\nx.store(1, Ordering::Release);\n}",
            "fn f() {\n// Relaxed: a number.\n// Nothing more.\nlet y = self\n.x\n.load(Ordering::Relaxed);\n}",
            "fn f() {\n// What it is for.\n// AcqRel: because.\nx.swap(1, Ordering::AcqRel);\n}",
            "fn f() {\n// AcqRel, then Acquire: because.\nx.compare_exchange(\na,\nb,\nOrdering::AcqRel,\n\nOrdering::Acquire,\n);\n}",
            "fn f() {\n// Orderings: see the top.\nx.compare_exchange(a, b, Ordering::AcqRel, Ordering::Acquire);\n}",
            "fn f() {\n// Release: one half. Acquire: the other.\nx.swap(1, Ordering::AcqRel);\n}",
            "fn f() {\n// SeqCst: because.\nfence(Ordering::SeqCst);\n}",
            "fn f() {\nx.load(Ordering::Relaxed); // Relaxed: a number.\n}",
            "fn f() {\na.cmp(&b) == Ordering::Less;\n}",
            "#[cfg(test)]\nmod tests { fn f() { x.load(Ordering::Relaxed); } }",
        ] {
            assert_eq!(found(text), [""; 0], "{text}");
        }
    }

    #[test]
    fn an_operation_without_is_not() {
        for text in [
            "fn f() {\nx.store(1, Ordering::Release);\n}",
            "fn f() {\n// Stores it.\nx.store(1, Ordering::Release);\n}",
            "fn f() {\n// Stores it with Release.\nx.store(1, Ordering::Release);\n}",
            "fn f() {\n\"// Release\";\nx.store(1, Ordering::Release);\n}",
            "fn f() {\n// Release: far.\na;\nb;\nc;\nd;\nx.store(1, Ordering::Release);\n}",
            "fn f() {\n// Release: the next.\nx.store(1, Ordering::Relaxed);\n}",
            "fn f() {\n// AcqRel: the next.\nx.store(1, Ordering::Release);\n}",
            "fn f() {\n// Relaxed: a.\nx.load(Ordering::Relaxed);\n// And this?\ny.load(Ordering::Relaxed);\n}",
            "fn f() {\nx.load(Ordering::Relaxed); // A number.\n}",
            "use atomic::Ordering::{Acquire, Release};",
            "use atomic::Ordering::*;",
        ] {
            assert_eq!(found(text).len(), 1, "{text}");
        }
    }

    #[test]
    fn the_finding_stands_where_the_call_does() {
        let text =
            "fn f() {\nx.compare_exchange(\na,\nb,\nOrdering::AcqRel,\nOrdering::Acquire,\n);\n}";
        let message = "no comment above that begins with its ordering (AcqRel, Acquire)";
        assert_eq!(found(text), [format!("a.rs:2: orderings: {message}")]);
    }
}
