//! The command line: reads it, and carries out every command that ends by itself.

mod accounts;
mod args;
mod audit;
mod batches;
mod before;
mod bounds;
mod call;
mod catalog;
mod check;
mod codes;
mod expiry;
mod explain;
mod invites;
mod keys;
mod ledger;
mod members;
mod payments;
mod plans;
mod program;
mod projects;
mod providers;
mod screen;
mod set_plan;
mod statement;
mod subscriptions;
#[cfg(test)]
mod tests;
mod tokens;
mod usage;
mod watch;
mod webhooks;

use std::io::{self, Write};
use std::process::ExitCode;

use crate::config::Environment;

pub use catalog::Markup;
pub use program::main;

pub use accounts::Accounts;
pub use args::{Catalog, Cli, Command, ConfigArgs, Gateway, Ledger, LedgerPlace, Tool};
pub use audit::Audit;
pub use codes::Codes;
pub use explain::Explain;
pub use invites::Invites;
pub use keys::Keys;
pub use members::Members;
pub use payments::Payments;
pub use plans::Plans;
pub use projects::Projects;
pub use providers::Providers;
pub use screen::Screen;
pub use statement::Statement;
pub use subscriptions::Subscriptions;
pub use tokens::Tokens;
pub use usage::Usage;
pub use watch::Watch;
pub use webhooks::{Events, Webhooks};

/// How a command ended: its exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done, and all is well.
    Well = 0,
    /// Looked, and something is wrong: a fault, a difference, damage, a refusal.
    Wrong = 1,
    /// Could not look: wrong arguments, files in use, nobody there.
    NotDone = 2,
}

/// Where a command writes, and what it reads besides its arguments.
pub struct Console<'c> {
    /// Results.
    pub out: Screen<'c>,
    /// Complaints.
    pub err: Screen<'c>,
    /// The environment's variables.
    pub environment: Environment<'c>,
}

/// Carries out a command with the process's own console. Blocks in between, so it is not for a
/// thread that serves.
pub async fn run(tool: Tool) -> ExitCode {
    let mut out = io::stdout();
    let mut err = io::stderr();
    let environment = |name: &str| std::env::var(name).ok();
    let (to_out, to_err) = (Screen::new(&mut out), Screen::new(&mut err));
    let mut console = Console { out: to_out, err: to_err, environment: &environment };
    let exit = carry_out(tool, &mut console).await;
    // Who does not read any more has seen enough.
    let _ = out.flush();
    ExitCode::from(exit as u8)
}

async fn carry_out(tool: Tool, console: &mut Console<'_>) -> Exit {
    let written = match tool {
        Tool::Check { config, strict } => check::run(&config.config, strict, console),
        Tool::Catalog(command) => catalog::run(command, console),
        Tool::Ledger(command) => ledger::run(command, console),
        Tool::Keys(command) => keys::run(command, console).await,
        Tool::Projects(command) => projects::run(command, console).await,
        Tool::Usage(command) => usage::run(command, console).await,
        Tool::Accounts(command) => accounts::run(command, console).await,
        Tool::Tokens(command) => tokens::run(command, console).await,
        Tool::Audit(command) => audit::run(command, console).await,
        Tool::Webhooks(command) => webhooks::run(command, console).await,
        Tool::Events(command) => webhooks::run_events(command, console).await,
        Tool::Members(command) => members::run(command, console).await,
        Tool::Invites(command) => invites::run(command, console).await,
        Tool::Codes(command) => codes::run(command, console).await,
        Tool::Payments(command) => payments::run(command, console).await,
        Tool::Watch(command) => watch::run(command, console).await,
        Tool::Statement(command) => statement::run(command, console).await,
        Tool::Providers(command) => providers::run(command, console).await,
        Tool::Explain(command) => explain::run(command, console).await,
        Tool::Plans(command) => plans::run(command, console).await,
        Tool::Subscriptions(command) => subscriptions::run(command, console).await,
    };
    // A reader that went away is no reason to complain.
    written.unwrap_or(Exit::NotDone)
}

impl Console<'_> {
    /// Writes why something was not done, with all causes.
    fn complain(&mut self, error: &dyn std::error::Error) -> io::Result<()> {
        write!(self.err, "error: ")?;
        self.explain(error)
    }

    /// Writes an error with all causes.
    fn explain(&mut self, error: &dyn std::error::Error) -> io::Result<()> {
        write!(self.err, "{error}")?;
        let mut cause = error.source();
        while let Some(error) = cause {
            write!(self.err, ": {error}")?;
            cause = error.source();
        }
        writeln!(self.err)
    }
}
