//! A provider's stream, event by event: what is passed on, what is withheld, what it amounts to. Pure.

use bytes::Bytes;
use infergate_actors::account::End;

use super::belief::Belief;
use super::bill::Measured;
use crate::dialect::chat::{Chunk, ChunkIdentity};
use crate::dialect::meter::Meter;
use crate::dialect::sse::{Event, Scanner};
use crate::error::ApiError;

/// Reads one stream.
pub(super) struct Reader {
    scanner: Scanner,
    meter: Meter,
    belief: Belief,
    disbelieved: bool,
    choices: u32,
    /// The client asked for usage itself: the chunk with it is the client's.
    usage_is_wanted: bool,
    /// The event before was withheld, and the second half of its line end may be still to come.
    half_withheld: bool,
    /// What the stream's own chunks have in common, from the first that has a choice.
    identity: Option<ChunkIdentity>,
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
    Done,
    Error,
}

/// The stream can't be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unreadable;

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
            usage_is_wanted,
            half_withheld: false,
            identity: None,
        }
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
            Err(_) => Err(Unreadable),
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
        let what = self.meter_event(&event)?;
        let mut bytes = event.raw;
        let half_withheld = std::mem::take(&mut self.half_withheld);
        if half_withheld && bytes.first() == Some(&b'\n') {
            bytes = bytes.slice(1..);
        }
        Ok(match what {
            What::Filler if bytes.is_empty() => Piece::Withheld,
            What::Content => Piece::Pass { bytes, content: true },
            What::Filler => Piece::Pass { bytes, content: false },
            What::UnwantedUsage => self.withhold(&bytes),
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

    fn meter_event(&mut self, event: &Event) -> Result<What, Unreadable> {
        let Some(data) = event.data() else { return Ok(What::Filler) };
        let mut facts = match Chunk::read(event.name(), data) {
            Chunk::Done => return Ok(What::Done),
            Chunk::Empty => return Ok(What::Filler),
            Chunk::Error => return Ok(What::Error),
            Chunk::Invalid(_) => return Err(Unreadable),
            Chunk::Facts(facts) => facts,
        };
        let is_usage = facts.is_usage_only(self.is_finished());
        self.disbelieved |= self.belief.strip(&mut facts);
        self.meter.observe(&facts);
        if self.identity.is_none() && !facts.choices.is_empty() {
            self.identity = ChunkIdentity::read(data);
        }
        Ok(match () {
            () if is_usage && !self.usage_is_wanted => What::UnwantedUsage,
            // A choice that ends without content is an answer, too: an empty one.
            () if facts.has_content || facts.has_finish() => What::Content,
            () => What::Filler,
        })
    }

    /// Whether every choice that was asked for has come to its end.
    pub(super) fn is_finished(&self) -> bool {
        self.meter.is_finished(self.choices)
    }

    /// About how many completion tokens have been delivered.
    pub(super) fn completion_tokens(&self) -> u64 {
        self.meter.completion_tokens()
    }

    /// What has been used.
    pub(super) fn measured(&self) -> Measured {
        Measured::new(self.meter.usage(), self.disbelieved)
    }

    /// The chunk with usage that the client asked for and the provider did not send: what is charged.
    pub(super) fn missing_usage(&self) -> Option<Bytes> {
        let missing = self.usage_is_wanted && !self.meter.is_reported();
        let identity = self.identity.as_ref().filter(|_| missing)?;
        Some(identity.usage_event(&self.meter.usage().usage))
    }

    /// The end of a stream that the gateway breaks off.
    pub(super) fn broken_off(&self, end: End) -> Bytes {
        match (end, &self.identity) {
            (End::OutOfCredit, Some(identity)) => {
                let usage = self.usage_is_wanted.then(|| self.meter.usage().usage);
                identity.length_ending(&self.meter.open_choices(self.choices), usage.as_ref())
            }
            _ => ApiError::cut_short(end).event(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROLE: &str =
        "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\"}}]}\n\n";
    const WORD: &str =
        "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hello\"}}]}\n\n";
    const STOP: &str = "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
    const USAGE: &str = "data: {\"id\":\"c\",\"choices\":[],\"usage\":{\"prompt_tokens\":5,\
                         \"completion_tokens\":2,\"total_tokens\":7}}\n\n";
    const DONE: &str = "data: [DONE]\n\n";

    fn new_reader(prompt_tokens_estimate: u64, choices: u32, usage_is_wanted: bool) -> Reader {
        Reader::new(prompt_tokens_estimate, Belief::any(), choices, usage_is_wanted)
    }

    fn read(reader: &mut Reader, stream: &str) -> Vec<String> {
        reader.push(Bytes::copy_from_slice(stream.as_bytes()));
        let mut pieces = Vec::new();
        while let Ok(Some(piece)) = reader.next_piece() {
            pieces.push(match piece {
                Piece::Pass { content, .. } if content => "content".into(),
                Piece::Pass { .. } => "pass".into(),
                Piece::Withheld => "withheld".into(),
                Piece::Done(_) => "done".into(),
                Piece::Error => "error".into(),
            });
        }
        pieces
    }

    #[test]
    fn usage_that_the_client_did_not_ask_for_is_metered_and_withheld() {
        let mut reader = new_reader(9, 1, false);
        let stream = [": ping\n\n", ROLE, WORD, STOP, USAGE, DONE].concat();
        assert_eq!(
            read(&mut reader, &stream),
            ["pass", "pass", "content", "content", "withheld", "done"]
        );
        assert!(reader.is_finished());
        let measured = reader.measured();
        assert!(!measured.estimated);
        assert_eq!((measured.usage.input, measured.usage.output), (5, 2));
        let mut reader = new_reader(9, 1, true);
        assert_eq!(read(&mut reader, USAGE), ["pass"]);
    }

    #[test]
    fn what_was_delivered_before_a_cut_is_estimated() {
        let mut reader = new_reader(9, 1, false);
        read(&mut reader, &[ROLE, WORD].concat());
        let measured = reader.measured();
        assert!(measured.estimated && !reader.is_finished());
        assert_eq!(measured.usage.input, 9);
        assert!(measured.usage.output >= 1);
    }

    #[test]
    fn a_garbled_event_ends_the_stream_and_an_error_is_one_wherever_it_stands() {
        let mut reader = new_reader(9, 1, false);
        reader.push(Bytes::from_static(b"data: {\"id\":\n\n"));
        assert_eq!(reader.next_piece().unwrap_err(), Unreadable);
        let mut reader = new_reader(9, 1, false);
        let error = "data: {\"error\":{\"message\":\"no\",\"code\":500}}\n\n";
        assert_eq!(read(&mut reader, &[WORD, error].concat()), ["content", "error"]);
    }

    #[test]
    fn a_stream_that_runs_out_of_credit_ends_with_length() {
        let mut reader = new_reader(9, 1, true);
        read(&mut reader, WORD);
        let ending = reader.broken_off(End::OutOfCredit);
        let text = std::str::from_utf8(&ending).unwrap();
        assert!(text.contains("\"finish_reason\":\"length\"") && text.ends_with(DONE));
        assert!(text.contains("\"id\":\"c\"") && text.contains("\"prompt_tokens\":9"));
        let cut = reader.broken_off(End::ProviderCut);
        assert!(!cut.ends_with(DONE.as_bytes()) && cut.starts_with(b"data: {\"error\":"));
    }

    #[test]
    fn a_last_event_without_its_blank_line_is_ended_so_that_another_can_follow() {
        let mut reader = new_reader(9, 1, false);
        reader.push(Bytes::from_static(WORD.trim_end().as_bytes()));
        assert!(matches!(reader.next_piece(), Ok(None)));
        let Some(Piece::Pass { bytes, content: true }) = reader.finish() else { panic!() };
        assert_eq!(bytes, WORD);
        reader.push(Bytes::from_static(b"data: {\"id\":\"c\",\"choi"));
        assert!(matches!(reader.next_piece(), Ok(None)));
        assert!(reader.finish().is_none());
    }

    #[test]
    fn a_line_end_that_came_in_two_halves_stays_whole_around_a_withheld_event() {
        let mut reader = new_reader(9, 1, false);
        let (word, usage) = (WORD.replace('\n', "\r\n"), USAGE.replace('\n', "\r\n"));
        assert_eq!(read(&mut reader, word.strip_suffix('\n').unwrap()), ["content"]);
        reader.push(format!("\n{usage}").into());
        let Ok(Some(Piece::Pass { bytes, content: false })) = reader.next_piece() else { panic!() };
        assert_eq!(bytes, "\n");
    }
}
