//! `infergate watch`: what an account of a running gateway is watched for, over its admin API.

use std::io;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, Subcommand};
use http::Method;
use infergate_actors::id::{AccountId, TopUpId};
use infergate_actors::money::NanoUsd;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::args::time;
use super::bounds::OrNone;
use super::call::{Error, ask, date, raw, told};
use super::{Console, Exit, Gateway};

/// What to do about what an account is watched for.
#[derive(Debug, Subcommand)]
pub enum Watch {
    /// Show it, and the automatic top-up that is due
    Show {
        /// Whose.
        #[command(flatten)]
        of: Watched,
    },
    /// Change it; what is not said stays
    Set(Box<WatchWanted>),
    /// Say that a top-up that is due can't be carried out
    FailTopUp {
        /// Whose.
        #[command(flatten)]
        of: Watched,
        /// The top-up, such as `topup_1`
        #[arg(value_name = "TOPUP")]
        top_up: TopUpId,
        /// Why
        #[arg(long)]
        reason: String,
    },
}

/// Which account, and where.
#[derive(Debug, Args)]
pub struct Watched {
    /// Where.
    #[command(flatten)]
    gateway: Gateway,
    /// Whose
    #[arg(long, value_name = "ACCOUNT")]
    account: AccountId,
}

/// What to watch for.
#[derive(Debug, Args)]
pub struct WatchWanted {
    /// Whose.
    #[command(flatten)]
    of: Watched,
    /// A balance to tell of when it is fallen below, in place of those before; `none` for none; may be
    /// repeated
    #[arg(long, value_name = "USD")]
    low_balance: Vec<OrNone<NanoUsd>>,
    /// A percentage of every budget to tell of, in place of those before; `none` for none, `default` for
    /// 50, 80 and 100; may be repeated
    #[arg(long, value_name = "PERCENT")]
    budget_percent: Vec<Percent>,
    /// The balance below which a top-up is due; `none` for no automatic top-ups
    #[arg(long, value_name = "USD")]
    top_up_below: Option<OrNone<NanoUsd>>,
    /// How much each top-up is
    #[arg(long, value_name = "USD", requires = "top_up_below")]
    top_up_amount: Option<NanoUsd>,
    /// The most that may become due in a month [default: without end]
    #[arg(long, value_name = "USD", requires = "top_up_amount")]
    top_up_month_max: Option<NanoUsd>,
    /// How long a top-up is waited for [default: 1d]
    #[arg(long, value_name = "TIME", value_parser = time, requires = "top_up_amount")]
    top_up_lasts: Option<Duration>,
}

/// A percentage of budgets, or what stands for a whole list of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Percent {
    Of(u8),
    None,
    Default,
}

#[derive(Deserialize)]
struct Shown {
    low_balance_usd: Vec<String>,
    budget_percent: Vec<u8>,
    auto_top_up: Option<Rule>,
    top_up_due: Option<Waited>,
}

#[derive(Deserialize)]
struct Rule {
    #[serde(rename = "threshold_usd")]
    threshold: String,
    #[serde(rename = "amount_usd")]
    amount: String,
    #[serde(rename = "month_max_usd")]
    month_max: Option<String>,
}

#[derive(Deserialize)]
struct Waited {
    top_up: String,
    amount_usd: String,
    due_at_ms: u64,
    lapses_at_ms: u64,
}

impl FromStr for Percent {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "none" => Ok(Self::None),
            "default" => Ok(Self::Default),
            number => number
                .parse()
                .map(Self::Of)
                .map_err(|_| format!("`{number}` is no percentage such as `80`")),
        }
    }
}

pub(super) async fn run(command: Watch, console: &mut Console<'_>) -> io::Result<Exit> {
    let done = match command {
        Watch::Show { of } => tell(&of, (Method::GET, "watch"), None, console).await,
        Watch::Set(wanted) => match changes(&wanted) {
            Ok(body) => tell(&wanted.of, (Method::PATCH, "watch"), Some(&body), console).await,
            Err(wrong) => {
                writeln!(console.err, "error: {wrong}")?;
                return Ok(Exit::NotDone);
            }
        },
        Watch::FailTopUp { of, top_up, reason } => {
            let (path, body) = (format!("top-ups/{top_up}/fail"), json!({ "reason": reason }));
            tell(&of, (Method::POST, &path), Some(&body), console).await
        }
    };
    told(done, console)
}

/// The fields that were named.
fn changes(wanted: &WatchWanted) -> Result<Value, &'static str> {
    let mut fields = Map::new();
    if let Some(list) = balances(&wanted.low_balance)? {
        fields.insert("low_balance_usd".to_owned(), list);
    }
    if let Some(list) = percents(&wanted.budget_percent)? {
        fields.insert("budget_percent".to_owned(), list);
    }
    if let Some(rule) = top_up(wanted)? {
        fields.insert("auto_top_up".to_owned(), rule);
    }
    if fields.is_empty() {
        return Err("say what to change: --low-balance, --budget-percent or --top-up-below");
    }
    Ok(Value::Object(fields))
}

fn balances(said: &[OrNone<NanoUsd>]) -> Result<Option<Value>, &'static str> {
    let given: Option<Vec<_>> = said.iter().map(|OrNone(balance)| *balance).collect();
    match (said, given) {
        ([], _) => Ok(None),
        ([_], None) => Ok(Some(json!([]))),
        (_, None) => Err("--low-balance none stands alone"),
        (_, Some(given)) => {
            Ok(Some(given.iter().map(|balance| json!(balance.to_string())).collect()))
        }
    }
}

fn percents(said: &[Percent]) -> Result<Option<Value>, &'static str> {
    match said {
        [] => return Ok(None),
        [Percent::None] => return Ok(Some(json!([]))),
        [Percent::Default] => return Ok(Some(Value::Null)),
        _ => {}
    }
    let number = |percent: &Percent| match percent {
        Percent::Of(number) => Some(json!(number)),
        Percent::None | Percent::Default => None,
    };
    let given: Option<Value> = said.iter().map(number).collect::<Option<Vec<_>>>().map(Value::from);
    given.map(Some).ok_or("--budget-percent none and default stand alone")
}

fn top_up(wanted: &WatchWanted) -> Result<Option<Value>, &'static str> {
    match (wanted.top_up_below, wanted.top_up_amount) {
        (None, _) => Ok(None),
        (Some(OrNone(None)), None) => Ok(Some(Value::Null)),
        (Some(OrNone(None)), Some(_)) => {
            Err("--top-up-below none has no amount: it ends automatic top-ups")
        }
        (Some(OrNone(Some(_))), None) => Err("--top-up-below needs --top-up-amount"),
        (Some(OrNone(Some(below))), Some(amount)) => {
            let lasts = wanted.top_up_lasts;
            let lasts_ms = lasts.map(|lasts| u64::try_from(lasts.as_millis()).unwrap_or(u64::MAX));
            Ok(Some(json!({
                "threshold_usd": below.to_string(),
                "amount_usd": amount.to_string(),
                "month_max_usd": wanted.top_up_month_max.map(|most| most.to_string()),
                "lasts_ms": lasts_ms,
            })))
        }
    }
}

async fn tell(
    of: &Watched,
    (method, rest): (Method, &str),
    body: Option<&Value>,
    console: &mut Console<'_>,
) -> Result<(), Error> {
    let path = format!("/admin/v1/accounts/{}/{rest}", of.account);
    let answer = ask(&of.gateway, method, &path, body, console).await?;
    if of.gateway.json {
        return raw(&answer, console);
    }
    let shown: Shown = serde_json::from_slice(&answer)?;
    let none = |list: String| if list.is_empty() { "none".to_owned() } else { list };
    let percents = shown.budget_percent.iter().map(|percent| format!("{percent}%"));
    let top_up = match &shown.auto_top_up {
        Some(Rule { threshold, amount, month_max }) => {
            let most = month_max.as_deref().map(|most| format!(", up to {most} USD a month"));
            format!("{amount} USD below {threshold}{}", most.unwrap_or_default())
        }
        None => "none".to_owned(),
    };
    let due = match &shown.top_up_due {
        Some(Waited { top_up, amount_usd, due_at_ms, lapses_at_ms }) => {
            let (since, until) = (date(*due_at_ms), date(*lapses_at_ms));
            format!("{top_up}: {amount_usd} USD, since {since}, until {until}")
        }
        None => "none".to_owned(),
    };
    for (name, value) in [
        ("low balances", none(shown.low_balance_usd.join(", "))),
        ("budgets", none(percents.collect::<Vec<_>>().join(", "))),
        ("top-ups", top_up),
        ("due", due),
    ] {
        writeln!(console.out, "{name:<12} {value}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::tests::run;
    use super::*;
    use crate::operate::fixture::Gateway;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_is_watched_for_is_shown_and_changed_and_a_top_up_fails() {
        let gateway = Gateway::start().await;
        let id = gateway.account("one").await;
        let url = format!("http://{}", gateway.admin);
        let watch = async |words: &str| {
            let words: Vec<&str> = words.split_whitespace().collect();
            let at = ["--account", &id, "--admin-url", &url];
            run(&[&["watch"], words.as_slice(), &at].concat()).await
        };
        let (exit, shown, err) = watch("show").await;
        assert_eq!((exit, err.as_str()), (Exit::Well, ""));
        assert!(shown.contains("budgets      50%, 80%, 100%\n"), "{shown}");
        let set = "set --low-balance 5 --low-balance 1.5 --budget-percent 90 --top-up-below 2 \
                   --top-up-amount 20 --top-up-month-max 100 --top-up-lasts 2h";
        let (exit, shown, err) = watch(set).await;
        assert_eq!(exit, Exit::Well, "{err}");
        for part in ["1.5", "budgets      90%\n", "20 USD below 2, up to 100 USD a month"] {
            assert!(shown.contains(part), "no `{part}` in\n{shown}");
        }
        // The balance is nothing, so one is due.
        let (_, shown, _) = watch("show").await;
        assert!(shown.contains("due          topup_1: 20 USD, since "), "{shown}");
        let (exit, shown, err) = watch("fail-top-up topup_1 --reason declined").await;
        assert!(exit == Exit::Well && shown.contains("due          none"), "{shown}{err}");
        let (exit, _, err) = watch("fail-top-up topup_1 --reason declined").await;
        assert!(exit == Exit::Wrong && err.contains("no such top-up is due"), "{err}");

        // What is not said stays.
        let (_, out, _) = watch("set --low-balance none --budget-percent default --json").await;
        let shown: Value = serde_json::from_str(&out).unwrap();
        assert_eq!(shown["low_balance_usd"], json!([]));
        assert_eq!(shown["budget_percent"], json!([50, 80, 100]));
        assert_eq!(shown["auto_top_up"]["lasts_ms"], 7_200_000);
        let (_, shown, _) = watch("set --budget-percent none --top-up-below none").await;
        assert!(shown.contains("budgets      none\ntop-ups      none\n"), "{shown}");
        for (wrong, why) in [
            ("set", "say what to change"),
            ("set --low-balance none --low-balance 1", "stands alone"),
            ("set --budget-percent none --budget-percent 5", "stand alone"),
            ("set --top-up-below 1", "needs --top-up-amount"),
            ("set --top-up-below none --top-up-amount 1", "has no amount"),
        ] {
            let (exit, _, err) = watch(wrong).await;
            assert!(exit == Exit::NotDone && err.contains(why), "{wrong}: {err}");
        }
    }

    #[test]
    fn percentages_are_numbers_or_stand_for_a_list() {
        assert_eq!("80".parse(), Ok(Percent::Of(80)));
        for wrong in ["", "80%", "256", "-1", "all"] {
            assert!(wrong.parse::<Percent>().is_err(), "{wrong}");
        }
    }
}
