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
fn models(node: &Node<'_>) -> Option<Vec<String>> {
    let nodes = node.list()?;
    if nodes.is_empty() {
        node.fault("no model: name those it may buy, or write [\"*\"] for all");
        return None;
    }
    let mut models: Vec<String> = Vec::new();
    for node in &nodes {
        let text = node.text()?;
        if text.strip_suffix('*').unwrap_or(&text).contains('*') || text.is_empty() {
            node.fault("a `*` may stand at a name's end only, and stands for any ending");
        }
        models.push(text);
    }
    // All of them, which the rules write as no list.
    if models.iter().any(|model| model == "*") {
        models.clear();
    }
    Some(models)
}
