//! What an exchange used: the provider's last word, or what was delivered, counted here. Pure.

use infergate_actors::money::Usage;
use smallvec::SmallVec;

use super::chat::{Facts, Finish, Piece, PieceKind, read_usage};
use super::estimate::Estimator;
use super::json::Piece as TextPiece;

/// Choices that are told apart; the rest of a provider's nonsense is counted with the last.
const CHOICES_MAX: usize = 128;

/// Adds up one exchange, chunk by chunk.
#[derive(Clone, Debug, Default)]
pub struct Meter {
    input_tokens_estimate: u64,
    /// The last usage the provider gave.
    reported: Option<Usage>,
    /// What had been delivered when it did.
    delivered_at_report: Delivered,
    choices: SmallVec<[Tally; 1]>,
    has_content: bool,
}

/// A usage and where it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metered {
    /// What to charge.
    pub usage: Usage,
    /// Whether some of it is the gateway's own count.
    pub estimated: bool,
}

/// Tokens counted here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Delivered {
    visible: u64,
    reasoning: u64,
}

/// What has come of one choice.
#[derive(Clone, Debug, Default)]
struct Tally {
    index: u32,
    visible: Estimator,
    reasoning: Estimator,
    finish: Option<Finish>,
}

impl Meter {
    /// For a request whose prompt has about `input_tokens_estimate` tokens.
    pub fn new(input_tokens_estimate: u64) -> Self {
        Self { input_tokens_estimate, ..Self::default() }
    }

    /// Takes what a chunk, or a whole completion, holds.
    pub fn observe(&mut self, facts: &Facts<'_>) {
        self.has_content |= facts.has_content;
        for choice in &facts.choices {
            let tally = self.tally(choice.index);
            tally.finish = choice.finish.or(tally.finish);
        }
        for piece in &facts.pieces {
            self.tally(piece.choice).count(piece);
        }
        // A chunk's usage covers its own text. What counts nothing is no report.
        if let Some(usage) = facts.usage.and_then(read_usage) {
            self.reported = Some(usage);
            self.delivered_at_report = self.delivered();
        }
    }

    /// What to charge for.
    ///
    /// The provider's last report is final, never a sum of reports. What was delivered after it, as
    /// when a stream with running counts is cut, is counted here and added; so is a side of which it
    /// says nothing though it can't be nothing: the prompt, or an output that was delivered.
    pub fn usage(&self) -> Metered {
        let delivered = self.delivered();
        let Some(mut usage) = self.reported else {
            let usage = Usage {
                input: self.input_tokens_estimate,
                output: delivered.visible,
                reasoning: delivered.reasoning,
                ..Usage::default()
            };
            return Metered { usage, estimated: true };
        };
        let mut estimated = false;
        if usage.prompt_tokens() == 0 {
            usage.input = self.input_tokens_estimate;
            estimated = true;
        }
        let since = if usage.completion_tokens() == 0 {
            delivered
        } else {
            delivered.since(self.delivered_at_report)
        };
        usage.output = usage.output.saturating_add(since.visible);
        usage.reasoning = usage.reasoning.saturating_add(since.reasoning);
        estimated |= since != Delivered::default();
        Metered { usage, estimated }
    }

    /// About how many tokens have been delivered: what a stream's hold is measured against. A
    /// provider's running count is taken where it is higher.
    pub fn completion_tokens(&self) -> u64 {
        let delivered = self.delivered();
        let counted = delivered.visible.saturating_add(delivered.reasoning);
        counted.max(self.reported.map_or(0, |usage| usage.completion_tokens()))
    }

    /// Whether the provider has reported usage.
    pub fn is_reported(&self) -> bool {
        self.reported.is_some()
    }

    /// Whether anything a client shows or acts on has come.
    pub fn has_content(&self) -> bool {
        self.has_content
    }

    /// Whether every choice of `choices` asked for has come to an end.
    pub fn is_finished(&self, choices: u32) -> bool {
        let finished = self.choices.iter().filter(|tally| tally.finish.is_some()).count();
        finished > 0 && finished >= (choices as usize).min(CHOICES_MAX)
    }

    /// Why the first choice that ended did so.
    pub fn finish(&self) -> Option<Finish> {
        self.choices.iter().find_map(|tally| tally.finish)
    }

    /// The choices, of `choices` asked for, that have not come to an end.
    pub fn open_choices(&self, choices: u32) -> Vec<u32> {
        let finished =
            |index: &u32| self.choices.iter().any(|t| t.index == *index && t.finish.is_some());
        (0..choices).filter(|index| !finished(index)).collect()
    }

    fn delivered(&self) -> Delivered {
        self.choices.iter().fold(Delivered::default(), |sum, tally| Delivered {
            visible: sum.visible.saturating_add(tally.visible.tokens()),
            reasoning: sum.reasoning.saturating_add(tally.reasoning.tokens()),
        })
    }

    fn tally(&mut self, index: u32) -> &mut Tally {
        let known = self.choices.iter().position(|tally| tally.index == index);
        let place = known.unwrap_or_else(|| {
            if self.choices.len() < CHOICES_MAX {
                self.choices.push(Tally { index, ..Tally::default() });
            }
            self.choices.len() - 1
        });
        #[expect(clippy::indexing_slicing, reason = "a place found, or the last of at least one")]
        &mut self.choices[place]
    }
}

impl Delivered {
    fn since(self, before: Self) -> Self {
        Self {
            visible: self.visible.saturating_sub(before.visible),
            reasoning: self.reasoning.saturating_sub(before.reasoning),
        }
    }
}

impl Tally {
    #[inline]
    fn count(&mut self, piece: &Piece<'_>) {
        let estimator = match piece.kind {
            PieceKind::Content | PieceKind::Visible => &mut self.visible,
            PieceKind::Reasoning => &mut self.reasoning,
        };
        if !piece.text.is_escaped() {
            return estimator.feed(piece.text.raw().as_bytes());
        }
        for part in piece.text.pieces() {
            match part {
                TextPiece::Plain(text) => estimator.feed(text.as_bytes()),
                TextPiece::Char(character) => {
                    estimator.feed(character.encode_utf8(&mut [0; 4]).as_bytes());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
