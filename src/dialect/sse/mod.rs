//! Server-sent events cut out of frames as they come, without copying them. Pure.
//!
//! Format: <https://html.spec.whatwg.org/multipage/server-sent-events.html>. Lines end in LF, CR or
//! CRLF, an event at a blank line; one byte order mark at the start is ignored. The raw bytes of all
//! events and the tail, put together, are the input: a relay can pass each on as it is.
//!
//! An event that a CR ends is complete at once, since waiting for a possible LF would hold it back;
//! if the LF comes in a later frame, it leads the bytes of what follows, where it is a blank line
//! that no client sees. Blank lines before an event belong to its bytes.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use memchr::memchr2;

/// The longest event, unless told otherwise: an inline picture fits, a runaway server does not.
pub const EVENT_BYTES_MAX: usize = 8 << 20;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// One event, or comments or blank lines between events.
#[derive(Clone, Debug)]
pub struct Event {
    /// Its bytes as they came, with the blank line that ends it.
    pub raw: Bytes,
    data: Data,
    name: Option<Range<usize>>,
}

/// An event grew longer than allowed. The scanner gives nothing after this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event of the stream is longer than {0} bytes")]
pub struct EventTooLong(pub usize);

/// Cuts frames into events.
#[derive(Debug)]
pub struct Scanner {
    event_bytes_max: usize,
    /// What has come and is not yet scanned, or belongs to an event not yet complete.
    frame: Bytes,
    /// The beginning of an event that started in an earlier frame.
    joined: BytesMut,
    lines: Lines,
    failed: bool,
}

/// An event's payload.
#[derive(Clone, Debug)]
enum Data {
    Absent,
    /// One `data` line: a place in the raw bytes.
    Line(Range<usize>),
    /// Several, joined by LF.
    Joined(Bytes),
}

/// What is known of the event being scanned. Places are relative to the start of its bytes.
#[derive(Clone, Debug, Default)]
struct Lines {
    /// Where the current line starts.
    line_start: usize,
    /// How far the current line is known to hold no end.
    seen: usize,
    /// Where the event starts, behind blank lines; `None` while there were only such.
    start: Option<usize>,
    /// How many `data` lines there were.
    values: usize,
    /// The first `data` line's value.
    data: Range<usize>,
    name: Option<Range<usize>>,
    /// The line before ended in CR: an LF now is the rest of that line end.
    after_cr: bool,
    /// The stream's first line has been read.
    past_first_line: bool,
}

impl Event {
    /// The payload: `None` for comments and the like.
    pub fn data(&self) -> Option<&[u8]> {
        match &self.data {
            Data::Absent => None,
            Data::Line(place) => self.raw.get(place.clone()),
            Data::Joined(bytes) => Some(bytes),
        }
    }

    /// The value of the last `event` line.
    pub fn name(&self) -> Option<&[u8]> {
        self.name.clone().and_then(|place| self.raw.get(place))
    }
}

impl Default for Scanner {
    fn default() -> Self {
        Self::new(EVENT_BYTES_MAX)
    }
}

impl Scanner {
    /// A scanner at the start of a stream, for events of at most `event_bytes_max` bytes.
    pub fn new(event_bytes_max: usize) -> Self {
        Self {
            event_bytes_max,
            frame: Bytes::new(),
            joined: BytesMut::new(),
            lines: Lines::default(),
            failed: false,
        }
    }

    /// Takes the next frame. All events of the one before should have been taken out; if not, the
    /// frame is put behind what is left, at the cost of a copy.
    pub fn push(&mut self, frame: Bytes) {
        if self.frame.is_empty() {
            self.frame = frame;
        } else {
            let mut both = BytesMut::with_capacity(self.frame.len() + frame.len());
            both.extend_from_slice(&self.frame);
            both.extend_from_slice(&frame);
            self.frame = both.freeze();
        }
    }

    /// The next event that is complete; `None` when another frame is needed.
    pub fn next_event(&mut self) -> Result<Option<Event>, EventTooLong> {
        if self.failed {
            return Err(EventTooLong(self.event_bytes_max));
        }
        while !self.frame.is_empty() {
            if self.joined.is_empty() {
                if let Some(end) = self.lines.scan(&self.frame) {
                    let raw = self.frame.split_to(end);
                    return self.complete(raw).map(Some);
                }
                if self.lines.only_blank(self.frame.len()) {
                    let raw = std::mem::take(&mut self.frame);
                    return self.complete(raw).map(Some);
                }
                // Taken, not cleared: an empty slice would keep the frame's memory.
                let frame = std::mem::take(&mut self.frame);
                self.joined.extend_from_slice(&frame);
            } else {
                // One line at a time, so that what follows the event is not copied.
                let line = self.frame.split_to(line_length(&self.frame));
                self.joined.extend_from_slice(&line);
                let complete = self.lines.scan(&self.joined).is_some();
                if complete || self.lines.only_blank(self.joined.len()) {
                    let raw = std::mem::take(&mut self.joined).freeze();
                    return self.complete(raw).map(Some);
                }
            }
            self.check_length(self.joined.len())?;
        }
        Ok(None)
    }

    /// The end of the stream: what is left of an event that no blank line ended, read as far as it
    /// goes. By the letter of the format it is no event.
    pub fn finish(&mut self) -> Option<Event> {
        self.joined.extend_from_slice(&std::mem::take(&mut self.frame));
        let raw = std::mem::take(&mut self.joined).freeze();
        if raw.is_empty() || self.failed {
            return None;
        }
        if let Some(line) = raw.get(self.lines.line_start..) {
            self.lines.line(line, self.lines.line_start..raw.len());
        }
        Some(self.lines.event(raw))
    }

    fn complete(&mut self, raw: Bytes) -> Result<Event, EventTooLong> {
        self.check_length(raw.len())?;
        Ok(self.lines.event(raw))
    }

    fn check_length(&mut self, length: usize) -> Result<(), EventTooLong> {
        let start = self.lines.start.unwrap_or(self.lines.line_start);
        if length.saturating_sub(start) <= self.event_bytes_max {
            return Ok(());
        }
        self.failed = true;
        self.frame = Bytes::new();
        self.joined = BytesMut::new();
        Err(EventTooLong(self.event_bytes_max))
    }
}

impl Lines {
    /// Reads on in `bytes`, which start with the event's first byte. Answers where the event ends, if
    /// it does.
    #[inline]
    fn scan(&mut self, bytes: &[u8]) -> Option<usize> {
        loop {
            if self.after_cr && self.line_start < bytes.len() {
                self.after_cr = false;
                if bytes.get(self.line_start) == Some(&b'\n') {
                    self.line_start += 1;
                    self.seen = self.line_start;
                }
            }
            let unseen = bytes.get(self.seen..).unwrap_or_default();
            let Some(length) = memchr2(b'\n', b'\r', unseen) else {
                self.seen = bytes.len();
                return None;
            };
            let end = self.seen + length;
            let place = self.line_start..end;
            let line = bytes.get(place.clone()).unwrap_or_default();
            self.after_cr = bytes.get(end) == Some(&b'\r');
            self.line_start = end + 1;
            self.seen = self.line_start;
            if self.line(line, place) && self.start.is_some() {
                if self.after_cr && bytes.get(self.line_start) == Some(&b'\n') {
                    self.after_cr = false;
                    self.line_start += 1;
                }
                return Some(self.line_start);
            }
        }
    }

    /// Whether nothing but blank lines has come, which nothing need wait for.
    fn only_blank(&self, length: usize) -> bool {
        self.start.is_none() && self.line_start == length
    }

    /// Reads one line without its end; answers whether it is blank.
    #[inline]
    fn line(&mut self, mut line: &[u8], mut place: Range<usize>) -> bool {
        if !self.past_first_line {
            self.past_first_line = true;
            if let Some(rest) = line.strip_prefix(BYTE_ORDER_MARK) {
                line = rest;
                place.start += BYTE_ORDER_MARK.len();
            }
        }
        if line.is_empty() {
            return true;
        }
        self.start.get_or_insert(place.start);
        if let Some(offset) = value(line, b"data") {
            if self.values == 0 {
                self.data = place.start + offset..place.end;
            }
            self.values += 1;
        } else if let Some(offset) = value(line, b"event") {
            self.name = Some(place.start + offset..place.end);
        }
        false
    }

    /// The event that `raw` is, and the state before the next one.
    fn event(&mut self, raw: Bytes) -> Event {
        let lines = std::mem::take(self);
        self.after_cr = lines.after_cr;
        self.past_first_line = lines.past_first_line;
        let data = match lines.values {
            0 => Data::Absent,
            1 => Data::Line(lines.data),
            _ => Data::Joined(join(raw.get(lines.data.start..).unwrap_or_default(), &lines)),
        };
        Event { raw, data, name: lines.name }
    }
}

/// The values of all `data` lines. `rest` starts with the value of the first one.
fn join(rest: &[u8], lines: &Lines) -> Bytes {
    let mut joined = Vec::with_capacity(rest.len());
    joined.extend_from_slice(rest.get(..lines.data.len()).unwrap_or_default());
    for line in
        rest.get(lines.data.len()..).unwrap_or_default().split(|&b| b == b'\n' || b == b'\r')
    {
        if let Some(offset) = value(line, b"data") {
            joined.push(b'\n');
            joined.extend_from_slice(line.get(offset..).unwrap_or_default());
        }
    }
    joined.into()
}

/// Where the value starts in a line of the field `name`; `None` for another field.
#[inline]
fn value(line: &[u8], name: &[u8]) -> Option<usize> {
    match line.strip_prefix(name)? {
        [] => Some(name.len()),
        [b':', b' ', ..] => Some(name.len() + 2),
        [b':', ..] => Some(name.len() + 1),
        _ => None,
    }
}

/// The length of the first line with its end, or of all bytes where there is none.
fn line_length(bytes: &[u8]) -> usize {
    match memchr2(b'\n', b'\r', bytes) {
        None => bytes.len(),
        Some(at) if bytes.get(at..at + 2) == Some(b"\r\n") => at + 2,
        Some(at) => at + 1,
    }
}

#[cfg(test)]
mod tests;
