//! Credit of several kinds, payments, refunds and disputes, by hand.

use std::sync::Arc;

use infergate_actors::account::{
    Account, Admit, CreditRules, Denial, End, Event, Fallback, GrantKind, KindRule, Kinds, Limits,
    Movement, MovementKind, NewKey, OnDispute, Order, Return, Status, Terms, Transfer,
    TransferKind,
};
use infergate_actors::id::{AccountId, GrantId, HoldId, KeyHash, KeyId};
use infergate_actors::ledger::{Batch, Digest, Record};
use infergate_actors::money::{NanoUsd, Rates};
use smallvec::SmallVec;

use crate::bench::{Bench, UNIT, admit, denial, set_status};

pub(crate) fn nano(nano: i64) -> NanoUsd {
    NanoUsd::from_nano(nano)
}

/// Trial credit buys `sim-*` only, and promotional `sim-a` only.
pub(crate) fn rules() -> CreditRules {
    let mut rules = CreditRules::default();
    let only = |model: &str| KindRule { models: vec![model.to_owned()], refundable: false };
    rules.set(GrantKind::Trial, only("sim-*"));
    rules.set(GrantKind::Promotional, only("sim-a"));
    rules
}

pub(crate) fn bench(rules: CreditRules) -> Bench {
    let mut bench = Bench::new(Limits::default(), Limits::default());
    bench.machine.set_rules(Arc::new(rules));
    let key = NewKey {
        hash: KeyHash([8; 32]),
        hint: "efgh".into(),
        name: "all".into(),
        models: Vec::new(),
        expires_at_ms: None,
        limits: Limits::default(),
        rest: Vec::new(),
    };
    bench.order(&Order::CreateKey(key)).unwrap();
    bench
}

pub(crate) fn grant(
    bench: &mut Bench,
    kind: GrantKind,
    amount: i64,
    expires_at_ms: Option<u64>,
    of: &str,
) {
    let (amount, reference) = (nano(amount), of.to_owned());
    bench.order(&Order::Grant { kind, amount, expires_at_ms, reference }).unwrap();
}

pub(crate) fn question(hold: u128, model: &str, tokens: u64) -> Admit {
    let key = KeyId(2);
    Admit { key, model: model.into(), ..admit(hold, tokens, tokens) }
}

pub(crate) fn ask(bench: &mut Bench, question: &Admit) -> Result<Terms, Denial> {
    denial(bench.machine.admit(question, bench.now, &mut Batch::new()))
}

fn tell(bench: &mut Bench, id: &str, what: TransferKind) -> Result<Movement, Denial> {
    let transfer = Transfer { id: id.to_owned(), what };
    denial(bench.machine.transfer(&transfer, bench.now, &mut Batch::new()))
}

fn payment(name: &str, amount: i64) -> TransferKind {
    TransferKind::Payment {
        payment: name.to_owned(),
        amount: nano(amount),
        expires_at_ms: None,
        top_up: None,
    }
}

pub(crate) fn refund(name: &str, amount: Option<i64>) -> TransferKind {
    TransferKind::Refund { payment: name.to_owned(), amount: amount.map(nano) }
}

pub(crate) fn dispute(name: &str) -> TransferKind {
    TransferKind::Dispute { payment: name.to_owned(), amount: None }
}

fn balance(bench: &Bench) -> i64 {
    bench.machine.account().totals().remaining.nano()
}

#[test]
fn trial_credit_does_not_buy_what_it_may_not() {
    let mut bench = bench(rules());
    grant(&mut bench, GrantKind::Trial, 100, None, "trial");
    let refused = ask(&mut bench, &question(1, "gpt", 10));
    assert_eq!(
        refused.unwrap_err(),
        Denial::InsufficientCredit { available: nano(0), needed: nano(1) }
    );
    assert_eq!(ask(&mut bench, &question(1, "sim-b", 10)).unwrap().held, nano(10));
    // With paid credit beside it, each is held for from what may pay for it.
    grant(&mut bench, GrantKind::Paid, 50, None, "paid");
    assert_eq!(ask(&mut bench, &question(2, "gpt", 90)).unwrap().held, nano(50));
    assert_eq!(ask(&mut bench, &question(3, "sim-b", 100)).unwrap().held, nano(90));
    assert!(ask(&mut bench, &question(4, "sim-b", 1)).is_err());
    bench.settle(3, 90).unwrap();
    bench.settle(2, 70).unwrap();
    assert_eq!(bench.machine.account().totals().absorbed, nano(20), "the trial does not pay it");
    assert_eq!(balance(&bench), 10);
}

#[test]
fn credit_is_spent_soonest_to_expire_first_unless_another_hold_counts_on_it() {
    let mut bench = bench(rules());
    let soon = bench.now.wall_ms + 1_000;
    grant(&mut bench, GrantKind::Trial, 100, None, "trial");
    grant(&mut bench, GrantKind::Paid, 100, Some(soon), "paid");
    ask(&mut bench, &question(1, "gpt", 80)).unwrap();
    ask(&mut bench, &question(2, "sim-b", 60)).unwrap();
    bench.settle(2, 60).unwrap();
    let left = |bench: &Bench| bench.machine.account().clone();
    let of = |account: &Account| {
        (account.available(), account.available_of(Kinds::only(GrantKind::Trial)))
    };
    // 20 of the paid credit, which no hold counts on, and 40 of the trial.
    assert_eq!(of(&left(&bench)), (nano(60), nano(60)));
    bench.settle(1, 80).unwrap();
    assert_eq!(balance(&bench), 60);
}

#[test]
fn a_fallback_that_the_credit_may_not_buy_is_left_out_and_takes_nothing_with_it() {
    let mut bench = bench(rules());
    grant(&mut bench, GrantKind::Trial, 100, None, "trial");
    let fallback = |model: &str| Fallback { model: model.into(), free: false, rates: UNIT };
    let fallbacks = [fallback("gpt"), fallback("sim-b")].into_iter().collect();
    let asked = Admit { fallbacks, ..question(1, "sim-a", 40) };
    let terms = ask(&mut bench, &asked).unwrap();
    assert_eq!(terms.fallbacks_allowed.as_slice(), [false, true]);
    // With credit for it, it is taken in, and both are held for of what may pay for both.
    grant(&mut bench, GrantKind::Paid, 30, None, "paid");
    let asked = Admit { hold: HoldId::from_bits(2), ..asked };
    let terms = ask(&mut bench, &asked).unwrap();
    assert_eq!((terms.fallbacks_allowed.as_slice(), terms.held), (&[true, true][..], nano(30)));
    let again = denial(bench.machine.admit_again(&asked, bench.now, &mut Batch::new()));
    assert_eq!(again, Ok(terms));
}

#[test]
fn a_restricted_account_begins_only_what_is_free_and_what_runs_goes_on() {
    let mut bench = bench(CreditRules::default());
    grant(&mut bench, GrantKind::Paid, 100, None, "paid");
    ask(&mut bench, &Admit { completion_tokens_first: 10, ..question(1, "gpt", 90) }).unwrap();
    bench.order(&set_status(Status::Restricted)).unwrap();
    assert!(matches!(ask(&mut bench, &question(2, "gpt", 1)), Err(Denial::Restricted(_))));
    assert_eq!(bench.extend(1, 10, 60), Ok(60));
    bench.settle(1, 60).unwrap();
    let free = Admit { free: true, rates: Rates::default(), ..question(3, "free", 10) };
    let fallbacks =
        [Fallback { model: "gpt".into(), free: false, rates: UNIT }].into_iter().collect();
    let terms = ask(&mut bench, &Admit { fallbacks, ..free }).unwrap();
    assert_eq!((terms.held, terms.fallbacks_allowed.as_slice()), (nano(0), &[false][..]));
    bench.order(&set_status(Status::Active)).unwrap();
    assert!(ask(&mut bench, &question(4, "gpt", 1)).is_ok());
}

#[test]
fn paid_models_can_wait_for_the_first_payment() {
    let mut bench = bench(CreditRules { paid_entitlement: true, ..CreditRules::default() });
    grant(&mut bench, GrantKind::Trial, 100, None, "trial");
    assert_eq!(ask(&mut bench, &question(1, "gpt", 1)), Err(Denial::NotPaidYet));
    let free = Admit { free: true, rates: Rates::default(), ..question(1, "free", 10) };
    assert!(ask(&mut bench, &free).is_ok());
    tell(&mut bench, "evt_1", payment("pay_1", 10)).unwrap();
    assert!(ask(&mut bench, &question(2, "gpt", 1)).is_ok());
    // Also when all of it is spent, and by one who knows only what is kept.
    ask(&mut bench, &question(3, "gpt", 109)).unwrap();
    bench.settle(3, 109).unwrap();
    bench.void(2).unwrap();
    bench.restart();
    let rules = CreditRules { paid_entitlement: true, ..CreditRules::default() };
    bench.machine.set_rules(Arc::new(rules));
    grant(&mut bench, GrantKind::Trial, 100, None, "more");
    assert!(ask(&mut bench, &question(4, "gpt", 1)).is_ok());
}

#[test]
fn what_a_processor_tells_twice_happens_once() {
    let mut bench = bench(CreditRules::default());
    let paid = tell(&mut bench, "evt_1", payment("pay_1", 100)).unwrap();
    assert_eq!((paid.kind, paid.moved, paid.grant), (MovementKind::Paid, nano(100), GrantId(1)));
    let events = bench.machine.account().number();
    assert_eq!(tell(&mut bench, "evt_1", payment("pay_1", 100)), Ok(paid.clone()));
    assert_eq!(bench.machine.account().number(), events);
    assert_eq!(tell(&mut bench, "evt_1", payment("pay_1", 99)), Err(Denial::ReusedId));
    assert_eq!(tell(&mut bench, "evt_2", payment("pay_1", 100)), Err(Denial::DuplicateReference));
    assert_eq!(tell(&mut bench, "evt_3", refund("pay_2", None)), Err(Denial::UnknownPayment));

    ask(&mut bench, &question(1, "gpt", 70)).unwrap();
    let back = tell(&mut bench, "evt_4", refund("pay_1", None)).unwrap();
    assert_eq!((back.asked, back.moved), (nano(100), nano(30)), "what is held stays");
    bench.settle(1, 50).unwrap();
    assert_eq!(tell(&mut bench, "evt_4", refund("pay_1", None)), Ok(back));
    assert_eq!(balance(&bench), 0, "what the request left goes too");
    assert_eq!(bench.machine.account().taken_back(), (nano(50), nano(0)));
    let unknown = lot_refund(2, None);
    assert_eq!(tell(&mut bench, "refund 4", unknown), Err(Denial::UnknownGrant));
    grant(&mut bench, GrantKind::Trial, 10, None, "trial");
    assert_eq!(tell(&mut bench, "refund 5", lot_refund(2, None)), Err(Denial::NotRefundable));
}

fn lot_refund(grant: u32, amount: Option<i64>) -> TransferKind {
    TransferKind::GrantRefund { grant: GrantId(grant), amount: amount.map(nano) }
}

fn left(left: i64) -> Result<Movement, Denial> {
    Err(Denial::AboveLeft { left: nano(left) })
}

#[test]
fn no_more_of_a_payment_is_paid_back_than_is_left_of_it_whoever_pays_it_back() {
    let mut bench = bench(CreditRules::default());
    tell(&mut bench, "evt_1", payment("pay_1", 100)).unwrap();
    tell(&mut bench, "evt_2", payment("pay_2", 1_000)).unwrap();
    assert_eq!(tell(&mut bench, "evt_3", refund("pay_1", Some(101))), left(100));
    assert_eq!(tell(&mut bench, "evt_3", refund("pay_1", Some(30))).unwrap().moved, nano(30));
    assert_eq!(tell(&mut bench, "refund 1", lot_refund(1, Some(71))), left(70));
    assert_eq!(tell(&mut bench, "refund 1", lot_refund(1, Some(20))).unwrap().moved, nano(20));
    assert_eq!(tell(&mut bench, "evt_4", refund("pay_1", Some(51))), left(50));
    let disputed = TransferKind::Dispute { payment: "pay_1".into(), amount: Some(nano(10)) };
    assert_eq!(tell(&mut bench, "evt_5", disputed.clone()).unwrap().moved, nano(10));
    let more = TransferKind::Dispute { payment: "pay_1".into(), amount: Some(nano(11)) };
    assert_eq!(tell(&mut bench, "evt_5", more), Err(Denial::ReusedId));
    bench.order(&set_status(Status::Active)).unwrap();
    let rest = tell(&mut bench, "evt_6", refund("pay_1", None)).unwrap();
    assert_eq!((rest.asked, rest.moved, balance(&bench)), (nano(40), nano(40), 1_000));
    assert_eq!(tell(&mut bench, "evt_7", refund("pay_1", None)), left(0));
    assert_eq!(tell(&mut bench, "refund 2", lot_refund(1, None)), left(0));
    assert_eq!(tell(&mut bench, "refund 2", lot_refund(1, Some(1))), left(0));
    assert_eq!(tell(&mut bench, "evt_6", refund("pay_1", None)), Ok(rest), "told again, the same");
    // A dispute has happened, whatever went back before: it takes what is left, and that is nothing.
    let late = TransferKind::Dispute { payment: "pay_1".into(), amount: Some(nano(100)) };
    let back = tell(&mut bench, "evt_8", late.clone()).unwrap();
    assert_eq!((back.asked, back.moved), (nano(0), nano(0)));
    assert_eq!(tell(&mut bench, "evt_8", late), Ok(back));
    assert_eq!(tell(&mut bench, "evt_5", disputed).unwrap().moved, nano(10));
    bench.restart();
    assert_eq!(tell(&mut bench, "evt_9", refund("pay_1", Some(1))), left(0));
    assert_eq!(bench.machine.account().taken_back(), (nano(90), nano(10)));
}

#[test]
fn of_a_lot_that_no_payment_gave_no_more_is_paid_back_than_it_was() {
    let mut bench = bench(CreditRules::default());
    grant(&mut bench, GrantKind::Paid, 100, None, "invoice");
    ask(&mut bench, &question(1, "gpt", 30)).unwrap();
    bench.settle(1, 30).unwrap();
    assert_eq!(tell(&mut bench, "refund 1", lot_refund(1, Some(101))), left(100));
    // What was spent may be paid back too; what is unused is, where nothing is said.
    let back = tell(&mut bench, "refund 1", lot_refund(1, Some(20))).unwrap();
    assert_eq!((back.asked, back.moved), (nano(20), nano(20)));
    let back = tell(&mut bench, "refund 2", lot_refund(1, None)).unwrap();
    assert_eq!((back.asked, back.moved, balance(&bench)), (nano(50), nano(50), 0));
    assert_eq!(tell(&mut bench, "refund 3", lot_refund(1, None)), left(0));
}

#[test]
fn what_a_payment_is_known_by_is_no_grants_name_too() {
    let mut bench = bench(CreditRules::default());
    tell(&mut bench, "evt_1", payment("pay_1", 100)).unwrap();
    let order = |reference: &str| {
        let (kind, amount, reference) = (GrantKind::Paid, nano(5), reference.to_owned());
        Order::Grant { kind, amount, expires_at_ms: None, reference }
    };
    assert_eq!(bench.order(&order("pay_1")), Err(Denial::DuplicateReference));
    bench.order(&order("pay_2")).unwrap();
    assert_eq!(tell(&mut bench, "evt_2", payment("pay_2", 5)), Err(Denial::DuplicateReference));
    assert_eq!(balance(&bench), 105);
}

#[test]
fn what_went_back_does_not_entitle_to_paid_models() {
    let rules = || CreditRules { paid_entitlement: true, ..CreditRules::default() };
    let mut bench = bench(CreditRules { on_dispute: OnDispute::Restrict, ..rules() });
    grant(&mut bench, GrantKind::Trial, 100, None, "trial");
    let mut asked = 0;
    let mut is_open = |bench: &mut Bench| {
        asked += 1;
        let answer = ask(bench, &question(asked, "gpt", 1));
        answer.map(|_| bench.void(asked).unwrap()).is_ok()
    };
    tell(&mut bench, "evt_1", payment("pay_1", 10)).unwrap();
    assert!(is_open(&mut bench));
    tell(&mut bench, "evt_2", refund("pay_1", Some(9))).unwrap();
    assert!(is_open(&mut bench), "something of it is left");
    tell(&mut bench, "evt_3", refund("pay_1", None)).unwrap();
    assert!(!is_open(&mut bench));
    tell(&mut bench, "evt_4", payment("pay_2", 10)).unwrap();
    tell(&mut bench, "evt_5", dispute("pay_2")).unwrap();
    bench.order(&set_status(Status::Active)).unwrap();
    assert!(!is_open(&mut bench));
    // What is still held of what went back does not count; what an operator gave as paid does.
    tell(&mut bench, "evt_6", payment("pay_3", 10)).unwrap();
    ask(&mut bench, &question(1_000, "gpt", 105)).unwrap();
    tell(&mut bench, "evt_7", refund("pay_3", None)).unwrap();
    assert!(!is_open(&mut bench));
    bench.void(1_000).unwrap();
    grant(&mut bench, GrantKind::Paid, 1, None, "invoice");
    assert!(is_open(&mut bench));
}

#[test]
fn a_dispute_takes_back_what_is_unused_and_sets_the_status_by_policy() {
    for (on_dispute, before, after) in [
        (OnDispute::Suspend, Status::Active, Status::Suspended),
        (OnDispute::Restrict, Status::Active, Status::Restricted),
        (OnDispute::Suspend, Status::Restricted, Status::Suspended),
        (OnDispute::Restrict, Status::Suspended, Status::Suspended),
    ] {
        let mut bench = bench(CreditRules { on_dispute, ..CreditRules::default() });
        tell(&mut bench, "evt_1", payment("pay_1", 100)).unwrap();
        tell(&mut bench, "evt_2", payment("pay_2", 10)).unwrap();
        bench.order(&set_status(before)).unwrap();
        let back = tell(&mut bench, "evt_3", dispute("pay_1")).unwrap();
        assert_eq!((back.kind, back.moved), (MovementKind::ChargedBack, nano(100)));
        assert_eq!(balance(&bench), 10, "the other payment's credit stays");
        let account = bench.machine.account();
        let shown = format!("{account:?}");
        assert!(shown.contains(&format!("status: {after:?}")), "{shown}");
        let events = account.number();
        assert_eq!(tell(&mut bench, "evt_3", dispute("pay_1")), Ok(back));
        assert_eq!(bench.machine.account().number(), events);
    }
}

#[test]
fn what_a_running_request_held_of_a_disputed_payment_is_taken_when_it_has_ended() {
    let mut bench = bench(CreditRules::default());
    tell(&mut bench, "evt_1", payment("pay_1", 100)).unwrap();
    tell(&mut bench, "evt_2", payment("pay_2", 50)).unwrap();
    ask(&mut bench, &question(1, "gpt", 120)).unwrap();
    let back = tell(&mut bench, "evt_3", dispute("pay_1")).unwrap();
    assert_eq!((back.moved, balance(&bench)), (nano(30), 120));
    bench.settle(1, 40).unwrap();
    bench.restart();
    // 40 of the first payment were spent, and 30 taken; the rest of it goes with the next question.
    bench.machine.lapse(bench.now, &mut Batch::new()).unwrap();
    assert_eq!((balance(&bench), bench.machine.account().taken_back().1), (50, nano(60)));
    assert_eq!(tell(&mut bench, "evt_3", dispute("pay_1")), Ok(back), "told again, the same");
}

/// What builds before journal version 5 wrote of money that goes back: in whatever unit, more than was
/// paid, and only a dispute claims what is held.
#[test]
fn what_was_written_of_money_going_back_before_it_was_told_in_dollars_means_what_it_meant() {
    let mut bench = bench(CreditRules::default());
    tell(&mut bench, "evt_1", payment("pay_1", 100)).unwrap();
    tell(&mut bench, "evt_2", payment("pay_2", 100)).unwrap();
    ask(&mut bench, &question(1, "gpt", 150)).unwrap();
    let mut account = bench.machine.account().clone();
    let back = |id: &str, grant, asked, taken| {
        let (payment, grant) = (Some(format!("pay_{grant}")), GrantId(grant));
        let (asked, taken) = (nano(asked), nano(taken));
        let (credit, surplus) = (None, None);
        Box::new(Return { id: id.to_owned(), payment, grant, asked, taken, credit, surplus })
    };
    let refunded = Event::Refunded(back("evt_3", 1, 100, 50));
    let disputed = Event::ChargedBack(back("evt_4", 2, 1_000, 0));
    let voided = Event::Voided { hold: HoldId::from_bits(1), end: End::ClientGone };
    let mut fold = |event| {
        let (number, previous) = (account.number() + 1, account.digest());
        let record = Record { account: account.id(), number, previous, at_ms: 1, event };
        let digest = Digest::of(&record.encode());
        account.apply(&record, digest).unwrap();
        account.lapse(1).into_iter().collect::<Vec<_>>()
    };
    assert_eq!(fold(refunded), []);
    assert_eq!(fold(disputed), []);
    // All of the second payment's, and nothing of the first one's.
    let reclaimed = Event::Reclaimed { grant: GrantId(2), amount: nano(100) };
    assert_eq!(fold(voided), std::slice::from_ref(&reclaimed));
    assert_eq!(fold(reclaimed), []);
    assert_eq!((account.available(), account.taken_back()), (nano(50), (nano(50), nano(100))));
    assert_eq!(Account::restore(&account.snapshot()).as_ref(), Ok(&account));
    let back = |id: &str, payment: &str| {
        let told = Transfer { id: id.to_owned(), what: refund(payment, None) };
        account.transfer(&told, &CreditRules::default(), 1)
    };
    assert_eq!(back("evt_3", "pay_1"), Ok(SmallVec::new()), "told again, it is known");
    assert_eq!(back("evt_5", "pay_1"), Err(Denial::AboveLeft { left: nano(0) }));
    assert_eq!(back("evt_5", "pay_2"), Err(Denial::AboveLeft { left: nano(0) }));
}

#[test]
fn a_snapshot_of_an_account_that_had_none_of_this_reads_as_it_always_did() {
    let account = Account::new(AccountId::new(1, 1));
    let bytes = account.snapshot();
    let (version, rest) = bytes.split_first().unwrap();
    assert_eq!(*version, 4);
    // Version 1 ended before the seven bytes that say that there was none, the three of no rules, the
    // seven of no tenancy, the one of no idempotency keys, and the two of movements that have nothing
    // else.
    let (rest, lacking) = rest.split_at(rest.len() - 20);
    assert_eq!(lacking, [0; 20]);
    let old = [&[1], rest].concat();
    assert_eq!(Account::restore(&old).unwrap(), account);
    assert!(Account::restore(&[&[2], rest].concat()).is_err());
    assert!(Account::restore(&[&[1], rest, &[0]].concat()).is_err());
}
