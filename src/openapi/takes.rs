//! What follows from a handler's arguments: its parameters and body, and what can be wrong with them.
//! Pure.

use std::collections::BTreeSet;

use axum::extract::State;
use http::HeaderMap;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::schema::{bounded, parameter};

/// What a handler may have as an argument.
pub(crate) trait Takes {
    /// Says what of a request it is, and how it may be refused.
    fn describe(operation: &mut Operation<'_>);
}

/// A handler whose arguments, `A`, say what they are.
pub(crate) trait Described<A> {
    /// Says it of all arguments.
    fn describe(operation: &mut Operation<'_>);
}

/// What is known of an operation's requests.
pub(crate) struct Operation<'g> {
    requests: &'g mut SchemaGenerator,
    pub(super) parameters: Vec<Value>,
    pub(super) body: Option<Value>,
    pub(super) problems: BTreeSet<u16>,
}

impl<'g> Operation<'g> {
    pub(super) fn new(requests: &'g mut SchemaGenerator) -> Self {
        Self { requests, parameters: Vec::new(), body: None, problems: BTreeSet::new() }
    }

    /// It may be refused with these statuses.
    pub(crate) fn refuses(&mut self, statuses: &[u16]) {
        self.problems.extend(statuses);
    }

    /// A text in the path, of this pattern.
    pub(crate) fn path(&mut self, name: &str, pattern: Option<&str>, says: &str) {
        let mut schema = json!({ "type": "string", "minLength": 1 });
        if let Some(pattern) = pattern {
            schema = json!({ "type": "string", "pattern": pattern });
        }
        self.parameters.push(json!({
            "name": name, "in": "path", "required": true, "description": says, "schema": schema,
        }));
    }

    /// The query string, of the fields of `T`.
    pub(crate) fn query<T: JsonSchema>(&mut self) {
        let schema = bounded(T::json_schema(self.requests));
        let required = schema.get("required").and_then(Value::as_array);
        let fields = schema.get("properties").and_then(Value::as_object);
        for (name, field) in fields.into_iter().flatten() {
            let is_required = required.is_some_and(|all| all.iter().any(|one| one == name));
            self.parameters.push(parameter("query", name, is_required, field));
        }
        self.refuses(&[400]);
    }

    /// A header that it may have.
    pub(crate) fn header(&mut self, name: &str, says: &str) {
        let field = json!({ "type": "string", "description": says });
        self.parameters.push(parameter("header", name, false, &field));
    }

    /// A header that it may have, of this pattern.
    pub(crate) fn header_like(&mut self, name: &str, pattern: &str, says: &str) {
        let field = json!({ "type": "string", "pattern": pattern, "description": says });
        self.parameters.push(parameter("header", name, false, &field));
    }

    /// A body of exactly the fields of `T`, in JSON.
    pub(crate) fn body<T: JsonSchema>(&mut self) {
        let schema = bounded(self.requests.subschema_for::<T>());
        self.body_as(&schema);
        self.refuses(&[400, 408, 413, 415, 422]);
    }

    /// A body of this schema, in JSON.
    pub(crate) fn body_as(&mut self, schema: &Value) {
        let content = json!({ "application/json": { "schema": schema } });
        self.body = Some(json!({ "required": true, "content": content }));
    }

    pub(super) fn example(&mut self, example: &Value) {
        let media = self.body.as_mut().and_then(|body| body.pointer_mut("/content"));
        let media = media.and_then(Value::as_object_mut).into_iter().flat_map(Map::values_mut);
        for media in media.filter_map(Value::as_object_mut) {
            media.insert("example".to_owned(), example.clone());
        }
    }
}

impl<S> Takes for State<S> {
    fn describe(_: &mut Operation<'_>) {}
}

impl Takes for HeaderMap {
    fn describe(_: &mut Operation<'_>) {}
}

impl<F, R> Described<()> for F
where
    F: Fn() -> R,
{
    fn describe(_: &mut Operation<'_>) {}
}

macro_rules! described {
    ($($argument:ident),+) => {
        impl<Handler, Answer, $($argument),+> Described<($($argument,)+)> for Handler
        where
            Handler: Fn($($argument),+) -> Answer,
            $($argument: Takes),+
        {
            fn describe(operation: &mut Operation<'_>) {
                $($argument::describe(operation);)+
            }
        }
    };
}

described!(A);
described!(A, B);
described!(A, B, C);
described!(A, B, C, D);
described!(A, B, C, D, E);
described!(A, B, C, D, E, F);
