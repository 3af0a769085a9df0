//! What was used: records, sums, exports, and an account's statement of a month.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;

use super::request::{AccountOf, Asked};
use super::{Operator, Problem};
use crate::api::{OfMonth, used};
use crate::openapi::{Routes, doc, get};
use crate::usage::{self, Format, Whose};

/// What is served of usage.
pub(super) fn routes() -> Routes<Arc<Operator>> {
    let listed = usage::described(doc(
        "listUsage",
        "Lists what was used, page by page; or sums of it; or all of it as a stream.",
    ));
    let listed = listed.answers_as(200, "application/json", usage::answer_for_operator);
    let told = doc("getStatement", "Gives an account's statement of a month.")
        .answers_as(200, "application/json", usage::statement_schema)
        .sends(200, Format::Csv.media_type());
    Routes::new().route("Usage", "/admin/v1/usage", get(list, listed)).route(
        "Usage",
        "/admin/v1/accounts/{account}/statement",
        get(statement, told),
    )
}

pub(super) async fn list(
    State(operator): State<Arc<Operator>>,
    headers: HeaderMap,
    Asked(asked): Asked<usage::Asked>,
) -> Result<Response, Problem> {
    used(&operator.world, Whose::Operator, &headers, asked).await
}

pub(super) async fn statement(
    State(operator): State<Arc<Operator>>,
    AccountOf(account): AccountOf,
    headers: HeaderMap,
    Asked(asked): Asked<OfMonth>,
) -> Result<Response, Problem> {
    crate::api::statement(&operator.world, account, &headers, asked).await
}
