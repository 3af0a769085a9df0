//! What a configuration says about credit: which kind may buy what, and what payments lead to. Pure.

use infergate_actors::account::{CreditRules, GrantKind, KindRule, OnDispute};

use super::tree::{Node, Section};

/// Each kind as the file names it.
const KINDS: [(&str, GrantKind); GrantKind::COUNT] = [
    ("trial", GrantKind::Trial),
    ("paid", GrantKind::Paid),
    ("subscription", GrantKind::Subscription),
    ("promotional", GrantKind::Promotional),
    ("adjustment", GrantKind::Adjustment),
    ("compensation", GrantKind::Compensation),
];

const ON_DISPUTE: [(&str, OnDispute); 2] =
    [("suspend", OnDispute::Suspend), ("restrict", OnDispute::Restrict)];

/// Reads `[credit]`.
pub(super) fn credit(section: Section<'_>) -> CreditRules {
    let mut s = section;
    let default = CreditRules::default();
    let mut rules = CreditRules {
        paid_entitlement: s
            .optional("paid_entitlement", Node::flag)
            .unwrap_or(default.paid_entitlement),
        on_dispute: s
            .optional("on_dispute", |node| node.choice(&ON_DISPUTE))
            .unwrap_or(default.on_dispute),
        ..default
    };
    let mut of_kinds = s.section("rules");
    for (name, kind) in KINDS {
        let written = rule(of_kinds.section(name), rules.rule(kind).refundable);
        rules.set(kind, written);
    }
    of_kinds.end();
    s.end();
    rules
}

fn rule(section: Section<'_>, refundable: bool) -> KindRule {
    let mut s = section;
    let models = s.optional("models", models).unwrap_or_default();
    let refundable = s.optional("refundable", Node::flag).unwrap_or(refundable);
    s.end();
    KindRule { models, refundable }
}

/// The models a kind may buy: nothing in the list is nothing to buy, which nobody means.
pub(super) fn models(node: &Node<'_>) -> Option<Vec<String>> {
    let nodes = node.list()?;
    if nodes.is_empty() {
        node.fault("no model: name those it may buy, or write [\"*\"] for all");
        return None;
    }
    let mut models: Vec<String> = Vec::new();
    for node in &nodes {
        let text = node.text()?;
        if text.is_empty() {
            node.fault("no model has an empty name: write \"*\" for all");
        }
        if text.strip_suffix('*').unwrap_or(&text).contains('*') {
            node.fault("a `*` may stand at a name's end only, where it stands for any ending");
        }
        models.push(text);
    }
    // All of them, which the rules write as no list.
    if models.iter().any(|model| model == "*") {
        models.clear();
    }
    Some(models)
}

#[cfg(test)]
mod tests {
    use infergate_actors::account::Kinds;

    use crate::config::Config;

    use super::*;

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse("c", text, &|_| None).map_err(|faults| faults.to_string())
    }

    #[test]
    fn a_kind_buys_what_its_rule_says_and_all_where_it_says_nothing() {
        let rules = parse(
            "[credit]\non_dispute = \"restrict\"\n[credit.rules.trial]\nmodels = [\"sim-*\", \"a\"]\n\
             [credit.rules]\npaid = { models = [\"b\", \"*\"] }\ncompensation.refundable = true\n",
        );
        let rules = rules.unwrap().credit;
        assert_eq!((rules.on_dispute, rules.paid_entitlement), (OnDispute::Restrict, false));
        assert_eq!(rules.buying("sim-1"), Kinds::ALL);
        let others = GrantKind::ALL.into_iter().filter(|kind| *kind != GrantKind::Trial);
        assert_eq!(rules.buying("b"), others.collect());
        assert!(rules.rule(GrantKind::Paid).refundable, "what is not written stays");
        assert!(rules.rule(GrantKind::Compensation).refundable);
        assert_eq!(parse("").unwrap().credit, CreditRules::default());
    }

    #[test]
    fn a_rule_that_can_not_be_meant_is_a_fault() {
        for (text, fault) in [
            ("[credit.rules.trial]\nmodels = []", "name those it may buy"),
            ("[credit.rules.trial]\nmodels = [\"a*b\"]", "at a name's end only"),
            ("[credit.rules.trial]\nmodels = [\"\"]", "an empty name"),
            ("[credit.rules.trail]\nmodels = [\"a\"]", "known here are trial, paid"),
            ("[credit]\non_dispute = \"close\"", "one of \"suspend\", \"restrict\""),
        ] {
            let faults = parse(text).unwrap_err();
            assert!(faults.contains(fault), "{text}: {faults}");
        }
    }
}
