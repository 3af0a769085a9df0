//! `infergate usage`: what was used, summed up by a running gateway, over its admin API.

use std::io;

use clap::Args;
use http::Method;
use infergate_actors::id::AccountId;
use serde_json::{Map, Value};

use super::call::{Error, ask, escaped, told};
use super::{Console, Exit, Gateway};

/// What to sum up, and by what.
#[derive(Debug, Args)]
pub struct Usage {
    /// Where.
    #[command(flatten)]
    pub gateway: Gateway,
    /// Of this account alone
    #[arg(long, value_name = "ACCOUNT")]
    pub account: Option<AccountId>,
    /// What the sums are by, such as `day,model`: up to four, with commas between
    #[arg(long, value_name = "NAMES", default_value = "day")]
    pub by: String,
    /// From when on: a date such as `2026-11-24`, or milliseconds since 1970
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
    /// Until when, likewise; that itself is not in it
    #[arg(long, value_name = "TIME")]
    pub to: Option<String>,
    /// Only what is so, such as `model=sim-small` or `finish=length`; may be given more than once
    #[arg(long = "where", value_name = "NAME=VALUE", value_parser = condition)]
    pub conditions: Vec<(String, String)>,
}

/// The columns that are shown behind the groups' own: what they are called, and what they add up.
const COLUMNS: [(&str, &[&str]); 6] = [
    ("REQUESTS", &["requests"]),
    (
        "INPUT",
        &[
            "input_tokens",
            "cached_input_tokens",
            "cache_write_5m_tokens",
            "cache_write_1h_tokens",
            "audio_input_tokens",
            "image_input_tokens",
        ],
    ),
    (
        "OUTPUT",
        &["output_tokens", "reasoning_tokens", "audio_output_tokens", "image_output_tokens"],
    ),
    ("CHARGED USD", &["charged_usd"]),
    ("PROVIDER USD", &["provider_cost_usd"]),
    ("TOTAL MS", &["total_ms"]),
];

pub(super) async fn run(command: Usage, console: &mut Console<'_>) -> io::Result<Exit> {
    told(sum_up(&command, console).await, console)
}

async fn sum_up(wanted: &Usage, console: &mut Console<'_>) -> Result<(), Error> {
    let by = ("group_by".to_owned(), wanted.by.clone());
    let account = wanted.account.map(|account| ("account".to_owned(), account.to_string()));
    let times = [("from", &wanted.from), ("to", &wanted.to)];
    let times = times.into_iter().filter_map(|(name, at)| Some((name.to_owned(), at.clone()?)));
    let asked = [by].into_iter().chain(account).chain(times).chain(wanted.conditions.clone());
    let asked = asked.map(|(name, value)| format!("{}={}", escaped(&name), escaped(&value)));
    let path = format!("/admin/v1/usage?{}", asked.collect::<Vec<_>>().join("&"));
    let answer = ask(&wanted.gateway, Method::GET, &path, None, console).await?;
    let answer: Value = serde_json::from_slice(&answer)?;
    if wanted.gateway.json {
        console.out.json(&answer)?;
        return Ok(());
    }
    let by: Vec<&str> = wanted.by.split(',').map(str::trim).collect();
    for name in &by {
        write!(console.out, "{:<24} ", name.to_uppercase())?;
    }
    for (name, _) in COLUMNS {
        write!(console.out, "{name:>14} ")?;
    }
    writeln!(console.out)?;
    let groups = answer.get("groups").and_then(Value::as_array);
    for group in groups.into_iter().flatten().filter_map(Value::as_object) {
        for name in &by {
            write!(console.out, "{:<24} ", shown(group, &[name]))?;
        }
        for (_, fields) in COLUMNS {
            write!(console.out, "{:>14} ", shown(group, fields))?;
        }
        writeln!(console.out)?;
    }
    Ok(())
}

/// A text as it is, or the sum of some counts.
fn shown(group: &Map<String, Value>, fields: &[&str]) -> String {
    let values = || fields.iter().filter_map(|field| group.get(*field));
    match values().find_map(Value::as_str) {
        Some("") => "-".to_owned(),
        Some(text) => text.to_owned(),
        None => values().filter_map(Value::as_u64).sum::<u64>().to_string(),
    }
}

fn condition(text: &str) -> Result<(String, String), String> {
    let parts = text.split_once('=').filter(|(name, _)| !name.is_empty());
    let (name, value) = parts.ok_or_else(|| format!("`{text}` is not like `model=sim-small`"))?;
    Ok((name.to_owned(), value.to_owned()))
}
