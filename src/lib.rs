//! x

pub mod config;
pub mod route;
