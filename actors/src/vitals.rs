//! What can be seen of an actor from outside: messages handled, messages waiting, age.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Counters of one incarnation of an actor, shared between its handles and itself.
///
/// A restarted actor gets new ones: what waited in the mailbox of the one that died is gone.
#[derive(Debug)]
pub struct Vitals {
    sent: AtomicU64,
    handled: AtomicU64,
    started: Duration,
}

impl Vitals {
    /// Those of an actor that starts now (monotonic time).
    pub fn new(now: Duration) -> Self {
        Self { sent: AtomicU64::new(0), handled: AtomicU64::new(0), started: now }
    }

    /// To be called after each message that was put into the mailbox.
    pub fn on_send(&self) {
        self.sent.fetch_add(1, Ordering::Relaxed);
    }

    /// To be called by the actor for each message it takes out of its mailbox.
    pub fn on_handle(&self) {
        self.handled.fetch_add(1, Ordering::Relaxed);
    }

    /// Messages handled since the start.
    pub fn handled(&self) -> u64 {
        self.handled.load(Ordering::Relaxed)
    }

    /// Messages sent and not yet handled. The two counters are read one after the other, so under
    /// traffic this is right to within the messages of that moment.
    pub fn queued(&self) -> u64 {
        let handled = self.handled();
        self.sent.load(Ordering::Relaxed).saturating_sub(handled)
    }

    /// Time since the start.
    pub fn age(&self, now: Duration) -> Duration {
        now.saturating_sub(self.started)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sent_and_not_handled_is_queued() {
        let vitals = Vitals::new(Duration::from_secs(5));
        vitals.on_send();
        vitals.on_send();
        vitals.on_handle();
        assert_eq!((vitals.handled(), vitals.queued()), (1, 1));
        assert_eq!(vitals.age(Duration::from_secs(7)), Duration::from_secs(2));
    }

    #[test]
    fn a_message_handled_before_its_sender_has_counted_it_does_not_wrap_the_queue() {
        let vitals = Vitals::new(Duration::ZERO);
        vitals.on_handle();
        assert_eq!(vitals.queued(), 0);
        vitals.on_send();
        assert_eq!(vitals.queued(), 0);
    }
}
