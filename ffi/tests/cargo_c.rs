//! What cargo-c is told of the library is what `cargo xtask install` makes of it: libraries, headers
//! and rego.pc, where cargo-c lets itself be told.

use std::path::Path;

use toml::{Table, Value};

const MANIFEST: &str = include_str!("../Cargo.toml");
const PC: &str = include_str!("../package/rego.pc.in");
const BUILD: &str = include_str!("../build.rs");

fn capi(manifest: &Table) -> &Table {
    manifest["package"]["metadata"]["capi"].as_table().expect("a table")
}

/// A line of the package's pkg-config file.
fn pc(field: &str) -> &'static str {
    let line = PC.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(": "));
    line.unwrap_or_else(|| panic!("rego.pc has no {field}"))
}

/// Where the two differ.
fn differences(manifest: &str) -> Vec<&'static str> {
    let manifest: Table = manifest.parse().expect("cargo reads it, too");
    let capi = capi(&manifest);
    let text = |table: &str, key: &str| capi[table].get(key).and_then(Value::as_str);
    let components = capi["library"].get("version_suffix_components").and_then(Value::as_integer);
    let soname = "librego.so.{major}.{minor}";
    let assets = capi["install"]["include"]["asset"].as_array().expect("a list");
    let installed = |name: &str| {
        let from = assets.iter().filter_map(|asset| asset["from"].as_str());
        let top = assets.iter().all(|asset| asset["to"].as_str() == Some(""));
        let mut from = from.filter(|from| from.ends_with(&format!("/{name}")));
        top && from.any(|from| Path::new(env!("CARGO_MANIFEST_DIR")).join(from).is_file())
    };
    let same = [
        ("the library's name", text("library", "name") == manifest["lib"]["name"].as_str()),
        ("the shared library's version", BUILD.contains(soname) && components == Some(2)),
        ("the package's file", text("pkg_config", "filename") == Some("rego")),
        ("the package's name", text("pkg_config", "name") == Some(pc("Name"))),
        ("the description", text("pkg_config", "description") == Some(pc("Description"))),
        ("the package's version", text("pkg_config", "version").is_none()),
        ("rego.h", installed("rego.h") && text("header", "name") == Some("rego")),
        ("rego.hpp", installed("rego.hpp")),
        ("a header made anew", capi["header"]["generation"].as_bool() == Some(false)),
        ("a folder for the header", capi["header"]["subdirectory"].as_bool() == Some(false)),
    ];
    same.into_iter().filter(|(_, same)| !same).map(|(what, _)| what).collect()
}

#[test]
fn cargo_c_is_told_of_the_same_package() {
    assert_eq!(differences(MANIFEST), [""; 0]);
    // The controls.
    let other = |was: &str, is: &str| differences(&MANIFEST.replace(was, is));
    assert_eq!(other("components = 2", "components = 3"), ["the shared library's version"]);
    assert_eq!(other("include/rego.hpp", "include/other.hpp"), ["rego.hpp"]);
    assert_eq!(other("filename = \"rego\"", "filename = \"librego\""), ["the package's file"]);
}
