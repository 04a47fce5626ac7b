//! Numbers that programs were compiled with: none changes, none goes; and one version everywhere.

use std::{collections::BTreeMap, fs};

const HEADER: &str = include_str!("../../include/rego.h");
const HPP: &str = include_str!("../../include/rego.hpp");
const CONSUMER: &str = include_str!("../../bindings/cpp/consumer/CMakeLists.txt");
const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/abi/constants.txt");

/// Every constant of a header with its value, as it is written there.
fn constants(header: &str) -> BTreeMap<&str, &str> {
    let enumerators = header.lines().filter_map(|line| {
        let (name, value) = line.trim().strip_suffix(',')?.split_once(" = ")?;
        name.starts_with("REGO_").then_some((name, value))
    });
    let macros = header.lines().filter_map(|line| {
        let (name, value) = line.strip_prefix("#define ")?.split_once(' ')?;
        let number =
            value.starts_with(|first: char| first.is_ascii_digit()) || value.starts_with("UINT");
        (name.starts_with("REGO_") && number && !name.starts_with("REGO_VERSION"))
            .then_some((name, value))
    });
    enumerators.chain(macros).collect()
}

/// What was there before and is not, or is something else.
fn broken<'a>(before: &'a str, now: &BTreeMap<&str, &str>) -> Vec<&'a str> {
    let changed = |line: &&str| {
        let Some((name, value)) = line.split_once(' ') else { return true };
        now.get(name) != Some(&value)
    };
    before.lines().filter(changed).collect()
}

#[test]
fn no_constant_changes_or_goes() {
    let now = constants(HEADER);
    let text: String = now.iter().map(|(name, value)| format!("{name} {value}\n")).collect();
    if std::env::var_os("REGO_BLESS").is_some() {
        fs::write(GOLDEN, &text).expect("the golden file can be written");
    }
    let before = fs::read_to_string(GOLDEN).unwrap_or_default();
    assert_eq!(broken(&before, &now), [""; 0], "programs were compiled with these");
    assert_eq!(before, text, "new constants: REGO_BLESS=1 cargo test -p rego-ffi --test golden");
    // The controls.
    let other = HEADER.replace("REGO_STATUS_STALE = -5,", "REGO_STATUS_STALE = -4,");
    assert_eq!(broken(&before, &constants(&other)), ["REGO_STATUS_STALE -5"]);
    let gone = HEADER.replace("  REGO_ACTION_CANCEL = 2,\n", "");
    assert_eq!(broken(&before, &constants(&gone)), ["REGO_ACTION_CANCEL 2"]);
}

/// Whether the number behind `before` is this one, and not only begins like it.
fn is(text: &str, before: &str, number: &str) -> bool {
    let Some((_, rest)) = text.split_once(before) else { return false };
    rest.split(|c: char| !c.is_ascii_digit()).next() == Some(number)
}

/// Where another version is written than the one of the source.
fn other_versions(header: &str, hpp: &str, consumer: &str) -> Vec<&'static str> {
    let [major, minor, patch] = [
        env!("CARGO_PKG_VERSION_MAJOR"),
        env!("CARGO_PKG_VERSION_MINOR"),
        env!("CARGO_PKG_VERSION_PATCH"),
    ];
    let defines = |part, value| is(header, &format!("#define REGO_VERSION_{part} "), value);
    let wants = |part, value| is(hpp, &format!("REGO_VERSION_{part} == "), value);
    let same = [
        ("rego.h: MAJOR", defines("MAJOR", major)),
        ("rego.h: MINOR", defines("MINOR", minor)),
        ("rego.h: PATCH", defines("PATCH", patch)),
        ("rego.hpp: MAJOR", wants("MAJOR", major)),
        ("rego.hpp: MINOR", wants("MINOR", minor)),
        ("the consumer", is(consumer, &format!("find_package(rego {major}."), minor)),
    ];
    same.into_iter().filter(|(_, same)| !same).map(|(what, _)| what).collect()
}

#[test]
fn there_is_one_version() {
    assert_eq!(other_versions(HEADER, HPP, CONSUMER), [""; 0]);
    assert!(HEADER.contains("#define REGO_ABI_VERSION 1\n"), "whoever changes it changes this");
    // The controls: the number behind each of these becomes another, which begins as it did.
    let other = |text: &str, before: &str| {
        let (start, rest) = text.split_once(before).expect("it was found above");
        let end = rest.find(|c: char| !c.is_ascii_digit()).expect("not all of it is digits");
        format!("{start}{before}{}7{}", &rest[..end], &rest[end..])
    };
    for part in ["MAJOR", "MINOR", "PATCH"] {
        let header = other(HEADER, &format!("#define REGO_VERSION_{part} "));
        let found = other_versions(&header, HPP, CONSUMER);
        assert_eq!(found, [format!("rego.h: {part}")]);
    }
    for part in ["MAJOR", "MINOR"] {
        let found =
            other_versions(HEADER, &other(HPP, &format!("REGO_VERSION_{part} == ")), CONSUMER);
        assert_eq!(found, [format!("rego.hpp: {part}")]);
    }
    let consumer =
        other(CONSUMER, concat!("find_package(rego ", env!("CARGO_PKG_VERSION_MAJOR"), "."));
    assert_eq!(other_versions(HEADER, HPP, &consumer), ["the consumer"]);
}
