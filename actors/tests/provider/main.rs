//! Providers from outside: tables for the state machines, and a simulation.

#[cfg(test)]
mod breaker;
#[cfg(test)]
mod credential;
#[cfg(test)]
mod machine;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod snapshot;
