//! `infergate providers`: the providers of a running gateway, over its admin API.

use std::io;

use clap::{Args, Subcommand};
use http::Method;
use serde::Deserialize;

use super::call::{Error, ask, escaped, raw, told};
use super::{Console, Exit, Gateway};

const PATH: &str = "/admin/v1/providers";

/// What to do with providers.
#[derive(Debug, Subcommand)]
pub enum Providers {
    /// List them
    List {
        /// Where.
        #[command(flatten)]
        gateway: Gateway,
    },
    /// Show one's deployments and credentials as they are now
    Show(ProviderPlace),
    /// Let requests through to one, as far as its breakers do
    Open(ProviderPlace),
    /// Let no requests through to one
    Close(ProviderPlace),
    /// Let nothing new through to one; what is under way ends by itself
    Drain(ProviderPlace),
    /// Use a credential again that the provider rejected
    Enable {
        /// Which.
        #[command(flatten)]
        at: ProviderPlace,
        /// The credential's fingerprint, as `show` lists it
        fingerprint: String,
    },
}

/// Which provider, and where.
#[derive(Debug, Args)]
pub struct ProviderPlace {
    /// Where.
    #[command(flatten)]
    gateway: Gateway,
    /// The provider's name
    provider: String,
}

#[derive(Deserialize)]
struct Answer {
    providers: Vec<Line>,
}

/// A provider in a list; one that does not answer now has no more than its name and status.
#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Known(Provider),
    Restarting { name: String, status: String },
}

/// A provider as the gateway shows it.
#[derive(Deserialize)]
struct Provider {
    name: String,
    mode: String,
    in_flight: u32,
    credentials: Vec<Credential>,
    deployments: Vec<Deployment>,
}

#[derive(Deserialize)]
struct Credential {
    fingerprint: String,
    hint: String,
    status: String,
}

#[derive(Deserialize)]
struct Deployment {
    name: String,
    breaker: Breaker,
    in_flight: u32,
    first_content_us: u64,
    headroom_permille: u16,
}

#[derive(Deserialize)]
struct Breaker {
    state: String,
}

pub(super) async fn run(command: Providers, console: &mut Console<'_>) -> io::Result<Exit> {
    let done = match command {
        Providers::List { gateway } => list(&gateway, console).await,
        Providers::Show(at) => tell(&at, (Method::GET, ""), console).await,
        Providers::Open(at) => tell(&at, (Method::POST, "/open"), console).await,
        Providers::Close(at) => tell(&at, (Method::POST, "/close"), console).await,
        Providers::Drain(at) => tell(&at, (Method::POST, "/drain"), console).await,
        Providers::Enable { at, fingerprint } => {
            let rest = format!("/credentials/{}/enable", escaped(&fingerprint));
            tell(&at, (Method::POST, &rest), console).await
        }
    };
    told(done, console)
}

async fn list(gateway: &Gateway, console: &mut Console<'_>) -> Result<(), Error> {
    let answer = ask(gateway, Method::GET, PATH, None, console).await?;
    if gateway.json {
        return raw(&answer, console);
    }
    let Answer { providers } = serde_json::from_slice(&answer)?;
    let out = &mut console.out;
    writeln!(
        out,
        "{:<20} {:<10} {:>9} {:<13} PASSING DEPLOYMENTS",
        "PROVIDER", "MODE", "IN FLIGHT", "CREDENTIALS"
    )?;
    for line in providers {
        let provider = match line {
            Line::Known(provider) => provider,
            Line::Restarting { name, status } => {
                writeln!(out, "{name:<20} {status}")?;
                continue;
            }
        };
        let Provider { name, mode, in_flight, credentials, deployments } = &provider;
        let usable = credentials.iter().filter(|credential| credential.status == "usable").count();
        let usable = format!("{usable} of {}", credentials.len());
        let passing = deployments.iter().filter(|it| it.breaker.state == "passing").count();
        let all = deployments.len();
        writeln!(out, "{name:<20} {mode:<10} {in_flight:>9} {usable:<13} {passing} of {all}")?;
    }
    Ok(())
}

/// Does something to a provider, or nothing, and shows it.
async fn tell(
    at: &ProviderPlace,
    (method, rest): (Method, &str),
    console: &mut Console<'_>,
) -> Result<(), Error> {
    let path = format!("{PATH}/{}{rest}", escaped(&at.provider));
    let answer = ask(&at.gateway, method, &path, None, console).await?;
    if at.gateway.json {
        return raw(&answer, console);
    }
    let Provider { name, mode, in_flight, credentials, deployments } =
        serde_json::from_slice(&answer)?;
    let out = &mut console.out;
    writeln!(out, "{name} is {mode}, with {in_flight} in flight")?;
    writeln!(
        out,
        "{:<32} {:<8} {:>9} {:>16} HEADROOM",
        "DEPLOYMENT", "BREAKER", "IN FLIGHT", "FIRST CONTENT MS"
    )?;
    for deployment in deployments {
        let Deployment { name, breaker, in_flight, first_content_us, headroom_permille } =
            deployment;
        let (state, first_ms) = (breaker.state, first_content_us / 1_000);
        let headroom = headroom_permille / 10;
        writeln!(out, "{name:<32} {state:<8} {in_flight:>9} {first_ms:>16} {headroom}%")?;
    }
    writeln!(out, "{:<12} {:<12} STATUS", "CREDENTIAL", "HINT")?;
    for Credential { fingerprint, hint, status } in credentials {
        writeln!(out, "{fingerprint:<12} {hint:<12} {status}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::tests::run;
    use super::*;
    use crate::operate::fixture::{CREDENTIAL, Gateway};

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn providers_are_listed_shown_and_set() {
        let gateway = Gateway::start().await;
        let account = gateway.account("one").await;
        let url = format!("http://{}", gateway.admin);
        let providers = async |words: &str| {
            let words: Vec<&str> = words.split(' ').collect();
            run(&[&["providers"], words.as_slice(), &["--admin-url", &url]].concat()).await
        };
        let (exit, table, err) = providers("list").await;
        assert_eq!((exit, err.as_str(), table.lines().count()), (Exit::Well, "", 3), "{table}");
        assert!(table.contains("simulated") && table.contains("1 of 1"), "{table}");
        let (_, shown, _) = providers("show simulated").await;
        assert!(shown.starts_with("simulated is open, with 0 in flight\n"), "{shown}");
        assert!(shown.contains("passing"), "{shown}");

        let grant = serde_json::json!({ "amount_usd": "1", "kind": "paid", "reference": "r" });
        gateway.post(&format!("/admin/v1/accounts/{account}/grants"), &grant, 201).await;
        let key = serde_json::json!({ "name": "k" });
        let key = gateway.post(&format!("/admin/v1/accounts/{account}/keys"), &key, 201).await;
        let key = key["secret"].as_str().unwrap();
        for (word, mode, status) in
            [("close", "closed", 503), ("open", "open", 200), ("drain", "draining", 503)]
        {
            let (exit, out, err) = providers(&format!("{word} simulated")).await;
            let is = format!("simulated is {mode}, ");
            assert!(exit == Exit::Well && out.starts_with(&is), "{out}{err}");
            assert_eq!(gateway.chat(key).await, status, "{word}");
        }
        let (_, shown, _) = providers("show real --json").await;
        let shown: Value = serde_json::from_str(&shown).unwrap();
        let fingerprint = shown["credentials"][0]["fingerprint"].as_str().unwrap();
        let (exit, out, err) = providers(&format!("enable real {fingerprint}")).await;
        assert!(exit == Exit::Well && out.contains(fingerprint), "{out}{err}");
        assert!(!out.contains(CREDENTIAL), "a secret shows");
        let (exit, _, err) = providers("show none").await;
        assert!(exit == Exit::Wrong && err.contains("no provider `none`"), "{err}");
        let (_, list, _) = providers("list --json").await;
        assert_eq!(
            serde_json::from_str::<Value>(&list).unwrap()["providers"][1]["mode"],
            "draining"
        );
    }
}
