//! The library as others get it: installed, moved, found, linked; and the examples.

use std::fs;

use super::noticed;
use crate::{
    install::{self, Profile},
    shell::{Failure, Root},
};

const MADE: &str = "target/abi/tree";
const MOVED: &str = "target/abi/installed";
const CONSUMER: &str = "bindings/cpp/consumer";

/// What the linker is told, what pkg-config is asked for, and where the program finds a shared library:
/// with the shared one; with it, and what it needs itself; with the static one; with nothing but static ones.
const WAYS: &[(&str, &str, &str)] = &[
    ("", "rego", "target/abi/installed/lib"),
    ("", "--static rego", "target/abi/installed/lib"),
    ("", "rego-static", ""),
    ("-static", "--static rego", ""),
    ("-static", "rego-static", ""),
];

/// Somebody else's program, against an installed tree that was moved since.
pub(super) fn consumers(root: &Root) -> Result<(), Failure> {
    install_moved(root)?;
    for language in [("cc", "main.c"), ("c++ -std=c++17", "main.cpp")] {
        for way in WAYS {
            consumer(root, language, way)?;
        }
    }
    let nowhere = consumer(root, ("cc", "main.c"), &("", "rego", ""));
    noticed("a shared library that is not found", nowhere)?;
    let nothing = consumer(root, ("cc", "main.c"), &("", "rego-none", ""));
    noticed("a package that does not exist", nothing)?;
    cmake(root, "target/abi/cmake", "0.1")?;
    root.program("cmake", &["--build", "target/abi/cmake"]).go()?;
    let test = ["--output-on-failure", "--test-dir", "target/abi/cmake"];
    root.program("ctest", &test).go()?;
    noticed("another minor version", cmake(root, "target/abi/cmake-none", "0.2"))
}

fn install_moved(root: &Root) -> Result<(), Failure> {
    for folder in [MADE, MOVED, "target/abi/cmake", "target/abi/cmake-none"] {
        let _none_before = fs::remove_dir_all(root.join(folder));
    }
    install::into(root, &root.join(MADE), Profile::DEV)?;
    fs::rename(root.join(MADE), root.join(MOVED))
        .map_err(|error| Failure::Failed(format!("cannot move {MADE}: {error}")))
}

/// By pkg-config.
fn consumer(
    root: &Root,
    (compiler, source): (&str, &str),
    (link, package, shared): &(&str, &str, &str),
) -> Result<(), Failure> {
    let (flags, out) = (format!("$(pkg-config --cflags --libs {package})"), "target/abi/consumer");
    let line = format!(
        "set -e; f={flags:?}; {compiler} {link} -Wall -Werror -o {out} {CONSUMER}/{source} $f"
    );
    let path = root.join(MOVED).join("lib/pkgconfig");
    root.program("sh", &["-c", &line]).env("PKG_CONFIG_PATH", &path.to_string_lossy()).go()?;
    root.program(&format!("./{out}"), &[]).env("LD_LIBRARY_PATH", shared).go()
}

fn cmake(root: &Root, out: &str, version: &str) -> Result<(), Failure> {
    let project = if version == "0.1" { CONSUMER.to_owned() } else { with_version(root, version)? };
    let prefix = format!("-DCMAKE_PREFIX_PATH={}", root.absolute(MOVED)?);
    root.program("cmake", &["-S", &project, "-B", out, &prefix]).go()
}

/// The same project, asking for another version.
fn with_version(root: &Root, version: &str) -> Result<String, Failure> {
    let folder = "target/abi/consumer-none";
    let file = format!("{CONSUMER}/CMakeLists.txt");
    let write = || {
        let text = fs::read_to_string(root.join(&file))?;
        fs::create_dir_all(root.join(folder))?;
        let text = text.replace("find_package(rego 0.1", &format!("find_package(rego {version}"));
        fs::write(root.join(folder).join("CMakeLists.txt"), text)
    };
    write().map_err(|error| Failure::Failed(format!("cannot copy {file}: {error}")))?;
    Ok(folder.to_owned())
}

/// Every example, against the tree as it is built.
pub(super) fn examples(root: &Root) -> Result<(), Failure> {
    crate::test::build_library(root)?;
    let strict = ["-O1", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-Iinclude", "-pthread"];
    let library = ["target/debug/librego.a", "-ldl", "-lm"];
    let made = root.join("target/abi");
    fs::create_dir_all(made).map_err(|error| Failure::Failed(format!("target/abi: {error}")))?;
    for (source, compiler, more) in [
        ("blocking.c", &["cc", "-std=c11"][..], &[][..]),
        ("epoll.c", &["cc", "-std=c11"], &[]),
        ("curl_multi.c", &["cc", "-std=c11"], &["-lcurl"]),
        ("thread_pool.cpp", &["c++", "-std=c++17"], &[]),
    ] {
        let (program, path) = (format!("target/abi/{source}.out"), format!("examples/{source}"));
        let own = ["-o", &program, &path];
        let all = [&compiler[1..], &strict, &own, &library, more].concat();
        root.program(compiler[0], &all).go()?;
        root.program(&format!("./{program}"), &[]).go()?;
    }
    Ok(())
}
