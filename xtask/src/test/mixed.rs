//! One program of a part in each dialect: where the linker took what is inline in one part for the
//! other's, it would crash.

use std::fs;

use super::{CPP_DIALECTS, LINKS};
use crate::{
    abi::noticed,
    shell::{Failure, Root},
};

const FOLDER: &str = "bindings/cpp/mixed";
const PROGRAM: &str = "target/debug/cpp-test-mixed";

pub(super) fn dialects(root: &Root) -> Result<(), Failure> {
    build(root, "include")?;
    root.program(&format!("./{PROGRAM}"), &[]).go()?;
    build(root, &with_one_name(root)?)?;
    let control = root.program(&format!("./{PROGRAM}"), &[]).go();
    noticed("parts of two dialects that go by one name", control)
}

fn build(root: &Root, include: &str) -> Result<(), Failure> {
    let (mut parts, include) = (Vec::new(), format!("-I{include}"));
    for (number, dialect) in CPP_DIALECTS.iter().enumerate() {
        let (name, part) = (format!("-DPART=part_{number}"), format!("{PROGRAM}-{number}.o"));
        let source = format!("{FOLDER}/part.cpp");
        let compile = ["-c", "-Wall", "-Wextra", "-Werror", &include, &name, "-o", &part, &source];
        root.program("c++", &[dialect, &compile[..]].concat()).go()?;
        parts.push(part);
    }
    let main = format!("{FOLDER}/main.cpp");
    let parts = parts.iter().map(String::as_str);
    let library = LINKS[0].1.iter().copied();
    let all: Vec<&str> =
        ["-pthread", "-o", PROGRAM, &main].into_iter().chain(parts).chain(library).collect();
    root.program("c++", &all).go()
}

/// A folder of headers that do not have the dialect in their names.
fn with_one_name(root: &Root) -> Result<String, Failure> {
    const OUT: &str = "target/debug/cpp-test-mixed-include";
    let named = "inline namespace REGO_HPP_NAME(";
    let write = || {
        let header = fs::read_to_string(root.join("include/rego.hpp"))?;
        let parts = header.split_once(named).and_then(|(before, rest)| {
            let (_, after) = rest.split_once('{')?;
            Some(format!("{before}inline namespace same {{{after}"))
        });
        let changed = parts.ok_or_else(|| std::io::Error::other("it is not there"))?;
        fs::create_dir_all(root.join(OUT))?;
        fs::write(root.join(OUT).join("rego.hpp"), changed)?;
        fs::copy(root.join("include/rego.h"), root.join(OUT).join("rego.h"))
    };
    write().map_err(|error| Failure::Failed(format!("rego.hpp, for `{named}`: {error}")))?;
    Ok(OUT.to_owned())
}
