//! Arguments, one runtime on one thread, one scenario, an exit code.

use std::process::ExitCode;

use clap::Parser;
use infergate_loadtests::scenarios::{self, Common, Scenario};
use infergate_loadtests::simulator;

mod gateway_entry;

/// Load tests of `InferGate`: black box, with books of their own.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Runs a simulated provider until it is stopped.
    Simulator(simulator::Options),
    #[command(flatten)]
    Scenario(Scenario),
}

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1);
    if words.next().is_some_and(|word| word == "gateway") {
        return gateway_entry::main(words.collect());
    }
    let Arguments { command, common } = Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error),
    };
    match command {
        Command::Simulator(options) => match runtime.block_on(simulator::run(options)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => failed(&error),
        },
        Command::Scenario(scenario) => match runtime.block_on(scenarios::run(scenario, &common)) {
            Ok(report) => {
                println!("{report}");
                if report.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
            }
            Err(error) => failed(&error),
        },
    }
}

fn failed(error: &dyn std::error::Error) -> ExitCode {
    eprintln!("infergate-loadtests: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        eprintln!("  because: {cause}");
        source = cause.source();
    }
    ExitCode::from(2)
}
