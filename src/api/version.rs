//! Versions (RFC 9110 §8.8.3): what of a resource is a setting and what a figure, the `ETag` of its
//! settings, and whether a change is meant for what there is. Pure.
//!
//! | resource | figures: what is shown and not set |
//! | --- | --- |
//! | an account | sums, grants, holds, buckets, what is spent of budgets; its keys and projects, which have their own |
//! | a key or a project | buckets, what is spent of budgets |
//! | anything else | none |
//!
//! What is not named as a figure is a setting, so that a new field is one from the start. A version is
//! made of what is shown at a port and of nothing else, so it tells nobody of what they do not see.

use http::{HeaderMap, HeaderValue, header};
use infergate_actors::ledger::Digest;
use serde::Serialize;
use serde_json::{Map, Value};

use super::Problem;

/// Of an account, what requests change and nobody sets.
const ACCOUNT_FIGURES: [&str; 7] =
    ["grants", "holds", "keys", "projects", "buckets", "events", "digest"];
/// The same of a key or a project.
const PART_FIGURES: [&str; 1] = ["buckets"];
/// Of a budget, what was set.
const BUDGET_SETTINGS: [&str; 2] = ["limit_usd", "limit_nano_usd"];
/// What is told of an account's money, before and after.
const MONEY: [&str; 4] = ["balance_usd", "granted_usd", "refunded_usd", "charged_back_usd"];

/// A resource at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// What its version is of.
    settings: Map<String, Value>,
    /// What else is told of it.
    figures: Map<String, Value>,
}

impl Seen {
    /// An account as a port shows it.
    pub(crate) fn of_account(shown: &impl Serialize) -> Self {
        let mut settings = fields(shown);
        let money = MONEY.iter();
        let money =
            money.filter_map(|name| Some(((*name).to_owned(), settings.get(*name)?.clone())));
        let figures = money.collect();
        settings
            .retain(|name, _| !ACCOUNT_FIGURES.contains(&name.as_str()) && !name.ends_with("_usd"));
        Self { settings: only_limits(settings), figures }
    }

    /// A key or a project as a port shows it.
    pub(crate) fn of_part(shown: &impl Serialize) -> Self {
        let mut settings = fields(shown);
        settings.retain(|name, _| !PART_FIGURES.contains(&name.as_str()));
        Self { settings: only_limits(settings), figures: Map::new() }
    }

    /// Something whose every field is a setting.
    pub(crate) fn of_settings(shown: &impl Serialize) -> Self {
        Self { settings: fields(shown), figures: Map::new() }
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

fn fields(shown: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(shown) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
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
