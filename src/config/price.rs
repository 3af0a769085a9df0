//! Reading prices: exact amounts of dollars per million tokens, per request and per tool call. Pure.
//!
//! A class of tokens that a price does not name costs what the plain class of its direction costs:
//! cached input as input, reasoning as output. So a forgotten class is never given away.

use infergate_actors::money::{Price, Rates, Tier};

use super::Prices;
use super::tree::{Node, Section};

const TIERS_MAX: usize = 16;
const VERSIONS_MAX: usize = 64;
/// Charges in whole dollars, which do not depend on the tier unless it says so.
const FIXED: [&str; 2] = ["request", "tool_call"];

/// A table of rates as it was read: the rates, which classes it named, and whether the two plain
/// ones are what it says.
struct Named {
    rates: Rates,
    classes: Vec<&'static str>,
    is_plain_known: bool,
}

/// Reads a model's price: one table, or a list of versions by rising dates. The first has always been
/// in force, whatever date it has. `None` where one can't be read.
pub(super) fn prices(node: &Node<'_>, context_tokens: Option<u64>) -> Option<Prices> {
    if !node.value.is_array() {
        return price(node, context_tokens).map(Prices::new);
    }
    let versions = node.list()?;
    if versions.is_empty() || versions.len() > VERSIONS_MAX {
        node.fault(format!("{} versions: 1 to {VERSIONS_MAX}", versions.len()));
    }
    let mut prices: Option<Prices> = None;
    let mut last_ms = None;
    for (index, version) in versions.iter().take(VERSIONS_MAX).enumerate() {
        let Some(mut section) = version.section() else { continue };
        let rising = |node: &Node<'_>| {
            let from_ms = node.date()?;
            if last_ms.is_some_and(|last_ms| last_ms >= from_ms) {
                node.fault("versions rise: later than the one before it");
            }
            Some(from_ms)
        };
        let from_ms = if index == 0 {
            section.optional("from", rising)
        } else {
            section.required("from", "\"2026-12-01\"", rising)
        };
        last_ms = from_ms.or(last_ms);
        match (price_of(section, context_tokens), &mut prices) {
            (Some(price), None) => prices = Some(Prices::new(price)),
            (Some(price), Some(prices)) => prices.change(from_ms.unwrap_or_default(), price),
            (None, _) => {}
        }
    }
    prices
}

/// Reads a price; `context_tokens` bounds its tiers. `None` when its plain classes are at fault.
pub(super) fn price(node: &Node<'_>, context_tokens: Option<u64>) -> Option<Price> {
    price_of(node.section()?, context_tokens)
}

fn price_of(mut section: Section<'_>, context_tokens: Option<u64>) -> Option<Price> {
    let base = rates(&mut section, None);
    let mut tiers: Vec<Tier> = Vec::new();
    for mut tier in section.sections("tiers", TIERS_MAX) {
        let context_over = tier.required("context_over", "200000", |node| {
            let over = node.number(1..=u64::MAX)?;
            if tiers.last().is_some_and(|last| last.context_over >= over) {
                node.fault("tiers rise: more than the tier before it");
            }
            if let Some(context) = context_tokens.filter(|context| over >= *context) {
                node.fault(format!("never reached: less than context_tokens, {context}"));
            }
            Some(over)
        });
        let named = rates(&mut tier, Some(&base));
        tier.end();
        if let Some(context_over) = context_over {
            tiers.push(Tier { context_over, rates: named.rates });
        }
    }
    section.end();
    base.is_plain_known.then_some(Price { base: base.rates, tiers })
}

/// Reads a table of rates. A tier names every class that `base` names, so that none of them falls
/// back unnoticed; fixed charges are those of `base` where it does not name them.
fn rates(section: &mut Section<'_>, base: Option<&Named>) -> Named {
    let mut classes = Vec::new();
    let input = section.required("input", "\"0.15\"", rate);
    let output = section.required("output", "\"0.60\"", rate);
    let is_plain_known = input.is_some() && output.is_some();
    let (input, output) = (input.unwrap_or_default(), output.unwrap_or_default());
    let mut class = |key: &'static str, fallback: u64| {
        let Some(node) = section.get(key) else { return fallback };
        classes.push(key);
        rate(&node).unwrap_or(fallback)
    };
    let rates = Rates {
        input,
        cached_input: class("cached_input", input),
        cache_write_5m: class("cache_write_5m", input),
        cache_write_1h: class("cache_write_1h", input),
        audio_input: class("audio_input", input),
        image_input: class("image_input", input),
        output,
        reasoning: class("reasoning", output),
        audio_output: class("audio_output", output),
        image_output: class("image_output", output),
        request: class("request", base.map_or(0, |base| base.rates.request)),
        tool_call: class("tool_call", base.map_or(0, |base| base.rates.tool_call)),
    };
    for key in base.into_iter().flat_map(|base| &base.classes) {
        if !classes.contains(key) && !FIXED.contains(key) {
            let spot = section.spot.key(key);
            section.log.fault(&spot, "missing: the price names it, so each of its tiers must");
        }
    }
    Named { rates, classes, is_plain_known }
}

/// A rate in nano-dollars.
fn rate(node: &Node<'_>) -> Option<u64> {
    u64::try_from(node.amount()?.nano()).ok()
}
