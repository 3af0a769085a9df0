//! What a query on usage says, and what it means. Pure.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::str::FromStr;

use infergate_actors::account::{Dialect, End, Finish, Source};
use infergate_actors::id::{AccountId, IdError, ProjectId};
use schemars::JsonSchema;
use serde::Deserialize;

use super::calendar;
use super::filter::{Detail, Filter, Kind};
use super::group::GroupBy;
use super::walk::Place;
use crate::openapi::pattern;

const LIMIT_DEFAULT: usize = 100;
const LIMIT_MAX: usize = 1_000;

/// The query string of a question, as it is written.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "as they stand in the query")]
pub(crate) struct Asked {
    #[schemars(regex(pattern = pattern::ACCOUNT))]
    account: Option<String>,
    #[schemars(regex(pattern = pattern::EXCHANGE))]
    id: Option<String>,
    /// Within `account`.
    #[schemars(regex(pattern = pattern::KEY))]
    key: Option<String>,
    /// Within `account`.
    #[schemars(regex(pattern = pattern::PROJECT))]
    project: Option<String>,
    /// The client's own name for its user.
    user: Option<String>,
    /// The client's address.
    client: Option<IpAddr>,
    /// The one that was asked for.
    asked_model: Option<String>,
    /// The one that answered.
    model: Option<String>,
    provider: Option<String>,
    dialect: Option<Dialect>,
    end: Option<End>,
    /// Of the last attempt.
    status: Option<u16>,
    finish: Option<Finish>,
    source: Option<Source>,
    streamed: Option<bool>,
    attempts_min: Option<u64>,
    attempts_max: Option<u64>,
    first_content_ms_min: Option<u64>,
    first_content_ms_max: Option<u64>,
    total_ms_min: Option<u64>,
    total_ms_max: Option<u64>,
    /// A date, or milliseconds since 1970, of settlement.
    #[schemars(regex(pattern = pattern::TIME))]
    from: Option<String>,
    #[schemars(regex(pattern = pattern::TIME))]
    to: Option<String>,
    /// Up to four of `hour`, `day`, `month`, `key`, `project`, `user`, `client`, `asked_model`, `model`,
    /// `provider`, `dialect`, `end`, `status`, `finish` and `source`, with commas between.
    #[schemars(regex(pattern = pattern::GROUP_BY))]
    group_by: Option<String>,
    /// The `next` of the page before.
    #[schemars(regex(pattern = pattern::USAGE_CURSOR))]
    after: Option<String>,
    #[schemars(range(min = 1, max = LIMIT_MAX))]
    limit: Option<usize>,
    format: Option<Format>,
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    /// Sees every account, and what providers cost.
    Operator,
    /// Sees this account alone.
    Account(AccountId),
    /// Sees of this account what this project paid.
    Project(AccountId, ProjectId),
}

/// How an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Format {
    /// One document: a page, or all sums.
    Json,
    /// A line each, all of them.
    Csv,
    /// A JSON object a line, all of them.
    Ndjson,
}

/// A question with one meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) whose: Whose,
    pub(super) filter: Filter,
    /// What sums are by; where there is nothing, records are asked for.
    pub(super) group_by: Vec<GroupBy>,
    pub(super) after: Option<Place>,
    pub(super) limit: usize,
    pub(super) format: Format,
}

impl Format {
    /// The format that a request's `accept` names; JSON where it names none of these.
    pub(crate) fn accepted(accept: Option<&str>) -> Self {
        let kinds = accept.unwrap_or_default().split(',');
        let known = |kind: &str| match kind.split(';').next().unwrap_or_default().trim() {
            "text/csv" => Some(Self::Csv),
            "application/x-ndjson" | "application/jsonl" => Some(Self::Ndjson),
            "application/json" => Some(Self::Json),
            _ => None,
        };
        kinds.into_iter().find_map(known).unwrap_or(Self::Json)
    }

    /// Its media type.
    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Ndjson => "application/x-ndjson",
        }
    }
}

impl Asked {
    /// What it means when `whose` asks it with this `accept`; what is wrong with it otherwise.
    pub(super) fn read(self, whose: Whose, accept: Option<&str>) -> Result<Question, String> {
        let format = self.format.unwrap_or_else(|| Format::accepted(accept));
        let account = self.account.as_deref().map(str::parse::<AccountId>).transpose();
        let (own, project) = match whose {
            Whose::Operator => (None, None),
            Whose::Account(account) => (Some(account), None),
            Whose::Project(account, project) => (Some(account), Some(project)),
        };
        let account = within_own("account", own, account.map_err(|error| error.to_string())?)?;
        let mut filter = Filter { account, ..self.filter()? };
        filter.kind.project = within_own("project", project, filter.kind.project)?;
        for (name, is_asked) in
            [("key", filter.kind.key.is_some()), ("project", filter.kind.project.is_some())]
        {
            if is_asked && account.is_none() {
                return Err(format!("`{name}` counts within an account: name its `account` too"));
            }
        }
        let group_by = self.group_by.as_deref().map(GroupBy::read).transpose()?.unwrap_or_default();
        let after: Option<Place> = self.after.as_deref().map(Place::read).transpose()?;
        if after.is_some_and(|place| account.is_some_and(|account| account != place.account)) {
            return Err("`after` is no cursor of this query".to_owned());
        }
        if after.is_some() && (!group_by.is_empty() || format != Format::Json) {
            return Err("only pages are read on behind `after`".to_owned());
        }
        let limit = self.limit.unwrap_or(LIMIT_DEFAULT);
        if !(1..=LIMIT_MAX).contains(&limit) {
            return Err(format!("`limit` must be 1 to {LIMIT_MAX}"));
        }
        Ok(Question { whose, filter, group_by, after, limit, format })
    }

    /// The conditions, but for the account.
    fn filter(&self) -> Result<Filter, String> {
        let start = time("from", self.from.as_deref())?.unwrap_or(0);
        let end = time("to", self.to.as_deref())?.unwrap_or(u64::MAX);
        let kind = Kind {
            key: id("key", self.key.as_deref())?,
            project: id("project", self.project.as_deref())?,
            asked_model: self.asked_model.clone(),
            model: self.model.clone(),
            provider: self.provider.clone(),
            dialect: self.dialect,
            end: self.end,
            status: self.status,
            finish: self.finish,
            source: self.source,
        };
        let detail = Detail {
            id: id("id", self.id.as_deref())?,
            user: self.user.clone(),
            client: self.client.map(|client| client.to_canonical()),
            streamed: self.streamed,
            attempts: within(self.attempts_min, self.attempts_max),
            first_content_ms: within(self.first_content_ms_min, self.first_content_ms_max),
            total_ms: within(self.total_ms_min, self.total_ms_max),
        };
        Ok(Filter { account: None, span: start..end, kind, detail })
    }
}

/// What is asked for, where that is what whoever asks is bound to, if they are.
fn within_own<T: PartialEq>(
    field: &str,
    own: Option<T>,
    asked: Option<T>,
) -> Result<Option<T>, String> {
    if own.is_some() && asked.is_some() && own != asked {
        return Err(format!("`{field}` must be the key's own, or left out"));
    }
    Ok(own.or(asked))
}

fn within(min: Option<u64>, max: Option<u64>) -> Option<RangeInclusive<u64>> {
    let is_asked = min.is_some() || max.is_some();
    is_asked.then(|| min.unwrap_or(0)..=max.unwrap_or(u64::MAX))
}

fn id<T: FromStr<Err = IdError>>(field: &str, text: Option<&str>) -> Result<Option<T>, String> {
    text.map(str::parse).transpose().map_err(|error: IdError| format!("`{field}`: {error}"))
}

fn time(field: &str, text: Option<&str>) -> Result<Option<u64>, String> {
    let wrong =
        || format!("`{field}` must be a date such as `2026-11-24`, or milliseconds since 1970");
    text.map(|text| calendar::time(text).ok_or_else(wrong)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_has_one_meaning_or_is_refused() {
        let own = Whose::Account(AccountId(7));
        let read = |whose, asked: Asked| asked.read(whose, Some("text/html, text/csv;q=1"));
        let text = |text: &str| Some(text.to_owned());
        let all = read(own, Asked::default()).unwrap();
        assert_eq!((all.filter.account, all.format), (Some(AccountId(7)), Format::Csv));
        let bound = Whose::Project(AccountId(7), ProjectId(3));
        for asked in [None, text("proj_3")] {
            let asked = Asked { project: asked, key: text("key_1"), ..Asked::default() };
            let filter = read(bound, asked).unwrap().filter;
            assert_eq!(
                (filter.account, filter.kind.project),
                (all.filter.account, Some(ProjectId(3)))
            );
        }
        let json = Some(Format::Json);
        for (whose, asked, fault) in [
            (own, Asked { account: text("acct_0000000000000008"), ..Asked::default() }, "own"),
            (Whose::Operator, Asked { key: text("key_1"), ..Asked::default() }, "its `account`"),
            (bound, Asked { account: text("acct_0000000000000008"), ..Asked::default() }, "own"),
            (bound, Asked { project: text("proj_2"), ..Asked::default() }, "`project` must be"),
            (own, Asked { key: text("1"), ..Asked::default() }, "`key`"),
            (own, Asked { project: text("1"), ..Asked::default() }, "`project`"),
            (
                Whose::Operator,
                Asked { project: text("proj_1"), ..Asked::default() },
                "its `account`",
            ),
            (own, Asked { from: text("today"), ..Asked::default() }, "`from`"),
            (own, Asked { group_by: text("day,day"), ..Asked::default() }, "each once"),
            (own, Asked { group_by: text("weekday"), ..Asked::default() }, "`group_by`"),
            (own, Asked { id: text("7"), ..Asked::default() }, "`id`"),
            (own, Asked { limit: Some(0), ..Asked::default() }, "`limit`"),
            (own, Asked { after: text("x"), format: json, ..Asked::default() }, "cursor"),
            (
                own,
                Asked { after: text("acct_0000000000000008"), format: json, ..Asked::default() },
                "cursor",
            ),
            (own, Asked { after: text("acct_0000000000000007"), ..Asked::default() }, "pages"),
        ] {
            let said = read(whose, asked).unwrap_err();
            assert!(said.contains(fault), "{said}");
        }
    }
}
