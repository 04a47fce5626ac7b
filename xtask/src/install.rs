//! `install`: the C library as a package, below any folder; the folder may be moved afterwards.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::shell::{Failure, Root};

const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Before 1.0 every minor version may break its ABI.
pub(crate) const SOVERSION: &str =
    concat!(env!("CARGO_PKG_VERSION_MAJOR"), ".", env!("CARGO_PKG_VERSION_MINOR"));

const USAGE: &str = "install --prefix DIR [--dev]";

pub(crate) fn run(root: &Root, arguments: &[&str]) -> Result<(), Failure> {
    let (prefix, profile) = match arguments {
        ["--prefix", prefix] => (prefix, Profile::RELEASE),
        ["--prefix", prefix, "--dev"] | ["--dev", "--prefix", prefix] => (prefix, Profile::DEV),
        _ => return Err(Failure::Usage(USAGE.to_owned())),
    };
    into(root, &root.join(prefix), profile)
}

/// How the library is built.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Profile {
    name: &'static str,
    folder: &'static str,
}

impl Profile {
    const DEV: Self = Self { name: "dev", folder: "debug" };
    pub(crate) const RELEASE: Self = Self { name: "release", folder: "release" };
}

pub(crate) fn into(root: &Root, prefix: &Path, profile: Profile) -> Result<(), Failure> {
    let build = ["build", "-p", "rego-ffi", "--target-dir", "target", "--profile", profile.name];
    root.cargo(&build).go()?;
    let private = private_libraries(root, profile)?;
    let built = root.join("target").join(profile.folder);
    let library = format!("librego.so.{VERSION}");
    let lib = folder(prefix, "lib")?;
    copy(&built.join("librego.so"), &lib.join(&library))?;
    copy(&built.join("librego.a"), &lib.join("librego.a"))?;
    link(&library, &lib.join(format!("librego.so.{SOVERSION}")))?;
    link(&format!("librego.so.{SOVERSION}"), &lib.join("librego.so"))?;
    let include = folder(prefix, "include")?;
    for header in ["rego.h", "rego.hpp"] {
        copy(&root.join("include").join(header), &include.join(header))?;
    }
    let (pkgconfig, cmake) = (folder(prefix, "lib/pkgconfig")?, folder(prefix, "lib/cmake/rego")?);
    // CMake wants names without the `-l`.
    let names = private.replace("-l", "").replace(' ', ";");
    for (name, folder, private) in [
        ("rego.pc", &pkgconfig, &private),
        ("rego-static.pc", &pkgconfig, &private),
        ("rego-config.cmake", &cmake, &names),
        ("rego-config-version.cmake", &cmake, &names),
    ] {
        let template = read(&root.join(&format!("ffi/package/{name}.in")))?;
        let text = template
            .replace("@VERSION@", VERSION)
            .replace("@SOVERSION@", SOVERSION)
            .replace("@PRIVATE@", private);
        write(&folder.join(name), &text)?;
    }
    println!("rego {VERSION} is in {}", prefix.display());
    Ok(())
}

/// What a program must link besides the static library: what the compiler says, but for the unwinder.
/// That comes with every C compiler, as the shared `gcc_s` or, where nothing is shared, as `gcc_eh`;
/// to name the one is to forbid the other.
fn private_libraries(root: &Root, profile: Profile) -> Result<String, Failure> {
    let file = root.join("target").join(profile.folder).join("rego-native-static-libs");
    let print = format!("native-static-libs={}", file.display());
    let rustc = ["rustc", "-q", "-p", "rego-ffi", "--target-dir", "target", "--profile"];
    let rest = [profile.name, "--lib", "--crate-type", "staticlib", "--", "--print", &print];
    root.cargo(&[&rustc[..], &rest].concat()).go()?;
    let said = read(&file)?;
    let libraries: Vec<&str> =
        said.split_whitespace().filter(|library| *library != "-lgcc_s").collect();
    Ok(libraries.join(" "))
}

fn folder(prefix: &Path, name: &str) -> Result<PathBuf, Failure> {
    let folder = prefix.join(name);
    fs::create_dir_all(&folder).map_err(|error| failed("make", &folder, &error))?;
    Ok(folder)
}

fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    fs::copy(from, to).map(drop).map_err(|error| failed("write", to, &error))
}

#[cfg(unix)]
fn link(target: &str, at: &Path) -> Result<(), Failure> {
    let _none_before = fs::remove_file(at);
    std::os::unix::fs::symlink(target, at).map_err(|error| failed("link", at, &error))
}

#[cfg(not(unix))]
fn link(target: &str, at: &Path) -> Result<(), Failure> {
    copy(&at.with_file_name(target), at)
}

fn read(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|error| failed("read", path, &error))
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    fs::write(path, text).map_err(|error| failed("write", path, &error))
}

fn failed(what: &str, path: &Path, error: &std::io::Error) -> Failure {
    Failure::Failed(format!("cannot {what} {}: {error}", path.display()))
}
