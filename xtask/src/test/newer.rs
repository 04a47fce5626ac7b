//! A program that was compiled with a header that is newer than the library: what it is handed in its
//! callbacks is smaller than it knows it, and is not written beyond its end.

use std::fs;

use super::LINKS;
use crate::{
    abi::noticed,
    shell::{Failure, Root},
};

const SOURCE: &str = "bindings/cpp/newer/main.cpp";
const INCLUDE: &str = "target/debug/cpp-test-newer-include";
const PROGRAM: &str = "target/debug/cpp-test-newer";
/// What callbacks are handed.
const STRUCTS: &[&str] =
    &["rego_completion", "rego_context", "rego_outcome", "rego_attempt_info", "rego_result"];

pub(super) fn header(root: &Root) -> Result<(), Failure> {
    headers(root, None)?;
    run(root)?;
    let careless = ("std::memcpy(to, &it, size < sizeof(T) ? size : sizeof(T))", "*to = it");
    headers(root, Some(careless))?;
    noticed("a callback that writes all that it knows", run(root))
}

fn run(root: &Root) -> Result<(), Failure> {
    let include = format!("-I{INCLUDE}");
    let compile = ["-std=c++17", "-Wall", "-Wno-missing-field-initializers", "-pthread", &include];
    let rest = ["-o", PROGRAM, SOURCE];
    root.program("c++", &[&compile[..], &rest, LINKS[0].1].concat()).go()?;
    root.program(&format!("./{PROGRAM}"), &[]).go()
}

/// A folder of headers with a field more at the end of each of the structs.
fn headers(root: &Root, careless: Option<(&str, &str)>) -> Result<(), Failure> {
    let missing = |what: &str| std::io::Error::other(format!("`{what}` is not there"));
    let changed = |text: &str, from: &str, to: &str| match text.contains(from) {
        true => Ok(text.replace(from, to)),
        false => Err(missing(from)),
    };
    let write = || {
        let mut header = fs::read_to_string(root.join("include/rego.h"))?;
        for name in STRUCTS {
            let end = format!("\n}} {name};");
            header = changed(&header, &end, &format!("\n  uint64_t later;{end}"))?;
        }
        let mut hpp = fs::read_to_string(root.join("include/rego.hpp"))?;
        if let Some((from, to)) = careless {
            hpp = changed(&hpp, from, to)?;
        }
        fs::create_dir_all(root.join(INCLUDE))?;
        fs::write(root.join(INCLUDE).join("rego.h"), header)?;
        fs::write(root.join(INCLUDE).join("rego.hpp"), hpp)
    };
    write().map_err(|error| Failure::Failed(format!("the headers: {error}")))
}
