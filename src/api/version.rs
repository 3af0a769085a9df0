//! Versions (RFC 9110 §8.8.3): what of a resource is a setting and what a figure, the `ETag` of its
//! settings, and whether a change is meant for what there is. Pure.
//!
//! | resource | figures: what is shown and not set |
//! | --- | --- |
//! | an account | sums, grants, holds, buckets, what is spent of budgets; its keys and projects, which have their own |
//! | a key or a project | buckets, what is spent of budgets |
//! | what an account is watched for | the top-up that is due |
//! | anything else | none |
//!
//! What is not named as a figure is a setting, so that a new field is one from the start. A version is
//! made of what is shown at a port and of nothing else, so it tells nobody of what they do not see.

use http::{HeaderMap, HeaderValue, header};
use infergate_actors::account::{AccountView, KeyView};
use infergate_actors::id::{KeyId, MemberId, ProjectId, WebhookId};
use infergate_actors::ledger::Digest;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{Key, MemberLine, Problem, Project, Watched, WebhookLine, find};
use crate::openapi::{Common, pattern};

/// Of an account, what requests change and nobody sets.
const ACCOUNT_FIGURES: [&str; 7] =
    ["grants", "holds", "keys", "projects", "buckets", "events", "digest"];
/// The same of a key or a project.
const PART_FIGURES: [&str; 1] = ["buckets"];
/// The same of what an account is watched for.
const WATCH_FIGURES: [&str; 1] = ["top_up_due"];
/// Of a budget, what was set.
const BUDGET_SETTINGS: [&str; 2] = ["limit_usd", "limit_nano_usd"];
/// What is told of an account's money, before and after.
const MONEY: [&str; 4] = ["balance_usd", "granted_usd", "refunded_usd", "charged_back_usd"];

/// A part of an account with a version of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Key(KeyId),
    Project(ProjectId),
    Member(MemberId),
    /// What the account is watched for.
    Watch,
    Webhook(WebhookId),
}

/// A resource at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// What its version is of.
    settings: Map<String, Value>,
    /// What else is told of it.
    figures: Map<String, Value>,
}

impl Part {
    /// The part as both ports show it; `None` where the account has none.
    pub(crate) fn seen(self, account: &AccountView) -> Option<Seen> {
        Some(match self {
            Self::Key(key) => Seen::of_part(&Key::of(find(account, key).ok()?)),
            Self::Project(project) => Seen::of_part(&Project::find(account, project).ok()?),
            Self::Member(member) => {
                let shown = MemberLine::find(account, member).ok()?;
                let is_theirs = |key: &&KeyView| key.member == Some(member);
                let works = |key: &&KeyView| key.key.revoked_at_ms.is_none();
                let keys = account.keys.iter().filter(is_theirs).filter(works);
                let keys: Vec<String> = keys.map(|key| key.key.id.to_string()).collect();
                // Whoever is removed may lose them.
                Seen::of_settings(&shown).with("keys", json!(keys))
            }
            Self::Watch => Seen::of_watch(&Watched::of(&account.watch)),
            Self::Webhook(webhook) => Seen::of_settings(&WebhookLine::find(account, webhook).ok()?),
        })
    }
}

impl Seen {
    /// An account as a port shows it.
    pub(crate) fn of_account(shown: &impl Serialize) -> Self {
        let is_figure = |name: &str| ACCOUNT_FIGURES.contains(&name) || name.ends_with("_usd");
        Self::split(shown, is_figure, &MONEY)
    }

    /// A key or a project as a port shows it.
    fn of_part(shown: &impl Serialize) -> Self {
        Self::split(shown, |name| PART_FIGURES.contains(&name), &[])
    }

    fn of_watch(shown: &impl Serialize) -> Self {
        Self::split(shown, |name| WATCH_FIGURES.contains(&name), &WATCH_FIGURES)
    }

    /// Something whose every field is a setting.
    pub(crate) fn of_settings(shown: &impl Serialize) -> Self {
        Self::split(shown, |_| false, &[])
    }

    /// What is shown, without the figures but those that are told.
    fn split(shown: &impl Serialize, is_figure: impl Fn(&str) -> bool, told: &[&str]) -> Self {
        let shown = serde_json::to_value(shown).unwrap_or_default();
        let fields = shown.as_object().cloned().unwrap_or_default().into_iter();
        let (mut figures, settings): (Map<_, _>, Map<_, _>) =
            fields.partition(|(name, _)| is_figure(name));
        figures.retain(|name, _| told.contains(&name.as_str()));
        Self { settings: only_limits(settings), figures }
    }

    /// With a figure that is told beside.
    pub(crate) fn with(mut self, name: &str, figure: Value) -> Self {
        self.figures.insert(name.to_owned(), figure);
        self
    }

    /// Its version: the same as long as its settings are.
    pub(crate) fn etag(&self) -> String {
        let settings = Value::Object(self.settings.clone());
        format!("\"{}\"", Digest::of(settings.to_string().as_bytes()))
    }

    /// All that is told of it.
    pub(crate) fn told(&self) -> Value {
        let mut told = self.settings.clone();
        told.extend(self.figures.clone());
        Value::Object(told)
    }
}

/// Without what is spent of budgets.
fn only_limits(mut fields: Map<String, Value>) -> Map<String, Value> {
    if let Some(Value::Object(budgets)) = fields.get_mut("budgets") {
        for budget in budgets.values_mut().filter_map(Value::as_object_mut) {
            budget.retain(|name, _| BUDGET_SETTINGS.contains(&name.as_str()));
        }
    }
    fields
}

/// Whether what is asked for is asked for of this version: 412 if not.
pub(crate) fn check_match(headers: &HeaderMap, seen: Option<&Seen>) -> Result<(), Problem> {
    let mut wanted = headers.get_all(header::IF_MATCH).iter().peekable();
    if wanted.peek().is_none() {
        return Ok(());
    }
    let etag = seen.map(Seen::etag);
    let is_meant = |value: &HeaderValue| {
        let texts = value.to_str().unwrap_or_default().split(',').map(str::trim);
        // Weak ones never match.
        texts.into_iter().any(|text| etag.as_deref().is_some_and(|it| text == "*" || text == it))
    };
    if wanted.any(is_meant) {
        return Ok(());
    }
    Err(Problem::not_as_expected(etag))
}

/// Tells the version of what was seen, where something was.
pub(crate) fn put_etag(headers: &mut HeaderMap, seen: Option<&Seen>) {
    if let Some(etag) = seen.and_then(|seen| HeaderValue::try_from(seen.etag()).ok()) {
        headers.insert(header::ETAG, etag);
    }
}

/// Says in a document that an operation is about what has a version and, where it is a change, that it may
/// be asked for of one version alone.
pub(crate) fn describe(common: &mut Common, is_change: bool) {
    common.answer("etag", "string", "The version of what this is about, where it is still there.");
    if is_change {
        let says = "Versions (`etag`); it is done only where what this is about has one of them.";
        common.header(["if-match", pattern::VERSIONS, says], &[412]);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn account(balance: &str, spent: &str, limit: &str) -> Value {
        json!({
            "name": "a", "balance_usd": balance, "grants": [balance], "limits": { "in_flight": 1 },
            "budgets": { "day": { "limit_usd": limit, "spent_usd": spent, "resets_at_ms": 1 } },
        })
    }

    #[test]
    fn figures_are_of_no_version_and_settings_are() {
        let first = Seen::of_account(&account("1", "0", "5"));
        assert_eq!(Seen::of_account(&account("2", "1", "5")).etag(), first.etag());
        assert_ne!(Seen::of_account(&account("1", "0", "6")).etag(), first.etag());
        let told = first.told();
        assert_eq!((&told["balance_usd"], told.get("grants")), (&json!("1"), None));
        assert_eq!(told["budgets"], json!({ "day": { "limit_usd": "5" } }));

        let key = |left: u32, name: &str| json!({ "name": name, "buckets": left, "new": left });
        let first = Seen::of_part(&json!({ "name": "k", "buckets": 1 }));
        assert_eq!(Seen::of_part(&json!({ "name": "k", "buckets": 2 })).etag(), first.etag());
        // What nobody has named a figure is a setting.
        assert_ne!(Seen::of_part(&key(1, "k")).etag(), Seen::of_part(&key(2, "k")).etag());
        assert_ne!(
            Seen::of_settings(&json!({ "buckets": 1 })).etag(),
            Seen::of_settings(&json!({ "buckets": 2 })).etag()
        );

        let watch = |due: &str| json!({ "low_balance_usd": ["5"], "top_up_due": due });
        let (first, other) = (Seen::of_watch(&watch("a")), Seen::of_watch(&watch("b")));
        assert_eq!(first.etag(), other.etag());
        assert_eq!(other.told(), watch("b"), "what is due is told");
    }

    #[test]
    fn a_change_is_for_one_of_the_versions_that_it_names() {
        let seen = Seen::of_settings(&json!({ "a": 1 }));
        let etag = seen.etag();
        let check = |wanted: &[&str], seen: Option<&Seen>| {
            let mut headers = HeaderMap::new();
            for text in wanted {
                headers.append(header::IF_MATCH, HeaderValue::from_str(text).unwrap());
            }
            check_match(&headers, seen)
        };
        assert_eq!(check(&[], None), Ok(()));
        for wanted in [etag.as_str(), "*", &format!("\"x\", {etag}")] {
            assert_eq!(check(&[wanted], Some(&seen)), Ok(()), "{wanted}");
        }
        assert_eq!(check(&["\"x\"", &etag], Some(&seen)), Ok(()), "in two lines");
        for wanted in ["\"x\"", "", &format!("W/{etag}")] {
            let problem = check(&[wanted], Some(&seen)).unwrap_err();
            assert_eq!((problem.status.as_u16(), problem.etag.as_ref()), (412, Some(&etag)));
        }
        // Of what is not there, no version is meant, not even any.
        assert_eq!(check(&["*"], None).unwrap_err().etag, None);
    }
}
