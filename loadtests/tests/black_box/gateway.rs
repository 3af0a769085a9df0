//! Whether this build has the gateway in it.

use std::process::{Command, Stdio};

use crate::stage::executable;

/// Asks the executable. Tests of the gateway say so and pass without it.
pub(crate) fn is_linked(test: &str) -> bool {
    let asked = Command::new(executable())
        .args(["gateway", "--version"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let linked = asked.is_ok_and(|status| status.success());
    if !linked {
        println!("{test}: not played, the gateway is not linked");
    }
    linked
}
