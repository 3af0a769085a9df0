//! What an account may be asked, and why it may refuse. Pure.

use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

use super::{
    Budget, CodeBatch, CodeKind, End, GrantKind, KeyChange, Limits, MemberOrder, NewProject,
    PlanOrder, Presented, ProjectChange, SignUp, Standing, StatusSet, SubscriptionOrder,
    UsageRecord, WatchOrder,
};
use crate::id::{AccountId, HoldId, KeyHash, KeyId, MemberId, ProjectId};
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
    /// Create a project.
    CreateProject(NewProject),
    /// Change a project. What it is already is not written again.
    ChangeProject {
        /// Which.
        project: ProjectId,
        /// How.
        changes: Vec<ProjectChange>,
    },
    /// Archive a project: its keys do not work any more.
    ArchiveProject(ProjectId),
    /// Restore it.
    RestoreProject(ProjectId),
    /// Let a key work again that the guard has stopped.
    ReleaseKey {
        /// Which.
        key: KeyId,
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
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
    /// The same of a batch of codes.
    ListCodes(AccountId),
    /// Take a batch of codes or invites back.
    RevokeBatch {
        /// Which of both it is.
        what: CodeKind,
        /// By whom.
        by: String,
        /// Why.
        reason: String,
    },
    /// Change what it is watched for.
    Watch(WatchOrder),
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
