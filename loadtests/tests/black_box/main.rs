//! Black-box tests, one executable. `provider`: the simulated provider does what its script says, and
//! the client notices. `scenarios`: a small version of each scenario against the gateway.

#![expect(clippy::unwrap_used, reason = "a test may")]

mod provider;
mod scenarios;
mod stage;
