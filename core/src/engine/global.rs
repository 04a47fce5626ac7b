//! The engine of a program that has not made one.

#![expect(clippy::disallowed_types, reason = "a static, which no model has a part in")]

use std::{error, fmt, sync::OnceLock};

use super::Engine;
use crate::{
    drive::{Attempt, Error},
    policy::Mode,
};

static ENGINE: OnceLock<Engine> = OnceLock::new();

/// Runs `op` on the program's own engine: the one given to [`init`], else one with the defaults,
/// which are safe; where `REGO_MODE` says something unknown, one that stands aside
/// ([`Mode::Off`]), and a line on standard error.
///
/// ```
/// let answer = rego::run("svc.Method", |_| Ok::<_, std::io::Error>(42))?;
/// assert_eq!(answer, 42);
/// # Ok::<(), rego::Error<std::io::Error>>(())
/// ```
///
/// # Errors
///
/// As [`Engine::run`].
///
/// # Panics
///
/// As [`Engine::run`].
pub fn run<T, E: 'static>(
    key: &str,
    op: impl FnMut(&Attempt<'_>) -> Result<T, E>,
) -> Result<T, Error<E>> {
    ENGINE.get_or_init(default_engine).run(key, op)
}

/// Makes `engine` the program's own, once and before the first [`run`].
///
/// ```
/// use rego::Engine;
///
/// rego::init(Engine::builder().build()?)?;
/// assert!(rego::init(Engine::builder().build()?).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// If there is one already. The one in use stays.
pub fn init(engine: Engine) -> Result<(), AlreadyInitialised> {
    ENGINE.set(engine).map_err(|_| AlreadyInitialised)
}

fn default_engine() -> Engine {
    Engine::builder().build().unwrap_or_else(|error| {
        // Only the environment can be wrong here. It must not be the outage; and somebody wanted the
        // engine to stand aside, most likely.
        eprintln!("rego: {error}; the engine stands aside, and each call is one plain attempt");
        let aside = Engine::builder().ignore_environment().mode(Mode::Off);
        aside.build().expect("the defaults are good")
    })
}

/// The program has its engine already: [`init`] came too late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlreadyInitialised;

impl fmt::Display for AlreadyInitialised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the program's engine has been set or used already")
    }
}

impl error::Error for AlreadyInitialised {}
