//! The `infergate` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    infergate::cli::main(std::env::args_os())
}
