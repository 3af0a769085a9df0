//! Black-box scenarios against the gateway: everything here talks to it over sockets and keeps books
//! of its own.

pub mod admin;
pub mod auditor;
pub mod chart;
pub mod client;
pub mod clock;
pub mod generator;
pub mod journal;
pub mod price;
pub mod process;
pub mod provenance;
pub mod random;
pub mod report;
pub mod rest;
pub mod results;
pub mod scenarios;
pub mod simulator;
pub mod table;
pub mod words;
