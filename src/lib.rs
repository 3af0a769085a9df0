//! The edge of InferGate: HTTP, dialects, routing, upstream calls, administration, configuration.

pub mod config;
pub mod dialect;
pub mod route;
