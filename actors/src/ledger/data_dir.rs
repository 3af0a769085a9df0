//! The data directory: its format file, its lock, and how one comes to be.
//!
//! ```text
//! FORMAT       `infergate-ledger 1`: read before anything is touched
//! LOCK         held while a process has the ledger open
//! high-water   the last event known to be on disk
//! store/       the store's own files; `store.new/` while they are first made
//! ```
//!
//! A new one is made in the order LOCK, high-water, FORMAT, store, so that whatever a crash leaves
//! can be told apart from a directory that has lost a part.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use super::error::{Damage, LedgerError};
use super::high_water::{HighWater, Mark};

const FORMAT_LINE: &str = "infergate-ledger 1";
const FORMAT_BYTES_MAX: u64 = 64;

/// The paths of one ledger.
#[derive(Clone, Debug)]
pub(super) struct DataDir {
    root: PathBuf,
}

/// The lock, held until it is dropped.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
}

impl Drop for Lock {
    /// Gives it up by name: a process that is just being started by this one has a copy of the open file
    /// for a moment, and closing ours alone would leave the lock with that.
    fn drop(&mut self) {
        if let Err(error) = self.file.unlock() {
            tracing::warn!(%error, "the lock of the data directory can't be given up");
        }
    }
}

/// What is there.
#[derive(Debug)]
pub(super) enum Found {
    /// Nothing yet, or the beginning of making one.
    New,
    /// A ledger, with what its high-water file promises.
    Ledger(HighWater, Mark),
}

impl DataDir {
    pub(super) fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn store(&self) -> PathBuf {
        self.root.join("store")
    }

    pub(super) fn store_new(&self) -> PathBuf {
        self.root.join("store.new")
    }

    pub(super) fn high_water(&self) -> PathBuf {
        self.root.join("high-water")
    }

    fn format(&self) -> PathBuf {
        self.root.join("FORMAT")
    }

    /// Whether there is a format file, and that it names this build's format. Touches nothing.
    pub(super) fn check_format(&self) -> Result<bool, LedgerError> {
        let path = self.format();
        let mut bytes = Vec::new();
        match File::open(&path) {
            Ok(file) => file.take(FORMAT_BYTES_MAX).read_to_end(&mut bytes),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            Err(error) => Err(error),
        }
        .map_err(|error| LedgerError::io("read", &path, error))?;
        if bytes == format!("{FORMAT_LINE}\n").as_bytes() {
            return Ok(true);
        }
        let found = String::from_utf8_lossy(&bytes).trim_end().escape_debug().to_string();
        Err(LedgerError::UnknownFormat { path, found, expected: FORMAT_LINE })
    }

    /// Makes the directory and takes its lock.
    pub(super) fn lock(&self) -> Result<Lock, LedgerError> {
        fs::create_dir_all(&self.root)
            .map_err(|error| LedgerError::io("make", &self.root, error))?;
        let path = self.root.join("LOCK");
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
        let file = file.map_err(|error| LedgerError::io("open", &path, error))?;
        match file.try_lock() {
            Ok(()) => Ok(Lock { file }),
            Err(TryLockError::WouldBlock) => Err(LedgerError::InUse(self.root.clone())),
            Err(TryLockError::Error(error)) => Err(LedgerError::io("lock", &path, error)),
        }
    }

    /// Tells a new directory from a ledger, and a ledger from what is left of one.
    pub(super) fn find(&self) -> Result<Found, LedgerError> {
        let has_format = self.check_format()?;
        let has_store = exists(&self.store())?;
        let path = self.high_water();
        let mark = if exists(&path)? {
            HighWater::open(&path).map_err(|error| LedgerError::io("read", &path, error))?
        } else if has_store {
            return Err(self.damaged(Damage::Missing("high-water".to_owned())));
        } else {
            return Ok(Found::New);
        };
        let promises_nothing = mark.as_ref().is_none_or(|(_, mark)| mark.head.sequence == 0);
        match (has_format, has_store, mark) {
            (true, true, Some((high_water, mark))) => Ok(Found::Ledger(high_water, mark)),
            (true, _, None) => Err(self.damaged(Damage::HighWater)),
            (_, false, _) if promises_nothing => Ok(Found::New),
            (_, false, _) => Err(self.damaged(Damage::Missing("store".to_owned()))),
            (false, true, _) => Err(self.damaged(Damage::Missing("FORMAT".to_owned()))),
        }
    }

    /// Writes the format file, durably.
    pub(super) fn write_format(&self) -> io::Result<()> {
        let staged = self.root.join("FORMAT.new");
        let mut file = File::create(&staged)?;
        file.write_all(format!("{FORMAT_LINE}\n").as_bytes())?;
        file.sync_all()?;
        fs::rename(&staged, self.format())?;
        self.sync()
    }

    /// Removes what an interrupted making has left.
    pub(super) fn clear_store_new(&self) -> io::Result<()> {
        match fs::remove_dir_all(self.store_new()) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Puts a finished `store.new` in its place.
    pub(super) fn adopt_store_new(&self) -> io::Result<()> {
        fs::rename(self.store_new(), self.store())?;
        self.sync()
    }

    /// Flushes the directory's own entries.
    pub(super) fn sync(&self) -> io::Result<()> {
        // Only Unix knows how to flush a directory.
        if cfg!(unix) { File::open(&self.root)?.sync_all() } else { Ok(()) }
    }

    pub(super) fn damaged(&self, damage: Damage) -> LedgerError {
        LedgerError::damaged(&self.root, damage)
    }
}

/// Refuses a directory that has something in it.
pub(super) fn require_empty(path: &Path) -> Result<(), LedgerError> {
    match fs::read_dir(path) {
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => Err(LedgerError::NotEmpty(path.to_owned())),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(LedgerError::io("read", path, error)),
    }
}

fn exists(path: &Path) -> Result<bool, LedgerError> {
    path.try_exists().map_err(|error| LedgerError::io("look for", path, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_is_dropped_is_free_though_a_process_being_started_has_a_copy_of_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::new(dir.path());
        let lock = data.lock().unwrap();
        assert!(matches!(data.lock(), Err(LedgerError::InUse(_))));
        // What a fork does to every open file.
        let copy = lock.file.try_clone().unwrap();
        drop(lock);
        drop(data.lock().unwrap());
        drop(copy);
    }
}
