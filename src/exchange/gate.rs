//! How many exchanges may be in the works at one time: the bound on everything behind it, because
//! the actors' mailboxes have none.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// The gate. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Gate(Arc<State>);

#[derive(Debug)]
struct State {
    inside: AtomicUsize,
    inside_max: AtomicUsize,
    empty: Notify,
}

/// One exchange's place inside; given back when dropped.
#[derive(Debug)]
pub struct Admission(Arc<State>);

impl Gate {
    /// A gate that lets `inside_max` in.
    pub fn new(inside_max: usize) -> Self {
        let (inside, inside_max) = (AtomicUsize::new(0), AtomicUsize::new(inside_max));
        Self(Arc::new(State { inside, inside_max, empty: Notify::new() }))
    }

    /// A place, if there is one.
    pub fn enter(&self) -> Option<Admission> {
        let before = self.0.inside.fetch_add(1, Ordering::AcqRel);
        let admission = Admission(Arc::clone(&self.0));
        (before < self.0.inside_max.load(Ordering::Relaxed)).then_some(admission)
    }

    /// Changes how many may be inside; those who are may stay.
    pub fn resize(&self, inside_max: usize) {
        self.0.inside_max.store(inside_max, Ordering::Relaxed);
    }

    /// How many are inside.
    pub fn inside(&self) -> usize {
        self.0.inside.load(Ordering::Acquire)
    }

    /// Returns when nobody is inside.
    pub async fn wait_until_empty(&self) {
        loop {
            let empty = self.0.empty.notified();
            if self.inside() == 0 {
                return;
            }
            empty.await;
        }
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        if self.0.inside.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.empty.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn no_more_than_allowed_are_inside_and_leaving_makes_room() {
        let gate = Gate::new(1);
        let first = gate.enter().unwrap();
        assert!(gate.enter().is_none());
        assert_eq!(gate.inside(), 1);
        drop(first);
        let second = gate.enter().unwrap();
        let waiting = tokio::spawn({
            let gate = gate.clone();
            async move { gate.wait_until_empty().await }
        });
        drop(second);
        waiting.await.unwrap();
    }
}
