//! Actors that break down when they have written what was ordered and before they have answered: it is
//! done once, and answered by the actor that follows.

use std::time::Duration;

use infergate_actors::account::{
    Breakdown, Budget, By, CodeBatch, CodeKind, Denial, Email, GrantKind, Limits, MemberChange,
    MemberOrder, NewKey, NewMember, NewProject, Order, Period, ProjectChange, Refusal, Role,
    Status, WatchOrder, WatchSettings, WebhookChange,
};
use infergate_actors::id::{AccountId, KeyHash, KeyId, MemberId, ProjectId, WebhookId};
use infergate_actors::money::NanoUsd;

use crate::desk::{Desk, set_status, until};

fn hash(account: AccountId, number: u8) -> KeyHash {
    let mut bytes = [number; 32];
    bytes[..8].copy_from_slice(&account.0.to_be_bytes());
    KeyHash(bytes)
}

fn key(account: AccountId, number: u8) -> NewKey {
    NewKey {
        hash: hash(account, number),
        hint: "wxyz".into(),
        name: "k".into(),
        models: Vec::new(),
        expires_at_ms: None,
        limits: Limits::default(),
        rest: Vec::new(),
    }
}

fn of_people([ada, bob]: [Email; 2]) -> Vec<Order> {
    let by = || By { name: "ann".into(), role: None };
    let new = |email, role| NewMember { email, name: "n".into(), role, is_active: true };
    let remove = MemberOrder::Remove {
        member: MemberId(2),
        revoke_keys: true,
        reason: "gone".into(),
        by: by(),
    };
    [
        MemberOrder::Add(new(ada, Role::Owner), by()),
        MemberOrder::Add(new(bob, Role::Developer), by()),
        MemberOrder::Change(MemberId(2), vec![MemberChange::Name("Bob".into())], by()),
        remove,
    ]
    .map(|order| Order::Member(Box::new(order)))
    .into()
}

fn of_webhooks() -> Vec<Order> {
    let webhook = WebhookId(1);
    let settings = WatchSettings { budget_percent: vec![50], ..WatchSettings::default() };
    let add = WatchOrder::AddWebhook { url: "https://a.example/".into(), events: Vec::new() };
    let change = WebhookChange { enabled: Some(false), ..WebhookChange::default() };
    [
        WatchOrder::Set(settings),
        add.clone(),
        add,
        WatchOrder::RotateWebhook { webhook, overlap: Duration::from_hours(1) },
        WatchOrder::ChangeWebhook { webhook, change },
        WatchOrder::RemoveWebhook { webhook: WebhookId(2) },
    ]
    .map(Order::Watch)
    .into()
}

/// Orders of which each changes something, and would be refused or change more if it were done twice.
fn orders(account: AccountId, people: [Email; 2]) -> Vec<Order> {
    let nano = NanoUsd::from_nano;
    let project = NewProject {
        name: "p".into(),
        models: Vec::new(),
        limits: Limits::default(),
        budgets: Vec::new(),
    };
    let grant = |reference: &str| Order::Grant {
        kind: GrantKind::Paid,
        amount: nano(5),
        expires_at_ms: None,
        reference: reference.into(),
    };
    let rotate = Order::RotateKey {
        key: KeyId(1),
        hash: hash(account, 9),
        hint: "abcd".into(),
        overlap: Duration::from_hours(1),
    };
    let limits = Limits { in_flight: Some(7), ..Limits::default() };
    let budgets = vec![Budget { period: Period::Day, limit: nano(9) }];
    let renamed = vec![ProjectChange::Name("q".into())];
    let mut orders = vec![
        Order::CreateProject(project),
        grant("a"),
        grant("b"),
        Order::SetLimits(limits),
        Order::SetBudgets(budgets),
        Order::CreateKey(key(account, 1)),
        rotate,
        Order::ChangeProject { project: ProjectId(1), changes: renamed },
        Order::ArchiveProject(ProjectId(1)),
        Order::RestoreProject(ProjectId(1)),
        set_status(Status::Suspended),
        set_status(Status::Active),
    ];
    orders.extend(of_people(people));
    orders.push(Order::CreateKeyFor(MemberId(1), Box::new(key(account, 2))));
    orders.push(Order::RevokeKey { key: KeyId(2), reason: "r".into() });
    orders.extend(of_webhooks());
    orders.push(set_status(Status::Closed));
    orders
}

/// All that the orders change, but for what is the account's own.
async fn told(desk: &Desk, account: AccountId) -> String {
    let view = desk.view(account).await;
    let keys: Vec<_> =
        view.keys.iter().map(|key| (key.key.id, key.key.revoked_at_ms, key.member)).collect();
    let rest = (view.status_set, view.limits, view.budgets, view.totals, view.grants);
    format!(
        "{} {keys:?} {rest:?} {:?} {:?} {:?}",
        view.events, view.projects, view.members, view.watch
    )
}

#[tokio::test]
async fn an_order_that_was_written_and_not_answered_is_done_once() {
    let desk = Desk::new().await;
    let (one, other) = (desk.account(100).await, desk.account(100).await);
    let people = || ["ada@example.com", "bob@example.com"].map(|email| email.parse().unwrap());
    let pairs = orders(one, people()).into_iter().zip(orders(other, people()));
    for (broken, (order, same)) in (1..).zip(pairs) {
        let says = format!("{order:?}");
        desk.break_down(one, Breakdown::BeforeNextReply).await;
        let after = desk.order(one, order).await.unwrap_or_else(|error| panic!("{says}: {error}"));
        until("the fault is counted", || desk.system.accounts.restarts() == broken).await;
        assert_eq!(after.events, desk.order(other, same).await.unwrap().events, "{says}");
        assert_eq!(told(&desk, one).await, told(&desk, other).await, "{says}");
    }
    desk.verify().await;
}

#[tokio::test]
async fn what_begins_an_account_or_a_batch_is_done_once() {
    let desk = Desk::new().await;
    let accounts = &desk.system.accounts;
    let batch = |nano| CodeBatch {
        name: "b".into(),
        hashes: vec![KeyHash([5; 32])],
        kind: GrantKind::Promotional,
        amount: NanoUsd::from_nano(nano),
        uses_max: 1,
        expires_at_ms: None,
        lasts_ms: None,
    };
    let (id, codes, invites) = (accounts.new_id(), accounts.new_id(), accounts.new_id());
    desk.break_down(id, Breakdown::BeforeNextReply).await;
    let open = Order::Open { name: "n".into(), limits: Limits::default() };
    assert_eq!(desk.order(id, open.clone()).await.unwrap().events, 1);
    // By another, it is no repetition.
    let refused = Refusal::Denied(Denial::AlreadyOpen);
    assert_eq!(desk.order(id, open).await.unwrap_err(), refused);
    desk.break_down(codes, Breakdown::BeforeNextReply).await;
    accounts.make_codes(codes, batch(1)).await.unwrap();
    desk.break_down(invites, Breakdown::BeforeNextReply).await;
    accounts.make_invites(invites, batch(0)).await.unwrap();
    assert_eq!(accounts.list_batches(CodeKind::Invite, 0, 10).await.unwrap().len(), 1);
    // A code whose use was written is used by the account that used it, and by no other.
    desk.break_down(codes, Breakdown::BeforeNextReply).await;
    let hash = KeyHash([5; 32]);
    accounts.redeem(id, codes, hash).await.unwrap();
    accounts.redeem(id, codes, hash).await.unwrap();
    let view = desk.view(id).await;
    assert_eq!((view.grants.len(), view.totals.granted.nano()), (1, 1));
    desk.verify().await;
}
