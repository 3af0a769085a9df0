//! The side door: what an operator sees and orders.

pub mod admin;
pub mod amount;
#[cfg(test)]
pub(crate) mod fixture;
pub mod metrics;
pub mod report;

pub(crate) use admin::Details;
