//! The front door over sockets: what is refused, how, and what is spoken.

mod refusals;
mod wire;
