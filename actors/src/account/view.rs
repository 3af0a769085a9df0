//! What the admin endpoint shows of a live account. Pure.

use super::limits::Limiter;
use super::machine::Machine;
use super::state::{Grant, Hold, Totals};
use super::{
    Budget, BudgetView, Contract, Denial, Key, KeySettings, Limits, Member, PlanView, Presented,
    Project, RateStatus, Restriction, Status, StatusSet, Surplus, WatchView,
};
use crate::clock::Now;
use crate::id::{AccountId, HoldId, KeyId, MemberId, ProjectId};
use crate::ledger::Digest;
use crate::money::NanoUsd;

/// An account as it is at this moment, from its actor and not from a copy.
#[derive(Clone, Debug)]
pub struct AccountView {
    /// Its id.
    pub id: AccountId,
    /// Its name for people.
    pub name: String,
    /// Its status.
    pub status: Status,
    /// How its status was last set, and when, in milliseconds since 1970; `None` where that is not
    /// written down.
    pub status_set: Option<(StatusSet, u64)>,
    /// When it was opened, in milliseconds since 1970.
    pub opened_at_ms: u64,
    /// Its own limits.
    pub limits: Limits,
    /// What holds of it, from its plan and itself.
    pub plan: Box<PlanView>,
    /// Why it may not begin anything that costs something, where it may not.
    pub paid_denial: Option<Denial>,
    /// Its subscription: the present one, or the last.
    pub subscription: Option<Box<Contract>>,
    /// Whether nothing went back of what its present period was paid with.
    pub is_period_whole: bool,
    /// What its newest payment was above what was due, where it was, and what that is known by.
    pub surplus: Option<(String, Surplus)>,
    /// Its own budgets.
    pub budgets: Vec<BudgetView>,
    /// Its sums.
    pub totals: Totals,
    /// Credit ever taken back because it was paid back.
    pub refunded: NanoUsd,
    /// Credit ever taken back in disputes.
    pub charged_back: NanoUsd,
    /// What a new hold may take.
    pub available: NanoUsd,
    /// Credit lots with something left, in the order they are spent.
    pub grants: Vec<Grant>,
    /// Open holds.
    pub holds: Vec<(HoldId, Hold)>,
    /// Its keys, without their secrets or hashes.
    pub keys: Vec<KeyView>,
    /// Its projects, in the order of their numbers.
    pub projects: Vec<ProjectView>,
    /// Its people, some who were removed included, in the order they were added.
    pub members: Vec<Member>,
    /// What owners may not set budgets above.
    pub ceilings: Vec<Budget>,
    /// What is left under the account's limits.
    pub usage: LimitUsage,
    /// What it is watched for.
    pub watch: Box<WatchView>,
    /// How many events there have been.
    pub events: u64,
    /// The digest of the last one.
    pub digest: Digest,
}

/// A key as it is at this moment.
#[derive(Clone, Debug)]
pub struct KeyView {
    /// The key. Its hash is not for showing.
    pub key: Key,
    /// What it has beside what it was created with. The hashes are not for showing.
    pub settings: KeySettings,
    /// Its own budgets.
    pub budgets: Vec<BudgetView>,
    /// Whose it is, where it is somebody's.
    pub member: Option<MemberId>,
    /// What is left under its limits.
    pub usage: LimitUsage,
    /// The project it belongs to.
    pub project: Option<ProjectId>,
    /// The origins of pages it may be used from; none in the list: it may be used without.
    pub referrers: Vec<String>,
    /// Why the guard has stopped it, if it has.
    pub restriction: Option<Restriction>,
}

/// A project as it is at this moment.
#[derive(Clone, Debug)]
pub struct ProjectView {
    /// The project.
    pub project: Project,
    /// Its budgets.
    pub budgets: Vec<BudgetView>,
    /// What is left under its limits.
    pub usage: LimitUsage,
}

impl KeyView {
    /// Why the key may not be used as it was presented, beside what its settings say.
    pub fn denial(&self, presented: &Presented) -> Option<Denial> {
        if self.restriction.is_some() {
            return Some(Denial::KeyRestricted);
        }
        (!presented.origin.fits(&self.referrers)).then_some(Denial::ReferrerNotAllowed)
    }
}

/// What is left under some limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LimitUsage {
    /// Requests under way.
    pub in_flight: u32,
    /// The buckets.
    pub rate: RateStatus,
}

impl AccountView {
    pub(super) fn of(machine: &Machine, now: Now) -> Self {
        let account = machine.account();
        let usage = |limiter: &Limiter| LimitUsage {
            in_flight: limiter.in_flight(),
            rate: limiter.status(now.mono),
        };
        let key_usage = |key: KeyId| machine.key_limiter(key).map(usage).unwrap_or_default();
        let project = |project: &Project| ProjectView {
            project: project.clone(),
            budgets: project.budget_views(now.wall_ms),
            usage: machine.project_limiter(project.id).map(usage).unwrap_or_default(),
        };
        let (refunded, charged_back) = account.taken_back();
        let members = account.tenancy.members.as_deref();
        Self {
            id: account.id,
            name: account.name.clone(),
            status: account.status,
            status_set: account.status_set.as_deref().cloned(),
            opened_at_ms: account.opened_at_ms,
            limits: account.limits,
            plan: Box::new(machine.plan_view()),
            paid_denial: machine.paid_denial(),
            subscription: account.subscription().cloned().map(Box::new),
            is_period_whole: account
                .subscription()
                .is_none_or(|contract| account.is_period_whole(contract)),
            surplus: account.newest_surplus().map(|(of, surplus)| (of.to_owned(), surplus)),
            budgets: account.budget_views(now.wall_ms),
            totals: account.totals,
            refunded,
            charged_back,
            available: account.available(),
            grants: account.grants.clone(),
            holds: account.holds.iter().map(|(id, hold)| (*id, *hold)).collect(),
            keys: account
                .keys
                .iter()
                .map(|key| KeyView {
                    key: key.clone(),
                    settings: account.key_settings(key.id),
                    budgets: account.key_budget_views(key.id, now.wall_ms),
                    member: members.and_then(|members| members.keys().get(&key.id).copied()),
                    usage: key_usage(key.id),
                    project: account.project_of(key.id),
                    referrers: account.referrers(key.id).to_vec(),
                    restriction: account.restriction(key.id),
                })
                .collect(),
            projects: account.projects().iter().map(project).collect(),
            members: account.members().to_vec(),
            ceilings: account.budget_ceilings().to_vec(),
            usage: usage(machine.limiter()),
            watch: Box::new(account.watch()),
            events: account.number,
            digest: account.digest,
        }
    }
}
