//! Holds answers against a document.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::operations;
use crate::operate::fixture::Reply;

/// A document, and what of it was seen.
pub(super) struct Checker {
    document: Value,
    components: Value,
    answered: BTreeSet<String>,
}

impl Checker {
    pub(super) fn new(document: Value) -> Self {
        let mut components = document["components"].clone();
        close(&mut components);
        Self { document, components, answered: BTreeSet::new() }
    }

    /// The answer of `method` at `path` must be one that the document has.
    #[track_caller]
    pub(super) fn check(&mut self, method: &str, path: &str, reply: &Reply) {
        let path = path.split('?').next().unwrap();
        let (template, methods) = self.at(path);
        let place = format!("{method} {template}");
        let operation = &methods[method.to_lowercase().as_str()];
        assert!(operation.is_object(), "{place} is not in the document");
        let status = reply.status.to_string();
        let response = self.resolved(&operation["responses"][&status]);
        let body = String::from_utf8_lossy(&reply.body);
        assert!(response.is_object(), "{place} answers {status}, which is not said: {body}");
        let kind = reply.header("content-type");
        if body.is_empty() && response["content"] == json!({}) {
            self.answered.insert(place);
            return;
        }
        let media = &response["content"][kind];
        assert!(media.is_object(), "{place} answers {status} with `{kind}`, which is not said");
        for name in response["headers"].as_object().into_iter().flat_map(Map::keys) {
            let is_there = !reply.header(name).is_empty();
            // Others are there where there is something to say.
            let must = matches!(name.as_str(), "x-request-id" | "www-authenticate" | "etag");
            assert!(is_there || !must, "{place}: {status} without {name}");
        }
        if kind.ends_with("json") && media["schema"].is_object() {
            let mut schema = media["schema"].clone();
            close(&mut schema);
            let schema = json!({ "allOf": [schema], "components": self.components });
            let validator = jsonschema::validator_for(&schema).unwrap();
            let answer = reply.json();
            let faults: Vec<_> = validator
                .iter_errors(&answer)
                .map(|fault| format!("{} {fault} ({})", fault.instance_path(), fault.schema_path()))
                .collect();
            assert!(faults.is_empty(), "{place} {status}: {faults:#?}\n{answer:#}");
        }
        if reply.status < 300 {
            self.answered.insert(place);
        }
    }

    /// Every operation must have been answered well once.
    pub(super) fn finish(&self) {
        let all = operations(&self.document).into_iter().map(|(place, _)| place);
        let never: Vec<_> = all.filter(|place| !self.answered.contains(place)).collect();
        assert!(never.is_empty(), "in the document, and called by no test: {never:#?}");
    }

    /// The path as the document has it, and what is there.
    fn at(&self, path: &str) -> (&str, &Value) {
        let fits = |template: &str| {
            let (parts, asked) = (template.split('/'), path.split('/'));
            parts.clone().count() == asked.clone().count()
                && parts.zip(asked).all(|(part, asked)| part.starts_with('{') || part == asked)
        };
        let mut paths = self.document["paths"].as_object().unwrap().iter();
        let found = paths.find(|(template, _)| fits(template));
        let (template, methods) = found.unwrap_or_else(|| panic!("{path} is not in the document"));
        (template, methods)
    }

    fn resolved<'d>(&'d self, response: &'d Value) -> &'d Value {
        match response["$ref"].as_str() {
            Some(reference) => self.document.pointer(reference.trim_start_matches('#')).unwrap(),
            None => response,
        }
    }
}

/// Makes objects have no other members than those that are said, which clients are not to rely on.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            if members.get("properties").is_some_and(Value::is_object) {
                members.entry("additionalProperties").or_insert(Value::Bool(false));
            }
            members.values_mut().for_each(close);
        }
        Value::Array(values) => values.iter_mut().for_each(close),
        _ => {}
    }
}
