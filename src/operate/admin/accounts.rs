//! Accounts: opened, listed, looked at, limited, and their status set.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::response::IntoResponse;
use futures_util::StreamExt;
use http::StatusCode;
use infergate_actors::account::{
    AccountView, Budget, Denial, Limits, Order, ReasonClass, Refusal, Status, StatusSet,
};
use infergate_actors::id::AccountId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::plans::{self, OverridesChange};
use super::request::{AccountOf, Asked, Json, id, text};
use super::view::{Account, AccountLine, Journal, JournalLine};
use super::who::Who;
use super::{Operator, Problem};
use crate::api::change::{BudgetsChange, LimitsChange, Setting};
use crate::api::{or_default, page_limit};
use crate::openapi::{Routes, doc, get, pattern, post};

const ACCOUNTS_MAX: usize = 100;
const EVENTS_MAX: usize = 1_000;
const EVENTS_DEFAULT: usize = 100;
/// Accounts that are woken at the same time for a list.
const INSPECTED_AT_ONCE: usize = 16;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewAccount {
    #[schemars(length(min = 1, max = 256), regex(pattern = pattern::TEXT))]
    name: String,
    #[serde(default, deserialize_with = "or_default")]
    #[schemars(with = "Option<Limits>")]
    limits: Limits,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "AccountChange")]
pub(super) struct Change {
    #[serde(default, deserialize_with = "or_default")]
    #[schemars(with = "Option<LimitsChange>")]
    limits: LimitsChange,
    #[serde(default, deserialize_with = "or_default")]
    #[schemars(with = "Option<BudgetsChange>")]
    budgets: BudgetsChange,
    /// The plan; `null`: whichever is the default.
    #[serde(default)]
    plan: Setting<String>,
    #[serde(default, deserialize_with = "or_default")]
    #[schemars(with = "Option<OverridesChange>")]
    overrides: OverridesChange,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "StatusReason")]
pub(super) struct Reason {
    /// One word that the account's owner may know.
    #[serde(default, deserialize_with = "or_default")]
    #[schemars(with = "Option<ReasonClass>")]
    class: ReasonClass,
    /// For operators.
    #[schemars(length(min = 1, max = 256), regex(pattern = pattern::TEXT))]
    reason: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AccountsPage {
    /// The `next` of the page before.
    #[schemars(regex(pattern = pattern::ACCOUNT))]
    after: Option<String>,
    #[schemars(range(min = 1, max = ACCOUNTS_MAX))]
    limit: Option<usize>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EventsPage {
    /// The `next` of the page before.
    #[serde(default)]
    after: u64,
    #[schemars(range(min = 1, max = EVENTS_MAX))]
    limit: Option<usize>,
}

/// A page of accounts.
#[derive(Serialize, JsonSchema)]
struct Accounts {
    accounts: Vec<AccountLine>,
    /// What to go on behind; none at the end.
    next: Option<String>,
}

const TAG: &str = "Accounts";

/// What is served of accounts.
pub(super) fn routes() -> Routes<Arc<Operator>> {
    let account = |rest: &str| format!("/admin/v1/accounts/{{account}}{rest}");
    let set = |id, summary| {
        let example = json!({ "class": "payment", "reason": "invoice 7 is not paid" });
        doc(id, summary).answers::<Account>(200).refuses(&[409]).example(example)
    };
    let opened = doc("createAccount", "Opens an account.")
        .answers::<Account>(201)
        .example(json!({ "name": "acme", "limits": { "in_flight": 20 } }));
    let listed = doc("listAccounts", "Lists accounts, page by page.").answers::<Accounts>(200);
    let shown = doc("getAccount", "Shows an account's live state.").answers::<Account>(200);
    let changed = doc("updateAccount", "Changes limits and budgets; `null` removes one.")
        .answers::<Account>(200)
        .example(json!({ "budgets": { "month_usd": "100" } }));
    let journal = doc("listAccountEvents", "Lists an account's events, the oldest first.")
        .answers::<Journal<'_>>(200);
    let suspended = set("suspendAccount", "Suspends an account: what runs ends at once.");
    let reinstated = set("reinstateAccount", "Makes an account active again.");
    let restricted = set("restrictAccount", "Restricts an account to models that are free.");
    let closed = set("closeAccount", "Closes an account for good.");
    Routes::new()
        .route(TAG, "/admin/v1/accounts", get(list, listed).post(create, opened))
        .route(TAG, &account(""), get(show, shown).patch(change, changed))
        .route(TAG, &account("/journal"), get(self::journal, journal))
        .route(TAG, &account("/suspend"), post(suspend, suspended))
        .route(TAG, &account("/reinstate"), post(reinstate, reinstated))
        .route(TAG, &account("/restrict"), post(restrict, restricted))
        .route(TAG, &account("/close"), post(close, closed))
}

pub(super) async fn create(
    State(operator): State<Arc<Operator>>,
    Json(new): Json<NewAccount>,
) -> Result<impl IntoResponse, Problem> {
    text("name", &new.name)?;
    let view = operator.system.accounts.open(new.name, new.limits).await?;
    tracing::info!(account = %view.id, "account opened");
    Ok((StatusCode::CREATED, Answer(Account::of(&view))))
}

pub(super) async fn list(
    State(operator): State<Arc<Operator>>,
    Asked(page): Asked<AccountsPage>,
) -> Result<impl IntoResponse, Problem> {
    let after: Option<AccountId> = page.after.as_deref().map(id).transpose()?;
    let limit = page_limit(page.limit, ACCOUNTS_MAX, ACCOUNTS_MAX)?;
    let accounts = &operator.system.accounts;
    let mut ids = accounts.read(move |ledger| ledger.account_ids(after, limit + 1)).await?;
    let next = (ids.len() > limit).then(|| ids.get(limit - 1)).flatten().map(ToString::to_string);
    ids.truncate(limit);
    let lines = futures_util::stream::iter(ids).map(|account| async move {
        match accounts.inspect(account).await {
            Ok(view) => Some(AccountLine::of(&view)),
            // A batch of codes, which is nobody's account.
            Err(Refusal::Denied(Denial::NoSuchAccount)) => None,
            // One that can't be loaded must not hide the others.
            Err(Refusal::Denied(_) | Refusal::Unavailable(_)) => {
                Some(AccountLine::unavailable(account))
            }
        }
    });
    let lines: Vec<Option<AccountLine>> = lines.buffered(INSPECTED_AT_ONCE).collect().await;
    let lines: Vec<AccountLine> = lines.into_iter().flatten().collect();
    Ok(Answer(Accounts { accounts: lines, next }))
}

pub(super) async fn show(
    State(operator): State<Arc<Operator>>,
    AccountOf(account): AccountOf,
) -> Result<impl IntoResponse, Problem> {
    let view = operator.system.accounts.inspect(account).await?;
    Ok(Answer(Account::of(&view)))
}

pub(super) async fn change(
    State(operator): State<Arc<Operator>>,
    AccountOf(account): AccountOf,
    Json(change): Json<Change>,
) -> Result<impl IntoResponse, Problem> {
    let accounts = operator.system.accounts.clone();
    let Change { limits, budgets, plan, overrides } = change;
    let changing = async move {
        let mut view = accounts.inspect(account).await?;
        let of_plan = plans::orders(&view, plan, overrides)?;
        let before: Vec<Budget> = view.budgets.iter().map(|view| view.budget).collect();
        let (limits, budgets) = (limits.over(view.limits), budgets.over(&before)?);
        // First, because a plan may be unknown: then nothing is changed.
        for order in of_plan {
            view = accounts.order(account, order).await?;
        }
        if limits != view.limits {
            view = accounts.order(account, Order::SetLimits(limits)).await?;
        }
        if budgets != before {
            view = accounts.order(account, Order::SetBudgets(budgets)).await?;
        }
        Ok(view)
    };
    let view = Operator::whole(changing).await?;
    tracing::info!(%account, "account's limits, budgets or plan changed");
    Ok(Answer(Account::of(&view)))
}

pub(super) async fn suspend(
    State(operator): State<Arc<Operator>>,
    who: Who,
    AccountOf(account): AccountOf,
    Json(why): Json<Reason>,
) -> Result<impl IntoResponse, Problem> {
    let view = set_status(&operator, who, account, Status::Suspended, why).await?;
    tracing::info!(%account, "account suspended");
    Ok(Answer(Account::of(&view)))
}

pub(super) async fn reinstate(
    State(operator): State<Arc<Operator>>,
    who: Who,
    AccountOf(account): AccountOf,
    Json(why): Json<Reason>,
) -> Result<impl IntoResponse, Problem> {
    let view = set_status(&operator, who, account, Status::Active, why).await?;
    tracing::info!(%account, "account reinstated");
    Ok(Answer(Account::of(&view)))
}

pub(super) async fn restrict(
    State(operator): State<Arc<Operator>>,
    who: Who,
    AccountOf(account): AccountOf,
    Json(why): Json<Reason>,
) -> Result<impl IntoResponse, Problem> {
    let view = set_status(&operator, who, account, Status::Restricted, why).await?;
    tracing::info!(%account, "account restricted");
    Ok(Answer(Account::of(&view)))
}

pub(super) async fn close(
    State(operator): State<Arc<Operator>>,
    who: Who,
    AccountOf(account): AccountOf,
    Json(why): Json<Reason>,
) -> Result<impl IntoResponse, Problem> {
    let view = set_status(&operator, who, account, Status::Closed, why).await?;
    tracing::info!(%account, "account closed");
    Ok(Answer(Account::of(&view)))
}

pub(super) async fn journal(
    State(operator): State<Arc<Operator>>,
    AccountOf(account): AccountOf,
    Asked(page): Asked<EventsPage>,
) -> Result<impl IntoResponse, Problem> {
    let limit = page_limit(page.limit, EVENTS_DEFAULT, EVENTS_MAX)?;
    let after = page.after;
    let accounts = &operator.system.accounts;
    let read = accounts.read(move |ledger| ledger.account_journal(account, after, limit + 1));
    let mut entries = read.await?;
    if entries.is_empty() {
        // Nothing behind `after`, or no such account.
        accounts.inspect(account).await?;
    }
    let more = entries.len() > limit;
    entries.truncate(limit);
    let next = entries.last().filter(|_| more).map(|last| last.record.number.to_string());
    let events = entries.iter().map(JournalLine::of).collect();
    Ok(Answer(Journal { events, next }).into_response())
}

async fn set_status(
    operator: &Operator,
    who: Who,
    account: AccountId,
    status: Status,
    Reason { class, reason }: Reason,
) -> Result<AccountView, Problem> {
    text("reason", &reason)?;
    let set = StatusSet { status, by: who.name, class, reason };
    let order = Order::SetStatus(set);
    let accounts = operator.system.accounts.clone();
    // What owners are about is done, or is not done any more.
    let setting = async move { Ok(accounts.order(account, order).await?) };
    Operator::whole(setting).await
}
