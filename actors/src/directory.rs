//! Where the living accounts are: id to actor, key hash to account.
//!
//! The maps' guards are locks on a part of the map, so none ever leaves this file: what is asked for
//! is cloned out at once.

use std::hash::{BuildHasherDefault, Hasher};

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;

use crate::id::{AccountId, KeyHash, KeyId};

/// The living accounts. `H` is a cheap handle to one.
#[derive(Debug)]
pub(crate) struct Directory<H> {
    accounts: DashMap<AccountId, H>,
    keys: DashMap<KeyHash, (AccountId, KeyId), BuildHasherDefault<HashIsHash>>,
}

impl<H: Clone> Directory<H> {
    pub(crate) fn new() -> Self {
        Self { accounts: DashMap::new(), keys: DashMap::default() }
    }

    /// The account's handle; `start` makes one where there is none, once even if many ask.
    pub(crate) fn account_or_start<E>(
        &self,
        account: AccountId,
        start: impl FnOnce() -> Result<H, E>,
    ) -> Result<H, E> {
        if let Some(handle) = self.accounts.get(&account) {
            return Ok(handle.clone());
        }
        match self.accounts.entry(account) {
            Entry::Occupied(entry) => Ok(entry.get().clone()),
            Entry::Vacant(entry) => Ok(entry.insert(start()?).clone()),
        }
    }

    /// Forgets the account if its handle is still the one meant.
    pub(crate) fn remove(&self, account: AccountId, is_meant: impl FnOnce(&H) -> bool) -> bool {
        self.accounts.remove_if(&account, |_, handle| is_meant(handle)).is_some()
    }

    /// Every living account at about this moment.
    pub(crate) fn accounts(&self) -> Vec<(AccountId, H)> {
        self.accounts.iter().map(|entry| (*entry.key(), entry.value().clone())).collect()
    }

    /// Whether the account lives.
    pub(crate) fn has(&self, account: AccountId) -> bool {
        self.accounts.contains_key(&account)
    }

    /// How many accounts live.
    pub(crate) fn len(&self) -> usize {
        self.accounts.len()
    }

    /// Whose key this is, if its account was active lately.
    pub(crate) fn key(&self, hash: &KeyHash) -> Option<(AccountId, KeyId)> {
        self.keys.get(hash).map(|entry| *entry)
    }

    /// Remembers whose key this is.
    pub(crate) fn remember_key(&self, hash: KeyHash, account: AccountId, key: KeyId) {
        self.keys.insert(hash, (account, key));
    }

    /// Forgets a key.
    pub(crate) fn forget_key(&self, hash: &KeyHash) {
        self.keys.remove(hash);
    }

    /// Forgets the keys of accounts that do not live.
    pub(crate) fn forget_keys_of_sleepers(&self) {
        // The one place that holds a lock of each map: of `keys` first.
        self.keys.retain(|_, (account, _)| self.accounts.contains_key(account));
    }
}

/// A SHA-256 is as good a hash as there is: its first eight bytes are taken as they are.
#[derive(Debug, Default)]
struct HashIsHash(u64);

impl Hasher for HashIsHash {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            for (to, from) in word.iter_mut().zip(chunk) {
                *to = *from;
            }
            self.0 = self.0.rotate_left(5) ^ u64::from_le_bytes(word);
        }
    }

    fn write_usize(&mut self, _length: usize) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_started_once_and_only_the_one_meant_is_forgotten() {
        let directory = Directory::new();
        let account = AccountId::new(1, 1);
        assert_eq!(directory.account_or_start(account, || Ok::<_, ()>(1)), Ok(1));
        assert_eq!(directory.account_or_start(account, || Ok::<_, ()>(2)), Ok(1));
        assert!(!directory.remove(account, |handle| *handle == 2));
        assert!(directory.remove(account, |handle| *handle == 1));
        assert_eq!(directory.account_or_start(account, || Err("no")), Err("no"));
        assert_eq!(directory.len(), 0);
    }
}
