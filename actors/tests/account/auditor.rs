//! A second, simpler set of books: it knows sums and open holds, and nothing of how they are kept.

use std::collections::HashMap;

/// What must be true of an account, from the outside.
#[derive(Debug, Default)]
pub(super) struct Auditor {
    granted: i128,
    charged: i128,
    lapsed: i128,
    holds: HashMap<u128, i128>,
}

impl Auditor {
    pub(super) fn granted(&mut self, nano: i64) {
        self.granted += i128::from(nano);
    }

    pub(super) fn lapsed(&mut self, total_nano: i64) {
        self.lapsed = i128::from(total_nano);
    }

    pub(super) fn held(&mut self, hold: u128, nano: i64) {
        assert!(self.holds.insert(hold, i128::from(nano)).is_none(), "held twice");
    }

    pub(super) fn extended(&mut self, hold: u128, nano: i64) {
        *self.holds.get_mut(&hold).expect("an open hold") += i128::from(nano);
    }

    /// A hold ended: what was it allowed to cost, beside the free credit?
    pub(super) fn ended(&mut self, hold: u128, charged: i64) {
        let amount = self.holds.remove(&hold).expect("an open hold");
        let free = self.available() - amount;
        assert!(i128::from(charged) <= amount + free, "charged more than there was");
        self.charged += i128::from(charged);
    }

    pub(super) fn is_open(&self, hold: u128) -> bool {
        self.holds.contains_key(&hold)
    }

    pub(super) fn balance(&self) -> i128 {
        self.granted - self.charged - self.lapsed
    }

    pub(super) fn available(&self) -> i128 {
        self.balance() - self.holds.values().sum::<i128>()
    }
}
