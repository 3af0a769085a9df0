//! How far a running answer is paid for, and when to ask for more. Pure.

use infergate_actors::account::Extend;
use infergate_actors::id::HoldId;

use super::admit::{Quote, STREAM_STEP_TOKENS};

/// What a stream has been granted. Token counts are the gateway's own while it runs.
#[derive(Clone, Debug)]
pub(super) struct Credit {
    quote: Quote,
    covered: u64,
    refused: bool,
}

/// A wish for more.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wish {
    quote: Quote,
    covered: u64,
    wanted: u64,
}

/// A provider that was told a ceiling keeps it by its own count, which may differ from ours; only
/// well beyond it does it count as ignored.
const EXPLICIT_SLACK_TOKENS: u64 = 64;

impl Credit {
    /// Covered up to `covered` completion tokens at first.
    pub(super) fn new(quote: Quote, covered: u64) -> Self {
        Self { quote, covered, refused: false }
    }

    /// Whether it is time to ask for more: with a quarter of the cover left, so that the answer is
    /// there before the stream would have to wait for it.
    pub(super) fn wants(&self, delivered: u64) -> Option<Wish> {
        let threshold =
            if self.quote.explicit { self.limit() } else { self.covered - self.covered / 4 };
        let more = STREAM_STEP_TOKENS.saturating_mul(self.quote.choices);
        let wanted = self.covered.max(delivered).saturating_add(more);
        (!self.refused && delivered >= threshold).then_some(Wish {
            quote: self.quote,
            covered: self.covered,
            wanted,
        })
    }

    /// More was granted.
    pub(super) fn covered(&mut self, tokens: u64) {
        self.covered = self.covered.max(tokens);
    }

    /// No more is to be had.
    pub(super) fn refused(&mut self) {
        self.refused = true;
    }

    /// Whether nothing more may be handed on.
    pub(super) fn is_used_up(&self, delivered: u64) -> bool {
        delivered >= self.limit()
    }

    fn limit(&self) -> u64 {
        if self.quote.explicit {
            (self.covered + self.covered / 2).saturating_add(EXPLICIT_SLACK_TOKENS)
        } else {
            self.covered
        }
    }
}

impl Wish {
    /// The wish as a question to the account.
    pub(super) fn of(self, hold: HoldId) -> Extend {
        Extend {
            hold,
            rates: self.quote.rates,
            prompt_tokens_max: self.quote.prompt_tokens_max,
            completion_tokens_held: self.covered,
            completion_tokens: self.wanted,
        }
    }
}

#[cfg(test)]
mod tests {
    use infergate_actors::money::Rates;

    use super::*;

    fn credit(explicit: bool, covered: u64) -> Credit {
        let quote = Quote {
            rates: Rates::default(),
            prompt_tokens_max: 10,
            prompt_tokens_estimate: 3,
            completion_tokens_max: 100_000,
            completion_tokens_first: covered,
            choices: 1,
            explicit,
        };
        Credit::new(quote, covered)
    }

    #[test]
    fn more_is_asked_for_before_the_cover_is_used_up() {
        let mut credit = credit(false, 4_096);
        assert!(credit.wants(3_071).is_none());
        assert_eq!(credit.wants(3_072).unwrap().wanted, 8_192);
        assert!(!credit.is_used_up(4_095) && credit.is_used_up(4_096));
        credit.covered(8_192);
        assert!(!credit.is_used_up(4_096) && credit.wants(4_096).is_none());
        credit.refused();
        assert!(credit.wants(8_000).is_none() && credit.is_used_up(8_192));
    }

    #[test]
    fn a_ceiling_the_provider_was_told_is_the_providers_to_keep() {
        let credit = credit(true, 100);
        assert!(credit.wants(150).is_none() && !credit.is_used_up(150));
        assert!(credit.wants(214).is_some() && credit.is_used_up(214));
    }
}
