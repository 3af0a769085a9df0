//! Redemption codes under contention, breakdown and restart.

use std::sync::Arc;
use std::time::Duration;

use infergate_actors::account::{
    Breakdown, CodeBatch, CodeKind, CodeTerms, Denial, GrantKind, Order, Refusal, Status, Transfer,
    TransferKind,
};
use infergate_actors::id::{AccountId, KeyHash};
use infergate_actors::money::NanoUsd;
use tokio::task::JoinSet;

use crate::desk::{Desk, in_time, set_status};

fn hash(code: u8) -> KeyHash {
    KeyHash([code; 32])
}

fn batch(uses_max: u32, expires_at_ms: Option<u64>) -> CodeBatch {
    CodeBatch {
        name: "spring".into(),
        hashes: vec![hash(1), hash(2)],
        kind: GrantKind::Promotional,
        amount: NanoUsd::from_nano(100),
        uses_max,
        expires_at_ms,
        lasts_ms: Some(60_000),
    }
}

async fn make(desk: &Desk, made: CodeBatch) -> AccountId {
    let id = desk.system.accounts.new_id();
    desk.system.accounts.make_codes(id, made).await.unwrap();
    id
}

async fn redeem(
    desk: &Desk,
    account: AccountId,
    batch: AccountId,
    code: u8,
) -> Result<CodeTerms, Refusal> {
    desk.system.accounts.redeem(account, batch, hash(code)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_is_used_by_as_many_accounts_as_may_and_by_each_once() {
    let desk = Arc::new(Desk::new().await);
    let batch = make(&desk, batch(5, None)).await;
    let mut accounts = Vec::new();
    for _ in 0..20 {
        accounts.push(desk.account(0).await);
    }
    let mut asking = JoinSet::new();
    // Each of them asks three times at once.
    for account in accounts.iter().copied().cycle().take(60) {
        let desk = Arc::clone(&desk);
        asking.spawn(async move { (account, redeem(&desk, account, batch, 1).await) });
    }
    let answers = in_time(asking.join_all()).await;
    let mut credited = 0;
    for account in accounts {
        let of_it = |(of, answer): &(AccountId, Result<CodeTerms, Refusal>)| {
            (*of == account).then(|| answer.clone())
        };
        let told: Vec<_> = answers.iter().filter_map(of_it).collect();
        assert!(told.iter().all(|answer| answer == &told[0]), "{told:?}");
        let available = desk.view(account).await.available.nano();
        match &told[0] {
            Ok(terms) => {
                assert_eq!((terms.code, available), (0, 100));
                credited += 1;
            }
            Err(refusal) => {
                assert_eq!(*refusal, Refusal::Denied(Denial::UsedUpCode));
                assert_eq!(available, 0);
            }
        }
    }
    assert_eq!(credited, 5);
    desk.verify().await;
}

#[tokio::test]
async fn what_was_redeemed_is_known_after_a_breakdown_and_a_restart() {
    let desk = Desk::new().await;
    let (first, second) = (desk.account(0).await, desk.account(0).await);
    let batch = make(&desk, batch(1, None)).await;
    let terms = redeem(&desk, first, batch, 2).await.unwrap();
    desk.break_down(batch, Breakdown::Now).await;
    assert_eq!(redeem(&desk, first, batch, 2).await.as_ref(), Ok(&terms));
    let (desk, _) = desk.restart().await;
    assert_eq!(redeem(&desk, first, batch, 2).await.as_ref(), Ok(&terms));
    let used_up = Err(Refusal::Denied(Denial::UsedUpCode));
    assert_eq!(redeem(&desk, second, batch, 2).await, used_up);
    assert!(redeem(&desk, second, batch, 1).await.is_ok(), "the other code is not");
    assert_eq!(desk.view(first).await.available.nano(), 100);
    desk.verify().await;
}

#[tokio::test]
async fn a_code_is_refused_when_it_is_none_or_late_or_nobody_is_there_to_use_it() {
    let desk = Desk::new().await;
    let account = desk.account(0).await;
    let late = desk.clock.now().wall_ms + 1_000;
    let batch = make(&desk, batch(1, Some(late))).await;
    let denied = |denial| Err(Refusal::Denied(denial));
    assert_eq!(redeem(&desk, account, batch, 9).await, denied(Denial::UnknownCode));
    assert_eq!(redeem(&desk, account, account, 1).await, denied(Denial::UnknownCode));
    let nobody = AccountId::new(0, 999);
    assert_eq!(redeem(&desk, nobody, batch, 1).await, denied(Denial::NoSuchAccount));
    assert_eq!(redeem(&desk, batch, batch, 1).await, denied(Denial::NoSuchAccount));
    let closed = desk.account(0).await;
    desk.order(closed, set_status(Status::Closed)).await.unwrap();
    assert_eq!(redeem(&desk, closed, batch, 1).await, denied(Denial::Closed));
    // None of them used it up.
    let terms = redeem(&desk, account, batch, 1).await.unwrap();
    desk.clock.advance(Duration::from_secs(2));
    assert_eq!(redeem(&desk, account, batch, 1).await, Ok(terms), "redeemed in time");
    assert_eq!(redeem(&desk, account, batch, 2).await, denied(Denial::ExpiredCode));
    desk.verify().await;
}

#[tokio::test]
async fn a_batch_is_nobodys_account() {
    let desk = Desk::new().await;
    let batch = make(&desk, batch(1, None)).await;
    let denied = Refusal::Denied(Denial::NoSuchAccount);
    assert_eq!(desk.system.accounts.inspect(batch).await.unwrap_err(), denied);
    assert_eq!(desk.grant(batch, 5, "first").await.unwrap_err(), denied);
    assert_eq!(desk.order(batch, set_status(Status::Closed)).await.unwrap_err(), denied);
    assert_eq!(desk.hold(batch, 1).await.unwrap_err(), denied);
    let (payment, amount) = ("pay_1".to_owned(), NanoUsd::from_nano(5));
    let what = TransferKind::Payment { payment, amount, expires_at_ms: None, top_up: None };
    let transfer = Transfer { id: "evt_1".into(), what };
    assert_eq!(desk.system.accounts.transfer(batch, transfer).await.unwrap_err(), denied);
    let again = desk.order(batch, Order::MakeCodes(self::batch(2, None))).await;
    assert_eq!(again.unwrap_err(), Refusal::Denied(Denial::AlreadyOpen));
    desk.verify().await;
}

#[tokio::test]
async fn a_batch_that_is_taken_back_gives_nothing_more_and_takes_nothing_away() {
    let desk = Desk::new().await;
    let first = make(&desk, batch(2, None)).await;
    let second = make(&desk, batch(2, None)).await;
    let (one, other) = (desk.account(0).await, desk.account(0).await);
    redeem(&desk, one, first, 1).await.unwrap();
    let (what, by, reason) = (CodeKind::Credit, "ann".to_owned(), "leaked".to_owned());
    let accounts = &desk.system.accounts;
    let revoked = accounts.revoke_batch(what, first, by.clone(), reason.clone()).await.unwrap();
    assert_eq!((revoked.codes, revoked.used, revoked.uses_max), (2, 1, 2));
    let denied = |denial| Refusal::Denied(denial);
    assert_eq!(redeem(&desk, other, first, 1).await, Err(denied(Denial::RevokedCode)));
    assert_eq!(redeem(&desk, other, first, 2).await, Err(denied(Denial::RevokedCode)));
    // Who had it is answered as before: a redemption that broke off is gone on with.
    assert_eq!(redeem(&desk, one, first, 1).await.unwrap().code, 0);
    redeem(&desk, other, second, 1).await.unwrap();
    assert_eq!(desk.view(one).await.available.nano(), 100);

    let (desk, _) = desk.restart().await;
    let accounts = &desk.system.accounts;
    // Again, it stays as it was.
    let again = accounts.revoke_batch(what, first, "bob".into(), "again".into()).await.unwrap();
    assert_eq!(again, revoked);
    let told = again.revoked.unwrap();
    assert_eq!((told.by, told.reason), (by, reason));
    assert_eq!(accounts.list_batches(what, 0, 9).await.unwrap(), [(1, first), (2, second)]);
    assert_eq!(accounts.list_batches(what, 1, 9).await.unwrap(), [(2, second)]);
    assert_eq!(accounts.list_batches(CodeKind::Invite, 0, 9).await.unwrap(), []);
    assert_eq!(redeem(&desk, other, first, 1).await, Err(denied(Denial::RevokedCode)));
    let none = denied(Denial::NoSuchAccount);
    for (what, id) in [(what, one), (CodeKind::Invite, second), (what, AccountId::codes(0))] {
        assert_eq!(accounts.inspect_batch(what, id).await.unwrap_err(), none);
        let revoked = accounts.revoke_batch(what, id, "ann".into(), "x".into()).await;
        assert_eq!(revoked.unwrap_err(), none, "{id}");
    }
    assert_eq!(accounts.inspect(AccountId::codes(0)).await.unwrap_err(), none);
    desk.verify().await;
}

#[tokio::test]
async fn a_batch_from_before_there_was_a_list_is_shown_and_taken_back_by_its_id() {
    let desk = Desk::new().await;
    let id = desk.system.accounts.new_id();
    desk.order(id, Order::MakeCodes(batch(1, None))).await.unwrap();
    let accounts = &desk.system.accounts;
    assert_eq!(accounts.list_batches(CodeKind::Credit, 0, 9).await.unwrap(), []);
    let shown = accounts.inspect_batch(CodeKind::Credit, id).await.unwrap();
    assert_eq!((shown.name.as_str(), shown.codes, shown.revoked), ("spring", 2, None));
    let revoked = accounts.revoke_batch(CodeKind::Credit, id, "ann".into(), "old".into()).await;
    assert_eq!(revoked.unwrap().revoked.unwrap().by, "ann");
}

#[tokio::test]
async fn codes_give_something_and_invites_nothing() {
    let desk = Desk::new().await;
    let free = CodeBatch { amount: NanoUsd::ZERO, ..batch(1, None) };
    for order in [Order::MakeCodes(free), Order::MakeInvites(batch(1, None))] {
        let made = desk.order(desk.system.accounts.new_id(), order).await;
        assert_eq!(made.unwrap_err(), Refusal::Denied(Denial::BadAmount));
    }
}
