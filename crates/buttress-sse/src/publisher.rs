use std::{fmt, mem, sync::Arc};

use bytes::Bytes;

use crate::{Cursor, Event, cursor::IdText, memory::Log, sheets::Sheets, stream::Stream};

/// The only one who can publish to a stream of a [`MemoryLog`](crate::MemoryLog).
///
/// Nothing here waits: readers pull at their own pace, and whether any of them listens makes no
/// difference (SSE-59).
///
/// Dropping it closes the stream as [`finish`](Self::finish) does, only without a terminal event:
/// readers get the rest and end, and who comes back with the last cursor is told that the
/// stream has finished.
#[must_use = "a stream closes when its publisher is dropped"]
pub struct Publisher {
    log: Arc<Log>,
    key: Arc<str>,
    stream: Arc<Stream>,
    /// Offset of the newest event, and the text of its id.
    last: u64,
    id: IdText,
    sheets: Sheets,
    closed: bool,
}

impl Publisher {
    pub(crate) fn new(log: Arc<Log>, key: Arc<str>, stream: Arc<Stream>) -> Self {
        let (id, sheets) = (IdText::new(&stream.cursor(0)), Sheets::default());
        Self { log, key, stream, last: 0, id, sheets, closed: false }
    }

    /// Adds an event, with its cursor as the id, and returns the cursor.
    pub fn send_event(&mut self, event: Event) -> Cursor {
        let frame = self.number(&event);
        self.stream.append(frame);
        self.cursor()
    }

    /// Sends an event to those who read now. It is not kept, has no id, and moves no cursor.
    ///
    /// It comes after the events that were sent before it. A reader that falls behind by several
    /// heartbeats gets the newest one only.
    pub fn send_heartbeat(&self, event: Event) {
        self.stream.beat(event.encode_unnumbered());
    }

    /// Adds the last event: readers end right after it.
    pub fn finish(mut self, event: Event) -> Cursor {
        let frame = self.number(&event);
        self.close(Some(frame));
        self.cursor()
    }

    /// The key of the stream.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The position after the newest event.
    #[must_use]
    pub fn cursor(&self) -> Cursor {
        self.stream.cursor(self.last)
    }

    #[inline(always)]
    fn number(&mut self, event: &Event) -> Bytes {
        self.last += 1;
        self.id.count();
        self.sheets.encode(event.block(Some(self.id.as_bytes())))
    }

    fn close(&mut self, terminal: Option<Bytes>) {
        if !mem::replace(&mut self.closed, true) {
            self.stream.close(terminal);
            self.log.retire(self.key.clone(), &self.stream);
            self.stream.wake();
        }
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.close(None);
    }
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher").field("key", &self.key).field("last", &self.last).finish_non_exhaustive()
    }
}
