//! Why an account may refuse. Pure.

use std::time::Duration;

use super::{Period, ReasonClass};
use crate::money::NanoUsd;

/// Which limit was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// The account's.
    Account,
    /// The key's own.
    Key,
    /// The key's project's.
    Project,
}

/// Why an account refuses. Each is something else to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denial {
    /// The account is suspended.
    #[error("the account is suspended (reason: {})", .0.as_str())]
    Suspended(ReasonClass),
    /// The account is restricted to models that are free.
    #[error("the account is restricted to free models (reason: {})", .0.as_str())]
    Restricted(ReasonClass),
    /// Models that cost something are for accounts that have paid.
    #[error("the account has not paid yet, and only free models are open to it")]
    NotPaidYet,
    /// The account is closed.
    #[error("the account is closed")]
    Closed,
    /// The key is unknown to the account.
    #[error("the key is unknown")]
    UnknownKey,
    /// The key was revoked.
    #[error("the key was revoked")]
    RevokedKey,
    /// The key's time is over.
    #[error("the key has expired")]
    ExpiredKey,
    /// The key has another secret now.
    #[error("the key has another secret now")]
    ReplacedSecret,
    /// The key is not good for this.
    #[error("the key does not have the scope for this")]
    ScopeMissing,
    /// The key may not be used from the client's address.
    #[error("the key may not be used from this address")]
    AddressNotAllowed,
    /// The key may not use this model.
    #[error("the key may not use this model")]
    ModelNotAllowed,
    /// The credit does not cover a useful answer.
    #[error("the credit left ({available} USD) does not cover the request (up to {needed} USD)")]
    InsufficientCredit {
        /// What a hold could take.
        available: NanoUsd,
        /// What even the least useful answer could cost.
        needed: NanoUsd,
    },
    /// A spend budget does not cover a useful answer.
    #[error("the budget of {limit} USD ({}) does not cover the request", period.name())]
    BudgetExceeded {
        /// Whose budget.
        scope: Scope,
        /// Of which period.
        period: Period,
        /// What it is.
        limit: NanoUsd,
        /// When it is whole again, in milliseconds since 1970.
        resets_at_ms: Option<u64>,
    },
    /// Too many requests in a minute.
    #[error("too many requests in a minute")]
    RequestRate {
        /// Whose limit.
        scope: Scope,
        /// What it is.
        limit: u64,
        /// When to try again.
        retry_after: Duration,
    },
    /// Too many tokens in a minute.
    #[error("too many tokens in a minute")]
    TokenRate {
        /// Whose limit.
        scope: Scope,
        /// What it is.
        limit: u64,
        /// When to try again; `None` when the request alone is above the limit.
        retry_after: Option<Duration>,
    },
    /// Too many requests at one time.
    #[error("too many requests at one time")]
    InFlight {
        /// Whose limit.
        scope: Scope,
        /// What it is.
        limit: u64,
    },
    /// The exchange is known already.
    #[error("the exchange has begun already")]
    DuplicateHold,
    /// The exchange is not known, or has ended.
    #[error("the exchange is not open")]
    UnknownHold,
    /// The account was opened already.
    #[error("the account is open already")]
    AlreadyOpen,
    /// The account was never opened.
    #[error("the account does not exist")]
    NoSuchAccount,
    /// An amount that is not above zero, or does not fit.
    #[error("the amount must be above zero, and the sum within 9.2 billion USD")]
    BadAmount,
    /// Budgets that can't be.
    #[error("budgets must not be below zero, and one of a kind")]
    BadBudget,
    /// A grant with this reference was made before.
    #[error("a grant with this reference was made already")]
    DuplicateReference,
    /// A key with this secret exists in the account.
    #[error("a key with this secret exists already")]
    DuplicateKey,
    /// Too many former secrets of a key work still.
    #[error("too many former secrets of the key work still")]
    TooManySecrets,
    /// A status that can't follow the present one.
    #[error("a closed account stays closed")]
    StatusFinal,
    /// No payment is known by this.
    #[error("no payment to this account is known by this")]
    UnknownPayment,
    /// No credit lot has this number.
    #[error("the account has no such grant")]
    UnknownGrant,
    /// Credit of this kind is not paid back.
    #[error("credit of this kind is not refundable")]
    NotRefundable,
    /// No code is like this.
    #[error("no such code")]
    UnknownCode,
    /// The code's time is over.
    #[error("the code has expired")]
    ExpiredCode,
    /// As many accounts have used the code as may.
    #[error("the code is used up")]
    UsedUpCode,
    /// The id was used for something else.
    #[error("this id was used before, for something else")]
    ReusedId,
    /// The guard has stopped the key.
    #[error("the key is restricted: it was used as it never was; release it or rotate it")]
    KeyRestricted,
    /// The key may not be used from the page that made the request, or from none.
    #[error("the key may not be used from this origin")]
    ReferrerNotAllowed,
    /// The key's project is archived, or a key can't be given to it.
    #[error("the project is archived")]
    ProjectArchived,
    /// No project has this number.
    #[error("the account has no such project")]
    UnknownProject,
    /// The account has as many projects as may be.
    #[error("the account has as many projects as it may have: archive and reuse one")]
    TooManyProjects,
    /// A text that is no pattern of origins.
    #[error(
        "an allowed referrer is an origin such as `https://app.example.com` or `*.example.com`"
    )]
    BadReferrer,
    /// Thresholds that can't be.
    #[error(
        "thresholds: at most 16 of a kind, balances above zero, percentages from 1 to 100; a top-up's \
         amounts above zero, its most in a month at least one, and its time from a minute to a year"
    )]
    BadWatch,
    /// No top-up like this is due.
    #[error("no such top-up is due")]
    UnknownTopUp,
    /// The account has no such webhook.
    #[error("no such webhook")]
    UnknownWebhook,
    /// The account has as many webhooks as it may.
    #[error("the account has as many webhooks as it may have")]
    TooManyWebhooks,
    /// Nobody in the account has this number.
    #[error("the account has no such member")]
    UnknownMember,
    /// Somebody in the account has this address.
    #[error("somebody with this address belongs to the account already")]
    DuplicateMember,
    /// An account with people has an owner.
    #[error("the account would be left without an active owner")]
    LastOwner,
    /// More people than may be.
    #[error("too many people belong to the account")]
    TooManyMembers,
    /// Who orders it may not have to do with such a role.
    #[error("only an owner may add, change or remove an owner")]
    RoleTooHigh,
    /// Somebody has signed up with this address, or one that leads to the same mailbox.
    #[error("there is an account for this address already")]
    EmailTaken,
    /// Somebody has signed up with this idempotency key and another name or address.
    #[error("this idempotency key was used for another request: use a new one for each")]
    RequestReused,
    /// A budget that the operator has set.
    #[error("the operator has set a budget of {limit} USD ({}): it may only be lowered", period.name())]
    AboveCeiling {
        /// Of which period.
        period: Period,
        /// What it is.
        limit: NanoUsd,
    },
    /// The code was taken back.
    #[error("the code was taken back")]
    RevokedCode,
    /// The account's plan does not have this model.
    #[error("the account's plan does not have this model")]
    ModelNotInPlan,
    /// The account is on a plan that there is not.
    #[error("the account is on a plan that the configuration does not have")]
    PlanMissing,
    /// No plan is called so.
    #[error("the configuration has no such plan")]
    UnknownPlan,
    /// There is no subscription to the plan.
    #[error("the plan has no `subscription` in the configuration")]
    NoOffer,
    /// The account has no subscription that has not ended.
    #[error("the account has no subscription")]
    NoSubscription,
    /// The account has one.
    #[error("the account has a subscription already: change its plan")]
    AlreadySubscribed,
    /// The next period is paid for.
    #[error(
        "the next period is paid for already: try again when it has begun, or pay that back first"
    )]
    PaidAhead,
    /// It was cancelled.
    #[error("the subscription ends with its period: undo its cancellation first")]
    SubscriptionEnds,
    /// Too little was paid, or nothing.
    #[error("{due} USD are due, and a payment of at least that has to be told")]
    Underpaid {
        /// What is due.
        due: NanoUsd,
    },
    /// A payment was told where nothing has to be paid.
    #[error("nothing is due now: the change takes effect with the next period")]
    NothingDue,
    /// More is to be paid back than is left of the payment, or of the lot.
    #[error("{left} USD are left of it to be paid back: no more can be")]
    AboveLeft {
        /// What is neither paid back nor disputed.
        left: NanoUsd,
    },
}
