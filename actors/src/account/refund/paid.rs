//! Whether an account has paid. Pure.

use std::collections::HashMap;

use crate::account::GrantKind;
use crate::account::payment::Movement;
use crate::account::state::{Account, Grant};
use crate::id::GrantId;
use crate::money::NanoUsd;

impl Account {
    /// Whether something is left of a payment that neither went back nor is disputed, or paid credit of an
    /// operator's is. Looks once at each movement: it is asked with every request that costs something.
    pub fn has_paid(&self) -> bool {
        let movements = self.credit.movements.values();
        let payments = movements.clone().filter(|movement| movement.is_payment());
        let lots_of = |paid: &'_ Movement| {
            let surplus = paid.surplus.as_ref().map(|surplus| surplus.grant);
            [Some(paid.grant), surplus].into_iter().flatten().filter(|lot| *lot != GrantId(0))
        };
        let by_lot: HashMap<GrantId, &str> = payments
            .clone()
            .filter_map(|paid| Some((paid, paid.payment.as_deref()?)))
            .flat_map(|(paid, name)| lots_of(paid).map(move |lot| (lot, name)))
            .collect();
        let mut back: HashMap<&str, NanoUsd> = HashMap::new();
        for movement in movements.filter(|movement| movement.is_return()) {
            let of_lot = || by_lot.get(&movement.grant).copied();
            if let Some(name) = movement.payment.as_deref().or_else(of_lot) {
                let sum = back.entry(name).or_default();
                *sum = sum.saturating_add(movement.asked);
            }
        }
        let is_left = |paid: &Movement| {
            let back = paid.payment.as_deref().and_then(|name| back.get(name));
            let (bought, surplus) = paid.parts(back.copied().unwrap_or(NanoUsd::ZERO));
            bought.left().is_positive() || surplus.is_some_and(|part| part.left().is_positive())
        };
        let is_given = |lot: &Grant| lot.kind == GrantKind::Paid && !by_lot.contains_key(&lot.id);
        payments.clone().any(is_left) || self.grants.iter().any(is_given)
    }
}
