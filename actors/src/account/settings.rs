//! What a key has been given since there were only names, models and limits: tags, scopes, address
//! ranges, budgets, and secrets that it had before. Pure.
//!
//! Beside [`Key`], whose fields are those of an event that is written and can't grow.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::budget::{self, Room, Spending};
use super::{Budget, Denial, Key, Limits, Network, Origin, Scope, referrer};
use crate::id::{KeyHash, ProjectId};
use crate::money::NanoUsd;

/// One change of a key. Variants are only ever added at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyChange {
    /// A name for people.
    Name(String),
    /// Words to sort keys by.
    Tags(Vec<String>),
    /// Public model names it may use; `*` matches anything. Empty: all.
    Models(Vec<String>),
    /// When it stops working, in milliseconds since 1970.
    ExpiresAtMs(Option<u64>),
    /// Its own limits.
    Limits(Limits),
    /// Its own budgets, one of a kind.
    Budgets(Vec<Budget>),
    /// What it is good for.
    Scopes(Vec<KeyScope>),
    /// Where it may be used from. Empty: everywhere.
    AllowedIps(Vec<Network>),
    /// The project it belongs to.
    Project(Option<ProjectId>),
    /// The origins of pages it may be used from, as patterns. Empty: it may be used without.
    Referrers(Vec<String>),
    /// No former secret of it works longer than this, in milliseconds since 1970.
    FormerSecretsUntilMs(u64),
}

/// What a key is good for.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum KeyScope {
    /// Asking models.
    Inference,
    /// Reading what was used and spent.
    UsageRead,
    /// Creating, changing and revoking keys.
    KeyManagement,
    /// Adding and removing people, setting the account's budgets, redeeming codes.
    AccountManagement,
}

/// A secret that a key had before it was rotated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormerSecret {
    /// Its hash.
    pub hash: KeyHash,
    /// Its last four characters.
    pub hint: String,
    /// When it stops working, in milliseconds since 1970.
    pub until_ms: u64,
}

/// What a key has beside what it was created with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeySettings {
    /// Words to sort keys by.
    pub tags: Vec<String>,
    /// What it is good for.
    pub scopes: Vec<KeyScope>,
    /// Where it may be used from. Empty: everywhere.
    pub allowed_ips: Vec<Network>,
    /// Its own budgets, one of a kind.
    pub budgets: Vec<Budget>,
    /// Secrets it had before, the newest last: all that work still, and some of the others.
    pub former: Vec<FormerSecret>,
    /// What it spent, counted since it has had a budget, and what its open holds may still spend.
    pub(super) spending: Option<Box<KeySpending>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KeySpending {
    pub(super) spending: Spending,
    pub(super) held: NanoUsd,
}

/// How many former secrets of a key may work at a time, and how many are listed.
const FORMER_MAX: usize = 16;

/// What came with a request beside the key's number. What is `None` is not known, and not checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Presented {
    /// Which of the key's secrets it was, by its hash.
    pub secret: Option<KeyHash>,
    /// The address of the client.
    pub address: Option<IpAddr>,
    /// The page that the request was made by.
    pub origin: Origin,
}

impl KeyScope {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::Inference, Self::UsageRead, Self::KeyManagement, Self::AccountManagement];

    /// Its name, as it is written everywhere.
    pub fn name(self) -> &'static str {
        match self {
            Self::Inference => "inference",
            Self::UsageRead => "usage_read",
            Self::KeyManagement => "key_management",
            Self::AccountManagement => "account_management",
        }
    }
}

impl Default for KeySettings {
    fn default() -> Self {
        Self {
            tags: Vec::new(),
            scopes: vec![KeyScope::Inference],
            allowed_ips: Vec::new(),
            budgets: Vec::new(),
            former: Vec::new(),
            spending: None,
        }
    }
}

impl KeySettings {
    /// What the budgets leave for new holds.
    pub(super) fn room(&self, now_ms: u64) -> Option<Room> {
        let KeySpending { spending, held } = self.spending.as_deref()?;
        spending.room(Scope::Key, &self.budgets, *held, now_ms)
    }

    /// Why the `key` that these are of may not be used for what needs `scope`, as it was presented.
    pub fn denial(
        &self,
        key: &Key,
        scope: KeyScope,
        presented: &Presented,
        now_ms: u64,
    ) -> Option<Denial> {
        let Presented { secret, address, .. } = presented;
        let works = |former: &FormerSecret, hash| former.hash == hash && former.until_ms > now_ms;
        // One that is neither is so long over that it was dropped from the list.
        let is_over = |hash| hash != key.hash && !self.former.iter().any(|it| works(it, hash));
        if secret.is_some_and(is_over) {
            return Some(Denial::ReplacedSecret);
        }
        if !self.scopes.contains(&scope) {
            return Some(Denial::ScopeMissing);
        }
        let is_allowed = |address: IpAddr| self.allowed_ips.iter().any(|ips| ips.contains(address));
        let is_elsewhere = address.is_some_and(|address| !is_allowed(address));
        (!self.allowed_ips.is_empty() && is_elsewhere).then_some(Denial::AddressNotAllowed)
    }

    /// How many former secrets work still.
    fn former_working(&self, now_ms: u64) -> usize {
        self.former.iter().filter(|former| former.until_ms > now_ms).count()
    }

    /// Whether one more former secret may work beside those that do.
    pub(super) fn may_rotate(&self, now_ms: u64) -> bool {
        self.former_working(now_ms) < FORMER_MAX
    }

    /// What ends those that work still, if any does.
    pub(super) fn ending_former(&self, now_ms: u64) -> Option<KeyChange> {
        (self.former_working(now_ms) > 0).then_some(KeyChange::FormerSecretsUntilMs(now_ms))
    }

    /// Every former secret is over.
    pub(super) fn end_former(&mut self, at_ms: u64) {
        for former in &mut self.former {
            former.until_ms = former.until_ms.min(at_ms);
        }
    }

    /// The secret that was in use until now is a former one.
    pub(super) fn rotated(&mut self, former: FormerSecret, now_ms: u64) {
        self.former.push(former);
        let is_over = |former: &FormerSecret| former.until_ms <= now_ms;
        if self.former.len() > FORMER_MAX
            && let Some(oldest) = self.former.iter().position(is_over)
        {
            self.former.remove(oldest);
        }
    }

    /// Counts what a new or extended hold of the key set aside.
    pub(super) fn held(&mut self, amount: NanoUsd) {
        if let Some(spending) = &mut self.spending {
            spending.held = spending.held.saturating_add(amount);
        }
    }

    /// Counts the end of a hold of the key.
    pub(super) fn ended(&mut self, amount: NanoUsd) {
        if let Some(spending) = &mut self.spending {
            spending.held = spending.held.saturating_sub(amount);
        }
    }

    /// Counts what a settlement charged.
    pub(super) fn settled(&mut self, charged: NanoUsd, at_ms: u64) {
        if let Some(spending) = &mut self.spending {
            spending.spending.add(charged, at_ms);
        }
    }
}

impl KeyChange {
    /// Whether this can be.
    pub(super) fn check(&self) -> Result<(), Denial> {
        match self {
            Self::Budgets(budgets) => budget::check(budgets),
            Self::Referrers(patterns) => {
                let all = patterns.iter().all(|pattern| referrer::is_pattern(pattern));
                if all { Ok(()) } else { Err(Denial::BadReferrer) }
            }
            Self::Name(_)
            | Self::Tags(_)
            | Self::Models(_)
            | Self::ExpiresAtMs(_)
            | Self::Limits(_)
            | Self::Scopes(_)
            | Self::AllowedIps(_)
            | Self::Project(_)
            | Self::FormerSecretsUntilMs(_) => Ok(()),
        }
    }

    /// Whether the key is so already. Of what is not kept with the key, never.
    pub(super) fn is_made(&self, key: &Key, settings: &KeySettings) -> bool {
        match self {
            Self::Name(name) => *name == key.name,
            Self::Tags(tags) => *tags == settings.tags,
            Self::Models(models) => *models == key.models,
            Self::ExpiresAtMs(at_ms) => *at_ms == key.expires_at_ms,
            Self::Limits(limits) => *limits == key.limits,
            Self::Budgets(budgets) => *budgets == settings.budgets,
            Self::Scopes(scopes) => *scopes == settings.scopes,
            Self::AllowedIps(networks) => *networks == settings.allowed_ips,
            Self::FormerSecretsUntilMs(at_ms) => settings.former_working(*at_ms) == 0,
            Self::Project(_) | Self::Referrers(_) => false,
        }
    }

    /// Makes it, where it is kept with the key. `held` is what the key's open holds may spend.
    pub(super) fn make(&self, key: &mut Key, settings: &mut KeySettings, held: NanoUsd) {
        match self {
            Self::Name(name) => key.name.clone_from(name),
            Self::Tags(tags) => settings.tags.clone_from(tags),
            Self::Models(models) => key.models.clone_from(models),
            Self::ExpiresAtMs(at_ms) => key.expires_at_ms = *at_ms,
            Self::Limits(limits) => key.limits = *limits,
            Self::Budgets(budgets) => {
                settings.budgets.clone_from(budgets);
                let new = || Box::new(KeySpending { spending: Spending::default(), held });
                settings.spending.get_or_insert_with(new);
            }
            Self::Scopes(scopes) => settings.scopes.clone_from(scopes),
            Self::AllowedIps(networks) => settings.allowed_ips.clone_from(networks),
            Self::FormerSecretsUntilMs(at_ms) => settings.end_former(*at_ms),
            Self::Project(_) | Self::Referrers(_) => {}
        }
    }
}

impl Key {
    /// Whether the key may use the public model name `model`.
    pub fn allows(&self, model: &str) -> bool {
        allows(&self.models, model)
    }

    /// Whether all that it may use this one may use too. Patterns are compared as they are written: what
    /// is said to be within a pattern is, whatever models there will be.
    pub fn allows_all_of(&self, models: &[String]) -> bool {
        self.models.is_empty()
            || (!models.is_empty() && models.iter().all(|model| self.allows(model)))
    }
}

/// Whether `patterns` are of the public model name `model`; none are of all.
pub(super) fn allows(patterns: &[String], model: &str) -> bool {
    patterns.is_empty() || patterns.iter().any(|pattern| matches(pattern, model))
}

/// Whether `text` is what `pattern` says, where `*` stands for anything, also nothing.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(first) else { return false };
    let mut parts = rest.split('*').peekable();
    // Each part as early as it can be, which leaves the most for those behind it; the last at the end.
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return text.ends_with(part);
        }
        match text.split_once(part) {
            Some((_, behind)) => text = behind,
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_star_stands_for_anything_and_only_a_star_does() {
        for (pattern, text, is_match) in [
            ("gpt-4", "gpt-4", true),
            ("gpt-4", "gpt-4o", false),
            ("gpt-*", "gpt-", true),
            ("*", "", true),
            ("*-mini", "gpt-4o-mini", true),
            ("*-mini", "gpt-4o-mini-2", false),
            ("a*b*c", "axbxbxc", true),
            ("a*b*c", "axc", false),
            ("ab*ba", "aba", false),
            ("*a*", "bab", true),
            ("**", "x", true),
            ("g?t", "gpt", false),
        ] {
            assert_eq!(matches(pattern, text), is_match, "{pattern} {text}");
        }
    }

    /// The definition, without any thought.
    fn matches_slowly(pattern: &[u8], text: &[u8]) -> bool {
        match pattern {
            [] => text.is_empty(),
            [b'*', rest @ ..] => (0..=text.len()).any(|at| matches_slowly(rest, &text[at..])),
            [byte, rest @ ..] => text.first() == Some(byte) && matches_slowly(rest, &text[1..]),
        }
    }

    proptest! {
        #[test]
        fn patterns_match_what_they_are_defined_to(pattern in "[ab*]{0,8}", text in "[ab]{0,10}") {
            let slowly = matches_slowly(pattern.as_bytes(), text.as_bytes());
            prop_assert_eq!(matches(&pattern, &text), slowly);
        }

        #[test]
        fn a_pattern_with_its_only_star_at_the_end_means_what_it_always_did(
            (prefix, text) in ("[ab]{0,3}", "[ab]{0,6}"),
        ) {
            prop_assert_eq!(matches(&format!("{prefix}*"), &text), text.starts_with(&prefix));
        }
    }
}
