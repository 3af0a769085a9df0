//! `infergate tokens`: operators' tokens of a running gateway.

use std::io;

use clap::{Args, Subcommand};
use http::Method;
use infergate_actors::account::OperatorRole;
use infergate_actors::id::TokenId;
use serde::Deserialize;
use serde_json::json;

use super::before::Lost;
use super::call::{Error, ask, ask_once, date, query, raw, told};
use super::expiry::Expiry;
use super::{Console, Exit, Gateway};

const TOKENS: &str = "/admin/v1/tokens";

/// What to do with operators' tokens.
#[derive(Debug, Subcommand)]
pub enum Tokens {
    /// List them
    List {
        /// Where.
        #[command(flatten)]
        gateway: Gateway,
        /// Go on behind this one
        #[arg(long, value_name = "TOKEN")]
        after: Option<String>,
    },
    /// Make one and print its secret, once
    Create(NewToken),
    /// Give one another secret and print it, once
    Rotate {
        /// Where.
        #[command(flatten)]
        gateway: Gateway,
        /// Which, such as `tok_1`
        token: TokenId,
        /// How long the present secret works beside the new one
        #[arg(long, value_name = "TIME", default_value = "1h")]
        overlap: String,
    },
    /// Revoke one: its next request is refused
    Revoke {
        /// Where.
        #[command(flatten)]
        gateway: Gateway,
        /// Which, such as `tok_1`
        token: TokenId,
    },
}

/// A token to be made.
#[derive(Debug, Args)]
pub struct NewToken {
    /// Where.
    #[command(flatten)]
    gateway: Gateway,
    /// Whose: operators are told apart by it
    #[arg(long)]
    name: String,
    /// `owner`, `admin`, `billing`, `support` or `read_only`
    #[arg(long, value_parser = role)]
    role: OperatorRole,
    /// Until when it works.
    #[command(flatten)]
    expiry: Expiry,
    /// Make it once, however often this is called with the same key
    #[arg(long, value_name = "KEY", conflicts_with = "expires_after")]
    idempotency_key: Option<String>,
}

#[derive(Deserialize)]
struct Page {
    tokens: Vec<Token>,
    next: Option<String>,
}

/// A token as the gateway shows it.
#[derive(Deserialize)]
struct Token {
    id: String,
    name: String,
    role: String,
    status: String,
    hint: String,
    expires_at_ms: Option<u64>,
    secret: Option<String>,
}

pub(super) async fn run(command: Tokens, console: &mut Console<'_>) -> io::Result<Exit> {
    let done = match command {
        Tokens::List { gateway, after } => list(&gateway, after.as_deref(), console).await,
        Tokens::Create(new) => create(&new, console).await,
        Tokens::Rotate { gateway, token, overlap } => {
            let (path, body) = (format!("{TOKENS}/{token}/rotate"), json!({ "overlap": overlap }));
            match ask(&gateway, Method::POST, &path, Some(&body), console).await {
                Ok(answer) => tell_secret(&gateway, &answer, console),
                Err(error) => Err(error),
            }
        }
        Tokens::Revoke { gateway, token } => revoke(&gateway, token, console).await,
    };
    told(done, console)
}

async fn list(
    gateway: &Gateway,
    after: Option<&str>,
    console: &mut Console<'_>,
) -> Result<(), Error> {
    let path = query(TOKENS, &[("after", after)]);
    let answer = ask(gateway, Method::GET, &path, None, console).await?;
    if gateway.json {
        return raw(&answer, console);
    }
    let page: Page = serde_json::from_slice(&answer)?;
    let out = &mut console.out;
    writeln!(
        out,
        "{:<8} {:<20} {:<10} {:<8} {:<9} UNTIL",
        "TOKEN", "NAME", "ROLE", "STATE", "ENDS IN"
    )?;
    for Token { id, name, role, status, hint, expires_at_ms, .. } in page.tokens {
        let until = expires_at_ms.map_or_else(|| "for ever".to_owned(), date);
        writeln!(out, "{id:<8} {name:<20} {role:<10} {status:<8} …{hint:<8} {until}")?;
    }
    more(page.next.as_deref(), console)
}

async fn create(new: &NewToken, console: &mut Console<'_>) -> Result<(), Error> {
    let body = json!({
        "name": new.name,
        "role": new.role,
        "expires_at_ms": new.expiry.at_ms(),
    });
    let (to, key) = ((Method::POST, TOKENS), new.idempotency_key.as_deref());
    let answer = ask_once(&new.gateway, to, Some(&body), key, console).await?;
    tell_secret(&new.gateway, &answer, console)
}

/// The secret alone is the result, so that a script can take it as it is.
fn tell_secret(gateway: &Gateway, answer: &[u8], console: &mut Console<'_>) -> Result<(), Error> {
    if gateway.json {
        return raw(answer, console);
    }
    if Lost::of(answer).is_some() {
        writeln!(
            console.err,
            "it was made before under this key, and its secret is lost: find it with `infergate tokens \
             list`, and give it another with `infergate tokens rotate`"
        )?;
        return Ok(());
    }
    let Token { id, name, role, secret, .. } = serde_json::from_slice(answer)?;
    match secret {
        Some(secret) => {
            writeln!(console.err, "{id} (`{name}`, {role}); its secret is not shown again:")?;
            writeln!(console.out, "{secret}")?;
        }
        None => writeln!(
            console.err,
            "{id} (`{name}`, {role}) was made before under this key; its secret is not shown again: if \
             it never arrived, `infergate tokens rotate {id}` gives it another"
        )?,
    }
    Ok(())
}

async fn revoke(gateway: &Gateway, token: TokenId, console: &mut Console<'_>) -> Result<(), Error> {
    let path = format!("{TOKENS}/{token}");
    let answer = ask(gateway, Method::DELETE, &path, None, console).await?;
    if gateway.json {
        return raw(&answer, console);
    }
    let Token { id, name, .. } = serde_json::from_slice(&answer)?;
    writeln!(console.out, "{id} (`{name}`) does not work any more")?;
    Ok(())
}

/// Where a list goes on, for people.
pub(super) fn more(next: Option<&str>, console: &mut Console<'_>) -> Result<(), Error> {
    if let Some(next) = next {
        writeln!(console.err, "there are more: --after {next}")?;
    }
    Ok(())
}

fn role(text: &str) -> Result<OperatorRole, String> {
    let found = OperatorRole::ALL.into_iter().find(|role| role.name() == text);
    found.ok_or_else(|| {
        format!("`{text}` is none of {}", OperatorRole::ALL.map(OperatorRole::name).join(", "))
    })
}
