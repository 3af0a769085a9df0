//! What may be said of projects on the command line. Pure.

use clap::{Args, Subcommand};
use infergate_actors::id::{AccountId, ProjectId};

use super::super::Gateway;
use super::super::bounds::{BudgetWanted, Limits, LimitsChange};

/// What to do with projects.
#[derive(Debug, Subcommand)]
pub enum Projects {
    /// Create a project, with limits of all its keys together, and print its id
    Create(Box<ProjectWanted>),
    /// List an account's projects
    List {
        /// Where.
        #[command(flatten)]
        gateway: Gateway,
        /// The account
        #[arg(long, value_name = "ACCOUNT")]
        account: AccountId,
    },
    /// Change a project; what is not said stays
    Update(Box<ProjectUpdate>),
    /// Archive a project: its keys do not work any more
    Archive {
        /// Which.
        #[command(flatten)]
        at: ProjectPlace,
    },
    /// Restore a project that was archived
    Restore {
        /// Which.
        #[command(flatten)]
        at: ProjectPlace,
    },
}

/// Which project, and where.
#[derive(Debug, Args)]
pub struct ProjectPlace {
    /// Where.
    #[command(flatten)]
    pub gateway: Gateway,
    /// The project's account
    #[arg(long, value_name = "ACCOUNT")]
    pub account: AccountId,
    /// The project, such as `proj_1`
    pub project: ProjectId,
}

/// A project to be created.
#[derive(Debug, Args)]
pub struct ProjectWanted {
    /// Where.
    #[command(flatten)]
    pub gateway: Gateway,
    /// The account it is a part of
    #[arg(long, value_name = "ACCOUNT")]
    pub account: AccountId,
    /// A name for people
    #[arg(long)]
    pub name: String,
    /// A model its keys may use, `gpt-*` for all that begin so; may be repeated [default: all]
    #[arg(long = "model", value_name = "MODEL")]
    pub models: Vec<String>,
    /// How much.
    #[command(flatten)]
    pub limits: Limits,
    /// What its keys may spend, such as `month=100`, in a day, week, month or in total; may be repeated
    #[arg(long = "budget", value_name = "PERIOD=USD")]
    pub budgets: Vec<BudgetWanted>,
}

/// A project to be changed.
#[derive(Debug, Args)]
pub struct ProjectUpdate {
    /// Which.
    #[command(flatten)]
    pub at: ProjectPlace,
    /// Another name
    #[arg(long)]
    pub name: Option<String>,
    /// A model its keys may use, in place of those before, `*` for all; may be repeated
    #[arg(long = "model", value_name = "MODEL")]
    pub models: Vec<String>,
    /// How much.
    #[command(flatten)]
    pub limits: LimitsChange,
    /// What its keys may spend, such as `month=100`, or `month=none`; may be repeated
    #[arg(long = "budget", value_name = "PERIOD=USD")]
    pub budgets: Vec<BudgetWanted>,
}
