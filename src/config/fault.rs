//! What is wrong with a configuration, where, and what would be right. Pure.

use std::fmt;

/// Faults beyond this many are counted and not listed.
const LISTED_MAX: usize = 100;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The file as it was named, or `environment`.
    pub file: String,
    /// Its line, counting from 1; `None` when the fault is in no line of it.
    pub line: Option<u32>,
    /// The key, such as `models[2].route.tiers[0][1].provider`, or the variable.
    pub key: String,
    /// What is wrong and what would be right.
    pub message: String,
}

/// All that is wrong with one configuration, in the order of its lines, file by file. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults {
    listed: Vec<Fault>,
    unlisted: usize,
}

impl Faults {
    /// Puts faults in order, each once: a timeout may be wrong for several targets.
    pub(super) fn new(mut faults: Vec<Fault>) -> Self {
        faults.sort_by(|a, b| (a.line, &a.key).cmp(&(b.line, &b.key)));
        faults.dedup();
        let unlisted = faults.len().saturating_sub(LISTED_MAX);
        faults.truncate(LISTED_MAX);
        Self { listed: faults, unlisted }
    }

    /// The faults of several files, file by file.
    pub(super) fn of_files(files: impl IntoIterator<Item = Vec<Fault>>) -> Self {
        let mut all = Self { listed: Vec::new(), unlisted: 0 };
        for faults in files {
            let Self { listed, unlisted } = Self::new(faults);
            all.listed.extend(listed);
            all.unlisted += unlisted;
        }
        all.unlisted += all.listed.len().saturating_sub(LISTED_MAX);
        all.listed.truncate(LISTED_MAX);
        all
    }

    /// Whether there are none: then they are no [`Faults`].
    pub(super) fn is_empty(&self) -> bool {
        self.listed.is_empty()
    }

    /// The faults, at most 100 of them.
    pub fn iter(&self) -> impl Iterator<Item = &Fault> {
        self.listed.iter()
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.message)
    }
}

/// One fault a line.
impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.listed.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{fault}")?;
        }
        if self.unlisted > 0 {
            write!(f, "\nand {} more", self.unlisted)?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}
