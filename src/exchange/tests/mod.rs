//! Whole exchanges over sockets, before providers that do as they are told.

mod ends;
mod failover;
mod passage;
mod recall;
pub(crate) mod stage;
pub(crate) mod upstream;
