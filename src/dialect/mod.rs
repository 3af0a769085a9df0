//! Wire formats: what is read off a request and an answer, and the few bytes that change. Pure.
//!
//! A body is never rebuilt. [`envelope`] reads the fields that decide about money and routing and
//! remembers where they are, [`splice`] changes those bytes and no other; [`sse`] cuts a stream into
//! events without copying them, [`chat`] tells what an event or an answer holds, and [`meter`] adds
//! up what it costs. [`wish`] is how a client narrows where its request may go.

pub mod chat;
pub mod envelope;
pub mod estimate;
pub mod json;
pub mod meter;
pub mod redact;
pub mod splice;
pub mod sse;
pub mod wish;
