//! The side door: what an operator sees and orders.

pub mod admin;
pub mod metrics;
