//! Answers about usage as the API's documents describe them. Pure.

use schemars::{Schema, SchemaGenerator, json_schema};

use super::ask::{Format, Whose};
use super::group::GroupBy;
use crate::openapi::{self, Doc};

/// The columns of a record that its account sees. One that ends in `?` may be null.
const RECORD: &[(&str, &str)] = &[
    ("id", "string"),
    ("account", "string"),
    ("key", "string"),
    ("project", "string?"),
    ("user", "string?"),
    ("client", "string?"),
    ("dialect", "string"),
    ("started_at_ms", "integer"),
    ("settled_at_ms", "integer"),
    ("model", "string"),
    ("served_model", "string"),
    ("provider", "string?"),
    ("source", "string"),
    ("streamed", "boolean"),
    ("end", "string"),
    ("status", "integer?"),
    ("finish", "string?"),
    ("attempts", "integer"),
    ("first_content_ms", "integer?"),
    ("total_ms", "integer"),
    ("estimated", "boolean"),
    ("cost_nano_usd", "integer"),
    ("input_cost_nano_usd", "integer"),
    ("cached_input_cost_nano_usd", "integer"),
    ("cache_write_cost_nano_usd", "integer"),
    ("output_cost_nano_usd", "integer"),
    ("reasoning_cost_nano_usd", "integer"),
    ("audio_cost_nano_usd", "integer"),
    ("image_cost_nano_usd", "integer"),
    ("tool_calls_cost_nano_usd", "integer"),
    ("request_cost_nano_usd", "integer"),
];
/// Those of tokens and of what was charged, in records and sums.
const COUNTS: &[(&str, &str)] = &[
    ("input_tokens", "integer"),
    ("cached_input_tokens", "integer"),
    ("cache_write_5m_tokens", "integer"),
    ("cache_write_1h_tokens", "integer"),
    ("audio_input_tokens", "integer"),
    ("image_input_tokens", "integer"),
    ("output_tokens", "integer"),
    ("reasoning_tokens", "integer"),
    ("audio_output_tokens", "integer"),
    ("image_output_tokens", "integer"),
    ("tool_calls", "integer"),
    ("charged_usd", "string"),
    ("charged_nano_usd", "integer"),
];
/// Those that only the operator sees.
const COSTS: &[(&str, &str)] = &[
    ("absorbed_nano_usd", "integer"),
    ("provider_cost_usd", "string"),
    ("provider_cost_nano_usd", "integer"),
    ("margin_nano_usd", "integer"),
];
const SUMS: &[(&str, &str)] = &[
    ("requests", "integer"),
    ("estimated", "integer"),
    ("attempts", "integer"),
    ("first_content_ms", "integer"),
    ("first_contents", "integer"),
    ("total_ms", "integer"),
];
const LINE: &[(&str, &str)] = &[
    ("line", "string"),
    ("at", "string?"),
    ("item", "string"),
    ("reference", "string?"),
    ("requests", "integer?"),
    ("amount_usd", "string"),
    ("amount_nano_usd", "integer"),
    ("paid_usd", "string?"),
    ("paid_nano_usd", "integer?"),
];

/// `doc` with the streams that a question on usage may be answered with.
pub(crate) fn described(doc: Doc) -> Doc {
    doc.sends(200, Format::Csv.media_type()).sends(200, Format::Ndjson.media_type()).refuses(&[422])
}

/// What an account's owner is answered.
pub(crate) fn answer_for_account(generator: &mut SchemaGenerator) -> Schema {
    answer(generator, Whose::Account(infergate_actors::id::AccountId(0)))
}

/// What an operator is answered.
pub(crate) fn answer_for_operator(generator: &mut SchemaGenerator) -> Schema {
    answer(generator, Whose::Operator)
}

fn answer(generator: &mut SchemaGenerator, whose: Whose) -> Schema {
    let is_operator = whose == Whose::Operator;
    let (costs, upstream): (&[_], &[_]) =
        if is_operator { (COSTS, &[("upstream_model", "string?")]) } else { (&[], &[]) };
    let record = openapi::columns(&[RECORD, COUNTS, costs, upstream].concat());
    let mut sums = openapi::columns(&[SUMS, COUNTS, costs].concat());
    if let Some(columns) = sums.get_mut("properties").and_then(|columns| columns.as_object_mut()) {
        for by in GroupBy::ALL {
            columns.insert(by.name().to_owned(), serde_json::json!({ "type": "string" }));
        }
    }
    let definitions = generator.definitions_mut();
    definitions.insert("UsageEntry".to_owned(), record.to_value());
    definitions.insert("UsageSums".to_owned(), sums.to_value());
    json_schema!({ "anyOf": [
        {
            "title": "UsagePage",
            "type": "object",
            "properties": {
                "usage": { "type": "array", "items": { "$ref": "#/components/schemas/UsageEntry" } },
                "next": { "type": ["string", "null"] },
                "records_from_ms": { "type": "integer" },
            },
            "required": ["usage", "next"],
        },
        {
            "title": "UsageGroups",
            "type": "object",
            "properties": {
                "group_by": { "type": "string" },
                "sums_from_ms": { "type": "integer" },
                "groups": { "type": "array", "items": { "$ref": "#/components/schemas/UsageSums" } },
            },
            "required": ["group_by", "groups"],
        },
    ] })
}

/// A statement.
pub(crate) fn statement_schema(generator: &mut SchemaGenerator) -> Schema {
    let line = openapi::columns(LINE);
    generator.definitions_mut().insert("StatementLine".to_owned(), line.to_value());
    let mut statement = openapi::amounts(&[
        "opening",
        "credited",
        "charged",
        "expired",
        "returned",
        "closing",
        "subscription_paid",
    ]);
    for (name, schema) in [
        ("account", serde_json::json!({ "type": "string" })),
        ("from_ms", serde_json::json!({ "type": "integer" })),
        ("to_ms", serde_json::json!({ "type": "integer" })),
        (
            "lines",
            serde_json::json!({
                "type": "array", "items": { "$ref": "#/components/schemas/StatementLine" },
            }),
        ),
    ] {
        openapi::member(&mut statement, name, schema);
    }
    statement
}
