use std::{mem, time::Duration};

use bytes::{Buf, Bytes};
use memchr::memchr2;

use crate::{
    DecodeError, DecodeErrorKind, Frame,
    block::Block,
    edge::Edge,
    line::{self, Field},
    partial::Partial,
    plain::Limits,
    small::Small,
};

/// Takes an event stream apart as a browser does, from chunks of any size.
///
/// It follows the event stream grammar of WHATWG HTML to the letter: the same frames come out
/// however the bytes are cut, no bytes make it panic, bytes that are no UTF-8 become U+FFFD, and
/// the work is linear in the bytes. Data that lies within one chunk as one line stays there: the
/// message shares the chunk, and neither copies nor allocates.
///
/// A line or an event beyond its limit is an error and never cut short; comments and unknown
/// fields are not held and have no limit.
///
/// # Examples
///
/// ```
/// use buttress_sse::{Decoder, Frame};
/// use bytes::Bytes;
///
/// let mut decoder = Decoder::new();
/// let mut data = Vec::new();
/// for chunk in ["id: 1\ndata: on", "e\n\ndata: two\n\nda", "ta: cut off"] {
///     let mut chunk = Bytes::from(chunk);
///     while let Some(frame) = decoder.decode(&mut chunk)? {
///         if let Frame::Message(message) = frame {
///             data.push(message.data().to_owned());
///         }
///     }
/// }
/// assert_eq!(data, ["one", "two"]);
/// assert_eq!(decoder.last_event_id(), "1");
/// # Ok::<(), buttress_sse::DecodeError>(())
/// ```
#[derive(Debug)]
pub struct Decoder {
    limits: Limits,
    edge: Edge,
    partial: Partial,
    block: Block,
    last_id: Small,
    retry: Option<Duration>,
    failed: Option<DecodeError>,
}

/// What a line was the end of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Nothing,
    /// An event, which the block now holds.
    Event,
    /// A reconnection time, which the decoder now holds.
    Retry,
    Comment,
}

impl Decoder {
    /// The longest line unless set otherwise: 8 MiB.
    pub const DEFAULT_MAX_LINE: usize = 8 << 20;
    /// The longest event unless set otherwise: 16 MiB.
    pub const DEFAULT_MAX_EVENT: usize = 16 << 20;

    /// A decoder at the start of a stream, with the default limits.
    #[must_use]
    pub fn new() -> Self {
        Self {
            limits: Limits { line: Self::DEFAULT_MAX_LINE, event: Self::DEFAULT_MAX_EVENT },
            edge: Edge::default(),
            partial: Partial::default(),
            block: Block::default(),
            last_id: Small::default(),
            retry: None,
            failed: None,
        }
    }

    /// The most bytes that a line with a known field may have, its end not counted.
    #[must_use]
    pub fn max_line(mut self, bytes: usize) -> Self {
        self.limits.line = bytes;
        self
    }

    /// The most bytes that the lines of one event may have together, without their field names.
    #[must_use]
    pub fn max_event(mut self, bytes: usize) -> Self {
        self.limits.event = bytes;
        self
    }

    /// A decoder for a stream that goes on after this id.
    #[cfg(feature = "client")]
    pub(crate) fn set_last_event_id(&mut self, id: &[u8]) {
        self.last_id = Small::decode(id);
    }

    /// The next frame, with its bytes taken from the front of `chunk`; `None` once all of
    /// `chunk` is used up and the next one is needed.
    ///
    /// # Errors
    ///
    /// When a line or an event is over its limit. The stream cannot go on from there: the error
    /// is repeated until [`restart`](Self::restart).
    pub fn decode(&mut self, chunk: &mut Bytes) -> Result<Option<Frame>, DecodeError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        if chunk.is_empty() {
            return Ok(None);
        }
        if self.edge.matters() && self.edge.step_over(chunk) {
            self.partial = Partial::Skipped(Field::Unknown);
        }
        if !self.partial.has_begun() {
            let plain = self.block.take_plain(chunk, self.limits);
            chunk.advance(plain.used);
            if plain.is_event {
                return Ok(Some(Frame::Message(self.block.end(&mut self.last_id))));
            }
        }
        let (found, used) = self.scan(chunk);
        chunk.advance(used);
        match found {
            Ok(Found::Nothing) => Ok(None),
            Ok(Found::Event) => Ok(Some(Frame::Message(self.block.end(&mut self.last_id)))),
            Ok(Found::Retry) => Ok(self.retry.map(Frame::Retry)),
            Ok(Found::Comment) => Ok(Some(Frame::Comment)),
            Err(kind) => Err(self.fail(kind)),
        }
    }

    /// Begins a new connection: what is unfinished is dropped with its id (SSE-11), while the
    /// last id and the reconnection time stay.
    pub fn restart(&mut self) {
        let last_id = mem::take(&mut self.last_id);
        let Self { limits, retry, .. } = *self;
        *self = Self { limits, last_id, retry, ..Self::new() };
    }

    /// The last id of the frames so far, empty if there is none: what a reconnect sends as
    /// `Last-Event-ID`.
    #[must_use]
    pub fn last_event_id(&self) -> &str {
        self.last_id.as_str()
    }

    /// How long the stream asked to wait before a reconnect, if it did.
    #[must_use]
    pub fn retry(&self) -> Option<Duration> {
        self.retry
    }

    /// Line by line up to the first frame, and how many bytes that took.
    fn scan(&mut self, chunk: &Bytes) -> (Result<Found, DecodeErrorKind>, usize) {
        let bytes = &chunk[..];
        let mut at = 0;
        while at < bytes.len() {
            let start = at;
            let Some(len) = line_len(&bytes[start..]) else {
                return (self.partial.push(&bytes[start..], self.limits.line).map(|()| Found::Nothing), bytes.len());
            };
            let end = start + len;
            at = self.line_end(bytes, end);
            let found = if self.partial.has_begun() {
                self.rest_of_line(&bytes[start..end])
            } else {
                self.whole_line(chunk, start, end)
            };
            if found != Ok(Found::Nothing) {
                return (found, at);
            }
        }
        (Ok(Found::Nothing), at)
    }

    /// Where the line begins that follows the one that ends at `end`.
    #[inline]
    fn line_end(&mut self, bytes: &[u8], end: usize) -> usize {
        let next = end + 1;
        if bytes[end] == b'\n' {
            return next;
        }
        match bytes.get(next) {
            Some(b'\n') => next + 1,
            Some(_) => next,
            // Not waited for: the line has ended (SSE-12).
            None => {
                self.edge.note_cr();
                next
            }
        }
    }

    /// The end of a line whose beginning came in earlier chunks.
    fn rest_of_line(&mut self, piece: &[u8]) -> Result<Found, DecodeErrorKind> {
        self.partial.push(piece, self.limits.line)?;
        match mem::take(&mut self.partial) {
            Partial::Held(line) => {
                let line = Bytes::from(line);
                self.whole_line(&line, 0, line.len())
            }
            Partial::Skipped(Field::Comment) => Ok(Found::Comment),
            Partial::Skipped(_) => Ok(Found::Nothing),
        }
    }

    // Inlined at both places: a call for each line costs as much as the line.
    #[inline(always)]
    fn whole_line(&mut self, source: &Bytes, start: usize, end: usize) -> Result<Found, DecodeErrorKind> {
        let line = &source[start..end];
        if line.is_empty() {
            return Ok(self.blank_line());
        }
        let (field, value) = line::split(line);
        match field {
            Field::Comment => return Ok(Found::Comment),
            Field::Unknown => return Ok(Found::Nothing),
            _ if line.len() > self.limits.line => return Err(DecodeErrorKind::LineTooLong),
            Field::Data => self.block.push_data(source.slice(start + value..end)),
            Field::Name => self.block.set_name(&line[value..]),
            Field::Id => self.block.set_id(&line[value..]),
            Field::Retry => {
                let wait = line::retry(&line[value..]);
                self.retry = wait.or(self.retry);
                return Ok(if wait.is_some() { Found::Retry } else { Found::Nothing });
            }
        }
        if self.block.len() > self.limits.event {
            return Err(DecodeErrorKind::EventTooLong);
        }
        Ok(Found::Nothing)
    }

    #[inline]
    fn blank_line(&mut self) -> Found {
        if self.block.is_event() {
            return Found::Event;
        }
        self.block.end(&mut self.last_id);
        Found::Nothing
    }

    #[cold]
    fn fail(&mut self, kind: DecodeErrorKind) -> DecodeError {
        let limit = match kind {
            DecodeErrorKind::LineTooLong => self.limits.line,
            DecodeErrorKind::EventTooLong => self.limits.event,
        };
        *self.failed.insert(DecodeError { kind, limit })
    }
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

/// Up to the next line end, if there is one.
#[inline]
fn line_len(rest: &[u8]) -> Option<usize> {
    // Every event ends in a blank line: not worth a search.
    if rest[0] == b'\n' { Some(0) } else { memchr2(b'\n', b'\r', rest) }
}
