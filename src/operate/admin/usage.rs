//! What was used: records, sums, exports, and an account's statement of a month.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;

use super::request::{AccountOf, Asked};
use super::{Operator, Problem};
use crate::api::{OfMonth, used};
use crate::usage::{self, Whose};

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
