//! Subscriptions, plans, requests and time, in any order: judged by books that know every event and
//! nothing of how it was decided.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use infergate_actors::account::{
    Account, CreditRules, Denial, End, Extend, GrantKind, KindRule, Order, Overrides, PlanOrder,
    Plans, Settle, Status, SubscriptionOrder, Transfer, TransferKind, UsageRecord,
};
use infergate_actors::clock::Clock;
use infergate_actors::id::{GrantId, HoldId};
use infergate_actors::ledger::{Batch, Ledger, LedgerOptions};
use infergate_actors::money::{Markup, Usage};
use proptest::prelude::*;

use crate::bench::{Bench, UNIT, admit, denial, set_status};
use crate::books::Credit;
use crate::subscriptions::{bench_writing, nano, paid_by, plans};

const PLANS: [&str; 6] = ["small", "large", "gift", "weekly", "meagre", "fine"];

#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    Start {
        plan: usize,
        payment: Option<u8>,
        more: i64,
    },
    Change {
        plan: usize,
        payment: Option<u8>,
        more: i64,
    },
    Cancel {
        at_end: bool,
    },
    End,
    /// With so much more than the dearest price, where it is above nothing.
    Pay {
        payment: u8,
        more: i64,
    },
    /// Ordinary credit.
    Buy {
        payment: u8,
        nano: i64,
    },
    Fail {
        payment: u8,
    },
    Refund {
        payment: u8,
        nano: Option<i64>,
    },
    Dispute {
        payment: u8,
        nano: Option<i64>,
    },
    GrantRefund {
        grant: u32,
        nano: Option<i64>,
    },
    Status {
        status: Status,
    },
    Grant {
        nano: i64,
    },
    Hold {
        hold: u128,
        tokens: u64,
        first: u64,
    },
    Extend {
        hold: u128,
        tokens: u64,
    },
    Settle {
        hold: u128,
        tokens: u64,
    },
    Void {
        hold: u128,
    },
    Markups {
        markups: [u32; 6],
    },
    Override {
        markup: Option<u32>,
    },
    Wait {
        hours: u64,
    },
    Restart,
}

pub(crate) fn step() -> impl Strategy<Value = Step> {
    let hold = || 0..6_u128;
    let payment = || 0..24_u8;
    let plan = || 0..PLANS.len();
    let more = || prop_oneof![3 => Just(0), 1 => 1..2_000_i64];
    let status = prop::sample::select(vec![Status::Active, Status::Restricted, Status::Suspended]);
    let markups = prop::array::uniform6(prop_oneof![Just(1_000_000), 500_000..2_000_000_u32]);
    prop_oneof![
        3 => (plan(), prop::option::weighted(0.9, payment()), more())
            .prop_map(|(plan, payment, more)| Step::Start { plan, payment, more }),
        3 => (plan(), prop::option::of(payment()), more())
            .prop_map(|(plan, payment, more)| Step::Change { plan, payment, more }),
        2 => any::<bool>().prop_map(|at_end| Step::Cancel { at_end }),
        1 => Just(Step::End),
        4 => (payment(), more()).prop_map(|(payment, more)| Step::Pay { payment, more }),
        2 => (payment(), 1..3_000_i64).prop_map(|(payment, nano)| Step::Buy { payment, nano }),
        1 => payment().prop_map(|payment| Step::Fail { payment }),
        3 => (payment(), prop::option::of(1..3_000_i64))
            .prop_map(|(payment, nano)| Step::Refund { payment, nano }),
        1 => (payment(), prop::option::of(1..3_000_i64))
            .prop_map(|(payment, nano)| Step::Dispute { payment, nano }),
        1 => (1..8_u32, prop::option::of(1..3_000_i64))
            .prop_map(|(grant, nano)| Step::GrantRefund { grant, nano }),
        2 => status.prop_map(|status| Step::Status { status }),
        1 => (1..500_i64).prop_map(|nano| Step::Grant { nano }),
        6 => (hold(), 1..900_u64, 1..900_u64)
            .prop_map(|(hold, tokens, first)| Step::Hold { hold, tokens, first }),
        3 => (hold(), 1..1_500_u64).prop_map(|(hold, tokens)| Step::Extend { hold, tokens }),
        5 => (hold(), 0..900_u64).prop_map(|(hold, tokens)| Step::Settle { hold, tokens }),
        1 => hold().prop_map(|hold| Step::Void { hold }),
        1 => markups.prop_map(|markups| Step::Markups { markups }),
        1 => prop::option::of(500_000..2_000_000_u32)
            .prop_map(|markup| Step::Override { markup }),
        5 => prop_oneof![0..100_u64, 0..2_000_u64].prop_map(|hours| Step::Wait { hours }),
        1 => Just(Step::Restart),
    ]
}

/// Allowances are paid back, too.
fn rules() -> CreditRules {
    let mut rules = CreditRules::default();
    rules.set(GrantKind::Subscription, KindRule { models: Vec::new(), refundable: true });
    rules
}

/// An amount that is above the dearest price, where it is to be so.
fn above(more: i64) -> Option<i64> {
    (more > 0).then_some(4_000 + more)
}

/// An account under way, what it wrote, and its books.
pub(crate) struct Run {
    pub(crate) bench: Bench,
    pub(crate) written: Vec<Batch>,
    /// What each number of a hold stands for: another one as soon as that has ended.
    holds: HashMap<u128, u128>,
    pub(crate) books: Credit,
    pub(crate) copy: Account,
    pub(crate) plans: Arc<Plans>,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_order_of_subscribing_paying_cancelling_and_waiting_gives_twice_or_too_late_or_unpaid(
        steps in prop::collection::vec(step(), 1..150),
    ) {
        Run::play(steps).settle_all();
    }

    #[test]
    fn of_a_payment_that_went_back_in_full_nothing_is_left_but_what_was_spent(
        steps in prop::collection::vec(step(), 1..150),
    ) {
        let mut run = Run::play(steps);
        let mut batch = Batch::new();
        let open: Vec<_> = run.bench.machine.account().holds().keys().copied().collect();
        for hold in open {
            let (end, now) = (End::ClientGone, run.bench.now);
            denial(run.bench.machine.void(hold, end, now, &mut batch)).unwrap();
        }
        run.bench.machine.lapse(run.bench.now, &mut batch).unwrap();
        for (record, _) in batch.decoded() {
            run.books.take(&record);
        }
        run.books.check_at_rest();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn the_ledgers_own_books_find_nothing_wrong_with_any_order_of_these(
        steps in prop::collection::vec(step(), 1..150),
    ) {
        Run::play(steps).verify();
    }
}

impl Run {
    /// What is held is covered, at whatever it was taken: it settles in full.
    pub(crate) fn settle_all(&mut self) {
        let open: Vec<_> = self
            .bench
            .machine
            .account()
            .holds()
            .iter()
            .map(|(id, hold)| (*id, hold.amount, self.books.holds[id]))
            .collect();
        let absorbed = self.bench.machine.account().totals().absorbed;
        for (hold, amount, markup) in open {
            let tokens = i128::from(amount.nano()) * 1_000_000 / i128::from(markup.0);
            self.bench.settle(hold.0, u64::try_from(tokens).unwrap()).unwrap();
        }
        assert_eq!(self.bench.machine.account().totals().absorbed, absorbed);
    }

    /// Brings what was written to a ledger, whose own books have to agree: usage, sums, snapshots.
    pub(crate) fn verify(self) {
        let dir = tempfile::tempdir().unwrap();
        let clock = Clock::manual(self.bench.now.wall_ms);
        let rollup_interval = Duration::from_hours(1);
        let options = LedgerOptions { rollup_interval, ..LedgerOptions::new(dir.path()) };
        let (ledger, _) = Ledger::open(options, clock).unwrap();
        for batch in self.written {
            ledger.append(batch, None);
        }
        let report = ledger.verify::<Account>().unwrap();
        assert!(report.is_clean(), "{:#?}", report.differences);
        let account = self.bench.machine.account().totals();
        assert_eq!(report.totals.balance, i128::from(account.remaining.nano()));
        ledger.close().unwrap();
    }

    /// Takes all steps, and looks at everything behind each.
    fn play(steps: Vec<Step>) -> Self {
        let mut run = Self::new();
        run.bench.machine.set_rules(Arc::new(rules()));
        for (place, step) in steps.into_iter().enumerate() {
            let batch = run.act(step, place);
            for (record, digest) in batch.decoded() {
                run.copy.apply(&record, digest).unwrap();
                run.books.take(&record);
            }
            run.written.push(batch);
            run.check();
        }
        run
    }

    /// An account that may subscribe.
    pub(crate) fn new() -> Self {
        let mut opening = Batch::new();
        let bench = bench_writing("2027-01-31", &mut opening);
        let copy = bench.machine.account().clone();
        let (books, plans) = (Credit::default(), Arc::new(plans()));
        let (written, holds) = (vec![opening], HashMap::new());
        Self { bench, written, holds, books, copy, plans }
    }

    /// The account is the fold of its events, and what they say in sum.
    pub(crate) fn check(&self) {
        let account = self.bench.machine.account();
        assert_eq!(account, &self.copy);
        assert_eq!(account.totals().remaining.nano(), self.books.balance());
        assert!(account.totals().held <= account.totals().remaining);
        assert_eq!(account.has_paid(), self.books.has_paid());
        self.books.check_restriction();
    }

    /// Takes one step, and gives what it wrote; the books have still to read it.
    pub(crate) fn act(&mut self, step: Step, place: usize) -> Batch {
        let mut batch = Batch::new();
        let now = self.bench.now;
        let order = |order| Order::Subscription(Box::new(order));
        let paid = |payment: Option<u8>, more: i64| {
            payment.map(|it| paid_by(&format!("p{it}"), above(more)))
        };
        match step {
            Step::Start { plan, payment, more } => {
                let (plan, paid) = (PLANS[plan].to_owned(), paid(payment, more));
                self.order(&order(SubscriptionOrder::Start { plan, paid }), &mut batch);
            }
            Step::Change { plan, payment, more } => {
                let (plan, paid) = (PLANS[plan].to_owned(), paid(payment, more));
                self.order(&order(SubscriptionOrder::Change { plan, paid }), &mut batch);
            }
            Step::Cancel { at_end } => {
                self.order(&order(SubscriptionOrder::CancelAtPeriodEnd(at_end)), &mut batch);
            }
            Step::End => self.order(&order(SubscriptionOrder::CancelNow), &mut batch),
            Step::Status { status } => self.order(&set_status(status), &mut batch),
            Step::Grant { nano: amount } => {
                let (kind, reference) = (GrantKind::Paid, place.to_string());
                let amount = nano(amount);
                let grant = Order::Grant { kind, amount, expires_at_ms: None, reference };
                self.order(&grant, &mut batch);
            }
            Step::Override { markup } => {
                let overrides = Overrides { markup: markup.map(Markup), ..Overrides::default() };
                self.order(&Order::Plan(Box::new(PlanOrder::Override(overrides))), &mut batch);
            }
            Step::Pay { .. }
            | Step::Buy { .. }
            | Step::Fail { .. }
            | Step::Refund { .. }
            | Step::GrantRefund { .. }
            | Step::Dispute { .. } => {
                self.tell(step, place, &mut batch);
            }
            Step::Markups { markups } => {
                let mut all = plans().all().to_vec();
                for (plan, markup) in all.iter_mut().zip(markups) {
                    plan.markup = Markup(markup);
                }
                self.plans = Arc::new(Plans::new(all, None));
                self.bench.machine.set_plans(Arc::clone(&self.plans), now);
            }
            Step::Wait { hours } => {
                self.bench.advance(Duration::from_hours(hours));
                self.bench.machine.lapse(self.bench.now, &mut batch).unwrap();
            }
            Step::Restart => {
                self.bench.restart();
                self.bench.machine.set_rules(Arc::new(rules()));
                self.bench.machine.set_plans(Arc::clone(&self.plans), now);
            }
            Step::Hold { .. } | Step::Extend { .. } | Step::Settle { .. } | Step::Void { .. } => {
                self.exchange(step, place, &mut batch);
            }
        }
        batch
    }

    fn order(&mut self, order: &Order, batch: &mut Batch) {
        let _ = denial(self.bench.machine.order(order, self.bench.now, batch));
    }

    fn tell(&mut self, step: Step, place: usize, batch: &mut Batch) {
        let name = |payment: u8| format!("p{payment}");
        let (id, what) = match step {
            Step::Pay { payment, more } => {
                let (id, amount) = (format!("evt p{payment}"), above(more).map(nano));
                (id, TransferKind::SubscriptionPaid { payment: name(payment), amount })
            }
            Step::Buy { payment, nano: amount } => {
                let (payment, amount) = (name(payment), nano(amount));
                let (expires_at_ms, top_up) = (None, None);
                let what = TransferKind::Payment { payment, amount, expires_at_ms, top_up };
                (place.to_string(), what)
            }
            Step::Fail { payment } => {
                (place.to_string(), TransferKind::SubscriptionFailed { payment: name(payment) })
            }
            Step::Refund { payment, nano: amount } => {
                let amount = amount.map(nano);
                (place.to_string(), TransferKind::Refund { payment: name(payment), amount })
            }
            Step::Dispute { payment, nano: amount } => {
                let (payment, amount) = (name(payment), amount.map(nano));
                (place.to_string(), TransferKind::Dispute { payment, amount })
            }
            Step::GrantRefund { grant, nano: amount } => {
                let (grant, amount) = (GrantId(grant), amount.map(nano));
                (place.to_string(), TransferKind::GrantRefund { grant, amount })
            }
            _ => return,
        };
        let (transfer, now) = (Transfer { id, what }, self.bench.now);
        let first = denial(self.bench.machine.transfer(&transfer, now, batch));
        if first.is_ok() {
            let again = denial(self.bench.machine.transfer(&transfer, now, batch));
            assert_eq!(first, again, "told again, the same");
        }
    }

    /// The id of a hold, that is open or will be.
    pub(crate) fn hold(&mut self, hold: u128, place: usize) -> u128 {
        let open = self.bench.machine.account().holds();
        let is_open = |id: &u128| open.iter().any(|(hold, _)| *hold == HoldId::from_bits(*id));
        let known = self.holds.get(&hold).copied().filter(is_open);
        let id = known.unwrap_or(u128::try_from(place).unwrap());
        self.holds.insert(hold, id);
        id
    }

    fn exchange(&mut self, step: Step, place: usize, batch: &mut Batch) {
        let (Step::Hold { hold, .. }
        | Step::Extend { hold, .. }
        | Step::Settle { hold, .. }
        | Step::Void { hold }) = step
        else {
            return;
        };
        let (hold, now) = (self.hold(hold, place), self.bench.now);
        let machine = &mut self.bench.machine;
        match step {
            Step::Hold { tokens, first, .. } => {
                let asked = admit(hold, tokens, first);
                if let Ok(terms) = denial(machine.admit(&asked, now, batch)) {
                    assert_eq!(denial(machine.admit_again(&asked, now, batch)), Ok(terms));
                    assert_ne!(self.books.status, Status::Restricted);
                }
            }
            Step::Extend { tokens, .. } => {
                let extend = Extend {
                    hold: HoldId::from_bits(hold),
                    rates: UNIT,
                    prompt_tokens_max: 0,
                    completion_tokens_held: 0,
                    completion_tokens: tokens,
                };
                let _: Result<_, Denial> = denial(machine.extend(&extend, now, batch));
            }
            Step::Settle { tokens, .. } => {
                let settle = Settle {
                    hold: HoldId::from_bits(hold),
                    usage: Usage { output: tokens, ..Usage::default() },
                    estimated: false,
                    rates: UNIT,
                    end: End::Completed,
                    record: UsageRecord::default(),
                };
                let _: Result<_, Denial> = denial(machine.settle(settle, now, batch));
            }
            Step::Void { .. } => {
                let hold = HoldId::from_bits(hold);
                let _: Result<_, Denial> = denial(machine.void(hold, End::ClientGone, now, batch));
            }
            _ => {}
        }
    }
}
