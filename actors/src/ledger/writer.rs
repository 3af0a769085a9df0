//! Turns batches into store writes: gives sequences, extends the chain, keeps the indexes.

use std::collections::HashMap;
use std::sync::Arc;

use super::Head;
use super::batch::Batch;
use super::chain::Chain;
use super::glance::{Effect, Glance};
use super::layout::{
    Checkpoint, OpenHold, account_journal_key, checkpoint_key, due_key, due_value, epoch_key,
    ids_key, ids_value, key_value, notice_value, notices_key, seal, usage_key,
};
use super::store::{Area, Store, StoreBatch, StoreError};
use crate::id::HoldId;

/// Events between two checkpoints.
const CHECKPOINT_EVENTS: u64 = 1 << 16;

/// The one place that writes events.
pub(super) struct Writer {
    store: Arc<Store>,
    chain: Chain,
    holds: HashMap<HoldId, OpenHold>,
    checkpoint_at: u64,
    /// The sequence of the newest notice that was written.
    notice_last: u64,
    value: Vec<u8>,
}

impl Writer {
    /// Goes on behind `head`, with the holds that are open there.
    pub(super) fn new(store: Arc<Store>, head: Head, holds: HashMap<HoldId, OpenHold>) -> Self {
        let checkpoint_at = head.sequence.saturating_add(CHECKPOINT_EVENTS);
        let (chain, notice_last, value) = (Chain::from(head), 0, Vec::new());
        Self { store, chain, holds, checkpoint_at, notice_last, value }
    }

    pub(super) fn store(&self) -> &Arc<Store> {
        &self.store
    }

    pub(super) fn head(&self) -> Head {
        self.chain.head()
    }

    /// The sequence of the newest notice that was written; 0 before the first.
    pub(super) fn notice_last(&self) -> u64 {
        self.notice_last
    }

    /// How many holds have not ended.
    pub(super) fn holds_open(&self) -> usize {
        self.holds.len()
    }

    /// Writes batches in order, as one: they are in the operating system's hands when this returns.
    pub(super) fn write<'batch>(
        &mut self,
        batches: impl Iterator<Item = &'batch Batch>,
    ) -> Result<(), StoreError> {
        let store = Arc::clone(&self.store);
        let mut writes = store.batch();
        for batch in batches {
            for (entry, record) in batch.records() {
                self.record(&mut writes, &entry.glance, record);
            }
            for snapshot in &batch.snapshots {
                writes.put(Area::Accounts, snapshot.key(), snapshot.to_value());
            }
            for (name, state) in &batch.providers {
                let sealed = seal(name.as_bytes(), state.clone());
                writes.put(Area::Providers, name.as_bytes(), sealed);
            }
            if let Some(upkeep) = &batch.upkeep {
                for (area, key, value) in &upkeep.put {
                    writes.put(*area, key.clone(), value.as_slice());
                }
                for (area, key) in &upkeep.removed {
                    writes.remove(*area, key.clone());
                }
            }
            for (name, state) in &batch.deliveries {
                let sealed = seal(name.as_bytes(), state.clone());
                writes.put(Area::Deliveries, name.as_bytes(), sealed);
            }
        }
        if self.head().sequence >= self.checkpoint_at {
            self.put_checkpoint(&mut writes);
        }
        if writes.is_empty() { Ok(()) } else { writes.commit() }
    }

    /// Notes that a process has started to write, and when.
    pub(super) fn write_epoch(&mut self, epoch: u32, at_ms: u64) -> Result<(), StoreError> {
        let mut writes = self.store.batch();
        writes.put(Area::Meta, epoch_key(epoch), at_ms.to_be_bytes());
        writes.commit()
    }

    /// Notes behind which place the ids of new accounts begin (see [`crate::id::AccountId::place`]).
    pub(super) fn write_ids_behind(&mut self, place: u64) -> Result<(), StoreError> {
        let mut writes = self.store.batch();
        writes.put(Area::Meta, ids_key(), ids_value(place));
        writes.commit()
    }

    /// Notes from which event on notices are in their index.
    pub(super) fn write_notices_from(&mut self, sequence: u64) -> Result<(), StoreError> {
        let mut writes = self.store.batch();
        writes.put(Area::Meta, notices_key(), sequence.to_be_bytes());
        writes.commit()
    }

    /// Writes a checkpoint at the last event.
    pub(super) fn write_checkpoint(&mut self) -> Result<(), StoreError> {
        let store = Arc::clone(&self.store);
        let mut writes = store.batch();
        self.put_checkpoint(&mut writes);
        writes.commit()
    }

    fn put_checkpoint(&mut self, writes: &mut StoreBatch<'_>) {
        let head = self.head();
        self.checkpoint_at = head.sequence.saturating_add(CHECKPOINT_EVENTS);
        let holds = self.holds.values().copied().collect();
        writes.put(Area::Meta, checkpoint_key(), Checkpoint { head, holds }.to_value());
    }

    fn record(&mut self, writes: &mut StoreBatch<'_>, glance: &Glance, record: &[u8]) {
        let head = self.chain.extend(record);
        let sequence = head.sequence.to_be_bytes();
        self.value.clear();
        self.value.extend_from_slice(&head.chain.0);
        self.value.extend_from_slice(record);
        writes.put(Area::Journal, sequence, self.value.as_slice());
        let account = glance.account;
        let place = account_journal_key(account, glance.number);
        writes.put(Area::AccountJournal, place, sequence);
        if let Some(kind) = glance.notice {
            self.notice_last = head.sequence;
            writes.put(Area::Notices, sequence, notice_value(kind, account));
            let place = account_journal_key(account, head.sequence);
            writes.put(Area::AccountNotices, place, kind.to_bytes());
        }
        match glance.effect {
            Effect::Plain => {}
            Effect::KeyCreated(hash, key) => {
                writes.put(Area::Keys, hash.0, key_value(account, key));
            }
            Effect::Held(hold, amount) => {
                self.holds.insert(hold, OpenHold { hold, account, amount });
            }
            Effect::Extended(hold, more) => {
                if let Some(open) = self.holds.get_mut(&hold) {
                    open.amount = open.amount.saturating_add(more);
                }
            }
            Effect::Settled(hold) => {
                self.holds.remove(&hold);
                writes.put(Area::Usage, usage_key(account, glance.at_ms, hold), sequence);
            }
            Effect::Voided(hold) => {
                self.holds.remove(&hold);
            }
            Effect::Due(at_ms) => writes.put(Area::Meta, due_key(account), due_value(at_ms)),
        }
    }
}
