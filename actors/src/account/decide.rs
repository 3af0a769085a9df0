//! What an account answers: a command is a question to the state and changes nothing; the answer is
//! events, or a named refusal. Pure.

use smallvec::SmallVec;

use super::state::{Account, Grant};
use super::{Admit, Denial, Draw, Event, Extend, Key, KeyScope, Settle, Settlement, Status};
use crate::id::KeyId;
use crate::money::{NanoUsd, Rates};

/// What a hold was decided to cover.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cover {
    pub(super) amount: NanoUsd,
    /// How many completion tokens `amount` covers.
    pub(super) tokens_held: u64,
    /// How many may be asked of the provider.
    pub(super) tokens_max: u64,
}

/// Which models an exchange may end up at, and what the dearest of them costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reach {
    pub(super) rates: Rates,
    /// For each fallback that was asked for.
    pub(super) fallbacks_allowed: SmallVec<[bool; 2]>,
}

impl Reach {
    /// The reach of a question that came with `key`: a fallback the key may not use is left out.
    pub(super) fn new(admit: &Admit, key: &Key) -> Self {
        let mut reach = Self { rates: admit.rates, fallbacks_allowed: SmallVec::new() };
        for fallback in &admit.fallbacks {
            let allowed = key.allows(&fallback.model);
            if allowed {
                reach.rates = reach.rates.max(fallback.rates);
            }
            reach.fallbacks_allowed.push(allowed);
        }
        reach
    }
}

impl Account {
    /// The credit lots whose time is over, as far as no open hold needs them.
    ///
    /// A hold was promised while its credit was good. So of lapsed lots, what open holds may still
    /// need stays until they end; all else goes.
    pub fn lapse(&self, now_ms: u64) -> SmallVec<[Event; 1]> {
        let mut spare = self.available();
        let due = |lot: &&Grant| lot.expires_at_ms.is_some_and(|at_ms| at_ms <= now_ms);
        let mut events = SmallVec::new();
        for lot in self.grants.iter().filter(due) {
            let amount = lot.remaining.min(spare);
            if amount.is_positive() {
                spare = spare.saturating_sub(amount);
                events.push(Event::Expired { grant: lot.id, amount });
            }
        }
        events
    }

    /// The key of a question, if it may be used for what is asked now.
    pub(super) fn permitted_key(&self, admit: &Admit, now_ms: u64) -> Result<&Key, Denial> {
        if let Some(denial) = self.status_denial() {
            return Err(denial);
        }
        if self.number == 0 {
            return Err(Denial::NoSuchAccount);
        }
        let key = self.key(admit.key).ok_or(Denial::UnknownKey)?;
        if key.revoked_at_ms.is_some() {
            return Err(Denial::RevokedKey);
        }
        if key.expires_at_ms.is_some_and(|at_ms| at_ms <= now_ms) {
            return Err(Denial::ExpiredKey);
        }
        if let Some(settings) = self.rules.key(key.id)
            && let Some(denial) =
                settings.denial(key, KeyScope::Inference, &admit.presented, now_ms)
        {
            return Err(denial);
        }
        if !key.allows(&admit.model) {
            return Err(Denial::ModelNotAllowed);
        }
        Ok(key)
    }

    /// Why nothing of the account may go on, whatever its keys.
    pub(super) fn status_denial(&self) -> Option<Denial> {
        match self.status {
            Status::Active => None,
            Status::Suspended => Some(Denial::Suspended),
            Status::Closed => Some(Denial::Closed),
        }
    }

    /// Why an exchange that began with `key` must not go on. A key whose time is over ends none.
    pub(super) fn standing_denial(&self, key: KeyId) -> Option<Denial> {
        let is_revoked = || self.key(key).is_some_and(|key| key.revoked_at_ms.is_some());
        self.status_denial().or_else(|| is_revoked().then_some(Denial::RevokedKey))
    }

    pub(super) fn key(&self, id: KeyId) -> Option<&Key> {
        self.keys.iter().find(|candidate| candidate.id == id)
    }

    /// What a new or larger hold of a key may take: free credit, as far as the budgets reach.
    fn free(&self, key: KeyId, now_ms: u64) -> NanoUsd {
        let room = self.room(key, now_ms);
        room.map_or(self.available(), |room| self.available().min(room.left))
    }

    /// The refusal of a hold that would have to take `more`: whatever is short of that, the credit
    /// before the budgets.
    fn short(&self, key: KeyId, more: NanoUsd, needed: NanoUsd, now_ms: u64) -> Denial {
        match self.room(key, now_ms) {
            Some(room) if room.left < more && more <= self.available() => room.denial,
            _ => Denial::InsufficientCredit { available: self.available(), needed },
        }
    }

    /// Decides how much to hold. Credit, or a budget, that does not cover all that is wanted lowers the
    /// ceiling; one that does not cover a useful answer refuses.
    pub(super) fn hold(&self, admit: &Admit, reach: &Reach, now_ms: u64) -> Result<Cover, Denial> {
        if self.holds.contains_key(&admit.hold) {
            return Err(Denial::DuplicateHold);
        }
        let (rates, prompt) = (&reach.rates, admit.prompt_tokens_max);
        let affordable =
            rates.affordable_completion(self.free(admit.key, now_ms), prompt, self.markup);
        let useful = admit.completion_tokens_min.min(admit.completion_tokens_max);
        let affordable = affordable.filter(|tokens| *tokens >= useful);
        let affordable = affordable.ok_or_else(|| {
            let needed = rates.cost_ceiling(prompt, useful, self.markup);
            self.short(admit.key, needed, needed, now_ms)
        })?;
        Ok(self.cover(admit, rates, affordable))
    }

    fn cover(&self, admit: &Admit, rates: &Rates, affordable: u64) -> Cover {
        let first = admit.completion_tokens_first.min(admit.completion_tokens_max);
        let tokens_held = first.min(affordable);
        Cover {
            amount: rates.cost_ceiling(admit.prompt_tokens_max, tokens_held, self.markup),
            tokens_held,
            tokens_max: if tokens_held < first { tokens_held } else { admit.completion_tokens_max },
        }
    }

    /// What an open hold covers, if it is the one that `admit` asks for: a question whose answer was
    /// lost is asked again, and its hold is there already.
    pub(super) fn held_for(&self, admit: &Admit) -> Option<(Reach, Cover)> {
        let hold = self.holds.get(&admit.hold).filter(|hold| hold.key == admit.key)?;
        let reach = Reach::new(admit, self.key(admit.key)?);
        let (rates, prompt) = (&reach.rates, admit.prompt_tokens_max);
        let covered = rates.affordable_completion(hold.amount, prompt, self.markup)?;
        let cover = self.cover(admit, rates, covered);
        (cover.amount == hold.amount).then_some((reach, cover))
    }

    /// Decides how far a running answer may go on: up to `extend.completion_tokens`, or as far as
    /// the credit and the budgets reach. The second value is the number of completion tokens covered then.
    pub fn extend(&self, extend: &Extend, now_ms: u64) -> Result<(Event, u64), Denial> {
        let hold = self.holds.get(&extend.hold).ok_or(Denial::UnknownHold)?;
        let payable = hold.amount.saturating_add(self.free(hold.key, now_ms));
        let (rates, prompt) = (&extend.rates, extend.prompt_tokens_max);
        let affordable = rates.affordable_completion(payable, prompt, self.markup).unwrap_or(0);
        let tokens = extend.completion_tokens.min(affordable);
        let needed = rates.cost_ceiling(prompt, tokens, self.markup);
        if tokens <= extend.completion_tokens_held {
            let wanted = extend.completion_tokens_held.saturating_add(1);
            let wanted = wanted.min(extend.completion_tokens);
            let wanted = rates.cost_ceiling(prompt, wanted, self.markup);
            let more = wanted.saturating_sub(hold.amount);
            return Err(self.short(hold.key, more, needed, now_ms));
        }
        let amount = needed.saturating_sub(hold.amount).max(NanoUsd::ZERO);
        Ok((Event::Extended { hold: extend.hold, amount }, tokens))
    }

    /// Decides the bill: the whole cost where the hold and the free credit reach, and what budgets leave
    /// of that; never more.
    pub fn settle(&self, settle: Settle, now_ms: u64) -> Result<Event, Denial> {
        let hold = self.holds.get(&settle.hold).ok_or(Denial::UnknownHold)?;
        let cost = settle.rates.cost(&settle.usage, self.markup);
        let payable = hold.amount.saturating_add(self.free(hold.key, now_ms));
        let charged = cost.min(payable);
        Ok(Event::Settled(Box::new(Settlement {
            hold: settle.hold,
            key: hold.key,
            usage: settle.usage,
            estimated: settle.estimated,
            rates: settle.rates,
            markup: self.markup,
            cost,
            charged,
            absorbed: cost.saturating_sub(charged),
            draws: self.draws(charged),
            end: settle.end,
            record: settle.record,
        })))
    }

    /// Which lots pay `amount`: the soonest to lapse first, then the oldest.
    fn draws(&self, amount: NanoUsd) -> SmallVec<[Draw; 1]> {
        let mut left = amount;
        let mut draws = SmallVec::new();
        for lot in &self.grants {
            if left == NanoUsd::ZERO {
                break;
            }
            let part = lot.remaining.min(left);
            left = left.saturating_sub(part);
            draws.push(Draw { grant: lot.id, amount: part });
        }
        draws
    }
}
