//! The limit on open files, raised for this process and the children it starts from then on.

use std::process::Stdio;

/// Raises the limit to `needed` where that is allowed; what it is then.
pub fn open_files(needed: u64) -> u64 {
    let id = std::process::id().to_string();
    if allowed() < needed {
        // Raising the hard limit takes a privilege; without it the soft one may still rise.
        for limit in [format!("{needed}:{needed}"), format!("{needed}:")] {
            let raised = std::process::Command::new("prlimit")
                .args(["--pid", &id, &format!("--nofile={limit}")])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status();
            if raised.is_ok_and(|status| status.success()) {
                break;
            }
        }
    }
    allowed()
}

fn allowed() -> u64 {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))
        .and_then(|rest| rest.split_whitespace().next())
        .map_or(0, |soft| soft.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_allowed_already_is_not_lowered() {
        let before = allowed();
        assert!(before > 0);
        assert_eq!(open_files(1), before);
    }
}
