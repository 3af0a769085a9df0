//! The bytes of every key and value in the store. Pure.
//!
//! Keys are big-endian, so that their order is the numbers' order. `‖` is concatenation.
//!
//! | keyspace | key | value |
//! | --- | --- | --- |
//! | `journal` | sequence (8) | chain (16) ‖ record |
//! | `account_journal` | account (8) ‖ event number (8) | sequence (8) |
//! | `accounts` | account (8) | 1 ‖ number (8) ‖ digest (16) ‖ at, ms (8) ‖ state ‖ seal (16) |
//! | `usage` | account (8) ‖ at, ms (8) ‖ hold (16) | sequence (8) |
//! | `rollups` | account (8) ‖ day (4) ‖ digest of the dimensions (16) | dimensions ‖ sums, see [`super::rollup`] |
//! | `rollups` | zeros (28) | 1 ‖ sequence (8) ‖ seal (16): the last event in the rows |
//! | `keys` | key hash (32) | account (8) ‖ key (4) |
//! | `providers` | name | bytes ‖ seal (16) |
//! | `notices` | sequence (8) | kind (2) ‖ account (8) |
//! | `account_notices` | account (8) ‖ sequence (8) | kind (2) |
//! | `deliveries` | name | bytes ‖ seal (16) |
//! | `meta` | `epoch` ‖ epoch (4) | at, ms (8) |
//! | `meta` | `kept` | at, ms (8) ‖ day (4) ‖ seal (16), see [`super::rollup::Kept`] |
//! | `meta` | `clock` | at, ms (8) ‖ of a leap: at, ms (8) ‖ stood, ms (8) ‖ seal (16), see [`super::steady`] |
//! | `meta` | `ids` | place (8) ‖ seal (16): no account is given an id with this place or one before it |
//! | `meta` | `notices` | the first event that is in the index of notices, if it is one (8) |
//! | `meta` | `due` ‖ account (8) | at, ms (8), all ones where it is not; of accounts with a subscription |
//! | `meta` | `checkpoint` | see [`Checkpoint`] ‖ seal (16) |
//!
//! `chain` is [`Digest::chained`] of the chain before it over sequence ‖ record. A seal is the
//! [`Digest`] of the key followed by everything before the seal.

use super::{Digest, Head, NoticeKind};
use crate::id::{AccountId, ExchangeId, HoldId, KeyId};
use crate::money::NanoUsd;

/// Where account and event number lie in an `account_journal` key.
pub(super) type AccountJournalKey = [u8; 16];

const SNAPSHOT_VERSION: u8 = 1;
const CHECKPOINT_KEY: &[u8] = b"checkpoint";
const IDS_KEY: &[u8] = b"ids";
const NOTICES_KEY: &[u8] = b"notices";
const EPOCH_PREFIX: &[u8; 5] = b"epoch";
const DUE_PREFIX: &[u8; 3] = b"due";
/// The due time of an account that is not due any more.
pub(super) const NEVER_MS: u64 = u64::MAX;

/// An account's state after one of its events, so that not all of them need be read again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Whose.
    pub account: AccountId,
    /// The number of the account's last event that is in it.
    pub number: u64,
    /// That event's digest: what the account's next event carries as `previous`.
    pub digest: Digest,
    /// When it was taken, in milliseconds since 1970.
    pub at_ms: u64,
    /// The state, in the account's own format.
    pub state: Vec<u8>,
}

/// A hold that has not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OpenHold {
    pub(super) hold: HoldId,
    pub(super) account: AccountId,
    pub(super) amount: NanoUsd,
}

/// A place in the journal that recovery may start from: the chain there, and the holds open there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Checkpoint {
    pub(super) head: Head,
    pub(super) holds: Vec<OpenHold>,
}

/// A `journal` value taken apart: chain and record.
pub(super) fn split_entry(value: &[u8]) -> Option<(Digest, &[u8])> {
    value.split_first_chunk().map(|(chain, record)| (Digest(*chain), record))
}

pub(super) fn account_journal_key(account: AccountId, number: u64) -> AccountJournalKey {
    (u128::from(account.0) << 64 | u128::from(number)).to_be_bytes()
}

pub(super) fn split_account_journal_key(key: &[u8]) -> Option<(AccountId, u64)> {
    let (account, number) = key.split_first_chunk()?;
    Some((AccountId(u64::from_be_bytes(*account)), read_u64(number)?))
}

pub(super) fn usage_key(account: AccountId, at_ms: u64, hold: HoldId) -> [u8; 32] {
    let mut key = [0; 32];
    let (head, tail) = key.split_at_mut(16);
    head.copy_from_slice(&account_journal_key(account, at_ms));
    tail.copy_from_slice(&hold.0.to_be_bytes());
    key
}

/// Where an account's index of usage begins, from a time on.
pub(super) fn usage_from(account: AccountId, at_ms: u64) -> [u8; 16] {
    account_journal_key(account, at_ms)
}

/// Where an account's rows begin, from a day on.
pub(super) fn day_key(account: AccountId, day: u32) -> [u8; 12] {
    let mut key = [0; 12];
    let (head, tail) = key.split_at_mut(8);
    head.copy_from_slice(&account.0.to_be_bytes());
    tail.copy_from_slice(&day.to_be_bytes());
    key
}

/// The account that a key begins with.
pub(super) fn account_of(key: &[u8]) -> Option<AccountId> {
    key.first_chunk().map(|account| AccountId(u64::from_be_bytes(*account)))
}

/// When an exchange was settled, and which.
pub(super) fn split_usage_key(key: &[u8]) -> Option<(u64, HoldId)> {
    let (_, rest) = key.split_first_chunk::<8>()?;
    let (at_ms, hold) = rest.split_first_chunk()?;
    let hold = u128::from_be_bytes(hold.try_into().ok()?);
    Some((u64::from_be_bytes(*at_ms), ExchangeId(hold)))
}

pub(super) fn key_value(account: AccountId, key: KeyId) -> [u8; 12] {
    let mut value = [0; 12];
    let (head, tail) = value.split_at_mut(8);
    head.copy_from_slice(&account.0.to_be_bytes());
    tail.copy_from_slice(&key.0.to_be_bytes());
    value
}

pub(super) fn split_key_value(value: &[u8]) -> Option<(AccountId, KeyId)> {
    let (account, key) = value.split_first_chunk()?;
    let key = u32::from_be_bytes(key.try_into().ok()?);
    Some((AccountId(u64::from_be_bytes(*account)), KeyId(key)))
}

/// A number that takes the whole of some bytes.
pub(super) fn read_u64(bytes: &[u8]) -> Option<u64> {
    bytes.try_into().ok().map(u64::from_be_bytes)
}

pub(super) fn checkpoint_key() -> &'static [u8] {
    CHECKPOINT_KEY
}

pub(super) fn notice_value(kind: NoticeKind, account: AccountId) -> [u8; 10] {
    let mut value = [0; 10];
    let (head, tail) = value.split_at_mut(2);
    head.copy_from_slice(&kind.to_bytes());
    tail.copy_from_slice(&account.0.to_be_bytes());
    value
}

pub(super) fn split_notice_value(value: &[u8]) -> Option<(NoticeKind, AccountId)> {
    let (kind, account) = value.split_first_chunk::<2>()?;
    Some((NoticeKind::from_bytes(kind)?, AccountId(read_u64(account)?)))
}

pub(super) fn notices_key() -> &'static [u8] {
    NOTICES_KEY
}

pub(super) fn ids_key() -> &'static [u8] {
    IDS_KEY
}

pub(super) fn ids_value(place: u64) -> Vec<u8> {
    seal(IDS_KEY, place.to_be_bytes().to_vec())
}

/// Reads what [`ids_value`] wrote.
pub(super) fn split_ids_value(value: &[u8]) -> Option<u64> {
    unseal(IDS_KEY, value).and_then(read_u64)
}

pub(super) fn epoch_prefix() -> &'static [u8] {
    EPOCH_PREFIX
}

pub(super) fn epoch_key(epoch: u32) -> [u8; 9] {
    let mut key = [0; 9];
    let (head, tail) = key.split_at_mut(EPOCH_PREFIX.len());
    head.copy_from_slice(EPOCH_PREFIX);
    tail.copy_from_slice(&epoch.to_be_bytes());
    key
}

pub(super) fn split_epoch_key(key: &[u8]) -> Option<u32> {
    let epoch = key.strip_prefix(EPOCH_PREFIX.as_slice())?;
    epoch.try_into().ok().map(u32::from_be_bytes)
}

/// The first and the last key of due times.
pub(super) fn due_keys() -> ([u8; 11], [u8; 11]) {
    (due_key(AccountId(0)), due_key(AccountId(u64::MAX)))
}

pub(super) fn due_key(account: AccountId) -> [u8; 11] {
    let mut key = [0; 11];
    let (head, tail) = key.split_at_mut(DUE_PREFIX.len());
    head.copy_from_slice(DUE_PREFIX);
    tail.copy_from_slice(&account.0.to_be_bytes());
    key
}

pub(super) fn split_due_key(key: &[u8]) -> Option<AccountId> {
    key.strip_prefix(DUE_PREFIX.as_slice()).and_then(read_u64).map(AccountId)
}

pub(super) fn due_value(at_ms: Option<u64>) -> [u8; 8] {
    at_ms.unwrap_or(NEVER_MS).to_be_bytes()
}

/// Puts a seal behind a value.
pub(super) fn seal(key: &[u8], mut value: Vec<u8>) -> Vec<u8> {
    let seal = seal_of(key, &value);
    value.extend_from_slice(&seal.0);
    value
}

/// Takes the seal off a value; `None` where it is not this key's and this value's.
pub(super) fn unseal<'value>(key: &[u8], value: &'value [u8]) -> Option<&'value [u8]> {
    let (value, seal) = value.split_last_chunk()?;
    (seal_of(key, value) == Digest(*seal)).then_some(value)
}

fn seal_of(key: &[u8], value: &[u8]) -> Digest {
    Digest::of(key).chained(value)
}

impl Snapshot {
    pub(super) fn key(&self) -> [u8; 8] {
        self.account.0.to_be_bytes()
    }

    pub(super) fn to_value(&self) -> Vec<u8> {
        let mut value = Vec::with_capacity(49 + self.state.len());
        value.push(SNAPSHOT_VERSION);
        value.extend_from_slice(&self.number.to_be_bytes());
        value.extend_from_slice(&self.digest.0);
        value.extend_from_slice(&self.at_ms.to_be_bytes());
        value.extend_from_slice(&self.state);
        seal(&self.key(), value)
    }

    /// Reads what [`Snapshot::to_value`] wrote.
    pub(super) fn from_value(account: AccountId, value: &[u8]) -> Option<Self> {
        let value = unseal(&account.0.to_be_bytes(), value)?;
        let rest = value.strip_prefix(&[SNAPSHOT_VERSION])?;
        let (number, rest) = rest.split_first_chunk()?;
        let (digest, rest) = rest.split_first_chunk()?;
        let (at_ms, state) = rest.split_first_chunk()?;
        Some(Self {
            account,
            number: u64::from_be_bytes(*number),
            digest: Digest(*digest),
            at_ms: u64::from_be_bytes(*at_ms),
            state: state.to_vec(),
        })
    }
}

impl Checkpoint {
    /// sequence (8) ‖ chain (16) ‖ for each open hold: hold (16) ‖ account (8) ‖ amount (8).
    pub(super) fn to_value(&self) -> Vec<u8> {
        let mut value = Vec::with_capacity(40 + self.holds.len() * 32);
        value.extend_from_slice(&self.head.sequence.to_be_bytes());
        value.extend_from_slice(&self.head.chain.0);
        for open in &self.holds {
            value.extend_from_slice(&open.hold.0.to_be_bytes());
            value.extend_from_slice(&open.account.0.to_be_bytes());
            value.extend_from_slice(&open.amount.nano().to_be_bytes());
        }
        seal(CHECKPOINT_KEY, value)
    }

    pub(super) fn from_value(value: &[u8]) -> Option<Self> {
        let value = unseal(CHECKPOINT_KEY, value)?;
        let (sequence, rest) = value.split_first_chunk()?;
        let (chain, mut rest) = rest.split_first_chunk()?;
        let head = Head { sequence: u64::from_be_bytes(*sequence), chain: Digest(*chain) };
        let mut holds = Vec::with_capacity(rest.len() / 32);
        while let Some((hold, behind)) = rest.split_first_chunk() {
            let (account, behind) = behind.split_first_chunk()?;
            let (amount, behind) = behind.split_first_chunk()?;
            rest = behind;
            holds.push(OpenHold {
                hold: ExchangeId(u128::from_be_bytes(*hold)),
                account: AccountId(u64::from_be_bytes(*account)),
                amount: NanoUsd::from_nano(i64::from_be_bytes(*amount)),
            });
        }
        rest.is_empty().then_some(Self { head, holds })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_value_opens_under_its_own_key_only() {
        let value = seal(b"a", b"state".to_vec());
        assert_eq!(unseal(b"a", &value), Some(b"state".as_slice()));
        assert_eq!(unseal(b"b", &value), None);
        for bit in 0..value.len() * 8 {
            let mut changed = value.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(unseal(b"a", &changed), None, "bit {bit}");
        }
    }

    #[test]
    fn values_read_back_as_written() {
        let snapshot = Snapshot {
            account: AccountId(7),
            number: 3,
            digest: Digest::of(b"three"),
            at_ms: 9,
            state: vec![1, 2, 3],
        };
        let read = Snapshot::from_value(snapshot.account, &snapshot.to_value());
        assert_eq!(read, Some(snapshot));
        let open = |count| OpenHold {
            hold: ExchangeId(count),
            account: AccountId(5),
            amount: NanoUsd::from_nano(-6),
        };
        let head = Head { sequence: 8, chain: Digest::of(b"eight") };
        let checkpoint = Checkpoint { head, holds: vec![open(1), open(2)] };
        assert_eq!(Checkpoint::from_value(&checkpoint.to_value()), Some(checkpoint));
        assert_eq!(split_epoch_key(&epoch_key(77)), Some(77));
        assert_eq!(split_due_key(&due_key(AccountId(1 << 50))), Some(AccountId(1 << 50)));
        assert_eq!(read_u64(&due_value(Some(7))), Some(7));
        assert_eq!(read_u64(&due_value(None)), Some(NEVER_MS));
        let key = account_journal_key(AccountId(1 << 50), 12);
        assert_eq!(split_account_journal_key(&key), Some((AccountId(1 << 50), 12)));
        let key = usage_key(AccountId(9), 10, ExchangeId(1 << 100));
        assert_eq!(split_usage_key(&key), Some((10, ExchangeId(1 << 100))));
        let value = key_value(AccountId(3), KeyId(4));
        assert_eq!(split_key_value(&value), Some((AccountId(3), KeyId(4))));
    }
}
