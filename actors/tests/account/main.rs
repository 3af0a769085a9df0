//! The account's state machine, driven by hand-written scripts and at random against a second,
//! simpler set of books.

#[cfg(test)]
mod auditor;
#[cfg(test)]
mod bench;
#[cfg(test)]
mod books;
#[cfg(test)]
mod budgets;
#[cfg(test)]
mod credit;
#[cfg(test)]
mod credit_random;
#[cfg(test)]
mod everything;
#[cfg(test)]
mod fallbacks;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod members;
#[cfg(test)]
mod plans;
#[cfg(test)]
mod projects;
#[cfg(test)]
mod random;
#[cfg(test)]
mod scripts;
#[cfg(test)]
mod subscription_money;
#[cfg(test)]
mod subscriptions;
#[cfg(test)]
mod subscriptions_random;
#[cfg(test)]
mod watch;
#[cfg(test)]
mod watch_random;
#[cfg(test)]
mod watch_top_ups;
#[cfg(test)]
mod whole_random;
