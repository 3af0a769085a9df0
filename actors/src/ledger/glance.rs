//! The few fields of a record that the ledger itself needs, without the rest. Pure.
//!
//! Opening a ledger reads every event; reading only what it proves makes that several times faster
//! than decoding whole records. The layout is the record's (see [`super::record`]): a test holds
//! this file equal to it for every kind of event.

use serde::Deserialize;

use super::{Digest, RECORD_VERSION, RecordError};
use crate::account::Event;
use crate::id::{AccountId, HoldId, KeyHash, KeyId};
use crate::money::NanoUsd;

/// A record's head and what its event means to the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Glance {
    pub(super) account: AccountId,
    pub(super) number: u64,
    pub(super) previous: Digest,
    pub(super) at_ms: u64,
    pub(super) effect: Effect,
}

/// What an event means to the ledger: which index it enters, and what becomes of a hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Neither.
    Plain,
    KeyCreated(KeyHash, KeyId),
    Held(HoldId, NanoUsd),
    Extended(HoldId, NanoUsd),
    Settled(HoldId),
    Voided(HoldId),
}

#[derive(Deserialize)]
struct Head {
    account: AccountId,
    number: u64,
    previous: Digest,
    at_ms: u64,
    variant: u32,
}

/// The place of each variant in [`Event`], which is how the wire format names it.
mod variant {
    pub(super) const KEY_CREATED: u32 = 3;
    pub(super) const HELD: u32 = 7;
    pub(super) const EXTENDED: u32 = 8;
    pub(super) const SETTLED: u32 = 9;
    pub(super) const VOIDED: u32 = 10;
}

impl Glance {
    /// Reads the head of what [`super::Record::encode`] wrote.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, RecordError> {
        let (version, rest) = bytes.split_first().ok_or(RecordError::Malformed("empty"))?;
        if *version != RECORD_VERSION {
            return Err(RecordError::UnknownVersion(*version));
        }
        let undecodable = |_| RecordError::Malformed("undecodable fields");
        let (head, rest) = postcard::take_from_bytes::<Head>(rest).map_err(undecodable)?;
        let effect = Effect::read(head.variant, rest).map_err(undecodable)?;
        let Head { account, number, previous, at_ms, .. } = head;
        Ok(Self { account, number, previous, at_ms, effect })
    }
}

impl Effect {
    /// Of an event that is at hand.
    pub(super) fn of(event: &Event) -> Self {
        match event {
            Event::KeyCreated { key } => Self::KeyCreated(key.hash, key.id),
            Event::Held { hold, amount, .. } => Self::Held(*hold, *amount),
            Event::Extended { hold, amount } => Self::Extended(*hold, *amount),
            Event::Settled(settlement) => Self::Settled(settlement.hold),
            Event::Voided { hold, .. } => Self::Voided(*hold),
            Event::Opened { .. }
            | Event::StatusChanged { .. }
            | Event::LimitsChanged { .. }
            | Event::KeyRevoked { .. }
            | Event::Granted { .. }
            | Event::Expired { .. } => Self::Plain,
        }
    }

    fn read(variant: u32, bytes: &[u8]) -> postcard::Result<Self> {
        Ok(match variant {
            variant::KEY_CREATED => {
                let ((id, hash), _) = postcard::take_from_bytes::<(KeyId, KeyHash)>(bytes)?;
                Self::KeyCreated(hash, id)
            }
            variant::HELD => {
                let ((hold, _, amount), _) =
                    postcard::take_from_bytes::<(HoldId, KeyId, NanoUsd)>(bytes)?;
                Self::Held(hold, amount)
            }
            variant::EXTENDED => {
                let ((hold, amount), _) = postcard::take_from_bytes::<(HoldId, NanoUsd)>(bytes)?;
                Self::Extended(hold, amount)
            }
            variant::SETTLED => Self::Settled(postcard::take_from_bytes::<HoldId>(bytes)?.0),
            variant::VOIDED => Self::Voided(postcard::take_from_bytes::<HoldId>(bytes)?.0),
            // Granted and the rest begin with whatever they like; later variants are not ours to
            // judge here, the whole record is decoded where it is used.
            _ => Self::Plain,
        })
    }
}
