//! The ledger: the single writer to the store.

mod record;

pub use record::{Digest, RECORD_VERSION, Record, RecordError};
