//! What the rest of the gateway calls.

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::oneshot;

use super::batch::{Batch, Durability, Then};
use super::committer::Committer;
use super::data_dir::DataDir;
use super::error::{Damage, LedgerError, Poisoned};
use super::follower::{Follower, Keep, kept};
use super::layout::{account_journal_key, split_account_journal_key};
use super::queue::{Shared, Ticket};
use super::recovery::{self, RecoveryReport};
use super::store::{Area, Store, StoreMemory, View};
use crate::clock::Clock;
use crate::id::AccountId;

/// How a ledger is kept.
#[derive(Clone, Debug)]
pub struct LedgerOptions {
    /// The data directory; made if it does not exist.
    pub path: PathBuf,
    /// What a batch reaches before it is answered, unless it asks for more.
    pub durability: Durability,
    /// The longest time between a commit and its flush to disk.
    pub fsync_interval: Duration,
    /// How much of the journal is proven before serving.
    pub verify_on_start: VerifyOnStart,
    /// Which node this is: part of every account id it makes.
    pub node: u16,
    /// Batches that may wait before [`Ledger::is_backlogged`] says that no more work should be
    /// taken in.
    pub backlog_max: usize,
    /// Of each keyspace, in bytes, before it is written out as a table. Fixed when it is made.
    pub memtable_bytes: u64,
    /// For what is read back from tables, in bytes.
    pub cache_bytes: u64,
    /// How often sums of usage are brought up to date in the background.
    pub rollup_interval: Duration,
    /// How long records and sums of usage are kept.
    pub keep: Keep,
}

/// How much of the journal is proven before serving.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum VerifyOnStart {
    /// All of it.
    #[default]
    Full,
    /// From the last checkpoint on.
    Tail,
}

/// The open ledger. Clones are the same ledger; dropping the last one closes it.
#[derive(Clone)]
pub struct Ledger(Arc<Inner>);

struct Inner {
    options: LedgerOptions,
    epoch: u32,
    accounts_opened: AtomicU64,
    /// Of ids that may have been given out before a repair, the last place.
    ids_behind: u64,
    shared: Arc<Shared>,
    store: Arc<Store>,
    follower: Arc<Follower>,
    /// The committer's and the follower's.
    threads: Mutex<Option<[JoinHandle<()>; 2]>>,
}

/// How the ledger is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LedgerStats {
    /// Batches that wait for their commit.
    pub backlog: usize,
    /// The last event that the operating system has.
    pub sequence: u64,
    /// The last event on disk.
    pub sequence_synced: u64,
    /// Group commits since the start.
    pub commits: u64,
    /// Flushes to disk since the start.
    pub syncs: u64,
    /// Time spent in commits.
    pub commit_time: Duration,
    /// Time spent in flushes.
    pub sync_time: Duration,
    /// Holds without an end.
    pub holds_open: usize,
}

impl LedgerOptions {
    /// The defaults, for a data directory.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            durability: Durability::Process,
            fsync_interval: Duration::from_millis(50),
            verify_on_start: VerifyOnStart::Full,
            node: 0,
            backlog_max: 65_536,
            memtable_bytes: 32 << 20,
            cache_bytes: 32 << 20,
            rollup_interval: Duration::from_secs(1),
            keep: Keep::default(),
        }
    }

    pub(super) fn memory(&self) -> StoreMemory {
        StoreMemory { memtable_bytes: self.memtable_bytes, cache_bytes: self.cache_bytes }
    }
}

impl Ledger {
    /// Opens the ledger, or makes one: proves it, voids the holds that a crash left, and starts the
    /// committer. Blocks for as long as that takes.
    pub fn open(
        options: LedgerOptions,
        clock: Clock,
    ) -> Result<(Self, RecoveryReport), LedgerError> {
        let how = options.verify_on_start;
        let (writer, high_water, report) =
            recovery::open(&options.path, options.memory(), how, &clock)?;
        let store = Arc::clone(writer.store());
        let shared = Arc::new(Shared::default());
        let sequence = writer.head().sequence;
        shared.counters.sequence.store(sequence, Ordering::Release);
        shared.counters.sequence_synced.store(sequence, Ordering::Release);
        let (durability, interval) = (options.durability, options.fsync_interval);
        let committer = Committer::new(writer, high_water, clock.clone(), durability, interval);
        let dir = DataDir::new(&options.path);
        let ids_behind = recovery::ids_behind(&store.view(), &dir)?.unwrap_or_default();
        let accounts_opened = last_account(&store.view(), options.node)?.max(ids_behind);
        shared.kept.set(kept(&store.view())?);
        let follower = Follower::new(Arc::clone(&store), Arc::clone(&shared), clock, options.keep);
        let follower = Arc::new(follower);
        let failed = |error| LedgerError::io("start a thread for", &options.path, error);
        let threads = [
            thread::Builder::new().name("ledger".to_owned()).spawn({
                let shared = Arc::clone(&shared);
                move || committer.run(&shared)
            }),
            thread::Builder::new().name("rollups".to_owned()).spawn({
                let (follower, interval) = (Arc::clone(&follower), options.rollup_interval);
                move || follower.run(interval)
            }),
        ];
        let [committing, following] = threads;
        let threads = [committing.map_err(failed)?, following.map_err(failed)?];
        let ledger = Self(Arc::new(Inner {
            epoch: report.epoch,
            accounts_opened: AtomicU64::new(accounts_opened),
            ids_behind,
            options,
            shared,
            store,
            follower,
            threads: Mutex::new(Some(threads)),
        }));
        Ok((ledger, report))
    }

    /// Which start of this ledger this is, counting from 1.
    pub fn epoch(&self) -> u32 {
        self.0.epoch
    }

    /// The node whose ids this ledger gives out.
    pub fn node(&self) -> u16 {
        self.0.options.node
    }

    /// An id that no account in the ledger has and that is not given out again.
    pub fn new_account_id(&self) -> AccountId {
        let count = self.0.accounts_opened.fetch_add(1, Ordering::Relaxed) + 1;
        AccountId::new(self.0.options.node, count)
    }

    /// The last id that a register may have given out before a repair: the register's own where there
    /// was none.
    pub fn given_out(&self, register: AccountId) -> AccountId {
        AccountId(register.0.saturating_add(self.0.ids_behind))
    }

    /// Queues a batch; never waits for the disk. `then` is called on the ledger's thread once the
    /// batch has reached its durability, or on the caller's, with the reason, if nothing is taken
    /// any more.
    pub fn append(&self, batch: Batch, then: Option<Then>) -> Ticket {
        self.0.shared.append(batch, then)
    }

    /// Whether a batch is in the operating system's hands.
    pub fn committed(&self, ticket: Ticket) -> bool {
        self.0.shared.reached(ticket, Durability::Process)
    }

    /// Waits until a batch has reached a durability, and makes that urgent.
    pub async fn wait(&self, ticket: Ticket, durability: Durability) -> Result<(), LedgerError> {
        if self.0.shared.reached(ticket, durability) {
            return Ok(());
        }
        let (answer, answered) = oneshot::channel();
        let then = Box::new(move |result| {
            // Who does not wait any more is not told.
            let _ = answer.send(result);
        });
        self.0.shared.when(ticket, durability, then);
        let gone = |_| Poisoned("its thread is gone".into());
        Ok(answered.await.map_err(gone)??)
    }

    /// Waits until everything appended so far is in the operating system's hands.
    pub async fn barrier(&self) -> Result<(), LedgerError> {
        self.wait(self.0.shared.ticket_last(), Durability::Process).await
    }

    /// [`Ledger::barrier`] for threads that may block.
    pub(super) fn settle(&self) -> Result<(), LedgerError> {
        let ticket = self.0.shared.ticket_last();
        if self.0.shared.reached(ticket, Durability::Process) {
            return Ok(());
        }
        let (answer, answered) = mpsc::sync_channel(1);
        let then = Box::new(move |result| {
            let _ = answer.send(result);
        });
        self.0.shared.when(ticket, Durability::Process, then);
        let gone = |_| Poisoned("its thread is gone".into());
        Ok(answered.recv().map_err(gone)??)
    }

    /// Keeps a provider's newest state.
    pub fn put_provider(&self, name: &str, state: Vec<u8>, then: Option<Then>) -> Ticket {
        let mut batch = Batch::new().lazy();
        batch.provider(name, state);
        self.append(batch, then)
    }

    /// How the ledger is doing. Never waits.
    pub fn stats(&self) -> LedgerStats {
        let counters = &self.0.shared.counters;
        LedgerStats {
            backlog: counters.backlog.load(Ordering::Relaxed),
            sequence: counters.sequence.load(Ordering::Acquire),
            sequence_synced: counters.sequence_synced.load(Ordering::Acquire),
            commits: counters.commits.load(Ordering::Relaxed),
            syncs: counters.syncs.load(Ordering::Relaxed),
            commit_time: Duration::from_nanos(counters.commit_nanos.load(Ordering::Relaxed)),
            sync_time: Duration::from_nanos(counters.sync_nanos.load(Ordering::Relaxed)),
            holds_open: counters.holds_open.load(Ordering::Relaxed),
        }
    }

    /// The size of the store's write-ahead files and of all its files, in bytes. Blocks: it may wait
    /// for a flush.
    pub fn disk_bytes(&self) -> (u64, u64) {
        self.0.store.disk_bytes()
    }

    /// Whether so much waits that no more work should be taken in.
    pub fn is_backlogged(&self) -> bool {
        self.0.shared.counters.backlog.load(Ordering::Relaxed) >= self.0.options.backlog_max
    }

    /// Whether a write has failed: nothing is taken any more, the process must be restarted.
    pub fn is_poisoned(&self) -> bool {
        self.0.shared.poisoned().is_some()
    }

    /// Has `call` called, once, when a write fails; at once if one has.
    pub fn on_poison(&self, call: impl FnOnce(&Poisoned) + Send + 'static) {
        self.0.shared.on_poison(Box::new(call));
    }

    /// Writes and flushes everything appended so far, and takes nothing any more. Reading goes on;
    /// the files are free for another process when the last clone is dropped. Blocks.
    pub fn close(&self) -> Result<(), LedgerError> {
        self.0.stop();
        self.0.shared.poisoned().map_or(Ok(()), |poisoned| Err(poisoned.clone().into()))
    }

    pub(super) fn store(&self) -> &Store {
        &self.0.store
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.0.shared
    }

    pub(super) fn follower(&self) -> &Follower {
        &self.0.follower
    }

    pub(super) fn data_dir(&self) -> DataDir {
        DataDir::new(&self.0.options.path)
    }

    pub(super) fn damaged(&self, damage: Damage) -> LedgerError {
        LedgerError::damaged(&self.0.options.path, damage)
    }

    /// Waits like [`Ledger::barrier`] and gives the store as it stands then.
    pub(super) fn settled_view(&self) -> Result<View<'_>, LedgerError> {
        self.settle()?;
        Ok(self.0.store.view())
    }
}

impl Inner {
    fn stop(&self) {
        let threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some([committing, following]) = threads else { return };
        // The last clone may be dropped by an answer, on the very thread.
        let is_committing = committing.thread().id() == thread::current().id();
        // What the follower has under way is still written, where nobody waits for himself.
        self.follower.stop(!is_committing);
        if !is_committing && following.join().is_err() {
            tracing::error!("the ledger's follower panicked");
        }
        self.shared.stop();
        if !is_committing && committing.join().is_err() {
            tracing::error!("the ledger's thread panicked");
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stop();
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Ledger").field(&self.0.options.path).finish()
    }
}

/// The count in the newest account id that a node has given out one after the other.
fn last_account(view: &View<'_>, node: u16) -> Result<u64, LedgerError> {
    let first = account_journal_key(AccountId::new(node, 0), 0);
    // Those who sign up have ids of their own behind these.
    let last = account_journal_key(AccountId::new(node, AccountId::COUNT_MAX), u64::MAX);
    let Some(pair) = view.between(Area::AccountJournal, &first, &last).next_back() else {
        return Ok(0);
    };
    let (key, _) = pair?;
    Ok(split_account_journal_key(&key).map_or(0, |(account, _)| account.count()))
}
