//! What a client is told of its account's refusal. Pure.

use std::time::Duration;

use infergate_actors::account::{Denial, RateStatus, Remaining, Scope};
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
            Denial::UnknownKey
            | Denial::NoSuchAccount
            | Denial::RevokedKey
            | Denial::ExpiredKey
            | Denial::ReplacedSecret => Self::invalid_key(of_dead_key(denial)),
            Denial::ScopeMissing
            | Denial::AddressNotAllowed
            | Denial::ModelNotAllowed
            | Denial::ModelNotInPlan
            | Denial::KeyRestricted
            | Denial::ReferrerNotAllowed
            | Denial::ProjectArchived => Self::of_key(denial),
            Denial::PlanMissing => Self::plan_missing(),
            Denial::InsufficientCredit { available, needed } => {
                Self::short_of_credit(available, needed)
            }
            Denial::BudgetExceeded { .. }
            | Denial::RequestRate { .. }
            | Denial::TokenRate { .. }
            | Denial::InFlight { .. } => Self::of_limit(denial),
            // Answers to orders, which no client gives here.
            Denial::UnknownProject
            | Denial::TooManyProjects
            | Denial::BadReferrer
            | Denial::DuplicateHold
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
            | Denial::BadWatch
            | Denial::UnknownTopUp
            | Denial::UnknownWebhook
            | Denial::TooManyWebhooks
            | Denial::RevokedCode
            | Denial::UnknownMember
            | Denial::DuplicateMember
            | Denial::LastOwner
            | Denial::TooManyMembers
            | Denial::RoleTooHigh
            | Denial::EmailTaken
            | Denial::RequestReused
            | Denial::AboveCeiling { .. }
            | Denial::UnknownPlan
            | Denial::NoOffer
            | Denial::NoSubscription
            | Denial::AlreadySubscribed
            | Denial::PaidAhead
            | Denial::SubscriptionEnds
            | Denial::Underpaid { .. }
            | Denial::NothingDue
            | Denial::AboveLeft { .. } => Self::internal(),
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

    fn short_of_credit(available: NanoUsd, needed: NanoUsd) -> Self {
        Self::unpaid(
            "insufficient_credit",
            format!(
                "The credit left (${available}) does not cover this request, which may cost \
                 ${needed}. Add credit or lower the output ceiling."
            ),
        )
    }

    /// 402 or 429: a budget or a limit is met.
    fn of_limit(denial: Denial) -> Self {
        match denial {
            Denial::BudgetExceeded { scope, period, limit, resets_at_ms } => {
                let message = budget::exceeded(scope, period, limit, resets_at_ms);
                Self::unpaid("budget_exceeded", message)
            }
            Denial::RequestRate { scope, limit, retry_after } => {
                Self::request_rate(of(scope), limit, retry_after)
            }
            Denial::TokenRate { scope, limit, retry_after } => {
                Self::token_rate(of(scope), limit, retry_after)
            }
            Denial::InFlight { scope, limit } => Self::in_flight(of(scope), limit),
            _ => Self::internal(),
        }
    }

    fn in_flight(whose: &str, limit: u64) -> Self {
        let message = format!("Rate limit reached: {limit} requests at one time{whose}.");
        Self::rate_limited(message, Some(Duration::from_secs(1)))
    }

    fn request_rate(whose: &str, limit: u64, retry_after: Duration) -> Self {
        let message = format!("Rate limit reached: {limit} requests per minute{whose}.");
        let requests = Some(Remaining { limit, remaining: 0, reset: retry_after });
        Self::rate_limited(message, Some(retry_after)).rate(RateStatus { requests, tokens: None })
    }

    /// 403: a key that works is not for this.
    fn of_key(denial: Denial) -> Self {
        let (code, message) = match denial {
            Denial::ScopeMissing => {
                ("scope_missing", "This API key does not have the scope for this request.")
            }
            Denial::AddressNotAllowed => {
                ("address_not_allowed", "This API key may not be used from this address.")
            }
            Denial::KeyRestricted => (
                "key_restricted",
                "This API key was used in an unusual way and does not work until it is released or \
                 rotated.",
            ),
            Denial::ReferrerNotAllowed => (
                "referrer_not_allowed",
                "This API key may not be used from this page: the request's `Origin` or `Referer` is \
                 none that is allowed.",
            ),
            Denial::ProjectArchived => ("project_archived", "This API key's project is archived."),
            Denial::ModelNotInPlan => {
                return Self::not_open("This account's plan does not have this model.");
            }
            _ => return Self::not_open("This API key may not use this model."),
        };
        Self::forbidden(code, message)
    }

    fn not_open(message: &'static str) -> Self {
        Self::forbidden("model_not_available", message).param("model")
    }
}

/// 401: why a key does not work at all.
fn of_dead_key(denial: Denial) -> &'static str {
    match denial {
        Denial::RevokedKey => "This API key has been revoked.",
        Denial::ExpiredKey => "This API key has expired.",
        Denial::ReplacedSecret => "This API key was rotated: it has another secret now.",
        _ => "Incorrect API key provided.",
    }
}

/// Whose limit it is, where that is not to be guessed.
fn of(scope: Scope) -> &'static str {
    match scope {
        Scope::Account | Scope::Key => "",
        Scope::Project => " for all keys of this API key's project",
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
