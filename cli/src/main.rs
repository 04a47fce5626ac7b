//! The `rego` program: see the engine make a bad backend good, and what it costs.

#![forbid(unsafe_code)]

mod args;
mod backend;
mod check;
mod client;
mod explain;
mod lanes;
mod load;
mod policy;
mod progress;
mod report;
mod run;
mod scenario;
mod schedule;
mod schema;
mod sim;
mod stats;
mod stop;

use std::process::ExitCode;

use args::{Cli, Command};
use run::Ended;

const FAILED: u8 = 1;
const BAD_USAGE: u8 = 2;

fn main() -> ExitCode {
    let command = match Cli::read() {
        Ok(command) => command,
        Err(error) if error.use_stderr() => {
            eprintln!("rego: {}; try rego --help", args::in_one_line(&error));
            return ExitCode::from(BAD_USAGE);
        }
        Err(help) => help.exit(),
    };
    let ended = match &command {
        Command::Run(args) => run::run(args),
        Command::Check(args) => check::run(args),
        Command::Sim(args) => sim::run(args),
        Command::Explain(args) => explain::run(args),
        Command::Schema => schema::run(),
    };
    match ended {
        Ok(Ended::Well) => ExitCode::SUCCESS,
        Ok(Ended::Broken) => ExitCode::from(FAILED),
        Ok(Ended::Interrupted) => ExitCode::from(stop::INTERRUPTED),
        Err(message) => {
            eprintln!("rego: {message}");
            ExitCode::from(FAILED)
        }
    }
}
