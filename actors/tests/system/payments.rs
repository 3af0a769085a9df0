//! Payments and disputes while exchanges run, across breakdowns and restarts.

use infergate_actors::account::{
    Breakdown, Denial, ReasonClass, Refusal, Status, Transfer, TransferKind,
};
use infergate_actors::money::NanoUsd;

use crate::desk::Desk;

fn paid() -> Transfer {
    let (payment, amount) = ("pay_1".to_owned(), NanoUsd::from_nano(100));
    let what = TransferKind::Payment { payment, amount, expires_at_ms: None, top_up: None };
    Transfer { id: "evt_1".into(), what }
}

fn disputed() -> Transfer {
    let what = TransferKind::Dispute { payment: "pay_1".into(), amount: None };
    Transfer { id: "evt_2".into(), what }
}

#[tokio::test]
async fn a_dispute_ends_what_runs_and_takes_what_is_left_when_that_has_ended() {
    let desk = Desk::new().await;
    let account = desk.account(0).await;
    let accounts = &desk.system.accounts;
    let first = accounts.transfer(account, paid()).await.unwrap();
    let (hold, permit, _) = desk.hold(account, 60).await.unwrap();
    assert_eq!(permit.standing.is_over(), None);
    let back = accounts.transfer(account, disputed()).await.unwrap();
    assert_eq!(back.moved.nano(), 40);
    let suspended = Denial::Suspended(ReasonClass::Payment);
    assert_eq!(permit.standing.is_over(), Some(suspended));
    assert_eq!(desk.hold(account, 1).await.unwrap_err(), Refusal::Denied(suspended));
    desk.settle(account, hold, 10).await.unwrap();
    let view = desk.view(account).await;
    assert_eq!((view.charged_back.nano(), view.totals.remaining.nano()), (90, 0));

    desk.break_down(account, Breakdown::Now).await;
    assert_eq!(accounts.transfer(account, paid()).await, Ok(first.clone()));
    let (desk, _) = desk.restart().await;
    let accounts = &desk.system.accounts;
    assert_eq!(accounts.transfer(account, disputed()).await, Ok(back));
    assert_eq!(accounts.transfer(account, paid()).await, Ok(first));
    let after = desk.view(account).await;
    assert_eq!((after.digest, after.status), (view.digest, Status::Suspended));
    desk.verify().await;
}
