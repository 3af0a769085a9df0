//! Whose the idempotency keys are that operators used of late, so that no token takes all there may be.
//! Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::fold::State;
use crate::id::TokenId;

/// Idempotency keys of one token that are remembered at one time: a payment processor's call every three
/// and a half seconds, all day. A token that used them all leaves three quarters of what there may be.
pub(super) const KEYS_OF_TOKEN_MAX: usize = 25_000;

/// The tokens that remembered idempotency keys came with. Of what an older build remembered, it is not
/// known, and counts as nobody's for the day that it has left.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::account) struct TokenKeys {
    /// By the number of the action.
    tokens: BTreeMap<u64, TokenId>,
    counts: BTreeMap<TokenId, u32>,
}

impl TokenKeys {
    pub(super) fn remember(&mut self, action: u64, token: TokenId) {
        self.tokens.insert(action, token);
        *self.counts.entry(token).or_default() += 1;
    }

    pub(super) fn forget(&mut self, action: u64) {
        let Some(token) = self.tokens.remove(&action) else { return };
        if let Some(count) = self.counts.get_mut(&token) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.counts.remove(&token);
            }
        }
    }

    /// Whether this token may use one more.
    pub(super) fn has_room(&self, token: TokenId, operators: &State, now_ms: u64) -> bool {
        // Writing to it forgets what is over.
        let is_own = |action: &u64| self.tokens.get(action) == Some(&token);
        !self.are_all_used(token) || operators.over(now_ms).any(|it| is_own(&it.action))
    }

    /// Whether as many are remembered of this token as may be.
    pub(super) fn are_all_used(&self, token: TokenId) -> bool {
        let count = self.counts.get(&token).copied().unwrap_or_default();
        usize::try_from(count).map_or(true, |count| count >= KEYS_OF_TOKEN_MAX)
    }
}
