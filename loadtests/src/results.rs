//! Results as files: what a scenario found, and all that it takes to judge and to repeat it. Pure.

use serde::{Deserialize, Serialize};

use crate::table::Report;

/// What [`ResultFile::version`] is now.
pub const VERSION: u32 = 1;

/// One scenario, as it was played.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResultFile {
    /// The form of the file.
    pub version: u32,
    /// The scenario's name on the command line.
    pub scenario: String,
    /// What it does, in a sentence.
    pub about: String,
    /// Which gateway was tested.
    pub subject: String,
    /// What was found.
    pub report: Report,
    /// Where it comes from.
    pub provenance: Provenance,
}

/// Where a result comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// The source's commit, `-dirty` when files differed from it, or `unknown`.
    pub commit: String,
    /// When it was played, in UTC.
    pub date: String,
    /// What it was played with.
    pub command: String,
    /// On what.
    pub machine: Machine,
    /// The gateways' configuration files, in the order in which they were started.
    pub configurations: Vec<Configuration>,
}

/// A machine, as far as it matters to figures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// The processor's model.
    pub processor: String,
    /// Processors that may be used.
    pub cores: usize,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// The kernel's name and release.
    pub kernel: String,
}

/// The configuration of one gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Configuration {
    /// What the gateway is called in its scenario.
    pub name: String,
    /// The file.
    pub text: String,
}

/// Why a file is no result.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is not JSON of this shape.
    #[error("not a result")]
    Shape(#[source] serde_json::Error),
    /// It was written by another version.
    #[error("a result of form {found}, and only {VERSION} can be read: play the scenario again")]
    Version {
        /// The form it has.
        found: u32,
    },
}

#[derive(Deserialize)]
struct Form {
    version: u32,
}

impl ResultFile {
    /// The file's text.
    pub fn to_json(&self) -> Result<String, Error> {
        serde_json::to_string_pretty(self).map_err(Error::Shape)
    }

    /// Reads a file's text.
    pub fn from_json(text: &str) -> Result<Self, Error> {
        let Form { version } = serde_json::from_str(text).map_err(Error::Shape)?;
        if version != VERSION {
            return Err(Error::Version { found: version });
        }
        serde_json::from_str(text).map_err(Error::Shape)
    }
}

impl Machine {
    /// In a line.
    pub fn line(&self) -> String {
        let Self { processor, cores, memory_mib, kernel } = self;
        let cores = if *cores == 1 { "1 core".to_owned() } else { format!("{cores} cores") };
        format!("{processor}, {cores}, {} GiB, {kernel}", memory_mib.div_ceil(1_024))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::table::Table;

    /// A result with a table, a claim that holds and one that does not.
    pub(crate) fn sample(scenario: &str, subject: &str) -> ResultFile {
        let mut report = Report::default();
        let mut table = Table::new("Faults", &["fault", "streamed", "p99"]);
        table.row(vec!["killed <9>".into(), "pass".into(), "21.5 ms".into()]);
        table.row(vec!["silent".into(), "fail: 502".into(), "1.50 s".into()]);
        report.table(table);
        report.claim("no client saw an error", true, Vec::new());
        report.claim_equal("one is two", &1, &2);
        ResultFile {
            version: VERSION,
            scenario: scenario.to_owned(),
            about: "Plays & judges".to_owned(),
            subject: subject.to_owned(),
            report,
            provenance: Provenance {
                commit: "0123456789abcdef0123456789abcdef01234567".to_owned(),
                date: "2026-11-24T18:34:58Z".to_owned(),
                command: "infergate-loadtests faults --small".to_owned(),
                machine: Machine {
                    processor: "A processor".to_owned(),
                    cores: 2,
                    memory_mib: 24_000,
                    kernel: "Linux 6.18".to_owned(),
                },
                configurations: vec![Configuration {
                    name: "gateway".to_owned(),
                    text: "[server]\n".to_owned(),
                }],
            },
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let written = sample("faults", "InferGate");
        let read = ResultFile::from_json(&written.to_json().unwrap()).unwrap();
        assert_eq!(read, written);
    }

    #[test]
    fn a_file_of_another_form_is_told_from_one_that_is_no_result() {
        let other = ResultFile::from_json(r#"{"version":7,"anything":[]}"#).unwrap_err();
        assert!(matches!(other, Error::Version { found: 7 }));
        assert!(matches!(ResultFile::from_json("[]").unwrap_err(), Error::Shape(_)));
    }

    #[test]
    fn a_machine_is_told_in_a_line() {
        let machine = sample("s", "t").provenance.machine;
        assert_eq!(machine.line(), "A processor, 2 cores, 24 GiB, Linux 6.18");
    }
}
