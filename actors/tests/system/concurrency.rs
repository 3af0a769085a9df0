//! Many at once on one account.

use std::sync::Arc;

use infergate_actors::account::{Denial, Refusal};
use infergate_actors::ledger::Durability;
use tokio::task::JoinSet;

use crate::desk::{Desk, in_time};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_thousand_ask_at_once_and_a_hundred_are_covered() {
    const PRICE: u64 = 7;
    let desk = Arc::new(Desk::new().await);
    let account = desk.account(100 * 7).await;
    let mut asking = JoinSet::new();
    for _ in 0..2_000 {
        let desk = Arc::clone(&desk);
        asking.spawn(async move {
            match desk.hold(account, PRICE).await {
                Ok((hold, permit, ticket)) => {
                    assert_eq!(permit.completion_tokens_max, PRICE);
                    desk.ledger.wait(ticket, Durability::Process).await.unwrap();
                    Some(hold)
                }
                Err(Refusal::Denied(Denial::InsufficientCredit { .. })) => None,
                Err(other) => panic!("{other:?}"),
            }
        });
    }
    let holds: Vec<_> = in_time(asking.join_all()).await.into_iter().flatten().collect();
    assert_eq!(holds.len(), 100);
    let view = desk.view(account).await;
    assert_eq!((view.available.nano(), view.totals.held.nano()), (0, 700));

    let mut ending = JoinSet::new();
    for (place, hold) in holds.into_iter().enumerate() {
        let desk = Arc::clone(&desk);
        // Some used less than was held, some were given up.
        ending.spawn(async move {
            match place % 3 {
                0 => desk.void(account, hold).await.map(|()| 0),
                rest => desk.settle(account, hold, PRICE - rest as u64).await.map(|()| 7 - rest),
            }
        });
    }
    let used: usize = in_time(ending.join_all()).await.into_iter().map(Result::unwrap).sum();
    let view = desk.view(account).await;
    let (settled, left) = (view.totals.settled.nano(), view.totals.remaining.nano());
    assert_eq!(settled, i64::try_from(used).unwrap());
    assert_eq!((left, view.available.nano()), (700 - settled, 700 - settled));
    assert!(view.holds.is_empty());
    desk.verify().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_settle_one_exchange_and_it_is_charged_once() {
    let desk = Arc::new(Desk::new().await);
    let account = desk.account(1_000).await;
    for _ in 0..20 {
        let (hold, ..) = desk.hold(account, 10).await.unwrap();
        let mut settling = JoinSet::new();
        for place in 0..16 {
            let desk = Arc::clone(&desk);
            settling.spawn(async move {
                match place % 4 {
                    3 => desk.void(account, hold).await,
                    _ => desk.settle(account, hold, 10).await,
                }
            });
        }
        assert!(in_time(settling.join_all()).await.into_iter().all(|answer| answer.is_ok()));
    }
    let view = desk.view(account).await;
    assert_eq!(view.totals.settled.nano() % 10, 0);
    assert!(view.totals.settled.nano() <= 200 && view.holds.is_empty());
    let ended = desk.ledger.account_journal(account, 0, usize::MAX).unwrap().len();
    assert_eq!(ended, 3 + 20 + 20, "a hold and an end each");
    desk.verify().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_wake_one_account_and_one_actor_comes() {
    let desk = Arc::new(Desk::new().await);
    let account = desk.account(1_000).await;
    for _ in 0..20 {
        desk.sleep(0).await;
        let mut asking = JoinSet::new();
        for _ in 0..32 {
            let desk = Arc::clone(&desk);
            asking.spawn(async move {
                let (hold, ..) = desk.hold(account, 1).await.unwrap();
                desk.void(account, hold).await.unwrap();
            });
        }
        in_time(asking.join_all()).await;
        assert_eq!(desk.system.accounts.living(), 1);
    }
    desk.verify().await;
}
