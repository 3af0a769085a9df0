//! Whether it pays to look once more for events that came together before handing them on. Pure.
//!
//! The HTTP client passes a stream on event by event, from a task of its own; letting that task run
//! once more costs a fraction of a microsecond, a write for each event several. So a look is taken as
//! long as looks find something, and after some in vain only now and then.

/// A look takes two polls: the HTTP server polls a body twice in a row, and only between two turns of
/// its task has the client's task had one.
const POLLS: u8 = 2;
/// After so many looks in vain it is no longer looked each time.
const VAIN_MAX: u8 = 3;
/// But still once in so many times.
const TRY_AGAIN_EVERY: u8 = 16;

/// Remembers whether looks have paid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Gather {
    /// Polls of the present look, from its beginning on.
    polls: u8,
    vain: u8,
    skipped: u8,
}

impl Gather {
    /// A frame has come.
    pub(super) fn frame_came(&mut self) {
        if self.polls > 0 {
            self.polls = 0;
            self.vain = 0;
        }
    }

    /// Nothing more has come, and something is ready to be handed on: whether to look once more
    /// before that.
    pub(super) fn asks_for_more(&mut self) -> bool {
        if self.polls == 0 && self.vain >= VAIN_MAX && self.skipped < TRY_AGAIN_EVERY {
            self.skipped += 1;
            return false;
        }
        self.polls += 1;
        if self.polls <= POLLS {
            return true;
        }
        self.polls = 0;
        self.skipped = 0;
        self.vain = self.vain.saturating_add(1);
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_looked_as_long_as_that_pays_and_no_longer() {
        let mut gather = Gather::default();
        for _ in 0..100 {
            assert!(gather.asks_for_more() && gather.asks_for_more());
            gather.frame_came();
        }
        assert!(gather.asks_for_more() && gather.asks_for_more() && !gather.asks_for_more());
    }

    #[test]
    fn events_that_come_alone_are_looked_behind_only_now_and_then() {
        let mut gather = Gather::default();
        let mut looks = 0;
        for _ in 0..1_000 {
            gather.frame_came();
            if gather.asks_for_more() {
                looks += 1;
                assert!(gather.asks_for_more() && !gather.asks_for_more());
            }
        }
        assert!((40..80).contains(&looks), "{looks}");
    }
}
