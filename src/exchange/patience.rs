//! How long an attempt is waited for before it is given up. Pure.
//!
//! A limit is there so that another candidate can be asked in time. For the last one there is nobody
//! else: it may take what is left until the exchange's deadline, because a late answer is better than
//! none.

use std::time::Duration;

use crate::config::Timeouts;

/// The limits on the waits of one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Patience {
    /// From sent to the head of a stream.
    pub(super) head: Duration,
    /// From there to its first content.
    pub(super) first_content: Duration,
    /// From sent to the end of an answer that is not streamed.
    pub(super) unstreamed: Duration,
}

impl Patience {
    /// For an answer of at most `ceiling` tokens; `last` is the time left for an attempt behind which
    /// there is no other.
    pub(super) fn new(timeouts: &Timeouts, ceiling: u64, last: Option<Duration>) -> Self {
        let Some(left) = last else {
            return Self {
                head: timeouts.head,
                first_content: timeouts.first_content,
                unstreamed: timeouts.unstreamed_for(ceiling),
            };
        };
        Self {
            head: timeouts.head.max(left),
            first_content: timeouts.first_content.max(left),
            unstreamed: timeouts.unstreamed_for(ceiling).max(left.min(timeouts.unstreamed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    const TIMEOUTS: Timeouts = Timeouts {
        connect: SECOND,
        head: Duration::from_secs(10),
        first_content: Duration::from_secs(8),
        unstreamed: Duration::from_mins(5),
        unstreamed_tokens_per_second: 20,
        idle: SECOND,
        total: Duration::from_mins(10),
    };

    #[test]
    fn an_unstreamed_answer_is_given_the_time_to_be_written() {
        assert_eq!(Patience::new(&TIMEOUTS, 60, None).unstreamed, Duration::from_secs(11));
        assert_eq!(Patience::new(&TIMEOUTS, 100_000, None).unstreamed, Duration::from_mins(5));
    }

    #[test]
    fn the_last_candidate_has_until_the_deadline() {
        let last = Patience::new(&TIMEOUTS, 60, Some(Duration::from_secs(40)));
        assert_eq!((last.head.as_secs(), last.first_content.as_secs()), (40, 40));
        assert_eq!(last.unstreamed, Duration::from_secs(40));
        let long = Patience::new(&TIMEOUTS, 100_000, Some(SECOND));
        assert_eq!(long.unstreamed, Duration::from_mins(5));
        let late = Patience::new(&TIMEOUTS, 60, Some(SECOND));
        assert_eq!((late.head.as_secs(), late.first_content.as_secs()), (10, 8));
    }
}
