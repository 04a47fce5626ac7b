//! The `rego` program: see the engine make a bad backend good, and what it costs.

#![forbid(unsafe_code)]

mod args;
mod backend;
mod client;
mod lanes;
mod load;
mod progress;
mod report;
mod run;
mod scenario;
mod schedule;
mod stats;
mod stop;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, error::ErrorKind};

use args::{Cli, Command};
use run::Ended;

const FAILED: u8 = 1;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let args = match cli.command {
        Some(Command::Run(args)) => args,
        None => cli.run,
    };
    if let Err(message) = args.check() {
        Cli::command().error(ErrorKind::ValueValidation, message).exit();
    }
    match run::run(&args) {
        Ok(Ended::Well) => ExitCode::SUCCESS,
        Ok(Ended::Broken) => ExitCode::from(FAILED),
        Ok(Ended::Interrupted) => ExitCode::from(stop::INTERRUPTED),
        Err(message) => {
            eprintln!("rego: {message}");
            ExitCode::from(FAILED)
        }
    }
}
