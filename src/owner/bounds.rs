//! That a key gives no other more than it has itself. Pure.
//!
//! A key that is made, changed or rotated by a key is afterwards no wider than that one in anything: what
//! it is good for, its models, its project, where and how long it works, its limits and budgets. So whoever gets hold
//! of a key that manages keys gets no more than that key was given. A key that is to give freely is given
//! the scopes and no bounds of its own. Several keys together may ask more often than the one that made them:
//! limits of its project and account bound them all. They do not spend more: a key with budgets of its own gives
//! no other anything.

use infergate_actors::account::{
    Budget, KeyChange, KeyScope, KeySettings, KeyView, Limits, Network, NewKey,
};

use infergate_actors::id::ProjectId;

use crate::api::Problem;

/// How far a key goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reach {
    models: Vec<String>,
    scopes: Vec<KeyScope>,
    allowed_ips: Vec<Network>,
    referrers: Vec<String>,
    /// A key of no project is bound by none.
    project: Option<ProjectId>,
    expires_at_ms: Option<u64>,
    limits: Limits,
    budgets: Vec<Budget>,
}

impl Reach {
    /// Of a key.
    pub(super) fn of(key: &KeyView) -> Self {
        let KeyView { key, settings, referrers, project, .. } = key;
        Self {
            referrers: referrers.clone(),
            project: *project,
            models: key.models.clone(),
            scopes: settings.scopes.clone(),
            allowed_ips: settings.allowed_ips.clone(),
            expires_at_ms: key.expires_at_ms,
            limits: key.limits,
            budgets: settings.budgets.clone(),
        }
    }

    /// Of a key that is to be made.
    pub(super) fn of_new(new: &NewKey) -> Self {
        let begun = Self {
            models: new.models.clone(),
            scopes: KeySettings::default().scopes,
            allowed_ips: Vec::new(),
            referrers: Vec::new(),
            project: None,
            expires_at_ms: new.expires_at_ms,
            limits: new.limits,
            budgets: Vec::new(),
        };
        begun.after(&new.rest)
    }

    /// The same after some changes.
    pub(super) fn after(mut self, changes: &[KeyChange]) -> Self {
        for change in changes {
            match change {
                KeyChange::Models(models) => self.models.clone_from(models),
                KeyChange::ExpiresAtMs(at_ms) => self.expires_at_ms = *at_ms,
                KeyChange::Limits(limits) => self.limits = *limits,
                KeyChange::Budgets(budgets) => self.budgets.clone_from(budgets),
                KeyChange::Scopes(scopes) => self.scopes.clone_from(scopes),
                KeyChange::AllowedIps(networks) => self.allowed_ips.clone_from(networks),
                KeyChange::Referrers(referrers) => self.referrers.clone_from(referrers),
                KeyChange::Project(project) => self.project = *project,
                KeyChange::Name(_) | KeyChange::Tags(_) | KeyChange::FormerSecretsUntilMs(_) => {}
            }
        }
        self
    }

    /// What it is good for.
    pub(super) fn scopes(&self) -> &[KeyScope] {
        &self.scopes
    }

    /// Refuses what goes further than the key that asks for it.
    pub(super) fn within(&self, own: &KeyView) -> Result<(), Problem> {
        match self.wider_than(own) {
            None => Ok(()),
            Some(field) => Err(Problem::forbidden(format!(
                "a key gives no other more than it has itself: `{field}` goes further than that of {}",
                own.key.id
            ))),
        }
    }

    /// In what it goes further than a key, if in anything.
    fn wider_than(&self, own: &KeyView) -> Option<&'static str> {
        let KeyView { key: own, settings, referrers, project, .. } = own;
        if project.is_some() && self.project != *project {
            return Some("project");
        }
        let has_none = self.referrers.is_empty();
        let is_inside = |referrer: &String| referrers.contains(referrer);
        if !referrers.is_empty() && (has_none || !self.referrers.iter().all(is_inside)) {
            return Some("allowed_referrers");
        }
        if !self.scopes.iter().all(|scope| settings.scopes.contains(scope)) {
            return Some("scopes");
        }
        if !own.allows_all_of(&self.models) {
            return Some("models");
        }
        let is_inside = |network: &Network| {
            settings.allowed_ips.iter().any(|allowed| network.is_within(allowed))
        };
        let has_none = self.allowed_ips.is_empty();
        if !settings.allowed_ips.is_empty() && (has_none || !self.allowed_ips.iter().all(is_inside))
        {
            return Some("allowed_ips");
        }
        if above(self.expires_at_ms, own.expires_at_ms) {
            return Some("expires_at_ms");
        }
        let (limits, most) = (&self.limits, &own.limits);
        if above(limits.requests_per_minute, most.requests_per_minute)
            || above(limits.tokens_per_minute, most.tokens_per_minute)
            || above(limits.in_flight, most.in_flight)
        {
            return Some("limits");
        }
        let is_kept = |most: &Budget| {
            let budget = self.budgets.iter().find(|budget| budget.period == most.period);
            budget.is_some_and(|budget| budget.limit <= most.limit)
        };
        (!settings.budgets.iter().all(is_kept)).then_some("budgets")
    }
}

/// Whether a bound, or none, lets through more than another.
fn above<T: PartialOrd>(bound: Option<T>, most: Option<T>) -> bool {
    match (bound, most) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(bound), Some(most)) => bound > most,
    }
}

#[cfg(test)]
mod tests {
    use infergate_actors::account::{Key, LimitUsage, Period};
    use infergate_actors::id::{KeyHash, KeyId};
    use infergate_actors::money::NanoUsd;

    use super::*;

    fn budgets(usd: i64) -> Vec<Budget> {
        vec![Budget { period: Period::Month, limit: NanoUsd::from_usd(usd) }]
    }

    fn networks(text: &str) -> Vec<Network> {
        text.split(' ').map(|network| network.parse().unwrap()).collect()
    }

    fn own() -> KeyView {
        let key = Key {
            id: KeyId(1),
            hash: KeyHash([1; 32]),
            hint: "abcd".into(),
            name: "k".into(),
            models: vec!["sim-*".into(), "gpt".into()],
            expires_at_ms: Some(100),
            limits: Limits { requests_per_minute: Some(10), ..Limits::default() },
            revoked_at_ms: None,
            created_at_ms: 0,
        };
        let mut settings = KeySettings::default();
        settings.scopes.push(KeyScope::KeyManagement);
        settings.allowed_ips = networks("10.0.0.0/8 2001:db8::/32");
        settings.budgets = budgets(5);
        KeyView {
            key,
            settings,
            budgets: Vec::new(),
            member: None,
            usage: LimitUsage::default(),
            project: Some(ProjectId(2)),
            referrers: vec!["*.example.com".into()],
            restriction: None,
        }
    }

    #[test]
    fn what_goes_further_in_anything_goes_further() {
        let own = own();
        let same = Reach::of(&own);
        assert_eq!(same.wider_than(&own), None);
        let limits = |per_minute| Limits { requests_per_minute: per_minute, ..Limits::default() };
        let models = |text: &str| KeyChange::Models(vec![text.to_owned()]);
        for (change, field) in [
            (KeyChange::Scopes(vec![KeyScope::Inference]), None),
            (KeyChange::Scopes(vec![KeyScope::UsageRead]), Some("scopes")),
            (KeyChange::Scopes(vec![KeyScope::AccountManagement]), Some("scopes")),
            (models("sim-small"), None),
            (models("sim-*-x"), None),
            (models("sim*"), Some("models")),
            (models("*"), Some("models")),
            (KeyChange::Models(Vec::new()), Some("models")),
            (KeyChange::AllowedIps(networks("10.1.0.0/16")), None),
            (KeyChange::AllowedIps(networks("10.1.0.0/16 ::1")), Some("allowed_ips")),
            (KeyChange::AllowedIps(networks("0.0.0.0/0")), Some("allowed_ips")),
            (KeyChange::AllowedIps(Vec::new()), Some("allowed_ips")),
            (KeyChange::ExpiresAtMs(Some(99)), None),
            (KeyChange::ExpiresAtMs(Some(101)), Some("expires_at_ms")),
            (KeyChange::ExpiresAtMs(None), Some("expires_at_ms")),
            (KeyChange::Limits(limits(Some(9))), None),
            (KeyChange::Limits(limits(Some(11))), Some("limits")),
            (KeyChange::Limits(limits(None)), Some("limits")),
            (KeyChange::Budgets(budgets(4)), None),
            (KeyChange::Budgets(budgets(6)), Some("budgets")),
            (KeyChange::Budgets(Vec::new()), Some("budgets")),
            (KeyChange::Project(Some(ProjectId(3))), Some("project")),
            (KeyChange::Project(None), Some("project")),
            (KeyChange::Referrers(vec!["a.example.com".into()]), Some("allowed_referrers")),
            (KeyChange::Referrers(Vec::new()), Some("allowed_referrers")),
        ] {
            let reach = same.clone().after(std::slice::from_ref(&change));
            assert_eq!(reach.wider_than(&own), field, "{change:?}");
        }
    }
}
