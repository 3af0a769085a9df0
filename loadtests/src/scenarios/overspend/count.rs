//! What became of requests.

use super::Bound;
use crate::client::{Ending, Seen};

/// How often what happened.
#[derive(Debug, Default)]
pub(super) struct Count {
    pub(super) served: u64,
    pub(super) left: u64,
    pub(super) unpaid: u64,
    pub(super) others: Vec<String>,
}

impl Count {
    pub(super) fn of(seen: &[Seen], bound: Bound) -> Self {
        let mut count = Self::default();
        for exchange in seen {
            let code = exchange.reading.error.as_ref().and_then(|error| error.code.as_deref());
            match (exchange.ending, exchange.status, code) {
                (Ending::Complete, _, _) => count.served += 1,
                (Ending::Left, _, _) => count.left += 1,
                (Ending::Refused, Some(402), Some(code)) if code == bound.code() => {
                    count.unpaid += 1;
                }
                (ending, status, code) => {
                    count.others.push(format!("{ending:?}, status {status:?}, code {code:?}"));
                }
            }
        }
        count
    }

    pub(super) fn cells(&self) -> [String; 4] {
        let others = u64::try_from(self.others.len()).unwrap_or(u64::MAX);
        [self.served, self.left, self.unpaid, others].map(|number| number.to_string())
    }
}
