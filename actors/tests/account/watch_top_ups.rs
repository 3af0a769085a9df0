//! Top-ups, by hand: when one is due, and what ends it.

use std::time::Duration;

use infergate_actors::account::{
    AutoTopUp, Denial, GrantKind, Order, TopUpEnd, TransferKind, WatchEvent, WatchOrder,
    WatchSettings,
};
use infergate_actors::account::{ReasonClass, Status, StatusSet};
use infergate_actors::id::{KeyId, TopUpId};

use crate::watch::{Desk, auto, due, lows, nano};

const HOUR: Duration = Duration::from_hours(1);

#[test]
fn a_top_up_is_due_once_and_a_payment_that_names_it_ends_it() {
    let mut desk = Desk::new(150);
    desk.watch(WatchOrder::Set(auto(None))).0.unwrap();
    assert_eq!(due(&desk.spend(1, 50)), None, "at the threshold is not below it");
    let told = desk.spend(2, 1);
    assert_eq!(due(&told), Some(1));
    desk.bench.restart();
    assert_eq!(due(&desk.spend(3, 1)), None);
    assert_eq!(desk.pay("a", 5, Some(2)).0, Err(Denial::UnknownTopUp));
    assert_eq!(desk.pay("b", 5, None).1, [], "a payment that names none");
    let (paid, told) = desk.pay("c", 500, Some(1));
    paid.unwrap();
    assert!(matches!(&told[..], [WatchEvent::TopUpEnded { top_up: TopUpId(1), .. }]));
    assert_eq!(desk.pay("c", 500, Some(1)).1, [], "told again");
    assert_eq!(desk.pay("d", 500, Some(1)), (Ok(()), vec![]), "paid twice is credit twice");
    assert_eq!(due(&desk.spend(4, 1_050)), Some(2));
}

#[test]
fn a_top_up_that_failed_is_not_tried_again_before_the_balance_was_above() {
    let mut desk = Desk::new(100);
    desk.watch(WatchOrder::Set(auto(None))).0.unwrap();
    assert_eq!(due(&desk.spend(1, 1)), Some(1));
    let fail = |top_up| {
        let reason = "declined".to_owned();
        WatchOrder::FailTopUp { top_up: TopUpId(top_up), reason }
    };
    assert_eq!(desk.watch(fail(2)).0, Err(Denial::UnknownTopUp));
    assert_eq!(desk.watch(fail(1)).1.len(), 1);
    assert_eq!(desk.watch(fail(1)).0, Err(Denial::UnknownTopUp));
    assert_eq!(due(&desk.spend(2, 1)), None);
    desk.pay("a", 100, None).0.unwrap();
    assert_eq!(due(&desk.spend(3, 99)), Some(2));
    desk.watch(fail(2)).0.unwrap();
    // Something else is asked for: the owner has looked at it.
    assert_eq!(due(&desk.watch(WatchOrder::Set(auto(Some(9_000)))).1), Some(3));
}

#[test]
fn a_top_up_that_nobody_speaks_of_lapses_and_another_is_due() {
    let mut desk = Desk::new(100);
    desk.watch(WatchOrder::Set(auto(Some(1_000)))).0.unwrap();
    assert_eq!(due(&desk.spend(1, 1)), Some(1));
    desk.bench.advance(HOUR);
    let (_, told) = desk.ask(1, 2, 1);
    assert_eq!((told.len(), due(&told)), (2, Some(2)));
    desk.bench.advance(HOUR);
    let (_, told) = desk.ask(1, 3, 1);
    assert_eq!((told.len(), due(&told)), (1, None), "its month is full: the first may be paid yet");
    // Paid when it has lapsed, it is credit and ends nothing.
    assert_eq!(desk.pay("late", 1, Some(1)), (Ok(()), vec![]));
    desk.bench.advance(31 * 24 * HOUR);
    desk.settle(2, 1);
    let (_, told) = desk.settle(3, 1);
    assert_eq!(told, [], "asked for by the first settlement of the month");
}

#[test]
fn a_new_month_makes_a_top_up_due_at_whatever_is_asked_first() {
    let mut desk = Desk::new(100);
    let top_up = AutoTopUp {
        threshold: nano(50),
        amount: nano(100),
        month_max: Some(nano(100)),
        lasts_ms: 3_600_000,
    };
    let settings = WatchSettings { top_up: Some(top_up), ..WatchSettings::default() };
    desk.watch(WatchOrder::Set(settings)).0.unwrap();
    assert_eq!(due(&desk.spend(1, 60)), Some(1));
    desk.pay("a", 100, Some(1)).0.unwrap();
    assert_eq!(due(&desk.spend(2, 140)), None, "its month is full");
    desk.bench.advance(40 * 24 * HOUR);
    let (refused, told) = desk.ask(1, 3, 1);
    assert!(matches!(refused, Err(Denial::InsufficientCredit { .. })));
    assert_eq!(due(&told), Some(2));
    assert_eq!(desk.ask(1, 4, 1).1, [], "once");
    desk.assert_replayed();
}

#[test]
fn money_that_goes_back_makes_no_top_up_due() {
    let mut desk = Desk::new(50);
    assert_eq!(due(&desk.watch(WatchOrder::Set(auto(None))).1), Some(1));
    desk.pay("a", 500, Some(1)).0.unwrap();
    let (refunded, told) = desk.refund("back", "pay-a", None);
    assert_eq!((refunded, told), (Ok(()), vec![]));
    desk.bench.restart();
    assert_eq!(desk.spend(1, 1), [], "nor later");
    desk.pay("b", 60, None).0.unwrap();
    assert_eq!(due(&desk.spend(2, 20)), Some(2), "it was above again");
    // While one is waited for, and it lapses.
    desk.pay("c", 100, None).0.unwrap();
    assert_eq!(desk.refund("back-again", "pay-c", None).1, []);
    desk.bench.advance(HOUR);
    let (_, told) = desk.ask(1, 3, 1);
    assert_eq!((told.len(), due(&told)), (1, None));
    assert_eq!(due(&desk.watch(WatchOrder::Set(auto(Some(9_000)))).1), Some(3));
    desk.assert_replayed();
}

#[test]
fn an_account_that_is_restricted_over_money_has_no_top_up_due() {
    let mut desk = Desk::new(50);
    desk.pay("a", 500, None).0.unwrap();
    desk.watch(WatchOrder::Set(auto(None))).0.unwrap();
    let dispute = TransferKind::Dispute { payment: "pay-a".into(), amount: Some(nano(480)) };
    assert_eq!(desk.transfer("dispute", dispute), (Ok(()), vec![]));
    desk.assert_replayed();
    for (class, expected) in [
        (ReasonClass::Payment, None),
        (ReasonClass::Fraud, None),
        (ReasonClass::Abuse, None),
        (ReasonClass::Other, Some(1)),
    ] {
        let mut desk = Desk::new(50);
        let (by, reason) = ("tester".into(), "a test".into());
        let set = StatusSet { status: Status::Restricted, by, class, reason };
        desk.order(&Order::SetStatus(set)).0.unwrap();
        assert_eq!(due(&desk.watch(WatchOrder::Set(auto(None))).1), expected, "{class:?}");
    }
}

#[test]
fn what_lapses_in_front_of_something_that_is_refused_is_told_at_the_next_question() {
    let mut desk = Desk::new(100);
    let in_an_hour = desk.bench.now.wall_ms + 3_600_000;
    for reference in ["second", "third"] {
        let order = Order::Grant {
            kind: GrantKind::Paid,
            amount: nano(500),
            expires_at_ms: Some(in_an_hour + if reference == "third" { 3_600_000 } else { 0 }),
            reference: reference.into(),
        };
        desk.order(&order).0.unwrap();
    }
    let settings =
        WatchSettings { low_balance: vec![nano(150), nano(700)], ..WatchSettings::default() };
    desk.watch(WatchOrder::Set(settings)).0.unwrap();
    desk.bench.advance(HOUR);
    let revoke = Order::RevokeKey { key: KeyId(9), reason: "leaked".into() };
    assert_eq!(desk.order(&revoke), (Err(Denial::UnknownKey), vec![]));
    assert_eq!(lows(&desk.ask(1, 1, 1).1), [700]);
    desk.bench.advance(HOUR);
    let (refunded, told) = desk.refund("back", "nothing", None);
    assert_eq!((refunded, told), (Err(Denial::UnknownPayment), vec![]));
    assert_eq!(lows(&desk.settle(1, 1).1), [150]);
    desk.assert_replayed();
}

#[test]
fn a_payment_that_is_late_makes_no_other_top_up_due() {
    let mut desk = Desk::new(100);
    desk.watch(WatchOrder::Set(auto(None))).0.unwrap();
    assert_eq!(due(&desk.spend(1, 1)), Some(1));
    desk.bench.advance(2 * HOUR);
    let (paid, told) = desk.pay("late", 500, Some(1));
    paid.unwrap();
    let paid = WatchEvent::TopUpEnded {
        top_up: TopUpId(1),
        end: TopUpEnd::Paid { payment: "pay-late".into() },
    };
    assert_eq!(told, [paid]);
    assert_eq!(due(&desk.spend(2, 500)), Some(2));
    desk.bench.advance(2 * HOUR);
    let fail = WatchOrder::FailTopUp { top_up: TopUpId(2), reason: "declined".into() };
    let (failed, told) = desk.watch(fail);
    assert_eq!((failed, told.len(), due(&told)), (Ok(()), 1, None));
}
