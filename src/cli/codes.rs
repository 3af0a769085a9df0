//! `infergate codes`: redemption codes at a running gateway, over its admin API.

use std::io;
use std::time::Duration;

use clap::{Args, Subcommand};
use http::Method;
use infergate_actors::id::AccountId;
use infergate_actors::money::NanoUsd;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::args::time;
use super::batches::{all, state, tell_lost, tell_made, used};
use super::before::Lost;
use super::call::{Error, ask, ask_once, date, query, raw, told};
use super::expiry::Expiry;
use super::{Console, Exit, Gateway};

const PATH: &str = "/admin/v1/codes";

/// What to do with redemption codes.
#[derive(Debug, Subcommand)]
pub enum Codes {
    /// Make codes and print them, once, a line each
    Create(NewCodes),
    /// List the batches of codes that were made
    List {
        /// Where.
        #[command(flatten)]
        gateway: Gateway,
    },
    /// Show a batch, without its codes
    Show {
        /// Where.
        #[command(flatten)]
        gateway: Gateway,
        /// The batch
        batch: AccountId,
    },
    /// Take a batch back: its codes stop working, and what was redeemed stays
    Revoke {
        /// Where.
        #[command(flatten)]
        gateway: Gateway,
        /// The batch
        batch: AccountId,
        /// Why, for the batch's journal
        #[arg(long)]
        reason: Option<String>,
    },
    /// Redeem a code for an account; once for each, however often it is asked for
    Redeem {
        /// Where.
        #[command(flatten)]
        gateway: Gateway,
        /// Who gets what it gives
        #[arg(long, value_name = "ACCOUNT")]
        account: AccountId,
        /// The code, such as `igc-…`
        code: String,
    },
}

/// Codes to be made.
#[derive(Debug, Args)]
pub struct NewCodes {
    /// Where.
    #[command(flatten)]
    gateway: Gateway,
    /// A name for people
    #[arg(long)]
    name: String,
    /// How many
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    count: usize,
    /// How much each gives, in USD
    #[arg(long, value_name = "USD")]
    amount: NanoUsd,
    /// Of which kind: `trial`, `paid`, `subscription`, `promotional`, `adjustment`, `compensation`
    #[arg(long, default_value = "promotional")]
    kind: String,
    /// How many accounts may use each
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    uses: u32,
    /// Until when they can be redeemed.
    #[command(flatten)]
    expiry: Expiry,
    /// How long the credit lasts once it is redeemed, such as `90d` [default: for ever]
    #[arg(long, value_name = "TIME", value_parser = time)]
    lasts: Option<Duration>,
    /// Make them once, however often this is called with the same key
    #[arg(long, value_name = "KEY", conflicts_with = "expires_after")]
    idempotency_key: Option<String>,
}

/// A batch as the gateway shows it.
#[derive(Deserialize, Serialize)]
struct Batch {
    #[serde(rename = "batch")]
    id: String,
    name: String,
    made_at_ms: u64,
    kind: String,
    amount_usd: String,
    amount_nano_usd: i64,
    count: usize,
    uses: u32,
    used: usize,
    expires_at_ms: Option<u64>,
    lasts_ms: Option<u64>,
    revoked: Option<Removal>,
}

#[derive(Deserialize, Serialize)]
struct Removal {
    at_ms: u64,
    by: String,
    reason: String,
}

#[derive(Deserialize)]
struct Made {
    batch: String,
    codes: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Redeemed {
    account: String,
    reference: String,
    kind: String,
    amount_usd: String,
    expires_at_ms: Option<u64>,
}

pub(super) async fn run(command: Codes, console: &mut Console<'_>) -> io::Result<Exit> {
    let done = match command {
        Codes::Create(new) => create(&new, console).await,
        Codes::List { gateway } => list(&gateway, console).await,
        Codes::Show { gateway, batch } => show(&gateway, batch, console).await,
        Codes::Revoke { gateway, batch, reason } => {
            let path = query(&format!("{PATH}/{batch}"), &[("reason", reason.as_deref())]);
            revoke(&gateway, &path, console).await
        }
        Codes::Redeem { gateway, account, code } => redeem(&gateway, account, &code, console).await,
    };
    told(done, console)
}

async fn create(new: &NewCodes, console: &mut Console<'_>) -> Result<(), Error> {
    let lasts_ms = new.lasts.map(|lasts| u64::try_from(lasts.as_millis()).unwrap_or(u64::MAX));
    let body = json!({
        "name": new.name,
        "count": new.count,
        "kind": new.kind,
        "amount_usd": new.amount.to_string(),
        "uses": new.uses,
        "expires_at_ms": new.expiry.at_ms(),
        "lasts_ms": lasts_ms,
    });
    let (to, key) = ((Method::POST, PATH), new.idempotency_key.as_deref());
    let answer = ask_once(&new.gateway, to, Some(&body), key, console).await?;
    if new.gateway.json {
        return raw(&answer, console);
    }
    tell(&answer, console)
}

fn tell(answer: &[u8], console: &mut Console<'_>) -> Result<(), Error> {
    if let Some(lost) = Lost::of(answer) {
        return tell_lost(&lost, "codes", console);
    }
    let Made { batch, codes } = serde_json::from_slice(answer)?;
    tell_made((&batch, codes), "codes", console)
}

async fn list(gateway: &Gateway, console: &mut Console<'_>) -> Result<(), Error> {
    let batches: Vec<Batch> = all(gateway, (PATH, "codes"), console).await?;
    if gateway.json {
        console.out.json(&batches)?;
        return Ok(());
    }
    let out = &mut console.out;
    writeln!(
        out,
        "{:<22} {:<20} {:>12} {:<13} {:<14} {:<24} STATE",
        "BATCH", "NAME", "USD EACH", "KIND", "USED", "MADE"
    )?;
    for batch in batches {
        let used = used(batch.used, batch.count, batch.uses);
        let state = state(batch.revoked.is_some(), batch.expires_at_ms);
        let (made, Batch { id, name, amount_usd, kind, .. }) = (date(batch.made_at_ms), &batch);
        writeln!(
            out,
            "{id:<22} {name:<20} {amount_usd:>12} {kind:<13} {used:<14} {made:<24} {state}"
        )?;
    }
    Ok(())
}

async fn show(gateway: &Gateway, batch: AccountId, console: &mut Console<'_>) -> Result<(), Error> {
    let answer = ask(gateway, Method::GET, &format!("{PATH}/{batch}"), None, console).await?;
    if gateway.json {
        return raw(&answer, console);
    }
    let shown: Batch = serde_json::from_slice(&answer)?;
    let for_ever = || "for ever".to_owned();
    let state = match &shown.revoked {
        Some(Removal { at_ms, by, reason }) => {
            format!("taken back on {} by {by} ({reason})", date(*at_ms))
        }
        None => state(false, shown.expires_at_ms),
    };
    let lasts = |ms| format!("{} from when it is redeemed", span(ms));
    for (name, value) in [
        ("batch", shown.id),
        ("name", shown.name),
        ("made", date(shown.made_at_ms)),
        ("codes", shown.count.to_string()),
        ("gives", format!("{} USD of {} credit", shown.amount_usd, shown.kind)),
        ("lasts", shown.lasts_ms.map_or_else(for_ever, lasts)),
        ("used", used(shown.used, shown.count, shown.uses)),
        ("state", state),
    ] {
        writeln!(console.out, "{name:<12} {value}")?;
    }
    Ok(())
}

async fn revoke(gateway: &Gateway, path: &str, console: &mut Console<'_>) -> Result<(), Error> {
    let answer = ask(gateway, Method::DELETE, path, None, console).await?;
    if gateway.json {
        return raw(&answer, console);
    }
    let batch: Batch = serde_json::from_slice(&answer)?;
    let used = used(batch.used, batch.count, batch.uses);
    writeln!(console.out, "{} gives nothing any more; {used} uses were made, and stay", batch.id)?;
    Ok(())
}

async fn redeem(
    gateway: &Gateway,
    account: AccountId,
    code: &str,
    console: &mut Console<'_>,
) -> Result<(), Error> {
    let path = format!("/admin/v1/accounts/{account}/redeem");
    let body = json!({ "code": code });
    let answer = ask(gateway, Method::POST, &path, Some(&body), console).await?;
    if gateway.json {
        return raw(&answer, console);
    }
    let Redeemed { account, reference, kind, amount_usd, expires_at_ms } =
        serde_json::from_slice(&answer)?;
    let until =
        expires_at_ms.map_or_else(|| "for ever".to_owned(), |at| format!("until {}", date(at)));
    writeln!(
        console.out,
        "{account}: {amount_usd} USD of {kind} credit, {until}, under the reference `{reference}`"
    )?;
    Ok(())
}

/// A span of time in the largest unit that it is a whole number of.
fn span(ms: u64) -> String {
    let units = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)];
    let unit = units.into_iter().find(|(_, unit_ms)| ms.is_multiple_of(*unit_ms));
    unit.map_or_else(|| format!("{ms}ms"), |(name, unit_ms)| format!("{}{name}", ms / unit_ms))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::Screen;
    use super::super::tests::run;
    use super::*;
    use crate::operate::fixture::Gateway;

    #[test]
    fn spans_read_as_they_are_asked_for() {
        for (ms, text) in
            [(86_400_000, "1d"), (7_200_000, "2h"), (90_000, "90s"), (1_001, "1001ms")]
        {
            assert_eq!(span(ms), text);
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn codes_are_made_redeemed_listed_shown_and_taken_back() {
        let gateway = Gateway::start().await;
        let account = gateway.account("one").await;
        let url = format!("http://{}", gateway.admin);
        let codes = async |words: &str| {
            let words: Vec<&str> = words.split(' ').collect();
            run(&[&["codes"], words.as_slice(), &["--admin-url", &url]].concat()).await
        };
        let new = "create --name spring --count 2 --amount 2.5 --uses 3 --expires-at 2999-12-31 \
                   --lasts 90d --idempotency-key k";
        let (exit, made, err) = codes(new).await;
        assert_eq!((exit, made.lines().count()), (Exit::Well, 2), "{err}");
        assert!(made.lines().all(|code| code.starts_with("igc-")), "{made}");
        let batch = err.split(';').next().unwrap();
        let (exit, again, err) = codes(new).await;
        assert_eq!((exit, again.as_str()), (Exit::Well, ""), "a secret is not told again");
        assert!(err.starts_with(batch) && err.contains("made before under this key"), "{err}");
        assert!(err.contains(&format!("`infergate codes revoke {batch}`")), "{err}");

        let code = made.lines().next().unwrap();
        let redeem = format!("redeem --account {account} {code}");
        let (exit, first, err) = codes(&redeem).await;
        assert!(
            exit == Exit::Well && first.contains("2.5 USD of promotional credit"),
            "{first}{err}"
        );
        assert_eq!(codes(&redeem).await.1, first);
        let (exit, table, _) = codes("list").await;
        assert!(exit == Exit::Well && table.contains("1 of 6") && table.contains("until 2"));
        assert!(table.contains(batch) && table.lines().count() == 2, "{table}");
        let (_, shown, _) = codes(&format!("show {batch}")).await;
        for part in ["2.5 USD of promotional credit", "90d from when", "1 of 6", "spring"] {
            assert!(shown.contains(part), "no `{part}` in\n{shown}");
        }
        assert!(made.lines().all(|code| !shown.contains(code) && !table.contains(code)));

        let (exit, out, _) = codes(&format!("revoke {batch} --reason leaked")).await;
        assert!(exit == Exit::Well && out.contains("1 of 6 uses were made"), "{out}");
        let other = made.lines().nth(1).unwrap();
        let (exit, _, err) = codes(&format!("redeem --account {account} {other}")).await;
        assert!(exit == Exit::Wrong && err.contains("409") && err.contains("taken back"), "{err}");
        let (_, shown, _) = codes(&format!("show {batch}")).await;
        assert!(shown.contains("by root (leaked)"), "{shown}");
        let (_, list, _) = codes("list --json").await;
        let list: Value = serde_json::from_str(&list).unwrap();
        assert_eq!(list[0]["revoked"]["reason"], "leaked");
        let (_, shown, _) = codes(&format!("show {batch} --json")).await;
        assert_eq!(serde_json::from_str::<Value>(&shown).unwrap(), list[0]);
        let (exit, _, err) = codes(&format!("show {account}")).await;
        assert!(exit == Exit::Wrong && err.contains("no such batch of codes"), "{err}");
        let (_, told, _) = codes(&format!("{redeem} --json")).await;
        assert_eq!(serde_json::from_str::<Value>(&told).unwrap()["account"], json!(account));
    }

    #[test]
    fn codes_whose_answer_was_lost_are_told_with_what_to_do() {
        let did = [json!({ "account": "acct_0000000000000002", "events": [] })];
        for (did, what) in [(&did[..], "revoke acct_0000000000000002`"), (&[], "codes list`")] {
            let answer = crate::api::once::lost(json!({}), did).to_string();
            let (mut out, mut err) = (Vec::new(), Vec::new());
            let environment = |_: &str| None;
            let (to_out, to_err) = (Screen::new(&mut out), Screen::new(&mut err));
            let mut console = Console { out: to_out, err: to_err, environment: &environment };
            tell(answer.as_bytes(), &mut console).unwrap();
            let err = String::from_utf8(err).unwrap();
            assert!(out.is_empty() && err.contains("are lost") && err.contains(what), "{err}");
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_list_goes_on_behind_its_first_page() {
        let gateway = Gateway::start().await;
        let url = format!("http://{}", gateway.admin);
        for number in 0..21 {
            let name = format!("n{number}");
            let body = json!({
                "name": name, "count": 1, "kind": "trial", "amount_usd": "1",
            });
            gateway.post(PATH, &body, 201).await;
        }
        let (_, list, _) = run(&["codes", "list", "--json", "--admin-url", &url]).await;
        let list: Vec<Value> = serde_json::from_str(&list).unwrap();
        assert_eq!((list.len(), &list[20]["name"]), (21, &json!("n20")));
    }
}
