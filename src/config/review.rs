//! What is no fault of a configuration and yet most likely not meant: models nobody serves, models sold
//! below what they cost, and bounds wider than those of whoever serves them. Pure.

use std::fmt::Write as _;

use infergate_actors::account::PlanTerms;
use infergate_actors::money::{Markup, NanoUsd, Price, Rates, Tier};

use super::{Config, Kind, Model, Target, date};

/// Reads the rate of one class.
type Class = fn(&Rates) -> u64;

/// The classes of a price with their names in the configuration.
const CLASSES: [(&str, Class); 12] = [
    ("input", |rates| rates.input),
    ("cached_input", |rates| rates.cached_input),
    ("cache_write_5m", |rates| rates.cache_write_5m),
    ("cache_write_1h", |rates| rates.cache_write_1h),
    ("audio_input", |rates| rates.audio_input),
    ("image_input", |rates| rates.image_input),
    ("output", |rates| rates.output),
    ("reasoning", |rates| rates.reasoning),
    ("audio_output", |rates| rates.audio_output),
    ("image_output", |rates| rates.image_output),
    ("request", |rates| rates.request),
    ("tool_call", |rates| rates.tool_call),
];

impl Config {
    /// What an operator should look at, a line each, model by model. Prices are compared from `wall_ms`
    /// on, in milliseconds since 1970.
    pub fn warnings(&self, wall_ms: u64) -> Vec<String> {
        let off = self.models_off.iter();
        let off = off.map(|name| format!("model \"{name}\" has no target that is on"));
        let mut warnings: Vec<String> = off.chain(self.sign_up_warnings()).collect();
        warnings.extend(self.plans.all().iter().flat_map(|plan| self.named_in_vain(plan)));
        for model in &self.models {
            for target in model.route.tiers.iter().flatten() {
                let before = warnings.len();
                bounds(model, target, &mut warnings);
                let provider = self.providers.get(target.provider).map(|provider| &provider.kind);
                if !matches!(provider, Some(Kind::Simulated { .. })) || target.cost.is_some() {
                    costs(model, target, wall_ms, &mut warnings);
                    for plan in self.plans.all().iter().filter(|plan| plan.has(&model.name)) {
                        costs_of_plan(plan, (model, target), wall_ms, &mut warnings);
                    }
                }
                for warning in warnings.iter_mut().skip(before) {
                    let Target { provider_name, upstream_model, .. } = target;
                    let at =
                        format!("model \"{}\" at {provider_name}/{upstream_model}", model.name);
                    *warning = format!("{at}: {warning}");
                }
            }
        }
        warnings
    }
}

impl Config {
    /// The models that a plan names and that there are not.
    fn named_in_vain(&self, plan: &PlanTerms) -> Vec<String> {
        let names = || self.models.iter().map(|model| &model.name).chain(&self.models_off);
        let is_vain = |pattern: &&String| {
            let alone = PlanTerms { models: vec![(*pattern).clone()], ..PlanTerms::default() };
            !names().any(|name| alone.has(name))
        };
        let vain = plan.models.iter().filter(is_vain);
        let name = &plan.name;
        vain.map(|pattern| format!("plan \"{name}\": no model is called \"{pattern}\"")).collect()
    }
}

/// Bounds of the model that are wider than those of the target: what lies between goes elsewhere, or
/// nowhere.
fn bounds(model: &Model, target: &Target, warnings: &mut Vec<String>) {
    for (key, own, most) in [
        ("context_tokens", model.context_tokens, target.context_tokens),
        ("output_tokens_max", model.output_tokens_max, target.output_tokens_max),
    ] {
        if let Some(most) = most.filter(|most| own > *most) {
            warnings.push(format!("{key} is {own}, and only {most} there"));
        }
    }
}

/// Prices, in force or to come, that are below the cost.
fn costs(model: &Model, target: &Target, wall_ms: u64, warnings: &mut Vec<String>) {
    let Some(cost) = &target.cost else {
        warnings.push("no cost is known: its margin is not either".to_owned());
        return;
    };
    if model.free {
        return;
    }
    let now = model.price.at(wall_ms);
    if let Some(below) = below(now, cost) {
        warnings.push(format!("the price is below the cost: {below}"));
    }
    for (from_ms, price) in model.price.versions() {
        let Some(from_ms) = from_ms.filter(|from_ms| *from_ms > wall_ms) else { continue };
        if let Some(below) = below(price, cost) {
            let from = date::show(from_ms);
            warnings.push(format!("the price from {from} on is below the cost: {below}"));
        }
    }
}

/// Prices that are below the cost for the accounts of a plan. Those at the list price are told once.
fn costs_of_plan(
    plan: &PlanTerms,
    (model, target): (&Model, &Target),
    wall_ms: u64,
    warnings: &mut Vec<String>,
) {
    let PlanTerms { name, markup, .. } = plan;
    let Some(cost) = target.cost.as_ref().filter(|_| !model.free && *markup != Markup::LIST) else {
        return;
    };
    for (from_ms, price) in model.price.versions() {
        let is_now = std::ptr::eq(price, model.price.at(wall_ms));
        let from = from_ms.filter(|from_ms| *from_ms > wall_ms);
        if !is_now && from.is_none() {
            continue;
        }
        if let Some(below) = below(&marked(price, *markup), cost) {
            let from = from.map(|from_ms| format!(" from {} on", date::show(from_ms)));
            let from = from.unwrap_or_default();
            warnings.push(format!(
                "the price{from} under the plan \"{name}\" ({markup}) is below the cost: {below}"
            ));
        }
    }
}

/// A price with the markup on it.
fn marked(price: &Price, markup: Markup) -> Price {
    let tier = |tier: &Tier| Tier { rates: tier.rates.marked(markup), ..*tier };
    Price { base: price.base.marked(markup), tiers: price.tiers.iter().map(tier).collect() }
}

/// The classes that cost more than they are sold for, each at the shortest prompt that shows it, such as
/// `output 0.5 < 0.6`; `None` where there is none.
fn below(price: &Price, cost: &Price) -> Option<String> {
    let tiers = price.tiers.iter().chain(&cost.tiers).map(|tier| tier.context_over);
    let mut bounds: Vec<u64> = std::iter::once(0).chain(tiers).collect();
    bounds.sort_unstable();
    let mut told = String::new();
    for (class, rate) in CLASSES {
        for over in &bounds {
            let prompt = over.saturating_add(1);
            let (price, cost) = (rate(price.rates(prompt)), rate(cost.rates(prompt)));
            if price >= cost {
                continue;
            }
            let separator = if told.is_empty() { "" } else { ", " };
            // Writing to a string can't fail.
            let _ = write!(told, "{separator}{class} {} < {}", usd(price), usd(cost));
            if *over > 0 {
                let _ = write!(told, " over {over} tokens");
            }
            break;
        }
    }
    (!told.is_empty()).then_some(told)
}

/// A rate as the configuration writes it.
fn usd(rate: u64) -> NanoUsd {
    NanoUsd::from_nano(i64::try_from(rate).unwrap_or(i64::MAX))
}
