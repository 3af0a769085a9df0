//! Reading a route's tiers and targets. Pure.

use std::collections::HashSet;
use std::str::FromStr;
use std::sync::Arc;

use super::nearest::nearest;
use super::provider::{
    MODEL_NAME_BYTES_MAX, Providers, Standing, TOKENS_MAX, abilities, deployment_index, model_name,
    tokens,
};
use super::settings::{self, TimeoutsWritten};
use super::tree::Node;
use super::{Target, Timeouts, When};

/// What a route is bounded by; its choice is made on the stack.
const TARGETS_MAX: usize = 64;
const WEIGHT_MAX: u32 = 1_000_000;
/// The most entries of one list of conditions.
const CONDITIONS_MAX: usize = 256;
/// The longest tag.
const TAG_BYTES_MAX: usize = 64;

/// What a target takes from around it.
pub(super) struct Around<'a> {
    pub(super) public_name: &'a str,
    pub(super) timeouts: &'a TimeoutsWritten,
    /// Used where the provider is off, so that the route's own timeouts are still checked.
    pub(super) timeouts_default: &'a Timeouts,
}

/// Reads the tiers, without the targets whose provider is off and the tiers that leaves empty.
pub(super) fn tiers(
    node: &Node<'_>,
    providers: &mut Providers,
    around: &Around<'_>,
) -> Option<Vec<Vec<Target>>> {
    let tier_nodes = node.list()?;
    if tier_nodes.is_empty() {
        node.fault("no tier: name at least one target");
    }
    let mut seen = HashSet::new();
    let mut tiers = Vec::new();
    for tier_node in &tier_nodes {
        let Some(target_nodes) = tier_node.list() else { continue };
        if target_nodes.is_empty() {
            tier_node.fault("an empty tier: name a target or remove it");
        }
        let mut tier = Vec::new();
        for target_node in &target_nodes {
            if seen.len() >= TARGETS_MAX {
                target_node.fault(format!("a route has at most {TARGETS_MAX} targets"));
                return Some(tiers);
            }
            tier.extend(target(target_node, providers, around, &mut seen));
        }
        if !tier.is_empty() {
            tiers.push(tier);
        }
    }
    Some(tiers)
}

/// Reads one target; `None` when it is at fault or its provider is off.
fn target(
    node: &Node<'_>,
    providers: &mut Providers,
    around: &Around<'_>,
    seen: &mut HashSet<(String, String)>,
) -> Option<Target> {
    let mut s = node.section()?;
    let provider = s.required("provider", "\"…\"", |node| provider_name(node, providers));
    let model = match s.get("model") {
        Some(node) => model_name(&node),
        None => Some(around.public_name.to_owned()),
    };
    let weight = s.optional("weight", |node| node.number_u32(1..=WEIGHT_MAX)).unwrap_or(1);
    let timeouts = settings::timeouts(s.section("timeouts"));
    let when = s.optional("when", when);
    let context_tokens = s.optional("context_tokens", tokens);
    let output_tokens_max = s.optional("output_tokens_max", tokens);
    let abilities = s.optional("abilities", abilities);
    s.end();
    let ((provider_name, standing), model) = (provider?, model?);
    if !seen.insert((provider_name.clone(), model.clone())) {
        node.fault("the same target twice in this route: remove one");
    }
    let on = match standing {
        Standing::On(index) => providers.on.get_mut(index).map(|provider| (index, provider)),
        Standing::Off => None,
    };
    let Some((index, provider)) = on else {
        timeouts.over(&around.timeouts.over(around.timeouts_default, node.log), node.log);
        return None;
    };
    let upstream_model: Arc<str> = model.into();
    let deployment_index = deployment_index(provider, &upstream_model);
    let deployment = provider.deployments.get(deployment_index)?;
    Some(Target {
        provider: index,
        deployment: deployment_index,
        provider_name: Arc::clone(&provider.name),
        identity: Target::identity_of(&provider.name, &upstream_model),
        upstream_model,
        weight,
        timeouts: timeouts.over(&around.timeouts.over(&provider.timeouts, node.log), node.log),
        when,
        context_tokens: context_tokens.or(deployment.context_tokens),
        output_tokens_max: output_tokens_max.or(deployment.output_tokens_max),
        abilities: abilities.or(deployment.abilities),
        cost: deployment.cost.clone().map(Arc::new),
        data_collection: provider.data_collection,
    })
}

fn provider_name(node: &Node<'_>, providers: &Providers) -> Option<(String, Standing)> {
    let name = node.text()?;
    if let Some(standing) = providers.standing.get(&name) {
        return Some((name, *standing));
    }
    let hint = match nearest(&name, providers.standing.keys().map(String::as_str)) {
        Some(meant) => format!("did you mean \"{meant}\"?"),
        None => "add it to `[[providers]]`".to_owned(),
    };
    node.fault(format!("no provider is called {}: {hint}", node.shown()));
    None
}

fn when(node: &Node<'_>) -> Option<Box<When>> {
    let mut s = node.section()?;
    let over = s.optional("input_tokens_over", |node| node.number(0..=TOKENS_MAX));
    let when = When {
        models: s.optional("models", |node| list(node, pattern)).unwrap_or_default(),
        tags: s.optional("tags", |node| list(node, tag)).unwrap_or_default(),
        accounts: s
            .optional("accounts", |node| list(node, |node| id(node, "acct_0000000000000001")))
            .unwrap_or_default(),
        keys: s.optional("keys", |node| list(node, |node| id(node, "key_2"))).unwrap_or_default(),
        input_tokens_over: over,
        input_tokens_max: s.optional("input_tokens_max", |node| {
            let most = tokens(node)?;
            if let Some(over) = over.filter(|over| *over >= most) {
                node.fault(format!("never met: not more than input_tokens_over, {over}"));
            }
            Some(most)
        }),
        needs: s.optional("needs", abilities).unwrap_or_default(),
    };
    if when == When::default() && s.entries().is_empty() {
        node.fault("no condition: name one or remove it");
    }
    s.end();
    Some(Box::new(when))
}

/// A list with something in it: an empty one would mean that everything fits, or nothing.
fn list<T>(node: &Node<'_>, read: impl Fn(&Node<'_>) -> Option<T>) -> Option<Vec<T>> {
    let nodes = node.list()?;
    if nodes.is_empty() {
        node.fault("an empty list: name one or remove it");
    }
    if nodes.len() > CONDITIONS_MAX {
        node.fault(format!("{} of them: at most {CONDITIONS_MAX}", nodes.len()));
    }
    Some(nodes.iter().take(CONDITIONS_MAX).filter_map(read).collect())
}

fn pattern(node: &Node<'_>) -> Option<Arc<str>> {
    let allowed = "ASCII's visible characters";
    let pattern = node.name(MODEL_NAME_BYTES_MAX, |byte| byte.is_ascii_graphic(), allowed)?;
    if pattern.strip_suffix('*').unwrap_or(&pattern).contains('*') {
        node.fault(format!(
            "{} has a `*` that is not its end: it stands for any ending",
            node.shown()
        ));
    }
    Some(pattern.into())
}

fn tag(node: &Node<'_>) -> Option<Arc<str>> {
    let is_allowed = |byte: u8| byte.is_ascii_graphic() && byte != b',';
    let allowed = "ASCII's visible characters but `,`";
    node.name(TAG_BYTES_MAX, is_allowed, allowed).map(Arc::from)
}

fn id<T: FromStr>(node: &Node<'_>, example: &str) -> Option<T> {
    let text = node.text()?;
    let id = text.parse().ok();
    if id.is_none() {
        node.fault(format!("{} is no id: write one such as \"{example}\"", node.shown()));
    }
    id
}
