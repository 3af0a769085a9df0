//! Whole exchanges over sockets, before providers that do as they are told.

mod ends;
mod failover;
mod narrowing;
mod passage;
pub(crate) mod stage;
pub(crate) mod upstream;
