//! Which paths of the crate a module names.

use super::modules::{Module, module_at};

/// A path from the crate's root, and where it stands.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Import {
    pub(super) path: Vec<String>,
    pub(super) line: usize,
}

/// Every path through `crate`, `self` or `super` outside tests: in `use`, in code, in macros.
pub(super) fn of(module: &Module<'_>) -> Vec<Import> {
    let mut imports = Vec::new();
    let mut index = 0;
    while index < module.source.tokens.len() {
        let starts = matches!(module.source.text_at(index), "crate" | "self" | "super")
            && module.source.starts_with(index + 1, &[":", ":"])
            && !(index > 0 && module.source.text_at(index - 1) == ":");
        if !starts || module.test || module.source.tokens[index].test {
            index += 1;
            continue;
        }
        let here = module_at(module, index);
        index = collect(module, index, &here, &mut imports);
    }
    imports
}

/// Reads a path, or a tree of paths, that starts at `index` in the module `base`; answers where it
/// ends.
fn collect(
    module: &Module<'_>,
    mut index: usize,
    base: &[String],
    imports: &mut Vec<Import>,
) -> usize {
    let source = module.source;
    let mut path = base.to_vec();
    loop {
        match source.text_at(index) {
            "crate" => path.clear(),
            "super" => drop(path.pop()),
            "self" => {}
            name => path.push(name.to_owned()),
        }
        if !source.starts_with(index + 1, &[":", ":"]) {
            break;
        }
        let next = index + 3;
        if source.text_at(next) == "{" {
            let close = source.tokens[next].pair;
            let mut branch = next + 1;
            while branch < close {
                branch = collect(module, branch, &path, imports);
                while branch < close && source.text_at(branch) != "," {
                    branch += 1;
                }
                branch += 1;
            }
            return close + 1;
        }
        // `path::<T>` ends the path.
        if !source.is_name(next) && source.text_at(next) != "*" {
            break;
        }
        index = next;
    }
    imports.push(Import { path, line: source.tokens[index].line });
    index + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::{Finding, modules::tests::findings};

    /// What `clock::manual` imports when this is its source.
    fn imports(text: &str) -> Vec<String> {
        let files =
            [("lib.rs", "mod clock;"), ("clock.rs", "mod manual;"), ("clock/manual.rs", text)];
        let lines = findings(&files, |modules, findings| {
            for import in of(&modules[2]) {
                findings.push(Finding::new(&import.path.join("::"), import.line, "", ""));
            }
        });
        lines.iter().map(|line| line.trim_end_matches([':', ' ']).to_owned()).collect()
    }

    #[test]
    fn trees_are_followed_to_their_leaves() {
        let text = "use crate::{\n    budget::{Budget as B, self},\n    sync::*,\n};";
        assert_eq!(imports(text), ["budget::Budget:2", "budget:2", "sync::*:3"]);
    }

    #[test]
    fn super_and_self_are_resolved_from_where_they_stand() {
        assert_eq!(imports("use super::Nanos;"), ["clock::Nanos:1"]);
        assert_eq!(imports("use super::super::site;"), ["site:1"]);
        assert_eq!(imports("use super::{super::site, Nanos};"), ["site:1", "clock::Nanos:1"]);
        assert_eq!(imports("use self::x::y;"), ["clock::manual::x::y:1"]);
        assert_eq!(imports("mod imp { use super::super::Nanos; }"), ["clock::Nanos:1"]);
        assert_eq!(imports("mod imp { use super::super::super::site; }"), ["site:1"]);
    }

    #[test]
    fn paths_in_code_and_in_macros_count() {
        assert_eq!(imports("fn f() { crate::site::Site::new::<u8>() }"), ["site::Site::new:1"]);
        assert_eq!(imports("fn f(x: &crate::site::Site<u8>) {}"), ["site::Site:1"]);
        assert_eq!(imports("fn f() { crate::site::of::<crate::key::Key>() }").len(), 2);
        assert_eq!(imports("macro_rules! m { () => { $crate::key::X } }"), ["key::X:1"]);
        assert_eq!(imports("fn f() { assert!(x == super::super::key::X) }"), ["key::X:1"]);
    }

    #[test]
    fn comments_strings_visibilities_and_tests_do_not() {
        for text in [
            "// use crate::site;\n/// [`crate::site`]\nfn f() { \"crate::site\"; }",
            "pub(crate) fn f() {} pub(super) fn g(&self) { self.x }",
            "#[cfg(test)] mod tests { use crate::engine::Engine; use super::super::*; }",
        ] {
            assert_eq!(imports(text), [""; 0], "{text}");
        }
    }
}
