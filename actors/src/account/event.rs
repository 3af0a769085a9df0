//! The facts of an account's life, as the journal keeps them. Pure.
//!
//! An account's state is the fold of its events and nothing else; see [`super::Account::apply`]. The
//! enum is a public format: variants and fields are only ever added at the end, under a new journal
//! version where a reader of the old one could misread them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::code::CodeBatch;
use super::credit_rules::Kinds;
use super::payment::Payment;
use super::refund::Return;
use super::{
    Budget, KeyChange, MemberEvent, OnceEvent, OperatorEvent, PlanEvent, ProjectEvent,
    SubscriptionEvent, Suspicion, UsageRecord, WatchEvent,
};
use crate::id::{AccountId, GrantId, HoldId, KeyHash, KeyId};
use crate::money::{Markup, NanoUsd, Rates, Usage};

/// One fact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// The account exists from here on.
    Opened {
        /// A name for people; not unique.
        name: String,
    },
    /// Its status changed.
    StatusChanged {
        /// The status from here on.
        status: Status,
        /// Why, in the operator's words.
        reason: String,
    },
    /// Its limits changed.
    LimitsChanged {
        /// The limits from here on.
        limits: Limits,
    },
    /// A key was created.
    KeyCreated {
        /// The key; its secret is not kept.
        key: Key,
    },
    /// A key was revoked.
    KeyRevoked {
        /// Which.
        key: KeyId,
        /// Why, in the operator's words.
        reason: String,
    },
    /// Credit was added.
    Granted {
        /// The lot.
        grant: GrantId,
        /// Where it came from.
        kind: GrantKind,
        /// How much.
        amount: NanoUsd,
        /// When what is left of it lapses, in milliseconds since 1970.
        expires_at_ms: Option<u64>,
        /// What the operator knows it by; a second grant with the same reference is refused.
        reference: String,
    },
    /// What was left of a credit lot lapsed.
    Expired {
        /// The lot.
        grant: GrantId,
        /// How much of it.
        amount: NanoUsd,
    },
    /// Money was set aside for an exchange.
    Held {
        /// The exchange.
        hold: HoldId,
        /// The key it came with.
        key: KeyId,
        /// How much.
        amount: NanoUsd,
    },
    /// More was set aside for an exchange that runs longer.
    Extended {
        /// The exchange.
        hold: HoldId,
        /// How much more.
        amount: NanoUsd,
    },
    /// An exchange ended with a charge; its hold is gone.
    Settled(Box<Settlement>),
    /// An exchange ended without a charge; its hold is gone.
    Voided {
        /// The exchange.
        hold: HoldId,
        /// How it ended.
        end: End,
    },
    /// A key was changed.
    KeyChanged {
        /// Which.
        key: KeyId,
        /// How.
        changes: Vec<KeyChange>,
    },
    /// A key was given another secret.
    KeyRotated {
        /// Which. With the field behind it the beginning of [`Key`], as the ledger's indexes read it.
        key: KeyId,
        /// The hash of the new secret.
        hash: KeyHash,
        /// The new secret's last four characters.
        hint: String,
        /// Until when the one before it works, in milliseconds since 1970.
        former_until_ms: u64,
    },
    /// The account's own budgets changed.
    BudgetsChanged {
        /// The budgets from here on, one of a kind.
        budgets: Vec<Budget>,
    },
    /// Its status was set, by somebody and for a reason of a class. What [`Event::StatusChanged`] was
    /// before.
    StatusSet(StatusSet),
    /// Money was set aside for an exchange, counting on some kinds of credit only.
    HeldOf {
        /// The exchange.
        hold: HoldId,
        /// The key it came with.
        key: KeyId,
        /// How much.
        amount: NanoUsd,
        /// The kinds of credit that may pay for every model that may answer.
        kinds: Kinds,
    },
    /// A payment was received, and credit added for it.
    Paid(Box<Payment>),
    /// Credit was taken back because its price was paid back.
    Refunded(Box<Return>),
    /// Credit was taken back because its payment is disputed.
    ChargedBack(Box<Return>),
    /// Codes were made: the first event of a batch.
    CodesMade(Box<CodeBatch>),
    /// An account used a code of the batch.
    CodeUsed {
        /// Its place in the batch, from 0.
        code: u32,
        /// Whose use.
        account: AccountId,
    },
    /// Of credit that was to be taken back, what an exchange had held and left unused was taken too.
    Reclaimed {
        /// The lot.
        grant: GrantId,
        /// How much.
        amount: NanoUsd,
    },
    /// Of its projects.
    Project(Box<ProjectEvent>),
    /// Of its people.
    Member(Box<MemberEvent>),
    /// Of its plan.
    Plan(Box<PlanEvent>),
    /// Of its subscription.
    Subscription(Box<SubscriptionEvent>),
    /// Of what it is watched for.
    Watch(Box<WatchEvent>),
    /// Of the operators.
    Operator(Box<OperatorEvent>),
    /// The guard looks at a key from here on, or does not any more.
    KeyGuarded {
        /// Which.
        key: KeyId,
        /// Whether it does.
        on: bool,
    },
    /// The guard stopped a key that was used as it never was.
    KeyRestricted {
        /// Which.
        key: KeyId,
        /// What was unusual.
        suspicion: Suspicion,
    },
    /// An operator let it work again.
    KeyReleased {
        /// Which.
        key: KeyId,
        /// Who: an operator's name.
        by: String,
        /// Why, in the operator's words.
        reason: String,
    },
    /// Of what was asked under an idempotency key.
    Once(Box<OnceEvent>),
}

impl Event {
    /// Whether it is one of those that every request has: there are so many that nobody is told of each.
    pub fn is_of_a_request(&self) -> bool {
        matches!(
            self,
            Self::Held { .. }
                | Self::HeldOf { .. }
                | Self::Extended { .. }
                | Self::Settled(_)
                | Self::Voided { .. }
        )
    }
}

/// A status and its reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StatusSet {
    /// The status from here on.
    pub status: Status,
    /// Who set it: an operator's name, or `system`.
    pub by: String,
    /// Why, in one word that its owner may know.
    pub class: ReasonClass,
    /// Why, in the operator's words.
    pub reason: String,
}

/// Why an account's status was set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReasonClass {
    /// Use against the rules.
    Abuse,
    /// A payment is missing or disputed.
    Payment,
    /// A payment or a person is not what it says.
    Fraud,
    /// Its owner asked for it.
    Request,
    /// Something else.
    #[default]
    Other,
}

impl ReasonClass {
    /// As one word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Abuse => "abuse",
            Self::Payment => "payment",
            Self::Fraud => "fraud",
            Self::Request => "request",
            Self::Other => "other",
        }
    }
}

/// Whether an account may be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// In use.
    #[default]
    Active,
    /// Answers 403 until it is reinstated.
    Suspended,
    /// Answers 403 for good.
    Closed,
    /// Answers 403 for models that cost something; what ran before goes on.
    Restricted,
}

/// Where credit came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GrantKind {
    /// Given to try the service.
    Trial,
    /// Paid for.
    Paid,
    /// A subscription's allowance for one period.
    Subscription,
    /// Given for promotion.
    Promotional,
    /// Given by an operator to put something right.
    Adjustment,
    /// Given for something that went wrong.
    Compensation,
}

/// How much an account, or one key, may do. `None` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Requests in any minute.
    pub requests_per_minute: Option<u32>,
    /// Tokens, prompt and completion, in any minute.
    pub tokens_per_minute: Option<u64>,
    /// Requests at one time.
    pub in_flight: Option<u32>,
}

/// A key: who may call, for what, how much.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// Its number in the account.
    pub id: KeyId,
    /// The hash of its secret.
    pub hash: KeyHash,
    /// The secret's last four characters, to tell keys apart by.
    pub hint: String,
    /// A name for people.
    pub name: String,
    /// Public model names it may use; `*` matches anything. Empty: all.
    pub models: Vec<String>,
    /// When it stops working, in milliseconds since 1970.
    pub expires_at_ms: Option<u64>,
    /// Its own limits, beside the account's.
    pub limits: Limits,
    /// Since when it does not work any more, in milliseconds since 1970.
    pub revoked_at_ms: Option<u64>,
    /// When it was created, in milliseconds since 1970.
    pub created_at_ms: u64,
}

/// How an exchange ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// The whole answer was delivered.
    Completed,
    /// The client went away first.
    ClientGone,
    /// The provider stopped in the middle of its answer.
    ProviderCut,
    /// No provider gave an answer.
    ProviderError,
    /// A time limit passed.
    TimedOut,
    /// The account could not pay for more of the answer.
    OutOfCredit,
    /// The account was suspended during the answer.
    Suspended,
    /// The gateway was stopping.
    GatewayStopping,
    /// The gateway was restarted after a crash and found the hold without an end.
    Recovered,
    /// The request itself was at fault, in the provider's judgement.
    Rejected,
    /// The key was revoked during the answer.
    KeyRevoked,
    /// The client did not take its answer any more, and was not waited for any longer.
    ClientStalled,
    /// The account was closed during the answer.
    Closed,
}

/// The bill of one exchange: enough to derive the charge again without looking anything up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settlement {
    /// The exchange.
    pub hold: HoldId,
    /// The key it came with.
    pub key: KeyId,
    /// What was used.
    pub usage: Usage,
    /// Whether the gateway counted `usage` itself because the provider reported none.
    pub estimated: bool,
    /// The rates in force.
    pub rates: Rates,
    /// The account's markup.
    pub markup: Markup,
    /// `rates.cost(usage, markup)`.
    pub cost: NanoUsd,
    /// What the account paid of it.
    pub charged: NanoUsd,
    /// What the account could not pay: `cost - charged`, the operator's loss.
    pub absorbed: NanoUsd,
    /// Which credit lots paid how much; the amounts add up to `charged`.
    pub draws: SmallVec<[Draw; 1]>,
    /// How it ended.
    pub end: End,
    /// The rest of the usage record.
    pub record: UsageRecord,
}

/// What one credit lot paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draw {
    /// The lot.
    pub grant: GrantId,
    /// How much.
    pub amount: NanoUsd,
}

/// One try at one provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Attempt {
    /// The provider.
    pub provider: String,
    /// Its name for the model.
    pub upstream_model: String,
    /// What came of it.
    pub outcome: AttemptOutcome,
    /// The HTTP status, where there was one.
    pub status: Option<u16>,
    /// What the provider will bill us for it, by its own rates, where they are known.
    pub provider_cost: NanoUsd,
}

/// What came of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AttemptOutcome {
    /// The whole answer.
    Answered,
    /// No connection.
    ConnectFailed,
    /// No head in time.
    HeadTimeout,
    /// No content in time.
    ContentTimeout,
    /// Content, then nothing for too long.
    IdleTimeout,
    /// The deadline of the whole exchange passed.
    DeadlinePassed,
    /// A server error status.
    ServerError,
    /// The provider limits our rate.
    RateLimited,
    /// The provider refused our credential or our credit.
    CredentialRefused,
    /// The request is wrong, in the provider's judgement.
    RequestRejected,
    /// An answer that is not one: an error event, an empty or garbled body.
    BadAnswer,
    /// The connection broke before the end of the answer.
    Cut,
    /// The client went away.
    ClientGone,
    /// Another attempt answered first.
    Outrun,
}
