//! Arguments, one runtime on one thread, one scenario, an exit code.

use std::path::Path;
use std::process::ExitCode;

use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser};
use infergate_loadtests::results::{self, ResultFile};
use infergate_loadtests::scenarios::{self, Common, Scenario};
use infergate_loadtests::table::Report;
use infergate_loadtests::{provenance, report, simulator};

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
    /// Makes a page and tables of results that were written with `--json`.
    Report(report::Options),
    #[command(flatten)]
    Scenario(Scenario),
}

/// Why a result is not on disk.
#[derive(Debug, thiserror::Error)]
enum Unwritten {
    #[error("the result cannot be written as JSON")]
    Json(#[from] results::Error),
    #[error("cannot write the result")]
    File(#[from] std::io::Error),
}

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1);
    if words.next().is_some_and(|word| word == "gateway") {
        return gateway_entry::main(words.collect());
    }
    let matches = Arguments::command().get_matches();
    let Arguments { command, common } =
        Arguments::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error),
    };
    match command {
        Command::Simulator(options) => match runtime.block_on(simulator::run(options)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => failed(&error),
        },
        Command::Report(options) => match report::run(&options) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => failed(&error),
        },
        Command::Scenario(scenario) => match runtime.block_on(scenarios::run(scenario, &common)) {
            Ok(report) => ended(report, &matches, &common),
            Err(error) => failed(&error),
        },
    }
}

fn ended(report: Report, matches: &ArgMatches, common: &Common) -> ExitCode {
    println!("{report}");
    let holds = report.holds();
    if let Some(file) = &common.json
        && let Err(error) = write(file, report, matches, common)
    {
        return failed(&error);
    }
    if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn write(
    file: &Path,
    report: Report,
    matches: &ArgMatches,
    common: &Common,
) -> Result<(), Unwritten> {
    let scenario = matches.subcommand_name().unwrap_or_default();
    let about = Arguments::command()
        .find_subcommand(scenario)
        .and_then(|command| command.get_about().map(ToString::to_string));
    let result = ResultFile {
        version: results::VERSION,
        scenario: scenario.to_owned(),
        about: about.unwrap_or_default(),
        subject: common.subject.clone().unwrap_or_else(|| "InferGate".to_owned()),
        report,
        provenance: provenance::now(common.configurations.all()),
    };
    Ok(std::fs::write(file, result.to_json()?)?)
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
