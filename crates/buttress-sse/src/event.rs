use std::{borrow::Cow, fmt, time::Duration};

use bytes::Bytes;

use crate::{
    Cursor, EventId, EventName,
    encode::{Aside, Block, DIGITS},
};

/// One event on its way out.
///
/// However it is built, no value can open a new field or a second event (SSE-40): CR, LF and
/// CRLF in data and comments become several lines, names and ids are types that cannot hold them.
///
/// # Examples
///
/// ```
/// use buttress_sse::{Event, EventName};
///
/// const NOTE: EventName = EventName::from_static("note");
///
/// let event = Event::data("one\ntwo").name(NOTE);
/// assert_eq!(event.encode(), "event: note\ndata: one\ndata: two\n\n");
/// ```
#[must_use]
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Event {
    aside: Option<Box<Aside>>,
    id: Option<EventId>,
    name: Option<EventName>,
    data: Option<Cow<'static, [u8]>>,
}

impl Event {
    /// An event with this text as its data. A reader gets it back with every line end as LF.
    pub fn data(text: impl Into<Cow<'static, str>>) -> Self {
        let data = match text.into() {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        };
        Self { data: Some(data), ..Self::default() }
    }

    /// An event with this value, as JSON, as its data.
    ///
    /// # Errors
    ///
    /// [`InvalidEventKind::Json`](crate::InvalidEventKind::Json), when the value cannot be
    /// written as JSON, such as a map whose keys are no strings.
    #[cfg(feature = "json")]
    pub fn json<T: serde::Serialize + ?Sized>(value: &T) -> Result<Self, crate::InvalidEvent> {
        let mut data = Vec::with_capacity(JSON_GUESS);
        serde_json::to_writer(&mut data, value).map_err(crate::InvalidEvent::json)?;
        Ok(Self { data: Some(Cow::Owned(data)), ..Self::default() })
    }

    /// A block without data, at which a reader fires nothing: the carrier of a comment, of
    /// `retry` or of an id alone.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Names the event; without a name a reader takes it for `message`.
    pub fn name(self, name: EventName) -> Self {
        Self { name: Some(name), ..self }
    }

    /// Gives the event an id. A log puts its own cursor in the place of this id.
    pub fn id(self, id: EventId) -> Self {
        Self { id: Some(id), ..self }
    }

    /// Tells the reader how long to wait before it reconnects, in whole milliseconds.
    pub fn retry(mut self, wait: Duration) -> Self {
        self.aside.get_or_insert_default().retry = Some(wait);
        self
    }

    /// Adds a comment, which a reader skips.
    pub fn comment(mut self, text: impl Into<Cow<'static, str>>) -> Self {
        self.aside.get_or_insert_default().comment = Some(text.into());
        self
    }

    /// The event as it goes over the wire, with the blank line that ends it.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut digits = [0; DIGITS];
        self.block(self.id.as_ref().map(|id| id.text(&mut digits))).encode()
    }

    /// [`encode`](Self::encode), with `cursor` as the id.
    #[must_use]
    pub fn encode_at(&self, cursor: &Cursor) -> Bytes {
        let mut buffer = [0; Cursor::MAX_LEN];
        self.block(Some(cursor.write(&mut buffer))).encode()
    }

    /// [`encode`](Self::encode) without an id, so that it moves no reader's position.
    pub(crate) fn encode_unnumbered(&self) -> Bytes {
        self.block(None).encode()
    }

    pub(crate) fn block<'a>(&'a self, id: Option<&'a [u8]>) -> Block<'a> {
        // In full, so that a new field asks for a decision here.
        let Self { aside, id: _, name, data } = self;
        Block {
            aside: aside.as_deref(),
            id,
            name: name.as_ref().map(|name| name.as_str().as_bytes()),
            data: data.as_deref(),
        }
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Event").field(&self.encode()).finish()
    }
}

/// Room for most values at the first try.
#[cfg(feature = "json")]
const JSON_GUESS: usize = 256;
