//! Subscriptions, by scripts: each line an act, and how the subscription stands behind it.

use std::sync::Arc;

use infergate_actors::account::{
    BillingPeriod, Denial, Limits, Movement, Offer, Order, PaidBy, PlanTerms, Plans, Status,
    SubscriptionOrder, SubscriptionState, Transfer, TransferKind,
};
use infergate_actors::clock::Now;
use infergate_actors::ledger::Batch;
use infergate_actors::money::NanoUsd;
use jiff::Timestamp;

use crate::bench::{Bench, denial, set_status};

pub(crate) fn nano(nano: i64) -> NanoUsd {
    NanoUsd::from_nano(nano)
}

fn plan(name: &str, price: i64, allowance: i64, period: BillingPeriod) -> PlanTerms {
    let offer =
        Offer { price: nano(price), allowance: nano(allowance), period, grace_ms: 3 * 86_400_000 };
    PlanTerms { name: name.into(), offer: Some(offer), ..PlanTerms::default() }
}

/// What there is to subscribe to: prices and allowances are those of the names.
pub(crate) fn plans() -> Plans {
    let month = BillingPeriod::Month;
    let plans = vec![
        plan("small", 1_000, 1_000, month),
        plan("large", 4_000, 5_000, month),
        plan("gift", 0, 100, month),
        // As dear as the small one, and dearer; neither gives as much as the plan before it.
        plan("meagre", 1_000, 200, month),
        plan("fine", 2_000, 800, month),
        plan("weekly", 300, 250, BillingPeriod::Days(7)),
        PlanTerms { name: "unsold".into(), ..PlanTerms::default() },
    ];
    Plans::new(plans, None)
}

pub(crate) fn ms(text: &str) -> u64 {
    let text = if text.contains('T') { text.to_owned() } else { format!("{text}T00:00:00Z") };
    let at: Timestamp = text.parse().unwrap();
    u64::try_from(at.as_millisecond()).unwrap()
}

fn day(at_ms: u64) -> String {
    let at = Timestamp::from_millisecond(i64::try_from(at_ms).unwrap()).unwrap();
    at.to_string().replace("T00:00:00Z", "")
}

pub(crate) fn bench(at: &str) -> Bench {
    bench_writing(at, &mut Batch::new())
}

/// An account that may subscribe, and what its opening wrote.
pub(crate) fn bench_writing(at: &str, batch: &mut Batch) -> Bench {
    let mut bench = Bench::opened(Limits::default(), Limits::default(), batch);
    bench.machine.set_plans(Arc::new(plans()), bench.now);
    bench.now = Now { wall_ms: ms(at), ..bench.now };
    bench
}

pub(crate) fn tell(bench: &mut Bench, id: &str, what: TransferKind) -> Result<Movement, Denial> {
    let transfer = Transfer { id: id.to_owned(), what };
    denial(bench.machine.transfer(&transfer, bench.now, &mut Batch::new()))
}

pub(crate) fn paid_by(payment: &str, amount: Option<i64>) -> PaidBy {
    let (id, payment) = (format!("evt {payment}"), payment.to_owned());
    PaidBy { id, payment, amount: amount.map(nano) }
}

/// Carries out one act of a script.
pub(crate) fn act(bench: &mut Bench, words: &[&str]) -> Result<(), Denial> {
    let order = |order| Order::Subscription(Box::new(order));
    let amount = |text: &str| Some(text.parse().unwrap());
    let paid = |rest: &[&str]| match *rest {
        [] => None,
        [payment] => Some(paid_by(payment, None)),
        [payment, sum] => Some(paid_by(payment, amount(sum))),
        _ => panic!("{rest:?}"),
    };
    match *words {
        ["start", name, ref rest @ ..] => {
            bench.order(&order(SubscriptionOrder::Start { plan: name.into(), paid: paid(rest) }))
        }
        ["change", name, ref rest @ ..] => {
            bench.order(&order(SubscriptionOrder::Change { plan: name.into(), paid: paid(rest) }))
        }
        ["end"] => bench.order(&order(SubscriptionOrder::CancelNow)),
        ["cancel"] => bench.order(&order(SubscriptionOrder::CancelAtPeriodEnd(true))),
        ["undo"] => bench.order(&order(SubscriptionOrder::CancelAtPeriodEnd(false))),
        ["pay", payment, ref rest @ ..] => {
            let amount = rest.first().map(|sum| nano(sum.parse().unwrap()));
            let what = TransferKind::SubscriptionPaid { payment: payment.into(), amount };
            tell(bench, &format!("evt {payment}"), what).map(drop)
        }
        ["buy", payment, sum] => {
            let (payment, amount) = (payment.to_owned(), nano(sum.parse().unwrap()));
            let id = format!("buys {payment}");
            let what = TransferKind::Payment { payment, amount, expires_at_ms: None, top_up: None };
            tell(bench, &id, what).map(drop)
        }
        ["fail", payment] => {
            let what = TransferKind::SubscriptionFailed { payment: payment.into() };
            tell(bench, &format!("failed {payment}"), what).map(drop)
        }
        ["refund", payment, ref rest @ ..] => {
            let (payment, amount) =
                (payment.into(), rest.first().map(|sum| nano(sum.parse().unwrap())));
            let what = TransferKind::Refund { payment, amount };
            tell(bench, &words.join(" "), what).map(drop)
        }
        ["dispute", payment, ref rest @ ..] => {
            let (payment, amount) =
                (payment.into(), rest.first().map(|sum| nano(sum.parse().unwrap())));
            let what = TransferKind::Dispute { payment, amount };
            tell(bench, &words.join(" "), what).map(drop)
        }
        ["status", status] => bench.order(&set_status(match status {
            "active" => Status::Active,
            "restricted" => Status::Restricted,
            "suspended" => Status::Suspended,
            "closed" => Status::Closed,
            other => panic!("{other}"),
        })),
        ["at", when] => {
            bench.now.wall_ms = ms(when);
            bench.machine.lapse(bench.now, &mut Batch::new()).unwrap();
            Ok(())
        }
        _ => panic!("{words:?}"),
    }
}

/// State, plan, period, credit, and the account's own status.
pub(crate) fn standing(bench: &Bench) -> String {
    let account = bench.machine.account();
    let credit = account.totals().remaining.nano();
    let status = match denial_of(bench) {
        Some(class) => format!(" {class}"),
        None => String::new(),
    };
    let Some(contract) = account.subscription() else { return format!("none {credit}{status}") };
    let (state, plan) = (contract.state.as_str(), account.plan().unwrap_or("-"));
    let next = contract.next.as_ref().map(|next| format!(" then {}", next.plan));
    let ahead = if contract.ahead.is_some() { " ahead" } else { "" };
    let span = format!("{}..{}", day(contract.from_ms), day(contract.to_ms));
    format!("{state} {plan} {span} {credit}{}{ahead}{status}", next.unwrap_or_default())
}

/// In one word, whether the account is restricted or worse.
fn denial_of(bench: &Bench) -> Option<&'static str> {
    let mut copy = bench.copy();
    copy.machine.set_plans(Arc::new(plans()), copy.now);
    copy.grant(1, None, "a look").unwrap_or(());
    match copy.admit(u128::MAX, 1, 1).err()? {
        Denial::Restricted(_) => Some("restricted"),
        Denial::Suspended(_) => Some("suspended"),
        Denial::Closed => Some("closed"),
        other => panic!("{other:?}"),
    }
}

pub(crate) fn check(at: &str, script: &str) {
    let mut bench = bench(at);
    for line in script.lines().filter(|line| !line.trim().is_empty()) {
        let (acts, expected) = line.split_once("=>").unwrap();
        let words: Vec<&str> = acts.split_whitespace().collect();
        let found = match act(&mut bench, &words) {
            Ok(()) => standing(&bench),
            Err(denial) => format!("{denial:?}"),
        };
        assert_eq!(found, expected.trim(), "{line}");
        bench.restart();
        bench.machine.set_plans(Arc::new(plans()), bench.now);
    }
}

#[test]
fn a_period_is_paid_for_given_for_and_followed_by_the_next() {
    check(
        "2027-01-31",
        "
start small p1      => active small 2027-01-31..2027-02-28 1000
start small p1      => active small 2027-01-31..2027-02-28 1000
start large p2      => AlreadySubscribed
pay p1 2000         => ReusedId
at 2027-02-27       => active small 2027-01-31..2027-02-28 1000
pay p3              => active small 2027-01-31..2027-02-28 1000 ahead
pay p3              => active small 2027-01-31..2027-02-28 1000 ahead
pay p4              => PaidAhead
at 2027-02-28       => active small 2027-02-28..2027-03-31 1000
at 2027-03-30       => active small 2027-02-28..2027-03-31 1000
at 2027-03-31       => past_due small 2027-02-28..2027-03-31 0
pay p4              => active small 2027-03-31..2027-04-30 1000
pay p4              => active small 2027-03-31..2027-04-30 1000
",
    );
}

#[test]
fn what_is_not_paid_restricts_after_the_grace_and_is_lifted_by_a_payment() {
    check(
        "2027-01-01",
        "
start small p1      => active small 2027-01-01..2027-02-01 1000
fail p2             => active small 2027-01-01..2027-02-01 1000
at 2027-02-01       => past_due small 2027-01-01..2027-02-01 0
fail p2             => past_due small 2027-01-01..2027-02-01 0
at 2027-02-03       => past_due small 2027-01-01..2027-02-01 0
at 2027-02-04       => overdue small 2027-01-01..2027-02-01 0 restricted
pay p2 900          => Underpaid { due: NanoUsd(1000) }
pay p2              => active small 2027-02-01..2027-03-01 1000
at 2027-06-15       => overdue small 2027-02-01..2027-03-01 0 restricted
pay p3              => active small 2027-06-01..2027-07-01 1000
",
    );
}

#[test]
fn only_what_the_subscription_restricted_does_a_payment_lift() {
    check(
        "2027-01-01",
        "
start small p1      => active small 2027-01-01..2027-02-01 1000
status restricted   => active small 2027-01-01..2027-02-01 1000 restricted
at 2027-02-04       => overdue small 2027-01-01..2027-02-01 0 restricted
pay p2              => active small 2027-02-01..2027-03-01 1000 restricted
status active       => active small 2027-02-01..2027-03-01 1000
at 2027-03-04       => overdue small 2027-02-01..2027-03-01 0 restricted
status restricted   => overdue small 2027-02-01..2027-03-01 0 restricted
pay p3              => active small 2027-03-01..2027-04-01 1000 restricted
status active       => active small 2027-03-01..2027-04-01 1000
at 2027-04-04       => overdue small 2027-03-01..2027-04-01 0 restricted
dispute p3          => overdue small 2027-03-01..2027-04-01 0 suspended
pay p4              => active small 2027-04-01..2027-05-01 1000 suspended
",
    );
}

#[test]
fn a_grace_that_ends_while_something_else_restricts_is_not_slept_through() {
    check(
        "2027-01-01",
        "
start small p1      => active small 2027-01-01..2027-02-01 1000
status suspended    => active small 2027-01-01..2027-02-01 1000 suspended
at 2027-02-04       => overdue small 2027-01-01..2027-02-01 0 suspended
status active       => overdue small 2027-01-01..2027-02-01 0 restricted
status active       => overdue small 2027-01-01..2027-02-01 0
status active       => overdue small 2027-01-01..2027-02-01 0
status suspended    => overdue small 2027-01-01..2027-02-01 0 suspended
status restricted   => overdue small 2027-01-01..2027-02-01 0 restricted
status active       => overdue small 2027-01-01..2027-02-01 0 restricted
pay p2              => active small 2027-02-01..2027-03-01 1000
status suspended    => active small 2027-02-01..2027-03-01 1000 suspended
at 2027-03-04       => overdue small 2027-02-01..2027-03-01 0 suspended
pay p3              => active small 2027-03-01..2027-04-01 1000 suspended
status active       => active small 2027-03-01..2027-04-01 1000
",
    );
}

#[test]
fn cancelling_what_is_overdue_lifts_the_restriction_that_is_its_own_and_no_other() {
    check(
        "2027-01-01",
        "
start small p1      => active small 2027-01-01..2027-02-01 1000
at 2027-02-04       => overdue small 2027-01-01..2027-02-01 0 restricted
cancel              => ended - 2027-01-01..2027-02-01 0
cancel              => NoSubscription
start small p2      => active small 2027-02-04..2027-03-04 1000
at 2027-03-07       => overdue small 2027-02-04..2027-03-04 0 restricted
status restricted   => overdue small 2027-02-04..2027-03-04 0 restricted
cancel              => ended - 2027-02-04..2027-03-04 0 restricted
start small p3      => active small 2027-03-07..2027-04-07 1000 restricted
",
    );
}

#[test]
fn a_dearer_plan_begins_at_once_and_any_other_with_the_next_period() {
    check(
        "2027-01-01",
        "
start small p1      => active small 2027-01-01..2027-02-01 1000
at 2027-01-16T12:00:00Z => active small 2027-01-01..2027-02-01 1000
change large        => Underpaid { due: NanoUsd(1500) }
change large p2 1499 => Underpaid { due: NanoUsd(1500) }
change large p2     => active large 2027-01-01..2027-02-01 3000
change large p2     => active large 2027-01-01..2027-02-01 3000
change small p3     => NothingDue
change small        => active large 2027-01-01..2027-02-01 3000 then small
change large        => active large 2027-01-01..2027-02-01 3000
change weekly       => active large 2027-01-01..2027-02-01 3000 then weekly
pay p3 299          => Underpaid { due: NanoUsd(300) }
pay p3              => active large 2027-01-01..2027-02-01 3000 then weekly ahead
change small        => PaidAhead
cancel              => PaidAhead
at 2027-02-01       => active weekly 2027-02-01..2027-02-08 250
at 2027-02-08       => past_due weekly 2027-02-01..2027-02-08 0
change large        => past_due weekly 2027-02-01..2027-02-08 0 then large
pay p4 300          => Underpaid { due: NanoUsd(4000) }
pay p4              => active large 2027-02-08..2027-03-08 5000
change unsold       => NoOffer
change nowhere      => UnknownPlan
",
    );
}

#[test]
fn going_to_a_plan_that_gives_less_and_back_gives_nothing_again() {
    check(
        "2027-01-01",
        "
start meagre p1     => active meagre 2027-01-01..2027-02-01 200
change small p2     => NothingDue
change small        => active meagre 2027-01-01..2027-02-01 200 then small
change meagre       => active meagre 2027-01-01..2027-02-01 200
change small        => active meagre 2027-01-01..2027-02-01 200 then small
pay p2              => active meagre 2027-01-01..2027-02-01 200 then small ahead
at 2027-02-01       => active small 2027-02-01..2027-03-01 1000
change meagre       => active small 2027-02-01..2027-03-01 1000 then meagre
change small        => active small 2027-02-01..2027-03-01 1000
change fine p3      => NothingDue
change fine         => active small 2027-02-01..2027-03-01 1000 then fine
change large p3     => active large 2027-02-01..2027-03-01 5000
",
    );
}

#[test]
fn a_cancelled_subscription_ends_with_its_period_unless_that_is_undone() {
    check(
        "2027-01-01",
        "
cancel              => NoSubscription
pay p0              => NoSubscription
fail p0             => NoSubscription
start small p1      => active small 2027-01-01..2027-02-01 1000
cancel              => cancelled small 2027-01-01..2027-02-01 1000
cancel              => cancelled small 2027-01-01..2027-02-01 1000
pay p2              => SubscriptionEnds
change large p2     => SubscriptionEnds
undo                => active small 2027-01-01..2027-02-01 1000
undo                => active small 2027-01-01..2027-02-01 1000
cancel              => cancelled small 2027-01-01..2027-02-01 1000
at 2027-02-01       => ended - 2027-01-01..2027-02-01 0
undo                => NoSubscription
pay p2              => NoSubscription
start large p3      => active large 2027-02-01..2027-03-01 5000
at 2027-03-04       => overdue large 2027-02-01..2027-03-01 0 restricted
cancel              => ended - 2027-02-01..2027-03-01 0
start small p3      => ReusedId
start small p4      => active small 2027-03-04..2027-04-04 1000
",
    );
}

#[test]
fn what_costs_nothing_renews_by_itself_and_gives_nothing_for_what_has_passed() {
    check(
        "2027-01-01",
        "
start gift          => active gift 2027-01-01..2027-02-01 100
at 2027-02-01       => active gift 2027-02-01..2027-03-01 100
at 2027-07-20       => active gift 2027-07-01..2027-08-01 100
change small        => Underpaid { due: NanoUsd(388) }
status closed       => active gift 2027-07-01..2027-08-01 100 closed
at 2027-08-01       => ended - 2027-07-01..2027-08-01 0 closed
",
    );
}

#[test]
fn what_is_past_due_or_overdue_goes_on_at_once_with_a_plan_that_costs_nothing() {
    check(
        "2027-01-01",
        "
start small p1      => active small 2027-01-01..2027-02-01 1000
change gift         => active small 2027-01-01..2027-02-01 1000 then gift
change small        => active small 2027-01-01..2027-02-01 1000
at 2027-02-02       => past_due small 2027-01-01..2027-02-01 0
change gift p2      => NothingDue
change gift         => active gift 2027-02-01..2027-03-01 100
change gift         => active gift 2027-02-01..2027-03-01 100
at 2027-03-05       => active gift 2027-03-01..2027-04-01 100
change weekly       => active gift 2027-03-01..2027-04-01 100 then weekly
at 2027-04-02       => past_due gift 2027-03-01..2027-04-01 0 then weekly
change gift         => active gift 2027-04-01..2027-05-01 100
change weekly       => active gift 2027-04-01..2027-05-01 100 then weekly
at 2027-05-04       => overdue gift 2027-04-01..2027-05-01 0 then weekly restricted
change gift         => active gift 2027-05-01..2027-06-01 100
",
    );
}

#[test]
fn an_operator_ends_a_subscription_at_once() {
    check(
        "2027-01-01",
        "
end                 => NoSubscription
start large p1      => active large 2027-01-01..2027-02-01 5000
pay p2              => active large 2027-01-01..2027-02-01 5000 ahead
end                 => PaidAhead
refund p2           => active large 2027-01-01..2027-02-01 5000
refund p1           => active large 2027-01-01..2027-02-01 0
end                 => ended - 2027-01-01..2027-02-01 0
end                 => ended - 2027-01-01..2027-02-01 0
start small p3      => active small 2027-01-01..2027-02-01 1000
cancel              => cancelled small 2027-01-01..2027-02-01 1000
end                 => ended - 2027-01-01..2027-02-01 1000
start small p4      => active small 2027-01-01..2027-02-01 2000
at 2027-02-04       => overdue small 2027-01-01..2027-02-01 0 restricted
end                 => ended - 2027-01-01..2027-02-01 0
",
    );
}

#[test]
fn an_allowance_is_given_whatever_else_was_given_under_its_name() {
    let mut bench = bench("2027-01-01");
    act(&mut bench, &["start", "small", "p1"]).unwrap();
    act(&mut bench, &["pay", "p2"]).unwrap();
    // No grant is what a payment that gives later is known by; it counts once.
    assert_eq!(bench.grant(5, None, "p2"), Err(Denial::DuplicateReference));
    bench.grant(5, None, "p3").unwrap();
    act(&mut bench, &["at", "2027-02-01"]).unwrap();
    assert_eq!(standing(&bench), "active small 2027-02-01..2027-03-01 1005");
    assert_eq!(act(&mut bench, &["pay", "p3"]), Err(Denial::DuplicateReference));
    act(&mut bench, &["cancel"]).unwrap();
    act(&mut bench, &["at", "2027-03-01"]).unwrap();
    let next = bench.machine.account().number() + 1;
    bench.grant(5, None, &format!("subscription {}", next + 1)).unwrap();
    act(&mut bench, &["start", "gift"]).unwrap();
    assert_eq!(standing(&bench), "active gift 2027-03-01..2027-04-01 110");
}

#[test]
fn a_subscription_counts_as_a_payment_and_its_allowance_lapses_with_its_period() {
    let mut bench = bench("2027-01-01");
    assert!(!bench.machine.account().has_paid());
    act(&mut bench, &["start", "gift"]).unwrap();
    assert!(!bench.machine.account().has_paid());
    act(&mut bench, &["at", "2027-02-01"]).unwrap();
    act(&mut bench, &["change", "large", "p1", "4000"]).unwrap();
    assert!(bench.machine.account().has_paid());
    // A hold keeps what it was promised past the end, and no more.
    bench.admit(1, 700, 700).unwrap();
    act(&mut bench, &["at", "2027-03-01"]).unwrap();
    assert_eq!(bench.machine.account().totals().remaining.nano(), 700);
    assert!(matches!(bench.admit(2, 1, 1), Err(Denial::InsufficientCredit { .. })));
    bench.settle(1, 300).unwrap();
    act(&mut bench, &["at", "2027-03-01T00:00:01Z"]).unwrap();
    let account = bench.machine.account();
    assert_eq!(account.totals().remaining, NanoUsd::ZERO);
    assert_eq!(account.subscription().unwrap().state, SubscriptionState::PastDue);
}
