//! The documents: that they are OpenAPI 3.1, and that what is answered is as they say.

mod admin;
mod areas;
mod checker;
mod clients;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{front, operate};

/// The schema of OpenAPI 3.1 documents of the OpenAPI Initiative, under the Apache License 2.0:
/// <https://spec.openapis.org/oas/3.1/schema/2022-10-07>.
const SCHEMA: &str = include_str!("openapi-3.1.json");

fn documents() -> [Value; 2] {
    [front::document(), operate::admin::document()]
}

/// All operations with their method and path.
fn operations(document: &Value) -> Vec<(String, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    let all = paths.iter().flat_map(|(path, methods)| {
        let methods = methods.as_object().unwrap().iter();
        methods.map(move |(method, operation)| {
            (format!("{} {path}", method.to_uppercase()), operation)
        })
    });
    all.collect()
}

#[test]
fn the_documents_are_openapi_3_1() {
    let schema = serde_json::from_str(SCHEMA).unwrap();
    let openapi = jsonschema::validator_for(&schema).unwrap();
    for document in documents() {
        let faults: Vec<_> =
            openapi.iter_errors(&document).map(|fault| fault.to_string()).collect();
        assert!(faults.is_empty(), "{faults:#?}");
        // What that schema leaves open: that schemas are schemas, and that references lead somewhere.
        for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
            assert!(jsonschema::meta::is_valid(schema), "{name}: {schema}");
            let whole = json!({ "$ref": format!("#/components/schemas/{name}"), "components": document["components"] });
            jsonschema::validator_for(&whole).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }
    assert!(!openapi.is_valid(&json!({ "openapi": "3.1.0", "paths": {} })));
}

#[test]
fn every_operation_has_a_name_of_its_own_a_summary_and_a_group() {
    for document in documents() {
        let tags: BTreeSet<_> = document["tags"]
            .as_array()
            .unwrap()
            .iter()
            .map(|tag| &tag["name"])
            .collect::<Vec<_>>()
            .into_iter()
            .map(ToString::to_string)
            .collect();
        let mut names = BTreeSet::new();
        for (place, operation) in operations(&document) {
            let name = operation["operationId"].as_str().unwrap();
            assert!(names.insert(name.to_owned()), "{place}: {name} is there twice");
            assert!(operation["summary"].as_str().unwrap().ends_with('.'), "{place}");
            assert!(tags.contains(&operation["tags"][0].to_string()), "{place}");
            let responses = operation["responses"].as_object().unwrap();
            assert!(responses.keys().any(|status| status.starts_with('2')), "{place}");
        }
    }
}

#[test]
fn no_two_types_have_one_name() {
    for document in documents() {
        for name in document["components"]["schemas"].as_object().unwrap().keys() {
            // The second of a name gets a number: give it a name with `schemars(rename)`.
            assert!(!name.ends_with(|last: char| last.is_ascii_digit()), "{name}");
        }
    }
}

#[test]
fn what_reads_a_path_says_every_part_of_it() {
    for document in documents() {
        for (place, operation) in operations(&document) {
            let parts = place.matches('{').count();
            let parameters = operation["parameters"].as_array().map_or(&[][..], Vec::as_slice);
            let said = parameters.iter().filter(|parameter| parameter["in"] == "path").count();
            assert_eq!(parts, said, "{place}");
        }
    }
}
