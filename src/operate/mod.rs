//! The side door: what an operator sees and orders.

pub mod metrics;
