//! Subscriptions, plans, requests and time, in any order: judged by books that know every event and
//! nothing of how it was decided.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use infergate_actors::account::{
    Account, Denial, End, Event, Extend, GrantKind, Order, Overrides, PlanEvent, PlanOrder, Plans,
    Settle, Status, SubscriptionEvent, SubscriptionOrder, SubscriptionState, SubscriptionStep,
    Transfer, TransferKind, UsageRecord,
};
use infergate_actors::clock::Clock;
use infergate_actors::id::{GrantId, HoldId};
use infergate_actors::ledger::{Batch, Ledger, LedgerOptions, Record};
use infergate_actors::money::{Markup, Usage};
use proptest::prelude::*;

use crate::bench::{Bench, UNIT, admit, denial, set_status};
use crate::subscriptions::{bench_writing, nano, paid_by, plans};

const PLANS: [&str; 6] = ["small", "large", "gift", "weekly", "meagre", "fine"];

#[derive(Clone, Copy, Debug)]
enum Step {
    Start {
        plan: usize,
        payment: Option<u8>,
    },
    Change {
        plan: usize,
        payment: Option<u8>,
    },
    Cancel {
        at_end: bool,
    },
    Pay {
        payment: u8,
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

fn step() -> impl Strategy<Value = Step> {
    let hold = || 0..6_u128;
    let payment = || 0..24_u8;
    let plan = || 0..PLANS.len();
    let status = prop::sample::select(vec![Status::Active, Status::Restricted, Status::Suspended]);
    let markups = prop::array::uniform6(prop_oneof![Just(1_000_000), 500_000..2_000_000_u32]);
    prop_oneof![
        3 => (plan(), prop::option::weighted(0.9, payment()))
            .prop_map(|(plan, payment)| Step::Start { plan, payment }),
        3 => (plan(), prop::option::of(payment()))
            .prop_map(|(plan, payment)| Step::Change { plan, payment }),
        2 => any::<bool>().prop_map(|at_end| Step::Cancel { at_end }),
        4 => payment().prop_map(|payment| Step::Pay { payment }),
        2 => (payment(), 1..3_000_i64).prop_map(|(payment, nano)| Step::Buy { payment, nano }),
        1 => payment().prop_map(|payment| Step::Fail { payment }),
        1 => (payment(), prop::option::of(1..3_000_i64))
            .prop_map(|(payment, nano)| Step::Refund { payment, nano }),
        1 => payment().prop_map(|payment| Step::Dispute { payment }),
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

/// What follows from the events alone.
#[derive(Default)]
struct Books {
    /// What is left of each lot, and when an allowance lapses.
    lots: BTreeMap<GrantId, (i64, Option<u64>)>,
    /// When the periods began for which there was an allowance.
    periods: BTreeSet<u64>,
    last_end_ms: u64,
    /// What was given in the present period, and the most that a plan gives that was paid for in it.
    given: i64,
    given_max: i64,
    state: Option<SubscriptionState>,
    /// The allowance that the event before has named.
    named: Option<(GrantId, i64, u64)>,
    markup: Markup,
    holds: HashMap<HoldId, Markup>,
    told: BTreeSet<String>,
    /// The lot of each payment that came in, once it has one.
    payments: BTreeMap<String, Option<GrantId>>,
    status: Status,
    /// Nobody has ordered the status that it has.
    by_system: bool,
}

impl Books {
    fn take(&mut self, record: &Record) {
        let named = self.named.take();
        match &record.event {
            Event::Granted { grant, kind, amount, expires_at_ms, .. } => {
                if *kind == GrantKind::Subscription {
                    let said = named.expect("an allowance that was named");
                    assert_eq!((*grant, amount.nano(), expires_at_ms.unwrap()), said);
                    assert!(record.at_ms < said.2, "an allowance behind its period's end");
                }
                self.lots.insert(*grant, (amount.nano(), *expires_at_ms));
            }
            Event::Paid(paid) => {
                assert!(self.told.insert(paid.id.clone()), "told twice");
                let known = self.payments.insert(paid.payment.clone(), Some(paid.grant));
                assert_eq!(known, None, "a payment that counts twice");
                self.lots.insert(paid.grant, (paid.amount.nano(), None));
            }
            Event::Expired { grant, amount } => {
                let lapses_ms = self.lots[grant].1.unwrap();
                assert!(record.at_ms >= lapses_ms, "lapsed before its time");
                self.draw(*grant, amount.nano());
            }
            Event::Reclaimed { grant, amount } => self.draw(*grant, amount.nano()),
            Event::Refunded(back) | Event::ChargedBack(back) => {
                if back.taken.is_positive() {
                    self.draw(back.grant, back.taken.nano());
                }
                assert!(self.told.insert(back.id.clone()), "told twice");
            }
            Event::Held { hold, .. } | Event::HeldOf { hold, .. } => {
                self.holds.insert(*hold, self.markup);
            }
            Event::Settled(bill) => {
                assert_eq!(self.holds.remove(&bill.hold), Some(bill.markup), "another markup");
                assert_eq!(bill.cost, bill.rates.cost(&bill.usage, bill.markup));
                for draw in &bill.draws {
                    self.draw(draw.grant, draw.amount.nano());
                }
            }
            Event::Voided { hold, .. } => {
                self.holds.remove(hold).unwrap();
            }
            Event::StatusSet(set) => {
                (self.status, self.by_system) = (set.status, set.by == "system");
            }
            Event::Plan(event) => {
                if let PlanEvent::Priced { markup } = **event {
                    assert_ne!(markup, self.markup, "a price that is none");
                    self.markup = markup;
                }
            }
            Event::Subscription(event) => self.subscription(event, record.at_ms),
            _ => {}
        }
        assert!(self.named.is_none() || matches!(record.event, Event::Subscription(_)));
    }

    fn subscription(&mut self, event: &SubscriptionEvent, at_ms: u64) {
        let SubscriptionEvent::Changed(change) = event;
        let contract = &change.contract;
        assert_eq!(change.due_at_ms, contract.due_at_ms());
        if let Some(paid) = &change.payment {
            assert!(self.told.insert(paid.id.clone()), "told twice");
            if change.step != SubscriptionStep::PaymentFailed {
                let known = self.payments.insert(paid.payment.clone(), None);
                assert_eq!(known, None, "a payment that counts twice");
            }
        }
        if let Some(payment) = change.allowance.as_ref().and_then(|it| it.payment.as_ref()) {
            let lot = self.payments.get_mut(payment).expect("a payment that came in");
            let lot = lot.replace(change.allowance.as_ref().unwrap().grant);
            assert_eq!(lot, None, "a payment that gives twice");
        }
        if matches!(change.step, SubscriptionStep::Started | SubscriptionStep::Renewed) {
            assert!(
                contract.from_ms >= self.last_end_ms || change.step == SubscriptionStep::Started
            );
            assert!(contract.from_ms <= at_ms && at_ms < contract.to_ms, "not the present period");
            let is_paid = !contract.offer.price.is_positive() || change.payment.is_some();
            let was_paid = change.allowance.as_ref().is_none_or(|it| it.payment.is_some());
            assert!(is_paid || was_paid, "a period that nobody paid for");
            let is_new = self.periods.insert(contract.from_ms);
            assert!(is_new || change.step == SubscriptionStep::Started, "a period given for twice");
            self.last_end_ms = contract.to_ms;
            (self.given, self.given_max) = (0, 0);
        } else if change.allowance.is_some() {
            assert_eq!(change.step, SubscriptionStep::PlanChanged);
        }
        self.state = Some(contract.state);
        let allowance = change.allowance.as_ref();
        self.given += allowance.map_or(0, |it| it.amount.nano());
        self.given_max = self.given_max.max(contract.offer.allowance.nano());
        assert!(self.given <= self.given_max, "more given in a period than any plan gives for one");
        self.named = allowance.map(|it| (it.grant, it.amount.nano(), contract.to_ms));
    }

    /// The system restricts for nothing but what is overdue now (a dispute suspends).
    fn check_restriction(&self) {
        let is_overdue = self.state == Some(SubscriptionState::Overdue);
        let is_restricted = self.by_system && self.status == Status::Restricted;
        assert!(is_overdue || !is_restricted, "restricted for good");
    }

    fn draw(&mut self, grant: GrantId, nano: i64) {
        let (left, _) = self.lots.get_mut(&grant).expect("a lot that was given");
        *left -= nano;
        assert!(nano >= 0 && *left >= 0, "{grant} below zero");
    }

    fn balance(&self) -> i64 {
        self.lots.values().map(|(left, _)| left).sum()
    }
}

struct Run {
    bench: Bench,
    written: Vec<Batch>,
    /// What each number of a hold stands for: another one as soon as that has ended.
    holds: HashMap<u128, u128>,
    books: Books,
    copy: Account,
    plans: Arc<Plans>,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_order_of_subscribing_paying_cancelling_and_waiting_gives_twice_or_too_late_or_unpaid(
        steps in prop::collection::vec(step(), 1..150),
    ) {
        let mut run = Run::play(steps);
        // What is held is covered, at whatever it was taken.
        let open: Vec<_> = run.bench.machine.account().holds().iter()
            .map(|(id, hold)| (*id, hold.amount, run.books.holds[id]))
            .collect();
        let absorbed = run.bench.machine.account().totals().absorbed;
        for (hold, amount, markup) in open {
            let tokens = i128::from(amount.nano()) * 1_000_000 / i128::from(markup.0);
            run.bench.settle(hold.0, u64::try_from(tokens).unwrap()).unwrap();
        }
        prop_assert_eq!(run.bench.machine.account().totals().absorbed, absorbed);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn the_ledgers_own_books_find_nothing_wrong_with_any_order_of_these(
        steps in prop::collection::vec(step(), 1..150),
    ) {
        let run = Run::play(steps);
        let dir = tempfile::tempdir().unwrap();
        let clock = Clock::manual(run.bench.now.wall_ms);
        let rollup_interval = Duration::from_hours(1);
        let options = LedgerOptions { rollup_interval, ..LedgerOptions::new(dir.path()) };
        let (ledger, _) = Ledger::open(options, clock).unwrap();
        for batch in run.written {
            ledger.append(batch, None);
        }
        let report = ledger.verify::<Account>().unwrap();
        prop_assert!(report.is_clean(), "{:#?}", report.differences);
        let account = run.bench.machine.account().totals();
        prop_assert_eq!(report.totals.balance, i128::from(account.remaining.nano()));
        ledger.close().unwrap();
    }
}

impl Run {
    /// Takes all steps, and looks at everything behind each.
    fn play(steps: Vec<Step>) -> Self {
        let mut opening = Batch::new();
        let bench = bench_writing("2027-01-31", &mut opening);
        let copy = bench.machine.account().clone();
        let (books, plans) = (Books::default(), Arc::new(plans()));
        let (written, holds) = (vec![opening], HashMap::new());
        let mut run = Self { bench, written, holds, books, copy, plans };
        for (place, step) in steps.into_iter().enumerate() {
            run.take(step, place);
            let account = run.bench.machine.account();
            assert_eq!(account, &run.copy);
            assert_eq!(account.totals().remaining.nano(), run.books.balance());
            assert!(account.totals().held <= account.totals().remaining);
            run.books.check_restriction();
        }
        run
    }

    fn take(&mut self, step: Step, place: usize) {
        let mut batch = Batch::new();
        let now = self.bench.now;
        let order = |order| Order::Subscription(Box::new(order));
        let paid = |payment: Option<u8>| payment.map(|it| paid_by(&format!("p{it}"), None));
        match step {
            Step::Start { plan, payment } => {
                let (plan, paid) = (PLANS[plan].to_owned(), paid(payment));
                self.order(&order(SubscriptionOrder::Start { plan, paid }), &mut batch);
            }
            Step::Change { plan, payment } => {
                let (plan, paid) = (PLANS[plan].to_owned(), paid(payment));
                self.order(&order(SubscriptionOrder::Change { plan, paid }), &mut batch);
            }
            Step::Cancel { at_end } => {
                self.order(&order(SubscriptionOrder::CancelAtPeriodEnd(at_end)), &mut batch);
            }
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
                self.bench.machine.set_plans(Arc::clone(&self.plans), now);
            }
            Step::Hold { .. } | Step::Extend { .. } | Step::Settle { .. } | Step::Void { .. } => {
                self.exchange(step, place, &mut batch);
            }
        }
        for (record, digest) in batch.decoded() {
            self.copy.apply(&record, digest).unwrap();
            self.books.take(&record);
        }
        self.written.push(batch);
    }

    fn order(&mut self, order: &Order, batch: &mut Batch) {
        let _ = denial(self.bench.machine.order(order, self.bench.now, batch));
    }

    fn tell(&mut self, step: Step, place: usize, batch: &mut Batch) {
        let name = |payment: u8| format!("p{payment}");
        let (id, what) = match step {
            Step::Pay { payment } => {
                let id = format!("evt p{payment}");
                (id, TransferKind::SubscriptionPaid { payment: name(payment), amount: None })
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
            Step::Dispute { payment } => {
                let payment = name(payment);
                (place.to_string(), TransferKind::Dispute { payment, amount: None })
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
    fn hold(&mut self, hold: u128, place: usize) -> u128 {
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
