//! An account, its owner, its first key and its trial, in one piece. Pure.

use smallvec::{SmallVec, smallvec};

use super::register::InviteTerms;
use super::{Email, Member, MemberEvent, MemberStatus, Role};
use crate::account::state::Account;
use crate::account::{Denial, Event, GrantKind, NewKey};
use crate::id::{GrantId, KeyHash, KeyId, MemberId};
use crate::money::{Markup, NanoUsd};

/// What the trial's grant is known by in every account.
const TRIAL_REFERENCE: &str = "trial";
/// Whose it is.
const OWNER: MemberId = MemberId(1);
/// Who added the owner.
const BY: &str = "sign-up";
/// How long the same request, sent again, is answered with a new secret.
const REPEATED_MS: u64 = 24 * 60 * 60 * 1_000;
/// Until when a secret works that a repeated request replaces: it never came to anybody. No other rotation
/// is written so, which is how the two are told apart.
const NEVER_MS: u64 = 0;
/// How often it is answered so: the secrets that were replaced are counted, and no more of them are listed.
const REPEATS_MAX: usize = 16;
/// What a new account always begins with: that it is opened, its owner, how it came about, its key, and
/// whose that is.
const BEGINNINGS: u64 = 5;

/// Somebody's wish for an account of their own.
#[derive(Clone, Debug)]
pub struct SignUp {
    /// The account's name.
    pub name: String,
    /// Who owns it.
    pub email: Email,
    /// The first key.
    pub key: NewKey,
    /// What there is to begin with.
    pub trial: Option<TrialGrant>,
    /// The invite that was used.
    pub invite: Option<InviteTerms>,
    /// What tells this request, sent again, from another: a hash.
    pub request: Option<KeyHash>,
}

/// Credit to try the service with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrialGrant {
    /// How much.
    pub amount: NanoUsd,
    /// When the rest lapses, in milliseconds since 1970.
    pub expires_at_ms: Option<u64>,
}

impl Account {
    /// All that a new account begins with, as one batch: either all of it is there or nothing. Where it
    /// is there already and this is the same request once more, its answer may have been lost, and with
    /// it the secret of the first key: that gets the one of this request, as long as nothing else has
    /// happened.
    pub(in crate::account) fn sign_up(
        &self,
        wish: &SignUp,
        now_ms: u64,
    ) -> Result<SmallVec<[Event; 2]>, Denial> {
        if self.number > 0 {
            return self.sign_up_again(wish, now_ms);
        }
        let id = OWNER;
        let owner = Member {
            id,
            email: wish.email.clone(),
            name: wish.name.clone(),
            role: Role::Owner,
            status: MemberStatus::Active,
            added_by: BY.to_owned(),
            added_at_ms: now_ms,
            verified_at_ms: None,
            removal: None,
        };
        let signed_up = MemberEvent::SignedUp { invite: wish.invite, request: wish.request };
        let mut events: SmallVec<[Event; 2]> = smallvec![
            Event::Opened { name: wish.name.clone() },
            Event::Member(Box::new(MemberEvent::Added(owner))),
            Event::Member(Box::new(signed_up)),
        ];
        let key = self.create_key(&wish.key, now_ms)?;
        let created = key.iter().find_map(|event| match event {
            Event::KeyCreated { key } => Some(key.id),
            _ => None,
        });
        events.extend(key);
        let given = |key| Event::Member(Box::new(MemberEvent::KeyGiven { key, member: id }));
        events.extend(created.map(given));
        if let Some(TrialGrant { amount, expires_at_ms }) = wish.trial {
            self.may_grant(amount, TRIAL_REFERENCE)?;
            events.push(Event::Granted {
                grant: GrantId(1),
                kind: GrantKind::Trial,
                amount,
                expires_at_ms,
                reference: TRIAL_REFERENCE.to_owned(),
            });
        }
        Ok(events)
    }

    fn sign_up_again(&self, wish: &SignUp, now_ms: u64) -> Result<SmallVec<[Event; 2]>, Denial> {
        if self.keys.first().is_some_and(|key| key.hash == wish.key.hash) {
            // Asked again because no answer came: secrets are random.
            return Ok(SmallVec::new());
        }
        let known = self.tenancy.members.as_deref().and_then(super::Members::request);
        let is_same = known.is_some() && known == wish.request;
        let is_late = now_ms.saturating_sub(self.opened_at_ms) > REPEATED_MS;
        let key = self.keys.first().filter(|_| is_same && !is_late).ok_or(Denial::EmailTaken)?;
        if !self.is_as_signed_up(key.id, wish) {
            return Err(Denial::EmailTaken);
        }
        let owner = self.tenancy.members.as_deref().and_then(|members| members.get(OWNER));
        if self.name != wish.name || owner.is_none_or(|owner| owner.email != wish.email) {
            return Err(Denial::RequestReused);
        }
        let (hash, hint) = (wish.key.hash, wish.key.hint.clone());
        self.rotated(key.id, hash, hint, NEVER_MS, now_ms)
    }

    /// Whether nothing has happened but that it was opened for such a wish, and that the same was asked
    /// again. Whoever used the key, or changed or rotated it, had the answer: who asks again may be another.
    /// So it is for an account that an operator has to do with, or that is not active any more.
    fn is_as_signed_up(&self, key: KeyId, wish: &SignUp) -> bool {
        let former = self.key_settings(key).former;
        let begun = [
            !wish.key.rest.is_empty(),
            self.references.contains(TRIAL_REFERENCE),
            // Its plan's price, where that is not the plain one.
            self.markup != Markup::default(),
        ];
        let extras = begun.into_iter().filter(|has| *has).count();
        let repeats = former.len();
        repeats < REPEATS_MAX
            && former.iter().all(|former| former.until_ms == NEVER_MS)
            && self.number == BEGINNINGS.saturating_add((extras + repeats) as u64)
    }
}
