//! The edge of InferGate: HTTP, dialects, routing, upstream calls, administration, configuration.

pub mod accept;
pub mod api;
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
pub mod notify;
mod openapi;
pub mod operate;
mod owner;
pub mod route;
pub mod serve;
pub mod simulated;
#[cfg(test)]
mod tidy;
mod turns;
pub mod upstream;
mod usage;
