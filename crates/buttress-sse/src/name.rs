use std::{borrow::Cow, error::Error, fmt};

use memchr::memchr3;

use crate::encode::{DIGITS, decimal};

/// The name of an event, which a browser hands to `addEventListener`.
///
/// Never empty and without CR and LF, so that it cannot open another field (SSE-40).
///
/// # Examples
///
/// ```
/// use buttress_sse::EventName;
///
/// const PROGRESS: EventName = EventName::from_static("progress");
///
/// assert_eq!(PROGRESS.as_str(), "progress");
/// assert!(EventName::new("a\ndata: forged").is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EventName(Cow<'static, str>);

impl EventName {
    /// A name known when the program is compiled.
    ///
    /// # Panics
    ///
    /// When the name is empty or holds CR or LF: at compile time, if used in a `const`.
    #[must_use]
    pub const fn from_static(name: &'static str) -> Self {
        assert!(find_fault(name.as_bytes()).is_none(), "an event name is not empty and has no CR or LF");
        Self(Cow::Borrowed(name))
    }

    /// A name known only at run time.
    ///
    /// # Errors
    ///
    /// [`InvalidEventKind::Name`], when the name is empty (a reader would take it for `message`)
    /// or holds CR or LF.
    pub fn new(name: impl Into<Cow<'static, str>>) -> Result<Self, InvalidEvent> {
        let name = name.into();
        match find_fault(name.as_bytes()) {
            None => Ok(Self(name)),
            Some(fault) => Err(InvalidEvent::new(InvalidEventKind::Name, fault)),
        }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EventName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The id of an event, which a reader sends back as `Last-Event-ID` when it reconnects.
///
/// Without CR, LF and NUL (SSE-40). Events of a [`MemoryLog`](crate::MemoryLog) need none: the
/// log gives each a [`Cursor`](crate::Cursor). An empty id makes the reader forget its last one.
///
/// # Examples
///
/// ```
/// use buttress_sse::{Event, EventId};
///
/// let event = Event::data("hello").id(EventId::new("17")?);
/// assert_eq!(event.encode(), "id: 17\ndata: hello\n\n");
/// assert_eq!(Event::data("hello").id(17.into()), event);
/// # Ok::<(), buttress_sse::InvalidEvent>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EventId(Form);

/// A number is always held as one, so that equal ids are equal values.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Form {
    Number(u64),
    Text(Cow<'static, str>),
}

impl EventId {
    /// An id made by the caller.
    ///
    /// # Errors
    ///
    /// [`InvalidEventKind::Id`], when it holds CR, LF or NUL (a reader ignores an id with NUL).
    pub fn new(id: impl Into<Cow<'static, str>>) -> Result<Self, InvalidEvent> {
        let id = id.into();
        if memchr3(b'\r', b'\n', 0, id.as_bytes()).is_some() {
            return Err(InvalidEvent::new(InvalidEventKind::Id, "holds CR, LF or NUL"));
        }
        let number = id.parse().ok().filter(|number| decimal(*number, &mut [0; DIGITS]) == id.as_bytes());
        Ok(Self(number.map_or(Form::Text(id), Form::Number)))
    }

    /// The id as text, in `digits` if it is a number.
    #[inline]
    pub(crate) fn text<'a>(&'a self, digits: &'a mut [u8; DIGITS]) -> &'a [u8] {
        match &self.0 {
            Form::Number(number) => decimal(*number, digits),
            Form::Text(text) => text.as_bytes(),
        }
    }
}

impl From<u64> for EventId {
    /// The number in base ten, without an allocation.
    fn from(number: u64) -> Self {
        Self(Form::Number(number))
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Form::Number(number) => number.fmt(f),
            Form::Text(text) => text.fmt(f),
        }
    }
}

/// Why a value cannot be part of an event.
#[derive(Debug)]
pub struct InvalidEvent {
    kind: InvalidEventKind,
    fault: &'static str,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// Which part of an event was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidEventKind {
    /// The name is empty, or holds CR or LF.
    Name,
    /// The id holds CR, LF or NUL.
    Id,
    /// The value could not be written as JSON; the source says why.
    Json,
}

impl InvalidEvent {
    pub(crate) fn new(kind: InvalidEventKind, fault: &'static str) -> Self {
        Self { kind, fault, source: None }
    }

    #[cfg(feature = "json")]
    pub(crate) fn json(source: serde_json::Error) -> Self {
        let (kind, fault) = (InvalidEventKind::Json, "cannot be written as JSON");
        Self { kind, fault, source: Some(Box::new(source)) }
    }

    /// Which part was refused.
    #[must_use]
    pub fn kind(&self) -> InvalidEventKind {
        self.kind
    }
}

impl fmt::Display for InvalidEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = match self.kind {
            InvalidEventKind::Name => "event name",
            InvalidEventKind::Id => "event id",
            InvalidEventKind::Json => "event data",
        };
        write!(f, "{part} {}", self.fault)
    }
}

impl Error for InvalidEvent {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| &**source as _)
    }
}

const fn find_fault(name: &[u8]) -> Option<&'static str> {
    if name.is_empty() {
        return Some("is empty");
    }
    let mut at = 0;
    while at < name.len() {
        if matches!(name[at], b'\r' | b'\n') {
            return Some("holds CR or LF");
        }
        at += 1;
    }
    None
}
