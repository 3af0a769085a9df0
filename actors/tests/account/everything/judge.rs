//! What is asked behind each step.

use infergate_actors::account::{Account, Denial, Event, Period, Scope, Settlement};
use infergate_actors::id::KeyId;
use infergate_actors::ledger::{Batch, Record};

use super::run::Run;
use crate::books::Owner;

/// What one token costs at the highest markup of these tests, in nano-USD.
const ONE_TOKEN_MAX: i64 = 2;

impl Run {
    /// Brings what was written to all books, each event behind the one before it.
    pub(super) fn read(&mut self, batch: Batch) {
        let mut settled = Vec::new();
        for (record, digest) in batch.decoded() {
            if let Event::Settled(bill) = &record.event {
                self.check_bill(bill);
                settled.extend(self.budgets.owners_of(bill.hold).expect("a hold"));
            }
            self.money.copy.apply(&record, digest).unwrap();
            self.take(&record);
            self.behind.push((record, digest));
        }
        let now_ms = self.money.bench.now.wall_ms;
        self.notices.check_reached(&settled, now_ms, (&self.budgets, &self.access));
        self.money.written.push(batch);
    }

    fn take(&mut self, record: &Record) {
        self.access.take(record, &self.budgets);
        self.budgets.take(record);
        self.money.books.take(record);
        self.notices.take(record, &self.budgets, self.money.books.balance());
    }

    /// What was held is charged in full, at what the hold was taken at.
    fn check_bill(&self, bill: &Settlement) {
        let markup = u128::from(self.money.books.holds[&bill.hold].0);
        let tokens = u128::from(bill.usage.output);
        let cost = i64::try_from((tokens * markup).div_ceil(1_000_000)).unwrap();
        let held = self.budgets.held_by(bill.hold).expect("a hold");
        assert_eq!(bill.charged.nano() + bill.absorbed.nano(), cost);
        assert!(cost > held || bill.charged.nano() == cost, "held and not paid");
        let drawn: i64 = bill.draws.iter().map(|draw| draw.amount.nano()).sum();
        assert_eq!(drawn, bill.charged.nano());
    }

    /// The account is the fold of its events to the last byte, and agrees with all books.
    pub(super) fn check(&mut self) {
        self.money.check();
        let account = self.money.bench.machine.account();
        assert_eq!(account.snapshot(), self.money.copy.snapshot());
        assert_eq!(Account::restore(&account.snapshot()).as_ref(), Ok(account));
        assert_eq!(account.totals().held.nano(), self.budgets.held());
        self.budgets.check(self.money.bench.now.wall_ms);
        for (period, most) in &self.ceilings {
            let own = self.budgets.of(Owner::Account).iter().find(|it| it.period == *period);
            assert!(own.is_some_and(|own| own.limit.nano() <= *most), "above the operator's");
        }
    }

    /// Behind a question that is not refused for what was asked: nothing of the balance is untold.
    pub(super) fn check_low(&self) {
        self.notices.check_low(self.money.books.balance());
    }

    /// Behind a request that was refused for a budget: there is one, it is spent and held so far that the
    /// request did not fit, and somebody was told.
    pub(super) fn check_refused(&self, key: KeyId, denial: &Denial) {
        let Denial::BudgetExceeded { scope, period, limit, .. } = denial else { return };
        let owner = match scope {
            Scope::Account => Owner::Account,
            Scope::Key => Owner::Key(key),
            Scope::Project => *self.budgets.owners(key).get(2).expect("its project"),
        };
        let of: (Period, i64) = (*period, limit.nano());
        let now_ms = self.money.bench.now.wall_ms;
        let left = of.1 - self.budgets.taken(owner, of.0, now_ms);
        assert!(left < ONE_TOKEN_MAX, "refused with {left} of {owner:?} left");
        self.notices.check_refused(owner, of, now_ms);
    }
}
