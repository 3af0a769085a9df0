//! Whether everything that tells of an account's money tells the same: its live state, its journal, its
//! usage, its statements, and the ledger's verification. Each is asked over the admin port, as an
//! operator would, and added up here on its own.

use serde_json::{Value, json};

use crate::operate::fixture::{Gateway, text};

/// Sums of an account, in nano-dollars.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Books {
    pub(super) granted: i64,
    pub(super) charged: i64,
    pub(super) expired: i64,
    /// Refunds and disputes.
    pub(super) returned: i64,
    pub(super) held: i64,
}

impl Books {
    pub(super) fn balance(&self) -> i64 {
        self.granted - self.charged - self.expired - self.returned
    }

    /// Asks for all of it and compares; the sums that all agree on. `months` are those that the account
    /// has been there in, such as `2026-11`.
    pub(super) async fn of(gateway: &Gateway, account: &str, months: &[&str]) -> Self {
        let path = format!("/admin/v1/accounts/{account}");
        let told = Self::told(&gateway.get(&path).await);
        let (folded, bills) = Self::folded(gateway, &path).await;
        // So that sums come from daily rows, and those are verified too.
        let ledger = gateway.world.ledger.clone();
        tokio::task::spawn_blocking(move || ledger.roll_up().unwrap()).await.unwrap();
        assert_eq!(told, folded, "the live state and the fold of the journal");
        check_usage(gateway, account, &bills).await;
        check_statements(gateway, &path, months, &told).await;
        let verified = gateway.post("/admin/v1/ledger/verify", &json!({}), 200).await;
        assert_eq!(verified["ok"], true, "{verified}");
        told
    }

    /// What the account's actor says.
    fn told(account: &Value) -> Self {
        let nano = |name: &str| nano(account, name);
        let told = Self {
            granted: nano("granted"),
            charged: nano("settled"),
            expired: nano("expired"),
            returned: nano("refunded") + nano("charged_back"),
            held: nano("held"),
        };
        assert_eq!(told.balance(), nano("balance"), "{account}");
        assert_eq!(told.balance() - told.held, nano("available"), "{account}");
        let lots = account["grants"].as_array().unwrap();
        let left: Vec<i64> = lots.iter().map(|lot| self::nano(lot, "remaining")).collect();
        assert!(left.iter().all(|left| *left > 0), "{account}");
        assert_eq!(left.iter().sum::<i64>(), told.balance(), "{account}");
        told
    }

    /// The journal's events, one after the other; and each bill: which exchange, how much.
    async fn folded(gateway: &Gateway, path: &str) -> (Self, Vec<(String, i64)>) {
        let mut sums = Self::default();
        let (mut bills, mut holds) = (Vec::new(), std::collections::HashMap::new());
        for line in pages(gateway, &format!("{path}/journal?limit=1000"), "events").await {
            let (name, event) = line["event"].as_object().unwrap().iter().next().unwrap();
            let amount = |field: &str| event[field].as_i64().unwrap();
            match name.as_str() {
                "granted" | "paid" => sums.granted += amount("amount"),
                "expired" => sums.expired += amount("amount"),
                "reclaimed" => sums.returned += amount("amount"),
                "refunded" | "charged_back" => sums.returned += amount("taken"),
                "held" | "held_of" => {
                    let known = holds.insert(text(&event["hold"]), amount("amount"));
                    assert_eq!(known, None, "held twice: {line}");
                }
                "extended" => *holds.get_mut(&text(&event["hold"])).unwrap() += amount("amount"),
                "voided" => drop(holds.remove(&text(&event["hold"])).unwrap()),
                "settled" => {
                    holds.remove(&text(&event["hold"])).unwrap();
                    sums.charged += amount("charged");
                    bills.push((text(&event["hold"]), amount("charged")));
                }
                _ => {}
            }
            assert!(sums.balance() >= 0, "below zero at {line}");
            assert!(holds.values().sum::<i64>() <= sums.balance(), "held too much at {line}");
        }
        sums.held = holds.values().sum();
        (sums, bills)
    }
}

/// One record an exchange, at what its bill says; and sums of them that say the same.
async fn check_usage(gateway: &Gateway, account: &str, bills: &[(String, i64)]) {
    let usage = format!("/admin/v1/usage?account={account}");
    let record = |row: &Value| (text(&row["id"]), nano(row, "charged"));
    let rows = pages(gateway, &format!("{usage}&limit=1000"), "usage").await;
    let (mut records, mut bills) = (rows.iter().map(record).collect::<Vec<_>>(), bills.to_vec());
    records.sort();
    bills.sort();
    assert_eq!(records, bills, "usage records and the ledger's bills");
    for group in ["model", "key", "day", "hour", "provider"] {
        let sums = gateway.get(&format!("{usage}&group_by={group}")).await;
        let sums = sums["groups"].as_array().unwrap_or_else(|| panic!("{sums}")).clone();
        let requests: u64 = sums.iter().map(|sum| sum["requests"].as_u64().unwrap()).sum();
        let charged: i64 = sums.iter().map(|sum| nano(sum, "charged")).sum();
        let all = bills.iter().map(|(_, charged)| charged).sum::<i64>();
        assert_eq!((requests, charged), (bills.len() as u64, all), "sums by {group}");
    }
}

/// Each month opens at what the one before closed at, and the last closes at the balance.
async fn check_statements(gateway: &Gateway, path: &str, months: &[&str], told: &Books) {
    let mut sums = Books::default();
    for month in months {
        let statement = gateway.get(&format!("{path}/statement?month={month}")).await;
        let nano = |name: &str| nano(&statement, name);
        assert_eq!(nano("opening"), sums.balance(), "{statement}");
        sums.granted += nano("credited");
        sums.charged += nano("charged");
        sums.expired += nano("expired");
        sums.returned += nano("returned");
        assert_eq!(nano("closing"), sums.balance(), "{statement}");
        let lines = statement["lines"].as_array().unwrap();
        let moved = lines.iter().filter(|line| line["line"] != "closing");
        let moved: i64 = moved.map(|line| self::nano(line, "amount")).sum();
        assert_eq!(moved, nano("closing"), "{statement}");
    }
    sums.held = told.held;
    assert_eq!(&sums, told, "the statements and the live state");
}

/// Every line of a list that comes in pages.
async fn pages(gateway: &Gateway, path: &str, list: &str) -> Vec<Value> {
    let (mut lines, mut after) = (Vec::new(), String::new());
    loop {
        let mut page = gateway.get(&format!("{path}{after}")).await;
        lines.append(page[list].as_array_mut().unwrap());
        after = match &page["next"] {
            Value::Null => return lines,
            Value::String(next) => format!("&after={next}"),
            next => format!("&after={next}"),
        };
    }
}

fn nano(value: &Value, name: &str) -> i64 {
    value[format!("{name}_nano_usd")].as_i64().unwrap_or_else(|| panic!("no {name} in {value}"))
}
