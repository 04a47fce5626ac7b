//! The modules of a crate: which file is which, and which are compiled into tests alone.

use std::collections::{BTreeMap, BTreeSet};

use super::{Finding, source::Source};

/// A file of a crate and its place in the tree of modules; the crate's root has an empty path.
#[derive(Debug)]
pub(super) struct Module<'a> {
    pub(super) path: Vec<String>,
    pub(super) source: &'a Source,
    pub(super) test: bool,
}

/// A `mod` in a file.
struct Declaration {
    path: Vec<String>,
    test: bool,
}

/// Follows every `mod x;` from `lib.rs` of `folder`. A file that none leads to is a finding.
pub(super) fn walk<'a>(
    folder: &str,
    sources: &'a BTreeMap<&str, Source>,
    findings: &mut Vec<Finding>,
) -> Vec<Module<'a>> {
    let Some(root) = sources.get(format!("{folder}/lib.rs").as_str()) else {
        return Vec::new();
    };
    let mut modules = vec![Module { path: Vec::new(), source: root, test: false }];
    let mut next = 0;
    while let Some(parent) = modules.get(next) {
        let children: Vec<_> = declarations(parent)
            .into_iter()
            .filter_map(|child| {
                let file = format!("{folder}/{}.rs", child.path.join("/"));
                let source = sources.get(file.as_str())?;
                Some(Module { path: child.path, source, test: child.test })
            })
            .collect();
        modules.extend(children);
        next += 1;
    }
    let reached: BTreeSet<&str> =
        modules.iter().map(|module| module.source.path.as_str()).collect();
    let inside = sources.keys().filter(|path| path.starts_with(&format!("{folder}/")));
    for path in inside.filter(|path| !reached.contains(*path)) {
        findings.push(Finding::new(path, 1, "modules", "no `mod` leads to this file"));
    }
    modules
}

/// The `mod x;` of a module, also those inside its inline modules.
fn declarations(module: &Module<'_>) -> Vec<Declaration> {
    let source = module.source;
    let mut found = Vec::new();
    for index in 0..source.tokens.len() {
        if source.text_at(index) == "mod" && source.text_at(index + 2) == ";" {
            let mut path = module_at(module, index);
            path.push(source.text_at(index + 1).to_owned());
            found.push(Declaration { path, test: module.test || source.tokens[index].test });
        }
    }
    found
}

/// The path of the module in which a token stands, inline modules included.
pub(super) fn module_at(module: &Module<'_>, index: usize) -> Vec<String> {
    let source = module.source;
    let inline = (0..index).filter(|&start| {
        let open = start + 2;
        source.text_at(start) == "mod"
            && source.text_at(open) == "{"
            && (open..source.tokens[open].pair).contains(&index)
    });
    let names = inline.map(|start| source.text_at(start + 1).to_owned());
    module.path.iter().cloned().chain(names).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The findings of `rule` on a crate made of these files.
    pub(in super::super) fn findings(
        files: &[(&str, &str)],
        rule: impl Fn(&[Module<'_>], &mut Vec<Finding>),
    ) -> Vec<String> {
        let paths: Vec<String> = files.iter().map(|(path, _)| format!("src/{path}")).collect();
        let sources = paths.iter().zip(files).map(|(path, (_, text))| {
            (path.as_str(), Source::parse(path, text).expect("a snippet of Rust"))
        });
        let sources = sources.collect();
        let mut findings = Vec::new();
        let modules = walk("src", &sources, &mut findings);
        rule(&modules, &mut findings);
        findings.iter().map(Finding::to_string).collect()
    }

    #[test]
    fn every_file_has_its_path_and_tests_are_known() {
        let files = [
            ("lib.rs", "mod call; mod sync;"),
            ("call.rs", "mod plan; #[cfg(test)] mod naive;"),
            ("call/plan.rs", "#[cfg(test)] mod tests { mod deep; }"),
            ("call/plan/tests/deep.rs", ""),
            ("call/naive.rs", "mod more;"),
            ("call/naive/more.rs", ""),
            ("sync.rs", ""),
        ];
        let found = findings(&files, |modules, findings| {
            for module in modules {
                let path = module.path.join("::");
                findings.push(Finding::new(&path, usize::from(module.test), "", ""));
            }
        });
        assert_eq!(
            found,
            [
                ":0: : ",
                "call:0: : ",
                "sync:0: : ",
                "call::plan:0: : ",
                "call::naive:1: : ",
                "call::plan::tests::deep:1: : ",
                "call::naive::more:1: : ",
            ]
        );
    }

    #[test]
    fn a_file_that_is_not_compiled_is_a_finding() {
        let files = [("lib.rs", "mod call;"), ("call.rs", ""), ("old.rs", "")];
        let found = findings(&files, |_, _| {});
        assert_eq!(found, ["src/old.rs:1: modules: no `mod` leads to this file"]);
    }
}
