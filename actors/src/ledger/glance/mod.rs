//! The few fields of a record that the ledger itself needs, without the rest. Pure.
//!
//! Opening a ledger reads every event; reading only what it proves makes that several times faster
//! than decoding whole records. The layout is the record's (see [`super::record`]): a test holds
//! this file equal to it for every kind of event.

#[cfg(test)]
mod tests;

use serde::Deserialize;

use super::record::split_version;
use super::{Digest, NoticeKind, RecordError};
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
    /// What kind of notice it is, if it is one.
    pub(super) notice: Option<NoticeKind>,
}

/// What an event means to the ledger: which index it enters, and what becomes of a hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Neither.
    Plain,
    /// A key that is new, or has a new secret.
    KeyCreated(KeyHash, KeyId),
    Held(HoldId, NanoUsd),
    Extended(HoldId, NanoUsd),
    Settled(HoldId),
    Voided(HoldId),
    /// When time alone will change the account next, in milliseconds since 1970.
    Due(Option<u64>),
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
    pub(super) const KEY_ROTATED: u32 = 12;
    pub(super) const HELD_OF: u32 = 15;
    pub(super) const SUBSCRIPTION: u32 = 25;
}

impl Glance {
    /// Reads the head of what [`super::Record::encode`] wrote.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, RecordError> {
        // The versions differ behind all that is read here.
        let (_, rest) = split_version(bytes)?;
        let undecodable = |_| RecordError::Malformed("undecodable fields");
        let (head, rest) = postcard::take_from_bytes::<Head>(rest).map_err(undecodable)?;
        let effect = Effect::read(head.variant, rest).map_err(undecodable)?;
        let notice = NoticeKind::read(head.variant, rest);
        let Head { account, number, previous, at_ms, .. } = head;
        Ok(Self { account, number, previous, at_ms, effect, notice })
    }

    /// What kind of notice a record is, if it is one.
    pub(super) fn notice(bytes: &[u8]) -> Option<NoticeKind> {
        Self::read(bytes).ok().and_then(|glance| glance.notice)
    }
}

impl Effect {
    /// Of an event that is at hand.
    pub(super) fn of(event: &Event) -> Self {
        match event {
            Event::KeyCreated { key } => Self::KeyCreated(key.hash, key.id),
            Event::KeyRotated { key, hash, .. } => Self::KeyCreated(*hash, *key),
            Event::Held { hold, amount, .. } | Event::HeldOf { hold, amount, .. } => {
                Self::Held(*hold, *amount)
            }
            Event::Extended { hold, amount } => Self::Extended(*hold, *amount),
            Event::Settled(settlement) => Self::Settled(settlement.hold),
            Event::Voided { hold, .. } => Self::Voided(*hold),
            Event::Subscription(event) => Self::Due(event.due_at_ms()),
            Event::Opened { .. }
            | Event::StatusChanged { .. }
            | Event::LimitsChanged { .. }
            | Event::KeyRevoked { .. }
            | Event::KeyChanged { .. }
            | Event::BudgetsChanged { .. }
            | Event::Granted { .. }
            | Event::Expired { .. }
            | Event::StatusSet(_)
            | Event::Paid(_)
            | Event::Refunded(_)
            | Event::ChargedBack(_)
            | Event::CodesMade(_)
            | Event::CodeUsed { .. }
            | Event::Reclaimed { .. }
            | Event::Project(_)
            | Event::Member(_)
            | Event::Plan(_)
            | Event::Watch(_)
            | Event::Operator(_)
            | Event::Once(_)
            | Event::KeyGuarded { .. }
            | Event::KeyRestricted { .. }
            | Event::KeyReleased { .. } => Self::Plain,
        }
    }

    fn read(variant: u32, bytes: &[u8]) -> postcard::Result<Self> {
        Ok(match variant {
            variant::KEY_CREATED | variant::KEY_ROTATED => {
                let ((id, hash), _) = postcard::take_from_bytes::<(KeyId, KeyHash)>(bytes)?;
                Self::KeyCreated(hash, id)
            }
            variant::HELD | variant::HELD_OF => {
                let ((hold, _, amount), _) =
                    postcard::take_from_bytes::<(HoldId, KeyId, NanoUsd)>(bytes)?;
                Self::Held(hold, amount)
            }
            variant::EXTENDED => {
                let ((hold, amount), _) = postcard::take_from_bytes::<(HoldId, NanoUsd)>(bytes)?;
                Self::Extended(hold, amount)
            }
            variant::SETTLED => Self::Settled(postcard::take_from_bytes::<HoldId>(bytes)?.0),
            variant::SUBSCRIPTION => {
                // Every kind of these has its due time first.
                Self::Due(postcard::take_from_bytes::<(u32, Option<u64>)>(bytes)?.0.1)
            }
            variant::VOIDED => Self::Voided(postcard::take_from_bytes::<HoldId>(bytes)?.0),
            // Whether the rest of the record is whole is seen where it is decoded.
            _ => Self::Plain,
        })
    }
}
