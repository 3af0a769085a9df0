//! Whole exchanges over sockets, before providers that do as they are told.

mod ends;
mod failover;
mod hedge;
mod narrowing;
mod passage;
mod recall;
mod recovery;
mod rescue;
pub(crate) mod stage;
pub(crate) mod upstream;
