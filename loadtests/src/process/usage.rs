//! What a process and its children have used: processor time and memory, from `/proc`.

use std::collections::BTreeSet;
use std::fs;
use std::sync::OnceLock;
use std::time::Duration;

/// Processor time of a process tree, and memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// User and system time together.
    pub cpu: Duration,
    /// Resident memory now, in KiB.
    pub resident_kib: u64,
    /// Resident memory at its highest, in KiB, each process for itself.
    pub resident_max_kib: u64,
}

impl Usage {
    /// What the tree under `id` has used so far. Gone processes have used nothing.
    pub fn of_tree(id: u32) -> Self {
        let mut sum = Self::default();
        for member in tree(id) {
            let stat = fs::read_to_string(format!("/proc/{member}/stat")).unwrap_or_default();
            let status = fs::read_to_string(format!("/proc/{member}/status")).unwrap_or_default();
            sum.cpu += cpu(&stat, ticks_per_second());
            sum.resident_kib += kib(&status, "VmRSS:");
            sum.resident_max_kib += kib(&status, "VmHWM:");
        }
        sum
    }
}

/// `id` and everything that descends from it.
fn tree(id: u32) -> BTreeSet<u32> {
    let parents: Vec<(u32, u32)> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|id: u32| {
            let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
            Some((id, fields(&stat).nth(1)?.parse().ok()?))
        })
        .collect();
    let mut members = BTreeSet::from([id]);
    // A tree is no deeper than it has members.
    for _ in 0..parents.len() {
        let before = members.len();
        let found: Vec<u32> = parents
            .iter()
            .filter(|(_, parent)| members.contains(parent))
            .map(|&(child, _)| child)
            .collect();
        members.extend(found);
        if members.len() == before {
            break;
        }
    }
    members
}

/// The fields of a `stat` line behind the command, whose name may contain anything but ends with the
/// last parenthesis.
fn fields(stat: &str) -> impl Iterator<Item = &str> {
    stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace()
}

fn cpu(stat: &str, ticks_per_second: u64) -> Duration {
    // `utime` and `stime` are fields 14 and 15 of the line; the state, field 3, is our first.
    let ticks: u64 =
        fields(stat).skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_nanos(ticks.saturating_mul(1_000_000_000) / ticks_per_second.max(1))
}

fn kib(status: &str, name: &str) -> u64 {
    status
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|number| number.parse().ok())
        .unwrap_or(0)
}

fn ticks_per_second() -> u64 {
    static TICKS: OnceLock<u64> = OnceLock::new();
    *TICKS.get_or_init(|| {
        std::process::Command::new("getconf")
            .arg("CLK_TCK")
            .output()
            .ok()
            .and_then(|output| String::from_utf8(output.stdout).ok())
            .and_then(|text| text.trim().parse().ok())
            .unwrap_or(100)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_name_with_spaces_and_parentheses_does_not_shift_the_fields() {
        let stat = "42 (a (b) c) S 7 1 1 0 -1 4194304 10 0 0 0 250 50 0 0 20 0 1 0 5 1 1";
        assert_eq!(fields(stat).nth(1), Some("7"));
        assert_eq!(cpu(stat, 100), Duration::from_secs(3));
    }

    #[test]
    fn memory_is_read_by_name() {
        let status = "Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n";
        assert_eq!((kib(status, "VmRSS:"), kib(status, "VmHWM:")), (1_024, 2_048));
        assert_eq!(kib("", "VmRSS:"), 0);
    }

    #[test]
    fn this_very_process_has_memory() {
        assert!(Usage::of_tree(std::process::id()).resident_kib > 0);
    }
}
