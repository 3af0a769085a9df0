//! A journal record: one event of one account, chained to the one before. Pure.
//!
//! Format: one version byte, then the fields of [`Record`] in order, in the postcard wire format
//! (<https://postcard.jamesmunns.com/wire-format>). A record's [`Digest`] is the first half of the
//! SHA-256 of these bytes as they were written; the account's next record carries it as `previous`,
//! so that a changed, missing or moved record shows.
//!
//! | version | what it has |
//! | --- | --- |
//! | 1 | events without the last seven fields of [`UsageRecord`] |
//! | 2 | `served_model` and `source`, at the end of a settlement's [`UsageRecord`] |
//! | 3 | `user`, behind them |
//! | 4 | `project`, `dialect`, `finish` and `client`, behind that |
//! | 5 | `credit` and `surplus` at the end of a [`Return`](crate::account::Return), `surplus` at that of a [`SubscriptionChange`](crate::account::SubscriptionChange) |
//!
//! Those are the very last bytes of a record that has them. So a record of an older version is read as one
//! of the newest whose last fields, which it lacks, are the defaults. All versions may stand in one chain; a record is never written anew, and its digest is
//! never taken of anything but its own bytes.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::account::{Dialect, Event, Source, SubscriptionEvent, UsageRecord};
use crate::id::AccountId;

/// The version that this build writes.
pub const RECORD_VERSION: u8 = 5;

/// The oldest version that it reads.
const RECORD_VERSION_OLDEST: u8 = 1;

/// What records of older versions may lack at their end, as this version writes the defaults: nothing or
/// the first variant, a byte each. Of versions 1 to 3 a settlement lacks all of it.
const LACKING_IN_1: &[u8] = &[0; 7];
const LACKING_IN_2: &[u8] = &[0; 5];
const LACKING_IN_3: &[u8] = &[0; 4];
const LACKING_IN_4: &[u8] = &[0; 2];
/// What a return and a change of a subscription lack in all of them.
const RETURN_LACKS: usize = 2;
const SUBSCRIPTION_LACKS: usize = 1;

/// One event of one account, as it stands in the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Whose event.
    pub account: AccountId,
    /// Its number among the account's events, counting from 1 without gaps.
    pub number: u64,
    /// The digest of the account's event before it; zeros for the first.
    pub previous: Digest,
    /// When it was decided, in milliseconds since 1970.
    pub at_ms: u64,
    /// What happened.
    pub event: Event,
}

/// The first 128 bits of a SHA-256.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Digest(pub [u8; 16]);

/// Bytes that are not a journal record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Written by a build that this one does not know.
    #[error("journal record version {0}, this build reads up to version {RECORD_VERSION}")]
    UnknownVersion(u8),
    /// Not decodable.
    #[error("not a journal record: {0}")]
    Malformed(&'static str),
}

impl Record {
    /// The bytes the journal keeps.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(192);
        bytes.push(RECORD_VERSION);
        // Writing to a Vec can't fail, and no type of a record refuses to be serialised.
        postcard::to_extend(self, bytes).unwrap_or_default()
    }

    /// Reads what [`Record::encode`] wrote; bytes left over are an error.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        match split_version(bytes)? {
            (1, fields) => Self::decode_older(1, fields, LACKING_IN_1),
            (2, fields) => Self::decode_older(2, fields, LACKING_IN_2),
            (3, fields) => Self::decode_older(3, fields, LACKING_IN_3),
            (4, fields) => Self::decode_older(4, fields, LACKING_IN_4),
            (_, fields) => match postcard::take_from_bytes(fields) {
                Ok((record, [])) => Ok(record),
                Ok(_) => Err(RecordError::Malformed("bytes left over")),
                Err(_) => Err(RecordError::Malformed("undecodable fields")),
            },
        }
    }

    fn decode_older(version: u8, fields: &[u8], lacking: &[u8]) -> Result<Self, RecordError> {
        let completed = [fields, lacking].concat();
        let undecodable = |_| RecordError::Malformed("undecodable fields");
        let (record, left) = postcard::take_from_bytes::<Self>(&completed).map_err(undecodable)?;
        // Taken as the last fields and nothing else, or by nobody.
        let is_whole = match &record.event {
            Event::Settled(_) if version == 4 => left.len() == lacking.len(),
            Event::Settled(settlement) => {
                let UsageRecord { served_model, source, user, .. } = &settlement.record;
                let UsageRecord { project, dialect, finish, client, .. } = &settlement.record;
                let lacks_2 = served_model.is_none() && *source == Source::default();
                let lacks_4 = project.is_none() && finish.is_none() && client.is_none();
                left.is_empty()
                    && (lacks_4 && *dialect == Dialect::default())
                    && (version >= 3 || user.is_none())
                    && (version >= 2 || lacks_2)
            }
            Event::Refunded(back) | Event::ChargedBack(back) => {
                left.len() + RETURN_LACKS == lacking.len()
                    && (back.credit.is_none() && back.surplus.is_none())
            }
            Event::Subscription(event) => {
                let SubscriptionEvent::Changed(change) = &**event;
                left.len() + SUBSCRIPTION_LACKS == lacking.len() && change.surplus.is_none()
            }
            _ => left.len() == lacking.len(),
        };
        if is_whole { Ok(record) } else { Err(RecordError::Malformed("bytes left over")) }
    }
}

/// A record's version, if this build reads it, and its fields.
pub(super) fn split_version(bytes: &[u8]) -> Result<(u8, &[u8]), RecordError> {
    let (version, fields) = bytes.split_first().ok_or(RecordError::Malformed("empty"))?;
    if !(RECORD_VERSION_OLDEST..=RECORD_VERSION).contains(version) {
        return Err(RecordError::UnknownVersion(*version));
    }
    Ok((*version, fields))
}

impl Digest {
    /// Of some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self::first_half(Sha256::new_with_prefix(bytes))
    }

    /// Of a digest followed by some bytes: one link of a chain.
    pub fn chained(self, bytes: &[u8]) -> Self {
        Self::first_half(Sha256::new_with_prefix(self.0).chain_update(bytes))
    }

    fn first_half(hasher: Sha256) -> Self {
        let mut half = [0; 16];
        for (byte, full) in half.iter_mut().zip(hasher.finalize()) {
            *byte = full;
        }
        Self(half)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
