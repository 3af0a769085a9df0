//! The program: arguments, logging, a runtime, one command, an exit code.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

use super::{Cli, Command};
use crate::serve;

/// What is logged unless `RUST_LOG` says otherwise.
const LOG_DEFAULT: &str = "info";

/// Runs the program with these arguments, its name first.
pub fn main(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version come this way, too, and are no failure.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error),
    };
    match cli.command() {
        Command::Tool(tool) => runtime.block_on(super::run(tool)),
        Command::Serve(args) => {
            log_to_stderr();
            // Spawned, because what the first task does runs beside the workers and would wake one
            // of them each time.
            let serving = async move { serve::run(&args.config).await };
            match runtime.block_on(async { tokio::spawn(serving).await }) {
                Ok(Ok(())) => ExitCode::SUCCESS,
                Ok(Err(error)) => failed(&error),
                Err(error) => failed(&error),
            }
        }
    }
}

fn log_to_stderr() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(LOG_DEFAULT));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    // Another logger may be there already where the program is run inside another.
    let _ = log.try_init();
}

fn failed(error: &dyn std::error::Error) -> ExitCode {
    eprintln!("infergate: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        eprintln!("  because: {error}");
        cause = error.source();
    }
    ExitCode::FAILURE
}
