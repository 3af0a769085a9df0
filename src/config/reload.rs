//! What a new configuration changes, and what it may not change while running. Pure.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use super::meant::Config;

/// One thing that a new configuration changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Limits and timeouts of the data port, or its certificate's files.
    Server,
    /// Settings of the store that can change while it is open.
    Store,
    /// The demo account's credit, for the next demo account.
    Trial,
    /// Which credit may buy what, and what payments lead to.
    Credit,
    /// When a key is used so unusually that it is stopped.
    Guard,
    /// How long records and sums of usage are kept, from the next start on.
    Usage,
    /// What accounts may do and pay, by plan.
    Plans,
    /// Who may open an account of their own.
    SignUp,
    /// How much may be kept of answers.
    Cache,
    /// How those outside are told of what happens.
    Notices,
    /// A webhook of this name came, changed or went.
    Webhook(Arc<str>, Step),
    /// A provider of this name came, changed or went.
    Provider(Arc<str>, Step),
    /// A model of this name came, changed or went.
    Model(Arc<str>, Step),
}

/// How a named thing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Only the new configuration has it.
    Added,
    /// Both have it, and it differs.
    Changed,
    /// Only the old configuration has it.
    Removed,
}

/// Changes that need a restart: the new configuration was refused as a whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} can't change while running: restart to apply, the old configuration stays", Keys(.keys))]
pub struct NotReloadable {
    /// The keys that differ.
    pub keys: Vec<&'static str>,
}

struct Keys<'k>(&'k [&'static str]);

/// What `new` changes of `old`, in the order of the file; nothing when they mean the same.
///
/// A model counts as changed, too, when its providers moved in the list.
pub fn diff(old: &Config, new: &Config) -> Result<Vec<Change>, NotReloadable> {
    let fixed = [
        ("server.listen", old.server.listen == new.server.listen),
        ("server.tls", old.server.tls.is_some() == new.server.tls.is_some()),
        ("admin.listen", old.admin.listen == new.admin.listen),
        ("store.path", old.store.path == new.store.path),
        ("store.durability", old.store.durability == new.store.durability),
        ("store.node", old.store.node == new.store.node),
    ];
    let keys: Vec<_> = fixed.iter().filter(|(_, same)| !same).map(|(key, _)| *key).collect();
    if !keys.is_empty() {
        return Err(NotReloadable { keys });
    }
    let settings = [
        (Change::Server, old.server == new.server),
        (Change::Store, old.store == new.store),
        (Change::Trial, old.trial == new.trial),
        (Change::Credit, old.credit == new.credit),
        (Change::Guard, old.guard == new.guard),
        (Change::Usage, old.usage == new.usage),
        (Change::Plans, old.plans == new.plans),
        (Change::SignUp, old.sign_up == new.sign_up),
        (Change::Cache, old.cache == new.cache),
        (Change::Notices, old.notices == new.notices),
    ];
    let mut changes: Vec<_> =
        settings.into_iter().filter(|(_, same)| !same).map(|(change, _)| change).collect();
    let webhooks = steps(&old.webhooks, &new.webhooks, |webhook| &webhook.name);
    changes.extend(webhooks.into_iter().map(|(name, step)| Change::Webhook(name, step)));
    let providers = steps(&old.providers, &new.providers, |provider| &provider.name);
    changes.extend(providers.into_iter().map(|(name, step)| Change::Provider(name, step)));
    let models = steps(&old.models, &new.models, |model| &model.name);
    changes.extend(models.into_iter().map(|(name, step)| Change::Model(name, step)));
    Ok(changes)
}

fn steps<T: PartialEq>(old: &[T], new: &[T], name: fn(&T) -> &Arc<str>) -> Vec<(Arc<str>, Step)> {
    let mut before: HashMap<&str, &T> = old.iter().map(|item| (&**name(item), item)).collect();
    let mut steps = Vec::new();
    for item in new {
        match before.remove(&**name(item)) {
            None => steps.push((Arc::clone(name(item)), Step::Added)),
            Some(old) if old != item => steps.push((Arc::clone(name(item)), Step::Changed)),
            Some(_) => {}
        }
    }
    let removed = old.iter().filter(|item| before.contains_key(&**name(item)));
    steps.extend(removed.map(|item| (Arc::clone(name(item)), Step::Removed)));
    steps
}

impl fmt::Display for Keys<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Config {
        Config::parse("test.toml", text, &|_| None).unwrap()
    }

    const MODEL: &str = "context_tokens = 10\noutput_tokens_max = 5\nfree = true\n\
                         route = { tiers = [[{ provider = \"sim\" }]] }\n";

    #[test]
    fn what_can_change_while_running_is_listed() {
        let old = config(&format!(
            "[server]\nidle_timeout = \"9s\"\n[[providers]]\nname = \"sim\"\nkind = \"simulated\"\n\
             [[models]]\nname = \"a\"\n{MODEL}[[models]]\nname = \"b\"\n{MODEL}"
        ));
        assert_eq!(diff(&old, &old), Ok(Vec::new()));
        let new = config(&format!(
            "[trial]\ncredit_usd = \"1\"\n[credit]\npaid_entitlement = true\n[keys.guard]\nenabled = true\n[usage]\nkeep_records = \"9d\"\n[plans.a]\n[signup]\npolicy = \"open\"\n[cache]\nbytes_max = \"2MiB\"\n[notices]\ntimeout = \"9s\"\n[store]\nfsync_interval = \"1ms\"\n\
             [[webhooks]]\nname = \"hook\"\nurl = \"https://a.example/\"\nsecrets = [\"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"]\n\
             [[providers]]\nname = \"sim\"\nkind = \"simulated\"\nin_flight_max = 3\n\
             [[models]]\nname = \"c\"\n{MODEL}[[models]]\nname = \"b\"\nowned_by = \"me\"\n{MODEL}"
        ));
        assert_eq!(
            diff(&old, &new),
            Ok(vec![
                Change::Server,
                Change::Store,
                Change::Trial,
                Change::Credit,
                Change::Guard,
                Change::Usage,
                Change::Plans,
                Change::SignUp,
                Change::Cache,
                Change::Notices,
                Change::Webhook("hook".into(), Step::Added),
                Change::Provider("sim".into(), Step::Changed),
                Change::Model("c".into(), Step::Added),
                Change::Model("b".into(), Step::Changed),
                Change::Model("a".into(), Step::Removed),
            ])
        );
    }

    #[test]
    fn what_needs_a_restart_is_refused_by_name() {
        let old = config("");
        let new = config(
            "[server]\nlisten = \"127.0.0.1:1\"\n[admin]\nlisten = \"127.0.0.1:2\"\n\
             [store]\npath = \"other\"\ndurability = \"disk\"\nnode = 1",
        );
        let refusal = diff(&old, &new).unwrap_err();
        let keys = "server.listen, admin.listen, store.path, store.durability, store.node";
        assert_eq!(
            refusal.to_string(),
            format!(
                "{keys} can't change while running: restart to apply, the old configuration stays"
            )
        );
    }
}
