//! `infergate statement`: an account's month at a running gateway, over its admin API.

use std::io;

use clap::Args;
use http::Method;
use infergate_actors::id::AccountId;
use serde::Deserialize;

use super::call::{Error, ask, date, query, raw, told};
use super::{Console, Exit, Gateway};

/// Which account, and which month.
#[derive(Debug, Args)]
pub struct Statement {
    /// Where.
    #[command(flatten)]
    pub gateway: Gateway,
    /// Whose
    #[arg(long, value_name = "ACCOUNT")]
    pub account: AccountId,
    /// The month (UTC), such as `2026-11`
    #[arg(long, value_name = "MONTH")]
    pub month: String,
    /// Print its lines as CSV
    #[arg(long, conflicts_with = "json")]
    pub csv: bool,
}

/// A statement as the gateway tells it.
#[derive(Deserialize)]
struct Told {
    account: String,
    from_ms: u64,
    to_ms: u64,
    opening_usd: String,
    credited_usd: String,
    charged_usd: String,
    expired_usd: String,
    returned_usd: String,
    closing_usd: String,
    subscription_paid_usd: String,
    lines: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    line: String,
    at: Option<String>,
    item: Option<String>,
    reference: Option<String>,
    requests: Option<u64>,
    amount_usd: String,
}

pub(super) async fn run(command: Statement, console: &mut Console<'_>) -> io::Result<Exit> {
    told(tell(&command, console).await, console)
}

async fn tell(wanted: &Statement, console: &mut Console<'_>) -> Result<(), Error> {
    let Statement { gateway, account, month, csv } = wanted;
    let path = format!("/admin/v1/accounts/{account}/statement");
    let format = csv.then_some("csv");
    let path = query(&path, &[("month", Some(month)), ("format", format)]);
    let answer = ask(gateway, Method::GET, &path, None, console).await?;
    if gateway.json {
        return raw(&answer, console);
    }
    if *csv {
        // Its last line ends as every other.
        console.out.raw().write_all(&answer)?;
        return Ok(());
    }
    let statement: Told = serde_json::from_slice(&answer)?;
    let out = &mut console.out;
    let (from, to) = (date(statement.from_ms), date(statement.to_ms));
    writeln!(out, "{}, from {from} to {to}", statement.account)?;
    for (name, usd) in [
        ("opening", statement.opening_usd),
        ("credited", statement.credited_usd),
        ("charged", statement.charged_usd),
        ("expired", statement.expired_usd),
        ("returned", statement.returned_usd),
        ("closing", statement.closing_usd),
        ("paid for subscriptions", statement.subscription_paid_usd),
    ] {
        writeln!(out, "{name:<24} {usd:>16}")?;
    }
    writeln!(out)?;
    writeln!(
        out,
        "{:<13} {:<24} {:<28} {:>9} {:>16} REFERENCE",
        "LINE", "AT", "ITEM", "REQUESTS", "USD"
    )?;
    for Entry { line, at, item, reference, requests, amount_usd } in statement.lines {
        let (at, item) = (at.unwrap_or_default(), item.unwrap_or_default());
        let requests = requests.map(|count| count.to_string()).unwrap_or_default();
        let reference = reference.unwrap_or_default();
        let line =
            format!("{line:<13} {at:<24} {item:<28} {requests:>9} {amount_usd:>16} {reference}");
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use infergate_actors::clock::Clock;
    use serde_json::Value;

    use super::super::tests::run;
    use super::*;
    use crate::operate::fixture::Setup;

    /// 2026-11-25.
    const NOW_MS: u64 = 1_795_600_000_000;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_month_is_told_as_a_table_as_csv_and_as_json() {
        let gateway = Setup { clock: Clock::manual(NOW_MS), ..Setup::default() }.start().await;
        let id = gateway.account("one").await;
        let grant =
            serde_json::json!({ "amount_usd": "2.5", "kind": "paid", "reference": "inv 7" });
        gateway.post(&format!("/admin/v1/accounts/{id}/grants"), &grant, 201).await;
        let url = format!("http://{}", gateway.admin);
        let statement = async |words: &[&str]| {
            let at = ["--account", &id, "--admin-url", &url];
            run(&[&["statement"], words, &at].concat()).await
        };
        let (exit, table, err) = statement(&["--month", "2026-11"]).await;
        assert_eq!((exit, err.as_str()), (Exit::Well, ""));
        assert!(table.contains("from 2026-11-01T00:00:00Z to 2026-12-01T00:00:00Z"), "{table}");
        let closing = table.lines().find(|line| line.starts_with("closing")).unwrap();
        assert!(closing.ends_with(" 2.5"), "{table}");
        let credit = table.lines().find(|line| line.starts_with("credit ")).unwrap();
        assert!(credit.contains("grant_1 paid") && credit.ends_with("inv 7"), "{table}");
        let (_, csv, _) = statement(&["--month", "2026-11", "--csv"]).await;
        assert!(csv.starts_with("line,at,item,") && csv.contains("\r\n"), "{csv}");
        let (_, json, _) = statement(&["--month", "2026-10", "--json"]).await;
        let json: Value = serde_json::from_str(&json).unwrap();
        assert_eq!((&json["closing_usd"], &json["account"]), (&"0".into(), &id.as_str().into()));
        let (exit, _, err) = statement(&["--month", "November"]).await;
        assert!(exit == Exit::Wrong && err.contains("`month` must be a month"), "{err}");
    }
}
