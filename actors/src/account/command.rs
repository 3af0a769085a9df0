//! What an account may be asked, and why it may refuse. Pure.

use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

use super::{
    Budget, CodeBatch, End, GrantKind, KeyChange, Limits, MemberOrder, Period, PlanOrder,
    Presented, ReasonClass, SignUp, Standing, StatusSet, SubscriptionOrder, UsageRecord,
};
use crate::id::{AccountId, HoldId, KeyHash, KeyId, MemberId};
use crate::money::{Markup, NanoUsd, Rates, Usage};

/// A request to begin an exchange: may this key spend this much?
#[derive(Clone, Debug)]
pub struct Admit {
    /// The exchange.
    pub hold: HoldId,
    /// The key it came with.
    pub key: KeyId,
    /// How the key was presented.
    pub presented: Presented,
    /// The public model name asked for.
    pub model: Arc<str>,
    /// Whether that model costs nothing, ever.
    pub free: bool,
    /// The dearest rates that can apply.
    pub rates: Rates,
    /// The most prompt tokens there can be.
    pub prompt_tokens_max: u64,
    /// The most completion tokens wanted.
    pub completion_tokens_max: u64,
    /// How many of them to hold for at first; the rest is asked for by extension while the answer is
    /// streamed. Equal to `completion_tokens_max` where the answer can't be cut.
    pub completion_tokens_first: u64,
    /// Fewer completion tokens than this are not a useful answer: refuse instead of lowering.
    pub completion_tokens_min: u64,
    /// The likely number of tokens, for tokens-per-minute limits; trued up when it is settled.
    pub tokens_estimate: u64,
    /// The models that may answer in its place. Mostly none, and not inline: every account awake pays
    /// for the size of what it may be sent.
    pub fallbacks: Vec<Fallback>,
}

/// A model that may answer in the place of the one asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fallback {
    /// Its public name.
    pub model: Arc<str>,
    /// Whether it costs nothing, ever.
    pub free: bool,
    /// The dearest of its rates that can apply.
    pub rates: Rates,
}

/// On which terms an exchange may begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// What was set aside: enough for the dearest of the models that may answer.
    pub held: NanoUsd,
    /// How many completion tokens that covers.
    pub completion_tokens_held: u64,
    /// How many completion tokens may be asked of the provider.
    pub completion_tokens_max: u64,
    /// Which of the fallbacks asked for the key may use.
    pub fallbacks_allowed: SmallVec<[bool; 2]>,
    /// The tightest limits, for the answer's head.
    pub rate: RateStatus,
    /// What is paid, relative to the list price.
    pub markup: Markup,
}

/// An exchange may go on.
#[derive(Clone, Debug)]
pub struct Permit {
    /// What was set aside: enough for the dearest of the models that may answer.
    pub held: NanoUsd,
    /// How many completion tokens that covers.
    pub completion_tokens_held: u64,
    /// How many completion tokens may be asked of the provider.
    pub completion_tokens_max: u64,
    /// Which of the fallbacks asked for the key may use: the others must not answer, since their
    /// rates are not covered.
    pub fallbacks_allowed: SmallVec<[bool; 2]>,
    /// The tightest limits, for the answer's head.
    pub rate: RateStatus,
    /// What is paid, relative to the list price.
    pub markup: Markup,
    /// Tells when the exchange must end after all.
    pub standing: Standing,
}

impl Permit {
    /// The permit of an exchange that may begin on these terms.
    pub(super) fn new(terms: Terms, standing: Standing) -> Self {
        let Terms {
            held,
            completion_tokens_held,
            completion_tokens_max,
            fallbacks_allowed,
            rate,
            markup,
        } = terms;
        Self {
            held,
            completion_tokens_held,
            completion_tokens_max,
            fallbacks_allowed,
            rate,
            markup,
            standing,
        }
    }
}

/// What is left under the tightest limits. `None` where there is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateStatus {
    /// Requests in a minute.
    pub requests: Option<Remaining>,
    /// Tokens in a minute.
    pub tokens: Option<Remaining>,
}

/// A limit and what is left of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remaining {
    /// In a minute.
    pub limit: u64,
    /// Now.
    pub remaining: u64,
    /// Until all of it is there again.
    pub reset: Duration,
}

/// A running answer needs more than was set aside for it.
#[derive(Clone, Copy, Debug)]
pub struct Extend {
    /// The exchange.
    pub hold: HoldId,
    /// The dearest rates that can apply.
    pub rates: Rates,
    /// The most prompt tokens there can be.
    pub prompt_tokens_max: u64,
    /// Completion tokens covered so far.
    pub completion_tokens_held: u64,
    /// Completion tokens to cover from now on.
    pub completion_tokens: u64,
}

/// The end of an exchange that is charged.
#[derive(Clone, Debug)]
pub struct Settle {
    /// The exchange.
    pub hold: HoldId,
    /// What was used.
    pub usage: Usage,
    /// Whether the gateway counted it.
    pub estimated: bool,
    /// The rates that apply.
    pub rates: Rates,
    /// How it ended.
    pub end: End,
    /// The rest of the usage record.
    pub record: UsageRecord,
}

/// An operator's order. Acknowledged only when it is on disk.
#[derive(Clone, Debug)]
pub enum Order {
    /// Open the account: the first event of all.
    Open {
        /// A name for people.
        name: String,
        /// Its limits.
        limits: Limits,
    },
    /// Make codes: what begins a batch, under an id that is no account's.
    MakeCodes(CodeBatch),
    /// Change the limits.
    SetLimits(Limits),
    /// Change the status.
    SetStatus(StatusSet),
    /// Add credit.
    Grant {
        /// Where it comes from.
        kind: GrantKind,
        /// How much.
        amount: NanoUsd,
        /// When the rest lapses, in milliseconds since 1970.
        expires_at_ms: Option<u64>,
        /// What the operator knows it by.
        reference: String,
    },
    /// Create a key.
    CreateKey(NewKey),
    /// Revoke a key.
    RevokeKey {
        /// Which.
        key: KeyId,
        /// Why.
        reason: String,
    },
    /// Change a key. What it is already is not written again.
    ChangeKey {
        /// Which.
        key: KeyId,
        /// How.
        changes: Vec<KeyChange>,
    },
    /// Give a key another secret.
    RotateKey {
        /// Which.
        key: KeyId,
        /// The hash of the new secret.
        hash: KeyHash,
        /// The new secret's last four characters.
        hint: String,
        /// How long the present one works beside it.
        overlap: Duration,
    },
    /// Change the account's own budgets.
    SetBudgets(Vec<Budget>),
    /// Open the account for somebody who signs up, with all that it begins with.
    SignUp(Box<SignUp>),
    /// Change who belongs to the account.
    Member(Box<MemberOrder>),
    /// Create a key that is this person's.
    CreateKeyFor(MemberId, Box<NewKey>),
    /// Change the account's own budgets, as its owners may.
    SetOwnBudgets(Vec<Budget>),
    /// Make invites: what begins a batch of them, under an id that is no account's.
    MakeInvites(CodeBatch),
    /// Note that there is, or will be, such a batch of invites.
    ListInvites(AccountId),
    /// Take a batch of invites back.
    RevokeInvites {
        /// By whom.
        by: String,
        /// Why.
        reason: String,
    },
    /// Change the plan, or where the account differs from it.
    Plan(Box<PlanOrder>),
    /// Begin, change or end the subscription.
    Subscription(Box<SubscriptionOrder>),
}

/// A key to be created.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// The hash of its secret.
    pub hash: KeyHash,
    /// The secret's last four characters.
    pub hint: String,
    /// A name for people.
    pub name: String,
    /// Public model names it may use; empty: all.
    pub models: Vec<String>,
    /// When it stops working, in milliseconds since 1970.
    pub expires_at_ms: Option<u64>,
    /// Its own limits.
    pub limits: Limits,
    /// What else it is given from the start.
    pub rest: Vec<KeyChange>,
}

/// Which limit was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// The account's.
    Account,
    /// The key's own.
    Key,
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
    #[error("the next period is paid for already: try again when it has begun")]
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
}
