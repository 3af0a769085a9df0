//! The people of an account.

use std::time::Duration;

use infergate_actors::account::{
    Budget, By, Denial, Limits, Member, MemberChange, MemberOrder, MemberStatus, NewKey, NewMember,
    Order, Period, Role, SignUp, TrialGrant,
};
use infergate_actors::id::{KeyHash, KeyId, MemberId};
use infergate_actors::money::NanoUsd;
use proptest::prelude::*;

use crate::bench::Bench;

fn bench() -> Bench {
    Bench::new(Limits::default(), Limits::default())
}

pub(crate) fn by(role: Option<Role>) -> By {
    By { name: "tester".into(), role }
}

pub(crate) fn add(email: &str, role: Role, is_active: bool, by: By) -> Order {
    let new = NewMember { email: email.parse().unwrap(), name: "n".into(), role, is_active };
    Order::Member(Box::new(MemberOrder::Add(new, by)))
}

fn change(member: u32, change: MemberChange, by: By) -> Order {
    Order::Member(Box::new(MemberOrder::Change(MemberId(member), vec![change], by)))
}

pub(crate) fn remove(member: u32, revoke_keys: bool, by: By) -> Order {
    let (member, reason) = (MemberId(member), "left".into());
    Order::Member(Box::new(MemberOrder::Remove { member, revoke_keys, reason, by }))
}

pub(crate) fn key(number: u8) -> NewKey {
    NewKey {
        hash: KeyHash([number; 32]),
        hint: "abcd".into(),
        name: "k".into(),
        models: Vec::new(),
        expires_at_ms: None,
        limits: Limits::default(),
        rest: Vec::new(),
    }
}

#[test]
fn an_account_with_people_always_has_an_owner_who_has_come() {
    let mut bench = bench();
    let first = add("dev@example.com", Role::Developer, true, by(None));
    assert_eq!(bench.order(&first), Err(Denial::LastOwner), "an owner comes first");
    bench.order(&add("ada@example.com", Role::Owner, true, by(None))).unwrap();
    bench.order(&first).unwrap();
    bench.order(&add("bob@example.com", Role::Owner, false, by(None))).unwrap();
    for order in [
        remove(1, false, by(None)),
        change(1, MemberChange::Role(Role::Admin), by(Some(Role::Owner))),
    ] {
        assert_eq!(bench.order(&order), Err(Denial::LastOwner), "the other has not come");
    }
    bench.order(&change(3, MemberChange::Activated, by(None))).unwrap();
    bench.order(&remove(1, false, by(None))).unwrap();
    bench.restart();
    assert_eq!(bench.order(&remove(1, false, by(None))), Err(Denial::UnknownMember));
    bench.order(&add("ada@example.com", Role::ReadOnly, true, by(None))).unwrap();
    let again = add("ada@example.com", Role::Admin, true, by(None));
    assert_eq!(bench.order(&again), Err(Denial::DuplicateMember));
}

#[test]
fn an_admin_has_nothing_to_do_with_owners() {
    let mut bench = bench();
    bench.order(&add("ada@example.com", Role::Owner, true, by(None))).unwrap();
    bench.order(&add("bob@example.com", Role::Admin, true, by(None))).unwrap();
    let admin = || by(Some(Role::Admin));
    let denied = Err(Denial::RoleTooHigh);
    for order in [
        add("eve@example.com", Role::Owner, true, admin()),
        change(1, MemberChange::Name("x".into()), admin()),
        change(2, MemberChange::Role(Role::Owner), admin()),
        remove(1, false, admin()),
        add("eve@example.com", Role::ReadOnly, true, by(Some(Role::Developer))),
    ] {
        assert_eq!(bench.order(&order), denied, "{order:?}");
    }
    bench.order(&add("dev@example.com", Role::Admin, true, admin())).unwrap();
    bench.order(&change(3, MemberChange::Role(Role::Developer), admin())).unwrap();
}

#[test]
fn the_keys_that_somebody_made_go_with_them_where_that_is_asked_for() {
    let mut bench = bench();
    bench.order(&add("ada@example.com", Role::Owner, true, by(None))).unwrap();
    bench.order(&add("bob@example.com", Role::Developer, true, by(None))).unwrap();
    for (member, number) in [(1, 20), (2, 21), (2, 22)] {
        bench.order(&Order::CreateKeyFor(MemberId(member), Box::new(key(number)))).unwrap();
    }
    let nobody = Order::CreateKeyFor(MemberId(9), Box::new(key(23)));
    assert_eq!(bench.order(&nobody), Err(Denial::UnknownMember));
    bench.order(&remove(2, true, by(None))).unwrap();
    bench.restart();
    let keys = bench.machine.account().keys();
    let revoked: Vec<KeyId> =
        keys.iter().filter(|key| key.revoked_at_ms.is_some()).map(|key| key.id).collect();
    assert_eq!(revoked, [KeyId(3), KeyId(4)]);
}

#[test]
fn owners_set_budgets_below_the_operators_and_none_above() {
    let mut bench = bench();
    let budget = |period, usd| Budget { period, limit: NanoUsd::from_usd(usd) };
    let (month, day) = (|usd| budget(Period::Month, usd), |usd| budget(Period::Day, usd));
    let own = |budgets: Vec<Budget>| Order::SetOwnBudgets(budgets);
    bench.order(&Order::SetBudgets(vec![month(100)])).unwrap();
    bench.order(&own(vec![day(5), month(50)])).unwrap();
    bench.order(&own(vec![day(70), month(100)])).unwrap();
    let above = Err(Denial::AboveCeiling { period: Period::Month, limit: NanoUsd::from_usd(100) });
    assert_eq!(bench.order(&own(vec![month(101)])), above);
    assert_eq!(bench.order(&own(vec![day(1)])), above, "it may not be taken away either");
    bench.order(&own(vec![month(30)])).unwrap();
    // What the operator leaves as it is stays whose it was; what it sets is its own.
    bench.order(&Order::SetBudgets(vec![day(9), month(30)])).unwrap();
    bench.restart();
    assert_eq!(bench.machine.account().budget_ceilings(), [day(9), month(100)]);
    bench.order(&own(vec![day(9), month(99)])).unwrap();
    bench.order(&Order::SetBudgets(Vec::new())).unwrap();
    bench.order(&own(vec![month(1_000)])).unwrap();
    bench.order(&own(Vec::new())).unwrap();
}

#[test]
fn a_sign_up_is_one_piece_and_only_the_same_request_gets_another_secret() {
    let now = Bench::new(Limits::default(), Limits::default()).now;
    let account = infergate_actors::account::Account::new(infergate_actors::id::AccountId(7));
    let mut bench = Bench { machine: infergate_actors::account::Machine::new(account, now), now };
    let wish_of = |name: &str, email: &str, secret, request: Option<u8>| {
        Order::SignUp(Box::new(SignUp {
            name: name.into(),
            email: email.parse().unwrap(),
            key: key(secret),
            trial: Some(TrialGrant { amount: NanoUsd::from_usd(5), expires_at_ms: None }),
            invite: None,
            request: request.map(|byte| KeyHash([byte; 32])),
        }))
    };
    let wish = |secret, request| wish_of("ACME", "ada@example.com", secret, request);
    bench.order(&wish(1, Some(40))).unwrap();
    let number = bench.machine.account().number();
    // Asked again after a breakdown, it is done.
    bench.order(&wish(1, Some(40))).unwrap();
    bench.order(&wish(1, None)).unwrap();
    assert_eq!(bench.machine.account().number(), number);
    for other in [None, Some(41)] {
        assert_eq!(bench.order(&wish(2, other)), Err(Denial::EmailTaken));
    }
    for (name, email) in [("Other", "ada@example.com"), ("ACME", "ada+1@example.com")] {
        let other = wish_of(name, email, 2, Some(40));
        assert_eq!(bench.order(&other), Err(Denial::RequestReused));
    }
    bench.order(&wish(3, Some(40))).unwrap();
    bench.restart();
    let account = bench.machine.account();
    assert_eq!((account.keys().len(), account.keys()[0].hash), (1, KeyHash([3; 32])));
    assert_eq!(account.available(), NanoUsd::from_usd(5));
    bench.advance(Duration::from_hours(25));
    assert_eq!(bench.order(&wish(4, Some(40))), Err(Denial::EmailTaken));
}

/// Anything that may be asked, by anybody.
fn orders() -> impl Strategy<Value = Order> {
    let role = || prop::sample::select(Role::ALL.to_vec());
    let by = || prop::option::of(role()).prop_map(by);
    prop_oneof![
        (0..6_u8, role(), any::<bool>(), by()).prop_map(|(email, role, active, by)| {
            add(&format!("m{email}@example.com"), role, active, by)
        }),
        (1..9_u32, role(), by()).prop_map(|(member, role, by)| change(
            member,
            MemberChange::Role(role),
            by
        )),
        (1..9_u32, by()).prop_map(|(member, by)| change(member, MemberChange::Activated, by)),
        (1..9_u32, any::<bool>(), by()).prop_map(|(member, revoke, by)| remove(member, revoke, by)),
        (1..9_u32, any::<u8>())
            .prop_map(|(member, hash)| Order::CreateKeyFor(MemberId(member), Box::new(key(hash)))),
    ]
}

fn members(bench: &Bench) -> Vec<Member> {
    bench.machine.account().members().to_vec()
}

proptest! {
    #[test]
    fn whatever_is_asked_an_owner_remains_and_addresses_are_one_of_a_kind(
        orders in prop::collection::vec(orders(), 1..60),
    ) {
        let mut bench = bench();
        let mut had_active_owner = false;
        for order in orders {
            let before = members(&bench);
            let answer = bench.order(&order);
            let after = members(&bench);
            if answer.is_err() {
                prop_assert_eq!(&before, &after, "a refusal changes nothing");
            }
            let belonging: Vec<&Member> = after.iter().filter(|one| one.belongs()).collect();
            let owners = belonging.iter().filter(|one| one.role == Role::Owner);
            let active = owners.clone().any(|one| one.status == MemberStatus::Active);
            prop_assert!(belonging.is_empty() || owners.count() > 0);
            prop_assert!(active || !had_active_owner, "the last who could act is gone");
            had_active_owner |= active;
            let mut emails: Vec<&str> = belonging.iter().map(|one| one.email.as_str()).collect();
            emails.sort_unstable();
            emails.dedup();
            prop_assert_eq!(emails.len(), belonging.len());
            let mut ids: Vec<MemberId> = after.iter().map(|one| one.id).collect();
            ids.dedup();
            prop_assert_eq!(ids.len(), after.len());
            // Nobody is an owner now who was none before, unless an owner or the operator said so.
            if let Order::Member(order) = &order
                && let MemberOrder::Add(_, by) | MemberOrder::Change(_, _, by) = &**order
                && by.role.is_some_and(|role| role != Role::Owner)
            {
                let owned = |list: &[Member]| {
                    list.iter().filter(|one| one.role == Role::Owner).map(|one| one.id).collect::<Vec<_>>()
                };
                prop_assert_eq!(owned(&before), owned(&after));
            }
        }
        bench.restart();
    }
}
