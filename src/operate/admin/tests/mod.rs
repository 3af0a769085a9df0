//! The admin API over sockets, on a real store.

mod access;
mod accounts;
mod codes;
mod explain;
mod keys;
mod payments;
mod plans;
mod whole;
