//! Whole exchanges over sockets, before providers that do as they are told.

mod ends;
mod failover;
mod passage;
mod recovery;
pub(crate) mod stage;
pub(crate) mod upstream;
