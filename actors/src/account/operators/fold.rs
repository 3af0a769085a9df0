//! What is kept of operators: their tokens, what is under way, which idempotency keys were used. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::event::{Asked, Ended, OperatorEvent, RotatedToken, Token};
use crate::account::Account;
use crate::id::{ExchangeId, TokenId};
use crate::ledger::Digest;

/// How long an idempotency key is remembered.
pub(super) const REMEMBERED_MS: u64 = 24 * 60 * 60 * 1_000;
/// Idempotency keys that are remembered at one time: some 10 MB.
pub(super) const KEYS_MAX: usize = 100_000;
/// How many revoked tokens are kept to be shown.
const REVOKED_MAX: usize = 1_000;

/// The operators' part of the state. Of accounts, it is never made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::account) struct State {
    pub(super) tokens: Vec<Token>,
    pub(super) tokens_made: u32,
    /// What has begun and not ended, by its number.
    pub(super) open: BTreeMap<u64, Open>,
    /// Idempotency keys that were used within the last day.
    pub(super) keys: BTreeMap<Digest, Remembered>,
    /// The same, the oldest first.
    pub(super) keys_by_age: BTreeMap<u64, Digest>,
}

/// An action that has begun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Open {
    pub(super) request: ExchangeId,
    pub(super) key: Option<Digest>,
    pub(super) is_repeatable: bool,
}

/// What was asked under an idempotency key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Remembered {
    pub(super) fingerprint: Digest,
    pub(super) action: u64,
    pub(super) at_ms: u64,
    /// The number of its end.
    pub(super) end: Option<u64>,
}

impl Remembered {
    /// Whether it is of no use any more: it has ended, and a day has passed, or it is of a time that the
    /// clock came back from.
    pub(super) fn is_over(&self, now_ms: u64) -> bool {
        let is_past = self.at_ms.saturating_add(REMEMBERED_MS) <= now_ms;
        let is_ahead = self.at_ms > now_ms.saturating_add(REMEMBERED_MS);
        self.end.is_some() && (is_past || is_ahead)
    }
}

impl State {
    /// Folds one fact in; `number` is its own.
    pub(in crate::account) fn fold(
        &mut self,
        event: &OperatorEvent,
        number: u64,
        at_ms: u64,
    ) -> Result<(), &'static str> {
        match event {
            OperatorEvent::TokenCreated(token) => {
                self.tokens_made = self.tokens_made.max(token.id.0);
                self.tokens.push(token.clone());
            }
            OperatorEvent::TokenRotated(rotated) => self.rotate(rotated)?,
            OperatorEvent::TokenRevoked { token } => {
                self.token_mut(*token)?.revoked_at_ms = Some(at_ms);
                self.drop_revoked();
            }
            OperatorEvent::Asked(asked) => self.begin(asked, number, at_ms),
            OperatorEvent::Ended(ended) => self.end(ended, number)?,
            OperatorEvent::NotBegun(..) | OperatorEvent::Did { .. } => {}
        }
        Ok(())
    }

    fn token_mut(&mut self, id: TokenId) -> Result<&mut Token, &'static str> {
        let token = self.tokens.iter_mut().find(|token| token.id == id);
        token.ok_or("it changes a token that does not exist")
    }

    fn rotate(&mut self, rotated: &RotatedToken) -> Result<(), &'static str> {
        let token = self.token_mut(rotated.token)?;
        token.former = Some((token.hash, rotated.former_until_ms));
        token.hash = rotated.hash;
        token.hint.clone_from(&rotated.hint);
        Ok(())
    }

    fn drop_revoked(&mut self) {
        let is_revoked = |token: &Token| token.revoked_at_ms.is_some();
        if self.tokens.iter().filter(|token| is_revoked(token)).count() > REVOKED_MAX
            && let Some(oldest) = self.tokens.iter().position(is_revoked)
        {
            self.tokens.remove(oldest);
        }
    }

    fn begin(&mut self, asked: &Asked, number: u64, at_ms: u64) {
        let key = asked.idempotency.as_ref().map(|wish| wish.digest(asked.token));
        let is_repeatable = asked.idempotency.as_ref().is_some_and(|wish| wish.is_repeatable);
        self.open.insert(number, Open { request: asked.request, key, is_repeatable });
        let (Some(wish), Some(key)) = (&asked.idempotency, key) else { return };
        self.forget_old_keys(at_ms);
        self.forget_key(key);
        let fingerprint = wish.fingerprint;
        self.keys.insert(key, Remembered { fingerprint, action: number, at_ms, end: None });
        self.keys_by_age.insert(number, key);
    }

    fn end(&mut self, ended: &Ended, number: u64) -> Result<(), &'static str> {
        let open = self.open.remove(&ended.action).ok_or("it ends what is not under way")?;
        let Some(key) = open.key else { return Ok(()) };
        // Asked again, it would be answered the same, or has left what must not be done twice.
        let is_done = match ended.status {
            Some(status) if status < 400 => true,
            Some(status) if status < 500 => false,
            Some(_) | None => !open.is_repeatable && !ended.deeds.is_empty(),
        };
        if !is_done {
            self.forget_key(key);
        } else if let Some(remembered) = self.keys.get_mut(&key) {
            remembered.end = Some(number);
        }
        Ok(())
    }

    /// Whether as many idempotency keys are remembered as may be.
    pub(super) fn is_full(&self) -> bool {
        self.keys.len() >= KEYS_MAX
    }

    /// What is remembered and over. All are looked through: where the clock went back, the oldest are not
    /// the first that are over.
    pub(super) fn over(&self, now_ms: u64) -> impl Iterator<Item = &Remembered> {
        self.keys.values().filter(move |remembered| remembered.is_over(now_ms))
    }

    /// Whether the key of this action is remembered.
    pub(in crate::account) fn remembers(&self, action: u64, now_ms: u64) -> bool {
        let key = self.keys_by_age.get(&action).and_then(|key| self.keys.get(key));
        key.is_some_and(|remembered| !remembered.is_over(now_ms))
    }

    fn forget_key(&mut self, key: Digest) {
        if let Some(remembered) = self.keys.remove(&key) {
            self.keys_by_age.remove(&remembered.action);
        }
    }

    /// Forgets the oldest that are over, and where there is no room all that are.
    fn forget_old_keys(&mut self, now_ms: u64) {
        // What is under way for that long must not keep all that came behind it.
        let is_open = |key: &Digest| self.keys.get(key).is_some_and(|it| it.end.is_none());
        let ended = self.keys_by_age.values().filter(|key| !is_open(key));
        let is_over = |key: &Digest| self.keys.get(key).is_none_or(|it| it.is_over(now_ms));
        let over: Vec<Digest> = if self.is_full() {
            ended.filter(|key| is_over(key)).copied().collect()
        } else {
            ended.take_while(|key| is_over(key)).copied().collect()
        };
        for key in over {
            self.forget_key(key);
        }
    }
}

impl Account {
    /// The operators, where it is theirs and not an account.
    pub(in crate::account) fn operators(&self) -> Option<&State> {
        self.tenancy.operators.as_deref()
    }
}
