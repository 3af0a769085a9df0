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
            Denial::NotPaidYet => Self::not_paid_yet(),
            Denial::Closed => Self::forbidden("account_closed", "This account is closed."),
            Denial::UnknownKey | Denial::NoSuchAccount => {
                Self::invalid_key("Incorrect API key provided.")
            }
            Denial::RevokedKey => Self::invalid_key("This API key has been revoked."),
            Denial::ExpiredKey => Self::invalid_key("This API key has expired."),
            Denial::ReplacedSecret => {
                Self::invalid_key("This API key was rotated: it has another secret now.")
            }
            Denial::ScopeMissing => Self::scope_missing(),
            Denial::AddressNotAllowed => Self::address_not_allowed(),
            Denial::ModelNotAllowed => Self::not_open("This API key may not use this model."),
            Denial::ModelNotInPlan => {
                Self::not_open("This account's plan does not have this model.")
            }
            Denial::PlanMissing => Self::plan_missing(),
            Denial::InsufficientCredit { available, needed } => {
                Self::short_of_credit(available, needed)
            }
            Denial::BudgetExceeded { scope, period, limit, resets_at_ms } => {
                let message = budget::exceeded(scope, period, limit, resets_at_ms);
                Self::unpaid("budget_exceeded", message)
            }
            Denial::RequestRate { limit, retry_after, .. } => {
                Self::request_rate(limit, retry_after)
            }
            Denial::TokenRate { limit, retry_after, .. } => Self::token_rate(limit, retry_after),
            Denial::InFlight { limit, .. } => Self::in_flight(limit),
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
            | Denial::AboveCeiling { .. }
            | Denial::UnknownPlan
            | Denial::NoOffer
            | Denial::NoSubscription
            | Denial::AlreadySubscribed
            | Denial::PaidAhead
            | Denial::SubscriptionEnds
            | Denial::Underpaid { .. }
            | Denial::NothingDue => Self::internal(),
        }
    }
}

impl ApiError {
    fn not_paid_yet() -> Self {
        Self::unpaid(
            "payment_needed",
            "This model is open to accounts that have paid. Add credit, or use a free model.",
        )
    }

    fn scope_missing() -> Self {
        let message = "This API key does not have the scope for this request.";
        Self::forbidden("scope_missing", message)
    }

    fn address_not_allowed() -> Self {
        let message = "This API key may not be used from this address.";
        Self::forbidden("address_not_allowed", message)
    }

    fn not_open(message: &'static str) -> Self {
        Self::forbidden("model_not_available", message).param("model")
    }

    fn short_of_credit(available: NanoUsd, needed: NanoUsd) -> Self {
        Self::unpaid(
            "insufficient_credit",
            format!(
                "The credit left (${available}) does not cover this request, which may cost \
                 ${needed}. Add credit or lower the output ceiling."
            ),
        )
    }

    fn in_flight(limit: u64) -> Self {
        let message = format!("Rate limit reached: {limit} requests at one time.");
        Self::rate_limited(message, Some(Duration::from_secs(1)))
    }

    fn request_rate(limit: u64, retry_after: Duration) -> Self {
        let message = format!("Rate limit reached: {limit} requests per minute.");
        let requests = Some(Remaining { limit, remaining: 0, reset: retry_after });
        Self::rate_limited(message, Some(retry_after)).rate(RateStatus { requests, tokens: None })
    }
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
