//! Models as the API lists them: the fields of OpenAI, and beside them those that OpenRouter has for
//! bounds, prices and abilities (<https://openrouter.ai/docs/api-reference/list-available-models>). Pure.
//!
//! What is shown of a model's abilities is what its targets are said to have: nothing is assumed, as
//! it is where requests are sent.

use bytes::Bytes;
use infergate_actors::money::{Markup, Rates, Tier};
use schemars::JsonSchema;
use serde::Serialize;

use super::render::json;
use crate::config::{self, Abilities, Target, date};

/// Digits behind the point of a price of one token, of which a rate is the last.
const TOKEN_DECIMALS: usize = 15;
/// The same of a price of one request.
const WHOLE_DECIMALS: usize = 9;
/// Those that a markup adds.
const MARKUP_DECIMALS: usize = 6;

/// A model as the API lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Model<'a> {
    /// Its public name.
    pub id: &'a str,
    object: &'static str,
    created: u64,
    owned_by: &'a str,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    context_length: u64,
    architecture: Architecture,
    pricing: Pricing,
    /// Ours: prices of longer prompts, each for the whole request.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pricing_tiers: Vec<PricingTier>,
    top_provider: TopProvider,
    supported_parameters: Vec<&'static str>,
    /// The date from which on it is not served.
    expiration_date: Option<String>,
    /// Ours: from when on it should not be used for anything new, and what to use instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    deprecation_date: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    successor: Option<&'a str>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
struct Architecture {
    /// Both lists in one word, such as `text+image->text`.
    modality: String,
    input_modalities: Vec<&'static str>,
    output_modalities: Vec<&'static str>,
}

/// Dollars a token, or a request or tool call, as exact decimals. An image or second of sound has no
/// price of its own: its tokens have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
struct Pricing {
    prompt: String,
    completion: String,
    request: String,
    image: &'static str,
    image_token: String,
    image_output: String,
    audio: String,
    audio_output: String,
    web_search: String,
    internal_reasoning: String,
    input_cache_read: String,
    input_cache_write: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
struct PricingTier {
    context_over: u64,
    #[serde(flatten)]
    pricing: Pricing,
}

/// The bounds at the target that comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
struct TopProvider {
    context_length: u64,
    max_completion_tokens: u64,
    is_moderated: bool,
}

/// The models that a key may use.
#[derive(Serialize, JsonSchema)]
pub struct ModelList<'a> {
    object: &'static str,
    data: &'a [Model<'a>],
}

impl<'a> Model<'a> {
    /// A model with its price at `wall_ms`, in milliseconds since 1970, for who pays this markup.
    pub fn new(settings: &'a config::Model, markup: Markup, wall_ms: u64) -> Self {
        let config::Model { name, lifecycle, route, .. } = settings;
        let price = settings.price.at(wall_ms);
        let said = |target: &Target| target.abilities.unwrap_or_default();
        let targets = route.tiers.iter().flatten();
        let abilities = targets.map(said).fold(Abilities::default(), Abilities::with);
        let first = route.tiers.iter().flatten().next();
        let own = |bound: fn(&Target) -> Option<u64>, of_model: u64| {
            first.and_then(bound).unwrap_or(of_model).min(of_model)
        };
        let tier = |tier: &Tier| PricingTier {
            context_over: tier.context_over,
            pricing: Pricing::new(&tier.rates, markup),
        };
        Self {
            id: name,
            object: "model",
            created: settings.created,
            owned_by: &settings.owned_by,
            name,
            description: lifecycle.description.as_deref(),
            context_length: settings.context_tokens,
            architecture: Architecture::new(abilities),
            pricing: Pricing::new(&price.base, markup),
            pricing_tiers: price.tiers.iter().map(tier).collect(),
            top_provider: TopProvider {
                context_length: own(|target| target.context_tokens, settings.context_tokens),
                max_completion_tokens: own(
                    |target| target.output_tokens_max,
                    settings.output_tokens_max,
                ),
                is_moderated: false,
            },
            supported_parameters: supported_parameters(abilities),
            expiration_date: lifecycle.retired_at_ms.map(date::show),
            deprecation_date: lifecycle.deprecated_at_ms.map(date::show),
            successor: lifecycle.successor.as_deref(),
        }
    }
}

impl Architecture {
    fn new(abilities: Abilities) -> Self {
        let kinds = [
            ("text", Abilities::default()),
            ("image", Abilities::VISION),
            ("audio", Abilities::AUDIO),
        ];
        let able = kinds.into_iter().filter(|(_, needed)| abilities.has(*needed));
        let input_modalities: Vec<_> = able.map(|(kind, _)| kind).collect();
        Self {
            modality: format!("{}->text", input_modalities.join("+")),
            input_modalities,
            output_modalities: vec!["text"],
        }
    }
}

impl Pricing {
    fn new(rates: &Rates, Markup(markup): Markup) -> Self {
        // Unrounded: what is charged is rounded once, at the end of a whole request.
        let marked = |rate: u64| u128::from(rate) * u128::from(markup);
        let token = |rate: u64| decimal(marked(rate), TOKEN_DECIMALS + MARKUP_DECIMALS);
        let whole = |rate: u64| decimal(marked(rate), WHOLE_DECIMALS + MARKUP_DECIMALS);
        Self {
            prompt: token(rates.input),
            completion: token(rates.output),
            request: whole(rates.request),
            image: "0",
            image_token: token(rates.image_input),
            image_output: token(rates.image_output),
            audio: token(rates.audio_input),
            audio_output: token(rates.audio_output),
            web_search: whole(rates.tool_call),
            internal_reasoning: token(rates.reasoning),
            input_cache_read: token(rates.cached_input),
            input_cache_write: token(rates.cache_write_5m),
        }
    }
}

/// The request's fields that are known to be understood.
fn supported_parameters(abilities: Abilities) -> Vec<&'static str> {
    let plain: &[&str] = &["max_tokens", "max_completion_tokens", "temperature", "top_p", "stop"];
    let groups = [
        (Abilities::default(), plain),
        (Abilities::TOOLS, &["tools", "tool_choice"]),
        (Abilities::JSON_SCHEMA, &["response_format", "structured_outputs"]),
        (Abilities::REASONING, &["reasoning_effort"]),
    ];
    let able = groups.into_iter().filter(|(needed, _)| abilities.has(*needed));
    able.flat_map(|(_, names)| names).copied().collect()
}

/// `units` of so many decimals as a decimal number, without zeros at its end.
fn decimal(units: u128, decimals: usize) -> String {
    let padded = format!("{units:0>width$}", width = decimals + 1);
    let (whole, fraction) = padded.split_at(padded.len() - decimals);
    let fraction = fraction.trim_end_matches('0');
    if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") }
}

/// The body of `GET /v1/models`.
pub fn model_list(models: &[Model<'_>]) -> Bytes {
    json(&ModelList { object: "list", data: models })
}

/// The body of `GET /v1/models/{id}`.
pub fn model(model: &Model<'_>) -> Bytes {
    json(model)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::config::Config;

    const MODELS: &str = r#"
[[providers]]
name = "sim"
kind = "simulated"
[[models]]
name = "small"
context_tokens = 1000
output_tokens_max = 100
description = "A small one."
deprecated_at = "2026-12-01"
retired_at = "2027-03-01"
successor = "plain"
price = [
  { input = "0.15", cached_input = "0.075", output = "0.60", request = "0.01" },
  { from = "1970-01-02", input = "1", output = "2", tiers = [{ context_over = 500, input = "3", output = "4" }] },
]
route.tiers = [
  [{ provider = "sim", model = "a", abilities = ["vision"], context_tokens = 800, output_tokens_max = 900 }],
  [{ provider = "sim", model = "b", abilities = ["tools", "reasoning"] }],
]
[[models]]
name = "plain"
context_tokens = 1000
output_tokens_max = 100
free = true
route.tiers = [[{ provider = "sim" }]]
"#;

    /// One of the models as it is listed at a time.
    fn shown(index: usize, wall_ms: u64) -> Value {
        let config = Config::parse("c", MODELS, &|_| None).unwrap();
        let shown = Model::new(&config.models[index], Markup::LIST, wall_ms);
        serde_json::from_slice(&model(&shown)).unwrap()
    }

    #[test]
    fn prices_are_exact_decimals() {
        for (units, decimals, text) in [
            (0, 15, "0"),
            (1, 15, "0.000000000000001"),
            (150_000_000, 15, "0.00000015"),
            (1_000_000_000_000_000, 15, "1"),
            (u64::MAX.into(), 15, "18446.744073709551615"),
            (10_000_000, 9, "0.01"),
            (2_500_000_000, 9, "2.5"),
        ] {
            assert_eq!(decimal(units, decimals), text);
        }
    }

    #[test]
    fn a_model_is_listed_at_what_its_reader_pays() {
        let config = Config::parse("c", MODELS, &|_| None).unwrap();
        let shown = Model::new(&config.models[0], "12.5%".parse().unwrap(), 86_400_000);
        let shown: Value = serde_json::from_slice(&model(&shown)).unwrap();
        assert_eq!(shown["pricing"]["prompt"], "0.000001125");
        assert_eq!(shown["pricing_tiers"][0]["completion"], "0.0000045");
        let given = Model::new(&config.models[0], "-100%".parse().unwrap(), 0);
        let given: Value = serde_json::from_slice(&model(&given)).unwrap();
        assert_eq!(given["pricing"]["request"], "0");
    }

    #[test]
    fn a_model_is_listed_with_its_bounds_prices_and_abilities() {
        let small = shown(0, 0);
        for (key, value) in [
            ("id", json!("small")),
            ("object", json!("model")),
            ("description", json!("A small one.")),
            ("context_length", json!(1000)),
            ("expiration_date", json!("2027-03-01")),
            ("deprecation_date", json!("2026-12-01")),
            ("successor", json!("plain")),
        ] {
            assert_eq!(small[key], value, "{key}");
        }
        let top =
            json!({ "context_length": 800, "max_completion_tokens": 100, "is_moderated": false });
        assert_eq!(small["top_provider"], top);
        assert_eq!(small["architecture"]["modality"], "text+image->text");
        assert_eq!(small["architecture"]["input_modalities"], json!(["text", "image"]));
        let parameters = small["supported_parameters"].as_array().unwrap();
        assert!(
            parameters.contains(&json!("tools"))
                && !parameters.contains(&json!("structured_outputs"))
        );
    }

    #[test]
    fn a_model_is_listed_with_the_price_in_force() {
        let small = shown(0, 0);
        let pricing = &small["pricing"];
        for (key, value) in [
            ("prompt", "0.00000015"),
            ("completion", "0.0000006"),
            ("input_cache_read", "0.000000075"),
            ("input_cache_write", "0.00000015"),
            ("request", "0.01"),
            ("image", "0"),
        ] {
            assert_eq!(pricing[key], value, "{key}");
        }
        let later = shown(0, 86_400_000);
        assert_eq!(
            (&small["pricing_tiers"], &later["pricing"]["prompt"]),
            (&Value::Null, &json!("0.000001"))
        );
        assert_eq!(later["pricing_tiers"][0]["context_over"], 500);
        assert_eq!(later["pricing_tiers"][0]["completion"], "0.000004");
        let plain = shown(1, 0);
        assert_eq!(plain["architecture"]["modality"], "text->text");
        assert_eq!((&plain["pricing"]["prompt"], &plain["successor"]), (&json!("0"), &Value::Null));
    }
}
