//! Signing up under contention, breakdown and restart.

use std::sync::Arc;

use infergate_actors::account::{
    AccountView, Breakdown, CodeBatch, CodeKind, Denial, GrantKind, Limits, NewKey, Refusal,
    SignUp, TrialGrant,
};
use infergate_actors::id::{AccountId, KeyHash};
use infergate_actors::money::NanoUsd;
use tokio::task::JoinSet;

use crate::desk::{Desk, in_time};

fn wish(email: &str, secret: u8) -> SignUp {
    let key = NewKey {
        hash: KeyHash([secret; 32]),
        hint: "abcd".into(),
        name: "first".into(),
        models: Vec::new(),
        expires_at_ms: None,
        limits: Limits::default(),
        rest: Vec::new(),
    };
    SignUp {
        name: "ACME".into(),
        email: email.parse().unwrap(),
        key,
        trial: Some(TrialGrant { amount: NanoUsd::from_nano(100), expires_at_ms: None }),
        invite: None,
        request: None,
    }
}

async fn sign_up(desk: &Desk, email: &str, secret: u8) -> Result<AccountView, Refusal> {
    desk.system.accounts.sign_up(wish(email, secret), None).await
}

const TAKEN: Refusal = Refusal::Denied(Denial::EmailTaken);

fn invite() -> KeyHash {
    KeyHash([200; 32])
}

async fn invites(desk: &Desk, uses_max: u32) -> AccountId {
    let batch = CodeBatch {
        name: "beta".into(),
        hashes: vec![invite()],
        kind: GrantKind::Trial,
        amount: NanoUsd::ZERO,
        uses_max,
        expires_at_ms: None,
        lasts_ms: None,
    };
    let id = desk.system.accounts.new_id();
    desk.system.accounts.make_invites(id, batch).await.unwrap();
    id
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_who_signs_up_many_times_at_once_has_one_account_and_one_trial() {
    let desk = Arc::new(Desk::new().await);
    let mut asking = JoinSet::new();
    for secret in 1..=50 {
        let desk = Arc::clone(&desk);
        // The same mailbox, written in many ways.
        let email =
            format!("a.da+{secret}@{}mail.com", if secret % 2 == 0 { "g" } else { "google" });
        asking.spawn(async move { sign_up(&desk, &email, secret).await });
    }
    let answers = in_time(asking.join_all()).await;
    let opened: Vec<&AccountView> = answers.iter().flatten().collect();
    assert_eq!(opened.len(), 1, "{answers:?}");
    assert_eq!(answers.iter().filter(|answer| answer.as_ref().err() == Some(&TAKEN)).count(), 49);
    let view = desk.view(opened[0].id).await;
    assert_eq!((view.available.nano(), view.members.len(), view.keys.len()), (100, 1, 1));
    assert_eq!(view.keys[0].member, Some(view.members[0].id));
    let granted: Vec<AccountId> =
        desk.system.accounts.read(|ledger| ledger.account_ids(None, 100)).await.unwrap();
    assert_eq!(granted.len(), 2, "the account and its register: {granted:?}");
    desk.verify().await;
}

#[tokio::test]
async fn what_broke_off_is_gone_on_with_and_nothing_is_doubled() {
    let desk = Desk::new().await;
    let first = sign_up(&desk, "ada@example.com", 1).await.unwrap();
    let register = AccountId::register(0, &wish("bob@example.com", 1).email.person());
    desk.break_down(register, Breakdown::Now).await;
    let second = sign_up(&desk, "bob@example.com", 2).await.unwrap();
    let (desk, _) = desk.restart().await;
    assert_eq!(sign_up(&desk, "ada@example.com", 3).await.unwrap_err(), TAKEN);
    assert_eq!(sign_up(&desk, "bob@example.com", 3).await.unwrap_err(), TAKEN);
    let third = sign_up(&desk, "eve@example.com", 3).await.unwrap();
    let mut ids = [first.id, second.id, third.id, desk.account(0).await];
    ids.sort_unstable();
    assert_eq!(ids[0], AccountId::new(0, 1), "others are counted from where they were");
    assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "{ids:?}");
    desk.verify().await;
}

#[tokio::test]
async fn an_invite_opens_as_many_accounts_as_it_may_and_credit_is_none() {
    let desk = Desk::new().await;
    let batch = invites(&desk, 2).await;
    let with = async |email: &str, secret, hash| {
        desk.system.accounts.sign_up(wish(email, secret), Some((batch, hash))).await
    };
    let denied = |denial| Refusal::Denied(denial);
    let unknown = with("a@example.com", 1, KeyHash([201; 32])).await.unwrap_err();
    assert_eq!(unknown, denied(Denial::UnknownCode));
    let known = desk.system.accounts.read(|ledger| ledger.account_ids(None, 9)).await.unwrap();
    assert_eq!(known.len(), 2, "the batch and the list; nothing is left of the one who had none");
    let other = desk.account(0).await;
    let redeemed = desk.system.accounts.redeem(other, batch, invite()).await;
    assert_eq!(redeemed.unwrap_err(), denied(Denial::UnknownCode), "an invite is no credit");
    with("a@example.com", 1, invite()).await.unwrap();
    assert_eq!(with("a@example.com", 2, invite()).await.unwrap_err(), TAKEN);
    let view = with("b@example.com", 3, invite()).await.unwrap();
    assert_eq!(view.available.nano(), 100);
    let used_up = with("c@example.com", 4, invite()).await.unwrap_err();
    assert_eq!(used_up, denied(Denial::UsedUpCode));
    let (desk, _) = desk.restart().await;
    let shown = desk.system.accounts.inspect_batch(CodeKind::Invite, batch).await.unwrap();
    assert_eq!((shown.codes, shown.used, shown.uses_max), (1, 2, 2));
    let listed = desk.system.accounts.list_batches(CodeKind::Invite, 0, 9).await.unwrap();
    assert_eq!(listed, [(1, batch)]);

    let second = invites(&desk, 9).await;
    let accounts = &desk.system.accounts;
    let revoked =
        accounts.revoke_batch(CodeKind::Invite, second, "operator".into(), "leaked".into()).await;
    assert_eq!(revoked.unwrap().revoked.unwrap().reason, "leaked");
    let late = accounts.sign_up(wish("c@example.com", 5), Some((second, invite()))).await;
    assert_eq!(late.unwrap_err(), denied(Denial::RevokedCode));
    let open = accounts.sign_up(wish("c@example.com", 6), None).await.unwrap();
    assert_eq!(open.available.nano(), 100, "a refusal costs nobody an account");
    let no_batch =
        accounts.revoke_batch(CodeKind::Invite, open.id, "operator".into(), "x".into()).await;
    assert_eq!(no_batch.unwrap_err(), denied(Denial::NoSuchAccount));
    desk.verify().await;
}

#[tokio::test]
async fn a_register_is_nobodys_account() {
    let desk = Desk::new().await;
    sign_up(&desk, "ada@example.com", 1).await.unwrap();
    let register = AccountId::register(0, &wish("ada@example.com", 1).email.person());
    let denied = Refusal::Denied(Denial::NoSuchAccount);
    assert_eq!(desk.system.accounts.inspect(register).await.unwrap_err(), denied);
    assert_eq!(desk.grant(register, 5, "first").await.unwrap_err(), denied);
    assert_eq!(desk.hold(register, 1).await.unwrap_err(), denied);
    desk.verify().await;
}
