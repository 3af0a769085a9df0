//! The edge of InferGate: HTTP, dialects, routing, upstream calls, administration, configuration.

pub mod accept;
pub mod auth;
mod budget;
pub mod catalog;
pub mod cli;
pub mod config;
pub mod dialect;
pub mod error;
pub mod exchange;
pub mod front;
pub mod lots;
mod openapi;
pub mod operate;
pub mod route;
pub mod serve;
pub mod simulated;
#[cfg(test)]
mod tidy;
pub mod upstream;
mod usage;
