//! What sums can be by. Pure.

use std::net::IpAddr;

use infergate_actors::id::AccountId;
use infergate_actors::ledger::Dimensions;

use super::calendar::{day_text, hour_text};
use super::row::{dialect_name, end_name, finish_name, source_name};

/// More at once are a list of records.
const BY_MAX: usize = 4;

/// One thing that sums are told apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GroupBy {
    /// The hour of settlement, in UTC.
    Hour,
    /// The day of settlement, in UTC.
    Day,
    /// The month of settlement, in UTC.
    Month,
    /// The key, named behind its account.
    Key,
    /// The key's project, named behind its account.
    Project,
    /// The client's own name for its user.
    User,
    /// The address of the client.
    Client,
    /// The public name of the model that was asked for.
    AskedModel,
    /// The public name of the model that answered.
    Model,
    /// The provider that answered, or was tried last.
    Provider,
    /// The wire format the client spoke.
    Dialect,
    /// How it ended.
    End,
    /// The HTTP status of the last attempt.
    Status,
    /// Why the model stopped.
    Finish,
    /// Where the answer came from.
    Source,
}

/// What an exchange, or a row of daily sums, is put into its group by.
pub(super) struct Placed<'r> {
    pub(super) account: AccountId,
    /// Of a row, the beginning of its day.
    pub(super) at_ms: u64,
    pub(super) of: Dimensions<'r>,
    pub(super) user: Option<&'r str>,
    pub(super) client: Option<IpAddr>,
}

impl GroupBy {
    /// All of them.
    pub(super) const ALL: [Self; 15] = [
        Self::Hour,
        Self::Day,
        Self::Month,
        Self::Key,
        Self::Project,
        Self::User,
        Self::Client,
        Self::AskedModel,
        Self::Model,
        Self::Provider,
        Self::Dialect,
        Self::End,
        Self::Status,
        Self::Finish,
        Self::Source,
    ];

    /// Its name, which is also that of the column it makes.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Month => "month",
            Self::Key => "key",
            Self::Project => "project",
            Self::User => "user",
            Self::Client => "client",
            Self::AskedModel => "asked_model",
            Self::Model => "model",
            Self::Provider => "provider",
            Self::Dialect => "dialect",
            Self::End => "end",
            Self::Status => "status",
            Self::Finish => "finish",
            Self::Source => "source",
        }
    }

    /// Whether rows of daily sums tell it.
    pub(super) fn is_daily(self) -> bool {
        !matches!(self, Self::Hour | Self::User | Self::Client)
    }

    /// Reads names with commas between them.
    pub(super) fn read(text: &str) -> Result<Vec<Self>, String> {
        let mut list = Vec::new();
        for name in text.split(',') {
            let by = Self::ALL.into_iter().find(|by| by.name() == name.trim());
            let by = by.filter(|by| !list.contains(by) && list.len() < BY_MAX);
            list.push(by.ok_or_else(|| {
                let names: Vec<_> = Self::ALL.into_iter().map(Self::name).collect();
                let names = names.join(", ");
                format!(
                    "`group_by` must be up to {BY_MAX} of {names}, each once, with commas between"
                )
            })?);
        }
        Ok(list)
    }

    /// The name of the group by this.
    pub(super) fn of(self, placed: &Placed<'_>) -> String {
        let Placed { account, at_ms, of, user, client } = placed;
        match self {
            Self::Hour => hour_text(*at_ms),
            Self::Day => day_text(*at_ms),
            Self::Month => day_text(*at_ms).get(..7).unwrap_or_default().to_owned(),
            Self::Key => format!("{account}/{}", of.key),
            Self::Project => of.project.map_or_else(String::new, |it| format!("{account}/{it}")),
            Self::User => user.unwrap_or_default().to_owned(),
            Self::Client => client.map_or_else(String::new, |client| client.to_string()),
            Self::AskedModel => of.model.to_owned(),
            Self::Model => of.served().to_owned(),
            Self::Provider => of.provider.unwrap_or_default().to_owned(),
            Self::Dialect => dialect_name(of.dialect).to_owned(),
            Self::End => end_name(of.end).to_owned(),
            Self::Status => of.status.map_or_else(String::new, |status| status.to_string()),
            Self::Finish => of.finish.map_or("", finish_name).to_owned(),
            Self::Source => source_name(of.source).to_owned(),
        }
    }
}
