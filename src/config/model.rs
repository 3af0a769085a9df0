//! Reading public models and their routes. Pure.

use std::collections::HashSet;
use std::sync::Arc;

use infergate_actors::money::Price;

use super::meant::{Model, Route, Strategy, Target, Timeouts};
use super::nearest::nearest;
use super::price::price;
use super::provider::{Providers, Standing, deployment_index, model_name};
use super::settings::{self, Routing, TimeoutsWritten};
use super::tree::{Node, Section};

const MODELS_MAX: usize = 10_000;
/// What a route is bounded by; its choice is made on the stack.
const TARGETS_MAX: usize = 64;
const TOKENS_MAX: u64 = 1_000_000_000;
const WEIGHT_MAX: u32 = 1_000_000;
/// More than any provider is known to count for one image.
const IMAGE_TOKENS_MAX: u64 = 40_000;

/// The models read, and what is to be known about those that are off.
#[derive(Default)]
pub(super) struct Models {
    pub(super) on: Vec<Model>,
    pub(super) notes: Vec<String>,
}

/// What a target takes from around it.
struct Around<'a> {
    public_name: &'a str,
    timeouts: &'a TimeoutsWritten,
    /// Used where the provider is off, so that the route's own timeouts are still checked.
    timeouts_default: &'a Timeouts,
}

/// Reads all of `[[models]]`; deployments that only routes name are added to their providers.
pub(super) fn models(
    root: &mut Section<'_>,
    providers: &mut Providers,
    routing: Routing,
    timeouts: &Timeouts,
) -> Models {
    let mut models = Models::default();
    let mut names = HashSet::new();
    for mut s in root.sections("models", MODELS_MAX) {
        let name = s.required("name", "\"gpt-…\"", |node| {
            let name = model_name(node)?;
            if !names.insert(name.clone()) {
                node.fault(format!("a model before is called {} too: rename one", node.shown()));
            }
            Some(name)
        });
        let name = name.unwrap_or_default();
        let context = s.required("context_tokens", "128000", |node| node.number(1..=TOKENS_MAX));
        let within = |node: &Node<'_>, from| {
            let tokens = node.number(from..=TOKENS_MAX)?;
            if let Some(context) = context.filter(|context| tokens > *context) {
                node.fault(format!("{tokens} is more than context_tokens, {context}"));
            }
            Some(tokens)
        };
        let output = s.required("output_tokens_max", "4096", |node| within(node, 1));
        let image = s.optional("image_tokens_max", |node| within(node, 0));
        let (price, free) = price_or_free(&mut s, context);
        let route = route(&mut s, &name, providers, routing, timeouts);
        let context_tokens = context.unwrap_or(TOKENS_MAX);
        let model = Model {
            name: name.into(),
            context_tokens,
            output_tokens_max: output.unwrap_or(context_tokens),
            image_tokens_max: image.unwrap_or(IMAGE_TOKENS_MAX.min(context_tokens)),
            price,
            free,
            owned_by: s.optional("owned_by", Node::text).unwrap_or_else(|| "infergate".to_owned()),
            created: s.optional("created", |node| node.number(0..=u64::MAX)).unwrap_or_default(),
            route,
        };
        s.end();
        if model.route.tiers.is_empty() {
            models
                .notes
                .push(format!("model \"{}\" is off: none of its providers is on", model.name));
        } else {
            models.on.push(model);
        }
    }
    models
}

/// A model has a price above zero or is free, and says which.
fn price_or_free(s: &mut Section<'_>, context_tokens: Option<u64>) -> (Price, bool) {
    let free = s.optional("free", Node::flag).unwrap_or_default();
    let Some(node) = s.get("price") else {
        if !free {
            let spot = s.spot.key("price");
            let advice = "missing: add `price = { input = \"0.15\", output = \"0.60\" }` in dollars \
                          per million tokens, or `free = true`";
            s.log.fault(&spot, advice);
        }
        return (Price::default(), free);
    };
    let price = price(&node, context_tokens);
    if free {
        node.fault("the model is free: remove the price or `free = true`");
        return (Price::default(), free);
    }
    if price.as_ref().is_some_and(Price::is_free) {
        node.fault("a price of nothing: to give the model away, say `free = true` instead");
    }
    (price.unwrap_or_default(), free)
}

fn route(
    model: &mut Section<'_>,
    public_name: &str,
    providers: &mut Providers,
    routing: Routing,
    timeouts_default: &Timeouts,
) -> Route {
    if model.required("route", "{ tiers = [[…]] }", |_| Some(())).is_none() {
        return Route {
            strategy: Strategy::Priority,
            tiers: Vec::new(),
            attempts_max: routing.attempts_max,
            deadline: routing.deadline,
        };
    }
    let mut s = model.section("route");
    let strategies = [("priority", Strategy::Priority), ("weighted", Strategy::Weighted)];
    let strategy = s.optional("strategy", |node| node.choice(&strategies));
    let routing = settings::routing_over(&mut s, routing);
    let timeouts = settings::timeouts(s.section("timeouts"));
    let around = Around { public_name, timeouts: &timeouts, timeouts_default };
    let example = "[[{ provider = \"…\", model = \"…\" }]]";
    let tiers = s.required("tiers", example, |node| tiers(node, providers, &around));
    s.end();
    Route {
        strategy: strategy.unwrap_or(Strategy::Priority),
        tiers: tiers.unwrap_or_default(),
        attempts_max: routing.attempts_max,
        deadline: routing.deadline,
    }
}

/// Reads the tiers, without the targets whose provider is off and the tiers that leaves empty.
fn tiers(
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
    let provider = s.required("provider", "\"…\"", |node| {
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
    });
    let model = match s.get("model") {
        Some(node) => model_name(&node),
        None => Some(around.public_name.to_owned()),
    };
    let weight = s.optional("weight", |node| node.number_u32(1..=WEIGHT_MAX)).unwrap_or(1);
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
        around.timeouts.over(around.timeouts_default, node.log);
        return None;
    };
    let upstream_model: Arc<str> = model.into();
    Some(Target {
        provider: index,
        deployment: deployment_index(provider, &upstream_model),
        provider_name: Arc::clone(&provider.name),
        upstream_model,
        weight,
        timeouts: around.timeouts.over(&provider.timeouts, node.log),
    })
}
