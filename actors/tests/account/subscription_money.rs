//! Money of subscriptions that goes back, or is more than is due, by the same scripts.

use std::sync::Arc;

use infergate_actors::account::{CreditRules, Denial, GrantKind, KindRule, TransferKind};
use infergate_actors::id::GrantId;

use crate::subscriptions::{act, bench, check, nano, standing, tell};

#[test]
fn what_is_paid_back_takes_back_what_it_gave() {
    check(
        "2027-01-01",
        "
start small p1      => active small 2027-01-01..2027-02-01 1000
pay p2              => active small 2027-01-01..2027-02-01 1000 ahead
refund p2           => active small 2027-01-01..2027-02-01 1000
refund p1           => active small 2027-01-01..2027-02-01 0
refund p1           => active small 2027-01-01..2027-02-01 0
at 2027-02-01       => past_due small 2027-01-01..2027-02-01 0
refund p9           => UnknownPayment
",
    );
}

#[test]
fn a_payment_of_the_subscription_is_no_ordinary_credit_too_whether_it_has_given_any_yet_or_not() {
    check(
        "2027-01-01",
        "
start small p1      => active small 2027-01-01..2027-02-01 1000
pay p2              => active small 2027-01-01..2027-02-01 1000 ahead
buy p2 1000         => DuplicateReference
buy p1 1000         => DuplicateReference
buy p3 500          => active small 2027-01-01..2027-02-01 1500 ahead
at 2027-02-01       => active small 2027-02-01..2027-03-01 1500
buy p2 1000         => DuplicateReference
pay p3              => DuplicateReference
refund p2           => active small 2027-02-01..2027-03-01 500
refund p3           => active small 2027-02-01..2027-03-01 0
",
    );
}

#[test]
fn a_period_is_not_paid_ahead_any_more_once_less_than_its_price_is_left_of_the_payment() {
    check(
        "2027-01-01",
        "
start small p1      => active small 2027-01-01..2027-02-01 1000
pay p2              => active small 2027-01-01..2027-02-01 1000 ahead
refund p2 1         => active small 2027-01-01..2027-02-01 1000
refund p2 999       => active small 2027-01-01..2027-02-01 1000
pay p3 1500         => active small 2027-01-01..2027-02-01 1500 ahead
refund p3 300       => active small 2027-01-01..2027-02-01 1200 ahead
refund p3 200       => active small 2027-01-01..2027-02-01 1000 ahead
refund p3 201       => active small 2027-01-01..2027-02-01 1000
pay p4 1500         => active small 2027-01-01..2027-02-01 1500 ahead
refund p1 900       => active small 2027-01-01..2027-02-01 600 ahead
refund p4 300       => active small 2027-01-01..2027-02-01 300 ahead
dispute p4 200      => active small 2027-01-01..2027-02-01 100 ahead suspended
dispute p4 1        => active small 2027-01-01..2027-02-01 100 suspended
at 2027-02-01       => past_due small 2027-01-01..2027-02-01 0 suspended
",
    );
}

#[test]
fn with_a_part_of_a_payment_goes_that_part_of_the_allowance_be_it_more_or_less_than_was_paid() {
    check(
        "2027-01-01",
        "
start large p1      => active large 2027-01-01..2027-02-01 5000
refund p1 400       => active large 2027-01-01..2027-02-01 4500
refund p1 3601      => AboveLeft { left: NanoUsd(3600) }
refund p1 1         => active large 2027-01-01..2027-02-01 4498
refund p1 3599      => active large 2027-01-01..2027-02-01 0
refund p1           => AboveLeft { left: NanoUsd(0) }
",
    );
    check(
        "2027-01-01",
        "
start meagre p1     => active meagre 2027-01-01..2027-02-01 200
refund p1 100       => active meagre 2027-01-01..2027-02-01 180
refund p1           => active meagre 2027-01-01..2027-02-01 0
end                 => ended - 2027-01-01..2027-02-01 0
start large p2      => active large 2027-01-01..2027-02-01 5000
dispute p2          => active large 2027-01-01..2027-02-01 0 suspended
",
    );
    let mut bench = bench("2027-01-01");
    act(&mut bench, &["start", "large", "p1"]).unwrap();
    bench.admit(1, 4_000, 4_000).unwrap();
    let back = TransferKind::Refund { payment: "p1".into(), amount: None };
    let back = tell(&mut bench, "back", back).unwrap();
    assert_eq!((back.asked, back.moved), (nano(4_000), nano(1_000)));
    assert_eq!(back.credit, Some(nano(5_000)));
    bench.settle(1, 1_500).unwrap();
    act(&mut bench, &["at", "2027-01-01"]).unwrap();
    assert_eq!(standing(&bench), "active large 2027-01-01..2027-02-01 0");
    assert_eq!(bench.machine.account().taken_back(), (nano(3_500), nano(0)));
}

#[test]
fn what_is_paid_above_what_is_due_is_paid_credit_of_the_same_payment() {
    check(
        "2027-01-01",
        "
start small p1 50000 => active small 2027-01-01..2027-02-01 50000
at 2027-01-16T12:00:00Z => active small 2027-01-01..2027-02-01 50000
change large p2 1600 => active large 2027-01-01..2027-02-01 52100
pay p3 4007         => active large 2027-01-01..2027-02-01 52107 ahead
at 2027-02-01       => active large 2027-02-01..2027-03-01 54107
refund p3 7         => active large 2027-02-01..2027-03-01 54100
refund p3 4001      => AboveLeft { left: NanoUsd(4000) }
refund p3           => active large 2027-02-01..2027-03-01 49100
refund p1 48000     => active large 2027-02-01..2027-03-01 1100
dispute p1          => active large 2027-02-01..2027-03-01 100 suspended
at 2027-03-01       => past_due large 2027-02-01..2027-03-01 100 suspended
pay p4 4500         => active large 2027-03-01..2027-04-01 5600 suspended
end                 => ended - 2027-03-01..2027-04-01 5600 suspended
",
    );
}

fn back(grant: u32, amount: Option<i64>) -> TransferKind {
    TransferKind::GrantRefund { grant: GrantId(grant), amount: amount.map(nano) }
}

#[test]
fn an_allowance_that_nobody_paid_for_is_not_paid_back_even_where_allowances_are() {
    let mut bench = bench("2027-01-01");
    let mut rules = CreditRules::default();
    rules.set(GrantKind::Subscription, KindRule { models: Vec::new(), refundable: true });
    bench.machine.set_rules(Arc::new(rules));
    act(&mut bench, &["start", "gift"]).unwrap();
    assert_eq!(tell(&mut bench, "r1", back(1, None)), Err(Denial::NotRefundable));
    assert_eq!(tell(&mut bench, "r2", back(1, Some(1))), Err(Denial::NotRefundable));
    act(&mut bench, &["end"]).unwrap();
    act(&mut bench, &["start", "meagre", "p1"]).unwrap();
    let done = tell(&mut bench, "r3", back(2, None)).unwrap();
    assert_eq!((done.asked, done.moved), (nano(1_000), nano(200)));
}

#[test]
fn what_may_not_be_paid_back_may_not_when_it_is_used_up_either() {
    let mut bench = bench("2027-01-01");
    act(&mut bench, &["start", "large", "p1"]).unwrap();
    assert_eq!(tell(&mut bench, "r1", back(1, Some(4_000))), Err(Denial::NotRefundable));
    bench.admit(1, 5_000, 5_000).unwrap();
    bench.settle(1, 5_000).unwrap();
    assert_eq!(tell(&mut bench, "r2", back(1, Some(4_000))), Err(Denial::NotRefundable));
}

#[test]
fn no_two_allowances_that_nobody_paid_for_are_given_for_the_same_time() {
    check(
        "2027-01-01",
        "
start gift          => active gift 2027-01-01..2027-02-01 100
end                 => ended - 2027-01-01..2027-02-01 100
start gift          => active gift 2027-01-01..2027-02-01 100
end                 => ended - 2027-01-01..2027-02-01 100
at 2027-01-16       => ended - 2027-01-01..2027-02-01 100
start gift          => active gift 2027-01-16..2027-02-16 100
at 2027-02-01       => active gift 2027-01-16..2027-02-16 0
at 2027-02-16       => active gift 2027-02-16..2027-03-16 100
end                 => ended - 2027-02-16..2027-03-16 100
start small p1      => active small 2027-02-16..2027-03-16 1100
end                 => ended - 2027-02-16..2027-03-16 1100
start gift          => active gift 2027-02-16..2027-03-16 1100
end                 => ended - 2027-02-16..2027-03-16 1100
at 2027-03-16       => ended - 2027-02-16..2027-03-16 0
start gift          => active gift 2027-03-16..2027-04-16 100
",
    );
}

#[test]
fn what_is_paid_for_a_plan_that_costs_nothing_is_all_credit_of_its_own_and_buys_no_allowance() {
    check(
        "2027-01-01",
        "
start gift p1 50    => active gift 2027-01-01..2027-02-01 150
refund p1           => active gift 2027-01-01..2027-02-01 100
end                 => ended - 2027-01-01..2027-02-01 100
start gift p2 50    => active gift 2027-01-01..2027-02-01 150
pay p3 70           => active gift 2027-01-01..2027-02-01 220 ahead
at 2027-02-01       => active gift 2027-02-01..2027-03-01 220
refund p3           => active gift 2027-02-01..2027-03-01 150
refund p2           => active gift 2027-02-01..2027-03-01 100
",
    );
}

#[test]
fn a_dearer_plan_waits_for_the_next_period_once_something_of_the_presents_payment_went_back() {
    check(
        "2027-01-01",
        "
start meagre p1     => active meagre 2027-01-01..2027-02-01 200
refund p1 1         => active meagre 2027-01-01..2027-02-01 199
change large p2     => NothingDue
change large        => active meagre 2027-01-01..2027-02-01 199 then large
end                 => ended - 2027-01-01..2027-02-01 199
at 2027-01-02       => ended - 2027-01-01..2027-02-01 199
start small p3 1500 => active small 2027-01-02..2027-02-02 1699
refund p3 500       => active small 2027-01-02..2027-02-02 1199
pay p4              => active small 2027-01-02..2027-02-02 1199 ahead
refund p4           => active small 2027-01-02..2027-02-02 1199
change large p5     => active large 2027-01-02..2027-02-02 5199
",
    );
    // Paid ahead.
    check(
        "2027-01-01",
        "
start small p1      => active small 2027-01-01..2027-02-01 1000
refund p1           => active small 2027-01-01..2027-02-01 0
pay p2              => active small 2027-01-01..2027-02-01 0 ahead
at 2027-02-01       => active small 2027-02-01..2027-03-01 1000
change large p3     => active large 2027-02-01..2027-03-01 5000
refund p2           => active large 2027-02-01..2027-03-01 4000
dispute p3          => active large 2027-02-01..2027-03-01 0 suspended
at 2027-03-01       => past_due large 2027-02-01..2027-03-01 0 suspended
",
    );
    check(
        "2027-01-01",
        "
start small p1      => active small 2027-01-01..2027-02-01 1000
pay p2              => active small 2027-01-01..2027-02-01 1000 ahead
refund p2           => active small 2027-01-01..2027-02-01 1000
change large p3     => active large 2027-01-01..2027-02-01 5000
pay p4              => active large 2027-01-01..2027-02-01 5000 ahead
at 2027-02-01       => active large 2027-02-01..2027-03-01 5000
refund p4 1         => active large 2027-02-01..2027-03-01 4998
",
    );
    check(
        "2027-01-01",
        "
start small p1      => active small 2027-01-01..2027-02-01 1000
pay p2              => active small 2027-01-01..2027-02-01 1000 ahead
at 2027-02-01       => active small 2027-02-01..2027-03-01 1000
at 2027-02-02       => active small 2027-02-01..2027-03-01 1000
dispute p2 1        => active small 2027-02-01..2027-03-01 999 suspended
change large p3     => NothingDue
",
    );
}
