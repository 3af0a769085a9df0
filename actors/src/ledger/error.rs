//! What can be wrong with a ledger, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Digest, RecordError};
use crate::id::AccountId;

/// Why the ledger can't be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// Another process has it.
    #[error("{} is in use by another process; stop that one first", .0.display())]
    InUse(PathBuf),
    /// Written by a build that this one does not know, or not a ledger at all. Nothing was touched.
    #[error(
        "{} names the format `{found}` and this build knows `{expected}`; use the build that wrote \
         it, or another directory; nothing was touched", .path.display()
    )]
    UnknownFormat {
        /// The format file.
        path: PathBuf,
        /// Its first characters.
        found: String,
        /// The one this build writes.
        expected: &'static str,
    },
    /// What is there is not all that was written.
    #[error(
        "the ledger in {} is damaged: {damage}; it is not served from; `infergate ledger repair` \
         copies what is provably good into a new directory and lists what is lost", .path.display()
    )]
    Damaged {
        /// The data directory.
        path: PathBuf,
        /// What is missing or wrong.
        damage: Damage,
    },
    /// An earlier write failed. The process must be restarted.
    #[error(transparent)]
    Poisoned(#[from] Poisoned),
    /// The operating system refused something.
    #[error("can't {act} {}", .path.display())]
    Io {
        /// What was tried.
        act: &'static str,
        /// On which file.
        path: PathBuf,
        /// Its reason.
        source: io::Error,
    },
    /// The store refused a read.
    #[error("the store can't be read: {0}")]
    Read(String),
    /// A new ledger is only made where there is nothing.
    #[error("{} is not empty; name a directory that is, or that does not exist", .0.display())]
    NotEmpty(PathBuf),
    /// An export that can't be taken in.
    #[error("not a whole export: {0}")]
    Stream(StreamFault),
}

/// What is missing or wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// A part of the data directory is not there.
    #[error("`{0}` is missing")]
    Missing(String),
    /// Neither slot of the high-water file can be read.
    #[error("the high-water file can't be read")]
    HighWater,
    /// A file of the store was changed.
    #[error("the file `{file}` was changed")]
    File {
        /// Its name.
        file: String,
    },
    /// The store's own write-ahead file is broken before its end.
    #[error("the write-ahead file `{file}` is broken at byte {offset}")]
    WriteAhead {
        /// Its name.
        file: String,
        /// From where on.
        offset: u64,
    },
    /// The store refuses to open, or to read.
    #[error("the store does not open or read: {0}")]
    Store(String),
    /// The journal ends too early.
    #[error("events {} to {promised} are missing: they were on disk once", .found + 1)]
    Behind {
        /// The last event there is.
        found: u64,
        /// The last event known to have been on disk.
        promised: u64,
    },
    /// The journal has another event where the high-water mark or the checkpoint has one.
    #[error("event {sequence} is not the one that was on disk")]
    Other {
        /// Its sequence.
        sequence: u64,
    },
    /// Events are missing in the middle.
    #[error("events {} to {} are missing", .after + 1, .found - 1)]
    Gap {
        /// The last before them.
        after: u64,
        /// The first behind them.
        found: u64,
    },
    /// An event does not follow from the one before it.
    #[error("event {sequence} was changed, or one before it")]
    Chain {
        /// Its sequence.
        sequence: u64,
    },
    /// An event can't be read.
    #[error("event {sequence}: {error}")]
    Undecodable {
        /// Its sequence.
        sequence: u64,
        /// Why.
        error: RecordError,
    },
    /// An account's event does not follow from that account's event before it.
    #[error("event {number} of {account} does not follow from the one before it")]
    AccountChain {
        /// Whose.
        account: AccountId,
        /// Its number among the account's events.
        number: u64,
    },
    /// An index and the journal disagree.
    #[error("the index `{index}` disagrees with event {sequence}")]
    Index {
        /// Which index.
        index: &'static str,
        /// The event.
        sequence: u64,
    },
    /// A stored value is not what was written.
    #[error("the entry of {what} can't be read")]
    Value {
        /// Whose entry.
        what: String,
    },
}

/// A write failed: nothing is accepted any more, because nobody can say what is on disk.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the ledger takes no more writes: {0}; restart the process")]
pub struct Poisoned(pub Arc<str>);

/// What is wrong with an export.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StreamFault {
    /// It does not begin like one.
    #[error("it does not begin with the header of an export")]
    Header,
    /// A version this build does not know.
    #[error("it has version {0}, and this build reads version 1")]
    Version(u16),
    /// It does not start at the first event.
    #[error("it starts at event {0}, and a new ledger starts at event 1")]
    Partial(u64),
    /// It stops in the middle, or has an impossible length.
    #[error("it is cut or garbled after event {0}")]
    Cut(u64),
    /// An event in it does not follow from the one before.
    #[error("event {0} does not follow from the one before it")]
    Chain(u64),
    /// An event in it can't be read.
    #[error("event {0} can't be read")]
    Undecodable(u64),
    /// Its trailer promises something else.
    #[error("its trailer does not agree with what came before")]
    Trailer,
}

/// The end of a chain: which event it reaches, and its digest there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The last event; 0 before the first.
    pub sequence: u64,
    /// The chain's digest there; zeros before the first.
    pub chain: Digest,
}

impl LedgerError {
    pub(super) fn damaged(path: &Path, damage: Damage) -> Self {
        Self::Damaged { path: path.to_owned(), damage }
    }

    pub(super) fn io(act: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { act, path: path.to_owned(), source }
    }
}
