//! The store: fjall and nothing of the ledger's rules. The only file that names fjall's types.
//!
//! What fjall gives: atomic batches over several keyspaces, order by key, checksums of its tables.
//! What it does not give is in `wal.rs` and `recovery.rs`. It may panic on damaged files, which is
//! why opening and proving run under [`guarded`].

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode, Readable};

use super::data_dir::Lock;
use super::error::{Damage, LedgerError};
use super::layout::notices_key;

/// How much memory the store may use.
#[derive(Clone, Copy, Debug)]
pub(super) struct StoreMemory {
    /// Of each keyspace, in bytes, before it is written out as a table. Fixed when it is made.
    pub(super) memtable_bytes: u64,
    /// For blocks read back.
    pub(super) cache_bytes: u64,
}

/// The keyspaces, in the order they are made, which is the order of fjall's numbers for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Area {
    Journal,
    AccountJournal,
    Accounts,
    Usage,
    Keys,
    Providers,
    Meta,
    /// Derived from the journal, with all that tells how far: it may be missing.
    Rollups,
    Notices,
    AccountNotices,
    Deliveries,
}

pub(super) const AREAS: [Area; 11] = [
    Area::Journal,
    Area::AccountJournal,
    Area::Accounts,
    Area::Usage,
    Area::Keys,
    Area::Providers,
    Area::Meta,
    Area::Rollups,
    Area::Notices,
    Area::AccountNotices,
    Area::Deliveries,
];

/// An open store.
pub(super) struct Store {
    database: Database,
    keyspaces: [Keyspace; 11],
    // Dropped last: until then nobody else may open the files.
    _lock: Option<Lock>,
}

/// A moment of a store, which keeps what stood there from being forgotten.
#[derive(Clone)]
pub(super) struct Moment(fjall::Snapshot);

/// The store as it stood at one moment.
pub(super) struct View<'store> {
    snapshot: fjall::Snapshot,
    store: &'store Store,
}

/// Writes that become visible, and survive, together.
pub(super) struct StoreBatch<'store> {
    batch: fjall::OwnedWriteBatch,
    store: &'store Store,
}

/// The store's own words on what went wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct StoreError(pub(super) String);

pub(super) type Bytes = fjall::Slice;
pub(super) type Pair = Result<(Bytes, Bytes), StoreError>;

impl Area {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Journal => "journal",
            Self::AccountJournal => "account_journal",
            Self::Accounts => "accounts",
            Self::Usage => "usage",
            Self::Keys => "keys",
            Self::Providers => "providers",
            Self::Meta => "meta",
            Self::Rollups => "rollups",
            Self::Notices => "notices",
            Self::AccountNotices => "account_notices",
            Self::Deliveries => "deliveries",
        }
    }

    /// Whether it is made again from the others where it is missing.
    pub(super) const fn is_derived(self) -> bool {
        matches!(self, Self::Rollups)
    }

    /// Whether anything is ever taken out of it.
    pub(super) const fn is_pruned(self) -> bool {
        matches!(self, Self::Usage | Self::Rollups)
    }

    /// Fjall's number for it, which is also the name of its folder.
    pub(super) fn number(self) -> usize {
        AREAS.iter().take_while(|area| **area != self).count() + 1
    }

    /// The keyspace with fjall's number, which counts from 1.
    pub(super) fn from_number(number: u64) -> Option<Self> {
        let index = usize::try_from(number).ok()?.checked_sub(1)?;
        AREAS.get(index).copied()
    }

    /// Whether stores of earlier builds lack it: it is made where it is not, and its beginning is noted
    /// among the `meta` entries, so that one that is gone does not come back empty.
    pub(super) const fn is_later(self) -> bool {
        matches!(self, Self::Notices | Self::AccountNotices | Self::Deliveries)
    }

    /// The length of every key in it, where they have one length.
    pub(super) const fn key_len(self) -> Option<usize> {
        match self {
            Self::Journal | Self::Accounts | Self::Notices => Some(8),
            Self::AccountJournal | Self::AccountNotices => Some(16),
            Self::Usage | Self::Keys => Some(32),
            Self::Rollups => Some(28),
            Self::Providers | Self::Meta | Self::Deliveries => None,
        }
    }

    fn options(self, memory: StoreMemory) -> KeyspaceCreateOptions {
        let memtable_bytes = match self {
            Self::Journal => memory.memtable_bytes,
            Self::AccountJournal | Self::Accounts | Self::Usage => memory.memtable_bytes / 2,
            Self::Keys
            | Self::Providers
            | Self::Meta
            | Self::Notices
            | Self::AccountNotices
            | Self::Deliveries => memory.memtable_bytes / 4,
            // Its rows are written over and over, and a reader passes all that were written before
            // until they are written out: so that is soon.
            Self::Rollups => (memory.memtable_bytes / 16).max(16 << 10),
        };
        KeyspaceCreateOptions::default()
            .max_memtable_size(memtable_bytes)
            // Who reads an event knows that it is there: a filter would only cost.
            .expect_point_read_hits(self == Self::Journal)
    }
}

impl Store {
    /// Makes an empty store.
    pub(super) fn create(path: &Path, memory: StoreMemory) -> Result<Self, StoreError> {
        guarded(|| Self::start(path, memory, None))
    }

    /// Opens a store that is there. Its files have been looked at before.
    pub(super) fn open(path: &Path, memory: StoreMemory, lock: Lock) -> Result<Self, StoreError> {
        guarded(|| Self::start(path, memory, Some(lock)))
    }

    /// Opens one that nobody else knows of.
    pub(super) fn open_copy(path: &Path, memory: StoreMemory) -> Result<Self, StoreError> {
        guarded(|| Self::start(path, memory, None))
    }

    fn start(path: &Path, memory: StoreMemory, lock: Option<Lock>) -> Result<Self, StoreError> {
        let exists = path.join("version").exists();
        let database = Database::builder(path)
            // Compressed values could not be read without the store (see `wal.rs`).
            .journal_compression(fjall::CompressionType::None)
            .cache_size(memory.cache_bytes)
            .worker_threads(2)
            .open()?;
        let open = |area: Area| database.keyspace(area.name(), || area.options(memory));
        // A keyspace that is gone must not come back empty.
        let is_gone = |area: &Area| exists && !database.keyspace_exists(area.name());
        let missing = |area: Area| StoreError(format!("keyspace `{}` is missing", area.name()));
        let may_lack = |area: &Area| area.is_derived() || area.is_later();
        if let Some(area) = AREAS.into_iter().filter(|area| !may_lack(area)).find(is_gone) {
            return Err(missing(area));
        }
        let [journal, account_journal, accounts, usage, keys, providers, meta, rollups, later @ ..] =
            AREAS;
        let [journal, account_journal] = [open(journal)?, open(account_journal)?];
        let [accounts, usage, keys] = [open(accounts)?, open(usage)?, open(keys)?];
        let [providers, meta] = [open(providers)?, open(meta)?];
        if let Some(area) = later.into_iter().find(is_gone)
            && meta.contains_key(notices_key())?
        {
            return Err(missing(area));
        }
        let [notices, account_notices, deliveries] = later;
        let keyspaces = [
            journal,
            account_journal,
            accounts,
            usage,
            keys,
            providers,
            meta,
            open(rollups)?,
            open(notices)?,
            open(account_notices)?,
            open(deliveries)?,
        ];
        Ok(Self { database, keyspaces, _lock: lock })
    }

    fn keyspace(&self, area: Area) -> &Keyspace {
        let [
            journal,
            account_journal,
            accounts,
            usage,
            keys,
            providers,
            meta,
            rollups,
            notices,
            account_notices,
            deliveries,
        ] = &self.keyspaces;
        match area {
            Area::Journal => journal,
            Area::AccountJournal => account_journal,
            Area::Accounts => accounts,
            Area::Usage => usage,
            Area::Keys => keys,
            Area::Providers => providers,
            Area::Meta => meta,
            Area::Rollups => rollups,
            Area::Notices => notices,
            Area::AccountNotices => account_notices,
            Area::Deliveries => deliveries,
        }
    }

    /// One value, as it stands now.
    pub(super) fn get(&self, area: Area, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        Ok(self.keyspace(area).get(key)?)
    }

    /// Everything as it stands now, while writes go on.
    pub(super) fn view(&self) -> View<'_> {
        self.view_at(&self.moment())
    }

    /// Now, to be looked at later.
    pub(super) fn moment(&self) -> Moment {
        Moment(self.database.snapshot())
    }

    /// Everything as it stood at a moment of this store.
    pub(super) fn view_at(&self, moment: &Moment) -> View<'_> {
        View { snapshot: moment.0.clone(), store: self }
    }

    /// An empty batch.
    pub(super) fn batch(&self) -> StoreBatch<'_> {
        StoreBatch {
            batch: self.database.batch().durability(Some(PersistMode::Buffer)),
            store: self,
        }
    }

    /// Flushes everything that was committed to the disk.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        Ok(self.database.persist(PersistMode::SyncData)?)
    }

    /// The size of its write-ahead files and of all its files, in bytes.
    pub(super) fn disk_bytes(&self) -> (u64, u64) {
        let wal = self.database.journal_disk_space().unwrap_or_default();
        (wal, self.database.disk_space().unwrap_or_default())
    }
}

impl View<'_> {
    pub(super) fn get(&self, area: Area, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        Ok(self.snapshot.get(self.store.keyspace(area), key)?)
    }

    /// The pairs of an area from a key on, by rising key.
    pub(super) fn from(&self, area: Area, key: &[u8]) -> impl DoubleEndedIterator<Item = Pair> {
        self.between(area, key, &[0xff; 33])
    }

    /// The pairs of an area whose keys lie between two, both included, by rising key.
    pub(super) fn between(
        &self,
        area: Area,
        first: &[u8],
        last: &[u8],
    ) -> impl DoubleEndedIterator<Item = Pair> + use<> {
        let pairs = self.snapshot.range(self.store.keyspace(area), first..=last);
        pairs.map(|pair| Ok(pair.into_inner()?))
    }
}

impl StoreBatch<'_> {
    pub(super) fn put(&mut self, area: Area, key: impl Into<Bytes>, value: impl Into<Bytes>) {
        self.batch.insert(self.store.keyspace(area), key, value);
    }

    pub(super) fn remove(&mut self, area: Area, key: impl Into<Bytes>) {
        self.batch.remove(self.store.keyspace(area), key);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.batch.is_empty()
    }

    /// Hands the batch to the operating system.
    pub(super) fn commit(self) -> Result<(), StoreError> {
        Ok(self.batch.commit()?)
    }
}

/// Runs something that may panic on damaged files.
pub(super) fn guarded<T>(run: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        let message = panic.downcast_ref::<String>().map(String::as_str);
        let message = message.or_else(|| panic.downcast_ref::<&str>().copied());
        Err(StoreError(format!("it panics: {}", message.unwrap_or("for no stated reason"))))
    })
}

impl From<fjall::Error> for StoreError {
    fn from(error: fjall::Error) -> Self {
        let text = match error {
            fjall::Error::Io(error) => error.to_string(),
            fjall::Error::Poisoned => "an earlier write failed".to_owned(),
            other => format!("{other:?}"),
        };
        Self(text)
    }
}

impl From<StoreError> for LedgerError {
    fn from(error: StoreError) -> Self {
        Self::Read(error.0)
    }
}

impl From<StoreError> for Damage {
    fn from(error: StoreError) -> Self {
        Self::Store(error.0)
    }
}
