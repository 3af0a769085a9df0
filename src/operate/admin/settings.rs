//! What can be set of a resource: its version (`ETag`), and how it differs before and after an action.

use http::{HeaderMap, HeaderValue, header};
use infergate_actors::account::{AccountView, ProjectView};
use infergate_actors::id::{AccountId, KeyId, ProjectId, TokenId};
use infergate_actors::ledger::Digest;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::rules::Subject;
use super::view::{Account, Key, Token};
use super::{Operator, Problem};
use crate::api::Project;

/// Of an account's view, what requests change and operators do not set. What is not named is a setting,
/// so that a new one is one from the start.
const ACCOUNT_FIGURES: [&str; 7] =
    ["grants", "holds", "keys", "projects", "buckets", "events", "digest"];
/// The same of a key or a project.
const PART_FIGURES: [&str; 1] = ["buckets"];
/// Of a budget, what was set.
const BUDGET_SETTINGS: [&str; 2] = ["limit_usd", "limit_nano_usd"];
/// What is told of an account's money, before and after.
const MONEY: [&str; 4] = ["balance_usd", "granted_usd", "refunded_usd", "charged_back_usd"];

/// The resource that a path names.
#[derive(Clone, Debug)]
pub(super) struct Named {
    subject: Subject,
    pub(super) account: Option<AccountId>,
    key: Option<KeyId>,
    project: Option<ProjectId>,
    token: Option<TokenId>,
    provider: Option<String>,
}

/// A resource at one moment.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    /// What its version is of.
    settings: Value,
    /// What else is told of it.
    money: Map<String, Value>,
}

impl Named {
    /// Whose turn a change of it is: that of its account, or of all that is the gateway's.
    pub(super) fn turn(&self) -> Option<AccountId> {
        match self.subject {
            Subject::Token | Subject::Provider => Some(AccountId::OPERATORS),
            Subject::Nothing | Subject::Account | Subject::Key | Subject::Project => self.account,
        }
    }

    /// By the parameters of a path.
    pub(super) fn of(subject: Subject, params: &[(String, String)]) -> Self {
        let find = |name: &str| params.iter().find(|(known, _)| known == name).map(|(_, it)| it);
        Self {
            subject,
            account: find("account").and_then(|text| text.parse().ok()),
            key: find("key").and_then(|text| text.parse().ok()),
            project: find("project").and_then(|text| text.parse().ok()),
            token: find("token").and_then(|text| text.parse().ok()),
            provider: find("provider").cloned(),
        }
    }
}

impl Seen {
    /// Its version (RFC 9110 §8.8.3): the same as long as its settings are.
    pub(super) fn etag(&self) -> String {
        format!("\"{}\"", Digest::of(self.settings.to_string().as_bytes()))
    }

    /// All that is told of it.
    pub(super) fn told(&self) -> Value {
        let mut told = self.settings.as_object().cloned().unwrap_or_default();
        told.extend(self.money.clone());
        Value::Object(told)
    }
}

impl Operator {
    /// The resource as it is; `None` where there is none, or it does not answer.
    pub(super) async fn look(&self, named: &Named) -> Option<Seen> {
        let accounts = &self.system.accounts;
        match named.subject {
            Subject::Nothing => None,
            Subject::Account => {
                let view = accounts.inspect(named.account?).await.ok()?;
                Some(of_account(&view))
            }
            Subject::Key => {
                let view = accounts.inspect(named.account?).await.ok()?;
                let key = view.keys.iter().find(|key| Some(key.key.id) == named.key)?;
                Some(of_part(&Key::of(key)))
            }
            Subject::Project => {
                let view = accounts.inspect(named.account?).await.ok()?;
                let is_meant = |it: &&ProjectView| Some(it.project.id) == named.project;
                Some(of_part(&Project::of(view.projects.iter().find(is_meant)?)))
            }
            Subject::Token => {
                let tokens = self.operators.tokens().await.ok()?;
                let token = tokens.iter().find(|token| Some(token.id) == named.token)?;
                let settings = serde_json::to_value(Token::of(token, 0)).ok()?;
                Some(Seen { settings, money: Map::new() })
            }
            Subject::Provider => {
                let provider = self.system.providers.get(named.provider.as_deref()?)?;
                let view = provider.inspect().await.ok()?;
                let credentials = view.credentials.iter();
                let credentials: Vec<Value> = credentials
                    .map(|it| json!({ "fingerprint": it.fingerprint, "rejected_with": it.rejected_with }))
                    .collect();
                let settings = json!({ "mode": view.mode, "credentials": credentials });
                Some(Seen { settings, money: Map::new() })
            }
        }
    }
}

fn of_account(view: &AccountView) -> Seen {
    let shown = serde_json::to_value(Account::of(view)).unwrap_or_default();
    let Value::Object(mut fields) = shown else {
        return Seen { settings: shown, money: Map::new() };
    };
    let money =
        MONEY.iter().filter_map(|name| Some(((*name).to_owned(), fields.get(*name)?.clone())));
    let money = money.collect();
    fields.retain(|name, _| !ACCOUNT_FIGURES.contains(&name.as_str()) && !name.ends_with("_usd"));
    Seen { settings: Value::Object(only_limits(fields)), money }
}

/// Of a key or a project.
fn of_part(part: &impl Serialize) -> Seen {
    let shown = serde_json::to_value(part).unwrap_or_default();
    let mut fields = shown.as_object().cloned().unwrap_or_default();
    fields.retain(|name, _| !PART_FIGURES.contains(&name.as_str()));
    Seen { settings: Value::Object(only_limits(fields)), money: Map::new() }
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
pub(super) fn check_match(headers: &HeaderMap, seen: Option<&Seen>) -> Result<(), Problem> {
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

pub(super) fn put_etag(headers: &mut HeaderMap, seen: Option<&Seen>) {
    if let Some(etag) = seen.and_then(|seen| HeaderValue::try_from(seen.etag()).ok()) {
        headers.insert(header::ETAG, etag);
    }
}
