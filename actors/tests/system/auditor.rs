//! A second, simpler set of books for one account: what its user knows to have happened.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use infergate_actors::account::{AccountView, Event};
use infergate_actors::id::HoldId;
use infergate_actors::ledger::JournalEntry;

#[derive(Debug, Default)]
pub(crate) struct Auditor {
    granted: i128,
    charged: i128,
    holds: BTreeMap<HoldId, i128>,
    began: usize,
}

impl Auditor {
    pub(crate) fn granted(&mut self, nano: i64) {
        self.granted += i128::from(nano);
    }

    pub(crate) fn held(&mut self, hold: HoldId, nano: i64) {
        assert!(self.holds.insert(hold, i128::from(nano)).is_none(), "held twice");
        self.began += 1;
        assert!(self.available() >= 0, "more held than there is");
    }

    pub(crate) fn extended(&mut self, hold: HoldId, total_nano: i64) {
        let amount = self.holds.get_mut(&hold).expect("an open hold");
        *amount = (*amount).max(i128::from(total_nano));
        assert!(self.available() >= 0, "more held than there is");
    }

    /// It ended with a cost, of which as much was charged as the hold and the free credit reach.
    pub(crate) fn ended(&mut self, hold: HoldId, cost: i64) {
        let payable = self.available() + self.holds.remove(&hold).expect("an open hold");
        self.charged += i128::from(cost).min(payable);
    }

    pub(crate) fn open(&self) -> Vec<HoldId> {
        self.holds.keys().copied().collect()
    }

    pub(crate) fn held_for(&self, hold: HoldId) -> i128 {
        self.holds.get(&hold).copied().unwrap_or_default()
    }

    pub(crate) fn available(&self) -> i128 {
        self.granted - self.charged - self.holds.values().sum::<i128>()
    }

    /// The account says the same.
    pub(crate) fn check(&self, view: &AccountView) {
        let totals = view.totals;
        assert_eq!(i128::from(totals.granted.nano()), self.granted);
        assert_eq!(i128::from(totals.settled.nano()), self.charged);
        assert_eq!(i128::from(totals.remaining.nano()), self.granted - self.charged);
        assert_eq!(i128::from(view.available.nano()), self.available());
        let holds: BTreeMap<HoldId, i128> =
            view.holds.iter().map(|(id, hold)| (*id, i128::from(hold.amount.nano()))).collect();
        assert_eq!(holds, self.holds);
    }

    /// The journal says the same: each hold began once, and ended once unless it is open.
    pub(crate) fn check_journal(&self, journal: &[JournalEntry]) {
        let (mut began, mut ended) = (HashSet::new(), HashSet::new());
        let mut charged = 0;
        for entry in journal {
            match &entry.record.event {
                Event::Held { hold, .. } => assert!(began.insert(*hold), "began twice"),
                Event::Voided { hold, .. } => assert!(ended.insert(*hold), "ended twice"),
                Event::Settled(settlement) => {
                    assert!(ended.insert(settlement.hold), "ended twice");
                    charged += i128::from(settlement.charged.nano());
                }
                _ => {}
            }
        }
        assert_eq!(began.len(), self.began);
        assert_eq!(charged, self.charged);
        assert!(ended.is_subset(&began));
        let open: BTreeSet<HoldId> = began.difference(&ended).copied().collect();
        assert!(open.iter().eq(self.holds.keys()), "open in one book alone");
    }
}
