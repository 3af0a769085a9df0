//! Reading what is told to whom outside: `[notices]` and `[[webhooks]]`. Pure.

use std::sync::Arc;
use std::time::Duration;

use super::Secret;
use super::tree::{Node, Section, show};
use crate::notify::{NotifySettings, Reach, Retry, SigningSecret, Webhook};

const WEBHOOKS_MAX: usize = 64;
const NAME_BYTES_MAX: usize = 64;
const SECRETS_MAX: usize = 4;
const EVENTS_MAX: usize = 64;
/// The shortest secret that others are made of.
const ACCOUNT_SECRET_BYTES_MIN: usize = 32;
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);

/// Reads `[notices]`.
pub(super) fn notices(section: Section<'_>) -> NotifySettings {
    let mut s = section;
    let settings = NotifySettings {
        account_secret: s.optional("account_secret", account_secret),
        private_addresses: s.optional("private_addresses", Node::flag).unwrap_or(false),
        timeout: s
            .optional("timeout", |node| node.duration(SECOND..=MINUTE))
            .unwrap_or(15 * SECOND),
        retry: Retry {
            first: s
                .optional("retry_first", |node| node.duration(SECOND / 1_000..=DAY))
                .unwrap_or(5 * SECOND),
            max: s
                .optional("retry_max", |node| node.duration(SECOND / 1_000..=DAY))
                .unwrap_or(60 * MINUTE),
            give_up_after: s
                .optional("give_up_after", |node| node.duration(SECOND / 1_000..=30 * DAY))
                .unwrap_or(3 * DAY),
        },
    };
    s.end();
    settings
}

/// Reads `[[webhooks]]`.
pub(super) fn webhooks(root: &mut Section<'_>, timeout: Duration) -> Vec<Webhook> {
    let mut webhooks: Vec<Webhook> = Vec::new();
    for mut s in root.sections("webhooks", WEBHOOKS_MAX) {
        let name = s.required("name", "\"billing\"", |node| {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
            let name = node.name(NAME_BYTES_MAX, allowed, "letters, digits, `-` and `_`")?;
            if webhooks.iter().any(|known| *known.name == *name) {
                let name = show(&name);
                node.fault(format!("a webhook before is called {name} too: rename one"));
            }
            Some(Arc::from(name))
        });
        let url = s.required("url", "\"https://example.com/hook\"", |node| {
            let text = node.text()?;
            let url = Reach::Everywhere.parse(&text);
            url.map_err(|error| node.fault(format!("{} {error}", node.shown()))).ok()
        });
        let secrets = s.required("secrets", "[\"${INFERGATE_WEBHOOK_SECRET}\"]", secrets);
        let events = s.optional("events", events).unwrap_or_default();
        let timeout =
            s.optional("timeout", |node| node.duration(SECOND..=MINUTE)).unwrap_or(timeout);
        s.end();
        let (Some(name), Some(url), Some(secrets)) = (name, url, secrets) else { continue };
        webhooks.push(Webhook { name, url, events, secrets, timeout });
    }
    webhooks
}

fn account_secret(node: &Node<'_>) -> Option<Secret> {
    let text = node.text()?;
    if text.len() < ACCOUNT_SECRET_BYTES_MIN {
        node.fault("too short: at least 32 characters, such as `openssl rand -base64 32` makes");
        return None;
    }
    Some(Secret::new(text))
}

fn secrets(node: &Node<'_>) -> Option<Vec<SigningSecret>> {
    let nodes = node.list()?;
    if nodes.is_empty() || nodes.len() > SECRETS_MAX {
        node.fault(format!("1 to {SECRETS_MAX} secrets sign, the newest first"));
        return None;
    }
    let secret = |node: &Node<'_>| {
        let secret = SigningSecret::parse(&node.text()?);
        secret.map_err(|error| node.fault(format!("{} {error}", node.shown()))).ok()
    };
    nodes.iter().map(secret).collect()
}

/// Kinds of events: nothing in the list is nothing to send, which nobody means.
fn events(node: &Node<'_>) -> Option<Vec<String>> {
    let nodes = node.list()?;
    if nodes.is_empty() || nodes.len() > EVENTS_MAX {
        node.fault(format!("1 to {EVENTS_MAX} kinds, such as \"budget.*\", or \"*\" for all"));
        return None;
    }
    let mut events = Vec::new();
    for node in &nodes {
        let text = node.text()?;
        if let Err(what) = crate::notify::check_kind(&text) {
            node.fault(format!("{} {what}", node.shown()));
        }
        events.push(text);
    }
    Some(events)
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    fn parse(text: &str) -> Result<Config, String> {
        let environment = |name: &str| (name == "HOOK").then(|| SECRET.to_owned());
        Config::parse("c", text, &environment).map_err(|faults| faults.to_string())
    }

    #[test]
    fn a_webhook_says_where_what_and_signed_by_whom() {
        let config = parse(
            "[notices]\nretry_max = \"2h\"\n[[webhooks]]\nname = \"billing\"\n\
             url = \"http://127.0.0.1:9/hook\"\nsecrets = [\"${HOOK}\"]\nevents = [\"top_up.*\"]\n",
        );
        let config = config.unwrap();
        let [webhook] = config.webhooks.as_slice() else { panic!("{:?}", config.webhooks) };
        assert_eq!((&*webhook.name, webhook.timeout), ("billing", 15 * SECOND));
        assert_eq!(webhook.secrets[0].expose(), SECRET);
        assert_eq!(webhook.events, ["top_up.*"]);
        assert_eq!(config.notices.retry.max, 120 * MINUTE);
        assert!(!format!("{config:?}").contains("MfKQ9r8"), "a secret shows");
    }

    #[test]
    fn what_can_not_be_meant_is_a_fault() {
        let hook = |lines: &str| {
            format!(
                "[[webhooks]]\nname = \"a\"\nurl = \"https://a.example/\"\nsecrets = [\"${{HOOK}}\"]\n{lines}\n"
            )
        };
        for (text, fault) in [
            ("[[webhooks]]\nname = \"a\"".to_owned(), "add `url ="),
            (hook("events = []"), "kinds, such as"),
            (hook("events = [\"budget.reach\"]"), "names no kind"),
            (hook("") + &hook(""), "rename one"),
            (hook("").replace("${HOOK}", "secret"), "is no secret"),
            (hook("").replace("https://a.example/", "a"), "is no URL"),
            (hook("").replace("name = \"a\"", "name = \"a.b\""), "is no name"),
            ("[notices]\naccount_secret = \"short\"".to_owned(), "at least 32"),
        ] {
            let faults = parse(&text).unwrap_err();
            assert!(faults.contains(fault), "{text}: {faults}");
            assert!(!faults.contains("MfKQ9r8"), "a secret shows");
        }
    }
}
