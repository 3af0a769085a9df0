//! Arguments, one runtime, one scenario, an exit code.

use std::process::ExitCode;

use clap::Parser;
use infergate_loadtests::simulator;

mod gateway_entry;

#[derive(Parser)]
#[command(version, about)]
enum Arguments {
    /// Runs a simulated provider.
    Simulator(simulator::Options),
}

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1);
    if words.next().is_some_and(|word| word == "gateway") {
        return gateway_entry::main(words.collect());
    }
    let rt = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    match Arguments::parse() {
        Arguments::Simulator(options) => rt.block_on(simulator::run(options)).unwrap(),
    }
    ExitCode::SUCCESS
}
