//! Redemption codes: credit for whoever has the code. Pure.
//!
//! Codes that are made together are a batch, and a batch is an account of its own kind: it holds no
//! money, no key and no request, and its events are which codes there are and who used them. So its
//! actor is the only one who counts uses, and a code names its batch, so that nothing has to be looked
//! up. To redeem a code is two steps, each on disk before the next: the batch notes the use, and the
//! account is granted the credit under a reference of the code's. Both are done once, however often
//! they are asked for, so that a redemption that broke off between them is finished by the next try.
//!
//! Batches are listed in the journal of [`AccountId::codes`]. One that is taken back refuses whoever has not
//! used the code before; a redemption that broke off is still finished.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use smallvec::{SmallVec, smallvec};

use super::state::Account;
use super::{Denial, Event, GrantKind, MemberEvent, Order, Removal};
use crate::id::{AccountId, KeyHash};
use crate::money::NanoUsd;

/// Codes that are made together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeBatch {
    /// A name for people.
    pub name: String,
    /// The hash of each code: all that is kept of it.
    pub hashes: Vec<KeyHash>,
    /// The kind of credit that each gives.
    pub kind: GrantKind,
    /// How much each gives.
    pub amount: NanoUsd,
    /// How many accounts may use each.
    pub uses_max: u32,
    /// Until when they can be used for the first time by an account, in milliseconds since 1970.
    pub expires_at_ms: Option<u64>,
    /// How long the credit lasts from then on, in milliseconds.
    pub lasts_ms: Option<u64>,
}

/// A batch and its uses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Codes {
    batch: CodeBatch,
    /// Who used which code, by its place in the batch, and when.
    uses: BTreeMap<(u32, AccountId), u64>,
}

/// A batch as it is at this moment, without its codes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchView {
    /// Its id.
    pub id: AccountId,
    /// A name for people.
    pub name: String,
    /// When it was made, in milliseconds since 1970.
    pub made_at_ms: u64,
    /// How many codes there are in it.
    pub codes: usize,
    /// The kind of credit that each gives, where it gives any.
    pub kind: GrantKind,
    /// How much each gives; none, where they are invites.
    pub amount: NanoUsd,
    /// How long that lasts once it is redeemed, in milliseconds.
    pub lasts_ms: Option<u64>,
    /// How many accounts may use each.
    pub uses_max: u32,
    /// How many did, with all of them.
    pub used: usize,
    /// Until when, in milliseconds since 1970.
    pub expires_at_ms: Option<u64>,
    /// When, by whom and why they were taken back.
    pub revoked: Option<Removal>,
}

/// What a code is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeKind {
    /// Credit.
    Credit,
    /// An account of one's own.
    Invite,
}

/// A wish to use a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodeUse {
    /// What for.
    pub what: CodeKind,
    /// The code's hash.
    pub hash: KeyHash,
    /// Who uses it.
    pub account: AccountId,
}

/// What a code gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeTerms {
    /// Its batch.
    pub batch: AccountId,
    /// Its place in the batch, from 0.
    pub code: u32,
    /// The kind of credit.
    pub kind: GrantKind,
    /// How much.
    pub amount: NanoUsd,
    /// When it lapses, in milliseconds since 1970.
    pub expires_at_ms: Option<u64>,
}

impl CodeTerms {
    /// What the grant is known by: the same for every try of one account.
    pub fn reference(&self) -> String {
        format!("code {}-{}", self.batch, self.code)
    }
}

impl Codes {
    pub(super) fn new(batch: CodeBatch) -> Self {
        Self { batch, uses: BTreeMap::new() }
    }

    /// An invite gives no credit, and a code of credit gives some.
    fn are_for(&self) -> CodeKind {
        if self.batch.amount == NanoUsd::ZERO { CodeKind::Invite } else { CodeKind::Credit }
    }

    fn place(&self, hash: &KeyHash) -> Option<u32> {
        let place = self.batch.hashes.iter().position(|known| known == hash)?;
        u32::try_from(place).ok()
    }

    fn uses_of(&self, code: u32) -> usize {
        self.uses.range((code, AccountId(0))..=(code, AccountId(u64::MAX))).count()
    }

    pub(super) fn fold_use(
        &mut self,
        code: u32,
        account: AccountId,
        at_ms: u64,
    ) -> Result<(), &'static str> {
        let is_one = usize::try_from(code).is_ok_and(|code| code < self.batch.hashes.len());
        if !is_one {
            return Err("it uses a code that does not exist");
        }
        if self.uses_of(code) >= usize::try_from(self.batch.uses_max).unwrap_or(usize::MAX) {
            return Err("it uses a code more often than allowed");
        }
        match self.uses.insert((code, account), at_ms) {
            None => Ok(()),
            Some(_) => Err("it uses a code twice for one account"),
        }
    }
}

impl Account {
    /// Whether this is a batch of codes and nobody's account.
    pub fn is_code_batch(&self) -> bool {
        self.codes.is_some()
    }

    /// What its codes are for, where it is a batch.
    fn codes_for(&self) -> Option<CodeKind> {
        self.codes.as_deref().map(Codes::are_for)
    }

    /// Decides whether a code may be used: the event, unless the account used it before.
    pub fn use_code(&self, wish: &CodeUse, now_ms: u64) -> Result<Option<Event>, Denial> {
        let codes = self.codes.as_ref().ok_or(Denial::UnknownCode)?;
        let code = codes.place(&wish.hash).filter(|_| codes.are_for() == wish.what);
        let code = code.ok_or(Denial::UnknownCode)?;
        if codes.uses.contains_key(&(code, wish.account)) {
            return Ok(None);
        }
        if self.revoked_batch().is_some() {
            return Err(Denial::RevokedCode);
        }
        if codes.batch.expires_at_ms.is_some_and(|at_ms| at_ms <= now_ms) {
            return Err(Denial::ExpiredCode);
        }
        if codes.uses_of(code) >= usize::try_from(codes.batch.uses_max).unwrap_or(usize::MAX) {
            return Err(Denial::UsedUpCode);
        }
        Ok(Some(Event::CodeUsed { code, account: wish.account }))
    }

    /// Decides an order about invites, or about a batch of either kind; `None` where it is another.
    pub(super) fn batch_order(
        &self,
        order: &Order,
        now_ms: u64,
    ) -> Option<Result<SmallVec<[Event; 2]>, Denial>> {
        let event = match order {
            Order::MakeInvites(batch) if batch.amount != NanoUsd::ZERO => {
                return Some(Err(Denial::BadAmount));
            }
            Order::MakeInvites(batch) if self.number == 0 => {
                MemberEvent::InvitesMade(batch.clone())
            }
            Order::MakeInvites(_) => return Some(Err(Denial::AlreadyOpen)),
            Order::ListInvites(batch) if self.id == AccountId::invites(self.id.node()) => {
                MemberEvent::InvitesListed { batch: *batch }
            }
            Order::ListCodes(batch) if self.id == AccountId::codes(self.id.node()) => {
                MemberEvent::CodesListed { batch: *batch }
            }
            Order::RevokeBatch { what, by, reason } if self.codes_for() == Some(*what) => {
                if self.revoked_batch().is_some() {
                    return Some(Ok(SmallVec::new()));
                }
                let removal = Removal { at_ms: now_ms, by: by.clone(), reason: reason.clone() };
                match what {
                    CodeKind::Credit => MemberEvent::CodesRevoked { removal },
                    CodeKind::Invite => MemberEvent::InvitesRevoked { removal },
                }
            }
            Order::ListInvites(_) | Order::ListCodes(_) | Order::RevokeBatch { .. } => {
                return Some(Err(Denial::NoSuchAccount));
            }
            _ => return None,
        };
        Some(Ok(smallvec![Event::Member(Box::new(event))]))
    }

    /// This batch, where it is one of this kind. When it was made stays open where only the journal says
    /// it.
    pub(super) fn batch_view(&self, what: CodeKind) -> Option<BatchView> {
        let codes = self.codes.as_ref().filter(|_| self.codes_for() == Some(what))?;
        let CodeBatch { name, hashes, kind, amount, uses_max, expires_at_ms, lasts_ms } =
            &codes.batch;
        Some(BatchView {
            id: self.id,
            name: name.clone(),
            made_at_ms: self.opened_at_ms,
            codes: hashes.len(),
            kind: *kind,
            amount: *amount,
            lasts_ms: *lasts_ms,
            uses_max: *uses_max,
            used: codes.uses.len(),
            expires_at_ms: *expires_at_ms,
            revoked: self.revoked_batch().cloned(),
        })
    }

    /// What a code gives an account that used it.
    pub(super) fn terms_of(&self, wish: &CodeUse) -> Option<CodeTerms> {
        let codes = self.codes.as_ref()?;
        let code = codes.place(&wish.hash)?;
        let used_at_ms = codes.uses.get(&(code, wish.account))?;
        let CodeBatch { kind, amount, lasts_ms, .. } = codes.batch;
        let expires_at_ms = lasts_ms.map(|lasts_ms| used_at_ms.saturating_add(lasts_ms));
        Some(CodeTerms { batch: self.id, code, kind, amount, expires_at_ms })
    }
}
