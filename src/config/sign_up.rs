//! What a configuration says about signing up: who may, what they get, and how often. Pure.

use std::time::Duration;

use infergate_actors::account::{CreditRules, GrantKind, KindRule};
use infergate_actors::money::NanoUsd;

use super::tree::{Node, Section};
use super::{Config, credit};

const MINUTE: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);

/// Who may open an account of their own, and with what it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignUp {
    /// Who may.
    pub policy: SignUpPolicy,
    /// The credit that each account begins with; none where it is nothing.
    pub trial_credit: Option<NanoUsd>,
    /// When the rest of it lapses; never where that is not said.
    pub trial_expires_after: Option<Duration>,
    /// Domains of addresses that may, in lower case; with those below them. Empty: all.
    pub email_domains: Vec<String>,
    /// Domains that may not.
    pub email_domains_denied: Vec<String>,
    /// The longest name, in bytes.
    pub name_bytes_max: usize,
    /// Tries in an hour from one address, or one network of 64 bits; no limit where it is none.
    pub per_hour_and_address: Option<u32>,
    /// Tries in an hour in all.
    pub per_hour: Option<u32>,
}

/// Who may open an account of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignUpPolicy {
    /// Everybody.
    Open,
    /// Whoever has an invite.
    Invite,
    /// Nobody: operators open accounts.
    Closed,
}

const POLICIES: [(&str, SignUpPolicy); 3] = [
    ("open", SignUpPolicy::Open),
    ("invite", SignUpPolicy::Invite),
    ("closed", SignUpPolicy::Closed),
];

/// Nobody may sign up.
impl Default for SignUp {
    fn default() -> Self {
        Self {
            policy: SignUpPolicy::Closed,
            trial_credit: None,
            trial_expires_after: None,
            email_domains: Vec::new(),
            email_domains_denied: Vec::new(),
            name_bytes_max: 100,
            per_hour_and_address: Some(5),
            per_hour: Some(200),
        }
    }
}

/// Reads `[signup]`. The models that a trial may buy are a rule of trial credit, so they are written into
/// `rules`.
pub(super) fn sign_up(section: Section<'_>, rules: &mut CreditRules) -> SignUp {
    let mut s = section;
    let default = SignUp::default();
    let rate = |default: Option<u32>| {
        move |written: Option<u32>| match written {
            None => default,
            Some(0) => None,
            Some(rate) => Some(rate),
        }
    };
    let sign_up = SignUp {
        policy: s.optional("policy", |node| node.choice(&POLICIES)).unwrap_or(default.policy),
        trial_credit: s
            .optional("trial_credit_usd", Node::amount)
            .filter(|credit| credit.is_positive()),
        trial_expires_after: s
            .optional("trial_expires_after", |node| node.duration(MINUTE..=36_500 * DAY)),
        email_domains: s.optional("email_domains", domains).unwrap_or_default(),
        email_domains_denied: s.optional("email_domains_denied", domains).unwrap_or_default(),
        name_bytes_max: s
            .optional("name_bytes_max", |node| node.number_u32(1..=256))
            .and_then(|bytes| usize::try_from(bytes).ok())
            .unwrap_or(default.name_bytes_max),
        per_hour_and_address: rate(default.per_hour_and_address)(
            s.optional("per_hour_and_address", |node| node.number_u32(0..=1_000_000)),
        ),
        per_hour: rate(default.per_hour)(
            s.optional("per_hour", |node| node.number_u32(0..=1_000_000)),
        ),
    };
    let trial = rules.rule(GrantKind::Trial).clone();
    let models = s.optional("trial_models", |node| {
        let models = credit::models(node)?;
        if !trial.models.is_empty() && models != trial.models {
            node.fault(
                "credit.rules.trial names other models: write them in one of the two places",
            );
        }
        Some(models)
    });
    if let Some(models) = models {
        rules.set(GrantKind::Trial, KindRule { models, ..trial });
    }
    s.end();
    sign_up
}

fn domains(node: &Node<'_>) -> Option<Vec<String>> {
    let domain = |node: &Node<'_>| {
        let text = node.text()?.to_ascii_lowercase();
        // What an address at it would be refused for is no domain.
        if format!("a@{text}").parse::<infergate_actors::account::Email>().is_err() {
            node.fault(format!("{} is no domain such as \"example.com\"", node.shown()));
        }
        Some(text)
    };
    node.list()?.iter().map(domain).collect()
}

impl SignUp {
    /// Whether somebody with an address at `domain` may.
    pub fn allows_domain(&self, domain: &str) -> bool {
        let is_in = |known: &String| {
            let above = domain.strip_suffix(known.as_str());
            above.is_some_and(|above| above.is_empty() || above.ends_with('.'))
        };
        let is_allowed = self.email_domains.is_empty() || self.email_domains.iter().any(is_in);
        is_allowed && !self.email_domains_denied.iter().any(is_in)
    }
}

impl Config {
    /// What is most likely not meant of it.
    pub(super) fn sign_up_warnings(&self) -> Option<String> {
        let SignUp { policy, trial_credit, per_hour_and_address, per_hour, .. } = &self.sign_up;
        let credit = (*trial_credit).filter(|_| *policy == SignUpPolicy::Open)?;
        let lacking = match (per_hour_and_address, per_hour) {
            (Some(_), Some(_)) => return None,
            (None, Some(_)) => "per_hour_and_address is 0: one address",
            (Some(_), None) => "per_hour is 0: many addresses together",
            (None, None) => "per_hour_and_address and per_hour are 0: anybody",
        };
        Some(format!(
            "signup: it is open, each account begins with {credit} USD, and {lacking} may open any \
             number of them"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse("c", text, &|_| None).map_err(|faults| faults.to_string())
    }

    #[test]
    fn nobody_signs_up_unless_it_is_said() {
        assert_eq!(parse("").unwrap().sign_up, SignUp::default());
        let config = parse(
            "[signup]\npolicy = \"open\"\ntrial_credit_usd = \"5\"\ntrial_expires_after = \"30d\"\n\
             trial_models = [\"sim-*\"]\nemail_domains = [\"Example.com\"]\n\
             email_domains_denied = [\"bad.example.com\"]\nper_hour = 0\n",
        );
        let config = config.unwrap();
        let sign_up = &config.sign_up;
        assert_eq!(sign_up.policy, SignUpPolicy::Open);
        assert_eq!(sign_up.trial_credit, Some(NanoUsd::from_usd(5)));
        assert_eq!((sign_up.per_hour, sign_up.per_hour_and_address), (None, Some(5)));
        for (domain, may) in [
            ("example.com", true),
            ("mail.example.com", true),
            ("bad.example.com", false),
            ("x.bad.example.com", false),
            ("notexample.com", false),
            ("example.org", false),
        ] {
            assert_eq!(sign_up.allows_domain(domain), may, "{domain}");
        }
        assert!(!config.credit.buying("large").contains(GrantKind::Trial));
        assert!(config.credit.buying("sim-small").contains(GrantKind::Trial));
    }

    #[test]
    fn what_can_not_be_meant_is_a_fault_and_free_money_for_all_a_warning() {
        for (text, fault) in [
            ("policy = \"free\"", "one of \"open\", \"invite\", \"closed\""),
            ("email_domains = [\"com\"]", "is no domain"),
            ("trial_models = [\"b\"]\n[credit.rules.trial]\nmodels = [\"a\"]", "one of the two"),
        ] {
            let faults = parse(&format!("[signup]\n{text}")).unwrap_err();
            assert!(faults.contains(fault), "{text}: {faults}");
        }
        let warnings = |text: &str| parse(&format!("[signup]\n{text}")).unwrap().warnings(0);
        let open = "policy = \"open\"\ntrial_credit_usd = \"5\"\n";
        assert!(warnings(open).is_empty());
        assert!(warnings("policy = \"open\"\nper_hour = 0").is_empty(), "nothing to be had");
        for (rates, part) in [
            ("per_hour = 0", "many addresses"),
            ("per_hour_and_address = 0", "one address"),
            ("per_hour = 0\nper_hour_and_address = 0", "anybody"),
        ] {
            let told = warnings(&format!("{open}{rates}"));
            assert!(told.len() == 1 && told[0].contains(part), "{told:?}");
        }
    }
}
