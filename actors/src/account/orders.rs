//! What an account answers to an operator's orders. Pure.

use smallvec::{SmallVec, smallvec};

use super::state::Account;
use super::{Denial, Event, Key, KeyChange, NewKey, Order, Plans, Status, budget};
use crate::id::{GrantId, KeyHash, KeyId};
use crate::money::NanoUsd;

impl Account {
    /// Decides an operator's order.
    pub fn order(
        &self,
        order: &Order,
        plans: &Plans,
        now_ms: u64,
    ) -> Result<SmallVec<[Event; 2]>, Denial> {
        if let Some(answer) = self.begin(order, now_ms) {
            return answer;
        }
        if !self.is_open() {
            return Err(Denial::NoSuchAccount);
        }
        let event = match order {
            Order::Open { .. }
            | Order::MakeCodes(_)
            | Order::SignUp(_)
            | Order::MakeInvites(_)
            | Order::ListInvites(_)
            | Order::ListCodes(_)
            | Order::RevokeBatch { .. } => return Err(Denial::AlreadyOpen),
            Order::Member(order) => return self.member_order(order, now_ms),
            Order::CreateKeyFor(member, new) => return self.create_key_for(*member, new, now_ms),
            Order::SetOwnBudgets(budgets) => return self.set_own_budgets(budgets),
            Order::Plan(order) => return self.plan_order(order, plans),
            Order::Subscription(order) => return self.subscription_order(order, plans, now_ms),
            Order::SetLimits(limits) => Event::LimitsChanged { limits: *limits },
            Order::SetStatus(set) => {
                if self.status == Status::Closed {
                    return Err(Denial::StatusFinal);
                }
                let overdue = self.overdue_behind(set);
                return Ok(std::iter::once(Event::StatusSet(set.clone())).chain(overdue).collect());
            }
            Order::Grant { kind, amount, expires_at_ms, reference } => {
                self.may_grant(*amount, reference)?;
                Event::Granted {
                    grant: GrantId(self.grants_made.saturating_add(1)),
                    kind: *kind,
                    amount: *amount,
                    expires_at_ms: *expires_at_ms,
                    reference: reference.clone(),
                }
            }
            Order::CreateKey(new) => return self.create_key(new, now_ms),
            Order::RevokeKey { key, reason } => {
                if self.key(*key).ok_or(Denial::UnknownKey)?.revoked_at_ms.is_some() {
                    return Ok(SmallVec::new());
                }
                Event::KeyRevoked { key: *key, reason: reason.clone() }
            }
            Order::ChangeKey { key, changes } => return self.changed_key(*key, changes),
            Order::RotateKey { key, hash, hint, overlap } => {
                let overlap_ms = u64::try_from(overlap.as_millis()).unwrap_or(u64::MAX);
                let former_until_ms = now_ms.saturating_add(overlap_ms);
                return self.rotated(*key, *hash, hint.clone(), former_until_ms, now_ms);
            }
            Order::CreateProject(_)
            | Order::ChangeProject { .. }
            | Order::ArchiveProject(_)
            | Order::RestoreProject(_) => return self.project_order(order, now_ms),
            Order::ReleaseKey { key, by, reason } => return self.release_key(*key, by, reason),
            Order::SetBudgets(budgets) => {
                budget::check(budgets)?;
                if budgets == self.budgets() {
                    return Ok(SmallVec::new());
                }
                let changed = Event::BudgetsChanged { budgets: budgets.clone() };
                return Ok(self.ceilings_under(budgets).into_iter().chain([changed]).collect());
            }
            Order::Watch(order) => {
                let event = self.watch_order(order, now_ms)?;
                return Ok(event.into_iter().map(|it| Event::Watch(Box::new(it))).collect());
            }
        };
        Ok(smallvec![event])
    }

    /// Decides an order that something begins with, or that is for what is nobody's; `None` where it is
    /// another.
    fn begin(&self, order: &Order, now_ms: u64) -> Option<Result<SmallVec<[Event; 2]>, Denial>> {
        let opened = self.number > 0;
        match order {
            Order::Open { .. } | Order::MakeCodes(_) if opened => Some(Err(Denial::AlreadyOpen)),
            Order::Open { name, limits } => {
                let mut events: SmallVec<[Event; 2]> =
                    smallvec![Event::Opened { name: name.clone() }];
                if *limits != super::Limits::default() {
                    events.push(Event::LimitsChanged { limits: *limits });
                }
                Some(Ok(events))
            }
            // What gives nothing is an invite.
            Order::MakeCodes(batch) if !batch.amount.is_positive() => Some(Err(Denial::BadAmount)),
            Order::MakeCodes(batch) => {
                Some(Ok(smallvec![Event::CodesMade(Box::new(batch.clone()))]))
            }
            Order::SignUp(_) if self.is_nobodys() => Some(Err(Denial::NoSuchAccount)),
            Order::SignUp(wish) => Some(self.sign_up(wish, now_ms)),
            _ => self.batch_order(order, now_ms),
        }
    }

    /// Whether it is somebody's account.
    pub(super) fn is_open(&self) -> bool {
        self.number > 0 && !self.is_nobodys()
    }

    pub(super) fn may_grant(&self, amount: NanoUsd, reference: &str) -> Result<(), Denial> {
        if !amount.is_positive() || self.totals.granted.checked_add(amount).is_none() {
            return Err(Denial::BadAmount);
        }
        // A payment for the subscription may have given nothing yet, and so is not among the references.
        if self.references.contains(reference) || self.payment_of(reference).is_some() {
            return Err(Denial::DuplicateReference);
        }
        Ok(())
    }

    /// A secret is one key's, also when that key has another now.
    fn may_use(&self, hash: &KeyHash) -> Result<(), Denial> {
        if self.secrets().any(|known| known == hash) { Err(Denial::DuplicateKey) } else { Ok(()) }
    }

    pub(super) fn working_key(&self, key: KeyId) -> Result<&Key, Denial> {
        let key = self.key(key).ok_or(Denial::UnknownKey)?;
        if key.revoked_at_ms.is_some() { Err(Denial::RevokedKey) } else { Ok(key) }
    }

    /// Another secret of a key. One that the present secret makes way for at once is the only one from then
    /// on: whoever gives no time wants none that works beside it, however many there are.
    pub(super) fn rotated(
        &self,
        key: KeyId,
        hash: KeyHash,
        hint: String,
        former_until_ms: u64,
        now_ms: u64,
    ) -> Result<SmallVec<[Event; 2]>, Denial> {
        self.working_key(key)?;
        self.may_use(&hash)?;
        // A secret that somebody else may have gets no time.
        let former_until_ms = self.restriction(key).map_or(former_until_ms, |_| now_ms);
        let settings = self.key_settings(key);
        let mut events = SmallVec::new();
        if former_until_ms <= now_ms {
            // A fact of its own: rotations of older journals left the other former secrets alone.
            let ending = settings.ending_former(now_ms);
            events.extend(ending.map(|it| Event::KeyChanged { key, changes: vec![it] }));
        } else if !settings.may_rotate(now_ms) {
            return Err(Denial::TooManySecrets);
        }
        events.push(Event::KeyRotated { key, hash, hint, former_until_ms });
        Ok(events)
    }

    /// Releasing a key that is not restricted changes nothing.
    fn release_key(
        &self,
        key: KeyId,
        by: &str,
        reason: &str,
    ) -> Result<SmallVec<[Event; 2]>, Denial> {
        self.working_key(key)?;
        let (by, reason) = (by.to_owned(), reason.to_owned());
        let released = self.restriction(key).map(|_| Event::KeyReleased { key, by, reason });
        Ok(released.into_iter().collect())
    }

    fn may_change(&self, change: &KeyChange) -> Result<(), Denial> {
        match change {
            KeyChange::Project(Some(project)) => self.may_join(*project),
            change => change.check(),
        }
    }

    pub(super) fn create_key(
        &self,
        new: &NewKey,
        now_ms: u64,
    ) -> Result<SmallVec<[Event; 2]>, Denial> {
        self.may_use(&new.hash)?;
        new.rest.iter().try_for_each(|change| self.may_change(change))?;
        let last = self.keys.iter().map(|key| key.id.0).max().unwrap_or(0);
        let key = Key {
            id: KeyId(last.saturating_add(1)),
            hash: new.hash,
            hint: new.hint.clone(),
            name: new.name.clone(),
            models: new.models.clone(),
            expires_at_ms: new.expires_at_ms,
            limits: new.limits,
            revoked_at_ms: None,
            created_at_ms: now_ms,
        };
        let id = key.id;
        let mut events: SmallVec<[Event; 2]> = smallvec![Event::KeyCreated { key }];
        if !new.rest.is_empty() {
            events.push(Event::KeyChanged { key: id, changes: new.rest.clone() });
        }
        Ok(events)
    }

    fn changed_key(
        &self,
        id: KeyId,
        changes: &[KeyChange],
    ) -> Result<SmallVec<[Event; 2]>, Denial> {
        let key = self.working_key(id)?;
        changes.iter().try_for_each(|change| self.may_change(change))?;
        let settings = self.key_settings(id);
        let is_new = |change: &&KeyChange| match change {
            KeyChange::Project(project) => *project != self.project_of(id),
            KeyChange::Referrers(referrers) => *referrers != self.referrers(id),
            change => !change.is_made(key, &settings),
        };
        let changes: Vec<KeyChange> = changes.iter().filter(is_new).cloned().collect();
        if changes.is_empty() {
            return Ok(SmallVec::new());
        }
        Ok(smallvec![Event::KeyChanged { key: id, changes }])
    }
}
