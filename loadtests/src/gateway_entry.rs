//! The only place that links the product: `gateway …` runs it in a process of its own.

use std::ffi::OsString;
use std::process::ExitCode;

/// Runs the gateway with these arguments, the program's name not among them.
pub(crate) fn main(arguments: Vec<OsString>) -> ExitCode {
    infergate::cli::main(std::iter::once(OsString::from("infergate")).chain(arguments))
}
