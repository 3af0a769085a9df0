//! Reading public models and their routes. Pure.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::lifecycle::lifecycle;
use super::meant::{Model, Timeouts};
use super::nearest::nearest;
use super::price::prices;
use super::provider::{Providers, TOKENS_MAX, model_name};
use super::settings::{self, Routing};
use super::target::{Around, tiers};
use super::tree::{Node, Section};
use super::{
    AfterContent, Hedge, HedgeAfter, Prices, Retry, Route, Sticky, StickyBy, Strategy, cache, unit,
};

const MODELS_MAX: usize = 10_000;
/// More than any provider is known to count for one image.
const IMAGE_TOKENS_MAX: u64 = 40_000;
const PREFIX_BYTES_MAX: usize = 1 << 20;
const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// What a route keeps together that does not say.
const STICKY: Sticky = Sticky { by: StickyBy::Session, prefix_bytes: 4 << 10 };
/// The budget of a route that has none of its own.
const RETRY: Retry = Retry { percent: 20, floor_per_second: 10, window: Duration::from_secs(10) };
/// A hedge of which nothing is said but that there is one.
const HEDGE: Hedge = Hedge {
    after: HedgeAfter::P95,
    percent: 5,
    after_min: Duration::from_millis(200),
    after_max: Duration::from_secs(5),
};

/// The models read, of one file or several.
#[derive(Default)]
pub(super) struct Models<'t> {
    pub(super) on: Vec<Model>,
    /// The names of those whose providers are all off.
    pub(super) off: Vec<Arc<str>>,
    names: HashSet<String>,
    /// The places that name a successor, each with the name of its model.
    successors: Vec<(String, Node<'t>)>,
}

impl<'t> Models<'t> {
    /// Reads all of `[[models]]`; deployments that only routes name are added to their providers.
    pub(super) fn read(
        &mut self,
        root: &mut Section<'t>,
        providers: &mut Providers,
        routing: Routing,
        timeouts: &Timeouts,
    ) {
        for s in root.sections("models", MODELS_MAX) {
            let model = self.model(s, providers, routing, timeouts);
            if model.route.tiers.is_empty() {
                self.off.push(model.name);
            } else {
                self.on.push(model);
            }
        }
    }

    fn model(
        &mut self,
        mut s: Section<'t>,
        providers: &mut Providers,
        routing: Routing,
        timeouts: &Timeouts,
    ) -> Model {
        let name = s.required("name", "\"gpt-…\"", |node| {
            let name = model_name(node)?;
            if !self.names.insert(name.clone()) {
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
        let (lifecycle, successor) = lifecycle(&mut s);
        self.successors.extend(successor.map(|node| (name.clone(), node)));
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
            lifecycle,
            route,
        };
        s.end();
        model
    }

    /// A successor is another model of ours, of whichever file. To be called when all are read.
    pub(super) fn check_successors(&self) {
        for (name, node) in &self.successors {
            let Some(successor) = node.value.as_str() else { continue };
            if successor == name {
                node.fault("the model itself: name the one that comes after it");
            } else if !self.names.contains(successor) {
                let hint = match nearest(successor, self.names.iter().map(String::as_str)) {
                    Some(meant) => format!("did you mean \"{meant}\"?"),
                    None => "add it to `[[models]]`".to_owned(),
                };
                node.fault(format!("no model is called {}: {hint}", node.shown()));
            }
        }
    }
}

/// A model has a price above zero or is free, and says which.
fn price_or_free(s: &mut Section<'_>, context_tokens: Option<u64>) -> (Prices, bool) {
    let free = s.optional("free", Node::flag).unwrap_or_default();
    let Some(node) = s.get("price") else {
        if !free {
            let spot = s.spot.key("price");
            let advice = "missing: add `price = { input = \"0.15\", output = \"0.60\" }` in dollars \
                          per million tokens, or `free = true`";
            s.log.fault(&spot, advice);
        }
        return (Prices::default(), free);
    };
    let prices = prices(&node, context_tokens);
    if free {
        node.fault("the model is free: remove the price or `free = true`");
        return (Prices::default(), free);
    }
    if prices.as_ref().is_some_and(Prices::is_free_at_some_time) {
        node.fault("a price of nothing: to give the model away, say `free = true` instead");
    }
    (prices.unwrap_or_default(), free)
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
            sticky: STICKY,
            retry: RETRY,
            hedge: None,
            after_content: AfterContent::Continue,
            cache: None,
        };
    }
    let mut s = model.section("route");
    let strategy = s.optional("strategy", |node| node.choice(&Strategy::NAMES));
    let routing = settings::routing_over(&mut s, routing);
    let timeouts = settings::timeouts(s.section("timeouts"));
    let sticky = sticky(s.section("sticky"));
    let retry = retry(s.section("retry"));
    let hedge = s.optional("hedge", hedge);
    let after = [("continue", AfterContent::Continue), ("error", AfterContent::Error)];
    let after_content = s.optional("after_content", |node| node.choice(&after));
    let cache = s.optional("cache", cache::route);
    let around = Around { public_name, timeouts: &timeouts, timeouts_default };
    let example = "[[{ provider = \"…\", model = \"…\" }]]";
    let tiers = s.required("tiers", example, |node| tiers(node, providers, &around));
    s.end();
    Route {
        strategy: strategy.unwrap_or(Strategy::Priority),
        tiers: tiers.unwrap_or_default(),
        attempts_max: routing.attempts_max,
        deadline: routing.deadline,
        sticky,
        retry,
        hedge,
        after_content: after_content.unwrap_or(AfterContent::Continue),
        cache,
    }
}

fn sticky(section: Section<'_>) -> Sticky {
    let mut s = section;
    let words = [("session", StickyBy::Session), ("prefix", StickyBy::Prefix)];
    let sticky = Sticky {
        by: s.optional("by", |node| node.choice(&words)).unwrap_or(STICKY.by),
        prefix_bytes: s
            .optional("prefix_bytes", |node| node.size(1..=PREFIX_BYTES_MAX))
            .unwrap_or(STICKY.prefix_bytes),
    };
    s.end();
    sticky
}

fn retry(section: Section<'_>) -> Retry {
    let mut s = section;
    let retry = Retry {
        percent: s.optional("percent", |node| node.number_u32(0..=1_000)).unwrap_or(RETRY.percent),
        floor_per_second: s
            .optional("floor_per_second", |node| node.number_u32(0..=1_000_000))
            .unwrap_or(RETRY.floor_per_second),
        window: settings::duration(&mut s, "window", RETRY.window, SECOND, 60 * SECOND),
    };
    s.end();
    retry
}

fn hedge(node: &Node<'_>) -> Option<Hedge> {
    let mut s = node.section()?;
    let after = s.optional("after", |node| {
        if node.value.as_str() == Some("p95") {
            return Some(HedgeAfter::P95);
        }
        let time = node.value.as_str().and_then(unit::duration);
        let time = time.filter(|time| (MS..=60 * SECOND).contains(time));
        if time.is_none() {
            let shown = node.shown();
            node.fault(format!("{shown} is no time to wait: \"p95\", or from \"1ms\" to \"1m\""));
        }
        time.map(HedgeAfter::Time)
    });
    let percent = s.optional("percent", |node| node.number_u32(1..=100));
    let after_min = settings::duration(&mut s, "after_min", HEDGE.after_min, MS, 60 * SECOND);
    let after_max = s.optional("after_max", |node| {
        let most = node.duration(MS..=60 * SECOND)?;
        if most < after_min {
            let least = unit::show_duration(after_min);
            node.fault(format!("shorter than after_min, {least}: at least that"));
        }
        Some(most)
    });
    s.end();
    Some(Hedge {
        after: after.unwrap_or(HEDGE.after),
        percent: percent.and_then(|percent| u8::try_from(percent).ok()).unwrap_or(HEDGE.percent),
        after_min,
        after_max: after_max.unwrap_or(HEDGE.after_max.max(after_min)),
    })
}
