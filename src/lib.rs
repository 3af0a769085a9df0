//! The edge of InferGate: HTTP, dialects, routing, upstream calls and operation.

pub mod dialect;
