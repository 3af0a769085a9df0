//! Orders that reach running exchanges.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use infergate_actors::account::{
    Admit, Breakdown, Denial, Limits, Order, ReasonClass, Refusal, Standing, Status,
};
use infergate_actors::id::{AccountId, HoldId, KeyHash, KeyId};
use infergate_actors::ledger::Batch;

use crate::desk::{Desk, admit, in_time, set_status};

const OTHER_KEY: KeyId = KeyId(2);

fn revoke(key: KeyId) -> Order {
    Order::RevokeKey { key, reason: "a test".into() }
}

/// An account with two keys and an exchange with each.
async fn two_keys(desk: &Desk) -> (AccountId, [Standing; 2]) {
    let account = desk.account(1_000).await;
    desk.create_key(account, KeyHash([3; 32])).await.unwrap();
    let (_, permit, _) = desk.hold(account, 10).await.unwrap();
    (account, [permit.standing, begin(desk, account, OTHER_KEY).await.1])
}

async fn begin(desk: &Desk, account: AccountId, key: KeyId) -> (HoldId, Standing) {
    let hold = desk.ids.next();
    let asked = Admit { key, ..admit(hold, 10) };
    let (permit, _) = desk.system.accounts.admit(account, asked).await.unwrap();
    (hold, permit.standing)
}

/// Whether the exchange may go on, also by the account of one who waits.
fn may_go_on(standing: &Standing) -> bool {
    let mut waiting = standing.clone();
    let waiting = pin!(waiting.ended()).poll(&mut Context::from_waker(Waker::noop()));
    assert_eq!(waiting.is_pending(), standing.is_over().is_none());
    waiting == Poll::Pending
}

#[tokio::test]
async fn a_suspension_reaches_every_running_exchange() {
    for (status, denial) in [
        (Status::Suspended, Denial::Suspended(ReasonClass::Other)),
        (Status::Closed, Denial::Closed),
    ] {
        let desk = Desk::new().await;
        let (account, [mut one, other]) = two_keys(&desk).await;
        let bystander = desk.account(100).await;
        let (_, undisturbed, _) = desk.hold(bystander, 10).await.unwrap();
        assert!(may_go_on(&one) && may_go_on(&other));
        // Waited for from before the order, and looked at after it.
        let (told, ordered) =
            in_time(async { tokio::join!(one.ended(), desk.order(account, set_status(status))) })
                .await;
        assert_eq!((told, ordered.unwrap().status), (denial, status));
        assert_eq!((one.is_over(), other.is_over()), (Some(denial), Some(denial)));
        assert_eq!(in_time(other.clone().ended()).await, denial);
        assert!(may_go_on(&undisturbed.standing));
    }
}

#[tokio::test]
async fn a_revoked_key_ends_its_own_exchanges_only() {
    let desk = Desk::new().await;
    let (account, [mut one, other]) = two_keys(&desk).await;
    let (told, ordered) =
        in_time(async { tokio::join!(one.ended(), desk.order(account, revoke(KeyId(1)))) }).await;
    assert_eq!(told, Denial::RevokedKey);
    assert!(ordered.is_ok() && may_go_on(&other));
    assert!(may_go_on(&begin(&desk, account, OTHER_KEY).await.1));
    // Limits, credit and a new key are nobody's end.
    desk.grant(account, 5, "more").await.unwrap();
    desk.order(account, Order::SetLimits(Limits::default())).await.unwrap();
    assert!(may_go_on(&other));
}

#[tokio::test]
async fn an_exchange_is_told_no_sooner_than_the_order_is_written() {
    let desk = Desk::new().await;
    let (account, [one, _]) = two_keys(&desk).await;
    // An answer that does not return keeps the ledger from writing anything.
    let (release, released) = std::sync::mpsc::channel::<()>();
    let (blocks, blocked) = tokio::sync::oneshot::channel();
    let block = Box::new(move |_: Result<(), _>| {
        blocks.send(()).unwrap();
        let _ = released.recv();
    });
    desk.ledger.append(Batch::new(), Some(block));
    blocked.await.unwrap();
    let looking = async {
        // Answered behind the order, by the actor alone.
        assert_eq!(desk.view(account).await.status, Status::Suspended);
        assert!(may_go_on(&one));
        drop(release);
    };
    let (ordered, ()) = in_time(async {
        tokio::join!(desk.order(account, set_status(Status::Suspended)), looking)
    })
    .await;
    assert!(ordered.is_ok());
    assert_eq!(one.is_over(), Some(Denial::Suspended(ReasonClass::Other)));
}

#[tokio::test]
async fn a_reinstatement_saves_nothing_that_ran_and_ends_nothing_that_follows() {
    let desk = Desk::new().await;
    let (account, [one, mut other]) = two_keys(&desk).await;
    desk.order(account, set_status(Status::Suspended)).await.unwrap();
    desk.order(account, set_status(Status::Active)).await.unwrap();
    assert_eq!(one.is_over(), Some(Denial::Suspended(ReasonClass::Other)));
    assert_eq!(in_time(other.ended()).await, Denial::Suspended(ReasonClass::Other));
    let (_, after) = begin(&desk, account, KeyId(1)).await;
    assert!(may_go_on(&after));
    desk.order(account, set_status(Status::Suspended)).await.unwrap();
    assert_eq!(after.is_over(), Some(Denial::Suspended(ReasonClass::Other)));
}

#[tokio::test]
async fn exchanges_are_reached_past_a_fault_of_the_actor() {
    let desk = Desk::new().await;
    let (account, [mut one, other]) = two_keys(&desk).await;
    desk.break_down(account, Breakdown::Now).await;
    let order = desk.order(account, revoke(KeyId(1)));
    assert_eq!(in_time(async { tokio::join!(one.ended(), order) }).await.0, Denial::RevokedKey);
    assert!(may_go_on(&other));
    // Swept meanwhile: what is held stays.
    desk.system.accounts.sweep();
    desk.break_down(account, Breakdown::Now).await;
    let (_, later) = begin(&desk, account, OTHER_KEY).await;
    desk.order(account, set_status(Status::Closed)).await.unwrap();
    assert_eq!([&other, &later].map(Standing::is_over), [Some(Denial::Closed); 2]);
}

#[tokio::test]
async fn one_that_is_let_in_past_a_fault_hears_of_what_stands_by_then() {
    let desk = Desk::new().await;
    let account = desk.account(100).await;
    desk.break_down(account, Breakdown::BeforeNextPermit).await;
    // The order waits in the mailbox of the actor that breaks down before it answers, and both are
    // asked again: whichever comes first, the exchange does not go on.
    let suspend = desk.order(account, set_status(Status::Suspended));
    let (let_in, suspended) =
        in_time(async { tokio::join!(desk.hold(account, 10), suspend) }).await;
    assert!(suspended.is_ok());
    let (hold, permit, _) = let_in.unwrap();
    assert_eq!(permit.standing.is_over(), Some(Denial::Suspended(ReasonClass::Other)));
    desk.void(account, hold).await.unwrap();
    let refused = desk.hold(account, 10).await.map(|_| ());
    assert_eq!(refused, Err(Refusal::Denied(Denial::Suspended(ReasonClass::Other))));
    desk.verify().await;
}

#[tokio::test]
async fn an_account_that_slept_reaches_its_new_exchanges() {
    let desk = Desk::new().await;
    let (account, hold) = (desk.account(100).await, desk.ids.next());
    let (permit, _) = desk.system.accounts.admit(account, admit(hold, 10)).await.unwrap();
    desk.void(account, hold).await.unwrap();
    drop(permit);
    desk.sleep(0).await;
    let (_, mut standing) = begin(&desk, account, KeyId(1)).await;
    let order = desk.order(account, set_status(Status::Suspended));
    assert_eq!(
        in_time(async { tokio::join!(standing.ended(), order) }).await.0,
        Denial::Suspended(ReasonClass::Other)
    );
}
