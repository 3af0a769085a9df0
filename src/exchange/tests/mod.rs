//! Whole exchanges over sockets, before providers that do as they are told.

mod cache;
mod day;
mod ends;
mod failover;
mod hedge;
mod joins;
mod narrowing;
mod passage;
mod prices;
mod recall;
mod recovery;
mod rescue;
mod retries;
pub(crate) mod stage;
pub(crate) mod upstream;
