//! What an operator is told when a request is not carried out: problem details (RFC 9457).

use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use infergate_actors::account::{Denial, Refusal, Unavailable};
use infergate_actors::ledger::LedgerError;
use infergate_actors::provider::ControlError;
use schemars::JsonSchema;
use serde::Serialize;

/// A refusal or failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The HTTP status.
    pub status: StatusCode,
    /// For people: what is wrong and what would be right.
    pub detail: String,
    /// When it is worth trying again.
    pub retry_after: Option<Duration>,
}

/// A problem as it is written.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Problem")]
pub(crate) struct Details<'p> {
    /// Always `about:blank`: the status says what kind it is.
    r#type: &'static str,
    /// The status in words.
    title: &'static str,
    status: u16,
    /// What is wrong and what would be right, for people.
    detail: &'p str,
}

impl Problem {
    /// A problem without advice on when to try again.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), retry_after: None }
    }

    /// The request can't be read.
    pub(super) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// The request can be read and asks for something that can't be.
    pub(super) fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
    }

    /// There is no such thing.
    pub(super) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    /// It contradicts what there is.
    pub(super) fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, detail)
    }

    /// It can't be done now.
    pub(super) fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let details = Details {
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: &self.detail,
        };
        // Texts and numbers can always be written as JSON.
        let body = serde_json::to_vec(&details).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        let kind = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, kind);
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(after) = self.retry_after {
            let seconds = after.as_millis().div_ceil(1_000).max(1);
            let seconds = u64::try_from(seconds).unwrap_or(u64::MAX);
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl From<Denial> for Problem {
    fn from(denial: Denial) -> Self {
        let status = match denial {
            Denial::NoSuchAccount
            | Denial::UnknownKey
            | Denial::UnknownHold
            | Denial::UnknownPayment
            | Denial::UnknownGrant
            | Denial::UnknownCode => StatusCode::NOT_FOUND,
            Denial::BadAmount | Denial::BadBudget => StatusCode::UNPROCESSABLE_ENTITY,
            Denial::DuplicateReference
            | Denial::DuplicateKey
            | Denial::TooManySecrets
            | Denial::DuplicateHold
            | Denial::AlreadyOpen
            | Denial::StatusFinal
            | Denial::Suspended(_)
            | Denial::Restricted(_)
            | Denial::NotPaidYet
            | Denial::NotRefundable
            | Denial::ReusedId
            | Denial::ExpiredCode
            | Denial::UsedUpCode
            | Denial::Closed
            | Denial::RevokedKey
            | Denial::ExpiredKey
            | Denial::ReplacedSecret
            | Denial::ScopeMissing
            | Denial::AddressNotAllowed
            | Denial::ModelNotAllowed
            | Denial::BudgetExceeded { .. }
            | Denial::InsufficientCredit { .. }
            | Denial::RequestRate { .. }
            | Denial::TokenRate { .. }
            | Denial::InFlight { .. } => StatusCode::CONFLICT,
        };
        Self::new(status, denial.to_string())
    }
}

impl From<Unavailable> for Problem {
    fn from(_: Unavailable) -> Self {
        Self::unavailable(
            "the account's actor does not answer, or its change could not be written; look at the \
             account before you try again",
        )
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Denied(denial) => denial.into(),
            Refusal::Unavailable(unavailable) => unavailable.into(),
        }
    }
}

impl From<LedgerError> for Problem {
    fn from(error: LedgerError) -> Self {
        tracing::error!(%error, "the ledger can't be read for the admin API");
        Self::unavailable(error.to_string())
    }
}

impl From<ControlError> for Problem {
    fn from(error: ControlError) -> Self {
        match error {
            ControlError::Unavailable | ControlError::NotSaved => {
                Self::unavailable(error.to_string())
            }
            ControlError::UnknownCredential => Self::not_found(error.to_string()),
        }
    }
}
