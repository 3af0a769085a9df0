//! An answer that broke off and goes on at another provider: what was said so far, and how what comes
//! now follows it. Pure.
//!
//! Two ways lead on. Where the next model takes an answer's beginning (a prefill), it is told what was
//! said, and all that comes is new. Where not, it is asked from the start, and what it repeats is left
//! out as long as it repeats it word for word; as soon as it says something else, the two answers are
//! not one, and nothing is made up to join them.

use bytes::Bytes;
use infergate_actors::money::Usage;

use super::Unreadable;
use crate::dialect::chat::{ChunkIdentity, Facts, PieceKind, Rewrite};
use crate::dialect::meter::Metered;

/// A longer answer is not gone on with: its text is not kept.
const SAID_BYTES_MAX: usize = 256 << 10;

/// What a stream has said, as far as another could go on from it.
#[derive(Clone, Debug, Default)]
pub(in crate::exchange) struct Said {
    text: String,
    /// In how many events. A provider sends a token in each, or several: so many there were at least.
    events: u64,
    /// Something came that no text can stand for: a tool call, a refusal, a picture; or too much.
    beyond_text: bool,
}

/// How an answer goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::exchange) enum Way {
    /// The provider was told what was said.
    Prefill,
    /// It begins again.
    Rerun,
}

/// An answer that broke off.
#[derive(Clone, Debug)]
pub(in crate::exchange) struct Broken {
    /// What all its chunks have in common.
    pub(super) identity: ChunkIdentity,
    /// What was said, and in how many events.
    pub(super) text: String,
    pub(super) events: u64,
    /// What it came to, over all providers so far.
    pub(super) metered: Metered,
}

/// The answer before, for one who reads how it goes on.
#[derive(Debug)]
pub(super) struct Resume {
    broken: Broken,
    way: Way,
    /// How many bytes of what was said have been repeated.
    repeated: usize,
}

/// What becomes of an event of the answer that goes on.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// This is told instead.
    Event(Bytes),
    /// It says nothing new.
    Nothing,
}

impl Said {
    /// Takes note of a chunk.
    pub(super) fn observe(&mut self, facts: &Facts<'_>) {
        if self.beyond_text || !facts.has_content {
            return;
        }
        // What is content and no text of the first choice has no piece, or one of another kind.
        self.beyond_text = facts.pieces.is_empty();
        self.events += 1;
        for piece in &facts.pieces {
            match piece.kind {
                PieceKind::Content if piece.choice == 0 => {
                    self.text.push_str(&piece.text.decoded());
                }
                // Thoughts are not part of the answer: the next model has its own.
                PieceKind::Reasoning => {}
                PieceKind::Content | PieceKind::Visible => self.beyond_text = true,
            }
        }
        if self.text.len() > SAID_BYTES_MAX {
            self.beyond_text = true;
        }
        if self.beyond_text {
            self.text = String::new();
        }
    }

    /// The text, if that is all that was said, and in how many events.
    pub(super) fn text(&self) -> Option<(&str, u64)> {
        (!self.beyond_text).then_some((&*self.text, self.events))
    }
}

impl Broken {
    /// What was said.
    pub(in crate::exchange) fn text(&self) -> &str {
        &self.text
    }

    /// How many tokens of it there are, rather too few than too many: neither is the client's ceiling
    /// to be reached before it is, nor is anything to be charged as output that is none.
    pub(in crate::exchange) fn tokens(&self) -> u64 {
        self.events.min(self.metered.usage.completion_tokens())
    }
}

impl Resume {
    pub(super) fn new(broken: Broken, way: Way) -> Self {
        // Nothing to repeat: all that comes is new.
        Self { repeated: 0, way, broken }
    }

    /// The answer before.
    pub(super) fn broken(&self) -> &Broken {
        &self.broken
    }

    /// What was said before what comes now: for a rerun nothing, as it says all of it again.
    pub(super) fn said(&self) -> Said {
        let text = match self.way {
            Way::Prefill => self.broken.text.clone(),
            Way::Rerun => String::new(),
        };
        let events = if text.is_empty() { 0 } else { self.broken.events };
        Said { text, events, beyond_text: false }
    }

    /// Whether what comes repeats what was said.
    pub(super) fn is_repeating(&self) -> bool {
        self.way == Way::Rerun && self.repeated < self.broken.text.len()
    }

    /// How many tokens have been delivered, where the present provider has sent `tokens`.
    pub(super) fn completion_tokens(&self, tokens: u64) -> u64 {
        let before = self.broken.metered.usage.completion_tokens();
        match self.way {
            Way::Prefill => before.saturating_add(tokens),
            Way::Rerun => before.max(tokens),
        }
    }

    /// What all of the answer came to, where the present provider's part came to `part`.
    ///
    /// A provider that was given a prefill counts it as its prompt: here it is output, and the sum
    /// stays what the provider says. One that began again was asked for all of the answer; until it has
    /// said more than was said before, that is what counts.
    pub(super) fn metered(&self, part: Metered) -> Metered {
        let before = self.broken.metered;
        match self.way {
            Way::Rerun if self.is_repeating() => before,
            Way::Rerun => part,
            Way::Prefill if part.estimated => {
                let mut usage = before.usage;
                usage.output = usage.output.saturating_add(part.usage.output);
                usage.reasoning = usage.reasoning.saturating_add(part.usage.reasoning);
                Metered { usage, estimated: true }
            }
            Way::Prefill => {
                let mut usage = part.usage;
                let text = self.broken.tokens().min(before.usage.output);
                let moved = moved_from_prompt(&mut usage, text);
                usage.output = usage.output.saturating_add(moved);
                usage.reasoning = usage.reasoning.saturating_add(before.usage.reasoning);
                // Where the one ends and the other begins is our own count.
                Metered { usage, estimated: true }
            }
        }
    }

    /// What the client is told of an event; `usage` is that of all of the answer.
    pub(super) fn tell(
        &mut self,
        data: &[u8],
        facts: &Facts<'_>,
        usage: &Usage,
    ) -> Result<Told, Unreadable> {
        let mut content = None;
        if self.is_repeating() {
            match self.repeat(facts)? {
                // An ending is told even where the text before it is old.
                rest if rest.is_empty() && !facts.has_finish() => return Ok(Told::Nothing),
                rest => content = Some(rest),
            }
        }
        // A chunk that only ends a choice may have no place for a text, nor need one.
        let content = content.as_deref().filter(|text| !text.is_empty() || has_text(facts));
        let rewrite = Rewrite { identity: &self.broken.identity, content, usage: Some(usage) };
        rewrite.event(data).map(Told::Event).ok_or(Unreadable::Garbled)
    }

    /// What a chunk says beyond what was said before.
    fn repeat(&mut self, facts: &Facts<'_>) -> Result<String, Unreadable> {
        let mut fresh = String::new();
        for piece in &facts.pieces {
            match piece.kind {
                PieceKind::Reasoning => continue,
                PieceKind::Content if piece.choice == 0 => {}
                PieceKind::Content | PieceKind::Visible => return Err(Unreadable::Diverged),
            }
            let text = piece.text.decoded();
            let old = self.broken.text.get(self.repeated..).unwrap_or_default();
            let shared = old.len().min(text.len());
            match (old.as_bytes().get(..shared), text.as_bytes().get(..shared)) {
                (Some(before), Some(now)) if before == now => self.repeated += shared,
                _ => return Err(Unreadable::Diverged),
            }
            fresh.push_str(text.get(shared..).ok_or(Unreadable::Diverged)?);
        }
        if facts.has_finish() && self.is_repeating() {
            return Err(Unreadable::Diverged);
        }
        Ok(fresh)
    }
}

fn has_text(facts: &Facts<'_>) -> bool {
    facts.pieces.iter().any(|piece| piece.kind == PieceKind::Content)
}

/// Takes so many tokens out of a prompt's classes, the dearest last; how many there were to take.
fn moved_from_prompt(usage: &mut Usage, tokens: u64) -> u64 {
    let mut left = tokens;
    for class in [&mut usage.input, &mut usage.cached_input] {
        let taken = left.min(*class);
        *class -= taken;
        left -= taken;
    }
    tokens - left
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::chat::Chunk;

    const CHUNK: &str = r#"{"id":"b","created":2,"model":"two","choices":[{"index":0,"delta":{"content":"TEXT"},"finish_reason":END}]}"#;

    fn chunk(text: &str, end: &str) -> String {
        CHUNK.replace("TEXT", text).replace("END", end)
    }

    fn broken(text: &str) -> Broken {
        let identity = ChunkIdentity::read(br#"{"id":"a","created":1,"model":"one"}"#).unwrap();
        let usage = Usage { input: 10, output: 4, ..Usage::default() };
        let metered = Metered { usage, estimated: true };
        Broken { identity, text: text.to_owned(), events: 4, metered }
    }

    fn tell(resume: &mut Resume, chunk: &str) -> Result<Option<String>, Unreadable> {
        let Chunk::Facts(facts) = Chunk::read(None, chunk.as_bytes()) else { panic!("{chunk}") };
        let told = resume.tell(chunk.as_bytes(), &facts, &Usage::default())?;
        Ok(match told {
            Told::Nothing => None,
            Told::Event(event) => Some(String::from_utf8(event.to_vec()).unwrap()),
        })
    }

    #[test]
    fn what_a_rerun_repeats_is_left_out_and_the_rest_joins() {
        let mut resume = Resume::new(broken("one two"), Way::Rerun);
        assert_eq!(tell(&mut resume, &chunk("one", "null")), Ok(None));
        let joined = tell(&mut resume, &chunk(" two three", "null")).unwrap().unwrap();
        assert!(joined.contains(r#""content":" three""#) && joined.contains(r#""id":"a""#));
        let next = tell(&mut resume, &chunk(" four", "\"stop\"")).unwrap().unwrap();
        assert!(next.contains(r#""content":" four""#) && next.contains(r#""model":"one""#));
    }

    #[test]
    fn a_rerun_that_says_something_else_or_less_is_another_answer() {
        let mut resume = Resume::new(broken("one two"), Way::Rerun);
        assert_eq!(tell(&mut resume, &chunk("one", "null")), Ok(None));
        assert_eq!(tell(&mut resume, &chunk(" too", "null")), Err(Unreadable::Diverged));
        let mut resume = Resume::new(broken("one two"), Way::Rerun);
        assert_eq!(tell(&mut resume, &chunk("one", "\"stop\"")), Err(Unreadable::Diverged));
    }

    #[test]
    fn an_end_right_behind_what_was_said_is_told() {
        let mut resume = Resume::new(broken("one"), Way::Rerun);
        let end = tell(&mut resume, &chunk("one", "\"stop\"")).unwrap().unwrap();
        assert!(end.contains(r#""content":"""#) && end.contains(r#""finish_reason":"stop""#));
        let bare = r#"{"id":"b","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
        let mut resume = Resume::new(broken("one"), Way::Prefill);
        assert!(tell(&mut resume, bare).unwrap().unwrap().contains(r#""id":"a""#));
    }

    #[test]
    fn a_prefill_is_output_and_not_prompt_and_the_sum_is_the_providers() {
        let resume = Resume::new(broken("one two"), Way::Prefill);
        let usage = Usage { input: 14, output: 6, ..Usage::default() };
        let whole = resume.metered(Metered { usage, estimated: false });
        assert_eq!((whole.usage.input, whole.usage.output, whole.estimated), (10, 10, true));
        assert_eq!(resume.completion_tokens(3), 7);
        let resume = Resume::new(broken("one two"), Way::Rerun);
        assert_eq!(resume.metered(Metered { usage, estimated: false }).usage.output, 4);
    }

    #[test]
    fn only_text_of_the_first_choice_can_be_gone_on_from() {
        let said = |chunks: &[&str]| {
            let mut said = Said::default();
            for chunk in chunks {
                let Chunk::Facts(facts) = Chunk::read(None, chunk.as_bytes()) else { panic!() };
                said.observe(&facts);
            }
            said.text().map(|(text, _)| text.to_owned())
        };
        let (one, two) = (chunk("o\\u006ee", "null"), chunk(" two", "null"));
        assert_eq!(said(&[&one, &two]).as_deref(), Some("one two"));
        let thought = r#"{"choices":[{"index":0,"delta":{"reasoning_content":"hm"}}]}"#;
        assert_eq!(said(&[thought, &one]).as_deref(), Some("one"));
        let call = r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"name":"f"}}]}}]}"#;
        assert_eq!(said(&[&one, call]), None);
        assert_eq!(said(&[&one, r#"{"choices":[{"index":1,"delta":{"content":"x"}}]}"#]), None);
    }
}
