//! The only place that links the product: `gateway …` runs it in a process of its own.

use std::ffi::OsString;
use std::process::ExitCode;

/// Runs the gateway with these arguments, the program's name not among them.
pub(crate) fn main(_arguments: Vec<OsString>) -> ExitCode {
    eprintln!("the gateway is not linked yet");
    ExitCode::FAILURE
}
