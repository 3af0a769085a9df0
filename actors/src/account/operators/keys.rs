//! Whose the idempotency keys are that operators used of late, so that no token takes all there may be.
//! Pure.

use std::collections::BTreeMap;

use super::fold::KEYS_MAX;
use crate::id::TokenId;

/// Idempotency keys of one token that are remembered at one time: a payment processor's call every three
/// and a half seconds, all day. A token that used them all leaves three quarters of what there may be.
pub(super) const KEYS_OF_TOKEN_MAX: usize = 25_000;

/// The tokens that idempotency keys came with since the actor has run. It is no part of the state, which
/// has the same fold whichever build wrote its snapshots: what was remembered before counts as nobody's
/// for the day that it has left.
#[derive(Debug, Default)]
pub(in crate::account) struct TokenKeys {
    /// By the number of the action. Some may be forgotten already.
    tokens: BTreeMap<u64, TokenId>,
    counts: BTreeMap<TokenId, usize>,
}

impl TokenKeys {
    pub(in crate::account) fn remember(&mut self, action: u64, token: TokenId) {
        self.tokens.insert(action, token);
        *self.counts.entry(token).or_default() += 1;
    }

    /// Counts anew what is still remembered, where this token seems to have used all that it may.
    pub(in crate::account) fn make_room(
        &mut self,
        token: TokenId,
        is_remembered: impl Fn(u64) -> bool,
    ) {
        if self.has_room(token) && self.tokens.len() < KEYS_MAX {
            return;
        }
        self.tokens.retain(|action, _| is_remembered(*action));
        self.counts.clear();
        for token in self.tokens.values() {
            *self.counts.entry(*token).or_default() += 1;
        }
    }

    /// Whether this token may use one more.
    pub(super) fn has_room(&self, token: TokenId) -> bool {
        self.counts.get(&token).is_none_or(|count| *count < KEYS_OF_TOKEN_MAX)
    }
}
