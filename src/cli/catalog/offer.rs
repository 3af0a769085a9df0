//! A listed model as one of our catalogue's, written as TOML. Pure.

use std::fmt;

use infergate_actors::money::NanoUsd;

use super::Listed;
use super::decimal::{Markup, rate};
use crate::config::date;

/// Our classes of a price, each with what the list calls it. `input` and `output` must be there.
const CLASSES: [(&str, &str); 10] = [
    ("input", "input_cost_per_token"),
    ("cached_input", "cache_read_input_token_cost"),
    ("cache_write_5m", "cache_creation_input_token_cost"),
    ("cache_write_1h", "cache_creation_input_token_cost_above_1hr"),
    ("audio_input", "input_cost_per_audio_token"),
    ("image_input", "input_cost_per_image_token"),
    ("output", "output_cost_per_token"),
    ("reasoning", "output_cost_per_reasoning_token"),
    ("audio_output", "output_cost_per_audio_token"),
    ("image_output", "output_cost_per_image_token"),
];
/// What the list calls the price of a request, which is in whole dollars and not by the token.
const REQUEST: &str = "input_cost_per_request";
/// The price of a token that is one nano-dollar.
const NANO_TOKEN: u64 = 1_000_000;
/// Our abilities, each with what the list calls it.
const ABILITIES: [(&str, &[&str]); 6] = [
    ("vision", &["supports_vision"]),
    ("audio", &["supports_audio_input", "supports_audio_output"]),
    ("tools", &["supports_function_calling"]),
    ("json_schema", &["supports_response_schema"]),
    ("reasoning", &["supports_reasoning"]),
    ("prefill", &["supports_assistant_prefill"]),
];
/// What prices of longer prompts end in, behind a number of thousands.
const THOUSANDS_TOKENS: &str = "k_tokens";
/// What the configuration takes.
const NAME_BYTES_MAX: usize = 256;
/// More than the configuration takes are no price list but a mistake.
const TIERS_MAX: usize = 16;

/// Classes of a price, each with its rate in nano-dollars.
type Costs = Vec<(&'static str, u64)>;

/// Why a listed model is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Reason {
    #[error("its name has characters that ours can't have, or too many")]
    Name,
    #[error("the list does not say whose it is, or in odd characters")]
    NoProvider,
    #[error("it is no chat model, but {0}")]
    Mode(String),
    #[error("the list does not say how many tokens it takes and gives")]
    NoBounds,
    #[error("it has no price: `{0}` is missing or no number")]
    NoPrice(&'static str),
    #[error("its price is nothing: add it by hand with `free = true` if that is meant")]
    Free,
    #[error("`{0}` is no price")]
    OddPrice(String),
}

/// A model that can be offered.
pub(super) struct Offer<'l> {
    name: &'l str,
    provider: String,
    upstream_model: String,
    context_tokens: u64,
    output_tokens_max: u64,
    cost: Costs,
    /// Of prompts longer than a bound.
    tiers: Vec<(u64, Costs)>,
    abilities: Vec<&'static str>,
    deprecated_at: Option<String>,
}

/// An offer with what is put on its cost.
pub(super) struct Marked<'l> {
    offer: Offer<'l>,
    markup: Markup,
}

impl<'l> Offer<'l> {
    /// The listed model `name`, to be had from our provider `to`, or from the list's own.
    pub(super) fn new(
        name: &'l str,
        listed: &Listed<'_>,
        to: Option<&str>,
    ) -> Result<Self, Reason> {
        if !is_name(name) {
            return Err(Reason::Name);
        }
        let mode = listed.text("mode").unwrap_or_else(|| "without a mode".to_owned());
        if mode != "chat" {
            return Err(Reason::Mode(mode));
        }
        let provider = listed.provider().filter(|provider| is_name(provider));
        let provider = provider.ok_or(Reason::NoProvider)?;
        let tokens = listed.count("max_tokens");
        let output_tokens_max = listed.count("max_output_tokens").or(tokens);
        let output_tokens_max = output_tokens_max.ok_or(Reason::NoBounds)?;
        let input = listed.count("max_input_tokens").or(tokens).ok_or(Reason::NoBounds)?;
        let context_tokens = input.max(output_tokens_max);
        let cost = cost(listed)?;
        let tiers = tiers(listed, &cost, context_tokens)?;
        let said = |names: &[&str]| names.iter().any(|name| listed.is_true(name));
        let able = ABILITIES.into_iter().filter(|(_, names)| said(names));
        let own = name.strip_prefix(&provider).and_then(|own| own.strip_prefix('/'));
        let deprecated_at = listed.text("deprecation_date");
        Ok(Self {
            name,
            upstream_model: own.unwrap_or(name).to_owned(),
            provider: to.map_or(provider, str::to_owned),
            context_tokens,
            output_tokens_max,
            cost,
            tiers,
            abilities: able.map(|(ability, _)| ability).collect(),
            deprecated_at: deprecated_at.filter(|text| date::parse(text).is_some()),
        })
    }

    /// The same, sold with a markup.
    pub(super) fn at(self, markup: Markup) -> Marked<'l> {
        Marked { offer: self, markup }
    }
}

fn is_name(text: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The cost of each class that the list names.
fn cost(listed: &Listed<'_>) -> Result<Costs, Reason> {
    let mut cost = Vec::new();
    for (class, name) in CLASSES {
        let is_plain = class == "input" || class == "output";
        match listed.written(name).filter(|written| *written != "null") {
            None if is_plain => return Err(Reason::NoPrice(name)),
            None => {}
            Some(written) => match rate(written) {
                Some(rate) => cost.push((class, rate)),
                None if is_plain => return Err(Reason::NoPrice(name)),
                None => return Err(Reason::OddPrice(name.to_owned())),
            },
        }
    }
    if let Some(written) = listed.written(REQUEST).filter(|written| *written != "null") {
        let rate = rate(written).ok_or_else(|| Reason::OddPrice(REQUEST.to_owned()))?;
        cost.push(("request", rate.div_ceil(NANO_TOKEN)));
    }
    if cost.iter().all(|(_, rate)| *rate == 0) { Err(Reason::Free) } else { Ok(cost) }
}

/// The costs of longer prompts, such as `input_cost_per_token_above_200k_tokens`, by rising bounds. A
/// class that costs no more there is named with what it costs in any case.
fn tiers(
    listed: &Listed<'_>,
    base: &[(&'static str, u64)],
    context_tokens: u64,
) -> Result<Vec<(u64, Costs)>, Reason> {
    let above = |name: &str, field: &str| {
        let thousands = name.strip_prefix(field)?.strip_prefix("_above_")?;
        thousands.strip_suffix(THOUSANDS_TOKENS)?.parse::<u64>().ok()?.checked_mul(1_000)
    };
    let bound = |name| CLASSES.iter().find_map(|(_, field)| above(name, field));
    let mut bounds: Vec<u64> = listed.names().filter_map(bound).collect();
    bounds.retain(|over| *over > 0 && *over < context_tokens);
    bounds.sort_unstable();
    bounds.dedup();
    if bounds.len() > TIERS_MAX {
        return Err(Reason::OddPrice(format!("…_above_…{THOUSANDS_TOKENS}")));
    }
    let mut tiers: Vec<(u64, Costs)> = Vec::new();
    for over in bounds {
        let before = tiers.last().map_or(base, |(_, rates)| rates);
        let mut rates = Vec::new();
        for (class, field) in CLASSES {
            let name = format!("{field}_above_{}{THOUSANDS_TOKENS}", over / 1_000);
            let known = before.iter().find(|(known, _)| *known == class).map(|(_, rate)| *rate);
            match listed.written(&name).filter(|written| *written != "null") {
                Some(written) => {
                    rates.push((class, rate(written).ok_or(Reason::OddPrice(name))?));
                }
                None => rates.extend(known.map(|rate| (class, rate))),
            }
        }
        tiers.push((over, rates));
    }
    Ok(tiers)
}

impl fmt::Display for Marked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { offer, markup } = self;
        let cost = table(&offer.cost, &offer.tiers, Markup::default());
        let model = quoted(&offer.upstream_model);
        writeln!(f, "# At {}: {{ model = {model}, cost = {cost} }}", offer.provider)?;
        writeln!(f, "[[models]]\nname = {}", quoted(offer.name))?;
        writeln!(f, "context_tokens = {}", offer.context_tokens)?;
        writeln!(f, "output_tokens_max = {}", offer.output_tokens_max)?;
        writeln!(f, "price = {}", table(&offer.cost, &offer.tiers, *markup))?;
        if let Some(date) = &offer.deprecated_at {
            writeln!(f, "deprecated_at = {}", quoted(date))?;
        }
        let abilities: Vec<String> = offer.abilities.iter().map(|name| quoted(name)).collect();
        let provider = quoted(&offer.provider);
        let abilities = abilities.join(", ");
        let target = format!("provider = {provider}, model = {model}, abilities = [{abilities}]");
        writeln!(f, "route = {{ tiers = [[{{ {target} }}]] }}\n")
    }
}

/// A price as the configuration has it.
fn table(rates: &[(&'static str, u64)], tiers: &[(u64, Costs)], markup: Markup) -> String {
    let shown = |rates: &[(&str, u64)]| {
        let shown = rates.iter().map(|(class, cost)| {
            let rate = i64::try_from(markup.on(*cost)).map_or(NanoUsd::MAX, NanoUsd::from_nano);
            format!("{class} = \"{rate}\"")
        });
        shown.collect::<Vec<_>>().join(", ")
    };
    let tiers: Vec<String> = tiers
        .iter()
        .map(|(over, rates)| format!("{{ context_over = {over}, {} }}", shown(rates)))
        .collect();
    let tiers =
        if tiers.is_empty() { String::new() } else { format!(", tiers = [{}]", tiers.join(", ")) };
    format!("{{ {}{tiers} }}", shown(rates))
}

/// A text of visible characters as the configuration reads it.
fn quoted(text: &str) -> String {
    format!("{:?}", text.replace('$', "$$"))
}
