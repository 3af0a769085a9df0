//! What may be said on the command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use super::accounts::Accounts;
use super::audit::Audit;
use super::catalog::Markup;
use super::codes::Codes;
use super::explain::Explain;
use super::invites::Invites;
use super::keys::Keys;
use super::members::Members;
use super::payments::Payments;
use super::plans::Plans;
use super::projects::Projects;
use super::providers::Providers;
use super::statement::Statement;
use super::subscriptions::Subscriptions;
use super::tokens::Tokens;
use super::usage::Usage;
use super::watch::Watch;
use super::webhooks::{Events, Webhooks};
use crate::config;

/// A self-hosted AI API gateway: exact money, invisible failover, nearly no cost.
#[derive(Debug, Parser)]
#[command(name = "infergate", version, args_conflicts_with_subcommands = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: ConfigArgs,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve; what is done when nothing else is asked for
    Serve(ConfigArgs),
    /// Everything that ends by itself.
    #[command(flatten)]
    Tool(Tool),
}

/// A command that ends by itself.
#[derive(Debug, Subcommand)]
pub enum Tool {
    /// Check a configuration and report everything that is wrong with it, or most likely not meant
    Check {
        /// Which.
        #[command(flatten)]
        config: ConfigArgs,
        /// Fail on what is most likely not meant, too
        #[arg(long)]
        strict: bool,
    },
    /// Make a catalogue of models
    #[command(subcommand)]
    Catalog(Catalog),
    /// Look after a ledger that no gateway has open
    #[command(subcommand)]
    Ledger(Ledger),
    /// Create, list, change, rotate and revoke keys at a running gateway
    #[command(subcommand)]
    Keys(Keys),
    /// Create, list, change, archive and restore projects at a running gateway
    #[command(subcommand)]
    Projects(Projects),
    /// Sum up what was used
    Usage(Usage),
    /// List, show, open, change, suspend and close accounts at a running gateway, give and pay back credit
    #[command(subcommand)]
    Accounts(Accounts),
    /// List, make, rotate and revoke operators' tokens at a running gateway
    #[command(subcommand)]
    Tokens(Tokens),
    /// Read what operators did at a running gateway
    #[command(subcommand)]
    Audit(Audit),
    /// List, replay and test webhooks at a running gateway
    #[command(subcommand)]
    Webhooks(Webhooks),
    /// List what has happened that webhooks may be told of
    #[command(subcommand)]
    Events(Events),
    /// List, add, change and remove the people of an account at a running gateway
    #[command(subcommand)]
    Members(Members),
    /// Make, list and take back invites for those who sign up at a running gateway
    #[command(subcommand)]
    Invites(Invites),
    /// Look at the plans of a running gateway
    #[command(subcommand)]
    Plans(Plans),
    /// Begin, change, cancel and look at subscriptions at a running gateway
    #[command(subcommand)]
    Subscriptions(Subscriptions),
    /// Make, list, show, take back and redeem redemption codes at a running gateway
    #[command(subcommand)]
    Codes(Codes),
    /// Tell a running gateway of payments, refunds and disputes, once each, and list them
    #[command(subcommand)]
    Payments(Payments),
    /// Show and change what an account is watched for: low balances, budgets, automatic top-ups
    #[command(subcommand)]
    Watch(Watch),
    /// Print an account's month: what it had, was given, spent and has left
    Statement(Statement),
    /// List, show, open, close and drain providers at a running gateway
    #[command(subcommand)]
    Providers(Providers),
    /// Tell where a request would go at a running gateway, and why
    Explain(Explain),
}

/// Where the configuration is.
#[derive(Clone, Debug, Args)]
pub struct ConfigArgs {
    /// The configuration file
    #[arg(long, value_name = "FILE", env = "INFERGATE_CONFIG")]
    #[arg(default_value = "config/infergate.toml")]
    pub config: PathBuf,
}

/// What to do for a catalogue.
#[derive(Debug, Subcommand)]
pub enum Catalog {
    /// Print the models of a price list as TOML; what is skipped, and why, on the standard error
    Import {
        /// The list of prices and context lengths that LiteLLM publishes, as a file
        #[arg(long, value_name = "FILE")]
        from_litellm: PathBuf,
        /// Only models of this provider of the list [default: all]
        #[arg(long, value_name = "NAME")]
        provider: Option<String>,
        /// Our provider that they are had from [default: called as in the list]
        #[arg(long, value_name = "PROVIDER")]
        to: Option<String>,
        /// What is put on the listed prices, such as `20%`
        #[arg(long, value_name = "PERCENT", default_value = "0%")]
        markup: Markup,
    },
}

/// What to do with a ledger.
#[derive(Debug, Subcommand)]
pub enum Ledger {
    /// Prove every event and derive every charge again; changes nothing
    Verify {
        /// Which ledger.
        #[command(flatten)]
        place: LedgerPlace,
    },
    /// Copy what is provably good into a new directory and list what is lost
    Repair {
        /// Which ledger.
        #[command(flatten)]
        place: LedgerPlace,
        /// The new data directory: empty, or not there yet
        #[arg(long, value_name = "DIR")]
        to: PathBuf,
    },
    /// Write the journal into a file, for a backup or another machine
    Export {
        /// Which ledger.
        #[command(flatten)]
        place: LedgerPlace,
        /// A file that is not there yet, or `-` for the standard output
        file: PathBuf,
        /// The first event to write; an export from 1 on can be imported
        #[arg(long, value_name = "EVENT", default_value_t = 1)]
        from: u64,
    },
    /// Make a new ledger of a whole export
    Import {
        /// Which ledger.
        #[command(flatten)]
        place: LedgerPlace,
        /// The export, or `-` for the standard input
        file: PathBuf,
    },
}

/// Which ledger, and how to report on it.
#[derive(Debug, Args)]
pub struct LedgerPlace {
    /// The data directory [default: the configuration's `store.path`]
    #[arg(long, value_name = "DIR", env = "INFERGATE_DATA_DIR")]
    pub data_dir: Option<PathBuf>,
    /// What says where it is, if nothing else does.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Report in JSON
    #[arg(long)]
    pub json: bool,
}

/// A running gateway. The token comes from `INFERGATE_ADMIN_TOKEN` alone: arguments show in the
/// list of processes.
#[derive(Debug, Args)]
pub struct Gateway {
    /// The gateway's admin port; its token is taken from the environment, `INFERGATE_ADMIN_TOKEN`
    #[arg(long, value_name = "URL", env = "INFERGATE_ADMIN_URL")]
    #[arg(default_value = "http://127.0.0.1:8081")]
    pub admin_url: String,
    /// Answer in JSON
    #[arg(long)]
    pub json: bool,
}

impl Cli {
    /// What was asked for: to serve, unless something else was.
    pub fn command(self) -> Command {
        self.command.unwrap_or(Command::Serve(self.serve))
    }
}

/// A number and a unit of time, as in the configuration.
pub(super) fn time(text: &str) -> Result<Duration, String> {
    let time = config::duration(text).filter(|time| !time.is_zero());
    time.ok_or_else(|| format!("`{text}` is no time such as `90m`, `12h` or `30d`"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_holds_together() {
        <Cli as CommandFactory>::command().debug_assert();
    }

    fn read(line: &str) -> Command {
        Cli::try_parse_from(line.split(' ')).unwrap_or_else(|error| panic!("{error}")).command()
    }

    #[test]
    fn serving_needs_no_word() {
        for line in ["infergate --config a.toml", "infergate serve --config a.toml"] {
            let Command::Serve(serve) = read(line) else { panic!("{line}") };
            assert_eq!(serve.config, PathBuf::from("a.toml"));
        }
        assert!(matches!(read("infergate"), Command::Serve(_)));
        assert!(Cli::try_parse_from(["infergate", "srve"]).is_err());
    }

    #[test]
    fn times_have_a_unit() {
        assert_eq!(time("2h"), Ok(Duration::from_hours(2)));
        for wrong in ["", "d", "5", "0d", "-1d", "1w", "99999999999999999999d", "ä"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }
}
