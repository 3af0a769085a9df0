//! Accounts that go to sleep, and wake as they were.

use std::sync::Arc;
use std::time::Duration;

use infergate_actors::account::{Denial, Limits, Refusal};
use infergate_actors::id::KeyId;
use tokio::task::JoinSet;

use crate::desk::{Desk, hash_of, in_time, lasting};

#[tokio::test]
async fn an_idle_account_sleeps_and_wakes_when_it_is_asked() {
    let desk = Desk::new().await;
    let account = desk.account(100).await;
    let (hold, ..) = desk.hold(account, 10).await.unwrap();
    desk.settle(account, hold, 10).await.unwrap();
    let before = lasting(&desk.view(account).await);
    desk.sleep(0).await;
    assert!(desk.system.accounts.lines().is_empty());
    let known = desk.system.accounts.find_key(hash_of(account)).await.unwrap();
    assert_eq!(known, Some((account, KeyId(1))));
    assert_eq!(desk.system.accounts.living(), 0, "a look-up wakes nobody");
    assert_eq!(lasting(&desk.view(account).await), before);
    desk.hold(account, 90).await.unwrap();
    assert_eq!(desk.system.accounts.restarts(), 0);
}

#[tokio::test]
async fn an_account_with_an_exchange_under_way_stays_awake() {
    let desk = Desk::new().await;
    let (busy, idle) = (desk.account(100).await, desk.account(100).await);
    let (hold, ..) = desk.hold(busy, 10).await.unwrap();
    desk.sleep(1).await;
    let lines = desk.system.accounts.lines();
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0].id, busy.to_string());
    desk.settle(busy, hold, 10).await.unwrap();
    desk.view(idle).await;
    desk.sleep(0).await;
}

#[tokio::test]
async fn sleep_refills_no_bucket() {
    let limits = Limits { requests_per_minute: Some(1), ..Limits::default() };
    let desk = Desk::new().await;
    let account = desk.account_with(100, limits).await;
    let (hold, ..) = desk.hold(account, 1).await.unwrap();
    desk.settle(account, hold, 1).await.unwrap();
    desk.sleep(1).await;
    let refused = desk.hold(account, 1).await.unwrap_err();
    assert!(matches!(refused, Refusal::Denied(Denial::RequestRate { .. })), "{refused:?}");
    desk.clock.advance(Duration::from_mins(1));
    desk.sleep(0).await;
    desk.hold(account, 1).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nobody_notices_that_accounts_fall_asleep_under_them() {
    let desk = Arc::new(Desk::new().await);
    let account = desk.account(10_000).await;
    let mut working = JoinSet::new();
    for _ in 0..4 {
        let desk = Arc::clone(&desk);
        working.spawn(async move {
            for _ in 0..200 {
                let (hold, ..) = desk.hold(account, 2).await.unwrap();
                desk.settle(account, hold, 1).await.unwrap();
            }
        });
    }
    let sweeping = tokio::spawn({
        let desk = Arc::clone(&desk);
        async move {
            loop {
                desk.system.accounts.sweep();
                tokio::task::yield_now().await;
            }
        }
    });
    in_time(working.join_all()).await;
    sweeping.abort();
    let view = desk.view(account).await;
    assert_eq!((view.totals.settled.nano(), view.totals.held.nano()), (800, 0));
    desk.verify().await;
}
