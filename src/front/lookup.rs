//! What a client may look up with its key, in OpenRouter's convention: one generation, the account's
//! credit, the key itself. Amounts are exact decimal numbers of USD.

use std::net::SocketAddr;

use axum::extract::Query;
use http::{Request, Response};
use hyper::body::Incoming;
use infergate_actors::account::{
    AccountView, BudgetView, End, Event, Key, KeyScope, Period, Settlement,
};
use infergate_actors::id::ExchangeId;
use infergate_actors::ledger::{LedgerError, UsageEntry};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{AnswerBody, Purpose, Shared, json};
use crate::error::ApiError;
use crate::openapi::{Doc, Errors, Operation, doc, pattern};
use crate::operate::amount::{usd, wide};
use crate::usage::{Spent, calendar, finish_name, provider, served, spent};

#[derive(Deserialize, JsonSchema)]
struct Asked {
    /// A generation's `x-request-id`.
    #[schemars(required, regex(pattern = pattern::EXCHANGE))]
    id: Option<String>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "{T}Answer")]
struct Answer<T> {
    data: T,
}

/// A generation. What is not known here, or is the operator's alone, is `null`.
#[derive(Serialize, JsonSchema)]
#[expect(clippy::struct_field_names, reason = "OpenRouter's names")]
struct Generation<'e> {
    id: String,
    upstream_id: Option<&'e str>,
    #[schemars(with = "f64")]
    total_cost: Box<RawValue>,
    #[schemars(with = "f64")]
    usage: Box<RawValue>,
    #[schemars(with = "Option<f64>")]
    cache_discount: Option<Box<RawValue>>,
    #[schemars(with = "Option<f64>")]
    upstream_inference_cost: Option<Box<RawValue>>,
    created_at: String,
    model: &'e str,
    provider_name: Option<&'e str>,
    streamed: bool,
    cancelled: bool,
    latency: Option<u32>,
    generation_time: Option<u32>,
    finish_reason: Option<&'e str>,
    native_finish_reason: Option<&'e str>,
    tokens_prompt: u64,
    tokens_completion: u64,
    native_tokens_prompt: u64,
    native_tokens_completion: u64,
    native_tokens_reasoning: u64,
    native_tokens_cached: u64,
    is_byok: bool,
    external_user: Option<&'e str>,
}

#[derive(Serialize, JsonSchema)]
struct Credits {
    #[schemars(with = "f64")]
    total_credits: Box<RawValue>,
    #[schemars(with = "f64")]
    total_usage: Box<RawValue>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "KeyInfo")]
struct ShownKey<'k> {
    label: &'k str,
    #[schemars(with = "Option<f64>")]
    limit: Option<Box<RawValue>>,
    #[schemars(with = "Option<f64>")]
    limit_remaining: Option<Box<RawValue>>,
    limit_reset: Option<&'k str>,
    #[schemars(with = "f64")]
    usage: Box<RawValue>,
    #[schemars(with = "f64")]
    usage_daily: Box<RawValue>,
    #[schemars(with = "f64")]
    usage_weekly: Box<RawValue>,
    #[schemars(with = "f64")]
    usage_monthly: Box<RawValue>,
    rate_limit: Option<RateLimit>,
}

#[derive(Serialize, JsonSchema)]
struct RateLimit {
    requests: u32,
    interval: &'static str,
}

/// Whoever may ask for answers may see what became of them, and of the key itself.
const OWN_SCOPES: [KeyScope; 2] = [KeyScope::Inference, KeyScope::UsageRead];

/// What is asked of a generation.
pub(super) fn asks_generation(operation: &mut Operation<'_>) {
    operation.query::<Asked>();
}

pub(super) fn generation_doc() -> Doc {
    let doc = described("getGeneration", "Shows one settled exchange of the account.");
    doc.answers::<Answer<Generation<'_>>>(200).refuses(&[404])
}

pub(super) fn credits_doc() -> Doc {
    described("getCredits", "Tells what the account was given and has used.")
        .answers::<Answer<Credits>>(200)
}

pub(super) fn key_doc() -> Doc {
    described("getKeyInfo", "Shows the key and what was spent with it.")
        .answers::<Answer<ShownKey<'_>>>(200)
}

fn described(id: &'static str, summary: &'static str) -> Doc {
    let says = "What the exchange is known by.";
    doc(id, summary).errors(Errors::Envelope).header("x-request-id", "string", says)
}

impl Shared {
    /// One settled exchange of the caller's account, by its id.
    pub(super) async fn generation(
        &self,
        request: &Request<Incoming>,
        client: SocketAddr,
    ) -> Result<Response<AnswerBody>, ApiError> {
        let caller = self.caller(request, client).await?;
        let permitted = self.permitted(&caller, Purpose::Read, &OWN_SCOPES).await?;
        let account = caller.account;
        let asked = Query::<Asked>::try_from_uri(request.uri()).ok();
        let id = asked.and_then(|Query(asked)| asked.id);
        let id = id.ok_or_else(|| {
            let message = "The query has no `id`: send a generation's `x-request-id`.";
            ApiError::bad_request("missing_required_parameter", message).param("id")
        })?;
        let unknown = || ApiError::unknown_generation(&id);
        // What is no id of ours is nobody's.
        let hold: ExchangeId = id.parse().map_err(|_| unknown())?;
        let _turn = self.world.reads.acquire().await;
        let read = self.world.accounts.read(move |ledger| ledger.find_usage(account, hold));
        let found = read.await.map_err(|error| unreadable(&error))?.ok_or_else(unknown)?;
        let Event::Settled(bill) = &found.entry.record.event else { return Err(unknown()) };
        // A key of a project sees what is that project's, and what it asked for itself before.
        let is_seen = permitted.project().is_none_or(|own| bill.record.project == Some(own));
        if !is_seen && bill.key != caller.key {
            return Err(unknown());
        }
        Ok(answer(Generation::of(&found, bill)))
    }

    /// What the account was given and has used.
    pub(super) async fn credits(
        &self,
        request: &Request<Incoming>,
        client: SocketAddr,
    ) -> Result<Response<AnswerBody>, ApiError> {
        let (_, account) = self.known_key(request, client, &[KeyScope::UsageRead]).await?;
        let totals = account.totals;
        Ok(answer(Credits {
            // Less what has lapsed or was taken back, so that the difference is what is left.
            total_credits: number(wide(totals.settled) + wide(totals.remaining)),
            total_usage: number(wide(totals.settled)),
        }))
    }

    /// The caller's key and what was spent with it.
    pub(super) async fn about_key(
        &self,
        request: &Request<Incoming>,
        client: SocketAddr,
    ) -> Result<Response<AnswerBody>, ApiError> {
        let (key, account) = self.known_key(request, client, &OWN_SCOPES).await?;
        let now_ms = self.world.clock.now().wall_ms;
        let spent = spent(&self.world, account.id, key.id, now_ms).await;
        let Spent { ever, day, week, month } = spent.map_err(|error| unreadable(&error))?;
        let view = account.keys.iter().find(|view| view.key.id == key.id);
        let tightest = view.and_then(|view| view.budgets.iter().min_by_key(|each| left(each)));
        let project = view.and_then(|view| view.project);
        let project = account.projects.iter().find(|view| Some(view.project.id) == project);
        let project = project.and_then(|view| view.project.has.limits.requests_per_minute);
        let (own, whole) = (key.limits, account.plan.limits);
        let limits = [own.requests_per_minute, project, whole.requests_per_minute];
        let requests = limits.into_iter().flatten().min();
        Ok(answer(ShownKey {
            label: &key.name,
            limit: tightest.map(|view| number(wide(view.budget.limit))),
            limit_remaining: tightest.map(|view| number(left(view))),
            limit_reset: tightest.and_then(|view| reset(view.budget.period)),
            usage: number(ever),
            usage_daily: number(day),
            usage_weekly: number(week),
            usage_monthly: number(month),
            rate_limit: requests.map(|requests| RateLimit { requests, interval: "1m" }),
        }))
    }

    /// The key that came with the request, if it may be used, and its account.
    async fn known_key(
        &self,
        request: &Request<Incoming>,
        client: SocketAddr,
        scopes: &[KeyScope],
    ) -> Result<(Key, AccountView), ApiError> {
        let caller = self.caller(request, client).await?;
        let key = self.permitted(&caller, Purpose::Read, scopes).await?.key;
        let account = self.world.accounts.inspect(caller.account).await;
        Ok((key, account.map_err(|_| ApiError::unavailable())?))
    }
}

impl<'e> Generation<'e> {
    fn of(found: &UsageEntry, bill: &'e Settlement) -> Self {
        let Settlement { usage, record, .. } = bill;
        let (prompt, completion) = (usage.prompt_tokens(), usage.completion_tokens());
        let first = record.first_content_ms;
        Self {
            id: found.hold.to_string(),
            upstream_id: None,
            total_cost: number(wide(bill.charged)),
            usage: number(wide(bill.charged)),
            cache_discount: None,
            upstream_inference_cost: None,
            created_at: calendar::text(record.started_at_ms),
            model: served(bill),
            provider_name: provider(bill),
            streamed: record.streamed,
            cancelled: bill.end == End::ClientGone,
            latency: first,
            generation_time: first.map(|first| record.total_ms.saturating_sub(first)),
            finish_reason: record.finish.map(finish_name),
            native_finish_reason: None,
            tokens_prompt: prompt,
            tokens_completion: completion,
            native_tokens_prompt: prompt,
            native_tokens_completion: completion,
            native_tokens_reasoning: usage.reasoning,
            native_tokens_cached: usage.cached_input,
            is_byok: false,
            external_user: record.user.as_deref(),
        }
    }
}

fn answer(data: impl Serialize) -> Response<AnswerBody> {
    // Structs of texts and numbers can always be written as JSON.
    json(serde_json::to_vec(&Answer { data }).unwrap_or_default())
}

/// What a budget leaves for what is asked next.
fn left(view: &BudgetView) -> i128 {
    (wide(view.budget.limit) - wide(view.spent) - wide(view.held)).max(0)
}

/// How often a budget is whole again, in OpenRouter's words.
fn reset(period: Period) -> Option<&'static str> {
    match period {
        Period::Day => Some("daily"),
        Period::Week => Some("weekly"),
        Period::Month => Some("monthly"),
        Period::Total => None,
    }
}

/// Nano-dollars as a JSON number of dollars, through no floating-point number.
fn number(nano: i128) -> Box<RawValue> {
    // A decimal number is JSON.
    RawValue::from_string(usd(nano)).unwrap_or_default()
}

fn unreadable(error: &LedgerError) -> ApiError {
    tracing::error!(%error, "the ledger can't be read for a client");
    ApiError::unavailable()
}
