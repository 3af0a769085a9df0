//! Plays the actors: accounts that write their events in order.

use std::path::Path;
use std::time::Duration;

use infergate_actors::account::{
    Attempt, AttemptOutcome, Draw, End, Event, GrantKind, Key, Limits, Settlement, UsageRecord,
};
use infergate_actors::clock::Clock;
use infergate_actors::id::{AccountId, ExchangeId, ExchangeIds, GrantId, HoldId, KeyHash, KeyId};
use infergate_actors::ledger::{
    Batch, Digest, Durability, Fold as _, JournalEntry, Ledger, LedgerOptions, Record,
    RecoveryReport, Snapshot, Ticket,
};
use infergate_actors::money::{Markup, NanoUsd, Rates, Usage};

use crate::fold::{Tally, load};

pub(crate) const START_MS: u64 = 1_800_000_000_000;
const RATES: u64 = 2_000_000_000;

/// One account's pen: knows what the next record must carry.
#[derive(Clone, Debug)]
pub(crate) struct Pen {
    pub(crate) account: AccountId,
    pub(crate) tally: Tally,
    number: u64,
    previous: Digest,
    at_ms: u64,
}

pub(crate) fn options(path: &Path) -> LedgerOptions {
    LedgerOptions {
        fsync_interval: Duration::from_millis(5),
        memtable_bytes: 64 << 10,
        cache_bytes: 4 << 20,
        // Sums are brought up to date where a test says so.
        rollup_interval: Duration::from_hours(1),
        ..LedgerOptions::new(path)
    }
}

pub(crate) fn open(path: &Path) -> (Ledger, RecoveryReport) {
    Ledger::open(options(path), Clock::real()).unwrap()
}

/// Waits, without an async runtime, until the ledger has answered a batch.
pub(crate) fn append(ledger: &Ledger, batch: Batch) -> Ticket {
    let (answer, answered) = std::sync::mpsc::channel();
    let then = Box::new(move |result| answer.send(result).unwrap());
    let ticket = ledger.append(batch, Some(then));
    answered.recv().unwrap().unwrap();
    ticket
}

pub(crate) fn wait(ledger: &Ledger, ticket: Ticket, durability: Durability) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(ledger.wait(ticket, durability)).unwrap();
}

impl Pen {
    pub(crate) fn new(account: AccountId) -> Self {
        let tally = Tally::new(account);
        Self { account, tally, number: 0, previous: Digest::default(), at_ms: START_MS }
    }

    pub(crate) fn write(&mut self, batch: &mut Batch, event: Event) {
        self.number += 1;
        self.at_ms += 1;
        let record = Record {
            account: self.account,
            number: self.number,
            previous: self.previous,
            at_ms: self.at_ms,
            event,
        };
        self.previous = batch.push(&record);
        self.tally.apply(&record, self.previous).unwrap();
    }

    /// Lets time pass, so that the next event happens at `at_ms`, or a little later.
    pub(crate) fn wait_until(&mut self, at_ms: u64) {
        self.at_ms = self.at_ms.max(at_ms.saturating_sub(1));
    }

    /// Opens the account with a key and credit.
    pub(crate) fn open(&mut self, batch: &mut Batch, credit: i64) {
        self.write(batch, Event::Opened { name: format!("Account {}", self.account) });
        self.write(batch, Event::KeyCreated { key: key(self.account) });
        let amount = NanoUsd::from_nano(credit);
        let (grant, kind, reference) = (GrantId(1), GrantKind::Paid, "ref-1".to_owned());
        self.write(batch, Event::Granted { grant, kind, amount, expires_at_ms: None, reference });
    }

    pub(crate) fn hold(&mut self, batch: &mut Batch, hold: HoldId, nano: i64) {
        let amount = NanoUsd::from_nano(nano);
        self.write(batch, Event::Held { hold, key: KeyId(1), amount });
    }

    pub(crate) fn void(&mut self, batch: &mut Batch, hold: HoldId) {
        self.write(batch, Event::Voided { hold, end: End::ProviderError });
    }

    /// Settles at one token's price for each token.
    pub(crate) fn settle(&mut self, batch: &mut Batch, hold: HoldId, tokens: u64) {
        self.write(batch, Event::Settled(Box::new(settlement(hold, tokens))));
    }

    pub(crate) fn snapshot(&self, batch: &mut Batch) {
        batch.snapshot(Snapshot {
            account: self.account,
            number: self.number,
            digest: self.previous,
            at_ms: self.at_ms,
            state: self.tally.snapshot(),
        });
    }
}

pub(crate) fn key(account: AccountId) -> Key {
    let mut hash = [7; 32];
    hash[..8].copy_from_slice(&account.0.to_be_bytes());
    Key {
        id: KeyId(1),
        hash: KeyHash(hash),
        hint: "wxyz".to_owned(),
        name: "first".to_owned(),
        models: vec!["sim-*".to_owned()],
        expires_at_ms: None,
        limits: Limits::default(),
        revoked_at_ms: None,
        created_at_ms: START_MS,
    }
}

pub(crate) fn settlement(hold: HoldId, tokens: u64) -> Settlement {
    let usage = Usage { input: tokens, ..Usage::default() };
    let rates = Rates { input: RATES, ..Rates::default() };
    let cost = rates.cost(&usage, Markup::default());
    Settlement {
        hold,
        key: KeyId(1),
        usage,
        estimated: false,
        rates,
        markup: Markup::default(),
        cost,
        charged: cost,
        absorbed: NanoUsd::ZERO,
        draws: [Draw { grant: GrantId(1), amount: cost }].into_iter().collect(),
        end: End::Completed,
        record: UsageRecord {
            model: "sim-small".to_owned(),
            streamed: true,
            started_at_ms: START_MS,
            first_content_ms: Some(120),
            total_ms: 900,
            attempts: [Attempt {
                provider: "simulated".to_owned(),
                upstream_model: "sim-small-2026".to_owned(),
                outcome: AttemptOutcome::Answered,
                status: Some(200),
                provider_cost: NanoUsd::from_nano(31),
            }]
            .into_iter()
            .collect(),
            ..UsageRecord::default()
        },
    }
}

/// Writes a small but complete history: several accounts, ended and open holds if asked for,
/// snapshots, a provider.
pub(crate) fn history(ledger: &Ledger, accounts: usize, exchanges: usize) -> Vec<Pen> {
    let ids = ExchangeIds::new(0, ledger.epoch());
    let mut pens: Vec<Pen> = (0..accounts).map(|_| Pen::new(ledger.new_account_id())).collect();
    let mut first = Batch::new().on_disk();
    for pen in &mut pens {
        pen.open(&mut first, 1_000_000_000);
    }
    append(ledger, first);
    for exchange in 0..exchanges {
        for pen in &mut pens {
            let hold = ids.next();
            let mut batch = Batch::new().lazy();
            pen.hold(&mut batch, hold, 500_000);
            ledger.append(batch, None);
            let mut batch = Batch::new();
            match exchange % 4 {
                0 => pen.void(&mut batch, hold),
                _ => pen.settle(&mut batch, hold, 1 + exchange as u64),
            }
            if exchange % 16 == 15 {
                pen.snapshot(&mut batch);
            }
            // A commit each, together with the hold: how the files are laid out does not depend on how
            // fast anybody is.
            append(ledger, batch);
        }
        if exchange % 8 == 0 {
            ledger.put_provider("simulated", vec![exchange.to_le_bytes()[0]; 40], None);
            append(ledger, Batch::new());
        }
    }
    pens
}

/// Everything that can be read, in a comparable form.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Contents {
    accounts: Vec<(AccountId, Vec<JournalEntry>, Tally, usize)>,
    keys: Vec<Option<(AccountId, KeyId)>>,
    provider: Option<Vec<u8>>,
}

pub(crate) fn contents(ledger: &Ledger) -> Contents {
    let ids = ledger.account_ids(None, usize::MAX).unwrap();
    let read = |account: &AccountId| {
        let journal = ledger.account_journal(*account, 0, usize::MAX).unwrap();
        let usage = ledger.usage_page(*account, None, usize::MAX).unwrap().len();
        (*account, journal, load(ledger, *account).unwrap(), usage)
    };
    Contents {
        accounts: ids.iter().map(read).collect(),
        keys: ids.iter().map(|id| ledger.find_key(&key(*id).hash).unwrap()).collect(),
        provider: ledger.provider("simulated").unwrap(),
    }
}

impl Contents {
    pub(crate) fn events(&self) -> u64 {
        self.accounts.iter().map(|(_, journal, ..)| journal.len() as u64).sum()
    }

    /// Whether `earlier` is what this was some time ago.
    pub(crate) fn starts_with(&self, earlier: &Self) -> bool {
        earlier.accounts.iter().all(|(account, journal, ..)| {
            let now = self.accounts.iter().find(|(id, ..)| id == account);
            now.is_some_and(|(_, now, ..)| now.starts_with(journal))
        })
    }
}

pub(crate) fn hold(count: u128) -> HoldId {
    ExchangeId(9 << 112 | 1 << 80 | count)
}
