//! One account, from its opening to its suspension.

use std::sync::atomic::{AtomicUsize, Ordering};

use infergate_actors::account::{Denial, GrantKind, Order, ReasonClass, Refusal, Status};
use infergate_actors::id::{AccountId, KeyHash, KeyId};
use infergate_actors::ledger::{Batch, Durability};
use infergate_actors::money::NanoUsd;
use tokio::join;

use crate::desk::{Desk, OPTIONS, hash_of, in_time, set_status};

#[tokio::test]
async fn an_exchange_is_held_extended_and_settled() {
    let desk = Desk::new().await;
    let account = desk.account(100).await;
    let accounts = &desk.system.accounts;
    assert_eq!(accounts.find_key(hash_of(account)).await.unwrap(), Some((account, KeyId(1))));
    assert_eq!(accounts.find_key(KeyHash([0; 32])).await.unwrap(), None);

    let (hold, permit, ticket) = desk.hold(account, 30).await.unwrap();
    assert_eq!(permit.held.nano(), 30);
    desk.ledger.wait(ticket, Durability::Process).await.unwrap();
    assert_eq!(desk.extend(account, hold, 30, 50).await, Ok(50));
    let view = desk.view(account).await;
    assert_eq!((view.available.nano(), view.totals.held.nano(), view.holds.len()), (50, 50, 1));
    desk.settle(account, hold, 42).await.unwrap();

    let (hold, ..) = desk.hold(account, 58).await.unwrap();
    assert!(matches!(
        desk.hold(account, 1).await,
        Err(Refusal::Denied(Denial::InsufficientCredit { .. }))
    ));
    desk.void(account, hold).await.unwrap();
    let view = desk.view(account).await;
    let totals = view.totals;
    assert_eq!((totals.settled.nano(), totals.remaining.nano(), totals.held.nano()), (42, 58, 0));
    assert_eq!(view.available.nano(), 58);
    desk.verify().await;
}

#[tokio::test]
async fn who_is_not_there_is_told_so() {
    let desk = Desk::new().await;
    let nobody = AccountId::new(0, 999);
    let unknown = Err(Refusal::Denied(Denial::NoSuchAccount));
    assert_eq!(desk.hold(nobody, 1).await.map(|_| ()), unknown);
    assert_eq!(desk.grant(nobody, 1, "first").await.map(|_| ()), unknown);
    assert_eq!(desk.system.accounts.inspect(nobody).await.map(|_| ()), unknown);
}

#[tokio::test]
async fn an_order_is_acknowledged_on_disk_and_in_force_before() {
    let desk = Desk::with(OPTIONS, |ledger| {
        ledger.fsync_interval = std::time::Duration::from_hours(1);
    })
    .await;
    let account = desk.account(100).await;
    let stats = desk.ledger.stats();
    assert_eq!((stats.sequence, stats.sequence_synced), (3, 3));

    let (hold, ..) = desk.hold(account, 10).await.unwrap();
    desk.settle(account, hold, 10).await.unwrap();
    let stats = desk.ledger.stats();
    assert_eq!((stats.sequence, stats.sequence_synced), (5, 3), "a settlement need not be on disk");

    let suspend = set_status(Status::Suspended);
    // Sent one behind the other: the second is refused while the first waits for the disk.
    let (suspended, refused) = join!(desk.order(account, suspend), desk.hold(account, 10));
    assert_eq!(suspended.unwrap().status, Status::Suspended);
    assert_eq!(refused.unwrap_err(), Refusal::Denied(Denial::Suspended(ReasonClass::Other)));
    let stats = desk.ledger.stats();
    assert_eq!((stats.sequence, stats.sequence_synced), (6, 6));

    let reinstate = set_status(Status::Active);
    desk.order(account, reinstate).await.unwrap();
    let revoke = Order::RevokeKey { key: KeyId(1), reason: "a test".into() };
    let (revoked, refused) = join!(desk.order(account, revoke), desk.hold(account, 10));
    assert!(revoked.is_ok());
    assert_eq!(refused.unwrap_err(), Refusal::Denied(Denial::RevokedKey));
    assert_eq!(desk.ledger.stats().sequence_synced, 8);
}

#[tokio::test]
async fn the_end_of_what_has_ended_is_acknowledged_when_it_is_written() {
    let desk = Desk::new().await;
    let account = desk.account(100).await;
    let (hold, ..) = desk.hold(account, 10).await.unwrap();
    // An answer that does not return keeps the ledger from writing anything.
    let (release, released) = std::sync::mpsc::channel::<()>();
    let (blocks, blocked) = tokio::sync::oneshot::channel();
    let block = Box::new(move |_: Result<(), _>| {
        blocks.send(()).unwrap();
        let _ = released.recv();
    });
    desk.ledger.append(Batch::new(), Some(block));
    blocked.await.unwrap();
    let answers = AtomicUsize::new(0);
    let settle = || async {
        desk.settle(account, hold, 10).await.unwrap();
        answers.fetch_add(1, Ordering::Relaxed);
    };
    let release = async {
        // Answered behind both, by the actor alone.
        desk.view(account).await;
        assert_eq!(answers.load(Ordering::Relaxed), 0);
        drop(release);
    };
    in_time(Box::pin(async { join!(settle(), settle(), release) })).await;
    assert_eq!(desk.view(account).await.totals.settled.nano(), 10);
}

#[tokio::test]
async fn a_secret_belongs_to_one_account() {
    let desk = Desk::new().await;
    let (one, other) = (desk.account(0).await, desk.account(0).await);
    let duplicate = Refusal::Denied(Denial::DuplicateKey);
    assert_eq!(desk.create_key(other, hash_of(one)).await.unwrap_err(), duplicate);
    // Both at once, and the one who asks first gone before the answer.
    let hash = KeyHash([9; 32]);
    let mut left = Box::pin(desk.create_key(one, hash));
    let polled = std::future::poll_fn(|context| {
        std::task::Poll::Ready(left.as_mut().poll(context).is_pending())
    });
    assert!(polled.await);
    let (first, second) = join!(left, desk.create_key(other, hash));
    assert!(first.is_ok());
    assert_eq!(second.unwrap_err(), duplicate);
    let owner = desk.system.accounts.find_key(hash).await.unwrap();
    assert_eq!(owner, Some((one, KeyId(2))));
}

#[tokio::test]
async fn credit_with_an_end_lapses_when_its_time_has_come() {
    let desk = Desk::new().await;
    let account = desk.account(10).await;
    let order = Order::Grant {
        kind: GrantKind::Trial,
        amount: NanoUsd::from_nano(90),
        expires_at_ms: Some(desk.clock.now().wall_ms + 1_000),
        reference: "trial".into(),
    };
    desk.order(account, order).await.unwrap();
    assert_eq!(desk.view(account).await.available.nano(), 100);
    desk.clock.advance(std::time::Duration::from_secs(1));
    let view = desk.view(account).await;
    assert_eq!((view.available.nano(), view.totals.expired.nano()), (10, 90));
    desk.verify().await;
}
