//! Compilers of C and C++, for tests of the header.

use std::{
    env,
    io::Write,
    process::{Command, Stdio},
};

/// A compiler that is there.
#[derive(Debug)]
pub(crate) struct Compiler {
    program: &'static str,
    language: &'static str,
}

impl Compiler {
    /// Rust links by it, so it is there.
    pub(crate) const fn c() -> Self {
        Self { program: "cc", language: "c" }
    }

    /// `None`, said loudly, where there is none; where `CI=true` that is a failure.
    pub(crate) fn cpp() -> Option<Self> {
        let cpp = Self { program: "c++", language: "c++" };
        let said = Command::new(cpp.program).arg("--version").stdout(Stdio::null()).status();
        if said.is_ok_and(|status| status.success()) {
            return Some(cpp);
        }
        assert!(env::var("CI").map_or(true, |ci| ci != "true"), "`c++` does not work here");
        eprintln!("SKIPPED: `c++` does not work here; as root: apt-get install -y g++");
        None
    }

    /// Whether `source`, which may include the header, compiles; what the compiler says if not.
    pub(crate) fn compile(&self, arguments: &[&str], source: &str) -> Result<(), String> {
        let include = concat!("-I", env!("CARGO_MANIFEST_DIR"), "/../include");
        let mut compiler = Command::new(self.program)
            .args(arguments)
            .args(["-c", "-o", "/dev/null", include, "-x", self.language, "-"])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("`{}` cannot be run: {error}", self.program))?;
        let mut input = compiler.stdin.take().expect("asked for a pipe above");
        input.write_all(source.as_bytes()).map_err(|error| error.to_string())?;
        drop(input);
        let output = compiler.wait_with_output().map_err(|error| error.to_string())?;
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() { Ok(()) } else { Err(errors) }
    }
}
