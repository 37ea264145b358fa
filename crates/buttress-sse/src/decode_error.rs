use std::{error::Error, fmt};

/// A stream asked to hold more than its reader allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeError {
    pub(crate) kind: DecodeErrorKind,
    pub(crate) limit: usize,
}

/// What was too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeErrorKind {
    /// One line, see [`Decoder::max_line`](crate::Decoder::max_line).
    LineTooLong,
    /// One event, see [`Decoder::max_event`](crate::Decoder::max_event).
    EventTooLong,
}

impl DecodeError {
    /// What was too long.
    #[must_use]
    pub fn kind(&self) -> DecodeErrorKind {
        self.kind
    }

    /// The limit that was passed, in bytes.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            DecodeErrorKind::LineTooLong => "a line",
            DecodeErrorKind::EventTooLong => "an event",
        };
        write!(f, "{what} of the event stream is over {} bytes", self.limit)
    }
}

impl Error for DecodeError {}
