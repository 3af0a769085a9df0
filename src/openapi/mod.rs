//! OpenAPI 3.1 documents, made of the types that requests are read into and answers are written from.
//!
//! | file | |
//! | --- | --- |
//! | `doc` | what is said by hand of an operation: its name, its answers |
//! | `takes` | what follows from a handler's arguments: path, query, body, and what can be wrong with them |
//! | `routes` | a router and its document, made of one table |
//! | `document` | the document as a whole |
//! | `schema` | schemas: patterns of ids and amounts, bounds of numbers, requests beside answers |

mod doc;
mod document;
pub(crate) mod pattern;
mod routes;
mod schema;
mod takes;
#[cfg(test)]
mod tests;

pub(crate) use doc::{Common, Doc, Errors, doc};
pub(crate) use document::Document;
pub(crate) use routes::{Routes, Served, get, post};
pub(crate) use schema::{amount_if_any, amounts, columns, member, one_amount};
pub(crate) use takes::{Operation, Takes};
