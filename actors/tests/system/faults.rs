//! Actors that break down.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use infergate_actors::account::{Account, Breakdown, Denial, Refusal, Unavailable};
use infergate_actors::id::AccountId;
use infergate_actors::ledger::{Batch, Digest, Durability, Snapshot};
use tokio::task::JoinSet;

use crate::desk::{Desk, admit, in_time, lasting, until};

fn restarts_of(desk: &Desk, account: AccountId) -> u64 {
    let lines = desk.system.accounts.lines();
    lines.iter().find(|line| line.id == account.to_string()).map_or(0, |line| line.restarts)
}

#[tokio::test]
async fn a_broken_actor_is_rebuilt_with_its_open_holds() {
    let desk = Desk::new().await;
    let account = desk.account(100).await;
    let (hold, ..) = desk.hold(account, 30).await.unwrap();
    desk.extend(account, hold, 30, 40).await.unwrap();
    let before = lasting(&desk.view(account).await);
    desk.break_down(account, Breakdown::Now).await;
    // By the supervisor, with nobody asking.
    until("the actor is rebuilt", || restarts_of(&desk, account) == 1).await;
    assert_eq!(lasting(&desk.view(account).await), before);
    desk.settle(account, hold, 35).await.unwrap();
    let view = desk.view(account).await;
    assert_eq!((view.totals.settled.nano(), view.totals.held.nano()), (35, 0));
    assert_eq!(view.usage.in_flight, 0);
    assert_eq!(desk.system.accounts.restarts(), 1);
    let lines = desk.system.accounts.lines();
    assert_eq!((lines.len(), lines[0].status, lines[0].restarts), (1, "running", 1));
    desk.verify().await;
}

#[tokio::test]
async fn a_hold_that_was_written_and_not_answered_is_answered_by_the_next_actor() {
    let desk = Desk::new().await;
    let account = desk.account(100).await;
    desk.break_down(account, Breakdown::BeforeNextPermit).await;
    let (hold, permit, ticket) = desk.hold(account, 30).await.unwrap();
    assert_eq!((permit.held.nano(), permit.completion_tokens_max), (30, 30));
    desk.ledger.wait(ticket, Durability::Process).await.unwrap();
    let view = desk.view(account).await;
    assert_eq!((view.available.nano(), view.holds.len()), (70, 1));
    assert_eq!(view.events, 4, "held once");
    until("the fault is counted", || desk.system.accounts.restarts() == 1).await;
    // Asked by another, it is no repetition.
    let duplicate = desk.system.accounts.admit(account, admit(hold, 30)).await;
    assert_eq!(duplicate.unwrap_err(), Refusal::Denied(Denial::DuplicateHold));
    desk.settle(account, hold, 30).await.unwrap();
    assert_eq!(desk.view(account).await.totals.settled.nano(), 30);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_asks_while_an_actor_breaks_down_is_answered_by_the_next() {
    let desk = Arc::new(Desk::new().await);
    let account = desk.account(10_000).await;
    let done = Arc::new(AtomicU32::new(0));
    let mut working = JoinSet::new();
    for _ in 0..8 {
        let (desk, done) = (Arc::clone(&desk), Arc::clone(&done));
        working.spawn(async move {
            for _ in 0..50 {
                let (hold, permit, _) = desk.hold(account, 5).await.unwrap();
                assert_eq!(permit.held.nano(), 5);
                desk.settle(account, hold, 3).await.unwrap();
                done.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    let breaking = tokio::spawn({
        let desk = Arc::clone(&desk);
        async move {
            for place in 1..=40 {
                let when =
                    if place % 2 == 0 { Breakdown::Now } else { Breakdown::BeforeNextPermit };
                desk.break_down(account, when).await;
                desk.view(account).await;
                // As many have been answered as there are who ask: nobody's tries run out.
                until("others go on", || done.load(Ordering::Relaxed) >= 8 * place).await;
            }
        }
    });
    in_time(working.join_all()).await;
    in_time(breaking).await.unwrap();
    let view = desk.view(account).await;
    assert_eq!((view.totals.settled.nano(), view.totals.held.nano()), (1_200, 0));
    let journal = desk.ledger.account_journal(account, 0, usize::MAX).unwrap();
    assert_eq!(journal.len(), 3 + 2 * 400, "each began once and ended once");
    assert!(desk.system.accounts.restarts() >= 20);
    desk.verify().await;
}

#[tokio::test]
async fn an_account_that_cannot_be_loaded_is_left_alone_for_a_while() {
    let desk = Desk::new().await;
    let (account, other) = (desk.account(100).await, desk.account(100).await);
    let number = desk.view(account).await.events;
    desk.sleep(0).await;
    let good = desk.ledger.load_account(account).unwrap().unwrap().snapshot.unwrap();
    let write = |snapshot: Snapshot| async {
        let mut batch = Batch::new();
        batch.snapshot(snapshot);
        let ticket = desk.ledger.append(batch, None);
        desk.ledger.wait(ticket, Durability::Process).await.unwrap();
    };
    let digest = Digest::default();
    write(Snapshot { account, number, digest, at_ms: 0, state: vec![1, 2, 3] }).await;

    let unavailable = Refusal::Unavailable(Unavailable);
    assert_eq!(desk.hold(account, 1).await.unwrap_err(), unavailable);
    let age = |desk: &Desk| desk.system.accounts.lines()[0].age;
    assert_eq!(desk.system.accounts.lines()[0].status, "unloadable");
    desk.clock.advance(Duration::from_millis(900));
    assert_eq!(desk.hold(account, 1).await.unwrap_err(), unavailable);
    assert_eq!(age(&desk), Duration::from_millis(900), "it was not tried again");
    desk.hold(other, 1).await.unwrap();

    write(good).await;
    desk.clock.advance(Duration::from_millis(100));
    desk.hold(account, 1).await.unwrap();
    assert_eq!(desk.view(account).await.available.nano(), 99);
}

#[tokio::test]
async fn nothing_is_promised_when_the_ledger_takes_nothing_any_more() {
    let desk = Desk::new().await;
    let account = desk.account(100).await;
    let (hold, ..) = desk.hold(account, 10).await.unwrap();
    desk.ledger.close().unwrap();
    assert_eq!(in_time(desk.settle(account, hold, 10)).await, Err(Unavailable));
    let granted = in_time(desk.grant(account, 5, "late")).await;
    assert_eq!(granted.unwrap_err(), Refusal::Unavailable(Unavailable));
    if let Ok((_, _, ticket)) = desk.hold(account, 10).await {
        assert!(!desk.ledger.committed(ticket));
        assert!(desk.ledger.wait(ticket, Durability::Process).await.is_err());
    }
    // One that must be loaded first.
    let other = AccountId::new(0, 77);
    assert!(in_time(desk.hold(other, 1)).await.is_err());
    in_time(desk.system.stop()).await;
    assert_eq!(desk.hold(account, 1).await.unwrap_err(), Refusal::Unavailable(Unavailable));
}

#[tokio::test]
async fn a_snapshot_of_another_account_is_not_taken_for_ones_own() {
    let desk = Desk::new().await;
    let (one, other) = (desk.account(100).await, desk.account(5).await);
    let view = desk.view(one).await;
    desk.sleep(0).await;
    let stray = desk.ledger.load_account(other).unwrap().unwrap().snapshot.unwrap();
    assert!(Account::restore(&stray.state).is_ok());
    let mut batch = Batch::new();
    let (number, digest) = (view.events, view.digest);
    batch.snapshot(Snapshot { account: one, number, digest, ..stray });
    desk.ledger.append(batch, None);
    assert!(desk.hold(one, 1).await.is_err());
}
