//! Which credit may buy what: rules by kind of credit, as the operator has set them. Pure.
//!
//! Rules are no part of an account's history. What they decided is: a hold says which kinds of credit
//! it counts on, and a settlement which lots paid.

use std::ops::BitAnd;

use serde::{Deserialize, Serialize};

use super::{GrantKind, Status};

/// Kinds of credit: a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Kinds(u8);

/// What holds of every account's credit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreditRules {
    /// In the order of [`GrantKind::ALL`].
    pub kinds: [KindRule; GrantKind::COUNT],
    /// Models that cost something are only for accounts that have paid.
    pub paid_entitlement: bool,
    /// What becomes of an account that disputes a payment.
    pub on_dispute: OnDispute,
}

/// What holds of one kind of credit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KindRule {
    /// Public names of the models it may buy; a trailing `*` matches any ending. Empty: all.
    pub models: Vec<String>,
    /// Whether an operator may pay what is left of it back.
    pub refundable: bool,
}

/// What becomes of an account that disputes a payment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnDispute {
    /// It is suspended.
    #[default]
    Suspend,
    /// It is restricted to models that are free.
    Restrict,
}

impl GrantKind {
    /// How many there are.
    pub const COUNT: usize = 6;

    /// Every one, in the order of the journal's format.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Trial,
        Self::Paid,
        Self::Subscription,
        Self::Promotional,
        Self::Adjustment,
        Self::Compensation,
    ];

    /// Its place in [`GrantKind::ALL`].
    pub fn place(self) -> usize {
        match self {
            Self::Trial => 0,
            Self::Paid => 1,
            Self::Subscription => 2,
            Self::Promotional => 3,
            Self::Adjustment => 4,
            Self::Compensation => 5,
        }
    }
}

impl Kinds {
    /// Every kind.
    pub const ALL: Self = Self((1 << GrantKind::COUNT) - 1);

    /// Just this one.
    pub fn only(kind: GrantKind) -> Self {
        Self(1 << kind.place())
    }

    /// Whether `kind` is among them.
    pub fn contains(self, kind: GrantKind) -> bool {
        Self::only(kind).are_within(self)
    }

    /// Whether all of them are among `others`.
    pub fn are_within(self, others: Self) -> bool {
        self.0 & !others.0 == 0
    }

    /// Every set of kinds but the empty one.
    pub(crate) fn sets() -> impl Iterator<Item = Self> {
        (1..=Self::ALL.0).map(Self)
    }

    /// The kinds in it.
    pub fn iter(self) -> impl Iterator<Item = GrantKind> {
        GrantKind::ALL.into_iter().filter(move |kind| self.contains(*kind))
    }
}

impl BitAnd for Kinds {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl FromIterator<GrantKind> for Kinds {
    fn from_iter<I: IntoIterator<Item = GrantKind>>(kinds: I) -> Self {
        Self(kinds.into_iter().fold(0, |set, kind| set | Self::only(kind).0))
    }
}

/// Every kind buys everything, what was paid for can be paid back, and nobody has to pay first.
impl Default for CreditRules {
    fn default() -> Self {
        let rule = |kind| KindRule { models: Vec::new(), refundable: kind == GrantKind::Paid };
        Self {
            kinds: GrantKind::ALL.map(rule),
            paid_entitlement: false,
            on_dispute: OnDispute::default(),
        }
    }
}

impl CreditRules {
    /// The rule of `kind`.
    pub fn rule(&self, kind: GrantKind) -> &KindRule {
        let [trial, paid, subscription, promotional, adjustment, compensation] = &self.kinds;
        match kind {
            GrantKind::Trial => trial,
            GrantKind::Paid => paid,
            GrantKind::Subscription => subscription,
            GrantKind::Promotional => promotional,
            GrantKind::Adjustment => adjustment,
            GrantKind::Compensation => compensation,
        }
    }

    /// Sets the rule of `kind`.
    pub fn set(&mut self, kind: GrantKind, rule: KindRule) {
        if let Some(place) = self.kinds.get_mut(kind.place()) {
            *place = rule;
        }
    }

    /// Which credit may buy the model of this public name.
    pub fn buying(&self, model: &str) -> Kinds {
        if self.kinds.iter().all(|rule| rule.models.is_empty()) {
            return Kinds::ALL;
        }
        GrantKind::ALL.into_iter().filter(|kind| self.rule(*kind).buys(model)).collect()
    }
}

impl KindRule {
    fn buys(&self, model: &str) -> bool {
        self.models.is_empty() || self.models.iter().any(|pattern| matches(pattern, model))
    }
}

impl OnDispute {
    /// The status it leads to.
    pub fn status(self) -> Status {
        match self {
            Self::Suspend => Status::Suspended,
            Self::Restrict => Status::Restricted,
        }
    }
}

/// Whether the public model name `model` is `pattern`, or begins as it says before its `*`.
pub(super) fn matches(pattern: &str, model: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => model.starts_with(prefix),
        None => pattern == model,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credit_buys_what_its_kind_may_buy() {
        let mut rules = CreditRules::default();
        assert_eq!(rules.buying("large"), Kinds::ALL);
        let models = vec!["sim-*".to_owned(), "small".to_owned()];
        rules.set(GrantKind::Trial, KindRule { models, refundable: false });
        assert_eq!(rules.buying("sim-1"), Kinds::ALL);
        assert_eq!(rules.buying("small"), Kinds::ALL);
        let without_trial = rules.buying("smaller");
        assert!(!without_trial.contains(GrantKind::Trial));
        assert_eq!(without_trial.iter().count(), GrantKind::COUNT - 1);
        assert!(without_trial.are_within(Kinds::ALL) && !Kinds::ALL.are_within(without_trial));
    }

    #[test]
    fn a_kinds_place_is_where_the_format_has_it() {
        for (place, kind) in GrantKind::ALL.into_iter().enumerate() {
            assert_eq!(kind.place(), place);
            assert_eq!(postcard::to_stdvec(&kind).unwrap(), [u8::try_from(place).unwrap()]);
        }
    }
}
