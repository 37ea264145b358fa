use std::{mem, time::Duration};

use bytes::{Buf, Bytes};
use memchr::memchr2;

use crate::{
    DecodeError, Frame,
    block::{Block, LastId},
    line::{self, Field, Foresight, LONGEST_NAME},
};

/// Takes an event stream apart as a browser does, from chunks of any size.
///
/// It follows the event stream grammar of WHATWG HTML to the letter: the same frames come out
/// however the bytes are cut, no bytes make it panic, bytes that are no UTF-8 become U+FFFD, and
/// the work is linear in the bytes. What lies within one chunk is neither copied nor allocated.
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
    max_line: usize,
    max_event: usize,
    /// Bytes of the byte order mark seen so far; all of them once it is settled.
    mark: usize,
    /// The last line ended in CR: an LF that comes next belongs to it.
    after_cr: bool,
    partial: Partial,
    block: Block,
    last_id: LastId,
    retry: Option<Duration>,
    failed: Option<DecodeError>,
}

/// The line whose end has not arrived.
#[derive(Debug)]
enum Partial {
    /// Its bytes so far; without any, no line has begun.
    Held(Vec<u8>),
    /// Nothing of it matters but its end.
    Skipped(Field),
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
            max_line: Self::DEFAULT_MAX_LINE,
            max_event: Self::DEFAULT_MAX_EVENT,
            mark: 0,
            after_cr: false,
            partial: Partial::Held(Vec::new()),
            block: Block::default(),
            last_id: LastId::default(),
            retry: None,
            failed: None,
        }
    }

    /// The most bytes that a line with a known field may have, its end not counted.
    #[must_use]
    pub fn max_line(self, bytes: usize) -> Self {
        Self { max_line: bytes, ..self }
    }

    /// The most bytes that the data, name and id of one event may have together.
    #[must_use]
    pub fn max_event(self, bytes: usize) -> Self {
        Self { max_event: bytes, ..self }
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
        self.enter(chunk);
        match self.scan(chunk) {
            Ok((frame, used)) => {
                chunk.advance(used);
                if frame.is_none() {
                    self.last_id.detach();
                }
                Ok(frame)
            }
            Err(error) => {
                self.failed = Some(error);
                Err(error)
            }
        }
    }

    /// Begins a new connection: what is unfinished is dropped with its id (SSE-11), while the
    /// last id and the reconnection time stay.
    pub fn restart(&mut self) {
        let last_id = mem::take(&mut self.last_id);
        let Self { max_line, max_event, retry, .. } = *self;
        *self = Self { max_line, max_event, last_id, retry, ..Self::new() };
    }

    /// The last id of the frames so far, empty if there is none: what a reconnect sends as
    /// `Last-Event-ID`.
    #[must_use]
    pub fn last_event_id(&self) -> &str {
        self.last_id.text.as_str()
    }

    /// How long the stream asked to wait before a reconnect, if it did.
    #[must_use]
    pub fn retry(&self) -> Option<Duration> {
        self.retry
    }

    /// Steps over what only the place in the stream explains: the byte order mark at its start
    /// (SSE-3), and the LF of a CRLF that was cut in two.
    fn enter(&mut self, chunk: &mut Bytes) {
        while self.mark < MARK.len() {
            match chunk.first() {
                None => return,
                Some(&byte) if byte == MARK[self.mark] => {
                    self.mark += 1;
                    chunk.advance(1);
                }
                Some(_) => {
                    // What has been taken is no mark but the start of a line, and of no known field.
                    if self.mark > 0 {
                        self.partial = Partial::Skipped(Field::Unknown);
                    }
                    self.mark = MARK.len();
                }
            }
        }
        if self.after_cr && !chunk.is_empty() {
            self.after_cr = false;
            if chunk[0] == b'\n' {
                chunk.advance(1);
            }
        }
    }

    /// Line by line up to the first frame, and how many bytes that took.
    fn scan(&mut self, chunk: &Bytes) -> Result<(Option<Frame>, usize), DecodeError> {
        let mut at = 0;
        while at < chunk.len() {
            let Some(len) = line_len(&chunk[at..]) else {
                self.hold(&chunk[at..])?;
                break;
            };
            let end = at + len;
            let frame = self.line(chunk, at, end)?;
            at = end + 1;
            if chunk[end] == b'\r' {
                match chunk.get(at) {
                    Some(b'\n') => at += 1,
                    Some(_) => {}
                    // Not waited for: the line has ended (SSE-12).
                    None => self.after_cr = true,
                }
            }
            if frame.is_some() {
                return Ok((frame, at));
            }
        }
        Ok((None, chunk.len()))
    }

    /// A line has ended, whose last piece (if not all of it) lies at `start..end`.
    fn line(&mut self, chunk: &Bytes, start: usize, end: usize) -> Result<Option<Frame>, DecodeError> {
        match &self.partial {
            Partial::Held(held) if held.is_empty() => return self.whole_line(chunk, start, end),
            Partial::Held(_) => self.hold(&chunk[start..end])?,
            Partial::Skipped(_) => {}
        }
        match mem::replace(&mut self.partial, Partial::Held(Vec::new())) {
            Partial::Held(line) => self.whole_line(&line.into(), 0, usize::MAX),
            Partial::Skipped(field) => Ok((field == Field::Comment).then_some(Frame::Comment)),
        }
    }

    fn whole_line(&mut self, source: &Bytes, start: usize, end: usize) -> Result<Option<Frame>, DecodeError> {
        let end = end.min(source.len());
        if start == end {
            return Ok(self.block.dispatch(&mut self.last_id).map(Frame::Message));
        }
        let (field, value) = line::split(&source[start..end]);
        match field {
            Field::Comment => return Ok(Some(Frame::Comment)),
            Field::Unknown => return Ok(None),
            Field::Data | Field::Name | Field::Id | Field::Retry => self.check_line(end - start)?,
        }
        let value = start + value;
        match field {
            Field::Data => self.block.push_data(source.slice(value..end)),
            Field::Name => self.block.set_name(source.slice(value..end)),
            Field::Id => self.block.set_id(source.slice(value..end)),
            _ => {
                let retry = line::retry(&source[value..end]);
                self.retry = retry.or(self.retry);
                return Ok(retry.map(Frame::Retry));
            }
        }
        self.check_event()
    }

    /// Keeps a piece of a line whose end is not in sight, if it matters.
    fn hold(&mut self, piece: &[u8]) -> Result<(), DecodeError> {
        let Partial::Held(held) = &mut self.partial else {
            return Ok(());
        };
        // As many bytes as tell the field, before any other is copied.
        let head = piece.len().min((LONGEST_NAME + 1).saturating_sub(held.len()));
        held.extend_from_slice(&piece[..head]);
        match line::foresee(held) {
            Foresight::Open => {}
            Foresight::Skip(field) => self.partial = Partial::Skipped(field),
            Foresight::Keep => {
                let len = held.len() + (piece.len() - head);
                if len > self.max_line {
                    return Err(DecodeError::line(self.max_line));
                }
                held.extend_from_slice(&piece[head..]);
            }
        }
        Ok(())
    }

    fn check_line(&self, len: usize) -> Result<(), DecodeError> {
        if len > self.max_line { Err(DecodeError::line(self.max_line)) } else { Ok(()) }
    }

    fn check_event(&self) -> Result<Option<Frame>, DecodeError> {
        if self.block.len() > self.max_event { Err(DecodeError::event(self.max_event)) } else { Ok(None) }
    }
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

/// Up to the next line end, if there is one.
fn line_len(rest: &[u8]) -> Option<usize> {
    // Every event ends in a blank line: not worth a search.
    if rest[0] == b'\n' { Some(0) } else { memchr2(b'\n', b'\r', rest) }
}

/// U+FEFF in UTF-8.
const MARK: [u8; 3] = [0xEF, 0xBB, 0xBF];
