//! How far a webhook has come: what is kept of it in the store. Pure.

use infergate_actors::account::Webhook;
use infergate_actors::id::AccountId;
use serde::{Deserialize, Serialize};

const VERSION: u8 = 1;
/// Messages given up that are listed; older ones are only counted.
const FAILED_MAX: usize = 1_000;
/// Messages that wait to be sent once more.
const AGAIN_MAX: usize = 1_000;

/// How far a webhook has come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    /// Whose it is and what it is, where it is an account's.
    pub(crate) of: Option<(AccountId, Webhook)>,
    /// Every message up to this sequence was delivered or given up, or is none of its own.
    pub(crate) cursor: u64,
    /// Sequences of messages that are sent once more, before it goes on.
    pub(crate) again: Vec<u64>,
    /// Tries in a row that failed.
    pub(crate) tries: u32,
    /// Since when it fails, in milliseconds since 1970.
    pub(crate) failing_since_ms: Option<u64>,
    /// The URL that has said it is gone: nothing is sent there any more.
    pub(crate) gone: Option<String>,
    /// Sequences of messages that were given up.
    pub(crate) failed: Vec<u64>,
    /// How many were.
    pub(crate) failed_ever: u64,
    /// What came of the last try.
    pub(crate) last: Option<Try>,
}

/// What came of a try.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Try {
    pub(crate) at_ms: u64,
    pub(crate) sequence: u64,
    /// The HTTP status, where there was an answer.
    pub(crate) status: Option<u16>,
    /// Why it counts as failed; `None` where it does not.
    pub(crate) fault: Option<String>,
}

impl State {
    /// One that begins behind this sequence.
    pub(crate) fn behind(cursor: u64) -> Self {
        Self { cursor, ..Self::default() }
    }

    /// As it is kept.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        // Writing to a Vec can't fail, and no field refuses to be serialised.
        postcard::to_extend(self, vec![VERSION]).unwrap_or_default()
    }

    /// Reads what was kept; `None` of a webhook that was removed, or of what can't be read.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        postcard::from_bytes(bytes.strip_prefix(&[VERSION])?).ok()
    }

    /// Takes back what it knows of sequences behind `last`, where the journal ends: it was cut since, and
    /// other messages will have those. Whether there was anything.
    pub(crate) fn keep_within(&mut self, last: u64) -> bool {
        let known = (self.cursor, self.again.len(), self.failed.len());
        self.cursor = self.cursor.min(last);
        self.again.retain(|sequence| *sequence <= last);
        self.failed.retain(|sequence| *sequence <= last);
        known != (self.cursor, self.again.len(), self.failed.len())
    }

    /// A message has arrived.
    pub(crate) fn delivered(&mut self, sequence: u64) {
        self.past(sequence);
        self.failed.retain(|failed| *failed != sequence);
        (self.tries, self.failing_since_ms) = (0, None);
    }

    /// A message has not arrived.
    pub(crate) fn missed(&mut self, now_ms: u64) {
        self.tries = self.tries.saturating_add(1);
        self.failing_since_ms.get_or_insert(now_ms);
    }

    /// A message is not tried any more.
    pub(crate) fn give_up(&mut self, sequence: u64) {
        self.past(sequence);
        self.failed_ever = self.failed_ever.saturating_add(1);
        if !self.failed.contains(&sequence) {
            self.failed.push(sequence);
        }
        if self.failed.len() > FAILED_MAX {
            self.failed.remove(0);
        }
    }

    /// Sends a message once more. Whether there is room for it.
    pub(crate) fn send_again(&mut self, sequence: u64) -> bool {
        if self.again.contains(&sequence) {
            return true;
        }
        let has_room = self.again.len() < AGAIN_MAX;
        if has_room {
            self.again.push(sequence);
        }
        has_room
    }

    fn past(&mut self, sequence: u64) {
        match self.again.iter().position(|again| *again == sequence) {
            Some(place) => {
                self.again.remove(place);
            }
            // Not where it was set back while this one was under way.
            None if self.cursor.checked_add(1) == Some(sequence) => self.cursor = sequence,
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_sent_again_leaves_the_cursor_where_it_is() {
        let mut state = State::behind(11);
        state.delivered(12);
        state.cursor = 13;
        state.missed(5);
        state.give_up(14);
        assert_eq!((state.cursor, state.failed.clone(), state.tries), (14, vec![14], 1));
        assert!(state.send_again(14) && state.send_again(14));
        assert_eq!(state.again, [14]);
        state.delivered(14);
        assert_eq!((state.cursor, state.again.len(), state.failed.len()), (14, 0, 0));
        assert_eq!((state.tries, state.failing_since_ms, state.failed_ever), (0, None, 1));
        assert_eq!(State::from_bytes(&state.to_bytes()), Some(state));
        assert_eq!(State::from_bytes(&[]), None, "one that was removed");
    }

    #[test]
    fn nothing_is_known_of_what_was_cut_off_the_journal() {
        let mut state = State::behind(20);
        state.give_up(9);
        state.give_up(12);
        assert!(state.send_again(10) && state.send_again(11));
        assert!(!state.clone().keep_within(20));
        assert!(state.keep_within(10));
        assert_eq!((state.cursor, &state.again[..], &state.failed[..]), (10, &[10][..], &[9][..]));
    }

    #[test]
    fn what_is_listed_has_a_bound() {
        let mut state = State::default();
        for sequence in 1..=1_005 {
            state.give_up(sequence);
        }
        state.cursor = 5;
        state.delivered(9);
        assert_eq!(state.cursor, 5, "it was set back while that one was under way");
        state.give_up(9);
        assert_eq!((state.failed.len(), state.failed[0], state.failed_ever), (1_000, 6, 1_006));
        let sent = (1..=1_005).filter(|sequence| state.send_again(*sequence)).count();
        assert_eq!(sent, 1_000);
    }
}
