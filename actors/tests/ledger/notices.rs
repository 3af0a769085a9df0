//! Notices: what stands in their index, in stores of this build and of earlier ones.

use std::fs;
use std::path::Path;

use fjall::{Database, KeyspaceCreateOptions};
use infergate_actors::account::{
    AutoTopUp, Budget, BudgetOwner, BudgetReached, Event, Period, TopUp, TopUpEnd, WatchEvent,
    WatchSettings, Webhook,
};
use infergate_actors::clock::Clock;
use infergate_actors::id::{AccountId, KeyId, TopUpId, WebhookId};
use infergate_actors::ledger::{
    Batch, Digest, Ledger, Notice, Record, export_directory, import, repair, verify_directory,
};
use infergate_actors::money::NanoUsd;
use tempfile::tempdir;

use crate::commits::verify;
use crate::desk::{Pen, append, history, hold, open, options};
use crate::fold::Tally;

/// The keyspaces of the builds before there were notices, in their order.
const KEYSPACES: [&str; 7] =
    ["journal", "account_journal", "accounts", "usage", "keys", "providers", "meta"];

/// Every fact of a watch, as the first build that knew of them wrote it. These never change.
const FACTS: [&str; 9] = [
    "048580808080808001016db7d803e74f1ffa7d8f5adc0bf95b3efba0f1c2b1341a0002c801d00f02326401e807a01f01e05d80dddb01",
    "048580808080808001026db7d803e74f1ffa7d8f5adc0bf95b3efba0f1c2b1341a01000280a0f1c2b13450d00fc20c00",
    "048580808080808001036db7d803e74f1ffa7d8f5adc0bf95b3efba0f1c2b1341a0101040280a0f1c2b13450d00fc20c01",
    "048580808080808001046db7d803e74f1ffa7d8f5adc0bf95b3efba0f1c2b1341a02c801c601",
    "048580808080808001056db7d803e74f1ffa7d8f5adc0bf95b3efba0f1c2b1341a0302a01fe807e60780a0f1c2b13480fdccc4b134",
    "048580808080808001066db7d803e74f1ffa7d8f5adc0bf95b3efba0f1c2b1341a040200057061795f31",
    "048580808080808001076db7d803e74f1ffa7d8f5adc0bf95b3efba0f1c2b1341a040201086465636c696e6564",
    "048580808080808001086db7d803e74f1ffa7d8f5adc0bf95b3efba0f1c2b1341a05031868747470733a2f2f6578616d706c652e636f6d2f686f6f6b01086275646765742e2a01020180a0f1c2b134",
    "048580808080808001096db7d803e74f1ffa7d8f5adc0bf95b3efba0f1c2b1341a0603",
];

fn seen(ledger: &Ledger, account: Option<AccountId>) -> Vec<(u64, &'static str)> {
    let notices = ledger.notices(account, 0, 100).unwrap();
    notices.into_iter().map(|Notice { sequence, kind, .. }| (sequence, kind.name())).collect()
}

/// Waits until all is on disk, without an async runtime.
fn flush(ledger: &Ledger) {
    append(ledger, Batch::new().on_disk());
}

#[test]
fn a_notice_is_in_the_index_with_its_event_and_nothing_else_is() {
    let dir = tempdir().unwrap();
    let (ledger, _) = open(dir.path());
    let mut pens = history(&ledger, 2, 3);
    let mut batch = Batch::new();
    let budgets = vec![Budget { period: Period::Day, limit: NanoUsd::from_nano(5) }];
    pens[1].write(&mut batch, Event::BudgetsChanged { budgets });
    append(&ledger, batch.on_disk());
    let (one, two) = (pens[0].account, pens[1].account);
    let all = seen(&ledger, None);
    let begun = ["account.opened", "key.created", "credit.granted"];
    let names = |account| seen(&ledger, Some(account)).into_iter().map(|(_, name)| name);
    assert_eq!(names(one).collect::<Vec<_>>(), begun);
    assert_eq!(names(two).collect::<Vec<_>>()[3..], ["account.budgets_changed"]);
    assert_eq!(all.len(), 7);
    assert!(all.is_sorted());
    for (sequence, _) in &all {
        let entry = ledger.event_at(*sequence).unwrap().unwrap();
        assert_eq!(entry.sequence, *sequence);
        assert!(!entry.record.event.is_of_a_request());
    }
    assert_eq!(ledger.sequence_at(0).unwrap(), 1);
    assert_eq!(ledger.sequence_at(u64::MAX).unwrap(), ledger.stats().sequence + 1);
    assert_eq!(ledger.notices(None, all[5].0, 9).unwrap().len(), 1);
    assert_eq!(*ledger.notices_seen().borrow(), all[6].0);
    verify(&ledger);
}

#[test]
fn how_far_a_reader_has_come_survives_restart_export_and_repair() {
    let dir = tempdir().unwrap();
    let (old, new, repaired) =
        (dir.path().join("old"), dir.path().join("new"), dir.path().join("repaired"));
    let (ledger, _) = open(&old);
    history(&ledger, 2, 3);
    ledger.put_delivery("first", vec![1], None);
    ledger.put_delivery("other", vec![2, 3], None);
    ledger.put_delivery("first", vec![4], None);
    let states = vec![("first".to_owned(), vec![4]), ("other".to_owned(), vec![2, 3])];
    assert_eq!(ledger.deliveries().unwrap(), states);
    flush(&ledger);
    let notices = seen(&ledger, None);
    drop(ledger);
    let mut stream = Vec::new();
    export_directory(&old, 1, &mut stream).unwrap();
    import(&mut stream.as_slice(), &new).unwrap();
    assert_eq!(repair(&old, &repaired).unwrap().notes, Vec::<String>::new());
    for path in [old, new, repaired] {
        assert!(verify_directory::<Tally>(&path).unwrap().is_clean());
        let (ledger, _) = open(&path);
        assert_eq!(ledger.deliveries().unwrap(), states);
        assert_eq!(seen(&ledger, None), notices);
    }
}

/// A store as the builds before there were notices made it, of what is in one of this build.
fn without_notices(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for file in ["FORMAT", "high-water"] {
        fs::copy(from.join(file), to.join(file)).unwrap();
    }
    let open = |path: &Path| {
        let builder = Database::builder(path.join("store"));
        builder.journal_compression(fjall::CompressionType::None).open().unwrap()
    };
    let (from, to) = (open(from), open(to));
    for name in KEYSPACES {
        let keyspace =
            |database: &Database| database.keyspace(name, KeyspaceCreateOptions::default).unwrap();
        let (from, to) = (keyspace(&from), keyspace(&to));
        for pair in from.iter() {
            let (key, value) = pair.into_inner().unwrap();
            if &*key != b"notices" {
                to.insert(key, value).unwrap();
            }
        }
    }
    to.persist(fjall::PersistMode::SyncAll).unwrap();
}

#[test]
fn a_store_of_before_there_were_notices_opens_and_has_them_from_there_on() {
    let dir = tempdir().unwrap();
    let (new, old) = (dir.path().join("new"), dir.path().join("old"));
    let (ledger, _) = open(&new);
    let mut pens = history(&ledger, 2, 3);
    drop(ledger);
    without_notices(&new, &old);
    assert!(!old.join("store/keyspaces/8").exists());
    let repaired = dir.path().join("repaired");
    assert_eq!(repair(&old, &repaired).unwrap().notes, Vec::<String>::new());
    // Only looked at, it is as it was.
    assert!(verify_directory::<Tally>(&old).unwrap().is_clean());
    for _ in 0..2 {
        let (ledger, _) = open(&old);
        assert_eq!(seen(&ledger, None).len(), pens.len() - 2);
        let mut pen = Pen::new(AccountId::new(0, 3 + pens.len() as u64));
        let mut batch = Batch::new();
        pen.write(&mut batch, Event::Opened { name: "new".into() });
        append(&ledger, batch.on_disk());
        pens.push(pen);
        assert_eq!(seen(&ledger, None).len(), pens.len() - 2);
        verify(&ledger);
    }
    // What was saved of it has been written anew, and so has every notice.
    assert_eq!(seen(&open(&repaired).0, None).len(), 6);
}

#[test]
fn an_index_of_notices_that_is_gone_does_not_come_back_empty() {
    for number in [9, 10, 11] {
        let dir = tempdir().unwrap();
        let (ledger, _) = open(dir.path());
        let mut pens = history(&ledger, 1, 3);
        let mut batch = Batch::new();
        pens[0].hold(&mut batch, hold(1), 5);
        append(&ledger, batch);
        drop(ledger);
        fs::remove_dir_all(dir.path().join(format!("store/keyspaces/{number}"))).unwrap();
        for _ in 0..2 {
            let refused = Ledger::open(options(dir.path()), Clock::real());
            assert!(refused.is_err(), "keyspace {number}");
        }
    }
}

fn facts() -> [WatchEvent; 9] {
    let nano = NanoUsd::from_nano;
    let top_up = TopUpId(2);
    let ended = |end| WatchEvent::TopUpEnded { top_up, end };
    let auto = AutoTopUp {
        threshold: nano(500),
        amount: nano(2_000),
        month_max: Some(nano(6_000)),
        lasts_ms: 3_600_000,
    };
    let settings = WatchSettings {
        low_balance: vec![nano(100), nano(1_000)],
        budget_percent: vec![50, 100],
        top_up: Some(auto),
    };
    let reached = |whose, refused| {
        WatchEvent::BudgetReached(BudgetReached {
            whose,
            period: Period::Month,
            began_at_ms: 1_800_000_000_000,
            percent: 80,
            limit: nano(1_000),
            spent: nano(801),
            refused,
        })
    };
    let webhook = Webhook {
        id: WebhookId(3),
        url: "https://example.com/hook".into(),
        events: vec!["budget.*".into()],
        enabled: true,
        version: 2,
        former_until_ms: Some(1_800_000_000_000),
    };
    [
        WatchEvent::SettingsChanged { settings },
        reached(BudgetOwner::Account, false),
        reached(BudgetOwner::Key(KeyId(4)), true),
        WatchEvent::BalanceLow { threshold: nano(100), balance: nano(99) },
        WatchEvent::TopUpDue(TopUp {
            id: top_up,
            amount: nano(2_000),
            threshold: nano(500),
            balance: nano(499),
            due_at_ms: 1_800_000_000_000,
            lapses_at_ms: 1_800_003_600_000,
        }),
        ended(TopUpEnd::Paid { payment: "pay_1".into() }),
        ended(TopUpEnd::Failed { reason: "declined".into() }),
        WatchEvent::WebhookSet { webhook },
        WatchEvent::WebhookRemoved { webhook: WebhookId(3) },
    ]
}

#[test]
fn facts_of_a_watch_read_what_they_have_always_read() {
    for ((number, hex), fact) in (1..).zip(FACTS).zip(facts()) {
        let (account, previous) = (AccountId::new(2, 5), Digest::of(b"before"));
        let event = Event::Watch(Box::new(fact));
        let record = Record { account, number, previous, at_ms: 1_800_000_000_123, event };
        let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        let bytes: Vec<u8> = (0..hex.len()).step_by(2).map(byte).collect();
        // These bytes say version 4, what is written today says 5, and nothing else differs.
        assert_eq!(record.encode().get(1..), bytes.get(1..));
        assert_eq!(Record::decode(&bytes), Ok(record));
    }
    let lapsed = Event::Watch(Box::new(WatchEvent::TopUpEnded {
        top_up: TopUpId(2),
        end: TopUpEnd::Lapsed,
    }));
    let (account, previous) = (AccountId::new(2, 5), Digest::of(b"before"));
    let record = Record { account, number: 10, previous, at_ms: 1, event: lapsed };
    assert!(record.encode().ends_with(&[26, 4, 2, 2]));
}
