//! An account as the fold of its events: balance, credit lots, holds, keys. Pure.
//!
//! [`Account::apply`] is the only code that changes an account; recovery, verification and the
//! living actor all call it, so what is in memory is what the journal would give.
//!
//! Invariants, checked after every event:
//! - I1: `granted = settled + expired + refunded + charged back + remaining`, where `remaining` is what
//!   is left in the lots.
//! - I2: no lot, and not the whole, is below zero.
//! - I3: `held <= remaining`: open holds are covered by credit that is really there; each by credit of
//!   the kinds that it counts on.
//! - I4: a hold begins once and ends once.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::buckets::Buckets;
use super::code::Codes;
use super::payment::{Movement, MovementKind};
use super::rules::Rules;
use super::tenancy::Tenancy;
use super::{
    CodeBatch, Event, GrantKind, Key, Kinds, Limits, MemberEvent, OperatorEvent, ReasonClass,
    Settlement, Status, StatusSet,
};
use crate::id::{AccountId, GrantId, HoldId, KeyId};
use crate::ledger::{Digest, Record};
use crate::money::{Markup, NanoUsd};

/// The state of one account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    pub(super) id: AccountId,
    pub(super) name: String,
    pub(super) status: Status,
    pub(super) limits: Limits,
    pub(super) markup: Markup,
    pub(super) opened_at_ms: u64,
    /// Lots with something left, in the order they are spent.
    pub(super) grants: Vec<Grant>,
    pub(super) grants_made: u32,
    /// Every reference a grant was made under, so that none is made twice.
    pub(super) references: BTreeSet<String>,
    pub(super) keys: Vec<Key>,
    pub(super) holds: BTreeMap<HoldId, Hold>,
    pub(super) totals: Totals,
    /// How many events there have been.
    pub(super) number: u64,
    /// The digest of the last one.
    pub(super) digest: Digest,
    pub(super) credit: Credit,
    /// How its status was last set, and when, in milliseconds since 1970; `None` where it was before
    /// that was written down.
    pub(super) status_set: Option<Box<(StatusSet, u64)>>,
    /// Its codes and their uses, where it is a batch of codes and nobody's account.
    pub(super) codes: Option<Box<Codes>>,
    /// Budgets, and what keys have been given. Behind the other fields in a snapshot.
    #[serde(skip)]
    pub(super) rules: Rules,
    /// Projects, people, its plan. Behind the rules in a snapshot.
    #[serde(skip)]
    pub(super) tenancy: Tenancy,
}

/// What came in from outside and went back there, and what may pay for what.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Credit {
    /// What was done under each id that a payment, refund or dispute was told by.
    pub(super) movements: BTreeMap<String, Movement>,
    /// The kinds of credit that open holds count on, where those are not all.
    pub(super) hold_kinds: BTreeMap<HoldId, Kinds>,
    /// What refunds and disputes have still to take of lots, when the holds that count on it have ended.
    pub(super) claims: BTreeMap<GrantId, NanoUsd>,
    /// Ever taken back and paid back.
    pub(super) refunded: NanoUsd,
    /// Ever taken back in disputes.
    pub(super) charged_back: NanoUsd,
}

/// A credit lot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Its number in the account.
    pub id: GrantId,
    /// Where it came from.
    pub kind: GrantKind,
    /// What it was.
    pub amount: NanoUsd,
    /// What is left of it.
    pub remaining: NanoUsd,
    /// When the rest lapses, in milliseconds since 1970.
    pub expires_at_ms: Option<u64>,
}

/// Money set aside for one exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// The key it came with.
    pub key: KeyId,
    /// How much.
    pub amount: NanoUsd,
    /// Since when, in milliseconds since 1970.
    pub at_ms: u64,
}

/// Sums over all events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Credit ever granted.
    pub granted: NanoUsd,
    /// Ever charged.
    pub settled: NanoUsd,
    /// Ever lapsed.
    pub expired: NanoUsd,
    /// Costs the account could not pay.
    pub absorbed: NanoUsd,
    /// Set aside now.
    pub held: NanoUsd,
    /// Left in the lots now.
    pub remaining: NanoUsd,
}

/// A record that can't follow the ones before it: the journal or the code is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("event {number} of {account} can't follow: {reason}")]
pub struct Inconsistency {
    /// The account.
    pub account: AccountId,
    /// The number of the offending event.
    pub number: u64,
    /// What it breaks.
    pub reason: &'static str,
}

impl Account {
    /// An account before its first event.
    pub fn new(id: AccountId) -> Self {
        Self {
            id,
            name: String::new(),
            status: Status::Active,
            limits: Limits::default(),
            markup: Markup::default(),
            opened_at_ms: 0,
            grants: Vec::new(),
            grants_made: 0,
            references: BTreeSet::new(),
            keys: Vec::new(),
            holds: BTreeMap::new(),
            totals: Totals::default(),
            number: 0,
            digest: Digest::default(),
            credit: Credit::default(),
            status_set: None,
            codes: None,
            rules: Rules::default(),
            tenancy: Tenancy::default(),
        }
    }

    /// Its id.
    pub fn id(&self) -> AccountId {
        self.id
    }

    /// How many events there have been.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The digest of the last event.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Its sums.
    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    /// Its keys.
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// Its open holds.
    pub fn holds(&self) -> &BTreeMap<HoldId, Hold> {
        &self.holds
    }

    /// Ever taken back because it was paid back, and in disputes.
    pub fn taken_back(&self) -> (NanoUsd, NanoUsd) {
        (self.credit.refunded, self.credit.charged_back)
    }

    /// Why its status is what it is, in one word.
    pub(super) fn status_class(&self) -> ReasonClass {
        self.status_set.as_deref().map(|(set, _)| set.class).unwrap_or_default()
    }

    /// What a new hold may take.
    pub fn available(&self) -> NanoUsd {
        self.totals.remaining.saturating_sub(self.totals.held)
    }

    /// Folds one record in. `digest` is the digest of the record's bytes.
    ///
    /// # Errors
    /// [`Inconsistency`] when the record can't follow; the account is then not to be used any more.
    pub fn apply(&mut self, record: &Record, digest: Digest) -> Result<(), Inconsistency> {
        let broken = |reason| Inconsistency { account: self.id, number: record.number, reason };
        if record.account != self.id {
            return Err(broken("it belongs to another account"));
        }
        if record.number != self.number.wrapping_add(1) {
            return Err(broken("its number does not follow"));
        }
        if record.previous != self.digest {
            return Err(broken("it does not name the event before it"));
        }
        let (id, number) = (self.id, record.number);
        let broken = |reason| Inconsistency { account: id, number, reason };
        let before = self.totals.remaining;
        self.fold(&record.event, record.at_ms).map_err(broken)?;
        self.follow_balance(&record.event, before);
        self.tenancy.forget_old(record.at_ms);
        self.check().map_err(broken)?;
        self.number = record.number;
        self.digest = digest;
        Ok(())
    }

    fn fold(&mut self, event: &Event, at_ms: u64) -> Result<(), &'static str> {
        match event {
            Event::Opened { name } => {
                self.name.clone_from(name);
                self.opened_at_ms = at_ms;
            }
            Event::StatusChanged { status, .. } => self.status = *status,
            Event::LimitsChanged { limits } => self.limits = *limits,
            Event::KeyCreated { key } => self.keys.push(key.clone()),
            Event::KeyRevoked { key, .. } => {
                let known = self.keys.iter_mut().find(|candidate| candidate.id == *key);
                known.ok_or("it revokes a key that does not exist")?.revoked_at_ms = Some(at_ms);
                self.tenancy.revoked(*key);
            }
            Event::Granted { grant, kind, amount, expires_at_ms, reference } => {
                let lot = Grant {
                    id: *grant,
                    kind: *kind,
                    amount: *amount,
                    remaining: *amount,
                    expires_at_ms: *expires_at_ms,
                };
                self.grant(lot, reference)?;
            }
            Event::Expired { grant, amount } => {
                self.draw(*grant, *amount)?;
                self.totals.expired = add(self.totals.expired, *amount)?;
            }
            Event::Held { hold, key, amount } => {
                self.begin_hold(*hold, Hold { key: *key, amount: *amount, at_ms })?;
            }
            Event::Extended { hold, amount } => self.extend_hold(*hold, *amount)?,
            Event::Settled(settlement) => self.fold_settlement(settlement, at_ms)?,
            Event::Voided { hold, .. } => self.end_hold(*hold)?,
            Event::KeyChanged { key, changes } => self.change_key(*key, changes)?,
            Event::KeyRotated { key, hash, hint, former_until_ms } => {
                self.rotate_key(*key, (*hash, hint), *former_until_ms, at_ms)?;
            }
            Event::BudgetsChanged { budgets } => self.rules.set_budgets(budgets),
            Event::StatusSet(set) => {
                self.status = set.status;
                self.status_set = Some(Box::new((set.clone(), at_ms)));
            }
            Event::HeldOf { hold, key, amount, kinds } => {
                self.begin_hold(*hold, Hold { key: *key, amount: *amount, at_ms })?;
                self.credit.hold_kinds.insert(*hold, *kinds);
            }
            Event::Paid(paid) => self.fold_payment(paid, at_ms)?,
            Event::Refunded(back) => self.fold_return(MovementKind::Refunded, back, at_ms)?,
            Event::Reclaimed { grant, amount } => self.fold_reclaimed(*grant, *amount)?,
            Event::CodesMade(batch) => self.fold_codes(batch)?,
            Event::CodeUsed { code, account } => {
                let codes = self.codes.as_mut().ok_or("it uses a code where there are none")?;
                codes.fold_use(*code, *account, at_ms)?;
            }
            Event::ChargedBack(back) => self.fold_return(MovementKind::ChargedBack, back, at_ms)?,
            Event::Member(event) => self.fold_member(event, at_ms)?,
            Event::Plan(event) => self.fold_plan(event),
            Event::Subscription(event) => self.fold_subscription(event, at_ms)?,
            Event::Project(_) | Event::Watch(_) => self.tenancy.fold(event)?,
            Event::Operator(event) => self.fold_operators(event, at_ms)?,
            Event::KeyGuarded { .. } | Event::KeyRestricted { .. } | Event::KeyReleased { .. } => {
                self.fold_guard(event, at_ms)?;
            }
            Event::Once(event) => {
                let number = self.number.saturating_add(1);
                self.tenancy.once.get_or_insert_default().fold(event, number, at_ms);
            }
        }
        Ok(())
    }

    fn follow_balance(&mut self, event: &Event, before: NanoUsd) {
        let Some(watch) = self.tenancy.watch.as_deref_mut() else { return };
        let balance = self.totals.remaining;
        watch.rearm(balance);
        if matches!(event, Event::Refunded(_) | Event::ChargedBack(_) | Event::Reclaimed { .. }) {
            watch.went_back(before, balance);
        }
    }

    fn fold_member(&mut self, event: &MemberEvent, at_ms: u64) -> Result<(), &'static str> {
        if let MemberEvent::InvitesMade(batch) = event {
            self.fold_codes(batch)?;
            self.opened_at_ms = at_ms;
        }
        self.tenancy.members.get_or_insert_default().fold(event)
    }

    fn fold_codes(&mut self, batch: &CodeBatch) -> Result<(), &'static str> {
        if self.number > 0 {
            return Err("codes are made in what is something else already");
        }
        self.codes = Some(Box::new(Codes::new(batch.clone())));
        Ok(())
    }

    fn fold_operators(&mut self, event: &OperatorEvent, at_ms: u64) -> Result<(), &'static str> {
        // Which account's journal it is in is all that there is to know of it.
        if matches!(event, OperatorEvent::Did { .. }) {
            return Ok(());
        }
        if self.id != AccountId::OPERATORS {
            return Err("it is of the operators, and this is an account");
        }
        let number = self.number.saturating_add(1);
        let operators = self.tenancy.operators.get_or_insert_default();
        operators.fold(event, number, at_ms)
    }

    fn begin_hold(&mut self, hold: HoldId, entry: Hold) -> Result<(), &'static str> {
        self.totals.held = add(self.totals.held, entry.amount)?;
        self.rules.held(entry.key, entry.amount);
        if let Some(projects) = &mut self.tenancy.projects {
            projects.held(hold, entry.key, entry.amount);
        }
        match self.holds.insert(hold, entry) {
            None => Ok(()),
            Some(_) => Err("the hold exists already"),
        }
    }

    fn extend_hold(&mut self, id: HoldId, amount: NanoUsd) -> Result<(), &'static str> {
        let hold = self.holds.get_mut(&id).ok_or("it extends a hold that is not open")?;
        hold.amount = add(hold.amount, amount)?;
        self.totals.held = add(self.totals.held, amount)?;
        self.rules.held(hold.key, amount);
        if let Some(projects) = &mut self.tenancy.projects {
            projects.extended(id, amount);
        }
        Ok(())
    }

    pub(super) fn grant(&mut self, lot: Grant, reference: &str) -> Result<(), &'static str> {
        if !self.references.insert(reference.to_owned()) {
            return Err("a grant with its reference exists already");
        }
        let order = |grant: &Grant| (grant.expires_at_ms.unwrap_or(u64::MAX), grant.id);
        let place = self.grants.partition_point(|other| order(other) < order(&lot));
        self.grants.insert(place, lot);
        self.grants_made = self.grants_made.max(lot.id.0);
        self.totals.granted = add(self.totals.granted, lot.amount)?;
        self.totals.remaining = add(self.totals.remaining, lot.amount)?;
        Ok(())
    }

    fn fold_settlement(&mut self, settlement: &Settlement, at_ms: u64) -> Result<(), &'static str> {
        let kinds = self.kinds_of(settlement.hold);
        let project = self.project_of_hold(settlement.hold);
        if settlement.record.project != project {
            return Err("it is of another project than its hold");
        }
        self.end_hold(settlement.hold)?;
        let drawn: NanoUsd = settlement.draws.iter().map(|draw| draw.amount).sum();
        if drawn != settlement.charged {
            return Err("its draws do not add up to its charge");
        }
        if add(settlement.charged, settlement.absorbed)? != settlement.cost {
            return Err("charged and absorbed do not add up to the cost");
        }
        for draw in &settlement.draws {
            let kind = self.grants.iter().find(|lot| lot.id == draw.grant).map(|lot| lot.kind);
            if kind.is_some_and(|kind| !kinds.contains(kind)) {
                return Err("it draws on credit that may not pay for it");
            }
            self.draw(draw.grant, draw.amount)?;
        }
        self.totals.settled = add(self.totals.settled, settlement.charged)?;
        self.totals.absorbed = add(self.totals.absorbed, settlement.absorbed)?;
        self.rules.settled(settlement.key, settlement.charged, at_ms);
        self.tenancy.settled(settlement, at_ms);
        Ok(())
    }

    fn end_hold(&mut self, hold: HoldId) -> Result<(), &'static str> {
        let entry = self.holds.remove(&hold).ok_or("it ends a hold that is not open")?;
        self.credit.hold_kinds.remove(&hold);
        self.forget_price_of(hold);
        self.totals.held = self.totals.held.saturating_sub(entry.amount);
        self.rules.ended(entry.key, entry.amount);
        if let Some(projects) = &mut self.tenancy.projects {
            projects.ended(hold, entry.amount);
        }
        Ok(())
    }

    pub(super) fn draw(&mut self, grant: GrantId, amount: NanoUsd) -> Result<(), &'static str> {
        let place = self.grants.iter().position(|lot| lot.id == grant);
        let place = place.ok_or("it draws on a credit lot that has nothing left")?;
        let lot = self.grants.get_mut(place).ok_or("it draws on no credit lot")?;
        if amount.is_negative() || amount > lot.remaining {
            return Err("it draws more than the credit lot has left");
        }
        lot.remaining = lot.remaining.saturating_sub(amount);
        if lot.remaining == NanoUsd::ZERO {
            self.grants.remove(place);
            self.credit.claims.remove(&grant);
        }
        self.totals.remaining = self.totals.remaining.saturating_sub(amount);
        Ok(())
    }

    /// The invariants I1 to I3; I4 is kept by the fold itself.
    pub(super) fn check(&self) -> Result<(), &'static str> {
        let Totals { granted, settled, expired, absorbed, held, remaining } = self.totals;
        if [granted, settled, expired, absorbed, held, remaining]
            .iter()
            .any(|sum| sum.is_negative())
        {
            return Err("a sum is below zero (I2)");
        }
        let back = add(self.credit.refunded, self.credit.charged_back)?;
        if granted != add(add(add(settled, expired)?, back)?, remaining)? {
            return Err("grants are not settled + expired + taken back + remaining (I1)");
        }
        if held > remaining {
            return Err("more is held than there is (I3)");
        }
        if !self.credit.hold_kinds.is_empty() && !Buckets::of(self, None).are_covered() {
            return Err("more is held than there is of the credit that may pay for it (I3)");
        }
        Ok(())
    }
}

fn add(sum: NanoUsd, amount: NanoUsd) -> Result<NanoUsd, &'static str> {
    if amount.is_negative() {
        return Err("an amount is below zero");
    }
    sum.checked_add(amount).ok_or("a sum does not fit")
}
