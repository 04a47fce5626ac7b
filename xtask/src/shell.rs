//! Running other programs from the root of the repository.

use std::{
    env, fmt,
    io::{self, BufRead, BufReader, Read, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Why a recipe did not succeed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// What was checked is broken, or could not be checked.
    Failed(String),
    /// The same, and the reader has been told.
    Reported,
    /// It was called wrongly.
    Usage(String),
}

/// The root of the repository.
#[derive(Debug)]
pub(crate) struct Root(PathBuf);

impl Root {
    /// The folder above this package's, which cargo names; else the folder of now.
    pub(crate) fn find() -> Self {
        let package = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
        let root = package.as_deref().and_then(Path::parent).map(Path::to_path_buf);
        Self(root.unwrap_or_default())
    }

    #[cfg(test)]
    pub(crate) fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    pub(crate) fn join(&self, path: &str) -> PathBuf {
        self.0.join(path)
    }

    /// For programs that are run elsewhere, or write down what they are told.
    pub(crate) fn absolute(&self, path: &str) -> Result<String, Failure> {
        let absolute = std::path::absolute(self.join(path));
        let text = absolute.ok().and_then(|path| path.into_os_string().into_string().ok());
        text.ok_or_else(|| Failure::Failed(format!("{path} has no place that can be named")))
    }

    pub(crate) fn has(&self, path: &str) -> bool {
        self.join(path).exists()
    }

    /// A cargo command: the cargo that runs this program.
    pub(crate) fn cargo(&self, arguments: &[&str]) -> Run {
        let program = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        Run::new(&self.0, Command::new(program), "cargo", arguments)
    }

    pub(crate) fn program(&self, program: &str, arguments: &[&str]) -> Run {
        Run::new(&self.0, Command::new(program), program, arguments)
    }
}

/// A command about to be run. It prints as what a person would type.
#[derive(Debug)]
pub(crate) struct Run {
    command: Command,
    line: String,
    /// Nothing but its own output is printed.
    quiet: bool,
}

impl Run {
    fn new(folder: &Path, mut command: Command, name: &str, arguments: &[&str]) -> Self {
        command.args(arguments);
        if !folder.as_os_str().is_empty() {
            command.current_dir(folder);
        }
        let words = std::iter::once(name).chain(arguments.iter().copied()).map(quote);
        Self { command, line: words.collect::<Vec<_>>().join(" "), quiet: false }
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self.line = format!("{name}={} {}", quote(value), self.line);
        self
    }

    pub(crate) fn folder(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// Does not print the command, for those whose output a program reads.
    pub(crate) fn quietly(mut self, quiet: bool) -> Self {
        self.quiet = quiet;
        self
    }

    /// Runs it with this program's own input and output.
    pub(crate) fn go(mut self) -> Result<(), Failure> {
        if !self.quiet {
            println!("$ {self}");
        }
        let status = self.command.status().map_err(|error| self.not_started(&error))?;
        if status.success() { Ok(()) } else { Err(self.failed(status)) }
    }

    /// Runs it, passes its output on and shows every line of it to `look`.
    pub(crate) fn watched(mut self, mut look: impl FnMut(&str)) -> Result<(), Failure> {
        println!("$ {self}");
        self.command.stdout(Stdio::piped());
        let mut child = self.command.spawn().map_err(|error| self.not_started(&error))?;
        let output = child.stdout.take().expect("asked for a pipe two lines above");
        pass_on(output, io::stdout(), &mut look).map_err(|error| self.not_started(&error))?;
        let status = child.wait().map_err(|error| self.not_started(&error))?;
        if status.success() { Ok(()) } else { Err(self.failed(status)) }
    }

    /// Runs it in silence and returns what it printed.
    pub(crate) fn capture(mut self) -> Result<String, Failure> {
        self.command.stderr(Stdio::inherit());
        let output = self.command.output().map_err(|error| self.not_started(&error))?;
        if !output.status.success() {
            return Err(self.failed(output.status));
        }
        String::from_utf8(output.stdout)
            .map_err(|_| Failure::Failed(format!("`{self}` printed something that is not UTF-8")))
    }

    /// Runs it in silence and returns what it said on its error stream.
    pub(crate) fn capture_errors(mut self) -> Result<String, Failure> {
        let output = self.command.output().map_err(|error| self.not_started(&error))?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() {
            return Ok(said);
        }
        Err(Failure::Failed(format!("`{self}` failed ({}):\n{said}", output.status)))
    }

    /// Whether it can be run at all: its output is thrown away.
    pub(crate) fn works(mut self) -> bool {
        let quiet = self.command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        quiet.status().is_ok_and(|status| status.success())
    }

    fn not_started(&self, error: &io::Error) -> Failure {
        Failure::Failed(format!("`{self}` could not be run: {error}"))
    }

    fn failed(&self, status: std::process::ExitStatus) -> Failure {
        Failure::Failed(format!("`{self}` failed ({status})"))
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line)
    }
}

/// Copies `from` to `to` as it comes, and shows every line of it to `look`.
fn pass_on(from: impl Read, mut to: impl Write, mut look: impl FnMut(&str)) -> io::Result<()> {
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    while from.read_until(b'\n', &mut line)? > 0 {
        to.write_all(&line)?;
        look(String::from_utf8_lossy(&line).trim_end());
        line.clear();
    }
    to.flush()
}

fn quote(word: &str) -> String {
    if word.contains([' ', '*', '"']) { format!("'{word}'") } else { word.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_prints_as_it_is_typed() {
        let run = Root::at("").cargo(&["doc", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings");
        assert_eq!(run.to_string(), "RUSTDOCFLAGS='-D warnings' cargo doc --no-deps");
    }

    #[test]
    fn a_command_that_fails_or_is_not_there_is_an_error() {
        assert!(!Root::at("").program("false", &[]).works());
        assert!(!Root::at("").program("no-such-program", &[]).works());
        assert!(Root::at("").program("true", &[]).works());
        let Err(Failure::Failed(message)) = Root::at("").program("false", &[]).capture() else {
            panic!("`false` succeeded");
        };
        assert!(message.starts_with("`false` failed"), "{message}");
    }

    #[test]
    fn every_line_is_passed_on_and_seen_the_last_unfinished_one_too() {
        let (mut copy, mut lines) = (Vec::new(), Vec::new());
        let text = b"one\n\xff\ntwo";
        pass_on(&text[..], &mut copy, |line| lines.push(line.to_owned())).expect("all in memory");
        assert_eq!(copy, text);
        assert_eq!(lines, ["one", "\u{fffd}", "two"]);
    }
}
