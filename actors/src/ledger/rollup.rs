//! Sums of settled exchanges by day, account and what they have in common. Pure.
//!
//! A row is what the exchanges of one account that were settled on one day (of UTC) and agree in all
//! [`Dimensions`] come to. Rows are derived from the journal, up to the cursor beside them, and from
//! nothing else: taken away, they are made again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Digest;
use super::layout::{day_key, seal, unseal};
use crate::account::{Dialect, End, Finish, Settlement, Source};
use crate::id::{AccountId, KeyId, ProjectId};
use crate::money::{NanoUsd, Usage};

/// Milliseconds of a day.
pub(super) const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// Where account, day and the digest of the dimensions lie in a row's key.
pub(super) type RowKey = [u8; 28];

/// Sorts before every row: no account has the number 0.
const CURSOR_KEY: RowKey = [0; 28];
/// How rows are written. Rows of another version are made again.
const VERSION: u8 = 1;
const KEPT_KEY: &[u8] = b"kept";

/// What the exchanges of a row have in common, besides account and day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Dimensions<'r> {
    /// The key they came with.
    pub key: KeyId,
    /// The project of the key.
    pub project: Option<ProjectId>,
    /// The public model name asked for.
    pub model: &'r str,
    /// The public name of the model that answered, where it is not the one asked for.
    pub served_model: Option<&'r str>,
    /// The provider that answered, or was tried last.
    pub provider: Option<&'r str>,
    /// The wire format the client spoke.
    pub dialect: Dialect,
    /// How they ended.
    pub end: End,
    /// The HTTP status of the last attempt.
    pub status: Option<u16>,
    /// Why the model stopped.
    pub finish: Option<Finish>,
    /// Where the answers came from.
    pub source: Source,
}

/// Sums over settled exchanges; amounts in nano-USD, times in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sums {
    /// How many exchanges.
    pub requests: u64,
    /// How many of them have a usage that the gateway counted itself.
    pub estimated: u64,
    /// Tries at providers.
    pub attempts: u64,
    /// What was used.
    pub usage: Usage,
    /// What it cost.
    pub cost: i128,
    /// What of that was charged.
    pub charged: i128,
    /// What of it the operator bore.
    pub absorbed: i128,
    /// What all attempts cost the operator.
    pub provider_cost: i128,
    /// Times to the first content.
    pub first_content_ms: u64,
    /// How many exchanges have one.
    pub first_contents: u64,
    /// Times to the end.
    pub total_ms: u64,
}

/// One row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rollup<'r> {
    /// Whose exchanges.
    pub account: AccountId,
    /// The day they were settled on, counted from 1970-01-01.
    pub day: u32,
    /// What they have in common.
    pub of: Dimensions<'r>,
    /// What they come to.
    pub sums: Sums,
}

/// From when on the ledger keeps what it derives; the journal itself is kept whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Settlements from here on are in the index of usage, in milliseconds since 1970.
    pub records_from_ms: u64,
    /// Rows from this day on are there, counted from 1970-01-01.
    pub rollups_from_day: u32,
}

/// Rows that are being added up, by key; each with its dimensions in bytes.
#[derive(Debug, Default)]
pub(super) struct Rows(pub(super) BTreeMap<RowKey, (Vec<u8>, Sums)>);

/// The day of a time, counted from 1970-01-01.
pub(super) fn day_of(at_ms: u64) -> u32 {
    u32::try_from(at_ms / DAY_MS).unwrap_or(u32::MAX)
}

impl<'r> Dimensions<'r> {
    /// Of one exchange.
    pub fn of(bill: &'r Settlement) -> Self {
        let record = &bill.record;
        let last = record.attempts.last();
        Self {
            key: bill.key,
            project: record.project,
            model: &record.model,
            served_model: record.served_model.as_deref(),
            provider: last.map(|attempt| attempt.provider.as_str()),
            dialect: record.dialect,
            end: bill.end,
            status: last.and_then(|attempt| attempt.status),
            finish: record.finish,
            source: record.source,
        }
    }

    /// The public name of the model that answered.
    pub fn served(&self) -> &'r str {
        self.served_model.unwrap_or(self.model)
    }
}

impl Sums {
    /// Of one exchange.
    pub fn of(bill: &Settlement) -> Self {
        let wide = |amount: NanoUsd| i128::from(amount.nano());
        let record = &bill.record;
        Self {
            requests: 1,
            estimated: u64::from(bill.estimated),
            attempts: record.attempts.len() as u64,
            usage: bill.usage,
            cost: wide(bill.cost),
            charged: wide(bill.charged),
            absorbed: wide(bill.absorbed),
            provider_cost: record.attempts.iter().map(|attempt| wide(attempt.provider_cost)).sum(),
            first_content_ms: record.first_content_ms.map_or(0, u64::from),
            first_contents: u64::from(record.first_content_ms.is_some()),
            total_ms: record.total_ms.into(),
        }
    }

    /// Adds others.
    pub fn add(&mut self, other: &Self) {
        for (sum, more) in [
            (&mut self.requests, other.requests),
            (&mut self.estimated, other.estimated),
            (&mut self.attempts, other.attempts),
            (&mut self.first_content_ms, other.first_content_ms),
            (&mut self.first_contents, other.first_contents),
            (&mut self.total_ms, other.total_ms),
        ] {
            *sum = sum.saturating_add(more);
        }
        self.usage = self.usage.plus(&other.usage);
        self.cost += other.cost;
        self.charged += other.charged;
        self.absorbed += other.absorbed;
        self.provider_cost += other.provider_cost;
    }
}

impl Rows {
    /// Adds one exchange.
    pub(super) fn add(&mut self, account: AccountId, at_ms: u64, bill: &Settlement) {
        // Numbers and texts can always be written.
        let of = postcard::to_extend(&Dimensions::of(bill), Vec::new()).unwrap_or_default();
        let key = row_key(account, day_of(at_ms), &of);
        let (_, sums) = self.0.entry(key).or_insert_with(|| (of, Sums::default()));
        sums.add(&Sums::of(bill));
    }
}

impl<'r> Rollup<'r> {
    /// Reads a row; `None` where it is none.
    pub(super) fn read(key: &[u8], value: &'r [u8]) -> Option<Self> {
        let (account, rest) = key.split_first_chunk()?;
        let (day, _) = rest.split_first_chunk()?;
        let (of, rest) = postcard::take_from_bytes(value).ok()?;
        let (sums, rest) = postcard::take_from_bytes(rest).ok()?;
        let account = AccountId(u64::from_be_bytes(*account));
        let day = u32::from_be_bytes(*day);
        rest.is_empty().then_some(Self { account, day, of, sums })
    }
}

fn row_key(account: AccountId, day: u32, of: &[u8]) -> RowKey {
    let mut key = [0; 28];
    let (head, tail) = key.split_at_mut(12);
    head.copy_from_slice(&day_key(account, day));
    tail.copy_from_slice(&Digest::of(of).0);
    key
}

/// A row's value: its dimensions, which are in bytes already, and its sums.
pub(super) fn row_value(mut of: Vec<u8>, sums: &Sums) -> Vec<u8> {
    of.reserve(64);
    postcard::to_extend(sums, of).unwrap_or_default()
}

/// The sums in a row's value.
pub(super) fn row_sums(value: &[u8]) -> Option<Sums> {
    let (_, rest) = postcard::take_from_bytes::<Dimensions<'_>>(value).ok()?;
    postcard::from_bytes(rest).ok()
}

pub(super) fn cursor_key() -> RowKey {
    CURSOR_KEY
}

/// The last event that is in the rows.
pub(super) fn cursor_value(sequence: u64) -> Vec<u8> {
    let mut value = vec![VERSION];
    value.extend_from_slice(&sequence.to_be_bytes());
    seal(&CURSOR_KEY, value)
}

pub(super) fn read_cursor(value: &[u8]) -> Option<u64> {
    let rest = unseal(&CURSOR_KEY, value)?.strip_prefix(&[VERSION])?;
    super::layout::read_u64(rest)
}

impl Kept {
    pub(super) fn key() -> &'static [u8] {
        KEPT_KEY
    }

    pub(super) fn to_value(self) -> Vec<u8> {
        let mut value = self.records_from_ms.to_be_bytes().to_vec();
        value.extend_from_slice(&self.rollups_from_day.to_be_bytes());
        seal(KEPT_KEY, value)
    }

    pub(super) fn from_value(value: &[u8]) -> Option<Self> {
        let (records, rest) = unseal(KEPT_KEY, value)?.split_first_chunk()?;
        let records_from_ms = u64::from_be_bytes(*records);
        let rollups_from_day = u32::from_be_bytes(rest.try_into().ok()?);
        Some(Self { records_from_ms, rollups_from_day })
    }

    /// What both keep: from the later of the two on.
    pub(super) fn max(self, other: Self) -> Self {
        Self {
            records_from_ms: self.records_from_ms.max(other.records_from_ms),
            rollups_from_day: self.rollups_from_day.max(other.rollups_from_day),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_cursor_and_limits_read_back_as_written() {
        let of = Dimensions {
            key: KeyId(3),
            project: Some(ProjectId(4)),
            model: "asked",
            served_model: Some("served"),
            provider: Some("provider"),
            dialect: Dialect::Gemini,
            end: End::ClientGone,
            status: Some(200),
            finish: Some(Finish::Length),
            source: Source::Joined,
        };
        let bytes = postcard::to_extend(&of, Vec::new()).unwrap();
        let sums = Sums { requests: 2, charged: -5, total_ms: u64::MAX, ..Sums::default() };
        let key = row_key(AccountId(7), 20_000, &bytes);
        let value = row_value(bytes, &sums);
        let read = Rollup { account: AccountId(7), day: 20_000, of, sums };
        assert_eq!(Rollup::read(&key, &value), Some(read));
        assert_eq!(row_sums(&value), Some(sums));
        assert!(key.as_slice() > CURSOR_KEY.as_slice());
        assert_eq!(read_cursor(&cursor_value(9)), Some(9));
        let kept = Kept { records_from_ms: 5, rollups_from_day: 6 };
        assert_eq!(Kept::from_value(&kept.to_value()), Some(kept));
        assert_eq!(Kept::from_value(&cursor_value(9)), None);
    }
}
