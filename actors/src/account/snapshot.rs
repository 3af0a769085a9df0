//! An account's state as bytes, and as verification wants it. Pure.

use std::borrow::Cow;

use super::refund::Parts;
use super::rules::Rules;
use super::state::Account;
use super::tenancy::Tenancy;
use crate::id::AccountId;
use crate::ledger::{Digest, Fold, Record};

/// The version that this build writes: behind what version 3 has, idempotency keys, and what movements
/// have beside that.
const SNAPSHOT_VERSION: u8 = 4;

/// Which has the tenancy behind what version 2 has.
const SNAPSHOT_3: u8 = 3;

/// Which has `credit`, `status_set` and `codes` behind the other fields, and the rules behind those.
const SNAPSHOT_2: u8 = 2;

/// Which lacks all of that.
const SNAPSHOT_1: u8 = 1;

/// The fields that version 1 lacks, as version 2 writes them of an account that never had any of it:
/// three empty maps, two sums of nothing, and twice nothing.
const LACKING_IN_1: [u8; 7] = [0; 7];

/// The field at the end of the tenancy that version 3 lacks: nothing.
const LACKING_IN_3: [u8; 1] = [0; 1];

/// Bytes that are not a snapshot of an account.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// Written by a build that this one does not know.
    #[error("account snapshot version {0}, this build reads up to version {SNAPSHOT_VERSION}")]
    UnknownVersion(u8),
    /// Not decodable.
    #[error("not an account snapshot")]
    Malformed,
}

impl Account {
    /// The state as bytes: a version byte, then the fields in the postcard wire format, then the rules,
    /// then the tenancy, then what movements have behind them.
    pub fn snapshot(&self) -> Vec<u8> {
        // Writing to a Vec can't fail, and no field refuses to be serialised.
        let parts = (self, &self.rules, &self.tenancy, self.movement_parts());
        postcard::to_extend(&parts, vec![SNAPSHOT_VERSION]).unwrap_or_default()
    }

    /// Reads what [`Account::snapshot`] wrote.
    pub fn restore(bytes: &[u8]) -> Result<Self, SnapshotError> {
        let (version, rest) = bytes.split_first().ok_or(SnapshotError::Malformed)?;
        let completed = match *version {
            SNAPSHOT_1 => Cow::Owned([rest, &LACKING_IN_1].concat()),
            SNAPSHOT_3 => Cow::Owned([rest, &LACKING_IN_3].concat()),
            SNAPSHOT_2 | SNAPSHOT_VERSION => Cow::Borrowed(rest),
            unknown => return Err(SnapshotError::UnknownVersion(unknown)),
        };
        let malformed = |_| SnapshotError::Malformed;
        let (mut account, rest) =
            postcard::take_from_bytes::<Self>(&completed).map_err(malformed)?;
        let (rules, rest) = match *version {
            SNAPSHOT_1 => (Rules::default(), rest),
            _ => postcard::take_from_bytes(rest).map_err(malformed)?,
        };
        let (tenancy, rest) = match *version {
            SNAPSHOT_1 | SNAPSHOT_2 => (Tenancy::default(), rest),
            _ => postcard::take_from_bytes(rest).map_err(malformed)?,
        };
        let (parts, rest) = match *version {
            SNAPSHOT_VERSION => postcard::take_from_bytes(rest).map_err(malformed)?,
            _ => (Parts::default(), rest),
        };
        (account.rules, account.tenancy) = (rules, tenancy);
        account.set_movement_parts(parts);
        if rest.is_empty() && account.check().is_ok() {
            Ok(account)
        } else {
            Err(SnapshotError::Malformed)
        }
    }
}

/// For verification, which folds the journal on its own.
impl Fold for Account {
    fn new(account: AccountId) -> Self {
        Self::new(account)
    }

    fn apply(&mut self, record: &Record, digest: Digest) -> Result<(), String> {
        self.apply(record, digest).map_err(|broken| broken.to_string())
    }

    fn restore(account: AccountId, state: &[u8]) -> Result<Self, String> {
        let restored = Self::restore(state).map_err(|error| error.to_string())?;
        if restored.id == account { Ok(restored) } else { Err("another account's".to_owned()) }
    }

    fn snapshot(&self) -> Vec<u8> {
        self.snapshot()
    }

    fn check(&self) -> Result<(), String> {
        self.check().map_err(str::to_owned)
    }
}
