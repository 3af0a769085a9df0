//! What a client is told of its account's refusal. Pure.

use std::time::Duration;

use infergate_actors::account::{Denial, RateStatus, Remaining};
use infergate_actors::money::NanoUsd;

use super::ApiError;
use crate::budget;

impl From<Denial> for ApiError {
    fn from(denial: Denial) -> Self {
        match denial {
            Denial::Suspended(class) => Self::barred("account_suspended", "suspended", class),
            Denial::Restricted(class) => {
                Self::barred("account_restricted", "restricted to free models", class)
            }
            Denial::NotPaidYet => Self::unpaid(
                "payment_needed",
                "This model is open to accounts that have paid. Add credit, or use a free model.",
            ),
            Denial::Closed => Self::forbidden("account_closed", "This account is closed."),
            Denial::UnknownKey | Denial::NoSuchAccount => {
                Self::invalid_key("Incorrect API key provided.")
            }
            Denial::RevokedKey => Self::invalid_key("This API key has been revoked."),
            Denial::ExpiredKey => Self::invalid_key("This API key has expired."),
            Denial::ReplacedSecret => {
                Self::invalid_key("This API key was rotated: it has another secret now.")
            }
            Denial::ScopeMissing => Self::forbidden(
                "scope_missing",
                "This API key does not have the scope for this request.",
            ),
            Denial::AddressNotAllowed => Self::forbidden(
                "address_not_allowed",
                "This API key may not be used from this address.",
            ),
            Denial::ModelNotAllowed => {
                Self::forbidden("model_not_available", "This API key may not use this model.")
                    .param("model")
            }
            Denial::InsufficientCredit { available, needed } => insufficient(available, needed),
            Denial::BudgetExceeded { scope, period, limit, resets_at_ms } => {
                let message = budget::exceeded(scope, period, limit, resets_at_ms);
                Self::unpaid("budget_exceeded", message)
            }
            Denial::RequestRate { limit, retry_after, .. } => request_rate(limit, retry_after),
            Denial::TokenRate { limit, retry_after, .. } => Self::token_rate(limit, retry_after),
            Denial::InFlight { limit, .. } => Self::rate_limited(
                format!("Rate limit reached: {limit} requests at one time."),
                Some(Duration::from_secs(1)),
            ),
            Denial::DuplicateHold
            | Denial::UnknownHold
            | Denial::AlreadyOpen
            | Denial::BadAmount
            | Denial::BadBudget
            | Denial::DuplicateReference
            | Denial::DuplicateKey
            | Denial::TooManySecrets
            | Denial::StatusFinal
            | Denial::UnknownPayment
            | Denial::UnknownGrant
            | Denial::NotRefundable
            | Denial::ReusedId
            | Denial::UnknownCode
            | Denial::ExpiredCode
            | Denial::UsedUpCode
            | Denial::RevokedCode
            | Denial::UnknownMember
            | Denial::DuplicateMember
            | Denial::LastOwner
            | Denial::TooManyMembers
            | Denial::RoleTooHigh
            | Denial::EmailTaken
            | Denial::AboveCeiling { .. } => Self::internal(),
        }
    }
}

fn insufficient(available: NanoUsd, needed: NanoUsd) -> ApiError {
    ApiError::unpaid(
        "insufficient_credit",
        format!(
            "The credit left (${available}) does not cover this request, which may cost ${needed}. \
             Add credit or lower the output ceiling."
        ),
    )
}

fn request_rate(limit: u64, retry_after: Duration) -> ApiError {
    let message = format!("Rate limit reached: {limit} requests per minute.");
    let requests = Some(Remaining { limit, remaining: 0, reset: retry_after });
    ApiError::rate_limited(message, Some(retry_after)).rate(RateStatus { requests, tokens: None })
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::super::RETRY_AFTER_MAX;
    use super::*;

    #[test]
    fn a_client_is_never_asked_to_wait_absurdly_long() {
        let denial = Denial::TokenRate {
            scope: infergate_actors::account::Scope::Key,
            limit: 1,
            retry_after: Some(Duration::from_mins(150)),
        };
        let error = ApiError::from(denial);
        assert_eq!(error.status, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(error.hints().unwrap().retry_after, Some(RETRY_AFTER_MAX));
    }

    #[test]
    fn a_request_above_the_limit_alone_is_not_to_be_tried_again() {
        let denial = Denial::TokenRate {
            scope: infergate_actors::account::Scope::Account,
            limit: 10,
            retry_after: None,
        };
        assert!(ApiError::from(denial).final_answer);
    }
}
