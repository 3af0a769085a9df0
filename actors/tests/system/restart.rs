//! Stops and starts, in order.

use infergate_actors::account::{Account, AccountOptions, Unavailable};
use infergate_actors::ledger::Loaded;

use crate::desk::{Desk, OPTIONS, hash_of, in_time, lasting};

#[tokio::test]
async fn after_a_restart_every_account_is_as_it_was() {
    let desk = Desk::new().await;
    let mut before = Vec::new();
    for place in 0..5_u64 {
        let account = desk.account(1_000).await;
        for _ in 0..place * 10 {
            let (hold, ..) = desk.hold(account, 10).await.unwrap();
            desk.settle(account, hold, place).await.unwrap();
        }
        before.push((account, lasting(&desk.view(account).await)));
    }
    let (desk, report) = desk.restart().await;
    assert!(report.closed_in_order && report.voided.is_empty());
    for (account, before) in before {
        assert_eq!(lasting(&desk.view(account).await), before);
        assert!(desk.system.accounts.find_key(hash_of(account)).await.unwrap().is_some());
    }
    // Ids go on where they were.
    assert_eq!(desk.account(1).await.count(), 6);
    desk.verify().await;
}

#[tokio::test]
async fn a_stop_handles_what_was_sent_before_it_and_nothing_after() {
    let desk = Desk::new().await;
    let account = desk.account(1_000).await;
    let mut holds = Vec::new();
    for _ in 0..50 {
        holds.push(desk.hold(account, 10).await.unwrap().0);
    }
    let system = desk.system.clone();
    let settling: Vec<_> = holds
        .into_iter()
        .map(|hold| {
            let system = system.clone();
            tokio::spawn(async move {
                system.accounts.settle(account, crate::desk::settle(hold, 10)).await
            })
        })
        .collect();
    // All have sent before this goes on: there is one thread, and none had to wait before it sent.
    tokio::task::yield_now().await;
    in_time(system.stop()).await;
    for settled in settling {
        assert_eq!(settled.await.unwrap(), Ok(()));
    }
    drop(system);
    let hold = desk.ids.next();
    assert_eq!(in_time(desk.settle(account, hold, 1)).await, Err(Unavailable));
    let (desk, _) = desk.restart().await;
    assert_eq!(desk.view(account).await.totals.settled.nano(), 500);
}

#[tokio::test]
async fn a_snapshot_is_taken_every_so_many_events_and_carries_on_with_the_rest() {
    let options = AccountOptions { snapshot_every_events: 10, ..OPTIONS };
    let desk = Desk::with(options, |_| {}).await;
    let account = desk.account(1_000).await;
    for _ in 0..16 {
        let (hold, ..) = desk.hold(account, 10).await.unwrap();
        desk.settle(account, hold, 10).await.unwrap();
    }
    let view = desk.view(account).await;
    assert_eq!(view.events, 35);
    let Loaded { snapshot, tail } = desk.ledger.load_account(account).unwrap().unwrap();
    let snapshot = snapshot.unwrap();
    assert_eq!((snapshot.number, tail.len()), (30, 5));
    let mut account = Account::restore(&snapshot.state).unwrap();
    for entry in &tail {
        account.apply(&entry.record, entry.digest).unwrap();
    }
    assert_eq!((account.digest(), *account.totals()), (view.digest, view.totals));
    desk.verify().await;
}

#[tokio::test]
async fn a_snapshot_of_all_leaves_no_tail() {
    let desk = Desk::new().await;
    let mut accounts = Vec::new();
    for _ in 0..20 {
        let account = desk.account(100).await;
        desk.hold(account, 10).await.unwrap();
        accounts.push(account);
    }
    assert_eq!(desk.system.accounts.snapshot_all().await, Ok(20));
    for account in accounts {
        let loaded = desk.ledger.load_account(account).unwrap().unwrap();
        assert_eq!((loaded.snapshot.unwrap().number, loaded.tail.len()), (4, 0));
    }
    desk.verify().await;
}
