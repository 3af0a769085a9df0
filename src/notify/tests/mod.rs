//! Webhooks against a real receiver.

mod accounts;
mod outbox;
mod receiver;
mod repaired;
mod watch;
