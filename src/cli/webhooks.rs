//! `infergate webhooks` and `infergate events`: who is told of what has happened, over the admin API.

use std::io;
use std::time::Duration;

use clap::{Args, Subcommand};
use http::Method;
use infergate_actors::clock::Clock;
use infergate_actors::id::AccountId;
use serde_json::{Value, json};

use super::args::time;
use super::call::{Error, ask, date, escaped, told};
use super::{Console, Exit, Gateway};

/// What to do with webhooks.
#[derive(Debug, Subcommand)]
pub enum Webhooks {
    /// List all webhooks, and how far each has come
    List {
        /// Where.
        #[command(flatten)]
        gateway: Gateway,
        /// Only those behind this name
        #[arg(long, value_name = "NAME")]
        after: Option<String>,
    },
    /// Send messages once more, with the ids they had
    Replay(Box<ReplayArgs>),
    /// Send a message that stands for nothing, and say what came of it
    Test {
        /// Where.
        #[command(flatten)]
        gateway: Gateway,
        /// The webhook's name
        name: String,
    },
}

/// What to send once more, and to whom.
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// Where.
    #[command(flatten)]
    gateway: Gateway,
    /// The webhook's name
    name: String,
    /// What.
    #[command(flatten)]
    what: What,
}

/// One of these.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct What {
    /// Everything from this event on
    #[arg(long, value_name = "EVENT")]
    since_sequence: Option<u64>,
    /// Everything of the last while, such as `2h`
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<Duration>,
    /// One message, by its id
    #[arg(long, value_name = "ID")]
    message: Option<String>,
    /// Every message that was given up
    #[arg(long)]
    failed: bool,
}

/// What to do with events.
#[derive(Debug, Subcommand)]
pub enum Events {
    /// List what has happened that webhooks may be told of
    List(Box<EventsArgs>),
}

/// Which events.
#[derive(Debug, Args)]
pub struct EventsArgs {
    /// Where.
    #[command(flatten)]
    gateway: Gateway,
    /// Only of this account
    #[arg(long, value_name = "ACCOUNT")]
    account: Option<AccountId>,
    /// Only of these kinds, such as `top_up.*`
    #[arg(long = "type", value_name = "KIND")]
    kind: Option<String>,
    /// Only behind this event
    #[arg(long, value_name = "EVENT", default_value_t = 0)]
    after: u64,
    /// So many at most
    #[arg(long, value_name = "COUNT", default_value_t = 100)]
    limit: usize,
}

pub(super) async fn run(command: Webhooks, console: &mut Console<'_>) -> io::Result<Exit> {
    let done = match command {
        Webhooks::List { gateway, after } => list(&gateway, after.as_deref(), console).await,
        Webhooks::Replay(asked) => replay(&asked, console).await,
        Webhooks::Test { gateway, name } => match test(&gateway, &name, console).await {
            Ok(arrived) => return Ok(if arrived { Exit::Well } else { Exit::Wrong }),
            Err(error) => Err(error),
        },
    };
    told(done, console)
}

pub(super) async fn run_events(command: Events, console: &mut Console<'_>) -> io::Result<Exit> {
    let Events::List(asked) = command;
    let done = events(&asked, console).await;
    told(done, console)
}

async fn list(
    gateway: &Gateway,
    after: Option<&str>,
    console: &mut Console<'_>,
) -> Result<(), Error> {
    let after = after.map(|after| format!("?after={}", escaped(after))).unwrap_or_default();
    let path = format!("/admin/v1/webhooks{after}");
    let answer: Value =
        serde_json::from_slice(&ask(gateway, Method::GET, &path, None, console).await?)?;
    if gateway.json {
        console.out.json(&answer)?;
        return Ok(());
    }
    let out = &mut console.out;
    writeln!(
        out,
        "{:<32} {:<11} {:>9} {:>8} {:>8} {:<24} URL",
        "WEBHOOK", "STATUS", "CURSOR", "WAITING", "GIVEN UP", "NEXT TRY"
    )?;
    for webhook in field(&answer, "webhooks").as_array().into_iter().flatten() {
        let next = field(webhook, "next_try_at_ms").as_u64().map(date).unwrap_or_default();
        writeln!(
            out,
            "{:<32} {:<11} {:>9} {:>8} {:>8} {next:<24} {}",
            text(webhook, "name"),
            text(webhook, "status"),
            // A number of JSON does not fill its column.
            field(webhook, "cursor").to_string(),
            field(webhook, "waiting").to_string(),
            field(webhook, "failed_ever").to_string(),
            text(webhook, "url"),
        )?;
    }
    if let Some(next) = field(&answer, "next").as_str() {
        writeln!(console.err, "there are more: --after {next}")?;
    }
    Ok(())
}

async fn replay(asked: &ReplayArgs, console: &mut Console<'_>) -> Result<(), Error> {
    let ReplayArgs { gateway, name, what } = asked;
    let since_ms = what.since.map(|ago| {
        let ago_ms = u64::try_from(ago.as_millis()).unwrap_or(u64::MAX);
        Clock::real().now().wall_ms.saturating_sub(ago_ms)
    });
    let body = json!({
        "since_sequence": what.since_sequence,
        "since_ms": since_ms,
        "message": what.message,
        "failed": what.failed,
    });
    let path = format!("/admin/v1/webhooks/{}/replay", escaped(name));
    let answer = ask(gateway, Method::POST, &path, Some(&body), console).await?;
    let webhook: Value = serde_json::from_slice(&answer)?;
    if gateway.json {
        console.out.json(&webhook)?;
    } else {
        writeln!(console.out, "{name} has {} messages to send", field(&webhook, "waiting"))?;
    }
    Ok(())
}

/// Whether the message arrived.
async fn test(gateway: &Gateway, name: &str, console: &mut Console<'_>) -> Result<bool, Error> {
    let path = format!("/admin/v1/webhooks/{}/test", escaped(name));
    let answer = ask(gateway, Method::POST, &path, Some(&json!({})), console).await?;
    let tried: Value = serde_json::from_slice(&answer)?;
    let arrived = field(&tried, "arrived").as_bool().unwrap_or(false);
    if gateway.json {
        console.out.json(&tried)?;
    } else if arrived {
        writeln!(console.out, "{name} took it, with status {}", field(&tried, "status"))?;
    } else {
        writeln!(console.out, "{name} did not take it: {}", text(&tried, "fault"))?;
    }
    Ok(arrived)
}

async fn events(asked: &EventsArgs, console: &mut Console<'_>) -> Result<(), Error> {
    let EventsArgs { gateway, account, kind, after, limit } = asked;
    let account = account.map(|account| format!("&account={account}")).unwrap_or_default();
    let kind = kind.as_ref().map(|kind| format!("&type={}", escaped(kind))).unwrap_or_default();
    let path = format!("/admin/v1/events?after={after}&limit={limit}{account}{kind}");
    let answer: Value =
        serde_json::from_slice(&ask(gateway, Method::GET, &path, None, console).await?)?;
    if gateway.json {
        console.out.json(&answer)?;
        return Ok(());
    }
    let out = &mut console.out;
    writeln!(out, "{:>9} {:<24} {:<24} {:<22} DATA", "EVENT", "AT", "TYPE", "ACCOUNT")?;
    for event in field(&answer, "events").as_array().into_iter().flatten() {
        let mut data = field(event, "data").clone();
        let fields = data.as_object_mut();
        let (sequence, account) = match fields {
            Some(fields) => (fields.remove("sequence"), fields.remove("account")),
            None => (None, None),
        };
        let sequence = sequence.unwrap_or_default().to_string();
        let account = account.unwrap_or_default();
        writeln!(
            out,
            "{sequence:>9} {:<24} {:<24} {:<22} {data}",
            text(event, "timestamp"),
            text(event, "type"),
            account.as_str().unwrap_or_default(),
        )?;
    }
    if let Some(next) = field(&answer, "next").as_str() {
        writeln!(console.err, "there may be more: --after {next}")?;
    }
    Ok(())
}

fn field<'v>(value: &'v Value, name: &str) -> &'v Value {
    value.get(name).unwrap_or(&Value::Null)
}

fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::tests::run;
    use super::*;
    use crate::operate::fixture::Setup;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn webhooks_are_listed_tested_and_replayed_and_events_are_listed() {
        // Nobody is there.
        let config = "[[webhooks]]\nname = \"billing\"\nurl = \"http://127.0.0.1:9/\"\n\
                      secrets = [\"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"]\nevents = [\"account.*\"]\n\
                      [[providers]]\nname = \"simulated\"\nkind = \"simulated\"\n";
        let gateway = Setup { config: config.to_owned(), ..Setup::default() }.start().await;
        let account = gateway.account("one").await;
        let url = format!("http://{}", gateway.admin);
        let said = async |words: &str| {
            let words: Vec<&str> = words.split(' ').collect();
            run(&[words.as_slice(), &["--admin-url", &url]].concat()).await
        };
        let (exit, table, err) = said("webhooks list").await;
        assert_eq!((exit, err.as_str()), (Exit::Well, ""));
        assert!(table.contains("billing") && table.contains("http://127.0.0.1:9/"), "{table}");
        assert!(!table.contains("MfKQ9r8"), "a secret shows");
        let (exit, told, _) = said("webhooks test billing").await;
        assert_eq!(exit, Exit::Wrong);
        assert!(told.contains("did not take it: no connection"), "{told}");
        let (exit, told, err) = said("webhooks replay billing --since 1h").await;
        assert!(exit == Exit::Well && told.contains("1 messages"), "{told}{err}");
        let (exit, _, err) = said("webhooks replay none --failed").await;
        assert!(exit == Exit::Wrong && err.contains("no webhook is called `none`"), "{err}");
        let (exit, table, _) =
            said(&format!("events list --account {account} --type account.*")).await;
        assert_eq!(exit, Exit::Well);
        assert!(
            table.contains("account.opened") && table.contains("{\"name\":\"one\"}"),
            "{table}"
        );
        let (_, list, _) = said("events list --json").await;
        let list: Value = serde_json::from_str(&list).unwrap();
        assert_eq!(list["events"][0]["data"]["account"], account);
        let (exit, _, err) = said("events list --type nothing").await;
        assert!(exit == Exit::Wrong && err.contains("names no kind of events"), "{err}");
    }
}
