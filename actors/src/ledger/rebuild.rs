//! Writes a new data directory from events that are at hand: the end of a repair and of an import.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use super::batch::Batch;
use super::data_dir::{DataDir, Lock, require_empty};
use super::error::LedgerError;
use super::glance::{Effect, Glance};
use super::handle::LedgerOptions;
use super::high_water::{HighWater, Mark};
use super::recovery::{AccountHead, epoch_of};
use super::store::Store;
use super::writer::Writer;
use super::{Digest, Head};
use crate::id::AccountId;

const GROUP_EVENTS: usize = 1024;

/// A directory that is being written. Dropped unfinished, it takes away what it has made.
pub(super) struct Rebuild {
    dir: DataDir,
    writer: Option<Writer>,
    batch: Batch,
    heads: HashMap<AccountId, AccountHead>,
    epoch: u32,
    /// Behind which place the ids of new accounts begin, where that is not told by the events.
    ids_behind: Option<u64>,
    lock: Option<Lock>,
}

/// An event that can't be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// It can't be read.
    Undecodable,
    /// It does not follow from its account's event before.
    AccountChain,
}

impl Rebuild {
    /// Begins one in an empty directory.
    pub(super) fn begin(path: &Path) -> Result<Self, LedgerError> {
        require_empty(path)?;
        let dir = DataDir::new(path);
        let lock = Some(dir.lock()?);
        let store = Store::create(&dir.store_new(), LedgerOptions::new(path).memory())?;
        let writer = Some(Writer::new(Arc::new(store), Head::default(), HashMap::new()));
        let (batch, heads) = (Batch::new(), HashMap::new());
        Ok(Self { dir, writer, batch, heads, epoch: 0, ids_behind: None, lock })
    }

    /// Adds the next event. The journal's own chain is the caller's to prove.
    pub(super) fn event(&mut self, record: &[u8]) -> Result<Result<(), Refused>, LedgerError> {
        let Ok(glance) = Glance::read(record) else { return Ok(Err(Refused::Undecodable)) };
        let head = self.heads.entry(glance.account).or_default();
        if glance.number != head.number + 1 || glance.previous != head.digest {
            return Ok(Err(Refused::AccountChain));
        }
        *head = AccountHead { number: glance.number, digest: Digest::of(record) };
        if let Effect::Held(hold, _) = glance.effect {
            self.epoch = self.epoch.max(epoch_of(hold));
        }
        self.batch.push_encoded(record, glance);
        if self.batch.len() >= GROUP_EVENTS {
            self.flush()?;
        }
        Ok(Ok(()))
    }

    /// Adds a provider's state.
    pub(super) fn provider(&mut self, name: &str, state: Vec<u8>) {
        self.batch.provider(name, state);
    }

    /// Adds how far a reader of notices has come.
    pub(super) fn delivery(&mut self, name: &str, state: Vec<u8>) {
        self.batch.delivery(name, state);
    }

    /// Makes the next start count from above `epoch`.
    pub(super) fn epoch(&mut self, epoch: u32) {
        self.epoch = self.epoch.max(epoch);
    }

    /// Makes the ids of new accounts begin behind `place` (see [`AccountId::place`]).
    pub(super) fn ids_behind(&mut self, place: u64) {
        self.ids_behind = self.ids_behind.max(Some(place));
    }

    /// The last place that the id of an account with events has.
    pub(super) fn place_last(&self) -> u64 {
        self.heads.keys().map(|account| account.place()).max().unwrap_or_default()
    }

    /// Flushes everything and turns it into a ledger that was closed in order.
    pub(super) fn finish(mut self) -> Result<Head, LedgerError> {
        self.flush()?;
        let failed = |error| LedgerError::io("write", self.dir.root(), error);
        let mut head = Head::default();
        if let Some(mut writer) = self.writer.take() {
            writer.write_notices_from(1)?;
            writer.write_epoch(self.epoch, 0)?;
            if let Some(place) = self.ids_behind {
                writer.write_ids_behind(place)?;
            }
            writer.write_checkpoint()?;
            writer.store().sync()?;
            head = writer.head();
        }
        // The format file comes last: without it, what a crash leaves is refused.
        self.dir.adopt_store_new().map_err(failed)?;
        let mut high_water = HighWater::create(&self.dir.high_water()).map_err(failed)?;
        let marked = high_water.write(Mark { head, closed: true });
        marked.and_then(|()| high_water.sync()).map_err(failed)?;
        self.dir.write_format().map_err(failed)?;
        self.lock = None;
        Ok(head)
    }

    fn flush(&mut self) -> Result<(), LedgerError> {
        let batch = std::mem::take(&mut self.batch);
        match &mut self.writer {
            Some(writer) => Ok(writer.write(std::iter::once(&batch))?),
            None => Ok(()),
        }
    }
}

impl Drop for Rebuild {
    fn drop(&mut self) {
        if self.writer.take().is_some() {
            // Nothing else was in the directory, and nobody can use what is.
            let _ = fs::remove_dir_all(self.dir.store_new());
            let _ = fs::remove_file(self.dir.root().join("LOCK"));
        }
    }
}
