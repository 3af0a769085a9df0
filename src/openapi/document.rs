//! The document as a whole. Pure.

use std::collections::BTreeMap;

use http::StatusCode;
use schemars::SchemaGenerator;
use serde_json::{Map, Value, json};

use super::doc::{Answer, Common, Doc, Errors};
use super::routes::Served;
use super::schema::{self, Apart};
use super::takes::Operation;

/// What a document is of.
pub(crate) struct Document {
    pub(crate) title: &'static str,
    pub(crate) description: &'static str,
    /// What to send as `authorization: Bearer …`.
    pub(crate) bearer: &'static str,
    /// Groups of operations, and what they are about.
    pub(crate) tags: &'static [(&'static str, &'static str)],
    /// Statuses that any operation which is not open may be refused with.
    pub(crate) refusals: &'static [u16],
    /// The same of every operation.
    pub(crate) faults: &'static [u16],
    /// What else an operation has because of its place.
    pub(crate) common: fn(&Served) -> Common,
}

/// Name of the security scheme.
const BEARER: &str = "bearer";

impl Document {
    /// The document of all that is served.
    pub(crate) fn of<'s>(&self, all: impl IntoIterator<Item = &'s Served>) -> Value {
        let (mut requests, mut answers) = (schema::of_requests(), schema::of_answers());
        let mut asked = Vec::new();
        for served in all {
            let mut operation = Operation::new(&mut requests);
            (served.describe)(&mut operation);
            if let Some(example) = &served.doc.example {
                operation.example(example);
            }
            let common = (self.common)(served);
            for [name, pattern, says] in &common.headers {
                operation.header_like(name, pattern, says);
            }
            let Operation { parameters, body, mut problems, .. } = operation;
            problems.extend(&served.doc.problems);
            problems.extend(&common.problems);
            problems.extend(self.faults);
            problems.extend(self.refusals.iter().filter(|_| !served.doc.is_open));
            let responses = responses(&served.doc, &common, problems, &mut answers);
            asked.push((served, parameters, body, responses));
        }
        let problem = answers.subschema_for::<crate::operate::Details>().to_value();
        let envelope = answers.subschema_for::<crate::dialect::chat::Envelope<'_>>().to_value();
        let (requests, mut schemas) =
            (requests.take_definitions(true), answers.take_definitions(true));
        let apart = Apart::new(&requests, &schemas);
        let own = requests.iter().map(|(name, schema)| (apart.name(name), apart.renamed(schema)));
        schemas.extend(own);
        let mut paths = Map::new();
        for (served, parameters, body, responses) in asked {
            let parameters = parameters.iter().map(|parameter| apart.renamed(parameter)).collect();
            let body = body.map(|body| apart.renamed(&body));
            let operation = operation(served, parameters, body, &responses);
            let methods = paths.entry(served.path.clone()).or_insert_with(|| json!({}));
            if let Some(methods) = methods.as_object_mut() {
                methods.insert(served.method.to_owned(), operation);
            }
        }
        self.whole(&paths, &schemas, &[(Errors::Problems, problem), (Errors::Envelope, envelope)])
    }

    fn whole(
        &self,
        paths: &Map<String, Value>,
        schemas: &Map<String, Value>,
        errors: &[(Errors, Value)],
    ) -> Value {
        let mut refusals = Map::new();
        for (errors, schema) in errors {
            for status in REFUSALS {
                refusals.insert(refusal_name(*errors, *status), refusal(*errors, *status, schema));
            }
        }
        let tag = |(name, about): &(&str, &str)| json!({ "name": name, "description": about });
        json!({
            "openapi": "3.1.0",
            "info": {
                "title": self.title,
                "version": env!("CARGO_PKG_VERSION"),
                "description": self.description,
                "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
            },
            "servers": [{ "url": "/" }],
            "security": [{ BEARER: [] }],
            "tags": self.tags.iter().map(tag).collect::<Vec<_>>(),
            "paths": paths,
            "components": {
                "schemas": schemas,
                "responses": refusals,
                "securitySchemes": {
                    BEARER: { "type": "http", "scheme": "bearer", "description": self.bearer },
                },
            },
        })
    }
}

/// Statuses of refusals.
const REFUSALS: &[u16] =
    &[400, 401, 402, 403, 404, 405, 408, 409, 412, 413, 415, 422, 428, 429, 500, 502, 503, 504];

fn operation(
    served: &Served,
    parameters: Vec<Value>,
    body: Option<Value>,
    responses: &Map<String, Value>,
) -> Value {
    let Doc { id, summary, is_open, .. } = &served.doc;
    let mut operation = json!({
        "operationId": id,
        "summary": summary,
        "tags": [served.tag],
        "responses": responses,
    });
    if let Some(object) = operation.as_object_mut() {
        if !parameters.is_empty() {
            object.insert("parameters".to_owned(), parameters.into());
        }
        if let Some(body) = body {
            object.insert("requestBody".to_owned(), body);
        }
        if *is_open {
            object.insert("security".to_owned(), json!([]));
        }
    }
    operation
}

fn responses(
    doc: &Doc,
    common: &Common,
    problems: impl IntoIterator<Item = u16>,
    answers: &mut SchemaGenerator,
) -> Map<String, Value> {
    let mut responses = Map::new();
    for status in problems {
        let name = refusal_name(doc.errors, status);
        let reference = json!({ "$ref": format!("#/components/responses/{name}") });
        responses.insert(status.to_string(), reference);
    }
    let mut contents: BTreeMap<u16, Map<String, Value>> = BTreeMap::new();
    for Answer { status, media_type, schema } in &doc.answers {
        let mut schema = schema.map(|schema| schema(answers).to_value());
        if let (Some(answer), Some(other)) = (&mut schema, common.instead) {
            *answer = json!({ "anyOf": [answer, other(answers)] });
        }
        let media = schema.map_or_else(|| json!({}), |schema| json!({ "schema": schema }));
        let content = contents.entry(*status).or_default();
        if !media_type.is_empty() {
            content.insert((*media_type).to_owned(), media);
        }
    }
    let header = |(name, kind, says): &(&'static str, &str, &str)| {
        let header = json!({ "description": says, "schema": { "type": kind } });
        ((*name).to_owned(), header)
    };
    let headers: Map<String, Value> =
        doc.headers.iter().chain(&common.answers).map(header).collect();
    for (status, content) in contents {
        let mut response = json!({ "description": title(status), "content": content });
        if let Some(object) = response.as_object_mut().filter(|_| !headers.is_empty()) {
            object.insert("headers".to_owned(), headers.clone().into());
        }
        responses.insert(status.to_string(), response);
    }
    responses
}

/// A refusal as all operations have it.
fn refusal(errors: Errors, status: u16, schema: &Value) -> Value {
    let mut headers = Map::new();
    let mut header = |name: &str, kind: &str, says: &str| {
        let header = json!({ "description": says, "schema": { "type": kind } });
        headers.insert(name.to_owned(), header);
    };
    if matches!(status, 429 | 503) {
        header("retry-after", "integer", "Seconds after which it is worth trying again.");
    }
    if status == 401 {
        header("www-authenticate", "string", "`Bearer`.");
    }
    if errors == Errors::Envelope {
        header("x-request-id", "string", "What the exchange is known by.");
    }
    let media_type = match errors {
        Errors::Problems => "application/problem+json",
        Errors::Envelope => "application/json",
    };
    json!({
        "description": title(status),
        "headers": headers,
        "content": { media_type: { "schema": schema } },
    })
}

fn refusal_name(errors: Errors, status: u16) -> String {
    let title = title(status).replace([' ', '-'], "");
    match errors {
        Errors::Problems => title,
        Errors::Envelope => format!("{title}Error"),
    }
}

fn title(status: u16) -> &'static str {
    let status = StatusCode::from_u16(status).ok();
    status.and_then(|status| status.canonical_reason()).unwrap_or("Answer")
}
