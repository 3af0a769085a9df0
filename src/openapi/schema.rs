//! Schemas: of amounts, of columns, of parameters, and of requests beside answers. Pure.

use std::collections::BTreeSet;

use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

/// Where the document has its schemas.
const PLACE: &str = "/components/schemas";

/// Makes schemas of what is read.
pub(super) fn of_requests() -> SchemaGenerator {
    let settings = settings(SchemaSettings::draft2020_12().for_deserialize());
    settings.with_transform(Bounds).into_generator()
}

/// Makes schemas of what is written.
pub(super) fn of_answers() -> SchemaGenerator {
    settings(SchemaSettings::draft2020_12().for_serialize()).into_generator()
}

fn settings(settings: SchemaSettings) -> SchemaSettings {
    let settings = settings.with(|settings| {
        settings.meta_schema = None;
        settings.definitions_path = PLACE.into();
    });
    settings.with_transform(Formats)
}

/// Formats by the names that OpenAPI's registry has for them.
#[derive(Clone, Debug)]
struct Formats;

impl Transform for Formats {
    fn transform(&mut self, schema: &mut Schema) {
        match schema.get("format").and_then(Value::as_str) {
            Some("uint") => drop(schema.insert("format".to_owned(), "uint64".into())),
            Some("ip") => drop(schema.remove("format")),
            _ => {}
        }
        transform_subschemas(self, schema);
    }
}

/// Bounds of the numbers that a type can hold, where nothing tighter is said.
#[derive(Clone, Debug)]
struct Bounds;

impl Transform for Bounds {
    fn transform(&mut self, schema: &mut Schema) {
        let (least, most) = match schema.get("format").and_then(Value::as_str) {
            Some("uint16") => (json!(0), json!(u16::MAX)),
            Some("uint32") => (json!(0), json!(u32::MAX)),
            Some("uint64") => (json!(0), json!(u64::MAX)),
            Some("int64") => (json!(i64::MIN), json!(i64::MAX)),
            _ => (Value::Null, Value::Null),
        };
        if let Some(object) = schema.as_object_mut().filter(|_| !most.is_null()) {
            object.entry("minimum").or_insert(least);
            object.entry("maximum").or_insert(most);
        }
        transform_subschemas(self, schema);
    }
}

/// The same with bounds of its numbers.
pub(super) fn bounded(mut schema: Schema) -> Value {
    Formats.transform(&mut schema);
    Bounds.transform(&mut schema);
    schema.to_value()
}

/// A parameter of which `field` is the schema, description and all.
pub(super) fn parameter(place: &str, name: &str, is_required: bool, field: &Value) -> Value {
    let mut schema = without_null(field);
    let said = schema.as_object_mut().and_then(|object| object.remove("description"));
    let mut parameter =
        json!({ "name": name, "in": place, "required": is_required, "schema": schema });
    if let (Some(said), Some(object)) = (said, parameter.as_object_mut()) {
        object.insert("description".to_owned(), said);
    }
    parameter
}

/// A parameter is there or not: it is never null.
fn without_null(field: &Value) -> Value {
    let mut field = field.clone();
    let Some(object) = field.as_object_mut() else { return field };
    if object.get("default").is_some_and(Value::is_null) {
        object.remove("default");
    }
    if let Some(Value::Array(kinds)) = object.get("type") {
        let kind = kinds.iter().find(|kind| **kind != "null").cloned();
        object.insert("type".to_owned(), kind.unwrap_or_default());
    }
    if let Some(Value::Array(any)) = object.remove("anyOf") {
        let one = any.iter().find(|one| one.get("type").is_none_or(|kind| kind != "null"));
        for (name, value) in one.and_then(Value::as_object).into_iter().flatten() {
            object.insert(name.clone(), value.clone());
        }
    }
    field
}

/// Names that mean one thing in requests and another in answers.
pub(super) struct Apart(BTreeSet<String>);

impl Apart {
    pub(super) fn new(requests: &Map<String, Value>, answers: &Map<String, Value>) -> Self {
        let mut apart = Self(BTreeSet::new());
        loop {
            let is_new = |(name, schema): &(&String, &Value)| {
                let other = answers.get(*name);
                // What names one of them is another thing there, too.
                let differs = other != Some(schema) || apart.renamed(schema) != **schema;
                other.is_some() && differs && !apart.0.contains(*name)
            };
            let more: Vec<String> =
                requests.iter().filter(is_new).map(|(name, _)| name.clone()).collect();
            if more.is_empty() {
                return apart;
            }
            apart.0.extend(more);
        }
    }

    /// The name of a schema of requests in the document.
    pub(super) fn name(&self, name: &str) -> String {
        if self.0.contains(name) { format!("{name}Request") } else { name.to_owned() }
    }

    /// The same with references to the names in the document.
    pub(super) fn renamed(&self, value: &Value) -> Value {
        match value {
            Value::Array(values) => values.iter().map(|value| self.renamed(value)).collect(),
            Value::Object(members) => members
                .iter()
                .map(|(name, value)| match (name.as_str(), value.as_str()) {
                    ("$ref", Some(path)) => (name.clone(), self.reference(path)),
                    _ => (name.clone(), self.renamed(value)),
                })
                .collect(),
            _ => value.clone(),
        }
    }

    fn reference(&self, path: &str) -> Value {
        let name = path.rsplit('/').next().unwrap_or_default();
        Value::String(format!("#{PLACE}/{}", self.name(name)))
    }
}

/// Amounts of these names, each as dollars in a text and as a whole number of nano-dollars.
pub(crate) fn amounts(names: &[&str]) -> Schema {
    let mut properties = Map::new();
    for name in names {
        properties.insert(format!("{name}_usd"), usd());
        properties.insert(format!("{name}_nano_usd"), json!({ "type": "integer" }));
    }
    object(&properties)
}

/// Named values, all of them always there. A name has the type of a JSON schema beside it; one that
/// ends in `?` may be null.
pub(crate) fn columns(columns: &[(&str, &str)]) -> Schema {
    let column = |(name, kind): &(&str, &str)| {
        let schema = match (kind.strip_suffix('?'), name.ends_with("_usd")) {
            (Some(kind), _) => json!({ "type": [kind, "null"] }),
            (None, true) if *kind == "string" => usd(),
            (None, _) => json!({ "type": kind }),
        };
        ((*name).to_owned(), schema)
    };
    object(&columns.iter().map(column).collect())
}

/// To a request that says an amount either in dollars or in nano-dollars: that it says one.
pub(crate) fn one_amount(schema: &mut Schema) {
    let one = |said: &str, other: &str| {
        json!({
            "required": [said],
            "properties": { said: { "not": { "type": "null" } }, other: { "type": "null" } },
        })
    };
    let (usd, nano) = ("amount_usd", "amount_nano_usd");
    schema.insert("oneOf".to_owned(), json!([one(usd, nano), one(nano, usd)]));
}

/// To a request that may say an amount either in dollars or in nano-dollars: that it says no two.
pub(crate) fn amount_if_any(schema: &mut Schema) {
    let none = |name: &str| json!({ "properties": { name: { "type": "null" } } });
    let any = json!([none("amount_usd"), none("amount_nano_usd")]);
    schema.insert("anyOf".to_owned(), any);
}

/// Adds a member that is always there to an object.
pub(crate) fn member(object: &mut Schema, name: &str, schema: Value) {
    if let Some(Value::Array(required)) = object.get_mut("required") {
        required.push(name.into());
    }
    if let Some(Value::Object(properties)) = object.get_mut("properties") {
        properties.insert(name.to_owned(), schema);
    }
}

fn usd() -> Value {
    json!({ "type": "string", "pattern": r"^-?[0-9]+(\.[0-9]{1,9})?$" })
}

fn object(properties: &Map<String, Value>) -> Schema {
    let required: Vec<String> = properties.keys().cloned().collect();
    json_schema!({ "type": "object", "properties": properties, "required": required })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schemas(schemas: &Value) -> Map<String, Value> {
        schemas.as_object().unwrap().clone()
    }

    #[test]
    fn a_name_that_means_two_things_is_told_apart_and_so_is_what_names_it() {
        let refers = |name: &str| json!({ "items": { "$ref": format!("#{PLACE}/{name}") } });
        let requests = json!({
            "Same": {}, "Two": { "minimum": 0 }, "OfTwo": refers("Two"), "Own": refers("OfTwo"),
            "OfSame": refers("Same"),
        });
        let answers =
            json!({ "Same": {}, "Two": {}, "OfTwo": refers("Two"), "OfSame": refers("Same") });
        let apart = Apart::new(&schemas(&requests), &schemas(&answers));
        let names = ["Same", "Two", "OfTwo", "Own", "OfSame"].map(|name| apart.name(name));
        assert_eq!(names, ["Same", "TwoRequest", "OfTwoRequest", "Own", "OfSame"]);
        assert_eq!(apart.renamed(&refers("Two")), refers("TwoRequest"));
    }

    #[test]
    fn a_parameter_is_never_null() {
        let optional = json!({ "type": ["integer", "null"], "default": null, "description": "D." });
        let parameter = parameter("query", "limit", false, &optional);
        assert_eq!(parameter["schema"], json!({ "type": "integer" }));
        assert_eq!(parameter["description"], "D.");
        let either = json!({ "anyOf": [{ "type": "null" }, { "$ref": "#/there" }] });
        assert_eq!(without_null(&either), json!({ "$ref": "#/there" }));
    }

    #[test]
    fn an_amount_is_written_twice_and_asked_for_once() {
        let schema = amounts(&["held"]).to_value();
        assert_eq!(schema["required"], json!(["held_nano_usd", "held_usd"]));
        let mut asked = json_schema!({ "type": "object" });
        one_amount(&mut asked);
        let validator = jsonschema::validator_for(asked.as_value()).unwrap();
        for (asked, is_one) in [
            (json!({ "amount_usd": "1" }), true),
            (json!({ "amount_usd": null, "amount_nano_usd": 1 }), true),
            (json!({ "amount_usd": "1", "amount_nano_usd": 1 }), false),
            (json!({ "amount_usd": null }), false),
            (json!({}), false),
        ] {
            assert_eq!(validator.is_valid(&asked), is_one, "{asked}");
        }
    }
}
