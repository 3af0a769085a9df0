//! A small account state, to verify with.

use std::collections::BTreeMap;

use infergate_actors::account::Event;
use infergate_actors::id::AccountId;
use infergate_actors::ledger::{Digest, Fold, Ledger, Record};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tally {
    pub(crate) account: u64,
    pub(crate) events: u64,
    pub(crate) balance: i64,
    pub(crate) holds: BTreeMap<u128, i64>,
}

impl Fold for Tally {
    fn new(account: AccountId) -> Self {
        Self { account: account.0, ..Self::default() }
    }

    fn apply(&mut self, record: &Record, _: Digest) -> Result<(), String> {
        self.events += 1;
        match &record.event {
            Event::Granted { amount, .. } => self.balance += amount.nano(),
            Event::Expired { amount, .. } => self.balance -= amount.nano(),
            Event::Held { hold, amount, .. } => {
                self.holds.insert(hold.0, amount.nano());
            }
            Event::Extended { hold, amount } => {
                *self.holds.entry(hold.0).or_default() += amount.nano();
            }
            Event::Settled(settlement) => {
                self.holds.remove(&settlement.hold.0);
                self.balance -= settlement.charged.nano();
            }
            Event::Voided { hold, .. } => {
                self.holds.remove(&hold.0).ok_or("no such hold")?;
            }
            _ => {}
        }
        Ok(())
    }

    fn restore(_: AccountId, state: &[u8]) -> Result<Self, String> {
        postcard::from_bytes(state).map_err(|error| error.to_string())
    }

    fn snapshot(&self) -> Vec<u8> {
        postcard::to_stdvec(self).unwrap()
    }

    fn check(&self) -> Result<(), String> {
        if self.balance < 0 { Err(format!("a balance of {}", self.balance)) } else { Ok(()) }
    }
}

/// An account's state as an actor would start from it.
pub(crate) fn load(ledger: &Ledger, account: AccountId) -> Option<Tally> {
    let loaded = ledger.load_account(account).unwrap()?;
    let mut tally = match loaded.snapshot {
        Some(snapshot) => Tally::restore(account, &snapshot.state).unwrap(),
        None => Tally::new(account),
    };
    for entry in &loaded.tail {
        tally.apply(&entry.record, entry.digest).unwrap();
    }
    Some(tally)
}
