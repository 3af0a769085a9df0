//! The ledger: the single writer to the store, and the judge of what is in it.
//!
//! Everything that changes money or access is an event; an event is a [`Record`] in one journal,
//! numbered without gaps and chained to the one before it, twice: in the journal (made here) and
//! among its account's own events (made by the account). So a missing, changed or moved event shows,
//! and [`Ledger::open`] looks before anything is served.
//!
//! | file | |
//! | --- | --- |
//! | `handle`, `read`, `find`, `notices` | [`Ledger`]: what the rest of the gateway calls |
//! | `batch`, `queue`, `committer`, `writer` | from an actor's request to the disk |
//! | `record`, `glance`, `notice`, `layout`, `chain` | the bytes, and their proof |
//! | `data_dir`, `high_water`, `store`, `store_files`, `wal` | the files |
//! | `recovery` | opening |
//! | `verify`, `audit`, `recount` | every charge and every sum derived again |
//! | `rollup`, `follower`, `standing` | daily sums of usage: the bytes, who makes them, who reads them |
//! | `rebuild`, `repair`, `export` | a new directory from an old one |
//!
//! What is on disk when: at [`Durability::Process`] a batch is answered when the operating system
//! has it, and flushed within [`LedgerOptions::fsync_interval`]; at [`Durability::Disk`] it is
//! answered after the flush. A flush is followed by the high-water mark, which therefore never
//! promises too much. A write that fails poisons the ledger for good: nobody can say what is on
//! disk then, and only a restart, which proves everything, may go on.

mod audit;
mod batch;
mod chain;
mod committer;
mod data_dir;
mod error;
mod export;
mod find;
mod follower;
mod glance;
mod handle;
mod high_water;
mod layout;
mod notice;
mod notices;
mod queue;
mod read;
mod rebuild;
mod record;
mod recount;
mod recovery;
mod repair;
mod rollup;
mod standing;
mod steady;
mod store;
mod store_files;
mod verify;
mod wal;
mod writer;

pub use audit::Totals;
pub use batch::{Batch, Durability, Then};
pub use error::{Damage, Head, LedgerError, Poisoned, StreamFault};
pub use export::{ExportReport, export_directory, import};
pub use follower::Keep;
pub use handle::{Ledger, LedgerOptions, LedgerStats, VerifyOnStart};
pub use layout::Snapshot;
pub use notice::NoticeKind;
pub use notices::Notice;
pub use queue::Ticket;
pub use read::{JournalEntry, Loaded, UsageEntry};
pub use record::{Digest, RECORD_VERSION, Record, RecordError};
pub use recovery::RecoveryReport;
pub use repair::{RepairReport, repair};
pub use rollup::{Dimensions, Kept, Rollup, Sums};
pub use standing::{RowPlace, Standing};
pub use verify::{Difference, Fold, VerifyReport, verify_directory};
