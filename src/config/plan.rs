//! What a configuration says about plans: what their accounts may do, what they pay, and what a
//! subscription costs and gives. Pure.

use std::time::Duration;

use infergate_actors::account::{BillingPeriod, Limits, Offer, PlanTerms, Plans};
use infergate_actors::money::{Markup, NanoUsd};

use super::tree::{Node, Section};
use super::unit;

const NAME_BYTES_MAX: usize = 64;
const PLANS_MAX: usize = 1_000;
const MODELS_MAX: usize = 1_000;
const DAY: Duration = Duration::from_hours(24);
const GRACE_DEFAULT: Duration = Duration::from_hours(7 * 24);
const GRACE_MAX: Duration = Duration::from_hours(366 * 24);
const PERIOD_DAYS_MAX: u16 = 3_660;

/// Reads `[plans]` and `default_plan`.
pub(super) fn plans<'t>(root: &mut Section<'t>) -> Plans {
    let default = root.get("default_plan");
    let section = root.section("plans");
    let entries = section.entries();
    if let Some((_, node)) = entries.get(PLANS_MAX) {
        node.fault(format!("{} plans, and at most {PLANS_MAX} are allowed", entries.len()));
    }
    let read = |(name, node): &(String, Node<'t>)| {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(is_allowed) {
            let rule = "letters, digits, `-`, `_` and `.`";
            node.fault(format!("no name of a plan: 1 to {NAME_BYTES_MAX} of {rule}"));
        }
        Some(plan(name.clone(), node.section()?))
    };
    let plans: Vec<PlanTerms> = entries.iter().take(PLANS_MAX).filter_map(read).collect();
    let default = default.and_then(|node| {
        let name = node.text()?;
        if !plans.iter().any(|plan| plan.name == name) {
            node.fault(format!("no plan is called so: add [plans.{name}]"));
        }
        Some(name)
    });
    Plans::new(plans, default.as_deref())
}

fn plan(name: String, section: Section<'_>) -> PlanTerms {
    let mut s = section;
    let mut of_limits = s.section("limits");
    let limits = Limits {
        requests_per_minute: of_limits
            .optional("requests_per_minute", |node| node.number_u32(0..=u32::MAX)),
        tokens_per_minute: of_limits
            .optional("tokens_per_minute", |node| node.number(0..=u64::MAX)),
        in_flight: of_limits.optional("in_flight", |node| node.number_u32(0..=u32::MAX)),
    };
    of_limits.end();
    let models = s.optional("models", models).unwrap_or_default();
    let markup = s.optional("markup", markup).unwrap_or_default();
    let offer = s.optional("subscription", |node| Some(offer(node.section()?, node)));
    s.end();
    PlanTerms { name, limits, models, markup, offer }
}

fn offer<'t>(section: Section<'t>, node: &Node<'t>) -> Offer {
    let mut s = section;
    let offer = Offer {
        price: s.optional("price_usd", Node::amount).unwrap_or_default(),
        allowance: s.optional("allowance_usd", Node::amount).unwrap_or_default(),
        period: s.optional("period", period).unwrap_or(BillingPeriod::Month),
        grace_ms: millis(
            s.optional("grace", |node| node.duration(Duration::ZERO..=GRACE_MAX))
                .unwrap_or(GRACE_DEFAULT),
        ),
    };
    s.end();
    if offer.price == NanoUsd::ZERO && offer.allowance == NanoUsd::ZERO {
        node.fault("it costs nothing and gives nothing: add `price_usd` or `allowance_usd`");
    }
    offer
}

/// `"month"`, or days such as `"30d"`.
fn period(node: &Node<'_>) -> Option<BillingPeriod> {
    let text = node.text()?;
    if text == "month" {
        return Some(BillingPeriod::Month);
    }
    let days = unit::duration(&text).filter(|span| span.as_millis() % DAY.as_millis() == 0);
    let days = days.and_then(|span| u16::try_from(span.as_secs() / DAY.as_secs()).ok());
    let days = days.filter(|days| (1..=PERIOD_DAYS_MAX).contains(days));
    if days.is_none() {
        let shown = node.shown();
        node.fault(format!(
            "{shown} is no period: \"month\", or whole days such as \"30d\", up to {PERIOD_DAYS_MAX}"
        ));
    }
    days.map(BillingPeriod::Days)
}

/// A percentage on the list price.
fn markup(node: &Node<'_>) -> Option<Markup> {
    match node.text()?.parse() {
        Ok(markup) => Some(markup),
        Err(error) => {
            node.fault(format!("{} is {error}", node.shown()));
            None
        }
    }
}

/// The models of a plan: nothing in the list is nothing to use, which nobody means.
fn models(node: &Node<'_>) -> Option<Vec<String>> {
    let nodes = node.list()?;
    if nodes.is_empty() || nodes.len() > MODELS_MAX {
        node.fault(format!("{} models: name 1 to {MODELS_MAX}, or [\"*\"] for all", nodes.len()));
        return None;
    }
    let mut models: Vec<String> = Vec::new();
    for node in &nodes {
        let text = node.text()?;
        if text.is_empty() {
            node.fault("no model has an empty name: write \"*\" for all");
        }
        models.push(text);
    }
    // All of them, which the terms write as no list.
    if models.iter().any(|model| model == "*") {
        models.clear();
    }
    Some(models)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    use super::*;

    fn parse(text: &str) -> Result<Plans, String> {
        let config = Config::parse("c", text, &|_| None);
        config.map(|config| config.plans).map_err(|faults| faults.to_string())
    }

    #[test]
    fn a_plan_says_what_its_accounts_may_do_and_pay() {
        let plans = parse(
            "default_plan = \"free\"\n[plans.free]\nmodels = [\"sim-*\"]\n[plans.pro]\nmarkup = \"12.5%\"\n\
             limits = { requests_per_minute = 60, in_flight = 4 }\nmodels = [\"a\", \"*\"]\n\
             subscription = { price_usd = \"20\", allowance_usd = \"25\", period = \"30d\" }\n",
        )
        .unwrap();
        let pro = plans.get("pro").unwrap();
        assert_eq!((pro.markup, pro.models.len()), (Markup(1_125_000), 0));
        let limits =
            Limits { requests_per_minute: Some(60), in_flight: Some(4), ..Limits::default() };
        assert_eq!(pro.limits, limits);
        let offer = Offer {
            price: NanoUsd::from_usd(20),
            allowance: NanoUsd::from_usd(25),
            period: BillingPeriod::Days(30),
            grace_ms: 7 * 86_400_000,
        };
        assert_eq!(pro.offer, Some(offer));
        let free = plans.default_plan().unwrap();
        let expected = PlanTerms {
            name: "free".into(),
            models: vec!["sim-*".to_owned()],
            ..PlanTerms::default()
        };
        assert_eq!(free, &expected);
        assert_eq!(parse(""), Ok(Plans::default()));
    }

    #[test]
    fn a_plan_that_can_not_be_meant_is_a_fault() {
        for (text, fault) in [
            ("default_plan = \"pro\"", "add [plans.pro]"),
            ("[plans.pro]\nmarkup = 1.2", "where a text belongs"),
            ("[plans.pro]\nmarkup = \"20\"", "is no markup"),
            ("[plans.pro]\nmodels = []", "name 1 to 1000"),
            ("[plans.pro]\nlimit = {}", "did you mean `limits`?"),
            ("[plans.\"a b\"]", "no name of a plan"),
            ("[plans.pro.subscription]\nperiod = \"month\"", "costs nothing and gives nothing"),
            ("[plans.pro.subscription]\nprice_usd = \"1\"\nperiod = \"36h\"", "is no period"),
            ("[plans.pro.subscription]\nprice_usd = \"1\"\nperiod = \"0d\"", "is no period"),
        ] {
            let faults = parse(text).unwrap_err();
            assert!(faults.contains(fault), "{text}: {faults}");
        }
    }
}
