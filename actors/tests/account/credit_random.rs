//! Credit of several kinds, payments, refunds and disputes, at random: judged by books that know every
//! event and nothing of how it was decided.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use infergate_actors::account::{
    Account, Admit, CreditRules, Denial, End, Event, Extend, Fallback, GrantKind, Order, Settle,
    Status, Transfer, TransferKind, UsageRecord,
};
use infergate_actors::id::{GrantId, HoldId};
use infergate_actors::ledger::Batch;
use infergate_actors::money::Usage;
use proptest::prelude::*;

use crate::bench::{Bench, UNIT, denial, set_status};
use crate::credit::{bench, dispute, nano, question, refund, rules};

#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    Grant { kind: GrantKind, nano: i64, lasts_ms: Option<u64> },
    Pay { name: u8, nano: i64, lasts_ms: Option<u64> },
    Refund { name: u8, nano: Option<i64> },
    Dispute { name: u8 },
    GrantRefund { grant: u32, nano: Option<i64> },
    Reinstate,
    Hold { hold: u128, model: usize, fallback: Option<usize>, tokens: u64, first: u64 },
    Extend { hold: u128, tokens: u64 },
    Settle { hold: u128, tokens: u64 },
    Void { hold: u128 },
    Rules { restricted: bool },
    Wait { ms: u64 },
    Restart,
}

pub(crate) const MODELS: [&str; 3] = ["sim-a", "sim-b", "gpt"];

pub(crate) fn step() -> impl Strategy<Value = Step> {
    let hold = || 0..8_u128;
    let lasts = || proptest::option::of(1..5_000_u64);
    let some = || proptest::option::of(1..150_i64);
    let model = || 0..MODELS.len();
    prop_oneof![
        2 => (prop::sample::select(GrantKind::ALL.to_vec()), 1..300_i64, lasts())
            .prop_map(|(kind, nano, lasts_ms)| Step::Grant { kind, nano, lasts_ms }),
        2 => (0..4_u8, 1..300_i64, lasts())
            .prop_map(|(name, nano, lasts_ms)| Step::Pay { name, nano, lasts_ms }),
        1 => (0..4_u8, some()).prop_map(|(name, nano)| Step::Refund { name, nano }),
        1 => (0..4_u8).prop_map(|name| Step::Dispute { name }),
        1 => (1..8_u32, some()).prop_map(|(grant, nano)| Step::GrantRefund { grant, nano }),
        1 => Just(Step::Reinstate),
        8 => (hold(), model(), proptest::option::of(model()), 1..200_u64, 1..200_u64).prop_map(
            |(hold, model, fallback, tokens, first)| {
                Step::Hold { hold, model, fallback, tokens, first }
            }
        ),
        3 => (hold(), 1..400_u64).prop_map(|(hold, tokens)| Step::Extend { hold, tokens }),
        5 => (hold(), 0..300_u64).prop_map(|(hold, tokens)| Step::Settle { hold, tokens }),
        1 => hold().prop_map(|hold| Step::Void { hold }),
        1 => any::<bool>().prop_map(|restricted| Step::Rules { restricted }),
        1 => (0..2_000_u64).prop_map(|ms| Step::Wait { ms }),
        1 => Just(Step::Restart),
    ]
}

/// Every event of an account, and what follows from them alone.
#[derive(Default)]
pub(crate) struct Books {
    events: Vec<Event>,
    lots: BTreeMap<GrantId, (GrantKind, i64)>,
    /// Of each payment, how much it was, and its lot.
    paid: HashMap<String, (i64, GrantId)>,
    /// How much money went back of each lot of a payment.
    returned: HashMap<GrantId, i64>,
    /// Which models each hold may end up at, and under which rules it was taken.
    holds: HashMap<HoldId, (Vec<&'static str>, bool)>,
}

impl Books {
    fn take(&mut self, event: Event) {
        match &event {
            Event::Granted { grant, kind, amount, .. } => {
                self.lots.insert(*grant, (*kind, amount.nano()));
            }
            Event::Paid(paid) => {
                self.lots.insert(paid.grant, (GrantKind::Paid, paid.amount.nano()));
                self.paid.insert(paid.payment.clone(), (paid.amount.nano(), paid.grant));
            }
            Event::Expired { grant, amount } | Event::Reclaimed { grant, amount } => {
                self.draw(*grant, amount.nano());
            }
            Event::Refunded(back) | Event::ChargedBack(back) => {
                assert!(back.taken <= back.asked);
                if back.taken.is_positive() {
                    self.draw(back.grant, back.taken.nano());
                }
                *self.returned.entry(back.grant).or_default() += back.asked.nano();
            }
            Event::Settled(settlement) => {
                let (models, restricted) = self.holds.remove(&settlement.hold).expect("a hold");
                let rules = if restricted { rules() } else { CreditRules::default() };
                for draw in &settlement.draws {
                    let kind = self.lots[&draw.grant].0;
                    let may_buy = |model: &&str| rules.buying(model).contains(kind);
                    assert!(models.iter().all(may_buy), "{kind:?} pays for {models:?}");
                    self.draw(draw.grant, draw.amount.nano());
                }
            }
            Event::Voided { hold, .. } => {
                self.holds.remove(hold).expect("a hold");
            }
            _ => {}
        }
        self.events.push(event);
        for (payment, (paid, grant)) in &self.paid {
            let returned = self.returned.get(grant).copied().unwrap_or(0);
            assert!(returned <= *paid, "more of {payment} went back than was paid");
        }
    }

    /// Of what went back in full, nothing is left but what was spent: once nothing is held.
    fn check_at_rest(&self) {
        for (payment, (paid, grant)) in &self.paid {
            if self.returned.get(grant) == Some(paid) {
                assert_eq!(self.lots[grant].1, 0, "{payment} went back, and its credit is there");
            }
        }
    }

    fn draw(&mut self, grant: GrantId, nano: i64) {
        let (_, left) = self.lots.get_mut(&grant).expect("a lot that was given");
        *left -= nano;
        assert!(nano >= 0 && *left >= 0, "{grant} below zero");
    }

    pub(crate) fn balance(&self) -> i64 {
        self.lots.values().map(|(_, left)| left).sum()
    }
}

/// Reads what the machine decided off its records, and folds it a second time.
pub(crate) struct Witness {
    pub(crate) books: Books,
    pub(crate) copy: Account,
}

impl Witness {
    pub(crate) fn read(&mut self, batch: &Batch) {
        for (record, digest) in batch.decoded() {
            self.copy.apply(&record, digest).unwrap();
            self.books.take(record.event);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_order_of_commands_lets_credit_pay_what_it_may_not_or_return_what_was_not_paid(
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let mut run = Run::new(bench(rules()));
        for (place, step) in steps.into_iter().enumerate() {
            let batch = run.take(step, place);
            run.witness.read(&batch);
            let (account, witness) = (run.bench.machine.account(), &run.witness);
            prop_assert_eq!(account, &witness.copy);
            prop_assert_eq!(account.totals().remaining.nano(), witness.books.balance());
            prop_assert!(account.totals().held <= account.totals().remaining);
        }
        let Run { mut bench, mut witness, .. } = run;
        // What is held is covered: it settles in full, in whatever order.
        let open: Vec<_> =
            bench.machine.account().holds().iter().map(|(id, hold)| (*id, hold.amount)).collect();
        let before = bench.machine.account().totals().absorbed;
        let mut batch = Batch::new();
        for (place, (hold, amount)) in open.into_iter().rev().enumerate() {
            // Every other one leaves something of what it held.
            let tokens = amount.nano() / if place % 2 == 0 { 1 } else { 2 };
            let settle = Settle {
                hold,
                usage: Usage { output: u64::try_from(tokens).unwrap(), ..Usage::default() },
                estimated: false,
                rates: UNIT,
                end: End::Completed,
                record: UsageRecord::default(),
            };
            denial(bench.machine.settle(settle, bench.now, &mut batch)).unwrap();
        }
        prop_assert_eq!(bench.machine.account().totals().absorbed, before);
        bench.machine.lapse(bench.now, &mut batch).unwrap();
        witness.read(&batch);
        witness.books.check_at_rest();
    }
}

/// An account under way, its books, and which rules hold.
pub(crate) struct Run {
    pub(crate) bench: Bench,
    pub(crate) witness: Witness,
    restricted: bool,
}

impl Run {
    /// An account without credit, under the rules of these tests.
    pub(crate) fn new(bench: Bench) -> Self {
        let copy = bench.machine.account().clone();
        Self { bench, witness: Witness { books: Books::default(), copy }, restricted: true }
    }

    fn set_rules(&mut self, restricted: bool) {
        self.restricted = restricted;
        let new = if restricted { rules() } else { CreditRules::default() };
        self.bench.machine.set_rules(Arc::new(new));
    }

    /// Takes one step, named by its place, and gives what it wrote.
    pub(crate) fn take(&mut self, step: Step, place: usize) -> Batch {
        let mut batch = Batch::new();
        let now = self.bench.now;
        let at = |lasts_ms: Option<u64>| lasts_ms.map(|lasts_ms| now.wall_ms + lasts_ms);
        match step {
            Step::Grant { kind, nano: amount, lasts_ms } => {
                let (amount, expires_at_ms) = (nano(amount), at(lasts_ms));
                let reference = place.to_string();
                let order = Order::Grant { kind, amount, expires_at_ms, reference };
                self.order(&order, &mut batch);
            }
            Step::Pay { name, nano: amount, lasts_ms } => {
                let (payment, expires_at_ms) = (format!("pay {name}"), at(lasts_ms));
                let what = TransferKind::Payment {
                    payment,
                    amount: nano(amount),
                    expires_at_ms,
                    top_up: None,
                };
                self.tell(place, what, &mut batch);
            }
            Step::Refund { name, nano } => {
                self.tell(place, refund(&format!("pay {name}"), nano), &mut batch);
            }
            Step::Dispute { name } => {
                self.tell(place, dispute(&format!("pay {name}")), &mut batch);
            }
            Step::GrantRefund { grant, nano: amount } => {
                let (grant, amount) = (GrantId(grant), amount.map(nano));
                self.tell(place, TransferKind::GrantRefund { grant, amount }, &mut batch);
            }
            Step::Reinstate => self.order(&set_status(Status::Active), &mut batch),
            Step::Rules { restricted } => self.set_rules(restricted),
            Step::Wait { ms } => self.bench.advance(Duration::from_millis(ms)),
            Step::Restart => self.go_on_with(self.bench.copy()),
            Step::Hold { hold, model, fallback, tokens, first } => {
                let asked = question(hold, MODELS[model], tokens);
                let asked = Admit { completion_tokens_first: first, ..asked };
                self.hold(asked, (model, fallback), &mut batch);
            }
            Step::Extend { .. } | Step::Settle { .. } | Step::Void { .. } => {
                self.go_on(step, &mut batch);
            }
        }
        batch
    }

    /// The actor is gone, and another has what it wrote.
    pub(crate) fn go_on_with(&mut self, bench: Bench) {
        self.bench = bench;
        self.set_rules(self.restricted);
    }

    pub(crate) fn order(&mut self, order: &Order, batch: &mut Batch) {
        denial(self.bench.machine.order(order, self.bench.now, batch)).unwrap();
    }

    fn tell(&mut self, place: usize, what: TransferKind, batch: &mut Batch) {
        let transfer = Transfer { id: place.to_string(), what };
        let now = self.bench.now;
        let first = denial(self.bench.machine.transfer(&transfer, now, batch));
        let again = denial(self.bench.machine.transfer(&transfer, now, batch));
        assert_eq!(first, again, "told again, the same");
    }

    /// Asks for a hold for one of [`MODELS`], and perhaps another in its place.
    pub(crate) fn hold(
        &mut self,
        asked: Admit,
        (model, fallback): (usize, Option<usize>),
        batch: &mut Batch,
    ) {
        let now = self.bench.now;
        let (model, fallback) = (MODELS[model], fallback.map(|fallback| MODELS[fallback]));
        let as_fallback =
            |model: &'static str| Fallback { model: model.into(), free: false, rates: UNIT };
        let fallbacks = fallback.map(as_fallback).into_iter().collect();
        let asked = Admit { model: model.into(), fallbacks, ..asked };
        match denial(self.bench.machine.admit(&asked, now, batch)) {
            Ok(terms) => {
                let mut models = vec![model];
                models.extend(fallback.filter(|_| terms.fallbacks_allowed[0]));
                self.witness.books.holds.insert(asked.hold, (models, self.restricted));
                let again = self.bench.machine.admit_again(&asked, now, batch);
                assert_eq!(denial(again), Ok(terms));
            }
            Err(
                Denial::DuplicateHold
                | Denial::InsufficientCredit { .. }
                | Denial::BudgetExceeded { .. }
                | Denial::ProjectArchived
                | Denial::Suspended(_),
            ) => {}
            Err(other) => panic!("{other:?}"),
        }
    }

    /// What becomes of a hold, if there is one.
    fn go_on(&mut self, step: Step, batch: &mut Batch) {
        let now = self.bench.now;
        match step {
            Step::Extend { hold, tokens } => {
                let extend = Extend {
                    hold: HoldId::from_bits(hold),
                    rates: UNIT,
                    prompt_tokens_max: 0,
                    completion_tokens_held: 0,
                    completion_tokens: tokens,
                };
                let _ = denial(self.bench.machine.extend(&extend, now, batch));
            }
            Step::Settle { hold, tokens } => {
                let settle = Settle {
                    hold: HoldId::from_bits(hold),
                    usage: Usage { output: tokens, ..Usage::default() },
                    estimated: false,
                    rates: UNIT,
                    end: End::Completed,
                    record: UsageRecord::default(),
                };
                let _ = denial(self.bench.machine.settle(settle, now, batch));
            }
            Step::Void { hold } => {
                let hold = HoldId::from_bits(hold);
                let _ = denial(self.bench.machine.void(hold, End::ClientGone, now, batch));
            }
            _ => {}
        }
    }
}
