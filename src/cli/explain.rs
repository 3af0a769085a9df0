//! `infergate explain`: where a request would go at a running gateway, and why, over its admin API.

use std::io;

use clap::Args;
use http::Method;
use infergate_actors::id::{AccountId, KeyId};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::call::{Error, ask, raw, told};
use super::{Console, Exit, Gateway};

/// A request that nobody makes.
#[derive(Debug, Args)]
pub struct Explain {
    /// Where.
    #[command(flatten)]
    pub gateway: Gateway,
    /// The public model name
    pub model: String,
    /// Whose request [default: nobody's]
    #[arg(long, value_name = "ACCOUNT")]
    pub account: Option<AccountId>,
    /// With which key [default: none]
    #[arg(long, value_name = "KEY", requires = "account")]
    pub key: Option<KeyId>,
    /// A header that it has, such as `x-infergate-sort=price`; may be repeated
    #[arg(long = "header", value_name = "NAME=VALUE", value_parser = header)]
    pub headers: Vec<(String, String)>,
}

#[derive(Deserialize)]
struct Told {
    models: Vec<Asked>,
}

#[derive(Deserialize)]
struct Asked {
    model: String,
    standing: String,
    strategy: Option<String>,
    targets: Vec<Target>,
}

/// A target, those to be tried first.
#[derive(Deserialize)]
struct Target {
    provider: String,
    upstream_model: Option<String>,
    tier: u32,
    standing: String,
    rank: Option<usize>,
    state: String,
    cost_expected_usd: Option<String>,
    reason: Option<String>,
}

pub(super) async fn run(command: Explain, console: &mut Console<'_>) -> io::Result<Exit> {
    told(explain(&command, console).await, console)
}

async fn explain(wanted: &Explain, console: &mut Console<'_>) -> Result<(), Error> {
    let headers = wanted.headers.iter().map(|(name, value)| (name.clone(), json!(value)));
    let body = json!({
        "model": wanted.model,
        "account": wanted.account.map(|account| account.to_string()),
        "key": wanted.key.map(|key| key.to_string()),
        "headers": headers.collect::<Map<_, Value>>(),
    });
    let answer = ask(&wanted.gateway, Method::POST, "/admin/v1/explain", Some(&body), console);
    let answer = answer.await?;
    if wanted.gateway.json {
        return raw(&answer, console);
    }
    let Told { models } = serde_json::from_slice(&answer)?;
    let out = &mut console.out;
    for Asked { model, standing, strategy, targets } in models {
        let strategy = strategy.map(|name| format!(", by `{name}`")).unwrap_or_default();
        writeln!(out, "{model}: {standing}{strategy}")?;
        writeln!(
            out,
            "{:>4} {:>4} {:<20} {:<28} {:<8} {:>14} STANDING",
            "RANK", "TIER", "PROVIDER", "UPSTREAM MODEL", "STATE", "USD"
        )?;
        for target in targets {
            let Target { provider, tier, state, standing, rank, .. } = target;
            let rank = rank.map_or_else(|| "-".to_owned(), |rank| rank.to_string());
            let upstream = target.upstream_model.unwrap_or_default();
            let usd = target.cost_expected_usd.unwrap_or_default();
            let reason = target.reason.map(|reason| format!(": {reason}")).unwrap_or_default();
            writeln!(
                out,
                "{rank:>4} {tier:>4} {provider:<20} {upstream:<28} {state:<8} {usd:>14} \
                 {standing}{reason}"
            )?;
        }
    }
    Ok(())
}

fn header(text: &str) -> Result<(String, String), String> {
    let parts = text.split_once('=').filter(|(name, _)| !name.is_empty());
    let (name, value) =
        parts.ok_or_else(|| format!("`{text}` is not like `x-infergate-sort=price`"))?;
    Ok((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::tests::run;
    use super::*;
    use crate::operate::fixture::Gateway;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn where_a_request_would_go_is_told() {
        let gateway = Gateway::start().await;
        let url = format!("http://{}", gateway.admin);
        let explain = async |words: &[&str]| {
            run(&[&["explain"], words, &["--admin-url", &url]].concat()).await
        };
        let (exit, table, err) = explain(&["small", "--header", "x-infergate-sort=price"]).await;
        assert_eq!((exit, err.as_str()), (Exit::Well, ""));
        assert!(table.starts_with("small: candidate, by `"), "{table}");
        assert!(table.lines().nth(2).unwrap().starts_with("   1    1 simulated "), "{table}");
        let close = "/admin/v1/providers/simulated/close";
        gateway.post(close, &json!({}), 200).await;
        let (_, table, _) = explain(&["small"]).await;
        assert!(
            table.starts_with("small: no_candidate") && table.contains("   -    1 "),
            "{table}"
        );
        let (_, told, _) = explain(&["small", "--json"]).await;
        let told: Value = serde_json::from_str(&told).unwrap();
        assert_eq!(told["models"][0]["standing"], "no_candidate");
        let (exit, _, err) = explain(&["none"]).await;
        assert!(exit == Exit::Wrong && err.contains("404"), "{err}");
        assert!(header("price").is_err());
    }
}
