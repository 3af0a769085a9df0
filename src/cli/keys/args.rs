//! What may be said of keys on the command line. Pure.

use std::str::FromStr;
use std::time::Duration;

use clap::{Args, Subcommand};
use infergate_actors::account::{KeyScope, Network};
use infergate_actors::id::{AccountId, KeyId, MemberId, ProjectId};

use super::super::Gateway;
use super::super::args::time;
use super::super::bounds::{BudgetWanted, Limits, LimitsChange, OrNone};

/// What to do with keys.
#[derive(Debug, Subcommand)]
pub enum Keys {
    /// Create a key and print its secret, once
    Create(Box<NewKey>),
    /// List an account's keys
    List {
        /// Where.
        #[command(flatten)]
        gateway: Gateway,
        /// The account
        #[arg(long, value_name = "ACCOUNT")]
        account: AccountId,
    },
    /// Change a key; what is not said stays
    Update(Box<KeyUpdate>),
    /// Give a key another secret and print it, once
    Rotate {
        /// Which.
        #[command(flatten)]
        at: KeyPlace,
        /// How long the present secret works beside the new one
        #[arg(long, value_name = "TIME", default_value = "24h")]
        overlap: String,
    },
    /// Revoke a key
    Revoke {
        /// Which.
        #[command(flatten)]
        at: KeyPlace,
        /// Why, for the account's journal
        #[arg(long)]
        reason: Option<String>,
    },
    /// Revoke a key, with every secret it has, because somebody else may know one
    Compromised {
        /// Which.
        #[command(flatten)]
        at: KeyPlace,
        /// What is known of it, for the account's journal
        #[arg(long)]
        reason: Option<String>,
    },
    /// Let a key work again that the guard has stopped
    Release {
        /// Which.
        #[command(flatten)]
        at: KeyPlace,
        /// Why, for the account's journal
        #[arg(long)]
        reason: Option<String>,
    },
}

/// Which key, and where.
#[derive(Debug, Args)]
pub struct KeyPlace {
    /// Where.
    #[command(flatten)]
    pub gateway: Gateway,
    /// The key's account
    #[arg(long, value_name = "ACCOUNT")]
    pub account: AccountId,
    /// The key, such as `key_1`
    pub key: KeyId,
}

/// A key to be created.
#[derive(Debug, Args)]
pub struct NewKey {
    /// Where.
    #[command(flatten)]
    pub gateway: Gateway,
    /// The account it is for
    #[arg(long, value_name = "ACCOUNT")]
    pub account: AccountId,
    /// A name for people
    #[arg(long)]
    pub name: String,
    /// A model it may use, `gpt-*` for all that begin so; may be repeated [default: all]
    #[arg(long = "model", value_name = "MODEL")]
    pub models: Vec<String>,
    /// How long it works, such as `12h` or `30d` [default: for ever]
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub expires_after: Option<Duration>,
    /// How much.
    #[command(flatten)]
    pub limits: Limits,
    /// What it may spend, such as `month=100`, in a day, week, month or in total; may be repeated
    #[arg(long = "budget", value_name = "PERIOD=USD")]
    pub budgets: Vec<BudgetWanted>,
    /// A word to sort it by; may be repeated
    #[arg(long = "tag", value_name = "TAG")]
    pub tags: Vec<String>,
    /// What it is good for: `inference`, `usage_read`, `key_management`, `account_management`; may be
    /// repeated
    #[arg(long = "scope", value_name = "SCOPE", value_parser = scope, default_value = "inference")]
    pub scopes: Vec<KeyScope>,
    /// An address or range it may be used from; may be repeated [default: everywhere]
    #[arg(long = "allow-ip", value_name = "RANGE")]
    pub allowed_ips: Vec<Network>,
    /// Whose it is, of the account's people: it may no more than their role says [default: nobody's]
    #[arg(long, value_name = "MEMBER")]
    pub member: Option<MemberId>,
    /// The project it belongs to [default: none]
    #[arg(long, value_name = "PROJECT")]
    pub project: Option<ProjectId>,
    /// An origin of pages it may be used from, such as `*.example.com`; may be repeated [default: all]
    #[arg(long = "allow-referrer", value_name = "ORIGIN")]
    pub allowed_referrers: Vec<String>,
}

/// A key to be changed.
#[derive(Debug, Args)]
pub struct KeyUpdate {
    /// Which.
    #[command(flatten)]
    pub at: KeyPlace,
    /// Another name
    #[arg(long)]
    pub name: Option<String>,
    /// A model it may use, in place of those before, `*` for all; may be repeated
    #[arg(long = "model", value_name = "MODEL")]
    pub models: Vec<String>,
    /// How long it works from now on, `none` for ever
    #[arg(long, value_name = "TIME")]
    pub expires_after: Option<OrNone<Time>>,
    /// How much.
    #[command(flatten)]
    pub limits: LimitsChange,
    /// What it may spend, such as `month=100`, or `month=none`; may be repeated
    #[arg(long = "budget", value_name = "PERIOD=USD")]
    pub budgets: Vec<BudgetWanted>,
    /// A word to sort it by, in place of those before; may be repeated
    #[arg(long = "tag", value_name = "TAG", conflicts_with = "no_tags")]
    pub tags: Vec<String>,
    /// Take its tags away
    #[arg(long)]
    pub no_tags: bool,
    /// What it is good for, in place of what was before; may be repeated
    #[arg(long = "scope", value_name = "SCOPE", value_parser = scope)]
    pub scopes: Vec<KeyScope>,
    /// An address or range it may be used from, in place of those before; may be repeated
    #[arg(long = "allow-ip", value_name = "RANGE", conflicts_with = "any_ip")]
    pub allowed_ips: Vec<Network>,
    /// It may be used from everywhere
    #[arg(long)]
    pub any_ip: bool,
    /// The project it belongs to from now on, or `none`
    #[arg(long, value_name = "PROJECT")]
    pub project: Option<OrNone<ProjectId>>,
    /// An origin of pages it may be used from, in place of those before; may be repeated
    #[arg(long = "allow-referrer", value_name = "ORIGIN", conflicts_with = "any_referrer")]
    pub allowed_referrers: Vec<String>,
    /// It may be used from any page, and without
    #[arg(long)]
    pub any_referrer: bool,
}

/// A time above zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time(pub Duration);

impl FromStr for Time {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        time(text).map(Self)
    }
}

fn scope(text: &str) -> Result<KeyScope, String> {
    let found = KeyScope::ALL.into_iter().find(|scope| scope.name() == text);
    found.ok_or_else(|| {
        let names = KeyScope::ALL.map(|scope| format!("`{}`", scope.name())).join(", ");
        format!("`{text}` is none of {names}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_known_by_their_names() {
        assert_eq!(scope("usage_read"), Ok(KeyScope::UsageRead));
        assert!(scope("all").is_err());
    }
}
