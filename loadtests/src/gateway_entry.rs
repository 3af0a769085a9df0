//! The only place that links the product.

/// Runs the gateway with these arguments.
pub(crate) fn main(_arguments: Vec<std::ffi::OsString>) -> std::process::ExitCode {
    eprintln!("the gateway is not linked yet");
    std::process::ExitCode::FAILURE
}
