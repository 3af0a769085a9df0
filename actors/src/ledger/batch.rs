//! What an actor asks to have written in one piece. Pure.

use smallvec::SmallVec;

use super::glance::{Effect, Glance};
use super::layout::Snapshot;
use super::store::{Area, Bytes};
use super::{Digest, Poisoned, Record};

/// How safe something is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Durability {
    /// In the operating system's hands: it survives the death of the process.
    #[default]
    Process,
    /// Flushed to the disk: it survives the loss of power.
    Disk,
}

/// How the ledger answers once a batch has reached its durability: called on the ledger's own
/// thread, so it must not block.
pub type Then = Box<dyn FnOnce(Result<(), Poisoned>) + Send>;

/// Events, snapshots and provider states that are written together or not at all.
///
/// A batch is urgent unless [`Batch::lazy`] says otherwise, and reaches the ledger's own durability
/// unless [`Batch::on_disk`] asks for more.
#[derive(Debug, Default)]
pub struct Batch {
    pub(super) records: Vec<u8>,
    pub(super) entries: SmallVec<[Entry; 1]>,
    pub(super) snapshots: Vec<Snapshot>,
    pub(super) providers: Vec<(String, Vec<u8>)>,
    pub(super) upkeep: Option<Box<Upkeep>>,
    pub(super) deliveries: Vec<(String, Vec<u8>)>,
    pub(super) on_disk: bool,
    pub(super) lazy: bool,
}

/// Changes of what is derived from the events and kept beside them.
#[derive(Debug, Default)]
pub(super) struct Upkeep {
    pub(super) put: Vec<(Area, Bytes, Vec<u8>)>,
    pub(super) removed: Vec<(Area, Bytes)>,
}

/// One record in a batch: where it ends in the bytes, and what the committer must know of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) end: usize,
    pub(super) glance: Glance,
}

impl Batch {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an event. Gives its digest: what the account's next event carries as `previous`.
    pub fn push(&mut self, record: &Record) -> Digest {
        let bytes = record.encode();
        let digest = Digest::of(&bytes);
        let Record { account, number, previous, at_ms, ref event } = *record;
        // Of requests, which are nearly all of them, it is known without a look.
        let notice = if event.is_of_a_request() { None } else { Glance::notice(&bytes) };
        let effect = Effect::of(event);
        let glance = Glance { account, number, previous, at_ms, effect, notice };
        if self.records.is_empty() {
            self.records = bytes;
        } else {
            self.records.extend_from_slice(&bytes);
        }
        self.entries.push(Entry { end: self.records.len(), glance });
        digest
    }

    /// Adds an event that is encoded already.
    pub(super) fn push_encoded(&mut self, record: &[u8], glance: Glance) {
        self.records.extend_from_slice(record);
        self.entries.push(Entry { end: self.records.len(), glance });
    }

    /// Adds an account's newest snapshot.
    pub fn snapshot(&mut self, snapshot: Snapshot) {
        self.snapshots.push(snapshot);
    }

    /// Adds a provider's newest state, in the provider's own format.
    pub fn provider(&mut self, name: &str, state: Vec<u8>) {
        self.providers.push((name.to_owned(), state));
    }

    /// Adds how far a reader of notices has come, in its own format.
    pub fn delivery(&mut self, name: &str, state: Vec<u8>) {
        self.deliveries.push((name.to_owned(), state));
    }

    /// Asks that it be answered only when it is on disk, whatever the ledger's setting.
    pub fn on_disk(mut self) -> Self {
        self.on_disk = true;
        self
    }

    /// Lets it ride with the next commit, at the latest with the next flush to disk: nobody waits.
    pub fn lazy(mut self) -> Self {
        self.lazy = true;
        self
    }

    /// How many events are in it.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        let has_states =
            !self.providers.is_empty() || !self.deliveries.is_empty() || self.upkeep.is_some();
        self.entries.is_empty() && self.snapshots.is_empty() && !has_states
    }

    /// Its records as they will be read, with their digests, for tests of what was decided.
    #[doc(hidden)]
    pub fn decoded(&self) -> Vec<(Record, Digest)> {
        let records = self.records().map(|(_, bytes)| (Record::decode(bytes), Digest::of(bytes)));
        records.filter_map(|(record, digest)| Some((record.ok()?, digest))).collect()
    }

    /// Its records in order, each with its bytes.
    pub(super) fn records(&self) -> impl Iterator<Item = (&Entry, &[u8])> {
        let mut rest = self.records.as_slice();
        let mut start = 0;
        self.entries.iter().map(move |entry| {
            let (record, behind) = rest.split_at_checked(entry.end - start).unwrap_or((rest, &[]));
            rest = behind;
            start = entry.end;
            (entry, record)
        })
    }
}
