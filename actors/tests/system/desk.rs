//! A system in a directory of its own, and short words for what is asked of it.

use std::future::Future;
use std::path::Path;
use std::sync::Once;
use std::time::Duration;

use infergate_actors::account::{
    Account, AccountOptions, AccountView, Admit, Breakdown, End, Extend, GrantKind, Limits, NewKey,
    Order, Permit, Presented, ReasonClass, Refusal, Settle, Status, StatusSet, Unavailable,
    UsageRecord,
};
use infergate_actors::clock::Clock;
use infergate_actors::id::{AccountId, ExchangeIds, HoldId, KeyHash, KeyId};
use infergate_actors::ledger::{Ledger, LedgerOptions, RecoveryReport, Ticket};
use infergate_actors::money::{NanoUsd, Rates, Usage};
use infergate_actors::supervisor::System;
use tempfile::TempDir;

pub(crate) const KEY: KeyId = KeyId(1);

/// What a test that is stuck is given before it fails.
const STUCK_AFTER: Duration = Duration::from_mins(1);

pub(crate) struct Desk {
    pub(crate) system: System,
    pub(crate) ledger: Ledger,
    pub(crate) clock: Clock,
    pub(crate) ids: ExchangeIds,
    pub(crate) dir: Option<TempDir>,
}

pub(crate) const OPTIONS: AccountOptions =
    AccountOptions { snapshot_every_events: 100, idle: Duration::from_hours(1) };

pub(crate) fn ledger_options(path: &Path) -> LedgerOptions {
    LedgerOptions {
        fsync_interval: Duration::from_millis(5),
        memtable_bytes: 1 << 20,
        cache_bytes: 1 << 20,
        ..LedgerOptions::new(path)
    }
}

/// One nano-dollar per token, in and out, so that amounts are token counts.
pub(crate) fn unit() -> Rates {
    Rates { input: 1_000_000, output: 1_000_000, ..Rates::default() }
}

impl Desk {
    pub(crate) async fn new() -> Self {
        Self::with(OPTIONS, |_| {}).await
    }

    pub(crate) async fn with(
        options: AccountOptions,
        set: impl FnOnce(&mut LedgerOptions),
    ) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let desk = Self::open_at(dir.path(), options, set).await;
        Self { dir: Some(dir), ..desk }
    }

    /// In a directory that outlives it.
    pub(crate) async fn open_at(
        path: &Path,
        options: AccountOptions,
        set: impl FnOnce(&mut LedgerOptions),
    ) -> Self {
        let mut ledger_options = ledger_options(path);
        set(&mut ledger_options);
        Self::open(None, options, ledger_options).await.0
    }

    async fn open(
        dir: Option<TempDir>,
        options: AccountOptions,
        ledger_options: LedgerOptions,
    ) -> (Self, RecoveryReport) {
        quieten();
        let clock = Clock::manual(1_800_000_000_000);
        let (ledger, report) = Ledger::open(ledger_options, clock.clone()).unwrap();
        let system = System::start(ledger.clone(), clock.clone(), options).await.unwrap();
        let ids = ExchangeIds::new(0, ledger.epoch());
        (Self { system, ledger, clock, ids, dir }, report)
    }

    /// Ends everything in order and begins again on the same directory.
    pub(crate) async fn restart(self) -> (Self, RecoveryReport) {
        let Self { system, ledger, dir, .. } = self;
        system.stop().await;
        ledger.close().unwrap();
        drop((system, ledger));
        let options = ledger_options(dir.as_ref().unwrap().path());
        Self::open(dir, OPTIONS, options).await
    }

    /// An account with a key and, if it is above zero, credit.
    pub(crate) async fn account(&self, credit: i64) -> AccountId {
        self.account_with(credit, Limits::default()).await
    }

    pub(crate) async fn account_with(&self, credit: i64, limits: Limits) -> AccountId {
        let view = self.system.accounts.open("someone".into(), limits).await.unwrap();
        self.create_key(view.id, hash_of(view.id)).await.unwrap();
        if credit > 0 {
            self.grant(view.id, credit, "first").await.unwrap();
        }
        view.id
    }

    pub(crate) async fn create_key(
        &self,
        account: AccountId,
        hash: KeyHash,
    ) -> Result<AccountView, Refusal> {
        let key = NewKey {
            hash,
            hint: "wxyz".into(),
            name: "key".into(),
            models: Vec::new(),
            expires_at_ms: None,
            limits: Limits::default(),
            rest: Vec::new(),
        };
        self.order(account, Order::CreateKey(key)).await
    }

    pub(crate) async fn grant(
        &self,
        account: AccountId,
        nano: i64,
        reference: &str,
    ) -> Result<AccountView, Refusal> {
        let order = Order::Grant {
            kind: GrantKind::Paid,
            amount: NanoUsd::from_nano(nano),
            expires_at_ms: None,
            reference: reference.into(),
        };
        self.order(account, order).await
    }

    pub(crate) async fn order(
        &self,
        account: AccountId,
        order: Order,
    ) -> Result<AccountView, Refusal> {
        self.system.accounts.order(account, order).await
    }

    /// Holds for exactly `tokens`.
    pub(crate) async fn hold(
        &self,
        account: AccountId,
        tokens: u64,
    ) -> Result<(HoldId, Permit, Ticket), Refusal> {
        let hold = self.ids.next();
        let (permit, ticket) = self.system.accounts.admit(account, admit(hold, tokens)).await?;
        Ok((hold, permit, ticket))
    }

    pub(crate) async fn extend(
        &self,
        account: AccountId,
        hold: HoldId,
        from: u64,
        to: u64,
    ) -> Result<u64, Refusal> {
        let extend = Extend {
            hold,
            rates: unit(),
            prompt_tokens_max: 0,
            completion_tokens_held: from,
            completion_tokens: to,
        };
        self.system.accounts.extend(account, extend).await
    }

    pub(crate) async fn settle(
        &self,
        account: AccountId,
        hold: HoldId,
        tokens: u64,
    ) -> Result<(), Unavailable> {
        self.system.accounts.settle(account, settle(hold, tokens)).await
    }

    pub(crate) async fn void(&self, account: AccountId, hold: HoldId) -> Result<(), Unavailable> {
        self.system.accounts.void(account, hold, End::ClientGone).await
    }

    pub(crate) async fn view(&self, account: AccountId) -> AccountView {
        self.system.accounts.inspect(account).await.unwrap()
    }

    pub(crate) async fn break_down(&self, account: AccountId, when: Breakdown) {
        self.system.accounts.break_down(account, when).await.unwrap();
    }

    /// Sends every account to sleep that may sleep.
    pub(crate) async fn sleep(&self, left: usize) {
        let accounts = &self.system.accounts;
        // An account that was busy at the first sweep is idle at the second.
        accounts.sweep();
        accounts.sweep();
        until("accounts sleep", || accounts.living() == left).await;
    }

    /// Every charge derived again from the journal, by the ledger's own judge.
    pub(crate) async fn verify(&self) {
        let ledger = self.ledger.clone();
        let report = tokio::task::spawn_blocking(move || ledger.verify::<Account>().unwrap());
        let report = report.await.unwrap();
        assert!(report.is_clean(), "{:#?}", report.differences);
    }
}

pub(crate) fn admit(hold: HoldId, tokens: u64) -> Admit {
    Admit {
        hold,
        key: KEY,
        presented: Presented::default(),
        model: "sim-small".into(),
        free: false,
        rates: unit(),
        prompt_tokens_max: 0,
        completion_tokens_max: tokens,
        completion_tokens_first: tokens,
        completion_tokens_min: tokens,
        tokens_estimate: tokens,
        fallbacks: Vec::new(),
    }
}

/// An order that sets the status.
pub(crate) fn set_status(status: Status) -> Order {
    let (by, reason) = ("tester".into(), "a test".into());
    Order::SetStatus(StatusSet { status, by, class: ReasonClass::Other, reason })
}

pub(crate) fn settle(hold: HoldId, tokens: u64) -> Settle {
    Settle {
        hold,
        usage: Usage { output: tokens, ..Usage::default() },
        estimated: false,
        rates: unit(),
        end: End::Completed,
        record: UsageRecord::default(),
    }
}

pub(crate) fn hash_of(account: AccountId) -> KeyHash {
    let mut hash = [7; 32];
    hash[..8].copy_from_slice(&account.0.to_be_bytes());
    KeyHash(hash)
}

/// Waits for what other tasks bring about.
pub(crate) async fn until(what: &str, is_so: impl Fn() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    assert!(tokio::time::timeout(STUCK_AFTER, waiting).await.is_ok(), "never came: {what}");
}

/// Does not wait for ever.
pub(crate) async fn in_time<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(STUCK_AFTER, what).await.expect("an answer in time")
}

/// Everything of a view that the journal decides, in a comparable form.
pub(crate) fn lasting(view: &AccountView) -> String {
    let AccountView { id, name, status, opened_at_ms, limits, totals, available, .. } = view;
    let AccountView { grants, holds, keys, events, digest, .. } = view;
    let keys: Vec<_> = keys.iter().map(|key| &key.key).collect();
    format!(
        "{:#?}",
        (
            (id, name, status, opened_at_ms, limits, totals),
            (available, grants, holds, keys, events, digest)
        )
    )
}

/// Keeps the panics that tests ask for out of the output.
fn quieten() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let loud = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !panic.to_string().contains("asked to break down") {
                loud(panic);
            }
        }));
    });
}
