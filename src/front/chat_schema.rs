//! Chat completions as the clients' document describes them: what the gateway looks at. All other members
//! of a request go to the provider as they are. Pure.

use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use crate::dialect::wish::{MODELS_MAX, NAME_BYTES_MAX, NAMES_MAX};
use crate::openapi::{Operation, pattern};

/// A request, its headers and its body.
pub(super) fn asks_chat(operation: &mut Operation<'_>) {
    operation.header("x-infergate-session", "The session, for routes that keep to a target by it.");
    operation.header("x-infergate-user", "The client's own name for its user, as `user` is.");
    operation
        .header("x-infergate-tags", "Tags for the conditions of targets, with commas between.");
    operation.body_as(&json!({
        "type": "object",
        "properties": {
            "model": { "type": "string", "minLength": 1 },
            "messages": { "type": "array", "minItems": 1 },
            "stream": { "type": ["boolean", "null"] },
            "max_tokens": tokens(),
            "max_completion_tokens": tokens(),
            "models": names("Models to ask, in order, where the first does not answer.", MODELS_MAX),
            "provider": provider(),
            "usage": {
                "description": "Whether the answer is to tell what it cost.",
                "type": ["object", "null"],
                "properties": { "include": { "type": ["boolean", "null"] } },
                "additionalProperties": false,
            },
        },
        "required": ["model", "messages"],
    }));
}

/// What is wished of providers, in OpenRouter's convention.
fn provider() -> Value {
    let flag = || json!({ "type": ["boolean", "null"] });
    let word = |words: [&str; 2], third: Option<&str>| {
        let words = words.into_iter().chain(third).map(Value::from).chain([Value::Null]);
        json!({ "enum": words.collect::<Vec<_>>() })
    };
    let price = || {
        json!({ "anyOf": [
            { "type": ["number", "null"], "minimum": 0 },
            { "type": "string", "pattern": pattern::USD },
        ] })
    };
    json!({
        "description": "Which providers may answer, and which first.",
        "type": ["object", "null"],
        "properties": {
            "order": names("Providers to try first, whatever their tier.", NAMES_MAX),
            "only": names("The only ones to try.", NAMES_MAX),
            "ignore": names("Ones not to try.", NAMES_MAX),
            "allow_fallbacks": flag(),
            "require_parameters": flag(),
            "sort": word(["price", "throughput"], Some("latency")),
            "data_collection": word(["allow", "deny"], None),
            "max_price": {
                "description": "The most the client pays, in dollars: per million tokens, per request.",
                "type": ["object", "null"],
                "properties": { "prompt": price(), "completion": price(), "request": price() },
                "additionalProperties": false,
            },
        },
        "additionalProperties": false,
    })
}

fn names(description: &str, most: usize) -> Value {
    let name = json!({ "type": "string", "minLength": 1, "maxLength": NAME_BYTES_MAX });
    json!({
        "description": description, "type": ["array", "null"], "items": name, "maxItems": most,
    })
}

fn tokens() -> Value {
    json!({ "type": ["integer", "null"], "minimum": 1 })
}

/// An answer that is not streamed.
pub(super) fn completion(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "properties": {
            "id": { "type": "string" },
            "object": { "type": "string" },
            "model": { "type": "string" },
            "choices": { "type": "array", "items": { "type": "object" } },
            "usage": { "type": ["object", "null"] },
        },
        "required": ["choices"],
        "additionalProperties": true,
    })
}
