//! What a configuration says about keys: when one is used so unusually that it is stopped. Pure.

use std::time::Duration;

use infergate_actors::account::GuardRules;
use infergate_actors::money::NanoUsd;

use super::settings::duration;
use super::tree::{Node, Section};

const MINUTE: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);

/// Reads `[keys]`: the rules of the guard, where it is on.
pub(super) fn guard(section: Section<'_>) -> Option<GuardRules> {
    let mut keys = section;
    let mut s = keys.section("guard");
    let enabled = s.optional("enabled", Node::flag).unwrap_or(false);
    // What is remembered of a key's networks is not endless: see the guard.
    let networks_new_max = s.optional("networks_new_max", |node| node.number_u32(0..=32));
    let spend_factor = s.optional("spend_factor", |node| node.number_u32(0..=1_000_000));
    let rules = GuardRules {
        learning: duration(&mut s, "learning", 3 * DAY, MINUTE, 90 * DAY),
        networks_new_max: Some(networks_new_max.unwrap_or(10)).filter(|most| *most > 0),
        networks_within: duration(&mut s, "networks_within", 60 * MINUTE, MINUTE, 7 * DAY),
        spend_factor: Some(spend_factor.unwrap_or(10)).filter(|factor| *factor > 0),
        spend_floor: s.optional("spend_floor_usd", Node::amount).unwrap_or(NanoUsd::from_usd(1)),
    };
    s.end();
    keys.end();
    enabled.then_some(rules)
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    use super::*;

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse("c", text, &|_| None).map_err(|faults| faults.to_string())
    }

    #[test]
    fn the_guard_is_off_until_it_is_switched_on() {
        assert_eq!(parse("").unwrap().guard, None);
        assert_eq!(parse("[keys.guard]\nspend_factor = 2\n").unwrap().guard, None);
        let on = parse("[keys.guard]\nenabled = true\nnetworks_new_max = 0\nlearning = \"1d\"\n");
        let on = on.unwrap().guard.unwrap();
        assert_eq!((on.learning, on.networks_new_max, on.spend_factor), (DAY, None, Some(10)));
        assert_eq!(on.spend_floor, NanoUsd::from_usd(1));
        for wrong in ["networks_new_max = 33", "spend_floor_usd = 1", "learning = \"0s\"", "x = 1"]
        {
            assert!(parse(&format!("[keys.guard]\n{wrong}\n")).is_err(), "{wrong}");
        }
    }
}
