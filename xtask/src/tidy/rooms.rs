//! The rooms of the engine: the table of `docs/ARCHITECTURE.md`, and who may import whom.

use std::collections::BTreeSet;

use super::{
    Files, Finding, imports,
    modules::{Module, module_at},
};

/// A room: a module of the engine, or one below it.
struct Room {
    floor: u8,
    name: &'static str,
    /// What it may import on its own floor. Lower floors it may import all.
    beside: &'static [&'static str],
}

const fn room(floor: u8, name: &'static str, beside: &'static [&'static str]) -> Room {
    Room { floor, name, beside }
}

const WORDS: &[&str] = &["key", "completion", "outcome", "verdict", "curve", "listener"];

const ROOMS: &[Room] = &[
    // Doors.
    room(0, "sync", &[]),
    room(0, "clock", &["sync"]),
    // Words.
    room(1, "key", &[]),
    room(1, "completion", &[]),
    room(1, "outcome", &["completion"]),
    room(1, "verdict", &["outcome"]),
    room(1, "notes", WORDS),
    room(1, "curve", &[]),
    room(1, "listener", &["notes", "verdict"]),
    // Rules, pure.
    room(2, "policy", &[]),
    room(2, "backoff", &["policy"]),
    room(2, "hedge", &["policy"]),
    room(2, "classify", &["policy"]),
    // Shared, lock-free.
    room(3, "budget", &[]),
    room(3, "latency", &[]),
    room(3, "timer", &["slab"]),
    room(3, "slab", &[]),
    room(3, "flight", &["slab"]),
    room(3, "site", &["budget", "latency"]),
    room(3, "registry", &["site"]),
    // The heart.
    room(4, "call", &[]),
    // Hands. `drive` itself is what the drivers have in common; they do not know each other.
    room(5, "drive", &["drive/inline", "drive/pool", "drive/manual"]),
    room(5, "drive/inline", &["drive"]),
    room(5, "drive/pool", &["drive"]),
    room(5, "drive/manual", &["drive"]),
    // The edge.
    room(6, "observe", &[]),
    room(6, "control", &[]),
    room(6, "engine", &["observe", "control"]),
    // Above it: what users test with, what hosts drive by, and the model checker's way in.
    room(7, "testing", &[]),
    room(7, "manual", &[]),
    room(7, "rooms", &[]),
];

/// Rooms that many threads write to: each has its models.
const MODELLED: &[&str] = &[
    "budget", "latency", "registry", "flight", "timer", "slab", "site", "cancel", "ring", "pool",
    "manual",
];

const RULE: &str = "rooms";

/// Checks that every module is a room and imports what its row allows.
pub(super) fn check(modules: &[Module<'_>], findings: &mut Vec<Finding>) {
    for module in modules {
        if module.path.is_empty() {
            check_declared(module, findings);
            continue;
        }
        // A room that is not in the table is reported where it is declared.
        let Some(room) = room_of(&module.path) else { continue };
        for import in imports::of(module) {
            if let Some(message) = forbidden(room, &import.path) {
                findings.push(Finding::new(&module.source.path, import.line, RULE, message));
            }
        }
    }
}

/// Every modelled room has its file in `loom-tests/tests`, once that folder exists.
pub(super) fn check_models(files: &Files, findings: &mut Vec<Finding>) {
    let folder = "loom-tests/tests/";
    if !files.keys().any(|path| path.starts_with(folder)) {
        return;
    }
    for room in MODELLED {
        let path = format!("{folder}{room}.rs");
        if !files.contains_key(&path) {
            let message = format!("the room `{room}` is shared and has no model");
            findings.push(Finding::new(&path, 1, "models", message));
        }
    }
}

/// Every module that the crate's root declares is a room.
fn check_declared(root: &Module<'_>, findings: &mut Vec<Finding>) {
    let source = root.source;
    let declared = (0..source.tokens.len()).filter(|&index| {
        source.text_at(index) == "mod"
            && matches!(source.text_at(index + 2), ";" | "{")
            && !source.tokens[index].test
            && module_at(root, index).is_empty()
    });
    let mut seen = BTreeSet::new();
    for index in declared {
        let name = source.text_at(index + 1);
        if room_of(&[name.to_owned()]).is_none() && seen.insert(name) {
            let message =
                format!("the room `{name}` is not in the table of xtask/src/tidy/rooms.rs");
            findings.push(Finding::new(&source.path, source.tokens[index].line, RULE, message));
        }
    }
}

/// Why `room` may not import `path`, if it may not.
fn forbidden(room: &Room, path: &[String]) -> Option<String> {
    let Some(other) = room_of(path) else {
        let name = path.first().map_or("itself", String::as_str);
        return Some(format!("`crate::{name}` is no room: import from the room that owns it"));
    };
    if other.name == room.name || other.floor < room.floor || room.beside.contains(&other.name) {
        return None;
    }
    let (from, to) = (room.floor, other.floor);
    Some(format!("{} (floor {from}) may not import {} (floor {to})", room.name, other.name))
}

/// The room a path leads to: the longest name in the table that the path begins with.
fn room_of(path: &[String]) -> Option<&'static Room> {
    let begins = |name: &str| name.split('/').zip(path).filter(|(a, b)| a == b).count();
    let rooms = ROOMS.iter().filter(|room| begins(room.name) == room.name.split('/').count());
    rooms.max_by_key(|room| room.name.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::modules::tests::findings;

    /// The findings when `file` of the engine has this source.
    fn check_one(file: &str, text: &str) -> Vec<String> {
        let name = file.trim_end_matches(".rs");
        let (root, parent) = match name.split_once('/') {
            Some((parent, child)) => (format!("mod {parent};"), format!("mod {child};")),
            None => (format!("mod {name};"), String::new()),
        };
        let parent_file = format!("{}.rs", name.split('/').next().unwrap_or_default());
        let mut files = vec![("lib.rs", root.as_str()), (file, text)];
        if !parent.is_empty() {
            files.push((&parent_file, &parent));
        }
        findings(&files, check)
    }

    #[test]
    fn lower_floors_and_the_rows_own_neighbours_are_allowed() {
        for (file, text) in [
            ("clock.rs", "use crate::sync::Arc;"),
            ("notes.rs", "use crate::{key::Key, listener::Listener, curve::Curve};"),
            ("site.rs", "use crate::{budget::Budget, latency::Latency, policy::Policy};"),
            ("call.rs", "use super::{site::Site, clock::Nanos}; fn f() { crate::call::g() }"),
            ("drive/pool.rs", "use super::Executor; use crate::call::Call;"),
            ("drive.rs", "pub use self::pool::Pool; pub use crate::drive::inline::Inline;"),
            ("engine.rs", "use crate::{control::Control, drive::pool::Pool, observe::Ring};"),
            ("testing.rs", "use crate::{engine::Engine, call::Call};"),
            ("sync/cell.rs", "use super::Arc;"),
        ] {
            assert_eq!(check_one(file, text), [""; 0], "{file}: {text}");
        }
    }

    #[test]
    fn higher_floors_and_other_neighbours_are_not() {
        for (file, text, message) in [
            ("call.rs", "use crate::drive::Step;", "call (floor 4) may not import drive (floor 5)"),
            (
                "site.rs",
                "fn f() { crate::observe::tell() }",
                "site (floor 3) may not import observe (floor 6)",
            ),
            ("sync.rs", "use super::clock;", "sync (floor 0) may not import clock (floor 0)"),
            (
                "latency/bucket.rs",
                "use super::super::budget;",
                "latency (floor 3) may not import budget (floor 3)",
            ),
            (
                "drive/pool.rs",
                "use super::inline::run;",
                "drive/pool (floor 5) may not import drive/inline (floor 5)",
            ),
            (
                "engine.rs",
                "use crate::testing::Script;",
                "engine (floor 6) may not import testing (floor 7)",
            ),
        ] {
            let expected = format!("src/{file}:1: rooms: {message}");
            assert_eq!(check_one(file, text), [expected], "{text}");
        }
    }

    #[test]
    fn the_roots_re_exports_are_no_way_round() {
        for text in ["use crate::Engine;", "use super::*;", "use crate::{Budget, self};"] {
            let found = check_one("budget.rs", text);
            assert!(!found.is_empty(), "{text}");
            assert!(found.iter().all(|line| line.contains("no room")), "{found:?}");
        }
    }

    #[test]
    fn tests_may_import_anything() {
        let text = "#[cfg(test)] mod tests { use crate::engine::Engine; }";
        assert_eq!(check_one("sync.rs", text), [""; 0]);
        let files = [
            ("lib.rs", "mod call; #[cfg(test)] mod helpers;"),
            ("call.rs", "#[cfg(test)] mod naive;"),
            ("call/naive.rs", "use crate::engine::Engine;"),
            ("helpers.rs", "use crate::Engine;"),
        ];
        assert_eq!(findings(&files, check), [""; 0]);
    }

    #[test]
    fn a_room_that_is_not_in_the_table_is_a_finding() {
        let files = [("lib.rs", "mod call;\nmod attic;"), ("call.rs", ""), ("attic.rs", "")];
        let message = "the room `attic` is not in the table of xtask/src/tidy/rooms.rs";
        assert_eq!(findings(&files, check), [format!("src/lib.rs:2: rooms: {message}")]);
        let inline = [("lib.rs", "mod attic { mod inner {} }")];
        assert_eq!(findings(&inline, check).len(), 1);
    }

    #[test]
    fn the_table_names_only_rooms_of_the_same_floor_and_each_once() {
        let floor = |name: &str| ROOMS.iter().find(|room| room.name == name).map(|room| room.floor);
        for room in ROOMS {
            assert_eq!(ROOMS.iter().filter(|other| other.name == room.name).count(), 1);
            for beside in room.beside {
                assert_eq!(floor(beside), Some(room.floor), "{} beside {beside}", room.name);
            }
        }
        // Those on no floor are parts of drivers and of the edge that are shared as well.
        let parts: Vec<_> = MODELLED.iter().filter(|name| floor(name) != Some(3)).collect();
        assert_eq!(parts, [&"cancel", &"ring", &"pool", &"manual"]);
    }

    #[test]
    fn every_shared_room_has_its_model_once_there_are_models() {
        let files = |names: &[&str]| -> Files {
            let path = |name: &&str| (format!("loom-tests/tests/{name}.rs"), String::new());
            names.iter().map(path).collect()
        };
        let count = |files: &Files| {
            let mut findings = Vec::new();
            check_models(files, &mut findings);
            findings.len()
        };
        assert_eq!(count(&files(&[])), 0);
        assert_eq!(count(&files(MODELLED)), 0);
        assert_eq!(count(&files(&MODELLED[1..])), 1);
        assert_eq!(count(&files(&["another"])), MODELLED.len());
    }
}
