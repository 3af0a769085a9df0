//! What a query on usage says, and what it means. Pure.

use infergate_actors::account::End;
use infergate_actors::id::AccountId;
use schemars::JsonSchema;
use serde::Deserialize;

use super::calendar;
use super::filter::Filter;
use super::walk::Place;
use crate::openapi::pattern;

const LIMIT_DEFAULT: usize = 100;
const LIMIT_MAX: usize = 1_000;

/// The query string of a question, as it is written.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Asked {
    #[schemars(regex(pattern = pattern::ACCOUNT))]
    account: Option<String>,
    /// Within `account`.
    #[schemars(regex(pattern = pattern::KEY))]
    key: Option<String>,
    /// The client's own name for its user.
    user: Option<String>,
    /// The one that answered.
    model: Option<String>,
    provider: Option<String>,
    end: Option<End>,
    /// Of the last attempt.
    status: Option<u16>,
    /// A date, or milliseconds since 1970, of settlement.
    #[schemars(regex(pattern = pattern::TIME))]
    from: Option<String>,
    #[schemars(regex(pattern = pattern::TIME))]
    to: Option<String>,
    group_by: Option<GroupBy>,
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
}

/// What sums are by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum GroupBy {
    /// The day of settlement, in UTC.
    Day,
    /// The hour of settlement, in UTC.
    Hour,
    /// The public name of the model that answered.
    Model,
    /// The key, named behind its account.
    Key,
    /// The provider that answered, or was tried last.
    Provider,
    /// The client's own name for its user.
    User,
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
    pub(super) group_by: Option<GroupBy>,
    pub(super) after: Option<Place>,
    pub(super) limit: usize,
    pub(super) format: Format,
}

impl GroupBy {
    /// All of them.
    pub(super) const ALL: [Self; 6] =
        [Self::Day, Self::Hour, Self::Model, Self::Key, Self::Provider, Self::User];

    /// Its name, which is also that of the column it makes.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Hour => "hour",
            Self::Model => "model",
            Self::Key => "key",
            Self::Provider => "provider",
            Self::User => "user",
        }
    }
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
        let account = match (whose, account.map_err(|error| error.to_string())?) {
            (Whose::Operator, asked) => asked,
            (Whose::Account(own), Some(asked)) if own != asked => {
                return Err("`account` must be the key's own, or left out".to_owned());
            }
            (Whose::Account(own), _) => Some(own),
        };
        let key = self.key.as_deref().map(str::parse).transpose();
        let key = key.map_err(|error| format!("`key`: {error}"))?;
        if key.is_some() && account.is_none() {
            return Err("`key` counts within an account: name its `account` too".to_owned());
        }
        let after: Option<Place> = self.after.as_deref().map(Place::read).transpose()?;
        if after.is_some_and(|place| account.is_some_and(|account| account != place.account)) {
            return Err("`after` is no cursor of this query".to_owned());
        }
        if after.is_some() && (self.group_by.is_some() || format != Format::Json) {
            return Err("only pages are read on behind `after`".to_owned());
        }
        let limit = self.limit.unwrap_or(LIMIT_DEFAULT);
        if !(1..=LIMIT_MAX).contains(&limit) {
            return Err(format!("`limit` must be 1 to {LIMIT_MAX}"));
        }
        let span = time("from", self.from)?.unwrap_or(0)..time("to", self.to)?.unwrap_or(u64::MAX);
        let Self { user, model, provider, end, status, group_by, .. } = self;
        let filter = Filter { account, key, user, model, provider, end, status, span };
        Ok(Question { whose, filter, group_by, after, limit, format })
    }
}

fn time(field: &str, text: Option<String>) -> Result<Option<u64>, String> {
    let wrong =
        || format!("`{field}` must be a date such as `2026-11-24`, or milliseconds since 1970");
    text.map(|text| calendar::time(&text).ok_or_else(wrong)).transpose()
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
        let json = Some(Format::Json);
        for (whose, asked, fault) in [
            (own, Asked { account: text("acct_0000000000000008"), ..Asked::default() }, "own"),
            (Whose::Operator, Asked { key: text("key_1"), ..Asked::default() }, "its `account`"),
            (own, Asked { key: text("1"), ..Asked::default() }, "`key`"),
            (own, Asked { from: text("today"), ..Asked::default() }, "`from`"),
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
