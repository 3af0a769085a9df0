//! The front door over sockets: what is refused, how, and what is spoken.

mod cors;
mod explain;
mod keys;
mod lookup;
mod models;
mod records;
mod refusals;
mod wire;
