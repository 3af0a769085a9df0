//! The configuration that ships: complete, true to the code, and enough for a first run.

use std::collections::HashSet;

use super::*;

#[test]
fn the_shipped_file_needs_no_credential() {
    let config = Config::parse("c", DEFAULT, &|_| None).unwrap();
    let names =
        |names: &mut dyn Iterator<Item = &str>| names.map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(names(&mut config.providers.iter().map(|p| &*p.name)), ["simulated"]);
    assert_eq!(names(&mut config.models.iter().map(|m| &*m.name)), ["sim-small", "sim-large"]);
    let note = "provider \"openai\" is off: the environment has no OPENAI_API_KEY";
    assert!(config.notes.iter().any(|known| known == note), "{:?}", config.notes);
}

#[test]
fn each_credential_switches_its_shipped_provider_on() {
    for provider in ["openai", "openrouter", "groq", "together", "deepseek", "mistral", "xai"] {
        let variable = format!("{}_API_KEY", provider.to_uppercase());
        let only = |name: &str| (name == variable).then(|| "sk-1".to_owned());
        let config = Config::parse("c", DEFAULT, &only).unwrap();
        assert!(config.provider(provider).is_some());
        let leads_there = |model: &Model| {
            model.route.tiers.iter().flatten().any(|target| &*target.provider_name == provider)
        };
        assert!(config.models.iter().any(leads_there), "{provider}");
    }
}

#[test]
fn the_defaults_that_the_shipped_file_shows_are_those_of_the_code() {
    let is_key = |line: &str| line.starts_with(|first: char| first.is_ascii_lowercase());
    let uncommented = |line: &str| match line.strip_prefix('#') {
        Some(setting) if is_key(setting) => format!("{setting}\n"),
        _ => format!("{line}\n"),
    };
    let shown: String = DEFAULT.lines().map(uncommented).collect();
    assert!(shown.len() + 40 <= DEFAULT.len(), "no line was uncommented");
    let all_on = |name: &str| name.ends_with("_KEY").then(|| "sk-1".to_owned());
    assert_eq!(Config::parse("c", &shown, &all_on), Config::parse("c", DEFAULT, &all_on));
}

#[test]
fn the_shipped_file_shows_every_key() {
    // Asking each table for a key that it can't have makes it list those it can.
    let stranger = r"
zzzzzz = 1
server = { zzzzzz = 1, tls = { zzzzzz = 1 } }
admin.zzzzzz = 1
store.zzzzzz = 1
trial.zzzzzz = 1
credit = { zzzzzz = 1, rules = { zzzzzz = 1, trial = { zzzzzz = 1 } } }
keys = { zzzzzz = 1, guard = { zzzzzz = 1 } }
usage.zzzzzz = 1
plans = { a = { zzzzzz = 1, limits = { zzzzzz = 1 }, subscription = { zzzzzz = 1, price_usd = '1' } } }
signup.zzzzzz = 1
cache.zzzzzz = 1
notices.zzzzzz = 1
routing.zzzzzz = 1
timeouts.zzzzzz = 1
breaker.zzzzzz = 1
[[webhooks]]
zzzzzz = 1
[[providers]]
zzzzzz = 1
health_probe = { zzzzzz = 1 }
[[providers.deployments]]
zzzzzz = 1
[[models]]
zzzzzz = 1
price = { zzzzzz = 1, tiers = [{ zzzzzz = 1 }] }
[models.route]
zzzzzz = 1
timeouts.zzzzzz = 1
sticky.zzzzzz = 1
retry.zzzzzz = 1
hedge.zzzzzz = 1
cache.zzzzzz = 1
tiers = [[{ zzzzzz = 1, when = { zzzzzz = 1 } }]]
";
    let faults = parse(stranger).unwrap_err();
    let known: Vec<_> =
        faults.iter().filter_map(|fault| fault.message.split_once("known here are ")).collect();
    assert_eq!(known.len(), stranger.matches("zzzzzz").count());
    let parts: Vec<_> = DEFAULT.split("---\n").collect();
    for fault in faults.iter() {
        let Some((_, keys)) = fault.message.split_once("known here are ") else { continue };
        let (table, _) = fault.key.split_once(['.', '[']).unwrap_or(("", ""));
        let header = format!("[{table}]");
        let part = if table.is_empty() {
            DEFAULT
        } else {
            parts.iter().find(|part| part.contains(&header)).unwrap()
        };
        let is_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        let words: HashSet<_> = part.split(|letter| !is_word(letter)).collect();
        for key in keys.split(", ") {
            assert!(words.contains(key), "{key} of [{table}] is not shown");
        }
    }
}
