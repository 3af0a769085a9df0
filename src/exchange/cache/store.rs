//! Answers that are kept, in a bounded amount of memory.
//!
//! The store is `quick_cache`'s: a look takes a shared lock, and what makes room is what was least of
//! use. It has one shard, because several would each have a part of the bound only.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use infergate_actors::account::Finish;
use infergate_actors::money::Usage;
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, Options, OptionsBuilder, Weighter};

use super::key::Key;
use crate::config;

/// What an answer takes beside its bytes, in the store's tables and on the heap, and for remembering it
/// a while after it went. Rather too much than too little.
const OVERHEAD: usize = 512;
/// About as many bytes as an answer takes: what the store's tables are laid out for.
const ENTRY_BYTES_TYPICAL: usize = 4 << 10;

/// An answer that was given.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// The body, with nothing around it on the heap.
    pub(super) body: Bytes,
    pub(super) streamed: bool,
    /// What was used to give it.
    pub(super) usage: Usage,
    /// Whether the gateway had to count that.
    pub(super) estimated: bool,
    /// Why the model stopped.
    pub(super) finish: Option<Finish>,
    /// When it was given, in monotonic time.
    pub(super) given: Duration,
}

/// The answers that are kept.
pub(super) struct Store {
    entries: Cache<Key, Arc<Entry>, Bytewise>,
    bytes_max: AtomicUsize,
    entry_bytes_max: AtomicUsize,
    /// How often everything was thrown away.
    purges: AtomicU64,
}

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheStats {
    /// Answers.
    pub entries: usize,
    /// The bytes they take.
    pub bytes: u64,
    /// What may be kept.
    pub bounds: config::Cache,
}

#[derive(Clone)]
struct Bytewise;

impl Weighter<Key, Arc<Entry>> for Bytewise {
    fn weight(&self, _: &Key, entry: &Arc<Entry>) -> u64 {
        weight(entry.body.len())
    }
}

fn weight(bytes: usize) -> u64 {
    u64::try_from(bytes.saturating_add(OVERHEAD)).unwrap_or(u64::MAX)
}

impl Store {
    pub(super) fn new(bounds: config::Cache) -> Self {
        let config::Cache { bytes_max, entry_bytes_max } = bounds;
        let options = options(bytes_max);
        let hasher = DefaultHashBuilder::default();
        Self {
            entries: Cache::with_options(options, Bytewise, hasher, DefaultLifecycle::default()),
            bytes_max: AtomicUsize::new(bytes_max),
            entry_bytes_max: AtomicUsize::new(entry_bytes_max),
            purges: AtomicU64::new(0),
        }
    }

    pub(super) fn get(&self, key: &Key) -> Option<Arc<Entry>> {
        self.entries.get(key)
    }

    /// Keeps an answer, unless everything has been thrown away since `purges` were counted.
    pub(super) fn keep(&self, key: Key, entry: Entry, purges: u64) {
        if entry.body.len() > self.entry_bytes_max() || self.purges() != purges {
            return;
        }
        let entry = Arc::new(entry);
        self.entries.insert(key, Arc::clone(&entry));
        // A purge may have come in between.
        if self.purges() != purges {
            self.forget(&key, &entry);
        }
    }

    /// Forgets `entry`, if it is still what is kept.
    pub(super) fn forget(&self, key: &Key, entry: &Arc<Entry>) {
        self.entries.remove_if(key, |kept| Arc::ptr_eq(kept, entry));
    }

    /// Forgets everything, and what is being given now is not kept either.
    pub(super) fn purge(&self) {
        self.purges.fetch_add(1, Ordering::AcqRel);
        self.entries.clear();
    }

    pub(super) fn purges(&self) -> u64 {
        self.purges.load(Ordering::Acquire)
    }

    pub(super) fn entry_bytes_max(&self) -> usize {
        self.entry_bytes_max.load(Ordering::Relaxed)
    }

    /// Changes the bounds; what is beyond them goes at once.
    pub(super) fn resize(&self, bounds: config::Cache) {
        let config::Cache { bytes_max, entry_bytes_max } = bounds;
        self.entry_bytes_max.store(entry_bytes_max, Ordering::Relaxed);
        if self.bytes_max.swap(bytes_max, Ordering::Relaxed) != bytes_max {
            self.entries.set_capacity(u64::try_from(bytes_max).unwrap_or(u64::MAX));
        }
    }

    pub(super) fn stats(&self) -> CacheStats {
        CacheStats {
            entries: self.entries.len(),
            bytes: self.entries.weight(),
            bounds: config::Cache {
                bytes_max: self.bytes_max.load(Ordering::Relaxed),
                entry_bytes_max: self.entry_bytes_max(),
            },
        }
    }
}

fn options(bytes_max: usize) -> Options {
    let mut options = OptionsBuilder::new();
    options
        .shards(1)
        .estimated_items_capacity((bytes_max / ENTRY_BYTES_TYPICAL).max(1))
        .weight_capacity(u64::try_from(bytes_max).unwrap_or(u64::MAX));
    #[expect(clippy::expect_used, reason = "it asks for two numbers, and both are given")]
    options.build().expect("complete options")
}

#[cfg(test)]
mod tests {
    use infergate_actors::id::{AccountId, KeyId};
    use proptest::prelude::*;

    use super::super::key::Request;
    use super::*;
    use crate::config::CacheScope;
    use crate::dialect::wish::Wish;

    fn key(number: u64) -> Key {
        let (account, key, wish) = (AccountId(number), KeyId(1), Wish::default());
        let scope = CacheScope::Account;
        Key::of(&Request { scope, account, key, model: "m", wish: &wish, body: b"{}" })
    }

    fn entry(bytes: usize) -> Entry {
        let usage = Usage::default();
        let body = vec![b'x'; bytes].into();
        let (streamed, estimated, finish, given) = (false, false, None, Duration::ZERO);
        Entry { body, streamed, usage, estimated, finish, given }
    }

    fn store(bytes_max: usize, entry_bytes_max: usize) -> Store {
        Store::new(config::Cache { bytes_max, entry_bytes_max })
    }

    #[test]
    fn what_is_too_large_or_was_begun_before_a_purge_is_not_kept() {
        let store = store(1 << 20, 1_000);
        store.keep(key(1), entry(1_001), 0);
        store.keep(key(2), entry(1_000), 0);
        assert!(store.get(&key(1)).is_none() && store.get(&key(2)).is_some());
        assert_eq!((store.stats().entries, store.stats().bytes), (1, weight(1_000)));
        store.purge();
        assert_eq!((store.stats().entries, store.stats().bytes), (0, 0));
        store.keep(key(3), entry(1), 0);
        assert!(store.get(&key(3)).is_none());
        store.keep(key(3), entry(1), store.purges());
        assert!(store.get(&key(3)).is_some());
    }

    #[test]
    fn an_entry_is_forgotten_only_if_it_is_the_one_that_was_seen() {
        let store = store(1 << 20, 1_000);
        store.keep(key(1), entry(1), 0);
        let old = store.get(&key(1)).unwrap();
        store.keep(key(1), entry(2), 0);
        store.forget(&key(1), &old);
        let new = store.get(&key(1)).unwrap();
        assert_eq!(new.body.len(), 2);
        store.forget(&key(1), &new);
        assert!(store.get(&key(1)).is_none());
    }

    proptest! {
        #[test]
        fn no_more_is_kept_than_may_be(
            steps in prop::collection::vec((0..40_u64, 0..3_000_usize, 0..10_u8), 1..300),
        ) {
            let mut bounds = config::Cache { bytes_max: 20_000, entry_bytes_max: 2_000 };
            let store = Store::new(bounds);
            for (number, bytes, what) in steps {
                match what {
                    0 => {
                        bounds.bytes_max = 8_000 + bytes * 8;
                        store.resize(bounds);
                    }
                    1 | 2 => drop(store.get(&key(number))),
                    _ => store.keep(key(number), entry(bytes), 0),
                }
                let stats = store.stats();
                prop_assert_eq!(stats.bounds, bounds);
                prop_assert!(stats.bytes <= bounds.bytes_max as u64, "{:?}", stats);
                let least = stats.entries * OVERHEAD;
                prop_assert!(stats.bytes >= least as u64);
            }
        }
    }
}
