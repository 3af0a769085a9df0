//! What would become of a request, with all that the operator may know.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::response::IntoResponse;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use infergate_actors::account::Presented;
use infergate_actors::id::{AccountId, KeyId};
use infergate_actors::money::Markup;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::request::{Json, id};
use super::{Operator, Problem};
use crate::api::or_default;
use crate::dialect::wish::Wish;
use crate::error::ApiError;
use crate::exchange::{Caller, Explained, Question, explain};
use crate::openapi::{Routes, doc, pattern, post};

/// A request that nobody made.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "SupposedRequest")]
pub(super) struct Supposed {
    #[schemars(length(min = 1))]
    model: String,
    /// Nobody's account, if it is left out.
    #[schemars(regex(pattern = pattern::ACCOUNT))]
    account: Option<String>,
    /// No key, if it is left out.
    #[schemars(regex(pattern = pattern::KEY))]
    key: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    #[schemars(with = "Option<BTreeMap<String, String>>")]
    headers: Map<String, Value>,
    /// Of a chat completion; its `model` is the one above.
    #[serde(default, deserialize_with = "or_default")]
    #[schemars(with = "Option<Map<String, Value>>")]
    body: Map<String, Value>,
}

/// Where a request would go, by the models that it names.
#[derive(Serialize, JsonSchema)]
struct Explanation {
    models: Vec<Explained>,
}

/// What is served of explanations.
pub(super) fn routes() -> Routes<Arc<Operator>> {
    let example = json!({ "model": "gpt-oss-120b", "headers": { "x-infergate-sort": "price" } });
    let told = doc("explain", "Tells where a request that nobody made would go, and why.")
        .answers::<Explanation>(200)
        .refuses(&[404])
        .example(example);
    Routes::new().route("System", "/admin/v1/explain", post(explained, told))
}

pub(super) async fn explained(
    State(operator): State<Arc<Operator>>,
    Json(supposed): Json<Supposed>,
) -> Result<impl IntoResponse, Problem> {
    let account = supposed.account.as_deref().map(id).transpose()?.unwrap_or(AccountId(0));
    let key = supposed.key.as_deref().map(id).transpose()?.unwrap_or(KeyId(0));
    let headers = headers(&supposed.headers)?;
    let told = |error: ApiError| Problem::new(error.status, error.message);
    let wish = Wish::of_headers(&headers).map_err(|error| told(ApiError::envelope(&error)))?;
    let mut body = supposed.body;
    body.insert("model".to_owned(), Value::String(supposed.model));
    body.entry("messages").or_insert_with(|| json!([{ "role": "user", "content": "" }]));
    let body = Bytes::from(Value::Object(body).to_string());
    let caller = Caller { account, key, presented: Presented::default() };
    let markup = Markup::LIST;
    let question = Question { caller, markup, wish, body: &body, for_operator: true };
    let models = explain(&operator.world, question, |_| true).map_err(told)?;
    Ok(Answer(Explanation { models }))
}

fn headers(written: &Map<String, Value>) -> Result<HeaderMap, Problem> {
    let mut headers = HeaderMap::new();
    for (name, value) in written {
        let value = value.as_str().and_then(|value| HeaderValue::from_str(value).ok());
        let (Ok(name), Some(value)) = (name.parse::<HeaderName>(), value) else {
            return Err(Problem::invalid(format!("`headers`: `{name}` is no header with a text")));
        };
        headers.append(name, value);
    }
    Ok(headers)
}
