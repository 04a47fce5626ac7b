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

#[test]
fn there_is_one_version() {
    let parts = [
        ("MAJOR", env!("CARGO_PKG_VERSION_MAJOR")),
        ("MINOR", env!("CARGO_PKG_VERSION_MINOR")),
        ("PATCH", env!("CARGO_PKG_VERSION_PATCH")),
    ];
    for (part, value) in parts {
        assert!(HEADER.contains(&format!("#define REGO_VERSION_{part} {value}\n")), "{part}");
    }
    for (part, value) in &parts[..2] {
        assert!(HPP.contains(&format!("REGO_VERSION_{part} == {value}")), "rego.hpp: {part}");
    }
    let minor = format!("{}.{}", parts[0].1, parts[1].1);
    assert!(CONSUMER.contains(&format!("find_package(rego {minor} ")), "the consumer");
    assert!(HEADER.contains("#define REGO_ABI_VERSION 1\n"), "whoever changes it changes this");
}
