//! `install`: the C library as a package, below any folder; the folder may be moved afterwards.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::shell::{Failure, Root};

const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Before 1.0 every minor version may break its ABI.
pub(crate) const SOVERSION: &str =
    concat!(env!("CARGO_PKG_VERSION_MAJOR"), ".", env!("CARGO_PKG_VERSION_MINOR"));

const USAGE: &str =
    "install --prefix DIR [--dev]; a relative DIR is below the folder that this is run in";

pub(crate) fn run(root: &Root, arguments: &[&str]) -> Result<(), Failure> {
    let (prefix, profile) = asked(arguments)?;
    into(root, &prefix, profile)
}

fn asked(arguments: &[&str]) -> Result<(PathBuf, Profile), Failure> {
    let (prefix, profile) = match arguments {
        ["--prefix", prefix] => (prefix, Profile::RELEASE),
        ["--prefix", prefix, "--dev"] | ["--dev", "--prefix", prefix] => (prefix, Profile::DEV),
        _ => return Err(Failure::Usage(USAGE.to_owned())),
    };
    if prefix.is_empty() || prefix.starts_with('-') {
        return Err(Failure::Usage(format!("`{prefix}` is no folder: {USAGE}")));
    }
    let prefix =
        std::path::absolute(prefix).map_err(|error| failed("find", Path::new(prefix), &error))?;
    Ok((prefix, profile))
}

/// How the library is built.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Profile(&'static str);

impl Profile {
    const DEV: Self = Self("dev");
    pub(crate) const RELEASE: Self = Self("release");
}

pub(crate) fn into(root: &Root, prefix: &Path, profile: Profile) -> Result<(), Failure> {
    let (shared, archive) = build(root, profile)?;
    let private = private_libraries(root, profile, &archive)?;
    let library = format!("librego.so.{VERSION}");
    let lib = folder(prefix, "lib")?;
    copy(&shared, &lib.join(&library))?;
    copy(&archive, &lib.join("librego.a"))?;
    // A name that is no shared library's, by which linkers and CMake find it with `-l`.
    link("librego.a", &lib.join("librego-static.a"))?;
    link(&library, &lib.join(format!("librego.so.{SOVERSION}")))?;
    link(&format!("librego.so.{SOVERSION}"), &lib.join("librego.so"))?;
    let include = folder(prefix, "include")?;
    for header in ["rego.h", "rego.hpp"] {
        copy(&root.join("include").join(header), &include.join(header))?;
    }
    let licenses = folder(prefix, "share/licenses/rego")?;
    for license in ["LICENSE-APACHE", "LICENSE-MIT"] {
        copy(&root.join(license), &licenses.join(license))?;
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

/// The shared library and the static one, where cargo has put them: for another target that is elsewhere.
fn build(root: &Root, profile: Profile) -> Result<(PathBuf, PathBuf), Failure> {
    let build = ["build", "-p", "rego-ffi", "--target-dir", "target", "--profile", profile.0];
    let build = root.cargo(&[&build[..], &["--message-format=json-render-diagnostics"]].concat());
    println!("$ {build}");
    let said = build.capture()?;
    Ok((built(&said, "librego.so")?, built(&said, "librego.a")?))
}

/// The file of this name among those of which cargo says that they are up to date.
fn built(said: &str, name: &str) -> Result<PathBuf, Failure> {
    let file =
        said.split('"').map(Path::new).find(|path| path.is_absolute() && path.ends_with(name));
    file.map(Path::to_path_buf)
        .ok_or_else(|| Failure::Failed(format!("cargo has built no {name} for this target")))
}

/// What a program must link besides the static library: what the compiler says, but for the unwinder.
/// That comes with every C compiler, as the shared `gcc_s` or, where nothing is shared, as `gcc_eh`;
/// to name the one is to forbid the other.
fn private_libraries(root: &Root, profile: Profile, archive: &Path) -> Result<String, Failure> {
    let file = archive.with_file_name("rego-native-static-libs");
    let print = format!("native-static-libs={}", file.display());
    let rustc = ["rustc", "-q", "-p", "rego-ffi", "--target-dir", "target", "--profile"];
    let rest = [profile.0, "--lib", "--crate-type", "staticlib", "--", "--print", &print];
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
    // The repository itself may be the prefix.
    if let (Ok(from), Ok(to)) = (from.canonicalize(), to.canonicalize())
        && from == to
    {
        return Ok(());
    }
    replace(to, |new| fs::copy(from, new).map(drop))
}

#[cfg(unix)]
fn link(target: &str, at: &Path) -> Result<(), Failure> {
    replace(at, |new| std::os::unix::fs::symlink(target, new))
}

#[cfg(not(unix))]
fn link(target: &str, at: &Path) -> Result<(), Failure> {
    copy(&at.with_file_name(target), at)
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    replace(path, |new| fs::write(new, text))
}

/// Has it made beside `at`, and puts it there at once: a program that runs with the old one keeps that.
fn replace(at: &Path, make: impl FnOnce(&Path) -> io::Result<()>) -> Result<(), Failure> {
    let mut new = at.as_os_str().to_owned();
    new.push(format!(".new-{}", std::process::id()));
    let new = Path::new(&new);
    let _none_before = fs::remove_file(new);
    make(new).and_then(|()| fs::rename(new, at)).map_err(|error| {
        let _half_made = fs::remove_file(new);
        failed("write", at, &error)
    })
}

fn read(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|error| failed("read", path, &error))
}

fn failed(what: &str, path: &Path, error: &io::Error) -> Failure {
    Failure::Failed(format!("cannot {what} {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_a_folder_from_where_one_is() {
        let here = std::env::current_dir().expect("there is one");
        for (prefix, folder) in [("a/b", here.join("a/b")), (".", here.clone())] {
            assert_eq!(asked(&["--prefix", prefix]).expect("a folder").0, folder);
        }
        for arguments in [&["--prefix", ""][..], &["--prefix", "--dev"], &["--prefix"], &[]] {
            let Err(Failure::Usage(message)) = asked(arguments) else {
                panic!("{arguments:?} was accepted");
            };
            assert!(message.contains(USAGE), "{message}");
        }
    }

    #[test]
    fn what_is_installed_is_what_cargo_has_built() {
        let said = "{\"reason\":\"x\",\"name\":\"librego.so\",\"filenames\":[\"/t/deps/librego-15.rlib\"]}\n\
                    {\"filenames\":[\"/t/other/release/librego.so\",\"/t/other/release/librego.a\"]}\n";
        for name in ["librego.so", "librego.a"] {
            let file = Path::new("/t/other/release").join(name);
            assert_eq!(built(said, name).expect("it was built"), file);
        }
        assert!(built(said, "rego.dll").is_err());
    }

    #[test]
    fn what_is_replaced_stays_with_whoever_has_it_open() {
        let folder = Root::find().join(&format!("target/install-test-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("it can be made");
        let [old, new] = ["old", "new"].map(|name| folder.join(name));
        write(&old, "old").expect("it can be written");
        write(&new, "new, and longer").expect("it can be written");
        let opened = fs::File::open(&old).expect("it is there");
        copy(&new, &old).expect("it can be replaced");
        assert_eq!(io::read_to_string(opened).expect("it is there"), "old");
        assert_eq!(read(&old).expect("it is there"), "new, and longer");
        // Onto itself, by its own name and by another.
        link("new", &folder.join("link")).expect("it can be linked");
        link("new", &folder.join("link")).expect("and again");
        for same in ["new", "link"] {
            copy(&new, &folder.join(same)).expect("there is nothing to do");
            copy(&folder.join(same), &new).expect("there is nothing to do");
            assert_eq!(read(&new).expect("it is there"), "new, and longer");
        }
        assert_eq!(fs::read_dir(&folder).expect("it is there").count(), 3);
        fs::remove_dir_all(&folder).expect("it is there");
    }
}
