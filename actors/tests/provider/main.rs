//! Providers from outside: tables for the state machines, a simulation, and the actor.

#[cfg(test)]
mod actor;
#[cfg(test)]
mod breaker;
#[cfg(test)]
mod credential;
#[cfg(test)]
mod figures;
#[cfg(test)]
mod health_probe;
#[cfg(test)]
mod machine;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod snapshot;
