//! A provider's stream, event by event: what is passed on, what is withheld, what it amounts to. Pure.

mod resume;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use infergate_actors::account::End;
use infergate_actors::money::{NanoUsd, Usage};

use super::belief::Belief;
use super::bill::Measured;
use crate::dialect::chat::{Chunk, ChunkIdentity, DONE, with_cost};
use crate::dialect::meter::{Meter, Metered};
use crate::dialect::sse::{Event, Scanner};
use crate::error::ApiError;

pub(super) use resume::{Broken, Way};
use resume::{Resume, Said, Told};

/// Reads one stream.
pub(super) struct Reader {
    scanner: Scanner,
    meter: Meter,
    belief: Belief,
    disbelieved: bool,
    choices: u32,
    wanted: Wanted,
    /// The JSON of the chunk with usage that waits until the cost is known.
    usage: Option<Bytes>,
    /// The event before was withheld, and the second half of its line end may be still to come.
    half_withheld: bool,
    /// What the stream's own chunks have in common, from the first that has a choice.
    identity: Option<ChunkIdentity>,
    /// What was said, where another provider may have to go on from it.
    said: Option<Said>,
    /// What was said by other providers before.
    resume: Option<Box<Resume>>,
}

/// What the client wants to be told of what was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    /// Nothing: the usage is the gateway's alone.
    Nothing,
    /// The chunk with the usage, as it comes.
    Usage,
    /// The cost in it, so that it waits until that is known.
    Cost,
}

/// What to do with an event.
#[derive(Debug)]
pub(super) enum Piece {
    /// Pass its bytes on. `content`: there is something in it that a client shows or acts on.
    Pass { bytes: Bytes, content: bool },
    /// Keep it back: the client did not ask for it.
    Withheld,
    /// The proper end of the stream.
    Done(Bytes),
    /// An error of the provider instead of more.
    Error,
}

/// What an event is to the one who relays it.
enum What {
    Content,
    Filler,
    UnwantedUsage,
    /// Usage that is told later, with the cost in it.
    UsageToPrice,
    Done,
    Error,
}

/// The stream can't be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// It is no stream of chunks any more.
    Garbled,
    /// It does not go on where the answer before broke off.
    Diverged,
}

impl Reader {
    pub(super) fn new(
        prompt_tokens_estimate: u64,
        belief: Belief,
        choices: u32,
        usage_is_wanted: bool,
    ) -> Self {
        Self {
            scanner: Scanner::default(),
            meter: Meter::new(prompt_tokens_estimate),
            belief,
            disbelieved: false,
            choices,
            wanted: if usage_is_wanted { Wanted::Usage } else { Wanted::Nothing },
            usage: None,
            half_withheld: false,
            identity: None,
            said: None,
            resume: None,
        }
    }

    /// The same, telling the cost in the usage if that is `wanted`.
    pub(super) fn pricing(self, wanted: bool) -> Self {
        Self { wanted: if wanted { Wanted::Cost } else { self.wanted }, ..self }
    }

    /// The same, keeping what is said for another provider to go on from.
    pub(super) fn keeping(self) -> Self {
        Self { said: Some(Said::default()), ..self }
    }

    /// The same, for a stream that goes on from where another broke off.
    pub(super) fn after(self, broken: &Broken, way: Way) -> Self {
        let resume = Resume::new(broken.clone(), way);
        Self {
            identity: Some(broken.identity.clone()),
            said: Some(resume.said()),
            resume: Some(Box::new(resume)),
            ..self
        }
    }

    /// What another provider can go on from: `None` when nothing can.
    pub(super) fn broken(&self) -> Option<Broken> {
        if let Some(resume) = self.resume.as_ref().filter(|resume| resume.is_repeating()) {
            return Some(resume.broken().clone());
        }
        let (text, events) = self.said.as_ref()?.text()?;
        let (identity, text) = (self.identity.clone()?, text.to_owned());
        Some(Broken { identity, text, events, metered: self.metered() })
    }

    /// Takes the next frame.
    pub(super) fn push(&mut self, frame: Bytes) {
        self.scanner.push(frame);
    }

    /// The next event's piece; `None` when another frame is needed.
    pub(super) fn next_piece(&mut self) -> Result<Option<Piece>, Unreadable> {
        match self.scanner.next_event() {
            Ok(Some(event)) => self.read(event).map(Some),
            Ok(None) => Ok(None),
            Err(_) => Err(Unreadable::Garbled),
        }
    }

    /// What the last bytes of a stream that ended without a blank line come to.
    pub(super) fn finish(&mut self) -> Option<Piece> {
        let mut event = self.scanner.finish()?;
        // What follows is another event, and this one has not ended.
        event.raw = [&*event.raw, b"\n\n"].concat().into();
        // Half an event is nothing: the client could not read it either.
        self.read(event).ok()
    }

    fn read(&mut self, event: Event) -> Result<Piece, Unreadable> {
        let (what, told) = self.meter_event(&event)?;
        if matches!(what, What::UsageToPrice) {
            self.usage = event_json(&event, told.as_ref()).map(on_one_line);
        }
        let mut bytes = match told {
            None => event.raw,
            Some(Told::Event(event)) => event,
            Some(Told::Nothing) => return Ok(Piece::Withheld),
        };
        let half_withheld = std::mem::take(&mut self.half_withheld);
        if half_withheld && bytes.first() == Some(&b'\n') {
            bytes = bytes.slice(1..);
        }
        Ok(match what {
            What::Filler if bytes.is_empty() => Piece::Withheld,
            What::Content => Piece::Pass { bytes, content: true },
            What::Filler => Piece::Pass { bytes, content: false },
            What::UnwantedUsage | What::UsageToPrice => self.withhold(&bytes),
            // Nothing comes behind it: not the second half of its line end either.
            What::Done if bytes.last() == Some(&b'\r') => {
                Piece::Done([&*bytes, b"\n"].concat().into())
            }
            What::Done => Piece::Done(bytes),
            What::Error => Piece::Error,
        })
    }

    /// A CRLF may come in two halves, the second with the event after it. Clients that take the two for
    /// one thing are not to be left with half of it.
    fn withhold(&mut self, bytes: &[u8]) -> Piece {
        self.half_withheld = bytes.last() == Some(&b'\r');
        if bytes.first() == Some(&b'\n') {
            return Piece::Pass { bytes: Bytes::from_static(b"\n"), content: false };
        }
        Piece::Withheld
    }

    /// What an event is, and what the client is told of it where that is not its own bytes.
    fn meter_event(&mut self, event: &Event) -> Result<(What, Option<Told>), Unreadable> {
        let Some(data) = event.data() else { return Ok((What::Filler, None)) };
        let mut facts = match Chunk::read(event.name(), data) {
            Chunk::Done => return Ok((What::Done, None)),
            Chunk::Empty => return Ok((What::Filler, None)),
            Chunk::Error => return Ok((What::Error, None)),
            Chunk::Invalid(_) => return Err(Unreadable::Garbled),
            Chunk::Facts(facts) => facts,
        };
        let is_usage = facts.is_usage_only(self.is_finished());
        self.disbelieved |= self.belief.strip(&mut facts);
        self.meter.observe(&facts);
        if self.identity.is_none() && !facts.choices.is_empty() {
            self.identity = ChunkIdentity::read(data);
        }
        let what = match () {
            () if is_usage && self.wanted == Wanted::Nothing => What::UnwantedUsage,
            () if is_usage && self.wanted == Wanted::Cost => What::UsageToPrice,
            // A choice that ends without content is an answer, too: an empty one.
            () if facts.has_content || facts.has_finish() => What::Content,
            () => What::Filler,
        };
        if let Some(said) = &mut self.said {
            said.observe(&facts);
        }
        let part = self.meter.usage();
        let Some(resume) = &mut self.resume else { return Ok((what, None)) };
        let usage = resume.metered(part).usage;
        let told = match what {
            What::UnwantedUsage => return Ok((what, None)),
            // The role was told when the answer began.
            What::Filler if !is_usage => Told::Nothing,
            _ => resume.tell(data, &facts, &usage)?,
        };
        Ok((what, Some(told)))
    }

    /// Whether every choice that was asked for has come to its end.
    pub(super) fn is_finished(&self) -> bool {
        self.meter.is_finished(self.choices)
    }

    /// About how many completion tokens have been delivered.
    pub(super) fn completion_tokens(&self) -> u64 {
        let tokens = self.meter.completion_tokens();
        self.resume.as_ref().map_or(tokens, |resume| resume.completion_tokens(tokens))
    }

    /// What has been used, over all providers that gave a part of the answer.
    pub(super) fn measured(&self) -> Measured {
        let part = self.meter.usage().usage;
        Measured::with_part(self.metered(), part, self.disbelieved).finished(&self.meter)
    }

    /// What the present provider has written, for an answer that is thrown away.
    pub(super) fn wasted(&self) -> Usage {
        if self.meter.has_content() { self.meter.usage().usage } else { Usage::default() }
    }

    fn metered(&self) -> Metered {
        let part = self.meter.usage();
        self.resume.as_ref().map_or(part, |resume| resume.metered(part))
    }

    /// The chunk with usage that the client asked for and the provider did not send: what is charged.
    pub(super) fn missing_usage(&self) -> Option<Bytes> {
        let missing = self.wanted == Wanted::Usage && !self.meter.is_reported();
        let identity = self.identity.as_ref().filter(|_| missing)?;
        Some(identity.usage_event(&self.metered().usage))
    }

    /// The last bytes of a stream that was charged so: where the client wants to be told the cost and the
    /// stream ends as it should, usage with the cost stands before its end.
    pub(super) fn priced(&self, last: Bytes, charged: NanoUsd) -> Bytes {
        if self.wanted != Wanted::Cost || !last.trim_ascii_end().ends_with(b"[DONE]") {
            return last;
        }
        let usage = self.metered().usage;
        let own = || self.identity.as_ref().map(|identity| identity.usage_chunk(&usage).into());
        let chunk = self.usage.clone().or_else(own);
        let Some(told) = chunk.and_then(|chunk| with_cost(&chunk, &usage, charged)) else {
            return last;
        };
        let place = if last.ends_with(DONE) { last.len().saturating_sub(DONE.len()) } else { 0 };
        let (before, done) = last.split_at_checked(place).unwrap_or((&[], &last));
        [before, b"data: ", &told, b"\n\n", done].concat().into()
    }

    /// The end of a stream that the gateway breaks off.
    pub(super) fn broken_off(&self, end: End) -> Bytes {
        match (end, &self.identity) {
            (End::OutOfCredit, Some(identity)) => {
                // Where the cost is wanted too, both are told when it is known.
                let wanted = self.wanted == Wanted::Usage;
                let usage = wanted.then(|| self.metered().usage);
                identity.length_ending(&self.meter.open_choices(self.choices), usage.as_ref())
            }
            _ => ApiError::cut_short(end).event(),
        }
    }
}

/// The JSON of what the client is told of an event.
fn event_json<'e>(event: &'e Event, told: Option<&'e Told>) -> Option<&'e [u8]> {
    match told {
        Some(Told::Event(event)) => event.strip_prefix(b"data: ").map(<[u8]>::trim_ascii),
        Some(Told::Nothing) => None,
        None => event.data(),
    }
}

/// JSON without the line ends that may stand between its parts: each would end a line of the event.
fn on_one_line(json: &[u8]) -> Bytes {
    let space = |byte: &u8| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte };
    json.iter().map(space).collect()
}
