//! What an account is watched for, by hand: what is told, when, and what ends a top-up.

use std::time::Duration;

use infergate_actors::account::{
    Account, Admit, AutoTopUp, Budget, BudgetOwner, BudgetReached, CreditRules, Denial, End, Event,
    KeyChange, Limits, Machine, NewProject, Order, Period, ProjectChange, Settle, Transfer,
    TransferKind, UsageRecord, WatchEvent, WatchOrder, WatchSettings, WebhookChange,
};
use infergate_actors::clock::Now;
use infergate_actors::id::{HoldId, KeyId, ProjectId, TopUpId, WebhookId};
use infergate_actors::ledger::{Batch, Digest, Record};
use infergate_actors::money::{NanoUsd, Usage};

use crate::bench::{Bench, UNIT, admit, denial};

const HOUR: Duration = Duration::from_hours(1);

/// A bench that keeps what is written, and can start again from all of it.
pub(crate) struct Desk {
    pub(crate) bench: Bench,
    pub(crate) records: Vec<Record>,
    /// What there was before them.
    start: Account,
}

impl Desk {
    /// An account with a key, and so many nano-dollars.
    pub(crate) fn new(nano: i64) -> Self {
        let mut bench = Bench::new(Limits::default(), Limits::default());
        if nano > 0 {
            bench.grant(nano, None, "first").unwrap();
        }
        let start = bench.machine.account().clone();
        Self { bench, records: Vec::new(), start }
    }

    /// Does something, and gives what was told of by the way.
    pub(crate) fn told<T>(
        &mut self,
        act: impl FnOnce(&mut Machine, Now, &mut Batch) -> T,
    ) -> (T, Vec<WatchEvent>) {
        let mut batch = Batch::new();
        let answer = act(&mut self.bench.machine, self.bench.now, &mut batch);
        let records: Vec<Record> = batch.decoded().into_iter().map(|(record, _)| record).collect();
        let told = records.iter().filter_map(|record| match &record.event {
            Event::Watch(event) => Some((**event).clone()),
            _ => None,
        });
        let told = told.collect();
        self.records.extend(records);
        (answer, told)
    }

    pub(crate) fn order(&mut self, order: &Order) -> (Result<(), Denial>, Vec<WatchEvent>) {
        self.told(|machine, now, batch| denial(machine.order(order, now, batch)))
    }

    pub(crate) fn watch(&mut self, order: WatchOrder) -> (Result<(), Denial>, Vec<WatchEvent>) {
        self.order(&Order::Watch(order))
    }

    pub(crate) fn ask(
        &mut self,
        key: u32,
        hold: u128,
        tokens: u64,
    ) -> (Result<(), Denial>, Vec<WatchEvent>) {
        let admit = Admit { key: KeyId(key), ..admit(hold, tokens, tokens) };
        self.told(|machine, now, batch| denial(machine.admit(&admit, now, batch)).map(drop))
    }

    pub(crate) fn settle(&mut self, hold: u128, tokens: u64) -> (Option<i64>, Vec<WatchEvent>) {
        let settle = Settle {
            hold: HoldId::from_bits(hold),
            usage: Usage { output: tokens, ..Usage::default() },
            estimated: false,
            rates: UNIT,
            end: End::Completed,
            record: UsageRecord::default(),
        };
        self.told(|machine, now, batch| {
            denial(machine.settle(settle, now, batch)).ok().map(NanoUsd::nano)
        })
    }

    pub(crate) fn pay(
        &mut self,
        id: &str,
        nano: i64,
        top_up: Option<u32>,
    ) -> (Result<(), Denial>, Vec<WatchEvent>) {
        let what = TransferKind::Payment {
            payment: format!("pay-{id}"),
            amount: NanoUsd::from_nano(nano),
            expires_at_ms: None,
            top_up: top_up.map(TopUpId),
        };
        self.transfer(id, what)
    }

    pub(crate) fn refund(
        &mut self,
        id: &str,
        payment: &str,
        amount: Option<i64>,
    ) -> (Result<(), Denial>, Vec<WatchEvent>) {
        let (payment, amount) = (payment.to_owned(), amount.map(NanoUsd::from_nano));
        self.transfer(id, TransferKind::Refund { payment, amount })
    }

    pub(crate) fn transfer(
        &mut self,
        id: &str,
        what: TransferKind,
    ) -> (Result<(), Denial>, Vec<WatchEvent>) {
        let transfer = Transfer { id: id.to_owned(), what };
        self.told(|machine, now, batch| {
            machine.set_rules(CreditRules::default().into());
            denial(machine.transfer(&transfer, now, batch)).map(drop)
        })
    }

    /// Spends so much of the account's credit with its first key.
    pub(crate) fn spend(&mut self, hold: u128, nano: u64) -> Vec<WatchEvent> {
        let (begun, mut told) = self.ask(1, hold, nano);
        begun.unwrap();
        let (charged, more) = self.settle(hold, nano);
        assert_eq!(charged, i64::try_from(nano).ok());
        told.extend(more);
        told
    }

    /// What is kept is what the events give: nothing else is remembered.
    pub(crate) fn assert_replayed(&self) {
        let mut account = self.start.clone();
        for record in &self.records {
            account.apply(record, Digest::of(&record.encode())).unwrap();
        }
        assert_eq!(&account, self.bench.machine.account());
    }
}

pub(crate) fn nano(nano: i64) -> NanoUsd {
    NanoUsd::from_nano(nano)
}

fn percents(told: &[WatchEvent]) -> Vec<(BudgetOwner, Period, u8, bool)> {
    let of = |event: &WatchEvent| match event {
        WatchEvent::BudgetReached(BudgetReached { whose, period, percent, refused, .. }) => {
            Some((*whose, *period, *percent, *refused))
        }
        _ => None,
    };
    told.iter().filter_map(of).collect()
}

pub(crate) fn lows(told: &[WatchEvent]) -> Vec<i64> {
    let of = |event: &WatchEvent| match event {
        WatchEvent::BalanceLow { threshold, .. } => Some(threshold.nano()),
        _ => None,
    };
    told.iter().filter_map(of).collect()
}

pub(crate) fn due(told: &[WatchEvent]) -> Option<u32> {
    let of = |event: &WatchEvent| match event {
        WatchEvent::TopUpDue(top_up) => Some(top_up.id.0),
        _ => None,
    };
    told.iter().find_map(of)
}

pub(crate) fn auto(month_max: Option<i64>) -> WatchSettings {
    let top_up = AutoTopUp {
        threshold: nano(100),
        amount: nano(500),
        month_max: month_max.map(nano),
        lasts_ms: 3_600_000,
    };
    WatchSettings { top_up: Some(top_up), ..WatchSettings::default() }
}

fn budgets(desk: &mut Desk, period: Period, limit: i64) -> Vec<WatchEvent> {
    let budgets = vec![Budget { period, limit: nano(limit) }];
    let (done, told) = desk.order(&Order::SetBudgets(budgets));
    done.unwrap();
    told
}

#[test]
fn a_budget_is_told_of_at_half_at_four_fifths_and_at_its_end_with_nothing_set() {
    let mut desk = Desk::new(10_000);
    assert_eq!(budgets(&mut desk, Period::Day, 100), []);
    let mine = |percent| (BudgetOwner::Account, Period::Day, percent, false);
    assert_eq!(desk.spend(1, 49), []);
    assert_eq!(percents(&desk.spend(2, 1)), [mine(50)]);
    desk.bench.restart();
    assert_eq!(desk.spend(3, 29), []);
    assert_eq!(percents(&desk.spend(4, 21)), [mine(80), mine(100)]);
    let (refused, told) = desk.ask(1, 5, 1);
    assert!(matches!(refused, Err(Denial::BudgetExceeded { .. })));
    assert_eq!(told, []);
    desk.bench.advance(24 * HOUR);
    assert_eq!(percents(&desk.spend(6, 90)), [mine(50), mine(80)]);
}

#[test]
fn all_of_a_budget_is_gone_when_the_first_request_is_refused_for_it() {
    let mut desk = Desk::new(10_000);
    let changes =
        vec![KeyChange::Budgets(vec![Budget { period: Period::Month, limit: nano(100) }])];
    desk.order(&Order::ChangeKey { key: KeyId(1), changes }).0.unwrap();
    let mine = |percent, refused| (BudgetOwner::Key(KeyId(1)), Period::Month, percent, refused);
    desk.ask(1, 1, 100).0.unwrap();
    assert_eq!(percents(&desk.ask(1, 2, 1).1), [mine(100, true)]);
    desk.bench.restart();
    assert_eq!(desk.ask(1, 3, 1).1, []);
    // It is gone as far as requests are concerned: what is spent is told beside.
    let spent = [50, 80, 100].map(|percent| mine(percent, false));
    assert_eq!(percents(&desk.settle(1, 100).1), spent);
    assert_eq!(desk.ask(1, 3, 1).1, []);
    // An extension is refused as a request is.
    desk.bench.advance(31 * 24 * HOUR);
    desk.ask(1, 4, 100).0.unwrap();
    let extend = infergate_actors::account::Extend {
        hold: HoldId::from_bits(4),
        rates: UNIT,
        prompt_tokens_max: 0,
        completion_tokens_held: 100,
        completion_tokens: 120,
    };
    let (_, told) = desk.told(|machine, now, batch| machine.extend(&extend, now, batch).is_ok());
    assert_eq!(percents(&told), [mine(100, true)]);
}

#[test]
fn one_request_that_is_too_large_silences_no_threshold() {
    let mut desk = Desk::new(10_000);
    budgets(&mut desk, Period::Day, 100);
    let too_large = |desk: &mut Desk, hold| {
        let admit = Admit { prompt_tokens_max: 101, ..admit(hold, 101, 1) };
        let (answer, told) = desk.told(|machine, now, batch| machine.admit(&admit, now, batch));
        assert!(answer.is_err());
        told
    };
    let mine = |percent, refused| (BudgetOwner::Account, Period::Day, percent, refused);
    assert_eq!(percents(&too_large(&mut desk, 1)), [mine(100, true)]);
    assert_eq!(percents(&desk.spend(2, 50)), [mine(50, false)]);
    assert_eq!(too_large(&mut desk, 3), [], "once in a period");
    desk.bench.restart();
    assert_eq!(percents(&desk.spend(4, 30)), [mine(80, false)]);
    assert_eq!(percents(&desk.spend(5, 20)), [mine(100, false)]);
    assert_eq!(desk.ask(1, 6, 1).1, []);
    desk.bench.advance(24 * HOUR);
    assert_eq!(percents(&too_large(&mut desk, 7)), [mine(100, true)]);
    desk.assert_replayed();
}

#[test]
fn what_was_spent_in_a_period_that_is_over_reaches_no_new_budget() {
    let mut desk = Desk::new(10_000);
    budgets(&mut desk, Period::Day, 1_000);
    desk.spend(1, 90);
    desk.bench.advance(48 * HOUR);
    assert_eq!(budgets(&mut desk, Period::Day, 100), []);
    assert_eq!(percents(&budgets(&mut desk, Period::Total, 100)).len(), 2, "that is not over");
}

#[test]
fn a_key_that_is_revoked_is_told_of_and_remembered_no_more() {
    let mut desk = Desk::new(10_000);
    let changes = vec![KeyChange::Budgets(vec![Budget { period: Period::Day, limit: nano(100) }])];
    desk.order(&Order::ChangeKey { key: KeyId(1), changes }).0.unwrap();
    assert_eq!(desk.spend(1, 50).len(), 1);
    desk.ask(1, 2, 40).0.unwrap();
    let revoke = Order::RevokeKey { key: KeyId(1), reason: "leaked".into() };
    desk.order(&revoke).0.unwrap();
    assert_eq!(desk.settle(2, 40), (Some(40), vec![]));
    assert!(format!("{:?}", desk.bench.machine.account()).contains("reached: {}"));
    desk.bench.restart();
    desk.assert_replayed();
}

#[test]
fn a_projects_budget_is_told_of_as_its_own_whichever_of_its_keys_spends() {
    let mut desk = Desk::new(10_000);
    let budgets = vec![Budget { period: Period::Week, limit: nano(100) }];
    let new = NewProject { name: "team".into(), budgets, ..NewProject::default() };
    desk.order(&Order::CreateProject(new)).0.unwrap();
    let project = ProjectId(1);
    assert_eq!(desk.spend(1, 90), [], "the key is not in it yet");
    let changes = vec![KeyChange::Project(Some(project))];
    desk.order(&Order::ChangeKey { key: KeyId(1), changes }).0.unwrap();
    let mine = |percent, refused| (BudgetOwner::Project(project), Period::Week, percent, refused);
    assert_eq!(percents(&desk.spend(2, 50)), [mine(50, false)]);
    // A hold counts to the project that its key had, and so does what is told of its end.
    desk.ask(1, 3, 50).0.unwrap();
    assert_eq!(percents(&desk.ask(1, 4, 1).1), [mine(100, true)]);
    let changes = vec![KeyChange::Project(None)];
    desk.order(&Order::ChangeKey { key: KeyId(1), changes }).0.unwrap();
    assert_eq!(percents(&desk.settle(3, 50).1), [mine(80, false), mine(100, false)]);
    let changes =
        vec![ProjectChange::Budgets(vec![Budget { period: Period::Week, limit: nano(110) }])];
    let (done, told) = desk.order(&Order::ChangeProject { project, changes });
    done.unwrap();
    assert_eq!(percents(&told), [mine(50, false), mine(80, false)]);
}

#[test]
fn a_budget_of_another_limit_is_another_budget() {
    let mut desk = Desk::new(10_000);
    budgets(&mut desk, Period::Total, 100);
    assert_eq!(percents(&desk.spend(1, 85)).len(), 2);
    let mine = |percent| (BudgetOwner::Account, Period::Total, percent, false);
    // Set so that it is reached already, it is told at once.
    assert_eq!(percents(&budgets(&mut desk, Period::Total, 160)), [mine(50)]);
    assert_eq!(percents(&desk.spend(2, 75)), [mine(80), mine(100)]);
    assert_eq!(budgets(&mut desk, Period::Total, 0), [], "of nothing, nothing is spent");
}

#[test]
fn a_balance_is_told_of_once_until_it_was_above_again() {
    let mut desk = Desk::new(1_000);
    let low_balance = vec![nano(500), nano(100), nano(500)];
    let settings = WatchSettings { low_balance, ..WatchSettings::default() };
    let (_, told) = desk.watch(WatchOrder::Set(settings.clone()));
    assert_eq!(lows(&told), [0_i64; 0]);
    // What is only set aside is no less.
    desk.ask(1, 1, 900).0.unwrap();
    assert_eq!(lows(&desk.settle(1, 500).1), [0_i64; 0]);
    assert_eq!(lows(&desk.spend(2, 1)), [500]);
    desk.bench.restart();
    assert_eq!(lows(&desk.spend(3, 450)), [100]);
    assert_eq!(lows(&desk.spend(4, 1)), [0_i64; 0]);
    desk.pay("a", 1, None).0.unwrap();
    assert_eq!(lows(&desk.spend(5, 1)), [0_i64; 0], "still below");
    desk.pay("b", 52, None).0.unwrap();
    assert_eq!(lows(&desk.spend(6, 1)), [100], "the lower one was passed upwards");
    desk.pay("c", 1_000, None).0.unwrap();
    assert_eq!(lows(&desk.spend(7, 1_099)), [500, 100], "at one time");
    let more = WatchSettings { low_balance: vec![nano(2), nano(500)], ..settings };
    assert_eq!(lows(&desk.watch(WatchOrder::Set(more)).1), [2], "the other is told already");
}

#[test]
fn what_can_not_be_watched_for_is_refused() {
    let set = |settings| Desk::new(5).watch(WatchOrder::Set(settings));
    let percent =
        |list: &[u8]| WatchSettings { budget_percent: list.to_vec(), ..WatchSettings::default() };
    assert_eq!(set(percent(&[0])).0, Err(Denial::BadWatch));
    assert_eq!(set(percent(&[101])).0, Err(Denial::BadWatch));
    assert_eq!(set(percent(&[100, 50, 80])), (Ok(()), vec![]), "the same in another order");
    assert_eq!(set(auto(Some(499))).0, Err(Denial::BadWatch));
    let low_balance = vec![NanoUsd::ZERO];
    let settings = WatchSettings { low_balance, ..WatchSettings::default() };
    assert_eq!(set(settings).0, Err(Denial::BadWatch));
}

#[test]
fn a_webhook_is_made_changed_rotated_and_removed() {
    let mut desk = Desk::new(5);
    let add = || WatchOrder::AddWebhook { url: "https://a.example/".into(), events: vec![] };
    desk.watch(add()).0.unwrap();
    desk.watch(add()).0.unwrap();
    let second = WebhookId(2);
    let change = WebhookChange { enabled: Some(false), ..WebhookChange::default() };
    let change = || WatchOrder::ChangeWebhook { webhook: second, change: change.clone() };
    assert_eq!(desk.watch(change()).1.len(), 1);
    assert_eq!(desk.watch(change()).1, [], "it is so already");
    desk.watch(WatchOrder::RotateWebhook { webhook: second, overlap: HOUR }).0.unwrap();
    desk.bench.restart();
    let webhooks = desk.bench.machine.account().watch().webhooks;
    let until = desk.bench.now.wall_ms + 3_600_000;
    let known = (webhooks[1].version, webhooks[1].former_until_ms, webhooks[1].enabled);
    assert_eq!(known, (2, Some(until), false));
    desk.watch(WatchOrder::RemoveWebhook { webhook: second }).0.unwrap();
    let again = WatchOrder::RemoveWebhook { webhook: second };
    assert_eq!(desk.watch(again).0, Err(Denial::UnknownWebhook));
    desk.watch(add()).0.unwrap();
    let ids: Vec<_> =
        desk.bench.machine.account().watch().webhooks.iter().map(|it| it.id).collect();
    assert_eq!(ids, [WebhookId(1), WebhookId(3)], "an id is not given twice");
    for _ in 0..14 {
        desk.watch(add()).0.unwrap();
    }
    assert_eq!(desk.watch(add()).0, Err(Denial::TooManyWebhooks));
}

#[test]
fn an_account_with_neither_budget_nor_watch_writes_nothing_more() {
    let mut desk = Desk::new(1_000);
    desk.spend(1, 1_000);
    assert_eq!(desk.records.len(), 2);
    assert!(matches!(desk.ask(1, 2, 1).0, Err(Denial::InsufficientCredit { .. })));
    assert_eq!(desk.records.len(), 2);
    desk.assert_replayed();
}
