//! Finds out where a result comes from: the commit, the machine, the command, the time.

use std::fs;
use std::process::{Command, Stdio};

use crate::clock;
use crate::results::{Configuration, Machine, Provenance};

/// Of a play that happens now, with these gateways.
pub fn now(configurations: Vec<Configuration>) -> Provenance {
    Provenance {
        commit: commit(),
        date: clock::date(),
        command: command(std::env::args()),
        machine: machine(),
        configurations,
    }
}

/// The commit of the checkout that this was built from.
fn commit() -> String {
    let git = |words: &[&str]| {
        let output = Command::new("git")
            .args(["-C", env!("CARGO_MANIFEST_DIR")])
            .args(words)
            .stdin(Stdio::null())
            .output()
            .ok()?;
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        output.status.success().then_some(text)
    };
    let Some(commit) = git(&["rev-parse", "HEAD"]) else { return "unknown".to_owned() };
    let is_clean =
        git(&["status", "--porcelain", "--untracked-files=no"]).is_some_and(|text| text.is_empty());
    if is_clean { commit } else { commit + "-dirty" }
}

/// The words of a command line as one would type them, keys left out.
fn command(words: impl Iterator<Item = String>) -> String {
    let mut typed = Vec::new();
    let mut is_key = false;
    for (index, word) in words.enumerate() {
        let word = match word.split_once('=') {
            Some(("--key", _)) => "--key=…".to_owned(),
            _ if std::mem::replace(&mut is_key, word == "--key") => "…".to_owned(),
            // Where the program lies says nothing.
            _ if index == 0 => word.rsplit('/').next().unwrap_or_default().to_owned(),
            _ => word,
        };
        let is_plain =
            !word.is_empty() && word.chars().all(|c| c.is_alphanumeric() || "-_=./:,…".contains(c));
        typed.push(if is_plain { word } else { format!("'{}'", word.replace('\'', r"'\''")) });
    }
    typed.join(" ")
}

fn machine() -> Machine {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    Machine {
        processor: processor(&read("/proc/cpuinfo")).unwrap_or(std::env::consts::ARCH).to_owned(),
        cores: std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
        memory_mib: memory_mib(&read("/proc/meminfo")),
        kernel: format!("Linux {}", read("/proc/sys/kernel/osrelease").trim()),
    }
}

fn processor(cpuinfo: &str) -> Option<&str> {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"))?;
    line.split_once(':').map(|(_, name)| name.trim())
}

fn memory_mib(meminfo: &str) -> u64 {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = line.and_then(|rest| rest.split_whitespace().next()).and_then(|kib| kib.parse().ok());
    kib.unwrap_or(0_u64) / 1_024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_can_be_typed_again_and_tells_no_key() {
        let typed = |words: &[&str]| command(words.iter().map(|&word| word.to_owned()));
        assert_eq!(
            typed(&["/a/b/infergate-loadtests", "outage", "--key", "s3", "--keep", "a b"]),
            "infergate-loadtests outage --key … --keep 'a b'"
        );
        assert_eq!(typed(&["x", "--key=s3", "it's"]), r"x --key=… 'it'\''s'");
    }

    #[test]
    fn a_processor_and_the_memory_are_read_by_name() {
        let cpuinfo = "processor\t: 0\nmodel name\t: AMD EPYC: a kind\nflags\t: fpu\n";
        assert_eq!(processor(cpuinfo), Some("AMD EPYC: a kind"));
        assert_eq!(processor("processor\t: 0\n"), None);
        assert_eq!(memory_mib("MemTotal:       24000000 kB\nMemFree: 1 kB\n"), 23_437);
    }

    #[test]
    fn this_very_play_comes_from_somewhere() {
        let provenance = now(Vec::new());
        assert!(!provenance.commit.is_empty() && provenance.machine.cores > 0);
        assert!(provenance.date.starts_with("20") && provenance.date.ends_with('Z'));
    }
}
