//! What is said by hand of an operation. Pure.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::Value;

/// What is said by hand of an operation: what it is called and what it answers. The rest follows from
/// its handler's arguments.
#[derive(Clone, Debug)]
pub(crate) struct Doc {
    pub(super) id: &'static str,
    pub(super) summary: &'static str,
    pub(super) answers: Vec<Answer>,
    /// Statuses of its refusals, beside those that follow from its arguments.
    pub(super) problems: Vec<u16>,
    /// Whether it is for anybody, without a token or key.
    pub(super) is_open: bool,
    pub(super) errors: Errors,
    pub(super) example: Option<Value>,
    /// Names of headers of its answers, what they say, and the type of that.
    pub(super) headers: Vec<(&'static str, &'static str, &'static str)>,
}

/// One of its answers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) media_type: &'static str,
    pub(super) schema: Option<SchemaOf>,
}

/// Makes a schema.
pub(super) type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// What many operations have in common.
#[derive(Debug, Default)]
pub(crate) struct Common {
    pub(super) headers: Vec<[&'static str; 3]>,
    pub(super) answers: Vec<(&'static str, &'static str, &'static str)>,
    pub(super) problems: Vec<u16>,
    /// What may stand in the place of an answer in JSON.
    pub(super) instead: Option<SchemaOf>,
}

impl Common {
    /// In the place of any of their answers in JSON, one of this schema may stand.
    pub(crate) fn instead(&mut self, schema: SchemaOf) {
        self.instead = Some(schema);
    }

    /// They may have a header (name, pattern, what it says), and be refused with these statuses for it.
    pub(crate) fn header(&mut self, header: [&'static str; 3], statuses: &[u16]) {
        self.headers.push(header);
        self.problems.extend(statuses);
    }

    /// They may be refused with these statuses.
    pub(crate) fn refuses(&mut self, statuses: &[u16]) {
        self.problems.extend(statuses);
    }

    /// Their answers, not their refusals, have this header; `kind` is the type of a JSON schema.
    pub(crate) fn answer(&mut self, name: &'static str, kind: &'static str, says: &'static str) {
        self.answers.push((name, kind, says));
    }
}

/// How refusals are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Errors {
    /// As problem details (RFC 9457).
    Problems,
    /// As `OpenAI` writes them.
    Envelope,
}

/// An operation with a name of its own, and what it does in a sentence.
pub(crate) fn doc(id: &'static str, summary: &'static str) -> Doc {
    Doc {
        id,
        summary,
        answers: Vec::new(),
        problems: Vec::new(),
        is_open: false,
        errors: Errors::Problems,
        example: None,
        headers: Vec::new(),
    }
}

impl Doc {
    /// It answers a `T` as JSON with this status.
    pub(crate) fn answers<T: JsonSchema>(self, status: u16) -> Self {
        self.answers_as(status, "application/json", SchemaGenerator::subschema_for::<T>)
    }

    /// It answers JSON of this schema with this status.
    pub(crate) fn answers_as(
        mut self,
        status: u16,
        media_type: &'static str,
        schema: SchemaOf,
    ) -> Self {
        self.answers.push(Answer { status, media_type, schema: Some(schema) });
        self
    }

    /// It answers a text of this type.
    pub(crate) fn sends(mut self, status: u16, media_type: &'static str) -> Self {
        self.answers.push(Answer { status, media_type, schema: None });
        self
    }

    /// It answers without a body.
    pub(crate) fn nothing(mut self, status: u16) -> Self {
        self.answers.push(Answer { status, media_type: "", schema: None });
        self
    }

    /// It refuses with these statuses too.
    pub(crate) fn refuses(mut self, statuses: &[u16]) -> Self {
        self.problems.extend(statuses);
        self
    }

    /// Its answers, not its refusals, have this header; `kind` is the type of a JSON schema.
    pub(crate) fn header(
        mut self,
        name: &'static str,
        kind: &'static str,
        says: &'static str,
    ) -> Self {
        self.headers.push((name, kind, says));
        self
    }

    /// Anybody may ask.
    pub(crate) fn open(mut self) -> Self {
        self.is_open = true;
        self
    }

    /// Its refusals are written so.
    pub(crate) fn errors(mut self, errors: Errors) -> Self {
        self.errors = errors;
        self
    }

    /// A body that it may be asked with.
    pub(crate) fn example(mut self, body: Value) -> Self {
        self.example = Some(body);
        self
    }
}
