//! Whether the Go that is here can build our module, and where one that can comes from.

use std::fs;

use crate::shell::{Failure, Root};

pub(crate) const MODULE: &str = "bindings/go/go.mod";
/// What is fetched where Debian has none that is new enough: with it every test of the module runs.
const FETCHED: &str = "1.25.0";
/// From this one on Go fetches what a module asks for, unless it is told not to.
const FETCHES: [u32; 3] = [1, 21, 0];

/// Why the Go that is here does not do, if so, and what would help.
pub(crate) fn missing(root: &Root) -> Option<String> {
    let why = why_not(root)?;
    let help = match debian_does(root) {
        true => "as root: apt-get install -y golang-go".to_owned(),
        false => format!("`cargo xtask setup` fetches {FETCHED}; or see https://go.dev/dl"),
    };
    Some(format!("{why}; {help}"))
}

fn why_not(root: &Root) -> Option<String> {
    // At the root is no module that Go would already fetch another version for.
    let said = root.program("go", &["env", "GOVERSION", "GOTOOLCHAIN"]).tried();
    let Ok((true, said)) = said else { return Some("`go` does not work here".to_owned()) };
    let mut lines = said.lines();
    let (here, toolchain) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let wanted = wanted(root);
    if does(here, toolchain, &wanted) {
        return None;
    }
    let local = match version(here) >= FETCHES {
        true => format!(", and with GOTOOLCHAIN={toolchain} fetches none"),
        false => String::new(),
    };
    Some(format!("`go` is {here}{local}, but {MODULE} needs {wanted}"))
}

/// Brings one, which `go` is then. `admin` runs a command as root, after Debian's lists were updated.
pub(crate) fn install(
    root: &Root,
    admin: &impl Fn(&[&str]) -> Result<(), Failure>,
) -> Result<(), Failure> {
    const APT: &[&str] = &["apt-get", "install", "-y", "--no-install-recommends"];
    if debian_does(root) {
        return admin(&[APT, &["golang-go"]].concat());
    }
    admin(&[APT, &["ca-certificates", "curl"]].concat())?;
    let machine = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => return Err(Failure::Failed(format!("for {other} see https://go.dev/dl"))),
    };
    let (archive, folder) = ("target/go.tar.gz", format!("/usr/local/lib/go{FETCHED}"));
    let from = format!("https://go.dev/dl/go{FETCHED}.linux-{machine}.tar.gz");
    let curl = ["--proto", "=https", "--tlsv1.2", "-fsSL", "--create-dirs", "-o", archive, &from];
    root.program("curl", &curl).go()?;
    admin(&["mkdir", "-p", &folder])?;
    admin(&["tar", "-xzf", archive, "-C", &folder, "--strip-components=1"])?;
    for program in ["go", "gofmt"] {
        admin(&["ln", "-sf", &format!("{folder}/bin/{program}"), "/usr/local/bin/"])?;
    }
    why_not(root).map_or(Ok(()), |why| Err(Failure::Failed(format!("{why}, still"))))
}

/// Whether the package of a Debian-like system is new enough.
fn debian_does(root: &Root) -> bool {
    let said = root.program("apt-cache", &["policy", "golang-go"]).tried();
    let said = said.map_or(String::new(), |(_, said)| said);
    candidate(&said).is_some_and(|candidate| version(candidate) >= version(&wanted(root)))
}

/// Debian's version, `2:1.19~1`, without what comes before the program's own.
fn candidate(policy: &str) -> Option<&str> {
    let line = policy.lines().find_map(|line| line.trim().strip_prefix("Candidate: "))?;
    Some(line.split_once(':').map_or(line, |(_, version)| version))
}

/// The version that the module asks for.
fn wanted(root: &Root) -> String {
    let module = fs::read_to_string(root.join(MODULE)).unwrap_or_default();
    let line = module.lines().find_map(|line| line.strip_prefix("go "));
    line.unwrap_or(FETCHED).trim().to_owned()
}

/// Whether a `go` of this version, told this about fetching others, builds a module that wants that.
fn does(here: &str, toolchain: &str, wanted: &str) -> bool {
    let fetches = toolchain == "auto" || toolchain.ends_with("+auto");
    version(here) >= version(wanted) || (fetches && version(here) >= FETCHES)
}

/// `go1.21rc2`, `1.24.0`, `devel go1.27-1a2b3c`: the numbers, to compare; what is missing is 0.
fn version(text: &str) -> [u32; 3] {
    let numbers = text.split_once("go").map_or(text, |(_, numbers)| numbers);
    let mut parts = numbers.splitn(3, '.').map(|part| {
        let end = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
        part[..end].parse().unwrap_or(0)
    });
    std::array::from_fn(|_| parts.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_go_and_debian_write_them() {
        assert_eq!(version("go1.26.8"), [1, 26, 8]);
        assert_eq!(version("1.24"), [1, 24, 0]);
        assert_eq!(version("go1.21rc2"), [1, 21, 0]);
        assert_eq!(version("devel go1.27-1a2b3c Fri Nov 27"), [1, 27, 0]);
        assert_eq!(version(""), [0, 0, 0]);
        let policy = "golang-go:\n  Installed: (none)\n  Candidate: 2:1.19~1\n  Version table:\n";
        assert_eq!(candidate(policy).map(version), Some([1, 19, 0]));
        assert_eq!(candidate("golang-go:\n  Candidate: (none)\n").map(version), Some([0, 0, 0]));
        assert_eq!(candidate(""), None);
    }

    #[test]
    fn a_go_is_new_enough_or_fetches_one_that_is() {
        for (here, toolchain, enough) in [
            ("go1.19.8", "", false),
            ("go1.20.14", "auto", false),
            ("go1.21.0", "auto", true),
            ("go1.22.1", "go1.22.1+auto", true),
            ("go1.23.9", "local", false),
            ("go1.23.9", "path", false),
            ("go1.24.0", "local", true),
            ("go1.26.8", "local", true),
            // Not by the letters.
            ("go1.9", "local", false),
            ("go1.100", "local", true),
        ] {
            assert_eq!(does(here, toolchain, "1.24.0"), enough, "{here} {toolchain}");
        }
    }

    /// Versions 1.21 to 1.23 fetch by this name, and there is none called 1.24.
    #[test]
    fn every_module_names_a_version_that_can_be_fetched() {
        let root = Root::find();
        for module in [MODULE, "bindings/go/bench/go.mod", "examples/go-http-hedging/go.mod"] {
            let text = fs::read_to_string(root.join(module)).expect("it is there");
            let line = text.lines().find_map(|line| line.strip_prefix("go "));
            assert_eq!(line.map(|line| line.split('.').count()), Some(3), "{module}");
        }
        assert!(does(FETCHED, "local", &wanted(&root)));
    }
}
