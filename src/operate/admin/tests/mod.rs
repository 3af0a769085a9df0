//! The admin API over sockets, on a real store.

mod access;
mod accounts;
mod audit;
mod before_after;
mod codes;
mod desk;
mod explain;
mod idempotency;
mod keys;
mod payments;
mod plans;
mod projects;
mod tokens;
mod versions;
mod whole;
