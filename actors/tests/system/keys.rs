//! Keys with budgets and several secrets, through an actor and a ledger, across restarts.

use std::time::Duration;

use infergate_actors::account::{
    Account, Breakdown, Budget, Denial, KeyChange, Order, Period, Refusal,
};
use infergate_actors::id::{AccountId, KeyHash};
use infergate_actors::ledger::verify_directory;
use infergate_actors::money::NanoUsd;

use crate::desk::{Desk, KEY, admit, hash_of, settle};

async fn spend(desk: &Desk, account: AccountId, tokens: u64) -> Result<(), Refusal> {
    let hold = desk.ids.next();
    desk.system.accounts.admit(account, admit(hold, tokens)).await?;
    desk.system.accounts.settle(account, settle(hold, tokens)).await?;
    Ok(())
}

fn rotate(hash: KeyHash) -> Order {
    Order::RotateKey { key: KEY, hash, hint: "new!".into(), overlap: Duration::from_hours(1) }
}

#[tokio::test]
async fn what_was_spent_of_a_budget_is_known_after_a_breakdown_and_a_restart() {
    let desk = Desk::new().await;
    let account = desk.account(1_000).await;
    let limit = NanoUsd::from_nano(100);
    let budgets = vec![Budget { period: Period::Month, limit }];
    let changes = vec![KeyChange::Budgets(budgets.clone())];
    desk.order(account, Order::ChangeKey { key: KEY, changes }).await.unwrap();
    desk.order(account, Order::SetBudgets(budgets)).await.unwrap();
    spend(&desk, account, 60).await.unwrap();
    // Rebuilt from the events alone.
    desk.system.accounts.break_down(account, Breakdown::Now).await.unwrap();
    let view = desk.system.accounts.inspect(account).await.unwrap();
    assert_eq!(view.budgets[0].spent.nano(), 60);
    assert_eq!(view.keys[0].budgets[0].spent.nano(), 60);
    spend(&desk, account, 30).await.unwrap();
    // Held when the gateway stops, and let go of at the next start.
    let open = desk.ids.next();
    desk.system.accounts.admit(account, admit(open, 10)).await.unwrap();
    let (desk, _) = desk.restart().await;
    let view = desk.system.accounts.inspect(account).await.unwrap();
    for budget in [view.budgets[0], view.keys[0].budgets[0]] {
        assert_eq!((budget.spent.nano(), budget.held.nano()), (90, 0));
    }
    spend(&desk, account, 10).await.unwrap();
    let refused = spend(&desk, account, 10).await.unwrap_err();
    assert!(matches!(refused, Refusal::Denied(Denial::BudgetExceeded { .. })), "{refused}");
    let Desk { system, ledger, dir, .. } = desk;
    system.stop().await;
    ledger.close().unwrap();
    drop((system, ledger));
    let report = verify_directory::<Account>(dir.unwrap().path()).unwrap();
    assert!(report.is_clean(), "{:#?}", report.differences);
}

#[tokio::test]
async fn each_secret_of_a_key_leads_to_it_and_to_no_other_ever() {
    let desk = Desk::new().await;
    let [one, other] = [desk.account(10).await, desk.account(10).await];
    let new = KeyHash([77; 32]);
    desk.order(one, rotate(new)).await.unwrap();
    let duplicate = Refusal::Denied(Denial::DuplicateKey);
    for account in [one, other] {
        for known in [new, hash_of(one)] {
            assert_eq!(desk.order(account, rotate(known)).await.unwrap_err(), duplicate);
            assert_eq!(desk.create_key(account, known).await.unwrap_err(), duplicate);
        }
    }
    let (desk, _) = desk.restart().await;
    for known in [new, hash_of(one)] {
        let found = desk.system.accounts.find_key(known).await.unwrap();
        assert_eq!(found, Some((one, KEY)));
    }
}
