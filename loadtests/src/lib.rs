//! Black-box scenarios against the gateway: everything here talks to it over sockets and keeps books
//! of its own.

pub mod admin;
pub mod auditor;
pub mod client;
pub mod clock;
pub mod generator;
pub mod journal;
pub mod price;
pub mod process;
pub mod random;
pub mod rest;
pub mod scenarios;
pub mod simulator;
pub mod table;
pub mod words;
