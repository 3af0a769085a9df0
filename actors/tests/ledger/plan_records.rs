//! The format of the events of plans and subscriptions, held by bytes. These never change.

use infergate_actors::account::{
    Allowance, BillingPeriod, Contract, Event, Limits, NextTerms, Offer, Overrides, PlanEvent,
    SubscriptionChange, SubscriptionEvent, SubscriptionPayment, SubscriptionState,
    SubscriptionStep,
};
use infergate_actors::id::{AccountId, GrantId};
use infergate_actors::ledger::{Digest, Record};
use infergate_actors::money::{Markup, NanoUsd};

const RECORDS: [&str; 6] = [
    "048580808080808001016db7d803e74f1ffa7d8f5adc0bf95b3efba0f1c2b134180001047465616d",
    "048580808080808001026db7d803e74f1ffa7d8f5adc0bf95b3efba0f1c2b134180000",
    "048580808080808001036db7d803e74f1ffa7d8f5adc0bf95b3efba0f1c2b13418010101d804000001010573696d2d2a01a0f736",
    "048580808080808001046db7d803e74f1ffa7d8f5adc0bf95b3efba0f1c2b1341802809f49",
    "048580808080808001056db7d803e74f1ffa7d8f5adc0bf95b3efba0f1c2b13419000180e885c0bb3400047465616d0a0e0080a8cc7b0080a0f1c2b1340180a0f1c2b13480e885c0bb34000001056576745f31057061795f310a01030e01057061795f31",
    "048580808080808001066db7d803e74f1ffa7d8f5adc0bf95b3efba0f1c2b1341900000b047465616d0a0e0080a8cc7b0480a0f1c2b1340180a0f1c2b13480e885c0bb340105736d616c6c040e011e80a8cc7b01057061795f320000",
];

fn bytes(hex: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(byte).collect()
}

fn events() -> [Event; 6] {
    let plan = |event| Event::Plan(Box::new(event));
    let limits = Some(Limits { requests_per_minute: Some(600), ..Limits::default() });
    let models = Some(vec!["sim-*".to_owned()]);
    let offer = |price, period| Offer {
        price: NanoUsd::from_nano(price),
        allowance: NanoUsd::from_nano(7),
        period,
        grace_ms: 259_200_000,
    };
    let contract = Contract {
        plan: "team".into(),
        offer: offer(5, BillingPeriod::Month),
        state: SubscriptionState::Active,
        anchor_ms: 1_800_000_000_000,
        period: 1,
        from_ms: 1_800_000_000_000,
        to_ms: 1_802_678_400_000,
        next: None,
        ahead: None,
    };
    let started = SubscriptionChange {
        due_at_ms: Some(1_802_678_400_000),
        step: SubscriptionStep::Started,
        contract: contract.clone(),
        payment: Some(SubscriptionPayment {
            id: "evt_1".into(),
            payment: "pay_1".into(),
            amount: NanoUsd::from_nano(5),
        }),
        allowance: Some(Allowance {
            grant: GrantId(3),
            amount: NanoUsd::from_nano(7),
            payment: Some("pay_1".into()),
        }),
        surplus: None,
    };
    let next = NextTerms { plan: "small".into(), offer: offer(2, BillingPeriod::Days(30)) };
    let ended = SubscriptionChange {
        due_at_ms: None,
        step: SubscriptionStep::Ended,
        contract: Contract {
            state: SubscriptionState::Ended,
            next: Some(next),
            ahead: Some("pay_2".into()),
            ..contract
        },
        payment: None,
        allowance: None,
        surplus: None,
    };
    let changed = |change| Event::Subscription(Box::new(SubscriptionEvent::Changed(change)));
    [
        plan(PlanEvent::Assigned { plan: Some("team".into()) }),
        plan(PlanEvent::Assigned { plan: None }),
        plan(PlanEvent::Overridden(Overrides { limits, models, markup: Some(Markup(900_000)) })),
        plan(PlanEvent::Priced { markup: Markup(1_200_000) }),
        changed(started),
        changed(ended),
    ]
}

#[test]
fn the_events_of_plans_and_subscriptions_read_as_they_have_always_read() {
    for ((number, hex), event) in (1..).zip(RECORDS).zip(events()) {
        let previous = Digest::of(b"before");
        let account = AccountId::new(2, 5);
        let record = Record { account, number, previous, at_ms: 1_800_000_000_123, event };
        // These bytes say version 4, what is written today says 5 and ends with what that has.
        let lacking: &[u8] =
            if matches!(record.event, Event::Subscription(_)) { &[0] } else { &[] };
        assert_eq!(record.encode().get(1..), [&bytes(hex)[1..], lacking].concat().get(..));
        assert_eq!(Record::decode(&bytes(hex)), Ok(record));
        for more in [&[0_u8][..], &[0, 0], &[1, 4, 2, 0]] {
            let longer = [bytes(hex).as_slice(), more].concat();
            assert!(Record::decode(&longer).is_err(), "{hex} and {more:?}");
        }
    }
}

#[test]
fn what_was_paid_above_what_was_due_reads_as_it_has_always_read() {
    let Some(Event::Subscription(event)) = events().into_iter().nth(4) else { panic!() };
    let SubscriptionEvent::Changed(change) = *event;
    let (grant, payment) = (GrantId(4), Some("pay_1".to_owned()));
    let surplus = Some(Allowance { grant, amount: NanoUsd::from_nano(9), payment });
    let change = SubscriptionChange { surplus, ..change };
    let event = Event::Subscription(Box::new(SubscriptionEvent::Changed(change)));
    let (account, previous) = (AccountId::new(2, 5), Digest::of(b"before"));
    let record = Record { account, number: 5, previous, at_ms: 1_800_000_000_123, event };
    // As version 4, but for the version and what is at the end.
    let bytes = bytes(RECORDS[4]);
    let bytes = [&[5], &bytes[1..], &[1, 4, 18, 1, 5], b"pay_1"].concat();
    assert_eq!(record.encode(), bytes);
    assert_eq!(Record::decode(&bytes), Ok(record));
}

#[test]
fn each_step_has_its_place_in_the_format() {
    let steps = [
        SubscriptionStep::Started,
        SubscriptionStep::Renewed,
        SubscriptionStep::PaidAhead,
        SubscriptionStep::PaymentFailed,
        SubscriptionStep::PaymentReturned,
        SubscriptionStep::PastDue,
        SubscriptionStep::Overdue,
        SubscriptionStep::PlanChanged,
        SubscriptionStep::ChangePlanned,
        SubscriptionStep::Cancelled,
        SubscriptionStep::CancelUndone,
        SubscriptionStep::Ended,
    ];
    for (place, step) in (0..).zip(steps) {
        assert_eq!(postcard::to_stdvec(&step).unwrap(), [place], "{step:?}");
    }
    let states = [
        SubscriptionState::Active,
        SubscriptionState::Cancelled,
        SubscriptionState::PastDue,
        SubscriptionState::Overdue,
        SubscriptionState::Ended,
    ];
    for (place, state) in (0..).zip(states) {
        assert_eq!(postcard::to_stdvec(&state).unwrap(), [place], "{state:?}");
    }
}
