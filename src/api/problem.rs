//! What is told when a request outside the dialects is not carried out: problem details (RFC 9457).

use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use infergate_actors::account::{Denial, Refusal, Unavailable};
use infergate_actors::ledger::LedgerError;
use infergate_actors::provider::ControlError;
use schemars::JsonSchema;
use serde::Serialize;
use tokio::task::JoinError;

use crate::error::ApiError;
use crate::usage::UsageError;

/// A refusal or failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The HTTP status.
    pub status: StatusCode,
    /// For people: what is wrong and what would be right.
    pub detail: String,
    /// When it is worth trying again.
    pub retry_after: Option<Duration>,
    /// The version that there is, where another was meant.
    pub etag: Option<String>,
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
        Self { status, detail: detail.into(), retry_after: None, etag: None }
    }

    /// The request can't be read.
    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// The request can be read and asks for something that can't be.
    pub(crate) fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
    }

    /// There is no such thing.
    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    /// It is meant for another version than there is.
    pub(crate) fn not_as_expected(etag: Option<String>) -> Self {
        let detail = match &etag {
            Some(etag) => format!(
                "it was changed since: its version is {etag}; look at it again before you change it"
            ),
            None => "`if-match` is of no version of this".to_owned(),
        };
        Self { etag, ..Self::new(StatusCode::PRECONDITION_FAILED, detail) }
    }

    /// Whoever asks may not have it.
    pub(crate) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, detail)
    }

    /// It contradicts what there is.
    pub(crate) fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, detail)
    }

    /// What some work came to, unless it broke down.
    pub(crate) fn unless_broken<T>(worked: Result<Result<T, Self>, JoinError>) -> Result<T, Self> {
        let broken = |_| Self::new(StatusCode::INTERNAL_SERVER_ERROR, "the gateway broke down");
        worked.map_err(broken)?
    }

    /// It can't be done now.
    pub(crate) fn unavailable(detail: impl Into<String>) -> Self {
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
        if let Some(etag) = self.etag.and_then(|etag| HeaderValue::try_from(etag).ok()) {
            headers.insert(header::ETAG, etag);
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
            | Denial::UnknownCode
            | Denial::UnknownProject
            | Denial::UnknownTopUp
            | Denial::UnknownWebhook
            | Denial::UnknownMember
            | Denial::UnknownPlan
            | Denial::NoSubscription => StatusCode::NOT_FOUND,
            Denial::BadAmount
            | Denial::BadBudget
            | Denial::BadReferrer
            | Denial::BadWatch
            | Denial::RequestReused
            | Denial::Underpaid { .. }
            | Denial::NothingDue => StatusCode::UNPROCESSABLE_ENTITY,
            Denial::RoleTooHigh | Denial::AboveCeiling { .. } => StatusCode::FORBIDDEN,
            Denial::DuplicateReference
            | Denial::DuplicateKey
            | Denial::TooManySecrets
            | Denial::TooManyWebhooks
            | Denial::DuplicateHold
            | Denial::AlreadyOpen
            | Denial::StatusFinal
            | Denial::Suspended(_)
            | Denial::Restricted(_)
            | Denial::NotPaidYet
            | Denial::NotRefundable
            | Denial::AboveLeft { .. }
            | Denial::ReusedId
            | Denial::ModelNotInPlan
            | Denial::PlanMissing
            | Denial::NoOffer
            | Denial::AlreadySubscribed
            | Denial::PaidAhead
            | Denial::SubscriptionEnds
            | Denial::ExpiredCode
            | Denial::UsedUpCode
            | Denial::RevokedCode
            | Denial::DuplicateMember
            | Denial::LastOwner
            | Denial::TooManyMembers
            | Denial::EmailTaken
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
            | Denial::InFlight { .. }
            | Denial::KeyRestricted
            | Denial::ReferrerNotAllowed
            | Denial::ProjectArchived
            | Denial::TooManyProjects => StatusCode::CONFLICT,
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
        tracing::error!(%error, "the ledger can't be read");
        Self::unavailable("the ledger can't be read now")
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

/// A refusal of the clients' port, in the other form.
impl From<ApiError> for Problem {
    fn from(error: ApiError) -> Self {
        let retry_after = error.hints().and_then(|hints| hints.retry_after);
        Self { retry_after, ..Self::new(error.status, error.message) }
    }
}

impl From<UsageError> for Problem {
    fn from(error: UsageError) -> Self {
        match error {
            UsageError::Wrong(detail) => Self::bad_request(detail),
            UsageError::TooMany => Self::invalid(error.to_string()),
            UsageError::Ledger(error) => error.into(),
        }
    }
}
